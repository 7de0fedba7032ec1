"""Breakers: they open on a bad minute, pause, let one probe through, and believe the probe; alone as together."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlmodel import col, select

from core.breakers import MOST_BREAKERS, WINDOW_SECONDS, Breakers, BreakerState, Override, Rule, changes
from core.clock import ManualClock
from core.providers.loop import Cancellation
from core.settings import Settings
from core.tables import ChangeEvent, Outcome
from tests import breaker_rig
from tests.breaker_rig import CLOSED, HALF_OPEN, OPEN, WHO, Watched
from tests.conftest import START
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.wire.server import WireServer

RULE = Rule()
LEAST_CALLS, LEAST_ANSWERS, PAUSE_SECONDS = RULE.least_calls, RULE.answers.least, RULE.pause_seconds
KINDS = ("alone", "together")


@pytest.fixture(params=KINDS)
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    """Breakers that have seen nothing: every rule holds in one process as in all that share a Redis."""
    url = "" if request.param == "alone" else request.getfixturevalue("redis_url")
    made = breaker_rig.watched(request.param, url)
    yield made
    made.close()


def test_the_thresholds_are_the_settings() -> None:
    """What the settings say without an environment is the rule as it is written down."""
    assert Rule.of_settings(Settings()) == Rule()


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([], CLOSED),
        ([False] * (LEAST_CALLS - 1), CLOSED),
        ([False] * LEAST_CALLS, OPEN),
        ([True] * 100 + [False] * 99, CLOSED),
        ([True] * 100 + [False] * 100, OPEN),
        ([False] * 3 + [True] * 3, CLOSED),
        ([False, True, False, True, False], OPEN),
    ],
)
def test_a_breaker_opens_when_half_of_enough_calls_fail(
    outcomes: list[bool], state: BreakerState, watched: Watched
) -> None:
    """Few calls prove nothing; of five or more, half must fail, and the last of them."""
    watched.call(*outcomes)

    assert watched.state == state
    assert watched.admits() == (state is CLOSED)


def test_the_window_forgets(watched: Watched) -> None:
    """Failures of more than a minute ago no longer count."""
    watched.call(*[False] * (LEAST_CALLS - 1))
    watched.clock.advance(WINDOW_SECONDS + 1)
    watched.call(False)

    [view] = watched.breakers.views()
    assert (view.state, view.calls, view.failures) == (CLOSED, 1, 1)


def test_the_pause_ends_with_one_probe(watched: Watched) -> None:
    """While open nobody is let through; after the pause one caller is, and the others wait for what comes of it."""
    watched.call(*[False] * LEAST_CALLS)
    watched.clock.advance(PAUSE_SECONDS - 0.1)
    assert not watched.admits()
    assert watched.breakers.views()[0].probe_in_seconds == pytest.approx(0.1)

    watched.clock.advance(0.1)
    assert [watched.admits() for _ in range(3)] == [True, False, False]
    assert watched.state is HALF_OPEN


@pytest.mark.parametrize("healthy", [True, False])
def test_the_probe_decides(*, healthy: bool, watched: Watched) -> None:
    """A probe that succeeds closes the breaker, with nothing held against it; one that fails opens it for a pause."""
    watched.call(*[False] * LEAST_CALLS)
    watched.clock.advance(PAUSE_SECONDS)
    assert watched.admits()
    watched.call(healthy)

    assert watched.state is (CLOSED if healthy else OPEN)
    assert watched.admits() == healthy
    if healthy:
        watched.call(*[False] * (LEAST_CALLS - 1))
        assert watched.state is CLOSED
    else:
        watched.clock.advance(2 * PAUSE_SECONDS)
        assert watched.admits()


def test_a_probe_that_says_nothing_makes_way_for_the_next(watched: Watched) -> None:
    """When the probe's caller leaves, the next caller's call is the probe; a lost probe delays it by a pause."""
    watched.call(*[False] * LEAST_CALLS)
    watched.clock.advance(PAUSE_SECONDS)
    assert watched.admits()
    watched.breakers.release(*WHO)
    assert watched.admits()
    assert not watched.admits()

    watched.clock.advance(PAUSE_SECONDS)
    assert watched.admits()


@pytest.mark.parametrize("seconds", [0.1, 60.0])
def test_what_says_nothing_of_health_counts_neither_way(watched: Watched, seconds: float) -> None:
    """Calls that were turned away make no share smaller or larger, however long they took: the fifth failure opens."""
    watched.call(*[None] * 10 * LEAST_CALLS, seconds=seconds)
    assert watched.view() is None or watched.state is CLOSED
    watched.call(*[False] * (LEAST_CALLS - 1))
    watched.call(*[None] * LEAST_CALLS, seconds=seconds)
    assert watched.state is CLOSED
    watched.call(False)
    assert watched.state is OPEN
    view = watched.view()
    assert view is not None
    assert (view.failures, view.calls) == (LEAST_CALLS, LEAST_CALLS)


@pytest.mark.parametrize("schema", ["", "ticket@1"])
def test_a_probe_that_was_turned_away_decides_nothing(watched: Watched, schema: str) -> None:
    """The breaker stays half-open, no pause grows, and the next call is the probe, which decides."""
    watched.call(*[False] * LEAST_CALLS)
    watched.clock.advance(PAUSE_SECONDS)
    for _ in range(3):
        assert watched.admits(schema)
        assert not watched.admits(schema)
        watched.breakers.note(*WHO, schema, healthy=None)
        assert watched.state is HALF_OPEN
    assert watched.admits(schema)
    watched.breakers.note(*WHO, schema, healthy=True, valid=True)
    assert watched.state is CLOSED
    assert [after for _, _, after in watched.told] == [OPEN, CLOSED]


@pytest.mark.parametrize("healthy", [True, False])
def test_what_hung_through_the_outage_decides_nothing(*, healthy: bool, watched: Watched) -> None:
    """A call that began before the probe is not the probe, whenever it ends: not while it is out, not after it."""
    began = watched.clock.monotonic()
    watched.clock.advance(1)
    watched.call(*[False] * LEAST_CALLS)
    watched.clock.advance(PAUSE_SECONDS)
    assert watched.admits()

    watched.breakers.note(*WHO, healthy=healthy, began=began)
    assert watched.state is HALF_OPEN
    watched.breakers.release(*WHO, began=began)
    assert not watched.admits()

    watched.clock.advance(1)
    watched.breakers.note(*WHO, healthy=True, began=watched.clock.monotonic() - 1)
    for _ in range(2 * LEAST_CALLS):
        watched.breakers.note(*WHO, healthy=False, began=began)
    assert watched.state is CLOSED


def test_of_many_at_once_one_is_the_probe(watched: Watched) -> None:
    """Callers in many threads get one probe between them."""
    watched.call(*[False] * LEAST_CALLS)
    watched.clock.advance(PAUSE_SECONDS)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: watched.admits(), range(64))) == 1


def test_breakers_know_models_apart(watched: Watched) -> None:
    """One model's failures close the door to that model only."""
    watched.call(*[False] * LEAST_CALLS)

    assert watched.breakers.refusal("openai", "gpt-4o") is None
    assert watched.breakers.refusal("anthropic", "gpt-4o-mini") is None
    assert not watched.admits()


def test_what_is_remembered_is_bounded(watched: Watched) -> None:
    """Callers may name any model: breakers that remember nothing are dropped, those that do are kept."""
    watched.call(*[False] * LEAST_CALLS)
    for number in range(MOST_BREAKERS):
        watched.breakers.note("openai", f"model-{number}", healthy=True)
    watched.clock.advance(WINDOW_SECONDS + 1)
    watched.breakers.note("openai", "one-more", healthy=True)

    assert len(watched.breakers.views()) == 2
    assert watched.breakers.views()[0].state is OPEN


# ── What else speaks against a model ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("calls", "state"),
    [
        ([(True, 19.9)] * 20, CLOSED),
        ([(True, 20.0)] * 4, CLOSED),
        ([(True, 20.0)] * 5, OPEN),
        ([(True, 1.0)] * 2 + [(True, 25.0)] * 7, CLOSED),
        ([(True, 1.0)] * 2 + [(True, 25.0)] * 8, OPEN),
        ([(False, 0.1)] * 5, OPEN),
        ([(True, 30.0)] * 3 + [(False, 0.1)] * 2, CLOSED),
    ],
)
def test_slow_calls_open_a_breaker_too(calls: list[tuple[bool, float]], state: BreakerState, watched: Watched) -> None:
    """Four fifths of enough calls must be slow, successes as well; a call that failed fast is an error and not slow."""
    for healthy, seconds in calls:
        watched.call(healthy, seconds=seconds)

    assert watched.state is state


@pytest.mark.parametrize(("timeout", "slow_from"), [(None, 20), (5, 20), (30, 20), (60, 40), (120, 80)])
def test_who_is_given_more_time_is_slow_later(timeout: float | None, slow_from: float, watched: Watched) -> None:
    """A model that a route allows to think for long is not taken for slow because it does."""
    watched.call(*[True] * 10, seconds=slow_from - 0.1, timeout_seconds=timeout)
    assert watched.state is CLOSED
    watched.call(*[True] * 40, seconds=slow_from, timeout_seconds=timeout)
    assert watched.state is OPEN


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([False] * (LEAST_ANSWERS - 1), CLOSED),
        ([False] * LEAST_ANSWERS, OPEN),
        ([True] * 3 + [False] * 20, CLOSED),
        ([True] * 2 + [False] * 18, OPEN),
        ([None] * 100, CLOSED),
        ([None] * 100 + [False] * LEAST_ANSWERS, OPEN),
    ],
)
def test_invalid_answers_open_the_breaker_of_their_schema(
    answers: list[bool | None], state: BreakerState, watched: Watched
) -> None:
    """Nine tenths of enough answers must be invalid; then the model is not asked for that schema, and for others is."""
    watched.answer(*answers)

    view = watched.view("ticket@1")
    assert (view.state if view else CLOSED) is state
    assert watched.admits("ticket@1") == (state is CLOSED)
    assert watched.state is CLOSED
    assert watched.admits("invoice@1")
    assert watched.admits()


def test_a_model_that_fails_is_asked_for_no_schema(watched: Watched) -> None:
    """The breaker of the model itself holds whatever is asked for."""
    watched.call(*[False] * LEAST_CALLS)

    assert not watched.admits("ticket@1")


def test_a_probe_that_is_slow_opens_anew(watched: Watched) -> None:
    """A slow success is bad news, also of a probe."""
    watched.call(*[False] * LEAST_CALLS)
    watched.clock.advance(PAUSE_SECONDS)
    assert watched.admits()
    watched.call(True, seconds=21)

    assert watched.state is OPEN


def test_a_probe_without_an_answer_says_nothing_of_answers(watched: Watched) -> None:
    """Where a probe for a schema fails before there is an answer, the next caller's call is the probe."""
    watched.answer(*[False] * LEAST_ANSWERS)
    watched.clock.advance(PAUSE_SECONDS)
    assert watched.admits("ticket@1")
    assert not watched.admits("ticket@1")
    watched.breakers.note(*WHO, "ticket@1", healthy=False)

    assert watched.admits("ticket@1")
    watched.answer(True)
    view = watched.view("ticket@1")
    assert view
    assert view.state is CLOSED


def test_a_call_takes_both_probes_or_none(watched: Watched) -> None:
    """While the breaker of the model pauses, the probe of the schema is left for whoever may go out."""
    watched.answer(*[False] * LEAST_ANSWERS)
    watched.clock.advance(PAUSE_SECONDS - 1)
    watched.call(*[False] * 2 * LEAST_ANSWERS)
    watched.clock.advance(1)

    assert not watched.admits("ticket@1")
    view = watched.view("ticket@1")
    assert view
    assert view.state is OPEN
    watched.clock.advance(PAUSE_SECONDS)
    assert [watched.admits("ticket@1") for _ in range(2)] == [True, False]


def test_each_failed_probe_lengthens_the_pause(watched: Watched) -> None:
    """Twice as long after each, up to four times; a probe that goes well makes the next pause short again."""
    watched.call(*[False] * LEAST_CALLS)
    pauses: list[float] = []
    for _ in range(5):
        view = watched.view()
        assert view
        assert view.probe_in_seconds
        pauses.append(round(view.probe_in_seconds))
        watched.clock.advance(view.probe_in_seconds - 0.5)
        assert not watched.admits()
        watched.clock.advance(0.5)
        assert watched.admits()
        watched.call(False)
    watched.clock.advance(120)
    assert watched.admits()
    watched.call(True)
    watched.call(*[False] * LEAST_CALLS)

    assert pauses == [30, 60, 120, 120, 120]
    last = watched.view()
    assert last
    assert last.probe_in_seconds == pytest.approx(30)
    assert sum(change.is_news for change in watched.changes) == 5, "opened, lengthened twice, closed, opened"


def test_a_refusal_says_since_when_why_and_until_when(watched: Watched) -> None:
    """The sentence stands in a decision trace: it names the figures that opened the breaker."""
    watched.call(*[True] * 3, *[False] * 7)
    assert watched.state is OPEN
    watched.clock.advance(18)
    said = watched.breakers.refusal(*WHO, "ticket@1")
    watched.clock.advance(12)
    assert watched.admits()
    probing = watched.breakers.refusal(*WHO)
    watched.call(False)
    again = watched.breakers.refusal(*WHO)
    watched.clock.advance(60)
    watched.admits()
    watched.call(True)
    watched.answer(*[False] * LEAST_ANSWERS)
    invalid = watched.breakers.refusal(*WHO, "ticket@1")

    seen = "its breaker is open since 2026-03-04 12:00 UTC: 3 of 6 calls in the last minute failed"
    assert said == f"{seen}; it tries again in 12 s."
    assert probing == f"{seen.replace('open', 'half-open')}; a probe is out and will decide."
    assert again == f"{seen}, and so did a probe since; it tries again in 60 s."
    assert invalid == (
        "its breaker for ticket@1 is open since 2026-03-04 12:01 UTC: 20 of 20 answers in the last minute did not "
        "satisfy the schema; it tries again in 30 s."
    )


def test_an_operator_s_word_goes_before_what_a_breaker_saw(watched: Watched) -> None:
    """Opened by hand nobody is asked, closed by hand everybody is; taken back, the rule decides as it had."""
    opened, closed = (Override("/".join(WHO), state, "vendor works", "Ada", START) for state in (OPEN, CLOSED))
    assert watched.breakers.refusal(*WHO, "", opened) == (
        "its breaker was opened by hand by Ada at 2026-03-04 12:00 UTC: vendor works."
    )
    assert watched.admits()
    watched.call(*[False] * LEAST_CALLS)
    assert watched.breakers.refusal(*WHO, "ticket@1", closed) is None
    assert not watched.admits()
    [view] = watched.breakers.views({WHO: closed})
    assert (view.state, view.is_asked, view.override) == (OPEN, True, closed)


# ── Any order of events, beside a model that keeps everything ─────────────────────────────────────────────────────────


@dataclass
class Model:
    """One breaker, told naively: it keeps every call and looks at all of them each time."""

    least: int
    rates: tuple[float, ...]
    pause: float
    probe: float
    state: BreakerState = CLOSED
    changed: float = -1.0
    until: float = 0.0
    probe_until: float = 0.0
    failed: int = 0
    calls: list[tuple[float, tuple[bool, ...]]] = field(default_factory=list[tuple[float, tuple[bool, ...]]])

    def forbids(self, now: float) -> bool:
        """Whether no call may go out."""
        return self.state is not CLOSED and now < (self.until if self.state is OPEN else self.probe_until)

    def claim(self, now: float) -> None:
        """Let one out."""
        if self.state is OPEN:
            self.state, self.changed = HALF_OPEN, now
        self.probe_until = now + self.probe

    def recent(self, now: float) -> list[tuple[bool, ...]]:
        """Return what ended in the window, which moves in steps of five seconds."""
        return [faults for at, faults in self.calls if at // 5 > now // 5 - 12]

    def end(self, now: float, began: float, faults: tuple[bool, ...] | None) -> None:
        """Take in a call; without faults it says nothing."""
        if began < self.changed or self.state is OPEN:
            return
        if self.state is HALF_OPEN:
            if faults is None:
                self.probe_until = 0.0
            elif any(faults):
                self.failed += 1
                self.state, self.changed = OPEN, now
                self.until = now + self.pause * min(2**self.failed, 4)
            else:
                self.state, self.changed, self.failed, self.calls = CLOSED, now, 0, []
        elif faults is not None:
            self.calls.append((now, faults))
            recent = self.recent(now)
            shares = [sum(one[kind] for one in recent) / len(recent) for kind in range(len(faults))]
            over = any(is_bad and share >= rate for is_bad, share, rate in zip(faults, shares, self.rates, strict=True))
            if len(recent) >= self.least and over:
                self.state, self.changed, self.until, self.calls = OPEN, now, now + self.pause, []


class Machine(RuleBasedStateMachine):
    """Calls begin, end, hang and are given up, in any order."""

    kind = "alone"
    redis_url = ""

    def __init__(self) -> None:
        super().__init__()
        rule = Rule(least_calls=2, pause_seconds=10, slow_seconds=5, slow_rate=0.75)
        self.watched = breaker_rig.watched(self.kind, self.redis_url, rule)
        self.health = Model(2, (0.5, 0.75), 10, 10)
        self.answers = {schema: Model(8, (0.9,), 10, 10) for schema in ("a", "b")}
        self.out: list[tuple[str, float]] = []

    @property
    def now(self) -> float:
        return self.watched.clock.monotonic()

    def models(self, schema: str) -> list[Model]:
        return [self.health, *([self.answers[schema]] if schema else [])]

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.5, 10.0, 25.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.watched.clock.advance(seconds)

    @rule(schema=st.sampled_from(["", "a", "b"]))
    def begin(self, schema: str) -> None:
        models = self.models(schema)
        expected = not any(one.forbids(self.now) for one in models)
        assert self.watched.admits(schema) == expected
        if expected:
            for one in models:
                if one.state is not CLOSED:
                    one.claim(self.now)
            self.out.append((schema, self.now))

    @precondition(lambda self: self.out)
    @rule(
        data=st.data(),
        healthy=st.sampled_from([True, False, False, None]),
        seconds=st.sampled_from([0.1, 5.0]),
        valid=st.sampled_from([True, False, False, False]),
        times=st.sampled_from([1, 1, 2, 9]),
    )
    def end(self, data: st.DataObject, *, healthy: bool | None, seconds: float, valid: bool, times: int) -> None:
        schema, began = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        is_judged = valid if healthy else None
        for _ in range(times):  # a turn may make several calls
            self.watched.breakers.note(*WHO, schema, healthy=healthy, seconds=seconds, valid=is_judged, began=began)
            self.health.end(self.now, began, None if healthy is None else (not healthy, seconds >= 5))
            if schema:
                self.answers[schema].end(self.now, began, None if is_judged is None else (not is_judged,))

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        schema, began = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.watched.breakers.release(*WHO, schema, began=began)
        for one in self.models(schema):
            if one.state is HALF_OPEN and began >= one.changed:
                one.probe_until = 0.0

    @invariant()
    def is_as_the_model_says(self) -> None:
        views = {view.schema: view for view in self.watched.breakers.views()}
        for schema, model in {"": self.health, **self.answers}.items():
            view = views.get(schema)
            assert (view.state if view else CLOSED) is model.state
            if model.state is CLOSED:
                recent = model.recent(self.now)
                shown = (view.calls, view.failures + view.invalid) if view else (0, 0)
                assert shown == (len(recent), sum(one[0] for one in recent))

    def teardown(self) -> None:
        """No change skips a state, and each begins where the one before ended."""
        allowed = {(CLOSED, OPEN), (HALF_OPEN, CLOSED), (HALF_OPEN, OPEN)}
        assert {(before, after) for _, before, after in self.watched.told} <= allowed
        self.watched.close()


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_happens_the_rules_hold(kind: str, request: pytest.FixtureRequest) -> None:
    """No order of events skips half-open, opens without cause, or lets two probes out; alone and together alike."""
    url = "" if kind == "alone" else request.getfixturevalue("redis_url")
    machine = type("Machine", (Machine,), {"kind": kind, "redis_url": url})
    examples = 60 if kind == "alone" else 15
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


# ── On the way of a generation ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def proctor(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor on the fake providers."""
    path = tmp_path_factory.mktemp("breakers") / "proctor.db"
    path.write_bytes(sqlite_template.read_bytes())
    with WireServer() as wire, rig(wire, f"sqlite:///{path}") as running:
        yield running


@pytest.mark.parametrize(
    ("scenario", "trips"),
    [
        ("failed", True),
        ("reset", True),
        ("html", True),
        ("throttled-0s", True),
        ("unauthorized", False),
        ("bad-request", False),
        ("refused", False),
        ("truncated", False),
        ("content-filter", False),
        ("never-valid", False),
    ],
)
def test_what_speaks_against_a_provider(*, scenario: str, trips: bool, proctor: Rig) -> None:
    """Failures of health trip the breaker; our own mistakes, and answers we do not like, do not."""
    breakers = Breakers(proctor.clock)
    corridor, tenant, route = proctor.corridor(breakers=breakers), proctor.tenant(), proctor.route(OPENAI)
    for _ in range(LEAST_CALLS):
        proctor.ask(tenant, scenario, corridor=corridor, route=route)

    assert any(view.state is OPEN for view in breakers.views()) == trips


@pytest.mark.parametrize("turned_away", ["unauthorized", "bad-request"])
def test_an_outage_after_many_that_were_turned_away_opens_at_once(*, turned_away: str, proctor: Rig) -> None:
    """However many requests were turned away within the minute, the fifth call that fails opens the breaker."""
    breakers = Breakers(proctor.clock)
    corridor, tenant, route = proctor.corridor(breakers=breakers), proctor.tenant(), proctor.route(OPENAI)
    for _ in range(3 * LEAST_CALLS):
        proctor.ask(tenant, turned_away, corridor=corridor, route=route)
    for _ in range(LEAST_CALLS):
        proctor.ask(tenant, "failed", corridor=corridor, route=route)
    assert next(view for view in breakers.views() if not view.schema).state is OPEN


def test_an_open_breaker_sends_the_walk_on(proctor: Rig) -> None:
    """With the primary's breaker open the fallback is asked at once, and the trace says why."""
    breakers = Breakers(proctor.clock)
    corridor, tenant, route = proctor.corridor(breakers=breakers), proctor.tenant(), proctor.route(OPENAI, ANTHROPIC)
    for _ in range(LEAST_CALLS):
        breakers.note("openai", "gpt-4o-mini", healthy=False)
    calls = len(proctor.wire.ledger.calls())

    heard = proctor.ask(tenant, corridor=corridor, route=route)

    assert heard.generation.outcome is Outcome.VALID_AFTER_FALLBACK
    assert [(one.kind, one.provider) for one in heard.generation.attempts] == [("fallback", "anthropic")]
    assert len(proctor.wire.ledger.calls()) == calls + 1
    [step] = [step for step in heard.generation.trace if step["verdict"] == "skipped"]
    assert step["reason"].startswith(f"{OPENAI}: its breaker is open since ")
    assert "5 of 5 calls in the last minute failed; it tries again in" in step["reason"]


def test_with_every_breaker_open_nobody_is_asked(proctor: Rig) -> None:
    """A route whose models are all out ends at once, says so, and costs nothing."""
    breakers = Breakers(proctor.clock)
    for _ in range(LEAST_CALLS):
        breakers.note("openai", "gpt-4o-mini", healthy=False)

    heard = proctor.ask(proctor.tenant(), corridor=proctor.corridor(breakers=breakers), route=proctor.route(OPENAI))

    assert (heard.generation.outcome, heard.generation.cost_nano_usd) == (Outcome.PROVIDER_ERROR, 0)
    assert heard.error is not None
    assert "No model of this route could be asked" in heard.error.message
    assert proctor.is_settled()


@pytest.mark.parametrize("why", ["over budget", "gone"])
def test_a_probe_that_never_went_out_blocks_nobody(why: str, proctor: Rig) -> None:
    """Who was admitted and then refused, or left, gives the probe to the next caller."""
    clock = ManualClock(START)
    breakers = Breakers(clock)
    corridor, route = proctor.corridor(breakers=breakers), proctor.route(OPENAI)
    for _ in range(LEAST_CALLS):
        breakers.note("openai", "gpt-4o-mini", healthy=False)
    clock.advance(PAUSE_SECONDS)

    gone = Cancellation()
    gone.cancel()
    poor = proctor.tenant(0 if why == "over budget" else None)
    cancellation = gone if why == "gone" else None
    refused = proctor.ask(poor, corridor=corridor, route=route, cancellation=cancellation)
    assert refused.generation.attempts == ()
    heard = proctor.ask(proctor.tenant(), corridor=corridor, route=route)

    assert heard.generation.outcome is Outcome.VALID_FIRST_TRY
    assert breakers.views()[0].state is CLOSED


def test_what_a_breaker_does_stands_on_the_time_axis(proctor: Rig) -> None:
    """Opening and closing are change events, with cause and figures; so is a failed probe that lengthens the pause."""
    clock, store = ManualClock(START), proctor.runtime.store
    breakers = Breakers(clock, partial(changes.tell, store, clock, RULE))
    for _ in range(LEAST_CALLS):
        breakers.note("openai", "gpt-4o", healthy=False)
    for healthy in (False, False, False, False, True):
        clock.advance(4 * PAUSE_SECONDS)
        assert breakers.refusal("openai", "gpt-4o") is None
        breakers.note("openai", "gpt-4o", healthy=healthy)

    with store.reading() as session:
        told = select(ChangeEvent).where(ChangeEvent.subject == "openai/gpt-4o").order_by(col(ChangeEvent.at))
        events = session.exec(told).all()
    assert [event.summary.removeprefix("The breaker of openai/gpt-4o ") for event in events] == [
        "opened: 5 of 5 calls in the last minute failed. A probe goes out after 30 s.",
        "stays open: a probe failed too. The next goes out after 60 s.",
        "stays open: 2 probes failed too. The next goes out after 120 s.",
        "closed: a probe went well.",
    ]
    assert (events[0].before, events[0].after) == (
        {"state": "closed"},
        {"state": "open", "cause": "failed", "count": 5, "ended": 5, "failed_probes": 0, "pause_seconds": 30.0},
    )


def test_a_change_that_cannot_be_told_ends_no_call() -> None:
    """A breaker opens although whoever is to be told of it fails, as a database may."""

    def fail(*_change: object) -> None:
        raise OSError

    breakers = Breakers(ManualClock(START), fail)
    for _ in range(LEAST_CALLS):
        breakers.note(*WHO, healthy=False)
    assert breakers.views()[0].state is OPEN
