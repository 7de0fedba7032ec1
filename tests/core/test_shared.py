"""The one Redis: while it is down nobody waits for it, and the loss is counted, until it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog.testing
from redis import Redis

from core.clock import ManualClock, SystemClock
from core.errors import Misconfigured
from core.shared import ANSWER_SECONDS, PROBE_SECONDS, Shared
from core.telemetry import Metrics, configure_logging
from tests import servers
from tests.conftest import START
from tests.servers import Valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    """A Redis that tests may stop and freeze."""
    with servers.mortal_valkey() as running:
        yield running


@pytest.fixture
def valkey(server: Valkey) -> Valkey:
    """The same, running and empty."""
    server.stop()
    server.start()
    return server


@pytest.fixture
def metrics() -> Metrics:
    """This test's own metrics."""
    return Metrics()


@pytest.fixture
def shared(valkey: Valkey, clock: ManualClock, metrics: Metrics) -> Shared:
    """What is shared through the running Redis, at a clock that stands still."""
    return Shared(valkey.url, clock, metrics)


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What is logged, whichever level an earlier test has left."""
    configure_logging("INFO")
    with structlog.testing.capture_logs() as lines:
        yield lines
    configure_logging("ERROR")


def ping(redis: Redis) -> str:
    """Ask whether it is there."""
    return "redis" if redis.ping() else "?"


def ask(
    shared: Shared,
    room: str = "room",
    question: Callable[[Redis], str] = ping,
    otherwise: Callable[[], str] = lambda: "here",
) -> str:
    """Return who answered."""
    with shared.redis(room) as redis:
        if redis is not None:
            return question(redis)
    return otherwise()


def lost(metrics: Metrics, room: str = "room") -> float:
    """Return how many questions of a room were lost, by the metric."""
    return metrics.registry.get_sample_value("proctor_failed_open_total", {"room": room}) or 0


def up(metrics: Metrics) -> float | None:
    """Return the gauge."""
    return metrics.registry.get_sample_value("proctor_shared_up")


def test_without_a_redis_everything_is_answered_here(clock: ManualClock, metrics: Metrics) -> None:
    """Nothing is shared, so nothing can be lost."""
    shared = Shared(None, clock, metrics)

    assert (ask(shared), shared.is_set, shared.is_up, shared.down_since, shared.check()) == ("here", 0, 1, None, True)
    assert (lost(metrics), up(metrics)) == (0, 1)
    shared.close()


def test_redis_answers_while_it_runs(shared: Shared, metrics: Metrics) -> None:
    """Its answers come back as they are."""
    assert (ask(shared), shared.is_set, shared.is_up, shared.down_since, shared.check()) == ("redis", 1, 1, None, True)
    assert (lost(metrics), up(metrics)) == (0, 1)
    shared.close()
    assert ask(shared) == "redis", "closing ends the connections, not the use"


def test_an_outage_is_told_once_and_counted_each_time(
    shared: Shared, valkey: Valkey, clock: ManualClock, metrics: Metrics, logged: list[Any]
) -> None:
    """From the first failure to the recovery: two lines in the log, and a count of every question lost, by room."""
    assert ask(shared) == "redis"
    valkey.stop()
    answers = [ask(shared), ask(shared), ask(shared, "other")]
    assert (shared.is_up, shared.down_since, shared.check(), up(metrics)) == (False, START, False, 0)
    clock.advance(PROBE_SECONDS)
    answers += [ask(shared), ask(shared)]
    valkey.start()
    answers.append(ask(shared))
    clock.advance(PROBE_SECONDS)
    answers += [ask(shared), ask(shared)]

    assert answers == [*["here"] * 6, "redis", "redis"]
    assert (lost(metrics), lost(metrics, "other")) == (5, 1)
    assert (shared.is_up, shared.down_since, up(metrics)) == (True, None, 1)
    assert [{k: v for k, v in line.items() if k != "error"} for line in logged] == [
        {"event": "failed_open", "room": "room", "log_level": "warning"},
        {"event": "shared_recovered", "down_seconds": 4.0, "lost": 6, "log_level": "warning"},
    ]


def test_while_it_is_down_one_caller_asks_for_all(shared: Shared, valkey: Valkey, clock: ManualClock) -> None:
    """However many come at once, each two seconds one of them finds out."""
    valkey.stop()
    ask(shared)
    for _ in range(3):
        asked: list[int] = []

        def question(redis: Redis, asked: list[int] = asked) -> str:
            asked.append(1)
            return str(redis.ping())

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _, q=question: ask(shared, "room", q, lambda: "here"), range(64)))
        assert (set(answers), len(asked)) == ({"here"}, 0)

        clock.advance(PROBE_SECONDS)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _, q=question: ask(shared, "room", q, lambda: "here"), range(64)))
        assert (set(answers), len(asked)) == ({"here"}, 1)


def test_while_somebody_is_finding_out_nobody_else_is(shared: Shared, clock: ManualClock) -> None:
    """A probe that hangs, on a name server for one, holds up only the one who makes it."""

    def fail(_: Any) -> str:
        raise TimeoutError

    ask(shared, "room", fail, lambda: "here")
    clock.advance(PROBE_SECONDS)
    began, end = threading.Event(), threading.Event()

    def hang(_: Any) -> str:
        began.set()
        end.wait(5)
        return "redis"

    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(lambda: ask(shared, "room", hang, lambda: "here"))
        began.wait(5)
        clock.advance(PROBE_SECONDS * 2)
        assert [ask(shared) for _ in range(3)] == ["here"] * 3
        end.set()
        assert probe.result() == "redis"
    assert ask(shared) == "redis"


def test_a_check_finds_out_that_it_is_back(
    shared: Shared, valkey: Valkey, clock: ManualClock, metrics: Metrics
) -> None:
    """Also where no traffic asks; a check is no loss, and follows the same two seconds."""
    valkey.stop()
    assert not shared.check()
    assert (shared.is_up, lost(metrics, "check")) == (False, 0)
    valkey.start()
    assert not shared.check()
    clock.advance(PROBE_SECONDS)
    assert shared.check()
    assert shared.is_up


def test_a_restart_that_nobody_noticed_is_none(shared: Shared, valkey: Valkey, metrics: Metrics) -> None:
    """Connections that died meanwhile are replaced, without a loss."""
    assert ask(shared) == "redis"
    valkey.stop()
    valkey.start()

    assert ask(shared) == "redis"
    assert lost(metrics) == 0


def test_whatever_a_question_raises_is_a_failure(shared: Shared, metrics: Metrics) -> None:
    """An answer that cannot be used is none; who asked goes on."""
    answer = ask(shared, "room", lambda redis: redis.execute_command("NO SUCH COMMAND"), lambda: "here")

    assert (answer, lost(metrics), shared.is_up) == ("here", 1, False)


def test_what_holds_otherwise_may_refuse(shared: Shared, valkey: Valkey) -> None:
    """The answer without Redis is the caller's own; what it raises is raised."""
    valkey.stop()

    def refuse() -> str:
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            ask(shared, "room", lambda redis: str(redis.ping()), refuse)


def test_a_call_that_hung_through_a_recovery_begins_no_outage(
    shared: Shared, clock: ManualClock, metrics: Metrics
) -> None:
    """What failed before it came back says nothing about now."""
    began, end = threading.Event(), threading.Event()

    def hang(_: Any) -> str:
        began.set()
        end.wait(5)
        raise TimeoutError

    def fail(_: Any) -> str:
        raise TimeoutError

    hanging = threading.Thread(target=lambda: ask(shared, "room", hang, lambda: "here"))
    hanging.start()
    began.wait(5)
    ask(shared, "room", fail, lambda: "here")
    clock.advance(PROBE_SECONDS)
    assert ask(shared) == "redis"
    end.set()
    hanging.join()

    assert shared.is_up
    assert lost(metrics) == 2


def test_a_frozen_redis_costs_one_caller_a_moment(valkey: Valkey, metrics: Metrics) -> None:
    """Of eight busy callers those who were out wait once; then one in two seconds does, and nobody else."""
    shared = Shared(valkey.url, SystemClock(), metrics)
    waits: list[float] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            began = time.monotonic()
            ask(shared)
            waits.append(time.monotonic() - began)
            stop.wait(0.002)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(call)
        time.sleep(0.1)
        valkey.freeze()
        frozen_at = time.monotonic()
        time.sleep(2.6)
        stop.set()
    valkey.thaw()
    frozen_seconds = time.monotonic() - frozen_at

    slow = [wait for wait in waits if wait > ANSWER_SECONDS * 0.8]
    assert 1 <= len(slow) <= 8 + 1 + frozen_seconds // PROBE_SECONDS
    assert max(waits) < PROBE_SECONDS, "nobody waits for the frozen one"
    assert lost(metrics) > 1000


@pytest.mark.parametrize("url", ["redis://:hunter2@host:port/0", "redis://:hunter2@[::1"])
def test_a_url_that_cannot_be_read_is_named_without_its_secret(url: str, clock: ManualClock, metrics: Metrics) -> None:
    """The sentence says how to write it, and holds no password."""
    with pytest.raises(Misconfigured, match="REDIS_URL") as refusal:
        Shared(url, clock, metrics)
    assert "hunter2" not in refusal.value.message
    assert refusal.value.__suppress_context__


def test_a_socket_may_be_written_in_two_ways(valkey: Valkey, clock: ManualClock, metrics: Metrics) -> None:
    """``unix://`` and, as the settings allow, ``redis+unix://``."""
    assert [ask(Shared(f"{prefix}{valkey.url}", clock, metrics)) for prefix in ("", "redis+")] == ["redis", "redis"]
