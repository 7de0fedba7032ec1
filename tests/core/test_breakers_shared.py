"""Breakers of several processes over one real Redis: what any sees counts for all; without it, each goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis
from sqlmodel import select

from core.breakers import LOOK_SECONDS, MOST_BREAKERS, BreakerChange, Breakers, Rule
from core.clock import SystemClock
from core.record import Generation
from core.shared import PROBE_SECONDS, Shared
from core.tables import ChangeEvent, Tenant
from core.telemetry import Metrics
from tests import breaker_rig, servers
from tests.breaker_process import Process
from tests.breaker_rig import CLOSED, HALF_OPEN, OPEN, WHO, SharedClock, Watched
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.wire.server import WireServer

RULE = {"least_calls": 6, "pause_seconds": 1.0}
"""As short a pause as a slow machine can be trusted with."""


class StoppableRedis:
    """A Redis that can be stopped and started again, with nothing in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "socket"
        self._running: Any = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Run, and wait until it answers."""
        command = [servers._valkey_binary(), "--port", "0", "--unixsocket", self._socket, "--save", ""]
        self._running = servers._running([*command, "--dir", self._folder], self._folder / "log")
        server = self._running.__enter__()
        servers._wait_until(lambda: servers._valkey_answers(self._socket), server, self._folder / "log")

    def stop(self) -> None:
        """End it."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None


@pytest.fixture
def stoppable() -> Iterator[StoppableRedis]:
    """A Redis of this test's own."""
    with servers._folder("vk_") as folder:
        redis = StoppableRedis(folder)
        redis.start()
        yield redis
        redis.stop()


@pytest.fixture
def pair(redis_url: str) -> Iterator[tuple[Process, Process]]:
    """Two processes on one Redis that knows no breaker."""
    breaker_rig.fresh(redis_url).close()
    with Process(redis_url, **RULE) as one, Process(redis_url, **RULE) as other:
        yield one, other


# ── Real processes ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_failures_seen_half_by_each_process_open_it_in_both(pair: tuple[Process, Process]) -> None:
    """Neither has seen enough by itself; together they have, and one of them is told."""
    one, other = pair
    one("note", healthy=False, times=3)
    assert one("refusal") is None
    other("note", healthy=False, times=3)
    time.sleep(LOOK_SECONDS)

    for process in pair:
        assert "6 of 6 calls in the last minute failed" in process("refusal")
    assert sorted(process("changes") for process in pair) == [[], [["closed", "open"]]]


def test_of_all_callers_in_both_processes_one_is_the_probe(pair: tuple[Process, Process]) -> None:
    """When the pause is over 32 callers ask at once; the probe's end then holds for both processes."""
    one, other = pair
    one("note", healthy=False, times=6)
    assert "open since" in other("refusal")
    time.sleep(RULE["pause_seconds"] + 0.1)
    for process in pair:
        process.send("admitted", threads=16)
    assert sum(process.answer() for process in pair) == 1
    one("note", healthy=True)
    time.sleep(LOOK_SECONDS)

    assert [process("refusal") for process in pair] == [None, None]
    told = [change for process in pair for change in process("changes")]
    assert told == [["closed", "open"], ["half-open", "closed"]]


def test_with_redis_stopped_each_process_goes_on_by_itself(stoppable: StoppableRedis) -> None:
    """What was open stays so, what each sees itself decides, the loss is counted; when it is back they share again."""
    with Process(stoppable.url, **RULE) as one, Process(stoppable.url, **RULE) as other:
        one("note", healthy=True)
        other("note", healthy=True)
        stoppable.stop()
        one("note", healthy=False, times=6)
        assert "6 of 6 calls" in one("refusal")
        other("note", healthy=False, times=3)
        assert other("refusal") is None, "it saw three calls fail, and not those of the other"
        assert [process("shared") for process in (one, other)] == [False, False]
        assert min(one("lost"), other("lost")) > 0

        stoppable.start()
        deadline = time.monotonic() + 5 * PROBE_SECONDS
        while not (one("shared") and other("shared")) and time.monotonic() < deadline:
            one("refusal")
            other("refusal")
            time.sleep(0.1)
        assert one("shared")
        assert other("shared")
        lost = one("lost")
        one("note", healthy=False)
        time.sleep(LOOK_SECONDS)
        assert one("lost") == lost
        refusals = [one("refusal"), other("refusal")]
    assert refusals[0] is None or "6 of 6 calls" in refusals[0]


def test_what_one_process_learned_alone_it_tells_when_redis_is_back(stoppable: StoppableRedis) -> None:
    """A breaker that opened while Redis was away is open for all, and its pause goes on."""
    rule = {**RULE, "pause_seconds": 60.0}
    with Process(stoppable.url, **rule) as one, Process(stoppable.url, **rule) as other:
        one("note", healthy=True)
        stoppable.stop()
        one("note", healthy=False, times=6)
        stoppable.start()
        deadline = time.monotonic() + 5 * PROBE_SECONDS
        while not one("shared") and time.monotonic() < deadline:
            one("refusal")
            time.sleep(0.1)

        assert "6 of 6 calls in the last minute failed" in other("refusal")


def test_generations_share_what_they_saw_and_outlive_redis(stoppable: StoppableRedis, sqlite_url: str) -> None:
    """Two Proctors see half of the failures each; both fall back at once, also when Redis goes, and all is paid for."""
    with (
        WireServer() as wire,
        rig(wire, sqlite_url, redis_url=stoppable.url) as one,
        rig(wire, sqlite_url, redis_url=stoppable.url) as other,
    ):
        tenant, alone, both = one.tenant(), one.route(OPENAI), one.route(OPENAI, ANTHROPIC)
        for proctor in (one, other, one):
            heard = proctor.ask(tenant, "failed", route=alone, corridor=proctor.runtime.generator)
            assert len(heard.generation.attempts) == 2, "one is asked again"
        time.sleep(LOOK_SECONDS)
        shared = [_answered(proctor, tenant, both) for proctor in (one, other)]
        stoppable.stop()
        parted = [_answered(proctor, tenant, both) for proctor in (one, other)]

        for generation in shared + parted:
            assert [attempt.provider for attempt in generation.attempts] == ["anthropic"]
            [step] = [step for step in generation.trace if step["verdict"] == "skipped"]
            assert "calls in the last minute failed" in step["reason"]
        assert [proctor.runtime.breakers.is_shared for proctor in (one, other)] == [False, False]
        assert all(proctor.runtime.shared.down_since for proctor in (one, other))
        assert one.is_settled()
        with one.runtime.store.reading() as session:
            events = session.exec(select(ChangeEvent).where(ChangeEvent.kind == "breaker")).all()
        assert [event.summary.partition(":")[0] for event in events] == [f"The breaker of {OPENAI} opened"]


def _answered(proctor: Rig, tenant: Tenant, route: str) -> Generation:
    return proctor.ask(tenant, route=route, corridor=proctor.runtime.generator).generation


# ── In one process, on a clock that Redis follows ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def two(redis_url: str) -> Iterator[tuple[Watched, Watched]]:
    """The breakers of two processes on one clock."""
    clock = SharedClock(breaker_rig.fresh(redis_url))
    pair = tuple(Watched(clock, Shared(redis_url, clock, Metrics())) for _ in range(2))
    yield pair[0], pair[1]
    for one in pair:
        one.close()


def test_admission_asks_redis_four_times_a_second_at_most(redis_url: str, two: tuple[Watched, Watched]) -> None:
    """A thousand calls are let through with one look; what another process saw holds after a quarter of a second."""
    one, other = two
    assert one.admits(), "the first look of all may have to send its script"
    one.clock.advance(LOOK_SECONDS)
    with Redis.from_url(redis_url) as redis:
        before = _scripts(redis)
        assert all(one.admits() for _ in range(1000))
        assert _scripts(redis) - before == 1
        other.call(*[False] * 5)
        assert one.admits(), "it has not heard of it yet"
        one.clock.advance(LOOK_SECONDS)
        before = _scripts(redis)
        assert not any(one.admits() for _ in range(1000))
        assert _scripts(redis) - before == 1


def _scripts(redis: Redis) -> int:
    stats: Any = redis.info("commandstats")
    return stats.get("cmdstat_evalsha", {"calls": 0})["calls"]


def test_whoever_made_the_change_is_told_of_it(two: tuple[Watched, Watched]) -> None:
    """Each of three changes is told once, by the process whose call made it."""
    one, other = two
    one.call(*[False] * 4)
    other.call(False)
    one.clock.advance(30)
    assert one.admits()
    one.call(False)
    one.clock.advance(60)
    assert other.admits()
    other.call(True)

    assert one.told == [("", HALF_OPEN, OPEN)]
    assert other.told == [("", CLOSED, OPEN), ("", HALF_OPEN, CLOSED)]


def test_a_probe_of_a_process_that_died_is_replaced(two: tuple[Watched, Watched]) -> None:
    """Half a minute after it went out, another may."""
    one, other = two
    one.call(*[False] * 5)
    one.clock.advance(30)
    assert one.admits()
    one.clock.advance(29.9)
    assert not other.admits()
    one.clock.advance(0.5)
    assert other.admits()


def test_keys_have_an_end_and_their_number_is_bounded(redis_url: str, two: tuple[Watched, Watched]) -> None:
    """What is not written any more goes by itself; beyond a thousand breakers no more are made."""
    one, _ = two
    one.call(*[False] * 5)
    for number in range(MOST_BREAKERS + 50):
        one.breakers.note("openai", f"model-{number}", healthy=True)
    with Redis.from_url(redis_url) as redis:
        keys = list(redis.scan_iter("proctor:{breakers}:*"))
        assert len(keys) == 3
        assert all(redis.ttl(key) > 0 for key in keys)
        assert redis.hlen("proctor:{breakers}:windows") + redis.hlen("proctor:{breakers}:trips") == MOST_BREAKERS
        sizes = [len(orjson.dumps(one.decode())) for one in redis.hvals("proctor:{breakers}:windows")]
        assert max(sizes) < 2000


def test_redis_lost_in_the_middle_of_a_probe_ends_well(stoppable: StoppableRedis) -> None:
    """A probe that went out by the shared state decides the state of the process that is alone by then."""
    clock = SharedClock(Redis.from_url(stoppable.url))
    one = Watched(clock, Shared(stoppable.url, clock, Metrics()))
    one.call(*[False] * 5)
    clock.advance(30)
    assert one.admits()
    clock._redis.close()
    stoppable.stop()
    one.breakers.note(*WHO, healthy=True, began=clock.monotonic())

    assert not one.breakers.is_shared
    assert one.told[-1] == ("", HALF_OPEN, CLOSED)
    assert one.admits()
    one.close()


# ── Threads ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["alone", "together"])
def test_threads_tell_one_story(kind: str, request: pytest.FixtureRequest) -> None:
    """Whatever 8 threads do at once, the breaker opens and closes by turns, and skips no state."""
    redis_url = request.getfixturevalue("redis_url") if kind == "together" else None
    if redis_url:
        breaker_rig.fresh(redis_url).close()
    clock, metrics = SystemClock(), Metrics()
    shared = Shared(redis_url, clock, metrics)
    told: list[BreakerChange] = []
    rule = Rule(least_calls=3, pause_seconds=0.01, slow_seconds=5)
    ends = clock.monotonic() + 1.5
    breakers = Breakers(clock, told.append, rule=rule, shared=shared)

    def work(seed: int) -> int:
        refused = turn = 0
        while clock.monotonic() < ends:
            if breakers.refusal(*WHO) is not None:
                refused += 1
                time.sleep(0.002)
                continue
            began = clock.monotonic()
            time.sleep(0.001)
            turn += 1
            breakers.note(*WHO, healthy=(turn + seed) % 3 == 0, began=began)
        return refused

    with ThreadPoolExecutor(8) as pool:
        refused = sum(pool.map(work, range(8)))
    shared.close()

    opened = sum(change.before is CLOSED for change in told)
    closed = sum(change.after is CLOSED for change in told)
    assert refused
    assert closed, "a third of the probes go well"
    if not metrics.registry.get_sample_value("proctor_failed_open_total", {"room": "breakers"}):
        assert opened - closed in {0, 1}, "a machine too busy for Redis goes on by itself, and tells of that too"
    assert {(change.before, change.after) for change in told} == {
        (CLOSED, OPEN),
        (HALF_OPEN, OPEN),
        (HALF_OPEN, CLOSED),
    }
