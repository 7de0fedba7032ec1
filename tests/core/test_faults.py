"""What a fire drill does to a call: nothing goes out, nothing is paid, and everything above meets a true fault."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.attempts import Candidate
from core.clock import ManualClock
from core.errors import Cancelled
from core.faults import Drill, Fault, InjectedFault, met, with_fault
from core.principals import LOCAL_OPERATOR
from core.providers import Answer, Ask, Failed
from core.providers.local import Local
from core.providers.loop import Cancellation, Loop
from core.tables import Outcome, Tenant
from tests.conftest import START
from tests.corridor import A_PERSON, ANTHROPIC, OPENAI, HastyClock, Heard, Rig, rig
from tests.messages import as_messages
from tests.walks import USAGE, Number, Scripted, Walked, ends, good
from tests.wire.server import WireServer

WAYS = ("chat", "chat-stream", "responses", "responses-stream", "messages", "messages-stream")
HOUR = timedelta(hours=1)
SEEN = {
    Fault.RATE_LIMIT: ("throttled", 429),
    Fault.SERVER_ERROR: ("server_error", 500),
    Fault.INVALID: ("invalid", 200),
}
"""Code and status of an attempt that a fault took the place of."""


def drill(fault: Fault, share: float = 1.0, **more: Any) -> Drill:
    """Return a drill that runs for an hour."""
    given: dict[str, Any] = {"id": "drill", "fault": fault, "share": share, "starts_at": START, "ends_at": START + HOUR}
    return Drill(**given | more)


# ── On a clock that stands still ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """The provider loop."""
    running = Loop()
    yield running
    running.close()


@pytest.fixture
def walked(loop: Loop) -> Walked:
    """Walks."""
    return Walked(loop)


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        (Fault.RATE_LIMIT, ["first", "retry"]),
        (Fault.SERVER_ERROR, ["first", "retry"]),
        (Fault.INVALID, ["first", "re-ask", "re-ask"]),
    ],
)
def test_a_faulty_call_never_goes_out(fault: Fault, kinds: list[str], walked: Walked) -> None:
    """The provider is not called, nothing is paid, and each attempt says that it was a drill, and which."""
    provider = Scripted(walked.clock, good)

    walked.ends({"openai": provider}, drills=(drill(fault),))

    code, status = SEEN[fault]
    assert (provider.calls, walked.kinds) == (0, kinds)
    for attempt in walked.record.attempts:
        assert (attempt.drill_id, attempt.usage, attempt.cost) == ("drill", None, None)
        assert (attempt.error_code, attempt.answer.http_status) == (code, status)
        assert attempt.error_detail is not None
        assert attempt.error_detail.startswith("fire drill: ")
    assert walked.record.notes.count(("drill", f"openai/gpt-4o-mini: {fault.label}, by a fire drill.")) == len(kinds)


def test_an_invalid_answer_meets_the_true_re_ask(walked: Walked) -> None:
    """The schema itself rejects it, and the conversation is asked again with its errors."""
    provider = Scripted(walked.clock, good)

    walked.ends({"openai": provider}, drills=(drill(Fault.INVALID),), max_reasks=1)

    assert provider.asked_again == 1
    assert [one.type for attempt in walked.record.attempts for one in attempt.field_errors] == ["json_invalid"] * 2
    assert [attempt.outcome for attempt in walked.record.attempts] == [Outcome.INVALID] * 2


@pytest.mark.parametrize("fault", SEEN)
def test_fallback_answers(fault: Fault, walked: Walked) -> None:
    """A drill on one provider is what fallback is for."""
    one, other = (Scripted(walked.clock, good) for _ in range(2))

    reply = walked.walk({"openai": one, "anthropic": other}, drills=(drill(fault, provider="openai"),))

    assert (reply.outcome, one.calls, other.calls) == (Outcome.VALID_AFTER_FALLBACK, 0, 1)
    assert walked.record.attempts[-1].drill_id is None
    assert walked.record.attempts[-1].usage == USAGE


def test_faulty_calls_do_not_count_in_breakers(walked: Walked) -> None:
    """A breaker belongs to a model and so to every tenant: a drill on one of them must not send the others away."""
    providers = {"openai": Scripted(walked.clock, good), "anthropic": Scripted(walked.clock, good)}
    for _ in range(10):
        walked.walk(providers, drills=(drill(Fault.SERVER_ERROR, provider="openai"),))

    assert {view.state for view in walked.breakers.views()} == {"closed"}
    assert walked.breakers.refusal("openai", "m") is None
    assert providers["openai"].calls == 0


def test_only_those_named_are_hit(clock: ManualClock) -> None:
    """A drill for a provider spares the others, one for a model its siblings, and one for neither nobody."""
    to = [("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("anthropic", "gpt-4o")]

    def hit(**named: str) -> list[bool]:
        return [met([drill(Fault.SLOW, **named)], *one, clock) is not None for one in to]

    assert hit() == [True, True, True]
    assert hit(provider="openai") == [True, True, False]
    assert hit(provider="openai", model="gpt-4o") == [True, False, False]
    assert hit(model="gpt-4o") == [True, False, True]


def test_the_end_needs_nobody(walked: Walked) -> None:
    """Each call looks at the clock: a drill that ends while the walk waits has no fault for the retry."""
    provider = Scripted(walked.clock, good)
    ending = drill(Fault.SERVER_ERROR, ends_at=START + timedelta(seconds=0.1))

    reply = walked.walk({"openai": provider}, drills=(ending,))

    assert reply.outcome is Outcome.VALID_FIRST_TRY
    assert (walked.kinds, provider.calls) == (["first", "retry"], 1)
    assert [attempt.drill_id for attempt in walked.record.attempts] == ["drill", None]


@pytest.mark.parametrize(("seconds", "meets"), [(-1, False), (0, True), (3599, True), (3600, False)])
def test_a_drill_runs_from_its_start_to_its_end(seconds: int, *, meets: bool) -> None:
    """Its faults begin at its start, and end at its end."""
    clock = ManualClock(START + timedelta(seconds=seconds))

    assert (met([drill(Fault.INVALID)], "openai", "m", clock) is not None) is meets


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 1.0])
def test_the_share_is_drawn_by_lot(share: float, clock: ManualClock) -> None:
    """So many of the calls meet the fault as were asked for, by the clock's seeded chance."""
    hits = sum(met([drill(Fault.SLOW, share)], "openai", "m", clock) is not None for _ in range(10_000))

    assert hits == pytest.approx(10_000 * share, rel=0.05, abs=10)
    assert share < 1 or hits == 10_000


def test_each_drill_draws_its_own_lot(clock: ManualClock) -> None:
    """Two drills at once inject as often as either would, and a call meets one of them."""
    drills = [drill(Fault.SLOW, 0.5, id="one"), drill(Fault.INVALID, 0.5, id="other")]
    ids = [fault.drill.id for _ in range(4000) if (fault := met(drills, "openai", "m", clock))]

    assert ids.count("one") == pytest.approx(2000, rel=0.1)
    assert ids.count("other") == pytest.approx(1000, rel=0.1)


def test_without_drills_nothing_is_drawn() -> None:
    """A call that no drill concerns costs neither a look at the clock nor a lot."""

    class Untouched(ManualClock):
        def now(self) -> Any:
            raise AssertionError("nobody asked for the time")

        def chance(self) -> float:
            raise AssertionError("nobody drew a lot")

    assert met((), "openai", "m", Untouched(START)) is None
    provider = Scripted(ManualClock(START), good)
    assert with_fault(provider, None) is provider


def test_a_local_model_that_never_ran_is_asked_again() -> None:
    """Where a drill answers in the place of a server that nobody waited for yet, the re-ask goes on all the same."""
    asked: Any = Local(None).open(  # pyright: ignore[reportArgumentType] the server is never reached
        Ask(model="smollm2", response_model=Number, messages=as_messages({"role": "user", "content": "A number."}))
    )
    size = asked.size_bytes
    answer = asyncio.run(with_fault(asked, InjectedFault(drill(Fault.INVALID))).send(None))

    with pytest.raises(ValidationError) as error:
        asked.read(answer)
    added = asked.ask_again(answer, error.value)

    assert [message["role"] for message in added] == ["assistant", "user"]
    assert asked.size_bytes > size


# ── Slowness, which is real ───────────────────────────────────────────────────────────────────────────────────────────


def test_slowness_waits_and_then_goes_out(walked: Walked) -> None:
    """The call waits as long as the drill says, is answered and paid truly; its first token came that much later."""

    def told(_: ManualClock) -> Answer:
        return dataclasses.replace(good(_), ttft_seconds=0.01)

    provider = Scripted(walked.clock, told)
    began = time.monotonic()

    reply = walked.walk({"openai": provider}, drills=(drill(Fault.SLOW, seconds=0.15),))

    assert time.monotonic() - began > 0.14
    [attempt] = walked.record.attempts
    assert (reply.value, provider.calls, attempt.usage, attempt.drill_id) == (7, 1, USAGE, "drill")
    assert (attempt.error_detail, attempt.outcome) == (None, Outcome.VALID_FIRST_TRY)
    assert attempt.answer.ttft_seconds is not None
    assert attempt.answer.ttft_seconds > 0.15


def test_a_slow_call_that_fails_truly_says_so(walked: Walked) -> None:
    """What went wrong after the wait was the provider's, not the drill's."""
    provider = Scripted(walked.clock, ends(Failed("It failed.")))

    walked.ends({"openai": provider}, drills=(drill(Fault.SLOW, seconds=0.01),), max_retries=0)

    [attempt] = walked.record.attempts
    assert (attempt.error_detail, attempt.drill_id, provider.calls) == ("It failed.", "drill", 1)


def test_slowness_ends_at_the_deadline(walked: Walked) -> None:
    """A call whose time is up while it waits never went out: it ends as a timeout and costs nothing."""
    provider = Scripted(walked.clock, good)
    began = time.monotonic()

    walked.ends(
        {"openai": provider},
        Candidate(provider="openai", model="gpt-4o-mini", timeout_seconds=0.05),
        drills=(drill(Fault.SLOW, seconds=20.0),),
    )

    assert time.monotonic() - began < 18, "it did not sit out the twenty seconds"
    [attempt] = walked.record.attempts
    assert (attempt.outcome, provider.calls, attempt.usage) == (Outcome.TIMEOUT, 0, None)
    assert attempt.error_detail is not None
    assert attempt.error_detail.startswith("fire drill: ")


def test_who_leaves_ends_slowness(walked: Walked) -> None:
    """A caller need not sit it out, and pays nothing for a call that did not go out."""
    provider, cancellation = Scripted(walked.clock, good), Cancellation()
    leaving = threading.Timer(0.1, cancellation.cancel)
    leaving.start()
    began = time.monotonic()

    with pytest.raises(Cancelled):
        walked.walk({"openai": provider}, cancellation=cancellation, drills=(drill(Fault.SLOW, seconds=20.0),))

    leaving.join()
    assert time.monotonic() - began < 18, "it did not sit out the twenty seconds"
    [attempt] = walked.record.attempts
    assert (attempt.outcome, attempt.usage, provider.calls) == (Outcome.CANCELLED, None, 0)


def test_slow_calls_wait_together(loop: Loop) -> None:
    """Waiting holds up nobody else: forty calls that wait a fifth of a second take about as long as one."""

    def one() -> None:
        walked = Walked(loop)
        walked.walk({"openai": Scripted(walked.clock, good)}, drills=(drill(Fault.SLOW, seconds=0.2),))

    threads = [threading.Thread(target=one) for _ in range(40)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 0.19 < time.monotonic() - began < 0.2 * 40, "one after the other they take eight seconds"


# ── Through the corridor, to both vendors ─────────────────────────────────────────────────────────────────────────────


class Lots(HastyClock):
    """The hasty clock with lots that are drawn in this order; then none meets it any more."""

    def __init__(self, *lots: float) -> None:
        super().__init__()
        self._lots = list(lots)

    def chance(self) -> float:
        return self._lots.pop(0) if self._lots else 0.999


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def rigs(wire: WireServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Rig]]:
    """A Proctor that asks OpenAI by chat completions, and one that does by Responses."""
    folder = tmp_path_factory.mktemp("drills")
    one, other = (f"sqlite:///{shutil.copy(sqlite_template, folder / name)}" for name in ("chat.db", "responses.db"))
    with rig(wire, one) as chat, rig(wire, other, openai_api="responses") as responses:
        yield (chat, responses)


@pytest.fixture
def on(way: str, rigs: Sequence[Rig]) -> Rig:
    """The Proctor that goes this way."""
    return rigs[way.startswith("responses")]


def models(way: str) -> tuple[str, str]:
    """Return the primary and the fallback of a way."""
    return (ANTHROPIC, OPENAI) if way.startswith("messages") else (OPENAI, ANTHROPIC)


def begin(on: Rig, tenant: Tenant, fault: Fault, *, target: str = "", share: float = 1.0, seconds: float = 0.05) -> str:
    """Begin a drill; return its id."""
    drills = on.runtime.drills
    return drills.start(
        LOCAL_OPERATOR, tenant, fault, share=share, minutes=5, reason="A test.", target=target, seconds=seconds
    ).id


def check_written(on: Rig, heard: Heard, drill_id: str) -> None:
    """What the database holds of faulty attempts: the drill, no tokens, no cost, no charge."""
    written = on.written(heard.generation.id)
    for told, kept in zip(heard.generation.attempts, written.attempts, strict=True):
        assert kept.drill_id == told.drill_id
        if kept.drill_id is not None:
            assert kept.drill_id == drill_id
            assert kept.error_detail is not None
            assert kept.error_detail.startswith("fire drill: ")
            assert (kept.input_tokens, kept.output_tokens, kept.cost_nano_usd, kept.estimated) == (
                None,
                None,
                None,
                False,
            )
            assert kept.provider_request_id is None
            assert all(entry.attempt_id != kept.id for entry in written.entries)
    assert on.is_settled()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", SEEN)
def test_the_fallback_answers_truly(fault: Fault, way: str, on: Rig, wire: WireServer) -> None:
    """With the primary on fire the fallback answers, on every wire; the primary's ledger shows no call at all."""
    tenant, (primary, other) = on.tenant(), models(way)
    drill_id = begin(on, tenant, fault, target=primary)
    known = len(wire.ledger.calls())

    heard = on.ask(tenant, route=on.route(primary, other), stream=way.endswith("stream"))

    assert heard.generation.value == A_PERSON
    assert heard.generation.outcome is Outcome.VALID_AFTER_FALLBACK
    [call] = wire.ledger.calls()[known:]
    assert call.model == other.partition("/")[2]
    *faulty_ones, answered = heard.generation.attempts
    assert {(attempt.error_code, attempt.drill_id) for attempt in faulty_ones} == {(SEEN[fault][0], drill_id)}
    assert len(faulty_ones) == (3 if fault is Fault.INVALID else 2)
    assert answered.drill_id is None
    assert answered.cost is not None
    assert heard.generation.cost_nano_usd == answered.cost.nano_usd
    check_written(on, heard, drill_id)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["tools", "json_schema", "json", "md_json"])
def test_a_provider_is_truly_asked_again(mode: str, way: str, on: Rig, wire: WireServer) -> None:
    """After an answer that was made invalid the provider gets the re-ask, in every mode, and its answer counts."""
    tenant, (primary, _) = on.tenant(), models(way)
    drill_id = begin(on, tenant, Fault.INVALID, share=0.5)
    with_lots = dataclasses.replace(on, clock=Lots(0.2, 0.8))
    known = len(wire.ledger.calls())

    heard = with_lots.ask(
        tenant,
        route=on.route(primary, mode=mode),
        stream=way.endswith("stream"),
        corridor=with_lots.corridor(),
    )

    assert heard.generation.outcome is Outcome.VALID_AFTER_REASK
    assert [attempt.kind for attempt in heard.generation.attempts] == ["first", "re-ask"]
    assert heard.generation.attempts[1].asked
    [call] = wire.ledger.calls()[known:]
    assert "Invalid JSON" in str(call.request)
    assert heard.generation.usage.input_tokens == call.usage.input_tokens
    check_written(on, heard, drill_id)


@pytest.mark.parametrize("way", WAYS)
def test_a_slow_call_is_answered_and_paid(way: str, on: Rig, wire: WireServer) -> None:
    """Slowness is of the call only: it goes out afterwards, is billed, and is marked."""
    tenant, (primary, _) = on.tenant(), models(way)
    drill_id = begin(on, tenant, Fault.SLOW, seconds=0.1)
    known = len(wire.ledger.calls())

    heard = on.ask(tenant, route=on.route(primary), stream=way.endswith("stream"))

    [call] = wire.ledger.calls()[known:]
    [attempt] = heard.generation.attempts
    assert heard.generation.outcome is Outcome.VALID_FIRST_TRY
    assert (attempt.drill_id, attempt.duration_ms > 99) == (drill_id, True)
    assert attempt.usage is not None
    assert attempt.usage.input_tokens == call.usage.input_tokens
    [kept] = on.written(heard.generation.id).attempts
    assert (kept.drill_id, kept.cost_nano_usd) == (drill_id, heard.generation.cost_nano_usd)
    assert next(step["verdict"] for step in heard.generation.trace if step["room"] == "attempt") == "drill"
    assert on.is_settled()


@pytest.mark.parametrize("way", ["chat", "messages"])
def test_a_hedge_answers_in_the_place_of_a_slow_call(way: str, on: Rig, wire: WireServer) -> None:
    """A drill on a route that hedges: the other answers, and the slow one, which never went out, costs nothing."""
    tenant, (primary, other) = on.tenant(), models(way)
    drill_id = begin(on, tenant, Fault.SLOW, target=primary, seconds=60)
    known = len(wire.ledger.calls())

    heard = on.ask(tenant, route=on.route(primary, other, hedge_after_ms=50))

    assert heard.generation.value == A_PERSON
    [call] = wire.ledger.calls()[known:]
    assert call.model == other.partition("/")[2]
    told = {attempt.kind.value: (attempt.drill_id, attempt.usage is None) for attempt in heard.generation.attempts}
    assert told == {"first": (drill_id, True), "hedge": (None, False)}
    check_written(on, heard, drill_id)


@pytest.mark.parametrize("way", ["chat"])
def test_only_the_named_tenant_meets_it(on: Rig, way: str) -> None:
    """A neighbour on the same route and model sees nothing of it."""
    drilled, neighbour = on.tenant(), on.tenant()
    begin(on, drilled, Fault.SERVER_ERROR)
    route = on.route(*models(way))

    assert on.ask(drilled, route=route).error is not None
    heard = on.ask(neighbour, route=route)
    assert heard.error is None
    assert [attempt.drill_id for attempt in heard.generation.attempts] == [None]
