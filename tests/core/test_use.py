"""Who goes which way, and what a switch would have met, counted over the newest calls of a day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.clock import ManualClock
from core.flags import Flag
from core.principals import LOCAL_OPERATOR
from core.reports import FlagMet, Reports, RouteTraffic, use
from core.store import Store
from core.tables import Outcome
from core.tenants import Tenants
from tests import builders
from tests.conftest import START

HOUR = timedelta(hours=1)


@pytest.fixture
def reports(store: Store, clock: ManualClock) -> Reports:
    """The calls of two tenants within a day, and one before it."""
    tenants = Tenants(store, clock)
    acme, globex = (tenants.create(LOCAL_OPERATOR, name).id for name in ("Acme", "Globex"))
    at = START - HOUR
    builders.save(
        store,
        [
            builders.generation(at, acme, streamed=True),
            builders.generation(at, acme, Outcome.VALID_AFTER_FALLBACK, provider="anthropic", model="claude-haiku-4-5"),
            builders.generation(at, globex, Outcome.PROVIDER_ERROR),
            builders.generation(at, globex, route="fast", schema_name="note"),
            builders.generation(START - 25 * HOUR, acme),
        ],
    )
    return Reports(store, clock)


def test_a_route_says_who_uses_it_and_how_it_fares(reports: Reports) -> None:
    """By tenant, most first; what began more than a day ago is not of the day."""
    assert reports.route_use(LOCAL_OPERATOR) == {
        "default": RouteTraffic(calls=3, errors=1, fell_back=1, tenants={"Acme": 2, "Globex": 1}),
        "fast": RouteTraffic(calls=1, errors=0, fell_back=0, tenants={"Globex": 1}),
    }


@pytest.mark.parametrize(
    ("flag", "met"),
    [
        (Flag.GENERATION, 4),
        (Flag.STREAMING, 1),
        (Flag.FALLBACK, 1),
        (Flag.LOCAL_MODEL, 0),
        (Flag.PAYLOADS, 4),
        ("model:openai/gpt-4o-mini", 3),
        ("route:fast", 1),
        ("schema:note", 1),
        ("tool:search", None),
    ],
)
def test_a_flag_says_how_many_calls_it_is_about(flag: str, met: int | None, reports: Reports) -> None:
    """Of those of the last day; which call brought which tool is not kept."""
    assert reports.flag_met(LOCAL_OPERATOR, flag) == FlagMet(met=met, calls=4, is_all=True)


def test_there_is_an_end_to_what_is_looked_at(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest calls alone, and that is said."""
    monkeypatch.setattr(use, "MOST_LOOKED_AT", 2)
    assert reports.flag_met(LOCAL_OPERATOR, Flag.GENERATION) == FlagMet(met=2, calls=2, is_all=False)
