"""How providers fared within a day, and the calls behind the figures."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest

from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter, Reports
from core.store import Store
from core.tables import Outcome
from tests import builders
from tests.conftest import START
from tests.statements import counted

HOUR = timedelta(hours=1)


@pytest.fixture
def reports(store: Store) -> Reports:
    """Twenty calls of openai that took 1 to 20 ms, four that failed, one of yesterday's, one struck by a drill."""
    builders.save(store, builders.tenant("Acme", START))
    for n in range(1, 26):
        call = builders.generation(START - HOUR - timedelta(minutes=n), provider="openai")
        outcome = Outcome.TIMEOUT if n > 20 else Outcome.VALID_FIRST_TRY
        how = {"duration_ms": float(n * 1000 if n > 20 else n), "outcome": outcome, "provider": "openai"}
        if n == 25:
            how["drill_id"] = "d"
        builders.save(store, call, builders.attempt(call, id=f"{call.id}-1", **how))
    old = builders.generation(START - 25 * HOUR, provider="groq")
    builders.save(store, old, builders.attempt(old, id=f"{old.id}-1", provider="groq"))
    both = builders.generation(START - 2 * HOUR, provider="anthropic", attempts=2)
    builders.save(
        store,
        both,
        builders.attempt(both, id=f"{both.id}-1", provider="openai", n=1, outcome=Outcome.PROVIDER_ERROR),
        builders.attempt(both, id=f"{both.id}-2", provider="anthropic", n=2, duration_ms=7.0),
    )
    return Reports(store, ManualClock(START))


def test_the_figures_of_a_day(reports: Reports) -> None:
    """Calls, failures, and exact percentiles of those that did not fail; drills and other days are in none."""
    day = reports.providers(LOCAL_OPERATOR)

    assert day.since is None
    assert {*day.figures} == {"openai", "anthropic"}
    openai = day.figures["openai"]
    assert (openai.calls, openai.failed, openai.timed, openai.p50_ms, openai.p95_ms) == (25, 5, 20, 10.0, 19.0)
    assert openai.last_at == START - HOUR - timedelta(minutes=1)
    assert (day.figures["anthropic"].calls, day.figures["anthropic"].p95_ms) == (1, 7.0)


def test_what_is_read_has_a_bound(reports: Reports, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more calls the newest are told of, and since when; in one statement."""
    monkeypatch.setattr("core.reports.providers.MOST_ATTEMPTS", 10)
    with counted() as statements, closing(Store(store.url.render_as_string(hide_password=False))) as heard:
        day = Reports(heard, ManualClock(START)).providers(LOCAL_OPERATOR)

    assert day.since == START - HOUR - timedelta(minutes=10)
    assert day.figures["openai"].calls == 10
    assert len([one for one in statements.sent if "attempt" in one]) == 1


def test_calls_are_found_by_whom_they_asked(reports: Reports) -> None:
    """Whoever answered at last: a call that fell back from it asked it too."""
    wanted = CallFilter(starts_at=START - timedelta(days=1), ends_at=START, provider="openai")
    found = reports.calls(LOCAL_OPERATOR, wanted)

    assert found.total == 26
    assert reports.summary(LOCAL_OPERATOR, wanted).calls == 26
    models = reports.calls(LOCAL_OPERATOR, wanted, size=26).calls["model"]
    assert "anthropic/" in {name[:10] for name in models}
