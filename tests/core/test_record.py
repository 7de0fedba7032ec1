"""The record: a generation and its attempts; money and rows in one transaction; texts apart, and not for ever."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select
from structlog.testing import capture_logs

from core.errors import BudgetExceeded, Unavailable
from core.guardrails import Action, Guardrails, Stage
from core.own_keys import OwnKeys
from core.pricing import PossibleBilling
from core.principals import LOCAL_OPERATOR
from core.providers import NO_MEDIA, Answer
from core.providers.loop import Cancellation
from core.schema_forms import form_for
from core.store import Store
from core.tables import AttemptRow, GenerationRow, LedgerEntry, Outcome, Payload, PolicySnapshot, Reservation
from core.telemetry import configure_logging
from core.validation import Effort
from tests.corridor import A_PERSON, OPENAI, Rig, program, question, rig
from tests.searches import Faulty, rule
from tests.wire.server import WireServer


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def proctor(wire: WireServer, database_url: str) -> Iterator[Rig]:
    """A Proctor, on either database."""
    with rig(wire, database_url) as running:
        yield running


def eventually(check: Callable[[], bool]) -> bool:
    """Return whether *check* comes true within a few seconds."""
    until = time.monotonic() + 10
    while not check() and time.monotonic() < until:
        time.sleep(0.01)
    return check()


# ── What is written ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_generation_says_who_asked_and_how(proctor: Rig) -> None:
    """Key, request id, metadata, the user's hash and how long it was queued stand there; the user's name nowhere."""
    tenant = proctor.tenant()
    more: dict[str, Any] = {
        "request_id": "r-77",
        "user": "ada@example.com",
        "metadata": {"team": "blue", "n": [1, None]},
        "queued_seconds": 1.5,
    }
    written = proctor.written(proctor.ask(tenant, **more).generation.id)

    row = written.generation
    assert (row.tenant_id, row.key_id, row.principal, row.request_id) == (tenant.id, "key", "key prk_test…", "r-77")
    assert (row.user_hash, row.caller_metadata) == (OwnKeys().user_hash(tenant.id, "ada@example.com"), more["metadata"])
    assert "ada@example.com" not in str(written)
    assert (row.streamed, row.queue_us) == (False, 1_500_000)


def test_without_a_request_id_it_bears_its_own(proctor: Rig) -> None:
    """A generation can always be found by a request id."""
    row = proctor.written(proctor.ask(proctor.tenant()).generation.id).generation

    assert row.request_id == row.id


def test_what_was_asked_and_answered_is_kept_once(proctor: Rig) -> None:
    """The question and the object stand with the generation, each correction and invalid answer with its attempt."""
    written = proctor.written(proctor.ask(proctor.tenant(), "invalid-twice", model=OPENAI).generation.id)

    whole, first, second, third = written.payloads
    assert [payload.n for payload in written.payloads] == [0, 1, 2, 3]
    assert whole.asked[0]["content"].startswith("Make a person")
    assert json.loads(whole.answered or "") == A_PERSON
    assert (first.asked, second.asked is None, third.asked is None) == (None, False, False)
    assert [json.loads(one.answered or "")["name"] for one in (first, second)] == [12345, 12345]
    assert third.answered is None, "the text of a valid answer is the generation's own object"
    assert "Input should be a valid string" in json.dumps(second.asked)
    for attempt in written.attempts:
        assert "12345" not in str(attempt)
    for problem in written.field_errors:
        assert "12345" not in str(problem)


def test_the_trace_tells_the_way(proctor: Rig) -> None:
    """Every step stands in the order walked: each attempt with its end, and what was decided in between."""
    heard = proctor.ask(proctor.tenant(), "failed@openai", route=proctor.route(OPENAI, "anthropic/claude-haiku-4-5"))

    assert [(step["room"], step["verdict"]) for step in heard.generation.trace] == [
        ("attempt", "provider_error"),
        ("attempt", "retried"),
        ("attempt", "provider_error"),
        ("attempt", "went on"),
        ("attempt", "valid_after_fallback"),
    ]
    first, *_, last = [step["reason"] for step in heard.generation.trace]
    said = "The server had an error while processing your request."
    told = f'openai answered 500 (server_error): it failed on its side. It says: "{said}"'
    assert first == f"first: {OPENAI} (500): {told}"
    assert last == "fallback: anthropic/claude-haiku-4-5 (200)"


def test_money_that_bought_nothing_is_told_apart(proctor: Rig) -> None:
    """Of what a generation cost, the attempts without a valid object were wasted."""
    row = proctor.written(proctor.ask(proctor.tenant(), "invalid-once").generation.id)
    invalid, valid = (attempt.cost_nano_usd for attempt in row.attempts)

    assert row.generation.wasted_nano_usd == invalid
    assert row.generation.cost_nano_usd == (invalid or 0) + (valid or 0)


@pytest.mark.parametrize(("days", "kept"), [(0, False), (1, True), (3650, True)])
def test_texts_are_kept_as_long_as_the_tenant_says(*, days: int, kept: bool, proctor: Rig) -> None:
    """Each payload knows when it is to be forgotten; at 0 days none is kept at all."""
    tenant = proctor.tenant()
    if days != 30:
        proctor.runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, payload_retention_days=days)
    heard = proctor.ask(tenant, "invalid-once")

    payloads = proctor.written(heard.generation.id).payloads
    assert bool(payloads) is kept
    assert {payload.expires_at for payload in payloads} <= {heard.generation.started_at + timedelta(days=days)}
    proctor.runtime.journal.forget_payloads(heard.generation.started_at + timedelta(days=days, seconds=1))
    assert proctor.written(heard.generation.id).payloads == []
    assert len(proctor.written(heard.generation.id).attempts) == 2


def test_a_raw_answer_that_no_database_takes_is_kept_all_the_same(proctor: Rig) -> None:
    """A model that writes a NUL where none may be costs nobody the record of what it cost."""
    odd = OneAnswer(Answer(text='{"name": "a\0b"', http_status=200))
    corridor = proctor.corridor(providers={"openai": odd})

    heard = proctor.ask(proctor.tenant(), corridor=corridor, route=proctor.route(OPENAI, max_reasks=0))

    assert heard.generation.outcome is Outcome.INVALID
    [_, payload] = proctor.written(heard.generation.id).payloads
    assert payload.answered is not None
    assert payload.answered.replace("\N{REPLACEMENT CHARACTER}", "\0") == '{"name": "a\0b"'
    assert proctor.is_settled()


class OneAnswer:
    """A provider, and its one conversation, that gives one answer."""

    name = mode = "openai"
    size_bytes = 300
    texts = ()
    media_tokens = NO_MEDIA
    possible_billing = PossibleBilling()
    so_far = Answer()
    form = form_for({"type": "object"}, "openai", "tools")

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._model: Any = None

    def open(self, ask: Any) -> OneAnswer:
        self._model = ask.response_model
        return self

    async def close(self) -> None:
        return

    async def send(self, _: Any) -> Answer:
        return self._answer

    def read(self, answer: Answer, effort: Effort | None = None) -> Any:
        return self._model.model_validate_json(answer.text)

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        raise NotImplementedError

    def allow(self, max_tokens: int) -> None:
        raise NotImplementedError


# ── When ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_attempt_is_written_and_charged_before_the_next_goes_out(proctor: Rig) -> None:
    """While the second call is out, the first stands in record and account: a crash now would lose neither."""
    tenant, cancellation = proctor.tenant(), Cancellation()
    calls = len(proctor.wire.ledger.calls())

    def ask() -> None:
        proctor.ask(tenant, "invalid+slow-20s", cancellation=cancellation, model=OPENAI)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert eventually(lambda: len(proctor.wire.ledger.calls()) == calls + 2)
        with proctor.runtime.store.reading() as session:
            [attempt] = session.exec(select(AttemptRow)).all()
            [entry] = session.exec(select(LedgerEntry)).all()
            [reservation] = session.exec(select(Reservation)).all()
            assert session.exec(select(GenerationRow)).all() == []
        [account] = proctor.accounts(tenant)
        assert (attempt.n, attempt.outcome, entry.attempt_id) == (1, "invalid", attempt.id)
        assert account.spent_nano_usd == entry.nano_usd == attempt.cost_nano_usd
        [held], [out] = reservation.holds.values(), reservation.attempts
        assert account.held_nano_usd == held >= out["cost_nano_usd"] > 0
        assert (out["n"], reservation.generation["id"]) == (2, attempt.generation_id)
        assert proctor.runtime.budgets.verify(LOCAL_OPERATOR).ok
    finally:
        cancellation.cancel()
        asking.join()
    assert proctor.is_settled()
    assert len(proctor.last_written(tenant).attempts) == 2


def test_a_budget_that_ends_in_the_middle_keeps_what_was(proctor: Rig) -> None:
    """When a re-ask is no longer covered, the attempt before it stays recorded and charged."""
    poor = proctor.tenant(_worst_of_the_first(proctor))

    heard = proctor.ask(poor, "never-valid", model=OPENAI)

    assert heard.generation.outcome is Outcome.BLOCKED_BUDGET
    assert isinstance(heard.error, BudgetExceeded)
    written = proctor.written(heard.generation.id)
    assert [(attempt.n, attempt.outcome) for attempt in written.attempts] == [(1, "invalid")]
    assert len(written.field_errors) == 1
    assert [entry.attempt_id for entry in written.entries] == [written.attempts[0].id]
    [account] = proctor.accounts(poor)
    assert (account.spent_nano_usd, account.held_nano_usd) == (written.generation.cost_nano_usd, 0)
    assert proctor.is_settled()


def _worst_of_the_first(on: Rig) -> int:
    """Return what covers the first attempt of such a question at its worst, and nothing beyond it."""
    tenant, cancellation = on.tenant(), Cancellation()
    calls = len(on.wire.ledger.calls())
    asking = threading.Thread(target=lambda: on.ask(tenant, "slow-20s", cancellation=cancellation, model=OPENAI))
    asking.start()
    assert eventually(lambda: len(on.wire.ledger.calls()) == calls + 1)
    [account] = on.accounts(tenant)
    cancellation.cancel()
    asking.join()
    return account.held_nano_usd + 3_000


# ── Faults ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_of_ours_is_recorded_with_what_it_cost(*, stream: bool, proctor: Rig) -> None:
    """What breaks after a provider was paid is raised, and the generation says so without a word of the answer."""
    tenant = proctor.tenant()
    corridor = proctor.corridor(guardrails=Guardrails([rule(Faulty(), Action.NOTE, Stage.OUTPUT)]))
    with capture_logs() as lines, pytest.raises(ZeroDivisionError):
        proctor.ask(tenant, corridor=corridor, stream=stream)

    written = proctor.last_written(tenant)
    row = written.generation
    [told] = [line for line in lines if line["event"] == "generation_failed"]
    assert (told["generation_id"], told["request_id"], told["error"]) == (row.id, row.request_id, "ZeroDivisionError")
    assert re.fullmatch(r"searches\.py:\d+", told["where"])
    assert "some name" not in f"{told}"
    assert (row.outcome, row.error_code) == ("internal_error", "internal_error")
    assert row.error_detail == ("Proctor itself failed (ZeroDivisionError); the log has it under this generation's id.")
    assert (len(written.attempts), row.cost_nano_usd) == (1, written.attempts[0].cost_nano_usd)
    assert "some name" not in f"{row} {row.trace}"
    assert proctor.is_settled()


class Breaking:
    """A store whose transactions fail from the *n*-th on, after they have done their work, until it is mended.

    Those of one statement are left alone: they keep a policy, and move no money.
    """

    def __init__(self, store: Store, n: int) -> None:
        self._store = store
        self._left = n
        self.is_mended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def transaction(self, **how: Any) -> Any:
        self._left -= not how.get("single")
        return (
            self._store.transaction(**how) if self._left >= 0 or self.is_mended or how.get("single") else self._fails()
        )

    @contextmanager
    def _fails(self) -> Iterator[Any]:
        with self._store.transaction() as cursor:
            yield cursor
            self.is_mended = True
            raise Unavailable("The database does not answer; nothing was written.")


@pytest.mark.parametrize("broken", [0, 1])
def test_a_database_that_fails_for_a_moment_loses_no_money(broken: int, proctor: Rig) -> None:
    """When holding money for an attempt fails, the generation ends; what came before is recorded and charged once."""
    tenant = proctor.tenant()
    corridor = proctor.corridor()
    corridor._recorder.store = Breaking(proctor.runtime.store, broken)  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(Unavailable):
        corridor.generate(question("never-valid", model=OPENAI), program(tenant))

    with proctor.runtime.store.reading() as session:
        attempts = session.exec(select(AttemptRow)).all()
        entries = session.exec(select(LedgerEntry)).all()
    assert len(attempts) == len(entries) == broken
    assert proctor.is_settled()


def test_what_cannot_be_recorded_is_logged_and_told(
    sqlite_url: str, wire: WireServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the last transaction fails, the caller is told, and the log has the generation's id."""
    with rig(wire, sqlite_url) as proctor:
        configure_logging("ERROR")
        corridor = proctor.corridor()
        corridor._recorder.store = Breaking(proctor.runtime.store, 1)  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(Unavailable):
            corridor.generate(question(), program(proctor.tenant()))
        [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert (line["event"], line["outcome"], line["error"]) == ("record_failed", "valid_first_try", "Unavailable")
        with proctor.runtime.store.reading() as session:
            assert session.exec(select(Payload)).all() == []
        # The money stays held until the reservation lapses, and is then charged as an estimate.
        assert proctor.runtime.budgets.verify(LOCAL_OPERATOR).ok
        assert proctor.runtime.budgets.verify(LOCAL_OPERATOR).held_nano_usd > 0


def test_a_policy_is_kept_once(proctor: Rig) -> None:
    """Generations under the same decisions share one policy; a decision that changes it is another."""
    tenant = proctor.tenant()
    ids = [proctor.ask(tenant).generation.id for _ in range(3)]
    proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, 5_000_000_000)
    ids += [proctor.ask(tenant, timeout_seconds=seconds).generation.id for seconds in (5.0, 5.5)]

    hashes = [proctor.written(one).generation.policy_hash for one in ids]

    assert hashes == [hashes[0]] * 3 + [hashes[3]] * 2
    with proctor.runtime.store.reading() as session:
        kept = session.exec(select(PolicySnapshot).where(PolicySnapshot.tenant_id == tenant.id)).all()
    limits = {one.hash: one.body["budgets"][0]["limit_nano_usd"] for one in kept}
    assert limits == {hashes[0]: 1_000_000_000, hashes[3]: 5_000_000_000}
    assert proctor.written(ids[-1]).generation.trace[0] == {
        "room": "policy", "verdict": "hurried", "reason": "The caller waits 5.5 s, not 60 s."
    }  # fmt: skip


def test_another_process_keeps_the_same_policy_again(proctor: Rig, database_url: str, wire: WireServer) -> None:
    """Who does not know that a policy is kept writes it again, and changes nothing."""
    tenant = proctor.tenant()
    first = proctor.ask(tenant).generation.id
    with rig(wire, database_url) as other:
        second = other.ask(tenant).generation.id

    assert proctor.written(first).policy == proctor.written(second).policy
