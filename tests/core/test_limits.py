"""Rate limits: alike in memory and in Redis, all or nothing; a refusal says truly when to come back."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.clock import ManualClock, SystemClock
from core.errors import RateLimited
from core.limits import Limits, Quota, QuotaScope, QuotaUse, estimated_tokens
from core.limits._terms import SlidingWindow
from core.principals import LOCAL_OPERATOR
from core.shared import Shared
from core.tables import Outcome
from core.telemetry import Metrics
from tests.corridor import Rig, rig
from tests.messages import as_messages
from tests.wire.server import WireServer

_numbers = itertools.count()
Make = Callable[..., Limits]


def limits_on(url: str | None, window_seconds: int = 60) -> Limits:
    """Return limits as a process has them, shared by *url*."""
    return Limits(Shared(url, SystemClock(), Metrics()), window_seconds)


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Make:
    """Make limits that count in this process, and limits that count in a Redis."""
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    return lambda window_seconds=60: limits_on(url, window_seconds)


@pytest.fixture
def limits(make: Make) -> Limits:
    """Limits per minute, of either kind."""
    return make()


def tenant(*most: int | None) -> Quota:
    """Return the quota of a tenant that no other test counts for: requests, tokens, generations in flight."""
    return Quota(QuotaScope.TENANT, f"limits-{time.monotonic_ns()}-{next(_numbers)}", *most)


def key(*most: int | None) -> Quota:
    """Return the quota of a key that no other test counts for."""
    return replace(tenant(*most), scope=QuotaScope.KEY)


def come(limits: Limits, *quotas: Quota, tokens: int = 1, uses: int | None = None) -> None:
    """Walk one generation through, from door to door."""
    with limits.admitted(quotas, tokens, 60) as ticket:
        if uses is not None:
            ticket.used(uses)


def through(limits: Limits, *quotas: Quota, tries: int, tokens: int = 1) -> int:
    """Return how many of *tries* went through."""
    count = 0
    for _ in range(tries):
        try:
            come(limits, *quotas, tokens=tokens)
        except RateLimited:
            continue
        count += 1
    return count


def refused(limits: Limits, *quotas: Quota, tokens: int = 1) -> RateLimited:
    """Return the refusal of one more."""
    with pytest.raises(RateLimited) as refusal:
        come(limits, *quotas, tokens=tokens)
    return refusal.value


# ── The rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("most", "tokens", "tries", "expected"),
    [
        ((7, None, None), 1, 20, 7),
        ((None, 100, None), 30, 20, 3),
        ((None, 100, None), 50, 20, 2),
        ((None, 100, None), 100, 3, 1),
        ((None, None, 1), 1, 5, 5),
        ((5, 100, 2), 30, 20, 3),
        ((2, 100, 2), 30, 20, 2),
        ((None, None, None), 10**9, 5, 5),
    ],
)
def test_as_many_as_the_limits_go_through(
    most: Sequence[int | None], tokens: int, tries: int, expected: int, limits: Limits
) -> None:
    """Each limit is exact, the narrowest decides, and each tenant has its own."""
    assert through(limits, tenant(*most), tries=tries, tokens=tokens) == expected
    assert through(limits, tenant(*most), tries=tries, tokens=tokens) == expected


@pytest.mark.parametrize(
    ("of_tenant", "of_key", "tokens", "expected"),
    [
        ((10, None, None), (4, None, None), 1, 4),
        ((3, None, None), (10, None, None), 1, 3),
        ((None, 100, None), (None, 40, None), 20, 2),
        ((5, None, None), (None, 60, None), 20, 3),
    ],
)
def test_a_key_has_a_share_inside_its_tenant(
    of_tenant: Sequence[int | None], of_key: Sequence[int | None], tokens: int, expected: int, limits: Limits
) -> None:
    """Both have to pass."""
    assert through(limits, tenant(*of_tenant), key(*of_key), tries=12, tokens=tokens) == expected


@pytest.mark.parametrize(
    "narrow",
    [(2, None, None), (None, 20, None), (None, None, 1)],
    ids=["requests", "tokens", "concurrency"],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_if_one_refuses_nothing_is_counted(narrow: Sequence[int | None], is_first: bool, limits: Limits) -> None:  # noqa: FBT001
    """Whichever limit refuses, the others have not counted what did not go through."""
    wide, tight = tenant(1000, 10**6, 1000), key(*narrow)
    quotas = (tight, wide) if is_first else (wide, tight)
    with ExitStack() as inside:
        while True:
            try:
                inside.enter_context(limits.admitted(quotas, 10, 60))
            except RateLimited:
                break
        before = limits.use([wide])
        for _ in range(5):
            refused(limits, *quotas, tokens=10)

        assert limits.use([wide]) == before
        assert before[0].requests in {1, 2}
        assert before[0].tokens == before[0].requests * 10


def test_of_many_at_once_no_more_go_through(limits: Limits) -> None:
    """Callers in many threads get the limits between them, not each."""
    by_requests, by_tokens = tenant(25, None, 16), tenant(None, 250, 16)
    with ThreadPoolExecutor(16) as pool:
        requests = sum(pool.map(lambda _: through(limits, by_requests, tries=10), range(16)))
        tokens = sum(pool.map(lambda _: through(limits, by_tokens, tries=10, tokens=10), range(16)))

    assert (requests, tokens) == (25, 25)


def test_never_more_in_flight_than_the_limit(limits: Limits) -> None:
    """Threads that come and go are never more inside than may be, and all places come back."""
    quota = tenant(None, None, 3)
    inside, most, lock = 0, 0, threading.Lock()

    def visit(_: int) -> None:
        nonlocal inside, most
        for _ in range(20):
            try:
                with limits.admitted([quota], 1, 60):
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    time.sleep(0.0005)
                    with lock:
                        inside -= 1
            except RateLimited:
                time.sleep(0.0005)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(visit, range(8)))

    assert most == 3
    assert limits.use([quota])[0].concurrent == 0


def test_a_place_comes_back_by_any_door(limits: Limits) -> None:
    """A generation that fails has left all the same."""
    quota = tenant(None, None, 1)
    for _ in range(3):
        with suppress(KeyError), limits.admitted([quota], 1, 60):
            assert limits.use([quota])[0].concurrent == 1
            raise KeyError

    assert limits.use([quota])[0].concurrent == 0


@pytest.mark.parametrize(
    ("estimate", "uses", "counted"),
    [(100, 100, 100), (100, 350, 350), (100, 40, 40), (100, 0, 0), (100, None, 100), (100, 5000, 1000)],
)
def test_what_was_used_is_what_counts(estimate: int, uses: int | None, counted: int, limits: Limits) -> None:
    """At the end the rest is taken, or what was too much given back; beyond the limit nothing is left to take."""
    quota = tenant(None, 1000)
    come(limits, quota, tokens=estimate, uses=uses)

    assert limits.use([quota])[0].tokens == counted


@pytest.mark.parametrize(("before", "after", "more"), [(5, 7, 2), (5, 3, 0), (5, 5, 0)])
def test_another_limit_starts_nothing_anew(before: int, after: int, more: int, limits: Limits) -> None:
    """When an operator changes the limit, what the tenant has started in the last minute still counts."""
    quota = tenant(before)
    assert through(limits, quota, tries=before) == before
    assert through(limits, replace(quota, requests_per_min=after), tries=10) == more


def test_use_is_told_per_pace(limits: Limits) -> None:
    """What is used of each limit, while a generation is in flight."""
    of_tenant, of_key, idle = tenant(10, 1000, 5), key(None, 500), tenant(3, 3, 3)
    come(limits, of_tenant, tokens=70)
    with limits.admitted([of_tenant, of_key], 30, 60):
        assert limits.use([of_tenant, of_key, idle]) == [QuotaUse(2, 100, 1), QuotaUse(0, 30, 0), QuotaUse(0, 0, 0)]


# ── What a refusal says ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("quota", "tokens", "facts", "sentence"),
    [
        (tenant(2), 1, {"limit": "requests", "scope": "tenant", "limit_per_min": 2}, "start 2 generations per minute"),
        (key(1), 1, {"limit": "requests", "scope": "key", "limit_per_min": 1}, "This key may start 1 generation per"),
        (
            tenant(None, 1000),
            400,
            {"limit": "tokens", "scope": "tenant", "limit_per_min": 1000, "tokens": 400},
            "1,000 tokens per minute and has used 800; this one needs about 400 tokens for its input",
        ),
        (
            tenant(None, 300),
            400,
            {"limit": "tokens", "limit_per_min": 300, "retry_after_seconds": None},
            "needs about 400 tokens for its input. Shorten it",
        ),
    ],
)
def test_the_refusal_names_the_limit(
    quota: Quota, tokens: int, facts: dict[str, Any], sentence: str, limits: Limits
) -> None:
    """Which limit, whose, how much, and one sentence that says what to do."""
    quota = replace(quota, id=tenant().id)
    through(limits, quota, tries=2, tokens=tokens)

    error = refused(limits, quota, tokens=tokens)
    assert facts.items() <= error.facts.items()
    assert sentence in error.message
    assert error.message.endswith("ask an operator for a higher limit.")


def test_too_many_in_flight_may_come_back_soon(limits: Limits) -> None:
    """Nobody knows when a place comes free, so the wait is short."""
    quota = tenant(100, None, 2)
    with limits.admitted([quota], 1, 60), limits.admitted([quota], 1, 60):
        error = refused(limits, quota)

    assert error.facts == {
        "limit": "concurrency",
        "scope": "tenant",
        "limit_concurrent": 2,
        "retry_after_seconds": 1.0,
    }
    assert "2 generations in flight at once" in error.message


def test_of_several_full_limits_the_longest_wait_counts(limits: Limits) -> None:
    """Whoever comes back when told so is not sent away by the other limit."""
    of_tenant, of_key = tenant(1, None, 1), key(None, 10)
    with limits.admitted([of_tenant, of_key], 10, 60):
        error = refused(limits, of_tenant, of_key, tokens=10)

    assert error.facts["limit"] in {"requests", "tokens"}
    assert error.facts["retry_after_seconds"] > 20


def test_a_refusal_does_not_count(limits: Limits) -> None:
    """Whoever keeps knocking does not lengthen the wait."""
    quota = tenant(2, 100)
    through(limits, quota, tries=2)
    waits = [refused(limits, quota).facts["retry_after_seconds"] for _ in range(10)]

    assert waits == sorted(waits, reverse=True)


@pytest.mark.parametrize(
    ("quota", "tokens", "first"),
    [
        (tenant(3), 1, [1, 1, 1]),
        (tenant(None, 100), 60, [30, 30, 40]),
        (tenant(None, 100), 10, [90, 10]),
        (tenant(None, 100), 100, [1]),
    ],
    ids=["requests", "tokens", "few tokens", "all tokens"],
)
def test_the_wait_is_true(quota: Quota, tokens: int, first: Sequence[int], make: Make) -> None:
    """Just before it is over there is no room; when it is over there is."""
    limits, quota = make(window_seconds=1), replace(quota, id=tenant().id)
    for size in first:
        come(limits, quota, tokens=size)
        time.sleep(0.05)
    seconds = refused(limits, quota, tokens=tokens).facts["retry_after_seconds"]
    asked_at = time.monotonic()
    early = max(0.0, seconds - 0.1)
    time.sleep(early)
    if time.monotonic() - asked_at < seconds - 0.03:
        assert refused(limits, quota, tokens=tokens)
    time.sleep(max(0.0, asked_at + seconds + 0.01 - time.monotonic()))

    assert 0 < seconds <= 2
    come(limits, quota, tokens=tokens)


@pytest.mark.parametrize(
    ("window", "cost", "limit", "expected"),
    [
        (SlidingWindow(0, 0, 0, 0), 10, 9, None),
        (SlidingWindow(60, 60, 0, 120), 42, 100, 1.0),  # 58 may weigh still: one of sixty fades each second
        (SlidingWindow(60, 30, 0, 90), 41, 100, 0.0),
        (SlidingWindow(0, 0, 100, 90), 1, 100, 30.0),  # its minute ends first, then it begins to fade
        (SlidingWindow(0, 0, 100, 90), 51, 100, 60.0),
        (SlidingWindow(500, 30, 100, 90), 100, 100, 89.4),
    ],
)
def test_how_long_until_tokens_fit(window: SlidingWindow, cost: int, limit: int, expected: float | None) -> None:
    """By the sliding window's own arithmetic."""
    assert window.seconds_until(cost, limit, 60) == (None if expected is None else pytest.approx(expected, abs=0.01))


def test_a_lower_limit_says_truly_when_to_come_back(limits: Limits) -> None:
    """Under a lower limit more than one has to leave the window first."""
    quota = tenant(4)
    through(limits, quota, tries=2)
    time.sleep(0.5)
    through(limits, quota, tries=2)

    error = refused(limits, replace(quota, requests_per_min=2))
    assert error.facts["retry_after_seconds"] == pytest.approx(60, abs=0.3)


@pytest.mark.parametrize(
    ("texts", "tokens"), [(["a" * 400], 101), (["a" * 200, "b" * 200], 101), (["請求書" * 100], 226)]
)
def test_the_estimate_at_the_door(texts: list[str], tokens: int) -> None:
    """Four bytes are a token, about."""
    assert estimated_tokens(as_messages(*({"role": "user", "content": text} for text in texts))) == tokens


def test_who_comes_no_more_is_forgotten(clock: ManualClock) -> None:
    """A process remembers those of the last minutes only, however many tenants ever came; who is in flight stays."""
    limits = Limits(Shared(None, clock, Metrics()), clock=clock)
    for _ in range(100):
        come(limits, tenant(5, 1000, 5), tokens=10)
    staying = tenant(None, None, 1)
    with limits.admitted([staying], 1, 60):
        for _ in range(4):
            clock.advance(61)
            come(limits, tenant(5))
        assert len(limits._local._counts) <= 3
        assert limits.use([staying])[0].concurrent == 1


def test_forgetting_takes_one_thread() -> None:
    """However many generations are counted, the memory is tidied by one thread at a time."""
    limits = limits_on(None)
    before = threading.active_count()
    through(limits, tenant(5000, 10**9, 10), tries=3000)

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
    assert refused.error.facts["retry_after_seconds"] > 20
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


def test_the_tokens_that_a_provider_counted_are_counted(proctor: Rig) -> None:
    """What the record says was used is what the window holds; a refusal uses nothing."""
    runtime, tenant = proctor.runtime, proctor.tenant()
    tenant = runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, tokens_per_min=100_000, concurrent_limit=1)
    usage = [proctor.ask(tenant).generation.usage for _ in range(2)]
    quotas = runtime.policies.snapshot(tenant.id).quotas(LOCAL_OPERATOR)

    assert runtime.limits.use(quotas) == [QuotaUse(2, sum(one.input_tokens + one.output_tokens for one in usage), 0)]
    runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, 2, tokens_per_min=1)
    assert proctor.ask(tenant).generation.outcome is Outcome.BLOCKED_RATE
