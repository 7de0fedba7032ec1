"""Every way a generation can go, against both vendors on the wire: outcome, attempts, tokens, record and money."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import Cancelled, Exhausted
from core.generation import Partial
from core.providers.loop import Cancellation
from core.record import Generation
from core.tables import Outcome, Tenant
from tests import servers
from tests.corridor import A_PERSON, ANTHROPIC, OPENAI, Heard, Rig, program, question, rig
from tests.wire.ledger import Call, Tokens
from tests.wire.server import WireServer

WAYS = ("chat", "chat-stream", "responses", "responses-stream", "messages", "messages-stream")
"""Both of OpenAI's wires and Anthropic's, in one piece and streamed."""
OUTCOMES = {
    "invalid": Outcome.INVALID,
    "truncated": Outcome.TRUNCATED,
    "refused": Outcome.REFUSED,
    "content_filtered": Outcome.CONTENT_FILTERED,
    "timeout": Outcome.TIMEOUT,
    "cancelled": Outcome.CANCELLED,
}
"""How an attempt ended, by its code; of any other code it is the provider's error."""

ALONE: dict[str, str | dict[str, str]] = {
    # what happens: the attempts that must come of it, in whole and streamed
    "ok": "first ok",
    "invalid-once": "first invalid, re-ask ok",
    "invalid-twice": "first invalid, re-ask invalid, re-ask ok",
    "never-valid": "first invalid, re-ask invalid, re-ask invalid",
    "broken-json-once": "first invalid, re-ask ok",
    "broken-json": "first invalid, re-ask invalid, re-ask invalid",
    "truncated": "first truncated, retry truncated",
    "truncated-once": "first truncated, retry ok",
    "refused": "first refused",
    "content-filter": "first content_filtered",
    "throttled-0.01s-once": "first throttled, retry ok",
    "throttled-0.01s": "first throttled, retry throttled",
    "failed-once": "first server_error, retry ok",
    "failed": "first server_error, retry server_error",
    "overloaded-once": "first server_error, retry ok",
    "unauthorized": "first key_rejected",
    "forbidden": "first key_rejected",
    "bad-request": "first turned_away",
    "unknown-model": "first model_not_found",
    "hang": "first timeout",
    "stall": "first timeout",
    "drip": "first timeout",
    "reset-once": "first unreachable, retry ok",
    "reset": "first unreachable, retry unreachable",
    "html-once": "first garbled, retry ok",
    "html": "first garbled, retry garbled",
    "empty-once": "first garbled, retry ok",
    "empty": "first garbled, retry garbled",
    "broken-body-once": "first garbled, retry ok",
    "broken-body": "first garbled, retry garbled",
    "cut-stream-once": "first unreachable, retry ok",
    "cut-stream": "first unreachable, retry unreachable",
    "short-stream-once": {"whole": "first garbled, retry ok", "stream": "first broken_stream, retry ok"},
    "error-in-stream-once": {"whole": "first server_error, retry ok", "stream": "first broken_stream, retry ok"},
    "failed+invalid+ok": "first server_error, retry invalid, re-ask ok",
    "invalid+failed+ok": "first invalid, re-ask server_error, retry ok",
    "cached": "first ok",
    "reasoning": "first ok",
}
IN_VAIN = ("hang", "stall", "drip")
"""What only a deadline ends."""

WITH_FALLBACK: dict[str, str] = {
    # what happens at the primary, or at both: the attempts that must come of it
    "failed@{primary}": "first server_error, retry server_error, fallback ok",
    "unauthorized@{primary}": "first key_rejected, fallback ok",
    "hang@{primary}": "first timeout, fallback ok",
    "reset@{primary}": "first unreachable, retry unreachable, fallback ok",
    "cut-stream@{primary}": "first unreachable, retry unreachable, fallback ok",
    "refused@{primary}": "first refused, fallback ok",
    "truncated@{primary}": "first truncated, retry truncated, fallback ok",
    "never-valid@{primary}": "first invalid, re-ask invalid, re-ask invalid, fallback ok",
    "throttled-30s@{primary}": "first throttled, fallback ok",
    "failed@{primary} invalid-once@{other}": "first server_error, retry server_error, fallback invalid, re-ask ok",
    "html@{primary} failed-once@{other}": "first garbled, retry garbled, fallback server_error, retry ok",
    "failed": "first server_error, retry server_error, fallback server_error, retry server_error",
    "unauthorized@{primary} refused@{other}": "first key_rejected, fallback refused",
}


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def chat(wire: WireServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor on SQLite that asks OpenAI by chat completions."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("chat") / "proctor.db")
    with rig(wire, f"sqlite:///{path}") as running:
        yield _warm(running)


@pytest.fixture(scope="module")
def responses(wire: WireServer, pg_url: str, pg_template: str) -> Iterator[Rig]:
    """A Proctor on PostgreSQL that asks OpenAI by Responses."""
    with servers.database(pg_url, "matrix", pg_template) as url, rig(wire, url, openai_api="responses") as running:
        yield _warm(running)


def _warm(running: Rig) -> Rig:
    """Let both SDKs make their clients, which takes longer than the short deadlines below."""
    tenant = running.tenant()
    for model in (OPENAI, ANTHROPIC):
        assert running.ask(tenant, route=running.route(model)).error is None
    return running


@pytest.fixture
def on(way: str, request: pytest.FixtureRequest) -> Rig:
    """The Proctor that goes this way."""
    running: Rig = request.getfixturevalue("responses" if way.startswith("responses") else "chat")
    return running


# ── The matrix ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", ALONE)
def test_one_candidate(scenario: str, way: str, on: Rig) -> None:
    """Whatever a lone provider does, the generation ends as it should, and what it cost is known to the token."""
    model = ANTHROPIC if way.startswith("messages") else OPENAI
    seconds = 0.3 if scenario in IN_VAIN else 20
    expected = ALONE[scenario]
    stream = way.endswith("stream")
    if isinstance(expected, dict):
        expected = expected["stream" if stream else "whole"]

    heard = _asked(on, scenario, on.route(model, timeout_seconds=seconds), stream=stream, expected=expected)

    if scenario.startswith("throttled"):
        assert on.clock.waits[-1] == 0.01, "it waits as long as the provider says"
    if scenario == "cached":
        assert heard.generation.usage.cached_tokens > heard.generation.usage.cache_write_tokens > 0
    if scenario == "reasoning":
        assert heard.generation.usage.reasoning_tokens == 64


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", WITH_FALLBACK)
def test_two_candidates(scenario: str, way: str, on: Rig) -> None:
    """When the primary cannot answer, the fallback is asked with the same schema, in mid-stream too."""
    models = (ANTHROPIC, OPENAI) if way.startswith("messages") else (OPENAI, ANTHROPIC)
    primary, other = (model.partition("/")[0] for model in models)
    route = on.route(*models, timeout_seconds=0.3 if scenario.startswith("hang") else 20)
    scenario, expected = scenario.format(primary=primary, other=other), WITH_FALLBACK[scenario]

    heard = _asked(on, scenario, route, stream=way.endswith("stream"), expected=expected)

    asked = [attempt.provider for attempt in heard.generation.attempts]
    at = [kind.partition(" ")[0] for kind in expected.split(", ")].index("fallback")
    assert asked == [primary] * at + [other] * (len(asked) - at)


@pytest.mark.parametrize("way", [way for way in WAYS if way.endswith("stream")])
@pytest.mark.parametrize("how", ["closes", "cancels"])
def test_the_client_leaves_a_stream(how: str, way: str, on: Rig) -> None:
    """A caller who leaves in mid-stream closes the provider's connection, and pays for what was said by then."""
    tenant = on.tenant()
    route = on.route(ANTHROPIC if way.startswith("messages") else OPENAI)
    known = len(on.wire.ledger.calls())
    cancellation = Cancellation()
    stream = on.corridor().stream(question("slow-stream", route=route), program(tenant), cancellation)

    assert isinstance(next(stream), Partial)
    if how == "closes":
        stream.close()  # pyright: ignore[reportAttributeAccessIssue] it is a generator
    else:
        cancellation.cancel()
        with pytest.raises(Cancelled):
            list(stream)

    assert on.wire.wait_idle()
    [call] = on.wire.ledger.calls()[known:]
    written = on.last_written(tenant)
    assert call.client_gone
    assert (written.generation.outcome, written.generation.error_code) == ("cancelled", "cancelled")
    [attempt] = written.attempts
    assert (attempt.outcome, attempt.error_code, attempt.estimated) == ("cancelled", "cancelled", True)
    assert (attempt.provider_request_id, attempt.http_status) == (call.request_id, 200)
    assert attempt.input_tokens is not None
    assert attempt.output_tokens is not None
    assert attempt.input_tokens >= call.usage.input_tokens
    assert attempt.output_tokens >= call.usage.output_tokens
    assert [entry.nano_usd for entry in written.entries] == [attempt.cost_nano_usd]
    assert on.is_settled()


@pytest.mark.parametrize("way", [way for way in WAYS if not way.endswith("stream")])
def test_the_client_leaves_a_whole_answer(way: str, on: Rig) -> None:
    """A caller who leaves before the answer ends the call that is out, from any thread."""
    tenant = on.tenant()
    route = on.route(ANTHROPIC if way.startswith("messages") else OPENAI)
    known = len(on.wire.ledger.calls())
    cancellation = Cancellation()

    def leave() -> None:
        while len(on.wire.ledger.calls()) == known:
            threading.Event().wait(0.005)
        cancellation.cancel()

    leaving = threading.Thread(target=leave)
    leaving.start()
    heard = on.ask(tenant, "slow-20s", route=route, cancellation=cancellation)
    leaving.join()

    assert on.wire.wait_idle()
    [call] = on.wire.ledger.calls()[known:]
    assert call.client_gone
    assert isinstance(heard.error, Cancelled)
    assert _spelt(heard.generation) == "first cancelled"
    _check_written(on, tenant, heard)


def test_a_caller_who_left_before_is_not_answered(chat: Rig) -> None:
    """Nothing is sent for a caller who is gone already; that is recorded, and costs nothing."""
    gone = Cancellation()
    gone.cancel()
    tenant = chat.tenant()
    known = len(chat.wire.ledger.calls())

    heard = chat.ask(tenant, cancellation=gone)

    assert (heard.generation.outcome, heard.generation.attempts) == (Outcome.CANCELLED, ())
    assert heard.generation.cost_nano_usd == 0
    assert len(chat.wire.ledger.calls()) == known
    _check_written(chat, tenant, heard)


# ── How a case is judged ──────────────────────────────────────────────────────────────────────────────────────────────


def _asked(on: Rig, scenario: str, route: str, *, stream: bool, expected: str) -> Heard:
    """Ask; judge what was told, what was billed and what was written down."""
    tenant = on.tenant()
    known = len(on.wire.ledger.calls())
    heard = on.ask(tenant, scenario, stream=stream, route=route)
    assert on.wire.wait_idle()
    calls = on.wire.ledger.calls()[known:]

    assert _spelt(heard.generation) == expected
    assert heard.generation.outcome == _outcome(expected)
    if heard.generation.outcome.is_valid:
        assert heard.error is None
        assert heard.generation.value == A_PERSON
    else:
        assert isinstance(heard.error, Exhausted)
        assert heard.generation.value is None
        assert f"No valid object after {len(calls)} call" in heard.error.message
    _check_partials(heard, stream=stream)
    _check_usage(heard.generation, calls)
    _check_written(on, tenant, heard)
    return heard


def _spelt(generation: Generation) -> str:
    """Return the attempts of a generation in the words of the tables above."""
    assert [attempt.n for attempt in generation.attempts] == list(range(1, len(generation.attempts) + 1))
    for attempt in generation.attempts:
        code = attempt.error_code
        assert attempt.outcome.is_valid if code is None else attempt.outcome == _outcome_of(code)
        assert bool(attempt.field_errors) == (code == "invalid")
        assert bool(attempt.error_detail) == (code is not None)
    return ", ".join(f"{one.kind.value} {one.error_code or 'ok'}" for one in generation.attempts)


def _outcome_of(code: str) -> Outcome:
    return OUTCOMES.get(code, Outcome.PROVIDER_ERROR)


def _outcome(expected: str) -> Outcome:
    """Return the outcome that a generation with these attempts has."""
    if not expected.endswith(" ok"):
        return _outcome_of(expected.rpartition(" ")[2])
    if "fallback" in expected:
        return Outcome.VALID_AFTER_FALLBACK
    return Outcome.VALID_AFTER_REASK if "re-ask" in expected else Outcome.VALID_FIRST_TRY


def _check_partials(heard: Heard, *, stream: bool) -> None:
    """Partial objects come of streams only, attempt by attempt, and show nothing that was not answered."""
    numbers = [partial.attempt for partial in heard.partials]
    assert numbers == sorted(numbers)
    if heard.generation.outcome.is_valid:
        assert bool(numbers) == stream
    for partial in heard.partials:
        assert partial.value.keys() <= A_PERSON.keys()


def _check_usage(generation: Generation, calls: list[Call]) -> None:
    """Every attempt knows what the fake billed for it, to the token, or says that it is an estimate, never too low."""
    assert len(generation.attempts) == len(calls)
    for attempt, call in zip(generation.attempts, calls, strict=True):
        head = (attempt.answer.http_status, attempt.answer.provider_request_id)
        never_whole = attempt.error_code == "timeout" or (attempt.error_code == "unreachable" and not call.stream)
        if call.status is not None and not (never_whole and head == (None, None)):
            assert head == (call.status, call.request_id)
        usage = attempt.usage
        if not call.billed:
            assert usage is None
        elif call.told:
            assert usage is not None
            assert (_tokens(usage), usage.estimated) == (call.usage, False)
        else:
            assert usage is not None
            assert usage.estimated
            assert usage.input_tokens >= call.usage.input_tokens
            assert usage.output_tokens >= call.usage.output_tokens
    if all(call.told or not call.billed for call in calls):
        assert _tokens(generation.usage) == sum((call.usage for call in calls), Tokens())
        assert not generation.usage.estimated
    paid = [attempt for attempt in generation.attempts if attempt.usage]
    assert generation.cost_nano_usd == sum(attempt.cost.nano_usd for attempt in paid if attempt.cost)
    assert all(attempt.cost and attempt.cost.nano_usd > 0 for attempt in paid)


def _tokens(usage: Any) -> Tokens:
    return Tokens(
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


def _check_written(on: Rig, tenant: Tenant, heard: Heard) -> None:
    """What the database holds is what the caller was told, and the ledger explains the account."""
    told, written = heard.generation, on.written(heard.generation.id)
    row = written.generation
    assert (row.outcome, row.attempts, row.cost_nano_usd) == (told.outcome, len(told.attempts), told.cost_nano_usd)
    assert (row.provider, row.model, row.route) == (told.provider, told.model, told.route)
    assert (row.schema_name, row.schema_version, row.schema_hash) == ("person", 1, told.schema_hash)
    assert (row.error_code, row.error_detail) == (
        (heard.error.code, heard.error.message) if heard.error else (None,) * 2
    )
    assert (row.duration_ms, row.ttft_ms, row.trace) == (told.duration_ms, told.ttft_ms, list(told.trace))
    assert (_tokens(row), row.estimated) == (_tokens(told.usage), told.usage.estimated)
    for attempt, kept in zip(told.attempts, written.attempts, strict=True):
        usage, cost, answer = attempt.usage, attempt.cost, attempt.answer
        assert (kept.id, kept.n, kept.kind, kept.mode) == (attempt.id, attempt.n, attempt.kind, attempt.mode)
        assert (kept.provider, kept.model, kept.outcome) == (attempt.provider, attempt.model, attempt.outcome)
        assert (kept.error_code, kept.error_detail) == (attempt.error_code, attempt.error_detail)
        assert (kept.http_status, kept.provider_request_id) == (answer.http_status, answer.provider_request_id)
        assert (kept.finish_reason, kept.answered_model) == (answer.finish_reason, answer.model)
        assert kept.ttft_ms == (None if answer.ttft_seconds is None else answer.ttft_seconds * 1000)
        assert kept.started_at <= kept.ended_at
        assert (kept.cost_nano_usd, kept.price) == ((cost.nano_usd, cost.price.as_dict()) if cost else (None, None))
        if usage is None:
            assert kept.input_tokens is kept.output_tokens is None
        else:
            assert (_tokens(kept), kept.estimated) == (_tokens(usage), usage.estimated)
    problems = {(one.attempt_id, one.path, one.type, one.message) for one in written.field_errors}
    assert problems == {
        (attempt.id, one.path, one.type, one.message) for attempt in told.attempts for one in attempt.field_errors
    }
    charged = [(one.id, one.cost.nano_usd) for one in told.attempts if one.cost]
    assert sorted((entry.attempt_id, entry.nano_usd) for entry in written.entries) == sorted(charged)
    spent = sum(nano_usd for _, nano_usd in charged)
    assert [(account.spent_nano_usd, account.held_nano_usd) for account in on.accounts(tenant)] in ([(spent, 0)], [])
    wasted = sum(one.cost.nano_usd for one in told.attempts if one.cost and not one.outcome.is_valid)
    assert row.wasted_nano_usd == wasted
    assert on.is_settled()
