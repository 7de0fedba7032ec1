"""Breakers: they open on a bad minute, pause, let one probe through, and believe the probe."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, select

from core.breakers import (
    LEAST_CALLS,
    MOST_BREAKERS,
    PAUSE_SECONDS,
    WINDOW_SECONDS,
    WORST_ERROR_RATE,
    Breakers,
    BreakerState,
)
from core.clock import ManualClock
from core.providers._loop import Cancellation
from core.runtime import _write_breaker_event
from core.tables import ChangeEvent, Outcome
from tests.conftest import START
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.wire.server import WireServer

CLOSED, OPEN, HALF_OPEN = BreakerState
WHO = ("openai", "gpt-4o-mini")
ALLOWED = {(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED), (HALF_OPEN, OPEN)}


class Watched:
    """One breaker, and every change that it told."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.changes: list[tuple[BreakerState, BreakerState]] = []
        self.breakers = Breakers(self.clock, lambda _p, _m, before, after: self.changes.append((before, after)))

    def call(self, *outcomes: bool) -> None:
        """Let calls end, healthy or not."""
        for healthy in outcomes:
            self.breakers.note(*WHO, healthy=healthy)

    @property
    def state(self) -> BreakerState:
        """The breaker's state; one that has seen no call is closed."""
        views = self.breakers.views()
        return views[0].state if views else CLOSED

    def admits(self) -> bool:
        """Whether a call may go out now."""
        return self.breakers.admit(*WHO)


@pytest.fixture
def watched() -> Watched:
    """A breaker that has seen nothing."""
    return Watched()


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
        watched.clock.advance(PAUSE_SECONDS)
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
    watched.breakers.release(*WHO, began)
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

    assert watched.breakers.admit("openai", "gpt-4o")
    assert watched.breakers.admit("anthropic", "gpt-4o-mini")
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


EVENTS = st.lists(
    st.one_of(
        st.sampled_from(["healthy", "unhealthy", "unhealthy", "admit", "release"]),
        st.floats(0, 2 * PAUSE_SECONDS).map(lambda seconds: round(seconds, 1)),
    ),
    max_size=60,
)


@given(events=EVENTS)
def test_whatever_happens_the_rules_hold(events: list[str | float]) -> None:
    """No order of events skips half-open, opens without cause, or lets two probes out at once."""
    watched = Watched()
    seen: list[tuple[float, bool]] = []
    probing_since: float | None = None
    opened_at = 0.0
    for event in events:
        before, now = watched.state, watched.clock.monotonic()
        match event:
            case float():
                watched.clock.advance(event)
                continue
            case "admit":
                admitted = watched.admits()
                if before is CLOSED:
                    assert admitted
                elif before is OPEN:
                    assert admitted == (now - opened_at >= PAUSE_SECONDS)
                else:
                    assert admitted == (probing_since is None or now - probing_since >= PAUSE_SECONDS)
                if admitted and before is not CLOSED:
                    probing_since = now
            case "release":
                watched.breakers.release(*WHO)
                probing_since = None
            case _:
                watched.call(event == "healthy")
                seen.append((now, event == "healthy"))
        after = watched.state
        if (before, after) == (CLOSED, OPEN):
            recent = [healthy for at, healthy in seen if now - at <= WINDOW_SECONDS]
            assert len(recent) >= LEAST_CALLS
            assert recent.count(False) >= LEAST_CALLS * WORST_ERROR_RATE
        if after is OPEN and before is not OPEN:
            opened_at, probing_since = now, None
        if after is CLOSED and before is not CLOSED:
            seen, probing_since = [], None
    assert set(watched.changes) <= ALLOWED
    assert all(one[1] is other[0] for one, other in zip(watched.changes, watched.changes[1:], strict=False))


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

    assert (breakers.views()[0].state is OPEN) == trips


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
    assert step["reason"] == f"{OPENAI}: its breaker is open after too many failures."


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
    """Opening and closing are change events; the probes in between are not."""
    clock, store = ManualClock(START), proctor.runtime.store
    breakers = Breakers(clock, partial(_write_breaker_event, store, clock))
    for _ in range(LEAST_CALLS):
        breakers.note("openai", "gpt-4o", healthy=False)
    for healthy in (False, False, True):
        clock.advance(PAUSE_SECONDS)
        assert breakers.admit("openai", "gpt-4o")
        breakers.note("openai", "gpt-4o", healthy=healthy)

    with store.reading() as session:
        told = select(ChangeEvent).where(ChangeEvent.subject == "openai/gpt-4o").order_by(col(ChangeEvent.at))
        events = session.exec(told).all()
    assert [(event.before, event.after) for event in events] == [("closed", "open"), ("half-open", "closed")]
    assert events[0].summary == "The breaker of openai/gpt-4o opened."


def test_a_change_that_cannot_be_told_ends_no_call() -> None:
    """A breaker opens although whoever is to be told of it fails, as a database may."""

    def fail(*_change: object) -> None:
        raise OSError

    breakers = Breakers(ManualClock(START), fail)
    for _ in range(LEAST_CALLS):
        breakers.note(*WHO, healthy=False)
    assert breakers.views()[0].state is OPEN
