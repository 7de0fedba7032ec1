"""Whose it is what vendors store: written down per tenant, looked up as if others had none, forgotten in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlmodel import select

from core.clock import ManualClock
from core.dialects import DIALECTS, DialectName, KeptState
from core.errors import Invalid, NotFound
from core.store import AT_ONCE, Store
from core.stored_objects import KEPT_FOR, MOST_NAMED, Holder, StoredObjects
from core.tables import StoredObject
from tests.conftest import START

OURS = Holder(provider="openai", model="gpt-4o-mini", key_digest="k1", tokens=70)


def kept(kind: Any, *names: str, where: str = "input") -> list[KeptState]:
    """Return things of a kind."""
    return [KeptState(where, kind, name) for name in names]


@pytest.fixture
def clock() -> ManualClock:
    """Time stands still."""
    return ManualClock(START)


@pytest.fixture
def stored(store: Store, clock: ManualClock) -> StoredObjects:
    """Nothing is stored."""
    return StoredObjects(store, clock)


def count(store: Store) -> int:
    """Return how much is written down."""
    with store.reading() as session:
        return len(session.exec(select(StoredObject)).all())


def test_what_is_kept_is_found_by_its_tenant_alone(stored: StoredObjects) -> None:
    """One statement finds one thing or many; another tenant's, and what never was, are refused in the same words."""
    stored.keep("acme", DialectName.RESPONSES, [*kept("response", "r"), *kept("item", "i1", "i2")], OURS)
    found = stored.holder("acme", kept("response", "r"))
    assert found is not None
    assert (found.provider, found.model, found.key_digest, found.tokens) == ("openai", "gpt-4o-mini", "k1", 70)
    every = stored.holder("acme", [*kept("item", "i1", "i2"), *kept("response", "r")])
    assert every == replace(found, tokens=210)  # at most: nobody knows how much of it each of them is
    assert stored.holder("acme", []) is None
    told: set[str] = set()
    for tenant, name in (("bolt", "r"), ("acme", "x"), ("bolt", "x")):
        with pytest.raises(NotFound) as refused:
            stored.holder(tenant, kept("response", name))
        told.add(refused.value.message.replace(f"'{name}'", "…"))
    assert len(told) == 1


def test_of_several_things_each_is_the_tenant_s_own(stored: StoredObjects) -> None:
    """Two of another's are as little there as one, whatever else of one's own is named beside them."""
    stored.keep("acme", DialectName.RESPONSES, kept("item", "i1", "i2"), OURS)
    stored.keep("bolt", DialectName.RESPONSES, kept("response", "r"), OURS)
    for named in (kept("item", "i1", "i2"), [*kept("response", "r"), *kept("item", "i1")]):
        with pytest.raises(NotFound):
            stored.holder("bolt", named)


def test_an_id_is_of_one_kind(stored: StoredObjects) -> None:
    """Who may name a container may not name a file of the same id."""
    stored.keep("acme", DialectName.RESPONSES, kept("container", "x"), OURS)
    with pytest.raises(NotFound):
        stored.holder("acme", kept("file", "x"))


def test_what_is_sealed_needs_no_row(stored: StoredObjects) -> None:
    """The caller has it himself; where it is known, it binds to the key that made it."""
    assert stored.holder("acme", kept("sealed", "gAAA")) is None
    stored.keep("acme", DialectName.RESPONSES, kept("sealed", "gAAA"), OURS)
    found = stored.holder("acme", kept("sealed", "gAAA"))
    assert found is not None
    assert found.key_digest == "k1"


def test_two_accounts_serve_no_one_request(stored: StoredObjects) -> None:
    """What lies under two keys cannot be named together."""
    stored.keep("acme", DialectName.RESPONSES, kept("response", "r"), OURS)
    other = Holder(provider="openai", model="gpt-4o-mini", key_digest="k2")
    stored.keep("acme", DialectName.RESPONSES, kept("file", "f"), other)
    with pytest.raises(Invalid, match="different accounts"):
        stored.holder("acme", [*kept("response", "r", where="previous_response_id"), *kept("file", "f")])


def test_a_request_that_names_too_much_is_refused(stored: StoredObjects) -> None:
    """So no look-up is longer than others can wait."""
    with pytest.raises(Invalid, match="at most"):
        stored.holder("acme", kept("item", *map(str, range(MOST_NAMED + 1))))


def test_what_is_too_old_is_gone_and_swept_in_pieces(stored: StoredObjects, store: Store, clock: ManualClock) -> None:
    """Past its time nothing is found, and the chore takes all of it and nothing else."""
    stored.keep("acme", DialectName.RESPONSES, kept("item", *(f"old{n}" for n in range(AT_ONCE * 2 + 1))), OURS)
    clock.advance(timedelta(days=1).total_seconds())
    stored.keep("acme", DialectName.RESPONSES, kept("response", "r"), OURS)
    assert stored.sweep() == 0
    clock.advance((KEPT_FOR - timedelta(hours=1)).total_seconds())
    with pytest.raises(NotFound):
        stored.holder("acme", kept("item", "old0"))
    assert stored.sweep() == AT_ONCE * 2 + 1
    assert stored.holder("acme", kept("response", "r")) is not None
    assert count(store) == 1


def test_what_is_said_twice_is_one(stored: StoredObjects, store: Store) -> None:
    """The later word holds; what is forgotten is gone."""
    for key in ("k1", "k2"):
        holder = Holder(provider="openai", model="m", key_digest=key)
        stored.keep("acme", DialectName.RESPONSES, kept("response", "r", "r"), holder)
    assert count(store) == 1
    found = stored.holder("acme", kept("response", "r"))
    assert found is not None
    assert found.key_digest == "k2"
    [one] = kept("response", "r")
    stored.forget("bolt", one)
    assert count(store) == 1
    stored.forget("acme", one)
    assert count(store) == 0


@given(names=some.lists(some.text(min_size=1), max_size=30), tenant=some.sampled_from(("acme", "bolt")))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_an_id_looks_like(names: list[str], tenant: str, stored: StoredObjects) -> None:
    """Any text is an id, and the database holds none of them, only digests."""
    stored.keep(tenant, DialectName.RESPONSES, kept("item", *names), OURS)
    found = stored.holder(tenant, kept("item", *names))
    assert (found is None) is (not names)


# ── What an answer tells ──────────────────────────────────────────────────────────────────────────────────────────────


def told_by(door: DialectName, body: bytes, events: Sequence[dict[str, Any]]) -> tuple[set[tuple[str, str]], int]:
    """Return what is stored of an answer by what its events say, and how many tokens it is worth."""
    dialect = DIALECTS[door]
    collected = dialect.stored_by(dialect.read(body))
    assert collected is not None
    found: Sequence[KeptState] = ()
    for event in events:
        found = collected.take(event) or found
    return {(one.kind, one.id) for one in found}, collected.tokens


RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA"},
        {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1"},
        {
            "type": "message",
            "id": "msg_1",
            "content": [
                {
                    "type": "output_text",
                    "text": "See.",
                    "annotations": [
                        {"type": "container_file_citation", "container_id": "cntr_1", "file_id": "cfile_1"}
                    ],
                }
            ],
        },
    ],
    "usage": {"input_tokens": 30, "output_tokens": 12, "input_tokens_details": {"cached_tokens": 9}},
}
ALWAYS = {("sealed", "gAAA"), ("container", "cntr_1"), ("file", "cfile_1")}
STORED = {("response", "resp_1"), ("item", "rs_1"), ("item", "ci_1"), ("item", "msg_1")}


@pytest.mark.parametrize(
    ("store", "answered", "told"),
    [
        ("null", None, ALWAYS | STORED),
        ("true", True, ALWAYS | STORED),
        ("false", False, ALWAYS),
        ("true", False, ALWAYS),
    ],
)
def test_a_response_tells_what_is_stored_of_it(store: str, answered: Any, told: set[tuple[str, str]]) -> None:
    """Its id and its items' where it is stored at all, by the caller's word and the vendor's; containers always."""
    body = b'{"model": "m", "input": "x", "tools": [{"type": "code_interpreter"}], "store": %s}' % store.encode()
    response = RESPONSE if answered is None else RESPONSE | {"store": answered}
    whole = told_by(DialectName.RESPONSES, body, [response])
    begun = {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}}
    ended = {"type": "response.completed", "response": response}
    assert whole == told_by(DialectName.RESPONSES, body, [begun, {"type": "response.output_text.delta"}, ended])
    assert whole == (told, 42)
    assert told_by(DialectName.RESPONSES, body, [begun])[0] == set()


def test_a_message_tells_its_thread_and_its_container() -> None:
    """Whole and streamed alike; without a thread nothing is kept of it but what code left behind."""
    thread = (
        b'{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "thread": {"type": "new"}}'
    )
    code = thread.replace(b'"thread": {"type": "new"}', b'"tools": [{"type": "code_execution_20250825"}]')
    usage = {"input_tokens": 20, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 1, "output_tokens": 4}
    result = {"type": "bash_code_execution_tool_result", "content": {"content": [{"file_id": "file_1"}]}}
    head = {"type": "message", "role": "assistant", "id": "msg_1"}
    whole = [{**head, "content": [result], "container": {"id": "cntr_1"}, "usage": usage}]
    events = [
        {"type": "message_start", "message": {**head, "content": [], "usage": {**usage, "output_tokens": 1}}},
        {"type": "content_block_start", "content_block": result},
        {"type": "message_delta", "delta": {"container": {"id": "cntr_1"}}, "usage": usage},
        {"type": "message_stop"},
    ]
    left = {("container", "cntr_1"), ("file", "file_1")}
    for body, found in ((thread, left | {("thread", "msg_1")}), (code, left)):
        assert told_by(DialectName.MESSAGES, body, whole) == told_by(DialectName.MESSAGES, body, events) == (found, 30)
    plain = DIALECTS[DialectName.MESSAGES]
    assert plain.stored_by(plain.read(thread.replace(b', "thread": {"type": "new"}', b""))) is None


def test_what_is_spoken_is_stored() -> None:
    """The id by which it is named in the next turn, whole and streamed; where nothing is spoken nobody looks."""
    body = b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "audio": {"voice": "a", "format": "wav"}}'
    for said in ("message", "delta"):
        event = {"choices": [{said: {"audio": {"id": "audio_1"}}}]}
        assert told_by(DialectName.CHAT, body, [event])[0] == {("audio", "audio_1")}
    plain = DIALECTS[DialectName.CHAT]
    assert plain.stored_by(plain.read(b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}')) is None
