"""Providers that turn us away whatever is asked: who, since when, how often, and until when it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from core.clock import ManualClock, micros
from core.principals import LOCAL_OPERATOR
from core.providers import KeyRejected, QuotaExhausted
from core.reports import Rejection, Reports
from core.reports.queries import ANSWERED, REJECTED, REJECTED_EARLIER
from core.store import Store
from core.tables import OF_REJECTED, AttemptKind, AttemptRow, Outcome
from tests import builders
from tests.conftest import START
from tests.corridor import ANTHROPIC, DOLLAR, OPENAI, rig
from tests.wire.server import WireServer

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def save(store: Store) -> Callable[..., None]:
    """Write calls of one provider, a minute apart, each with its attempt; the last began *ago*."""
    builders.save(store, builders.tenant("Acme", START), builders.tenant("Borealis", START))

    def saved(count: int, code: str | None, ago: timedelta = MINUTE, tenant: str = "acme", **more: Any) -> None:
        provider = more.pop("provider", "openai")
        how = {"outcome": Outcome.PROVIDER_ERROR if code else Outcome.VALID_FIRST_TRY, "error_code": code} | more
        calls = [builders.generation(START - ago - n * MINUTE, tenant, provider=provider) for n in range(count)]
        builders.save(
            store, calls, [builders.attempt(one, id=f"{one.id}-1", provider=provider, **how) for one in calls]
        )

    return saved


@pytest.fixture
def told(store: Store) -> Callable[..., list[Rejection]]:
    """Ask who turns us away."""
    return lambda tenant_id=None: Reports(store, ManualClock(START)).rejections(LOCAL_OPERATOR, tenant_id)


@pytest.mark.parametrize("code", ["key_rejected", "quota_exhausted"])
def test_it_is_said_at_the_first_dozen(save: Any, told: Any, code: str) -> None:
    """Eleven calls are none; with the twelfth it is told who, why, since when, how many, and when the last was."""
    save(11, code, 2 * MINUTE)
    assert told() == []
    save(1, code)
    assert told() == [
        Rejection(provider="openai", code=code, calls=12, since=START - 12 * MINUTE, last_at=START - MINUTE)
    ]


@pytest.mark.parametrize("answer", [Outcome.VALID_FIRST_TRY, Outcome.INVALID, Outcome.REFUSED])
def test_it_is_over_with_the_first_answer(save: Any, told: Any, answer: Outcome) -> None:
    """Whatever the provider answered, it took our key; calls that it turned away before that count no more."""
    save(40, "key_rejected", HOUR)
    save(1, None, 30 * MINUTE, outcome=answer)
    assert told() == []
    save(12, "key_rejected", 10 * MINUTE)
    assert [(one.calls, one.since) for one in told()] == [(12, START - 21 * MINUTE)]


@pytest.mark.parametrize(
    "more",
    [
        {"provider": "anthropic"},
        {"outcome": Outcome.TIMEOUT},
        {"outcome": Outcome.CANCELLED},
        {"outcome": Outcome.INVALID, "drill_id": "d"},
    ],
)
def test_what_is_no_answer_of_theirs_ends_nothing(save: Any, told: Any, more: Any) -> None:
    """Another provider's answer, a call that found no end, and what a fire drill put in the answer's place."""
    save(12, "key_rejected", 2 * MINUTE)
    save(1, None, **more)
    assert [one.calls for one in told()] == [12]


def test_each_provider_and_reason_for_itself(save: Any, told: Any) -> None:
    """Two providers are two troubles; so are two reasons; who did most stands first."""
    save(12, "key_rejected")
    save(14, "quota_exhausted", 3 * HOUR)
    save(13, "key_rejected", provider="anthropic")
    save(40, "model_not_found", provider="compatible")
    assert [(one.provider, one.code, one.calls) for one in told()] == [
        ("openai", "quota_exhausted", 14),
        ("anthropic", "key_rejected", 13),
        ("openai", "key_rejected", 12),
    ]


def test_of_one_tenant_its_own_calls_are_counted(save: Any, told: Any) -> None:
    """What another tenant met counts not."""
    save(12, "key_rejected")
    save(30, "key_rejected", tenant="borealis")
    assert [one.calls for one in told("acme")] == [12]
    assert [one.calls for one in told()] == [42]


def test_what_began_before_the_day_is_said_to(save: Any, told: Any) -> None:
    """Since when is known within a day; where it began before, that is said. What is a day ago is history."""
    save(13, "key_rejected", 24 * HOUR + MINUTE)
    assert told() == []
    save(12, "key_rejected")
    assert [(one.calls, one.since) for one in told()] == [(12, None)]


def test_the_codes_are_those_of_the_providers() -> None:
    """The index holds the attempts that end as these two do, by the codes that they bear."""
    assert f"error_code IN ('{KeyRejected.code}', '{QuotaExhausted.code}')" == OF_REJECTED


PLANS = {"rejected": (REJECTED, "ix_attempt_rejected"), "earlier": (REJECTED_EARLIER, "ix_attempt_rejected"),
         "answered": (ANSWERED, "ix_attempt_started")}  # fmt: skip


def test_an_index_answers(store: Store) -> None:
    """Among some thousand attempts of some days, each question goes through its index, on both databases."""
    attempts = [
        AttemptRow(
            id=str(n),
            generation_id=str(n),
            tenant_id="acme",
            n=1,
            kind=AttemptKind.FIRST,
            provider="openai",
            model="gpt-4o-mini",
            mode="tools",
            started_at=START - n * MINUTE,
            ended_at=START,
            duration_ms=1.0,
            outcome=Outcome.VALID_FIRST_TRY if n % 50 else Outcome.PROVIDER_ERROR,
            error_code=None if n % 50 else "key_rejected",
        )
        for n in range(6_000)
    ]
    builders.save(store, attempts)
    explain = "EXPLAIN QUERY PLAN" if store.is_sqlite else "EXPLAIN"
    day_ago = micros(START - 24 * HOUR)
    bound = {"starts_at": day_ago, "ends_at": day_ago + 1, "provider": "openai", "least": 12}
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if store.is_sqlite else "VACUUM ANALYZE attempt")
        for name, (sql, index) in PLANS.items():
            for limit in ("", "AND a.tenant_id IN ('acme')"):
                asked = store.prepare(f"{explain} {sql.replace('{tenant}', limit)}")
                plan = " ".join(map(str, connection.exec_driver_sql(asked, bound).all()))
                assert index in plan, name
                assert "SCAN a" not in plan, name
                assert "Seq Scan" not in plan, name


def test_a_dead_key_is_told_though_every_call_is_answered(wire: WireServer, database_url: str) -> None:
    """Through the corridor: each call falls back and is valid, and what no caller notices is known all the same."""
    with rig(wire, database_url) as proctor:
        tenant = proctor.tenant(DOLLAR)
        route = proctor.route(OPENAI, ANTHROPIC)
        heard = [proctor.ask(tenant, "unauthorized@openai", route=route) for _ in range(12)]
        assert {one.generation.outcome for one in heard} == {Outcome.VALID_AFTER_FALLBACK}
        [one] = proctor.runtime.reports.rejections(LOCAL_OPERATOR)
        assert (one.provider, one.code, one.calls) == ("openai", "key_rejected", 12)
        proctor.ask(tenant, route=route)
        assert proctor.runtime.reports.rejections(LOCAL_OPERATOR) == []
