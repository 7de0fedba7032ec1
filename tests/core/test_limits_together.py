"""Real processes that share a Redis keep the limits between them, also where one of them dies or Redis does."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pytest
from redis import Redis

from core.clock import SystemClock
from core.errors import RateLimited
from core.limits import Limits, Quota, QuotaScope
from core.shared import Shared
from core.telemetry import Metrics
from tests import servers
from tests.forks import Forked

PROCESS = """
import json, sys, threading, time
from redis import Redis
from core.clock import SystemClock
from core.errors import RateLimited
from core.limits import Limits, Quota, QuotaScope
from core.shared import Shared
from core.telemetry import Metrics, configure_logging

configure_logging("CRITICAL")
given = json.loads(sys.argv[1])
metrics = Metrics()
shared = Shared(given["url"], SystemClock(), metrics)
limits = Limits(shared, given["window"])
quotas = [Quota(**quota | {"scope": QuotaScope(quota["scope"])}) for quota in given["quotas"]]
side = Redis.from_url(given["url"])
through, most, crashed, lock = 0, 0, 0, threading.Lock()
shared.check()
print("ready", flush=True)
sys.stdin.readline()
ends = time.monotonic() + given["seconds"]

def come():
    global through, most, crashed
    while time.monotonic() < ends and through < given["at_most"]:
        try:
            with limits.admitted(quotas, given["tokens"], given["lease"]):
                with lock:
                    through += 1
                if given["watched"]:
                    inside = side.incr(given["watched"])
                    with lock:
                        most = max(most, inside)
                time.sleep(given["hold"])
                if given["watched"]:
                    side.decr(given["watched"])
        except RateLimited:
            time.sleep(0.001)
        except Exception as error:
            print(error, file=sys.stderr)
            crashed += 1

threads = [threading.Thread(target=come) for _ in range(given["threads"])]
for thread in threads: thread.start()
for thread in threads: thread.join()
lost = metrics.registry.get_sample_value("proctor_failed_open_total", {"room": "limit"}) or 0
print(json.dumps({"through": through, "most": most, "crashed": crashed, "lost": lost, "is_up": shared.is_up}))
"""


@contextmanager
def process(url: str, *quotas: Quota, **more: Any) -> Iterator[Forked]:
    """Start a process that takes what it can get; it begins with a line on its standard input."""
    given = {
        "url": url,
        "quotas": [asdict(quota) for quota in quotas],
        "window": 60,
        "tokens": 1,
        "lease": 60.0,
        "hold": 0.0,
        "threads": 4,
        "seconds": 0.7,
        "at_most": 10**9,
        "watched": "",
    } | more
    with Forked("-c", PROCESS, json.dumps(given)) as running:
        assert running.stdout.readline() == "ready\n"
        try:
            yield running
        finally:
            running.kill()


def begin(*processes: Forked) -> None:
    """Let them all go."""
    for one in processes:
        one.stdin.write("go\n")
        one.stdin.flush()


def ended(one: Forked) -> dict[str, Any]:
    """Return what a process has found."""
    found: dict[str, Any] = json.loads(one.stdout.readline())
    assert found["crashed"] == 0
    return found


@pytest.mark.parametrize(
    ("most", "tokens", "expected"),
    [((300, None, None), 1, 300), ((None, 1000, None), 7, 142), ((200, 10**6, None), 30, 200)],
    ids=["requests", "tokens", "both"],
)
def test_two_processes_never_take_more_than_the_limit(
    most: tuple[int | None, ...], tokens: int, expected: int, redis_url: str
) -> None:
    """What goes through in both together is the limit, and not one more."""
    quota = Quota(QuotaScope.TENANT, f"together-{time.monotonic_ns()}", *most)
    with process(redis_url, quota, tokens=tokens) as one, process(redis_url, quota, tokens=tokens) as other:
        begin(one, other)
        found = [ended(one), ended(other)]

    assert sum(each["through"] for each in found) == expected
    assert all(each["through"] > 0 for each in found)


def test_two_processes_are_never_more_in_flight_than_the_limit(redis_url: str) -> None:
    """Five places between eight threads in two processes; each place is used again and again."""
    name = f"together-{time.monotonic_ns()}"
    quota = Quota(QuotaScope.TENANT, name, None, None, 5)
    more: dict[str, Any] = {"watched": f"inside-{name}", "hold": 0.005}
    with process(redis_url, quota, **more) as one, process(redis_url, quota, **more) as other:
        begin(one, other)
        found = [ended(one), ended(other)]

    assert max(each["most"] for each in found) == 5
    assert sum(each["through"] for each in found) > 50
    assert Limits(Shared(redis_url, SystemClock(), Metrics())).use([quota])[0].concurrent == 0


def test_a_killed_process_gives_its_places_back(redis_url: str) -> None:
    """Its leases end with the longest that its generations could have taken; until then the places are taken."""
    quota = Quota(QuotaScope.TENANT, f"together-{time.monotonic_ns()}", None, None, 3)
    limits = Limits(Shared(redis_url, SystemClock(), Metrics()))
    with process(redis_url, quota, threads=3, hold=30, seconds=30, lease=1.2) as one:
        begin(one)
        while limits.use([quota])[0].concurrent < 3:
            time.sleep(0.01)
        full_at = time.monotonic()
        one.send_signal(signal.SIGKILL)
        one.wait()
    with pytest.raises(RateLimited):
        limits.admitted([quota], 1, 60)
    time.sleep(max(0.0, full_at + 1.25 - time.monotonic()))

    with limits.admitted([quota], 1, 60):
        assert limits.use([quota])[0].concurrent == 1


def test_redis_stops_in_mid_run() -> None:
    """Traffic goes on in both processes, each with its own counts; the loss is counted; then they share again."""
    quota = Quota(QuotaScope.TENANT, "together", 100)
    with servers.mortal_valkey() as server:
        with process(server.url, quota, seconds=4.5) as one, process(server.url, quota, seconds=4.5) as other:
            begin(one, other)
            time.sleep(0.5)
            server.stop()
            time.sleep(1.0)
            server.start()
            found = [ended(one), ended(other)]
        kept = Redis.from_url(server.url).llen("proctor:{limit}:requests:tenant:together")

    through = sum(each["through"] for each in found)
    assert 100 + 2 * 50 < through <= 100 + 2 * 100 + 100, "shared, then each alone, then shared by an empty Redis"
    assert all(each["lost"] > 0 and each["is_up"] for each in found)
    assert kept == 100
