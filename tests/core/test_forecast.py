"""How the month will end: the method on days made by hand, and its back-test on the demo world."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from core.clock import ManualClock, micros
from core.demo import Demo
from core.outlooks import FRESH_FOR, Outlooks
from core.principals import LOCAL_OPERATOR, TenantScope
from core.reports import BudgetLine, Forecast, Reports
from core.reports.budget_lines import budget_lines
from core.reports.daily import Days, daily
from core.reports.forecast import LEAST_DAYS, Mornings, backtest, busyness, forecast, level_since, mornings
from core.reports.reading import reading
from core.rollups import Deltas
from core.settings import Settings
from core.store import Store
from core.tables import Outcome
from tests import builders
from tests.core.test_spend import ELSEWHERE, call

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
DAY = timedelta(days=1)
DOLLAR = 1_000_000_000
WEEK = (1.2, 1.2, 1.2, 1.2, 1.2, 0.5, 0.5)


def days(spent: Sequence[int], *, today: int = 0) -> Days:
    """Return past days that end yesterday, each spent evenly, looked at at noon."""
    dates = [TODAY - timedelta(days=count) for count in range(len(spent), 0, -1)]
    return Days(dates=dates, spent=spent, later=[amount // 2 for amount in spent], today=TODAY, spent_today=today)


def foretold(past: Days, budget: BudgetLine | None = None) -> Any:
    """Return the forecast of Acme in UTC."""
    return forecast("acme", "Acme", "UTC", past, budget, NOW)


def budget(limit: int, spent: int = 0, until: datetime = datetime(2026, 12, 1, tzinfo=UTC)) -> BudgetLine:
    """Return a budget of November."""
    return BudgetLine(
        limit_nano_usd=limit, spent_nano_usd=spent, starts_at=datetime(2026, 11, 1, tzinfo=UTC), ends_at=until
    )


class TestMethod:
    """What is foreseen from days that are known."""

    def test_even_days_go_on(self) -> None:
        """A dollar a day since the month began ends at about thirty, and the interval holds that."""
        found = foretold(days([DOLLAR] * 30, today=DOLLAR // 2))
        assert found.spent == 22 * DOLLAR + DOLLAR // 2
        assert found.expected == pytest.approx(30 * DOLLAR, rel=0.03)
        assert found.low < 30 * DOLLAR < found.high
        assert (found.month, found.days) == ("2026-11", 30)

    def test_weekdays_are_known(self) -> None:
        """Of a tenant that rests at weekends the week's busyness is found, and the days to come follow it."""
        spent = [round(DOLLAR * WEEK[(TODAY - timedelta(days=n)).weekday()]) for n in range(28, 0, -1)]
        past = days(spent)
        assert busyness(past.dates, past.spent) == pytest.approx(WEEK, abs=0.06)
        rest = DOLLAR * (0.6 + 4 * 1.2 + 2 * 0.5 + 1.2)  # this Monday's afternoon to Monday the 30th
        assert foretold(past).expected - foretold(past).spent == pytest.approx(rest, rel=0.08)

    def test_a_lasting_change_is_followed(self) -> None:
        """After a move to a model at a tenth of the cost the dear days before it no longer count; one odd day does."""
        cheaper = [DOLLAR] * 20 + [DOLLAR // 10] * 6
        assert level_since([float(amount) for amount in cheaper]) == 20
        assert foretold(days(cheaper)).expected - foretold(days(cheaper)).spent < 1.5 * DOLLAR
        assert level_since([1.0] * 10 + [9.0] + [1.0] * 10) == 0

    def test_too_little_to_say(self) -> None:
        """With four whole days, or none at all, nothing is said, and what was spent is."""
        found = foretold(days([DOLLAR] * (LEAST_DAYS - 1), today=7), budget(9 * DOLLAR))
        assert (found.is_known, found.expected, found.low, found.high) == (False, None, None, None)
        assert (found.spent, found.exhausts_chance, found.exhausts_on) == (4 * DOLLAR + 7, None, None)
        assert forecast("acme", "Acme", "UTC", None, None, NOW).days == 0

    def test_the_same_question_has_the_same_answer(self) -> None:
        """Chance is seeded by tenant and day."""
        past = days([DOLLAR, 2 * DOLLAR, 3 * DOLLAR] * 5)
        assert (foretold(past).low, foretold(past).high) == (foretold(past).low, foretold(past).high)
        other = forecast("borealis", "Borealis", "UTC", past, None, NOW)
        assert (other.low, other.high) != (foretold(past).low, foretold(past).high)

    def test_nothing_spent_stays_nothing(self) -> None:
        """A tenant whose calls cost nothing will have spent nothing."""
        found = foretold(days([0] * 20), budget(DOLLAR))
        assert (found.low, found.expected, found.high, found.exhausts_chance) == (0, 0, 0, 0.0)

    def test_the_course_leads_from_what_was_to_what_will_be(self) -> None:
        """Per day of the month one row: what was spent until today, and from today on what will have been."""
        course = foretold(days([DOLLAR] * 30)).course
        assert len(course) == 30
        assert course["spent"].notna().sum() == 23
        assert course["middle"].notna().sum() == 8
        assert course["middle"].dropna().is_monotonic_increasing


class TestExhaustion:
    """When a budget is used up."""

    def test_the_day(self) -> None:
        """Of a dollar a day, three and a half dollars last for half of today and three days more."""
        found = foretold(days([DOLLAR] * 30), budget(30 * DOLLAR, 26 * DOLLAR + DOLLAR // 2))
        assert found.exhausts_chance == pytest.approx(1, abs=0.02)
        assert abs(found.exhausts_on - date(2026, 11, 26)) <= DAY
        assert found.exhausts_from <= found.exhausts_on <= found.exhausts_until

    def test_it_lasts(self) -> None:
        """A budget far above what comes is not used up."""
        found = foretold(days([DOLLAR] * 30), budget(99 * DOLLAR))
        assert (found.exhausts_chance, found.exhausts_on, found.is_exhausted) == (0.0, None, False)

    def test_it_is_used_up(self) -> None:
        """One that is used up is so today."""
        found = foretold(days([DOLLAR] * 30), budget(5 * DOLLAR, 5 * DOLLAR))
        assert (found.is_exhausted, found.exhausts_chance, found.exhausts_on) == (True, 1.0, TODAY)

    def test_a_span_beyond_the_month(self) -> None:
        """A budget until February is used up in December, if that is how it goes."""
        until = datetime(2027, 2, 1, tzinfo=UTC)
        found = foretold(days([DOLLAR] * 30), budget(20 * DOLLAR, 0, until))
        assert date(2026, 12, 9) <= found.exhausts_on <= date(2026, 12, 17)
        assert found.expected < 31 * DOLLAR

    def test_a_day(self) -> None:
        """A daily budget is looked at until midnight only."""
        tonight = datetime(2026, 11, 24, tzinfo=UTC)
        assert foretold(days([DOLLAR] * 30), budget(DOLLAR, 0, tonight)).exhausts_chance < 0.1
        assert foretold(days([DOLLAR] * 30), budget(DOLLAR, 9 * DOLLAR // 10, tonight)).exhausts_chance > 0.9


class TestBacktest:
    """How good it is."""

    def test_of_even_days(self) -> None:
        """Where every day is alike it is hardly ever wrong."""
        test = backtest({"acme": days([DOLLAR] * 30)}, "week")
        assert (test.forecasts, test.tenants) == (30 - LEAST_DAYS - 6, 1)
        assert test.median_error is not None
        assert test.median_error < 0.05
        assert test.coverage == 1

    def test_nothing_to_compare(self) -> None:
        """Without enough days there is no error to tell."""
        for horizon in ("week", "month"):
            test = backtest({"acme": days([DOLLAR] * 3)}, horizon)
            assert (test.forecasts, test.mean_error, test.median_error, test.coverage) == (0, None, None, None)

    def test_it_knows_only_what_was_known(self) -> None:
        """What is spent after a morning changes what came, never what was foreseen then."""
        quiet = days([DOLLAR] * 20)
        loud = days([DOLLAR] * 19 + [9 * DOLLAR])
        morning = quiet.dates[10]
        assert quiet.before(morning) == loud.before(morning)

    def test_on_the_demo_world(self, demo: Reports) -> None:
        """With outage, storms and a cheaper model in it, half of the forecasts of a week are less than a third off."""
        week, month = demo.backtests(LOCAL_OPERATOR)
        assert (week.horizon, month.horizon) == ("week", "month")
        assert week.forecasts > 40
        assert week.median_error is not None
        assert week.median_error < 1 / 3
        assert week.coverage is not None
        assert 0.6 < week.coverage <= 1
        assert month.median_error is not None
        assert month.median_error < 0.6


@pytest.fixture(scope="module")
def demo(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    """A demo world with a fifth of the usual traffic."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("demo") / "proctor.db")
    store, clock = Store(f"sqlite:///{path}"), ManualClock(NOW)
    Demo(Settings(), store, clock, scale=0.2).make(LOCAL_OPERATOR)
    Outlooks(store, clock).make()
    yield Reports(store, clock)
    store.close()


@pytest.fixture
def acme(store: Store) -> None:
    """Acme in Kathmandu."""
    builders.save(store, builders.tenant("Acme", NOW - 90 * DAY, "Asia/Kathmandu"))


def made(store: Store) -> Forecast:
    """Return the forecast of Acme that is made now."""
    clock = ManualClock(NOW)
    Outlooks(store, clock).make()
    found = Reports(store, clock).forecast(LOCAL_OPERATOR, "acme")
    assert found is not None
    return found


@pytest.mark.usefixtures("acme")
class TestDays:
    """What the store says of past days."""

    def test_days_are_the_tenants(self, store: Store) -> None:
        """A call at 18:30 UTC belongs to the next day in Kathmandu; the day of the first call is not a whole one."""
        evening = datetime(2026, 11, 10, 18, 30, tzinfo=UTC)
        builders.save(
            store, *(row for n in range(12) for row in call(Outcome.VALID_FIRST_TRY, {}, at=evening + n * DAY))
        )
        found = made(store)
        assert (found.days, found.spent) == (12 - 1, 12 * 100)
        assert evening.astimezone(ZoneInfo("Asia/Kathmandu")).date() == date(2026, 11, 11)

    def test_the_budget_is_found(self, store: Store) -> None:
        """The tenant-wide budget of the month under way is what may be used up."""
        builders.save(store, *builders.budget(builders.tenant("Acme", NOW, "Asia/Kathmandu"), DOLLAR, DOLLAR, NOW))
        found = made(store)
        assert found.budget is not None
        assert (found.budget.limit_nano_usd, found.is_exhausted) == (DOLLAR, True)

    def test_a_budget_of_a_model(self, store: Store) -> None:
        """A budget of one model is foreseen by that model's money alone."""
        rows = [
            row
            for n in range(1, 12)
            for row in call(Outcome.VALID_AFTER_FALLBACK, {"outcome": "invalid"}, ELSEWHERE, at=NOW - n * DAY)
        ]
        builders.save(store, *rows)
        line = BudgetLine(
            limit_nano_usd=10**6,
            spent_nano_usd=0,
            starts_at=NOW - DAY,
            ends_at=NOW + DAY,
            scope="model",
            scope_name="anthropic/claude-haiku-4-5",
        )
        with reading(store, TenantScope(None)) as now:
            days = daily(now, NOW, line.scope, line.scope_name)["acme"]
        assert forecast("acme", "Acme", "Asia/Kathmandu", days, line, NOW).spent == 1100
        assert made(store).spent == 2200


class Hurried(ManualClock):
    """A clock by which every look at it takes two seconds."""

    def monotonic(self) -> float:
        self.advance(2)
        return super().monotonic()


class TestOutlooks:
    """What a chore makes, and whoever asks reads."""

    def test_it_is_read_as_it_was_made(self, store: Store) -> None:
        """Before it is made there is none; then it is as it was, and says as of when; in a list, but for its course."""
        clock = ManualClock(NOW)
        reports, outlooks = Reports(store, clock), Outlooks(store, clock)
        builders.save(store, [builders.tenant(name, NOW - 90 * DAY) for name in ("Acme", "Borealis")])
        builders.save(store, *builders.budget(builders.tenant("Acme", NOW), DOLLAR, 300, NOW))
        builders.save(
            store, *(row for n in range(1, 40) for row in call(Outcome.VALID_FIRST_TRY, {}, at=NOW - n * DAY))
        )
        assert reports.forecast(LOCAL_OPERATOR, "acme") is None
        assert (reports.forecasts(LOCAL_OPERATOR), reports.backtests(LOCAL_OPERATOR)[0].forecasts) == ([], 0)

        assert outlooks.make() == 2
        with reading(store, TenantScope(None)) as now:
            days, line = daily(now, NOW)["acme"], budget_lines(now, NOW)["acme"]
        fresh, kept = foretold(days, line), reports.forecast(LOCAL_OPERATOR, "acme")
        assert kept is not None
        pd.testing.assert_frame_equal(kept.course, fresh.course)
        assert replace(kept, course=fresh.course) == fresh
        assert kept.as_of == NOW
        assert [(one.tenant, len(one.course)) for one in reports.forecasts(LOCAL_OPERATOR)] == [("Acme", 0)]
        week, month = reports.backtests(LOCAL_OPERATOR)
        assert (week, month) == (backtest({"acme": days}, "week"), backtest({"acme": days}, "month"))
        quiet = reports.forecast(LOCAL_OPERATOR, "borealis")
        assert quiet is not None
        assert (quiet.spent, quiet.is_known) == (0, False)

    def test_it_is_made_anew_when_it_is_old(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not before a quarter of an hour; the past is tried again only where it is another, as after a re-pricing."""
        clock, tried = ManualClock(NOW), list[str]()
        reports, outlooks = Reports(store, clock), Outlooks(store, clock)

        def noted(tenant_id: str, days: Days, horizon: str) -> Mornings:
            tried.append(horizon)
            return mornings(tenant_id, days, horizon)

        monkeypatch.setattr("core.outlooks.mornings", noted)
        builders.save(store, builders.tenant("Acme", NOW - 90 * DAY))
        builders.save(
            store, *(row for n in range(1, 12) for row in call(Outcome.VALID_FIRST_TRY, {}, at=NOW - n * DAY))
        )
        assert (outlooks.make(), outlooks.make(), len(tried)) == (1, 0, 2)
        clock.advance(FRESH_FOR.total_seconds())
        assert (outlooks.make(), len(tried)) == (1, 2)
        at = {"at": micros(NOW - 3 * DAY)}
        old = [row[0] for row in store.read_all(store.prepare("SELECT id FROM generation WHERE started_at < :at"), at)]
        with store.transaction() as cursor, Deltas(store).corrected(cursor, old):
            for table in ("attempt", "generation"):
                sql = f"UPDATE {table} SET cost_nano_usd = 5000000 WHERE started_at < :at"  # noqa: S608 our own words
                cursor.execute(store.prepare(sql), at)
        clock.advance(FRESH_FOR.total_seconds())
        assert (outlooks.make(), len(tried)) == (1, 4)
        found = reports.forecast(LOCAL_OPERATOR, "acme")
        assert found is not None
        assert (found.as_of, found.spent > 5_000_000) == (clock.now(), True)

    def test_a_round_has_an_end(self, store: Store) -> None:
        """Of many tenants each round makes some, the next one goes on; each is made once."""
        clock = Hurried(NOW)
        outlooks = Outlooks(store, clock)
        builders.save(store, [builders.tenant(f"Tenant {number}", NOW) for number in range(20)])
        assert [outlooks.make() for _ in range(5)] == [8, 8, 4, 0, 0]
