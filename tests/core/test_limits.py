"""Rate limits: alike in memory and in Redis; they say when to come back; where the counts are gone traffic goes on."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import RateLimited
from core.limits import Limits
from core.principals import LOCAL_OPERATOR
from core.tables import Outcome
from core.telemetry import Metrics
from tests import servers
from tests.corridor import Rig, rig
from tests.wire.server import WireServer

_numbers = itertools.count()


@pytest.fixture(params=["memory", "redis"])
def limits(request: pytest.FixtureRequest) -> Limits:
    """Limits that count in this process, and limits that count in a Redis."""
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    return Limits(url, Metrics())


@pytest.fixture
def tenant_id() -> str:
    """A tenant that no other test counts for."""
    return f"tenant-of-limits-{time.monotonic_ns()}-{next(_numbers)}"


def taken(limits: Limits, tenant_id: str, per_minute: int, tries: int) -> int:
    """Return how many of *tries* went through."""
    through = 0
    for _ in range(tries):
        try:
            limits.take(tenant_id, per_minute)
        except RateLimited:
            continue
        through += 1
    return through


def test_as_many_as_the_limit_go_through(limits: Limits, tenant_id: str) -> None:
    """The limit is exact, and each tenant has its own."""
    assert taken(limits, tenant_id, 7, 20) == 7
    assert taken(limits, f"{tenant_id}-other", 7, 3) == 3


def test_of_many_at_once_no_more_go_through(limits: Limits, tenant_id: str) -> None:
    """Callers in many threads get the limit between them, not each."""
    with ThreadPoolExecutor(16) as pool:
        through = sum(pool.map(lambda _: taken(limits, tenant_id, 25, 10), range(16)))

    assert through == 25


def test_the_refusal_says_when_to_come_back(limits: Limits, tenant_id: str) -> None:
    """The wait ends when the oldest of the last minute leaves the window, not later and not sooner."""
    limits.take(tenant_id, 3)
    oldest = time.monotonic()
    time.sleep(0.4)
    assert taken(limits, tenant_id, 3, 2) == 2

    with pytest.raises(RateLimited, match="may start 3 generations per minute") as refused:
        limits.take(tenant_id, 3)

    seconds = refused.value.facts["retry_after_seconds"]
    assert refused.value.facts["limit_per_min"] == 3
    assert seconds == pytest.approx(60 - (time.monotonic() - oldest), abs=0.2)
    assert f"{seconds:.1f} s" in refused.value.message


def test_a_refusal_does_not_count(limits: Limits, tenant_id: str) -> None:
    """Whoever keeps knocking does not lengthen the wait."""
    taken(limits, tenant_id, 2, 2)
    waits: list[float] = []
    for _ in range(10):
        with pytest.raises(RateLimited) as refused:
            limits.take(tenant_id, 2)
        waits.append(refused.value.facts["retry_after_seconds"])

    assert waits == sorted(waits, reverse=True)


@pytest.mark.parametrize(("before", "after", "more"), [(5, 7, 2), (5, 3, 0), (5, 5, 0)])
def test_another_limit_starts_nothing_anew(before: int, after: int, more: int, limits: Limits, tenant_id: str) -> None:
    """When an operator changes the limit, what the tenant has started in the last minute still counts."""
    assert taken(limits, tenant_id, before, before) == before
    assert taken(limits, tenant_id, after, 10) == more


def test_a_lower_limit_says_truly_when_to_come_back(limits: Limits, tenant_id: str) -> None:
    """Under a lower limit more than one has to leave the window first."""
    assert taken(limits, tenant_id, 4, 2) == 2
    time.sleep(0.5)
    assert taken(limits, tenant_id, 4, 2) == 2

    with pytest.raises(RateLimited) as refused:
        limits.take(tenant_id, 2)

    assert refused.value.facts["retry_after_seconds"] == pytest.approx(60, abs=0.3)


def test_redis_is_shared_and_memory_is_not(redis_url: str, tenant_id: str) -> None:
    """Two processes with one Redis share a limit; two without count apart."""
    shared = [Limits(redis_url, Metrics()) for _ in range(2)]
    apart = [Limits(None, Metrics()) for _ in range(2)]

    assert sum(taken(one, tenant_id, 6, 6) for one in shared) == 6
    assert sum(taken(one, tenant_id, 6, 6) for one in apart) == 12
    assert [one.is_shared for one in (*shared, *apart)] == [True, True, False, False]


# ── When the counts are gone ──────────────────────────────────────────────────────────────────────────────────────────


def failed_open(metrics: Metrics) -> float | None:
    """Return how often traffic was let through uncounted."""
    return metrics.registry.get_sample_value("proctor_failed_open_total", {"room": "limit"})


def test_without_its_redis_traffic_goes_on_and_is_counted(tmp_path: Path, tenant_id: str) -> None:
    """A Redis that was never there lets everything through, and each time is counted."""
    metrics = Metrics()
    limits = Limits(f"unix://{tmp_path}/nobody", metrics)

    assert taken(limits, tenant_id, 1, 5) == 5
    assert failed_open(metrics) == 5
    assert not limits.check()


def test_a_redis_that_goes_away_and_comes_back(tenant_id: str) -> None:
    """Limits hold while Redis is there, fail open while it is not."""
    metrics = Metrics()
    with servers.valkey() as url:
        limits = Limits(url, metrics)
        assert limits.check()
        assert taken(limits, tenant_id, 2, 5) == 2
        assert failed_open(metrics) is None

    assert taken(limits, tenant_id, 2, 5) == 5
    assert failed_open(metrics) == 5


@pytest.fixture
def silent_redis() -> Iterator[str]:
    """The URL of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}"


def test_a_redis_that_hangs_costs_a_moment(silent_redis: str, tenant_id: str) -> None:
    """A Redis that does not answer delays a generation by less than a second, and lets it through."""
    metrics = Metrics()
    limits = Limits(silent_redis, metrics)
    began = time.monotonic()

    limits.take(tenant_id, 1)

    assert time.monotonic() - began < 1
    assert failed_open(metrics) == 1


def test_forgetting_takes_one_thread(tenant_id: str) -> None:
    """However many generations are counted, the memory is tidied by one thread at a time."""
    limits = Limits(None, Metrics())
    before = threading.active_count()
    taken(limits, tenant_id, 5000, 3000)

    assert threading.active_count() - before <= 2


# ── On the way of a generation ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def proctor(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor whose tenants may start three generations per minute."""
    path = tmp_path_factory.mktemp("limits") / "proctor.db"
    path.write_bytes(sqlite_template.read_bytes())
    with WireServer() as wire, rig(wire, f"sqlite:///{path}", rate_limit_per_min=3) as running:
        yield running


def test_who_is_too_fast_is_refused_and_recorded(proctor: Rig) -> None:
    """The fourth generation is refused before a provider is asked, costs nothing, and stands in the record."""
    tenant = proctor.tenant()
    heard = [proctor.ask(tenant) for _ in range(4)]
    calls = len(proctor.wire.ledger.calls())

    refused = heard[-1]
    assert [one.generation.outcome for one in heard] == [*[Outcome.VALID_FIRST_TRY] * 3, Outcome.BLOCKED_RATE]
    assert isinstance(refused.error, RateLimited)
    assert refused.error.facts["retry_after_seconds"] > 50
    written = proctor.written(refused.generation.id)
    assert (written.generation.outcome, written.generation.error_code) == ("blocked_rate", "rate_limited")
    assert (written.generation.attempts, written.generation.cost_nano_usd) == (0, 0)
    assert written.generation.trace[-1]["room"] == "limit"
    assert written.payloads == []
    assert len(proctor.wire.ledger.calls()) == calls == 3


def test_a_tenant_may_have_its_own_limit(proctor: Rig) -> None:
    """A tenant's own limit counts instead of the deployment's, from the next generation on."""
    tenant = proctor.tenant(rate_limit_per_min=1)
    outcomes = [proctor.ask(tenant).generation.outcome for _ in range(2)]
    proctor.runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, rate_limit_per_min=2)
    outcomes += [proctor.ask(tenant).generation.outcome for _ in range(2)]

    assert outcomes == [Outcome.VALID_FIRST_TRY, Outcome.BLOCKED_RATE] * 2
