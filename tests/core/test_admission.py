"""Admission: bounded, fair, and cheap to be turned away from."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from core.admission import (
    LARGE_BYTES,
    LATELY_SECONDS,
    LONGEST_RETRY_SECONDS,
    NOTICED_SECONDS,
    Admission,
    Place,
    taken,
)
from core.clock import ManualClock
from core.errors import Overloaded, Unavailable
from core.shares import SHARE
from core.telemetry import Metrics
from tests.conftest import START
from tests.examples import many

TENANTS = ("a", "b", "c")


def admission(
    places: int = 10, waiting: int = 10, large_bytes: int = 10 * LARGE_BYTES, clock: ManualClock | None = None
) -> Admission:
    """Return places that nobody holds."""
    clock = clock or ManualClock(START)
    return Admission(clock, Metrics(), kind="generate", places=places, waiting=waiting, large_bytes=large_bytes)


def on_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test on an event loop of its own."""

    def run() -> None:
        asyncio.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def placed(asked: asyncio.Future[Place]) -> bool:
    """Return whether a place was given."""
    return asked.done() and not asked.cancelled() and asked.exception() is None


def fill(places: Admission, tenant: str, size: int = 0) -> list[asyncio.Future[Place]]:
    """Ask for *tenant* until it has to wait; return what was asked, the one that waits last."""
    asked = [places.ask(tenant, size)]
    while placed(asked[-1]):
        asked.append(places.ask(tenant, size))
    return asked


@on_a_loop
async def test_one_tenant_leaves_room_for_the_next() -> None:
    """However many calls of one tenant hang, the next tenant begins at once, and so does the one after it."""
    places = admission(256)
    first = fill(places, "a")
    assert len(first) - 1 == 204
    second = fill(places, "b")
    assert len(second) - 1 >= 32
    assert placed(places.ask("c", 0))


@on_a_loop
async def test_a_single_place_is_for_anybody() -> None:
    """Where there is only one place, whoever comes first has it, and the next one gets it then, and knows its wait."""
    clock = ManualClock(START)
    places = admission(1, clock=clock)
    one, other = places.ask("a", 0), places.ask("b", 0)
    assert (placed(one), placed(other)) == (True, False)
    clock.advance(2)
    one.result().give_back()
    one.result().give_back()
    assert placed(other)
    assert (one.result().waited_seconds, other.result().waited_seconds) == (0, 2)
    assert places.seen().running == 1


@on_a_loop
async def test_who_waits_is_served_in_turn() -> None:
    """A tenant with a long queue gets one place, then the next tenant gets one."""
    places = admission(2, waiting=100)
    held = [places.ask("x", 0), places.ask("y", 0)]
    asked = {name: [places.ask(name, 0) for _ in range(5)] for name in ("a", "b")}
    order: list[str] = []
    for _ in range(10):
        held.pop(0).result().give_back()
        [now] = [one for queue in asked.values() for one in queue if placed(one)]
        order.append(next(name for name in asked if now in asked[name]))
        asked[order[-1]].remove(now)
        held.append(now)
    assert order == ["a", "b"] * 5


@on_a_loop
async def test_the_waiting_room_ends() -> None:
    """Who comes when as many wait as may is turned away, counted for its tenant, and told when to come back."""
    places = admission(1, waiting=5)
    places.ask("z", 0)
    waiting = [places.ask("a", 0) for _ in range(4)]
    with pytest.raises(Overloaded) as refused:
        places.ask("a", 0)
    assert 1 <= refused.value.facts["retry_after_seconds"] <= LONGEST_RETRY_SECONDS
    with pytest.raises(Overloaded):
        places.require_room("a")
    places.require_room("b")
    assert not placed(places.ask("b", 0)), "another tenant may still wait"
    seen = places.seen()
    assert (seen.running, seen.waiting, seen.shed) == (1, len(waiting) + 1, {"a": 2})


@on_a_loop
async def test_a_wait_that_was_noticed_is_remembered_for_a_while() -> None:
    """Who waited a second, for a place or in vain, is known for minutes; who waited less is not."""
    clock = ManualClock(START)
    places = Admission(clock, Metrics(), kind="read", places=1, waiting=3, large_bytes=LARGE_BYTES)
    held, short = places.ask("a", 0), places.ask("a", 0)
    clock.advance(NOTICED_SECONDS / 2)
    held.result().give_back()
    assert placed(short)
    assert places.seen().waited == {}

    served, leaving = places.ask("b", 0), places.ask("c", 0)
    clock.advance(NOTICED_SECONDS)
    short.result().give_back()
    leaving.cancel()
    await asyncio.sleep(0)
    assert placed(served)
    assert (places.seen().waits, places.seen().waited) == ({}, {"b": 1, "c": 1})
    clock.advance(LATELY_SECONDS)
    assert places.seen().waited == {}


@on_a_loop
async def test_what_was_shed_is_remembered_for_a_while() -> None:
    """Whose requests were turned away is known for minutes, and then begins anew."""
    clock, metrics = ManualClock(START), Metrics()
    places = Admission(clock, metrics, kind="generate", places=1, waiting=1, large_bytes=LARGE_BYTES)
    for _ in range(3):
        places.turned_away("a")
    clock.advance(LATELY_SECONDS + 1)
    assert places.seen().shed == {}
    places.turned_away("a")
    assert places.seen().shed == {"a": 1}
    assert b'proctor_requests_shed_total{tenant="a"} 4.0' in metrics.text()


@on_a_loop
async def test_large_bodies_wait_for_each_other_only() -> None:
    """Large bodies are bounded together, and shared out; small ones never wait for them."""
    places = admission(100, large_bytes=10 * LARGE_BYTES)
    of_a = fill(places, "a", LARGE_BYTES)
    assert len(of_a) - 1 == 8
    assert placed(places.ask("b", LARGE_BYTES))
    assert placed(places.ask("b", LARGE_BYTES - 1))
    assert placed(places.ask("c", 100))


@on_a_loop
async def test_the_largest_body_gets_its_turn() -> None:
    """Bodies that need less do not overtake for ever one that needs more."""
    places = admission(100, waiting=100, large_bytes=4 * LARGE_BYTES)
    held = [places.ask(name, LARGE_BYTES) for name in ("p", "q", "r")]
    great = places.ask("a", 4 * LARGE_BYTES)
    small = [places.ask(name, LARGE_BYTES) for name in ("b", "c", "d")]
    for one in held[:2]:
        one.result().give_back()
        assert not any(map(placed, (great, *small)))
    held[2].result().give_back()
    assert placed(great)


@on_a_loop
async def test_a_body_shorter_than_feared_gives_room_back() -> None:
    """What was set aside for a body of unknown length goes to the next one, once the length is known."""
    places = admission(100, large_bytes=4 * LARGE_BYTES)
    unknown, waits = places.ask("a", 4 * LARGE_BYTES), places.ask("b", LARGE_BYTES)
    assert not placed(waits)
    unknown.result().needs(10)
    assert placed(waits)
    unknown.result().give_back()
    assert places.seen().running == 1


@pytest.mark.parametrize("in_the_same_moment", [False, True])
def test_who_leaves_is_out_of_the_queue_at_once(*, in_the_same_moment: bool) -> None:
    """A request that is ended while it waits takes no place, not even one that came in the same moment."""

    async def leave() -> None:
        places = admission(1)
        held, waits = places.ask("a", 0), asyncio.create_task(taken(places.ask("b", 0)))
        behind = places.ask("b", 0)
        await asyncio.sleep(0)
        if in_the_same_moment:
            held.result().give_back()
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        await asyncio.sleep(0)
        if not in_the_same_moment:
            assert (places.seen().running, places.seen().waiting) == (1, 1)
            held.result().give_back()
        assert placed(behind)
        assert (places.seen().running, places.seen().waiting) == (1, 0)

    asyncio.run(leave())


@on_a_loop
async def test_bodies_on_their_way_are_shared_out() -> None:
    """A tenant whose bodies never come leaves room for those of others; one that came is not counted any more."""
    places, limit = admission(10, waiting=10), asyncio.timeout(60)
    with ExitStack() as coming:
        for _ in range(16):
            coming.enter_context(places.body_of("a", limit))
        with pytest.raises(Overloaded), places.body_of("a", limit):
            pass
        with places.body_of("b", limit):
            pass
    with places.body_of("a", limit):
        pass
    assert places.seen().shed == {"a": 1}


@on_a_loop
async def test_a_server_that_stops_waits_for_no_body() -> None:
    """What is on its way then will not be begun, and is not waited for."""
    places, never = admission(), asyncio.Event()

    async def come() -> None:
        try:
            async with asyncio.timeout(60) as limit:
                with places.body_of("a", limit):
                    await never.wait()
        except TimeoutError:
            places.require_open()

    bodies = [asyncio.create_task(come()) for _ in range(3)]
    await asyncio.sleep(0)
    places.close()
    told = await asyncio.gather(*bodies, return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable] * 3


@on_a_loop
async def test_a_server_that_stops_begins_nothing() -> None:
    """Who waits is told, and so is whoever comes; places that come free are given to nobody."""
    places = admission(1)
    held, waits = places.ask("a", 0), places.ask("b", 0)
    places.close()
    with pytest.raises(Unavailable, match="stopping"):
        await waits
    for come in (lambda: places.ask("c", 0), lambda: places.require_room("c")):
        with pytest.raises(Unavailable, match="stopping"):
            come()
    held.result().give_back()
    await asyncio.sleep(0)
    assert (places.seen().running, places.seen().waiting) == (0, 0)


class Crowded(RuleBasedStateMachine):
    """Whatever comes, leaves and ends in whichever order."""

    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.places = admission(7, 5, 6 * LARGE_BYTES)
        self.out: list[tuple[str, int, asyncio.Future[Place]]] = []

    def teardown(self) -> None:
        self.loop.close()

    def run(self, act: Callable[[], Any]) -> Any:
        async def once() -> Any:
            came = act()
            for _ in range(3):
                await asyncio.sleep(0)
            return came

        return self.loop.run_until_complete(once())

    @rule(target=asked, tenant=st.sampled_from(TENANTS), size=st.sampled_from([0, 10, LARGE_BYTES, 3 * LARGE_BYTES]))
    def ask(self, tenant: str, size: int) -> Any:
        try:
            one = (tenant, size if size >= LARGE_BYTES else 0, self.run(lambda: self.places.ask(tenant, size)))
        except Overloaded:
            waiting = Counter(name for name, _, place in self.out if not place.done())
            assert sum(waiting.values()) == 5 or waiting[tenant] + 1 > SHARE * (4 - sum(waiting.values()))
            return None
        self.out.append(one)
        return one

    @precondition(lambda self: self.out)
    @rule(one=consumes(asked))
    def end_or_leave(self, one: Any) -> None:
        if one is not None:
            self.out.remove(one)
            self.run(one[2].result().give_back if placed(one[2]) else one[2].cancel)

    @invariant()
    def is_bounded(self) -> None:
        """Never more than there is, and what is shown is what is."""
        running = [(tenant, size) for tenant, size, place in self.out if placed(place)]
        waiting = [tenant for tenant, _, place in self.out if not place.done()]
        seen = self.places.seen()
        assert (seen.running, seen.waiting) == (len(running), len(waiting))
        assert len(running) <= 7
        assert len(waiting) <= 5
        assert sum(size for _, size in running) <= 6 * LARGE_BYTES

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """A tenant that holds nothing waits only where no place is free, or for the bytes of its body."""
        holding = {tenant for tenant, _, place in self.out if placed(place)}
        first: dict[str, int] = {}
        for tenant, size, place in self.out:
            if not place.done():
                first.setdefault(tenant, size)
        free = 7 - sum(placed(place) for _, _, place in self.out)
        assert not free or all(size for tenant, size in first.items() if tenant not in holding)


TestCrowded = Crowded.TestCase
TestCrowded.settings = settings(max_examples=many(60), stateful_step_count=40, deadline=None)


@given(st.lists(st.sampled_from(TENANTS), min_size=1, max_size=60))
@settings(deadline=None)
def test_everybody_is_served_in_the_end(comers: list[str]) -> None:
    """If every call ends, everyone who waits gets a place."""

    async def serve() -> None:
        places = admission(3, waiting=100)
        waiting = []
        for tenant in comers:
            try:
                waiting.append(places.ask(tenant, 0))
            except Overloaded:
                continue
        while waiting:
            begun = [one for one in waiting if placed(one)]
            assert begun
            waiting = [one for one in waiting if one not in begun]
            for one in begun:
                one.result().give_back()

    asyncio.run(serve())
