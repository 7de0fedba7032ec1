"""What the read side answers, on both databases: every figure is checked against rows counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.clock import ManualClock
from core.errors import NotFound, Unavailable
from core.principals import LOCAL_OPERATOR
from core.reports import PERCENTILE_ERROR, CallFilter, Reports, Window, wall
from core.reports.overview import MOST_FOLLOWED
from core.store import Store
from core.tables import AttemptKind, Budget, BudgetRaise, Outcome
from tests import builders

NOW = datetime(2026, 3, 4, 12, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def reports(store: Store) -> Reports:
    """The read side at 12:07, with the tenants Acme (UTC) and Borealis (Kathmandu)."""
    builders.save(
        store,
        builders.tenant("Acme", NOW - 30 * DAY),
        builders.tenant("Borealis", NOW - 30 * DAY, "Asia/Kathmandu"),
    )
    return Reports(store, ManualClock(NOW))


def window(length: timedelta = HOUR) -> Window:
    """Return the window of that length that ends now."""
    return Window.last(length, NOW)


class TestWindow:
    """How time is cut."""

    @pytest.mark.parametrize("hours", [1, 6, 24, 168, 720])
    def test_begins_on_a_cut(self, hours: int) -> None:
        """A window reaches back at least its length and begins on a whole cell, whose width is whole buckets."""
        made = Window.last(timedelta(hours=hours), NOW)
        assert made.starts_at <= NOW - timedelta(hours=hours) < made.starts_at + made.cell
        assert (made.starts_at - datetime(1970, 1, 1, tzinfo=UTC)) % made.cell == timedelta()
        assert made.cell % made.bucket == timedelta()
        assert made.bucket % timedelta(minutes=15) == timedelta()

    def test_covers_now(self) -> None:
        """The last bucket is the one under way, and no bucket lies in the future."""
        made = window()
        assert made.buckets == 5
        assert made.starts_at + 4 * made.bucket <= NOW < made.starts_at + 5 * made.bucket

    def test_days_begin_at_the_tenants_midnight(self) -> None:
        """Thirty days are cut at midnight in Kathmandu, which is 18:15 UTC."""
        made = Window.last(30 * DAY, NOW, "Asia/Kathmandu")
        assert (made.starts_at.hour, made.starts_at.minute) == (18, 15)
        assert wall(made.starts_at, "Asia/Kathmandu").hour == 0

    @pytest.mark.parametrize("days", [1, 7, 30])
    def test_previous_is_the_same_stretch_earlier(self, days: int) -> None:
        """Yesterday's noon stands against today's noon, and both windows are equally long."""
        made = Window.last(days * DAY, NOW)
        before = made.previous()
        assert made.starts_at - before.starts_at == days * DAY
        assert made.ends_at - before.ends_at == days * DAY


class TestTotals:
    """Counts, rates and percentiles of a window."""

    def test_families_of_outcomes_are_counted_apart(self, reports: Reports, store: Store) -> None:
        """Each outcome counts in exactly one of valid, errors, blocked, cancelled and unchecked, and all in calls."""
        at = NOW - timedelta(minutes=10)
        builders.save(store, [builders.generation(at, outcome=outcome) for outcome in Outcome])
        totals = reports.overview(LOCAL_OPERATOR, window()).totals
        assert (totals.calls, totals.valid, totals.errors, totals.blocked, totals.cancelled) == (17, 4, 7, 4, 1)
        assert totals.unchecked == 1
        assert totals.first_try == 1
        assert totals.error_rate == 7 / 12
        # reached: neither the cache hit nor the four blocked ones; the cancelled one did
        assert totals.reached == 12
        assert totals.validity == 3 / 11, "of those that were checked"

    def test_nothing_happened(self, reports: Reports) -> None:
        """Without calls counts are 0 and rates unknown, spend is 0 dollars and not unpriced."""
        totals = reports.overview(LOCAL_OPERATOR, window()).totals
        assert (totals.calls, totals.error_rate, totals.validity, totals.latency.p95) == (0, None, None, None)
        assert (totals.spend, totals.unpriced_calls, totals.cost_per_valid) == (0, 0, None)

    def test_a_call_belongs_where_it_began(self, reports: Reports, store: Store) -> None:
        """The window holds its first instant and not its last."""
        made = window()
        builders.save(
            store,
            builders.generation(made.starts_at),
            builders.generation(made.starts_at - timedelta(microseconds=1)),
            builders.generation(made.ends_at),
        )
        assert reports.overview(LOCAL_OPERATOR, made).totals.calls == 1

    def test_percentiles_are_nearest_rank(self, reports: Reports, store: Store) -> None:
        """Of 1 ms to 200 ms the median is the 100th, p95 the 190th and p99 the 198th value, whatever their order."""
        at = NOW - timedelta(minutes=20)
        durations = [float(1 + (n * 77) % 200) for n in range(200)]
        builders.save(store, [builders.generation(at, duration_ms=duration) for duration in durations])
        timing = reports.overview(LOCAL_OPERATOR, window()).totals.latency
        assert timing == pytest.approx((200, 100.0, 190.0, 198.0), rel=PERCENTILE_ERROR)

    def test_latency_leaves_out_what_no_provider_saw(self, reports: Reports, store: Store) -> None:
        """A blocked call and a cache hit are fast and flatter nobody."""
        at = NOW - timedelta(minutes=20)
        builders.save(
            store,
            builders.generation(at, duration_ms=900.0),
            builders.generation(at, outcome=Outcome.BLOCKED_RATE, duration_ms=1.0),
            builders.generation(at, outcome=Outcome.CACHE_HIT, duration_ms=1.0),
        )
        told = reports.overview(LOCAL_OPERATOR, window()).totals.latency
        assert told[:3] == pytest.approx((1, 900.0, 900.0), rel=PERCENTILE_ERROR)

    def test_previous_period(self, reports: Reports, store: Store) -> None:
        """A call of the hour before counts as previous, not as now."""
        builders.save(store, builders.generation(NOW - 1.5 * HOUR, outcome=Outcome.TIMEOUT))
        overview = reports.overview(LOCAL_OPERATOR, window())
        assert (overview.totals.calls, overview.previous.calls, overview.previous.errors) == (0, 1, 1)


class TestMoney:
    """What calls cost, and what is not known of it."""

    def test_unpriced_is_not_free(self, reports: Reports, store: Store) -> None:
        """Where providers were asked and no attempt has a price, the spend is unknown."""
        at = NOW - timedelta(minutes=5)
        call = builders.generation(at, cost_nano_usd=None)
        builders.save(store, call, builders.attempt(call, cost_nano_usd=None, price=None))
        overview = reports.overview(LOCAL_OPERATOR, window())
        assert (overview.totals.spend, overview.totals.unpriced_calls) == (None, 1)
        assert overview.totals.cost_per_valid is None
        assert overview.tenants["spend_usd"].isna().tolist() == [True]

    def test_the_priced_part_of_an_unpriced_call_is_counted(self, reports: Reports, store: Store) -> None:
        """A fallback to an unpriced model does not hide what the first attempt cost."""
        at = NOW - timedelta(minutes=5)
        call = builders.generation(at, outcome=Outcome.VALID_AFTER_FALLBACK, attempts=2, cost_nano_usd=None)
        builders.save(
            store,
            call,
            builders.attempt(call, 1, Outcome.INVALID, cost_nano_usd=700),
            builders.attempt(call, 2, cost_nano_usd=None),
            builders.generation(at, cost_nano_usd=300),
        )
        totals = reports.overview(LOCAL_OPERATOR, window()).totals
        assert (totals.spend, totals.unpriced_calls) == (1000, 1)

    def test_cost_per_valid_object_bears_the_failures(self, reports: Reports, store: Store) -> None:
        """Two valid objects and one failure at 100 each cost 150 per valid object; an unpriced call is left out."""
        at = NOW - timedelta(minutes=5)
        builders.save(
            store,
            [builders.generation(at, cost_nano_usd=100) for _ in range(2)],
            failed := builders.generation(at, outcome=Outcome.INVALID, cost_nano_usd=100, wasted_nano_usd=100),
            builders.attempt(failed, 1, Outcome.INVALID, cost_nano_usd=100),
            builders.generation(at, cost_nano_usd=None),
        )
        totals = reports.overview(LOCAL_OPERATOR, window()).totals
        assert (totals.cost_per_valid, totals.discarded) == (150, 100)

    def test_large_sums_are_exact(self, reports: Reports, store: Store) -> None:
        """Sums beyond 32 bits and beyond the whole numbers of a float come back exact."""
        at = NOW - timedelta(minutes=5)
        amounts = [2**53, 1, 1]
        builders.save(store, [builders.generation(at, cost_nano_usd=amount) for amount in amounts])
        assert reports.overview(LOCAL_OPERATOR, window()).totals.spend == 2**53 + 2


class TestSeries:
    """Panels over time, and that they agree."""

    def test_a_gap_is_a_gap(self, reports: Reports, store: Store) -> None:
        """A bucket without calls has no latency and no rates; its count is 0."""
        made = window()
        builders.save(store, builders.generation(made.starts_at), builders.generation(made.starts_at + 2 * made.bucket))
        series = reports.overview(LOCAL_OPERATOR, made).series
        assert series["calls"].tolist() == [1, 0, 1, 0, 0]
        assert series["p95"].isna().tolist() == [False, True, False, True, True]
        assert series["error_rate"].isna().tolist() == [False, True, False, True, True]
        assert series["timed"].tolist() == [1, 0, 1, 0, 0]
        assert series["at"].tolist() == [made.starts_at + n * made.bucket for n in range(5)]

    def test_who_is_not_followed_has_no_trend(self, reports: Reports, store: Store) -> None:
        """Of more tenants than are followed the others have their figures, and neither a trend nor a p95 of nothing."""
        at, many = NOW - timedelta(minutes=5), MOST_FOLLOWED + 5
        builders.save(store, [builders.generation(at, f"t{n:02}", cost_nano_usd=100 - n) for n in range(many)])
        rows = reports.overview(LOCAL_OPERATOR, window()).tenants.set_index("tenant_id")
        followed, other = rows.loc["t00"], rows.loc[f"t{many - 1}"]
        assert (followed["calls"], followed["timed"], sum(followed["trend"])) == (1, 1, 1)
        assert (other["calls"], other["timed"], other["trend"]) == (1, 0, [])

    def test_the_previous_p95_lies_under_its_own_hour(self, reports: Reports, store: Store) -> None:
        """Yesterday's bucket is shown at the place of the same bucket today."""
        made = window(DAY)
        builders.save(store, builders.generation(made.starts_at + 3 * made.bucket - DAY, duration_ms=123.0))
        series = reports.overview(LOCAL_OPERATOR, made).series
        assert series["p95_before"].dropna().to_dict() == pytest.approx({3: 123.0}, rel=PERCENTILE_ERROR)

    def test_panels_agree(self, reports: Reports, store: Store) -> None:
        """Calls and spend add up to the same totals in every panel."""
        made = window(7 * DAY)
        rows = [
            builders.generation(NOW - n * 5 * HOUR, ("acme", "borealis")[n % 2], list(Outcome)[n % 15])
            for n in range(1, 33)
        ]
        builders.save(store, rows)
        overview = reports.overview(LOCAL_OPERATOR, made)
        spent = (overview.totals.spend or 0) / 1e9
        assert overview.totals.calls == 32
        assert overview.series["calls"].sum() == overview.outcomes["calls"].sum() == 32
        assert overview.tenants["calls"].sum() == sum(map(sum, overview.tenants["trend"])) == 32
        assert overview.spend["usd"].sum() == pytest.approx(spent)
        assert overview.tenants["spend_usd"].sum() == pytest.approx(spent)
        assert overview.series["spend_usd"].sum() == pytest.approx(spent)
        assert overview.heat["errors"].sum() == overview.totals.errors

    def test_one_tenant_sees_only_its_own(self, reports: Reports, store: Store) -> None:
        """Nothing of another tenant shows in any panel of a tenant's overview."""
        at = NOW - timedelta(minutes=10)
        other = builders.generation(at, "borealis", Outcome.INVALID)
        builders.save(
            store,
            builders.generation(at, "acme"),
            other,
            builders.field_error(builders.attempt(other), "$.total"),
            builders.change(at, "key", "prk_x", "Key of Borealis was made.", "borealis"),
            builders.change(at, "flag", "cache", "Cache is on for all."),
            *builders.budget(builders.tenant("Borealis", NOW), 10, 1, NOW),
        )
        overview = reports.overview(LOCAL_OPERATOR, window(), "acme")
        assert (overview.totals.calls, overview.totals.errors) == (1, 0)
        assert overview.tenants["tenant"].tolist() == ["Acme"]
        assert overview.fields.empty
        assert [change.subject for change in overview.changes] == ["cache"]


class TestTenants:
    """The table of tenants."""

    def test_budget_of_the_current_period(self, reports: Reports, store: Store) -> None:
        """The share is what the running period's account spent; last period's account does not count."""
        acme = builders.tenant("Acme", NOW)
        budget, account = builders.budget(acme, 4000, 1000, NOW)
        old = account.model_copy(
            update={"id": "old", "starts_at": NOW - 40 * DAY, "ends_at": NOW - 10 * DAY, "spent_nano_usd": 3999}
        )
        builders.save(store, budget, account, old)
        tenants = reports.overview(LOCAL_OPERATOR, window()).tenants
        assert tenants[["tenant", "calls", "used"]].to_numpy().tolist() == [["Acme", 0, 0.25]]

    def test_a_new_period_has_spent_nothing(self, reports: Reports, store: Store) -> None:
        """A budget whose period has no account yet is wholly unused."""
        budget, _ = builders.budget(builders.tenant("Acme", NOW), 4000, 1000, NOW)
        builders.save(store, budget)
        assert reports.overview(LOCAL_OPERATOR, window()).tenants["used"].tolist() == [0.0]

    def test_only_the_budget_of_the_whole_tenant_counts(self, reports: Reports, store: Store) -> None:
        """A budget of one model, and one that was removed, are not the tenant's; a raise that holds now is."""
        budget, account = builders.budget(builders.tenant("Acme", NOW), 4000, 1000, NOW)
        set_up: dict[str, Any] = {"limit_nano_usd": 1, "created_at": NOW - DAY}
        narrow = Budget(id="narrow", tenant_id="acme", scope="model", scope_name="openai/m", **set_up)
        gone = Budget(id="gone", tenant_id="borealis", removed_at=NOW - HOUR, **set_up)
        common: dict[str, Any] = {"budget_id": "budget-acme", "reason": "x", "actor": "ann", "created_at": NOW - DAY}
        now = BudgetRaise(id="r1", extra_nano_usd=1000, starts_at=NOW - HOUR, ends_at=NOW + HOUR, **common)
        over = BudgetRaise(id="r2", extra_nano_usd=500, starts_at=NOW - DAY, ends_at=NOW - HOUR, **common)
        builders.save(store, [budget, narrow, gone], account, now, over)
        tenants = reports.overview(LOCAL_OPERATOR, window()).tenants
        assert tenants[["tenant", "used"]].to_numpy().tolist() == [["Acme", 0.2]]

    def test_before_an_account_is_opened(self, reports: Reports, store: Store) -> None:
        """A budget that was set after calls were made has used what those cost, as its account will begin with."""
        budget, _ = builders.budget(builders.tenant("Acme", NOW), 228_000, 0, NOW)
        builders.save(store, budget, builders.generation(NOW - HOUR))
        assert reports.overview(LOCAL_OPERATOR, window()).tenants["used"].tolist() == [0.5]


class TestFields:
    """The fields that fail most."""

    def test_positions_are_merged_and_repairs_counted(self, reports: Reports, store: Store) -> None:
        """Errors at two positions of a list are one field's; of two, one was repaired by a re-ask."""
        at = NOW - timedelta(minutes=10)
        repaired = builders.generation(at, outcome=Outcome.VALID_AFTER_REASK, attempts=2)
        failed = builders.generation(at, outcome=Outcome.INVALID)
        builders.save(
            store,
            [repaired, failed],
            builders.field_error(builders.attempt(repaired), "$.lines[0].amount"),
            builders.field_error(builders.attempt(failed), "$.lines[12].amount"),
            builders.field_error(builders.attempt(failed), "$.total", "int_type"),
        )
        fields = reports.overview(LOCAL_OPERATOR, window()).fields
        assert fields[["path", "type", "errors", "repaired"]].to_numpy().tolist() == [
            ["$.lines[*].amount", "missing", 2, 1],
            ["$.total", "int_type", 1, 0],
        ]


class TestTroubles:
    """What is wrong now."""

    def test_all_is_well(self, reports: Reports, store: Store) -> None:
        """A few errors among many calls, and old ones, are no trouble."""
        recent = [builders.generation(NOW - timedelta(minutes=5)) for _ in range(20)]
        old = [builders.generation(NOW - 3 * HOUR, outcome=Outcome.TIMEOUT) for _ in range(20)]
        builders.save(store, recent, old, builders.generation(NOW - timedelta(minutes=5), outcome=Outcome.INVALID))
        assert reports.troubles(LOCAL_OPERATOR) == []

    def test_a_failing_tenant_and_a_spent_budget(self, reports: Reports, store: Store) -> None:
        """A tenant whose calls fail now comes first, then one whose budget is nearly used; each to itself."""
        bad = [builders.generation(NOW - timedelta(minutes=5), "borealis", Outcome.TIMEOUT) for _ in range(10)]
        builders.save(store, bad, *builders.budget(builders.tenant("Acme", NOW), 1_000_000_000, 950_000_000, NOW))
        found = reports.troubles(LOCAL_OPERATOR)
        assert [(trouble.kind, trouble.tenant, trouble.share) for trouble in found] == [
            ("errors", "Borealis", 1.0),
            ("budget", "Acme", 0.95),
        ]
        assert found[1].sentence.startswith("$0.05 of $1.00 are left")
        assert [trouble.tenant for trouble in reports.troubles(LOCAL_OPERATOR, "acme")] == ["Acme"]

    def test_a_soft_budget_only_tells(self, reports: Reports, store: Store) -> None:
        """Of a budget that stops nobody it is not said that calls are blocked."""
        budget, account = builders.budget(builders.tenant("Acme", NOW), 1_000_000_000, 1_000_000_000, NOW)
        assert isinstance(budget, Budget)
        budget.mode = "soft"
        builders.save(store, budget, account)
        assert "calls go on" in reports.troubles(LOCAL_OPERATOR)[0].sentence

    def test_a_nearly_spent_budget_is_not_called_spent(self, reports: Reports, store: Store) -> None:
        """Of a budget used to 99.9 % no more than 99 % is claimed."""
        builders.save(store, *builders.budget(builders.tenant("Acme", NOW), 1_000_000_000, 999_000_000, NOW))
        assert reports.troubles(LOCAL_OPERATOR)[0].headline == "Acme: 99% of the budget is used"


def everything(**more: Any) -> CallFilter:
    """Return a filter for the last day, narrowed by *more*."""
    return CallFilter(starts_at=NOW - DAY, ends_at=NOW, **more)


class TestCalls:
    """Lists of calls."""

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({}, {"a", "b", "c", "d"}),
            ({"tenant_id": "borealis"}, {"d"}),
            ({"outcome": "invalid"}, {"b"}),
            ({"outcome": "any_error"}, {"b", "c"}),
            ({"outcome": "any_valid"}, {"a"}),
            ({"outcome": "any_blocked"}, {"d"}),
            ({"model": "anthropic/claude-haiku-4-5"}, {"c"}),
            ({"schema": "ticket"}, {"c"}),
            ({"route": "cheap"}, {"a"}),
            ({"key_id": "key-7"}, {"a"}),
            ({"error_code": "throttled"}, {"c"}),
            ({"field": "$.lines[*].amount"}, {"b"}),
            ({"field": "$.lines[*]_amount"}, set()),
            ({"text": "trace-9"}, {"a"}),
            ({"text": "trace_9"}, set()),
            ({"text": "c"}, {"c"}),
            ({"outcome": "any_error", "model": "openai/gpt-4o-mini"}, {"b"}),
        ],
    )
    def test_filter(self, reports: Reports, store: Store, wanted: dict[str, str], found: set[str]) -> None:
        """Each condition keeps what fits it, and all must hold; wildcards in a text are taken as they stand."""
        at = NOW - HOUR
        invalid = builders.generation(at, id="b", outcome=Outcome.INVALID)
        builders.save(
            store,
            builders.generation(at, id="a", route="cheap", request_id="trace-97", key_id="key-7"),
            invalid,
            builders.field_error(builders.attempt(invalid), "$.lines[3].amount"),
            builders.generation(
                at,
                id="c",
                outcome=Outcome.PROVIDER_ERROR,
                provider="anthropic",
                model="claude-haiku-4-5",
                schema_name="ticket",
                error_code="throttled",
            ),
            builders.generation(at, "borealis", Outcome.BLOCKED_BUDGET, id="d"),
            builders.generation(NOW - 2 * DAY, id="too-old"),
        )
        page = reports.calls(LOCAL_OPERATOR, everything(**wanted))
        assert set(page.calls["id"]) == found
        assert page.total == len(found)
        assert set(next(reports.calls_frames(LOCAL_OPERATOR, everything(**wanted)))["id"]) == found

    def test_a_whole_id_is_found_outside_the_time(self, reports: Reports, store: Store) -> None:
        """Whoever pastes an id finds it, unless it belongs to another tenant."""
        builders.save(store, builders.generation(NOW - 9 * DAY, "borealis", id="old-one"))
        assert reports.calls(LOCAL_OPERATOR, everything(text="old-one")).total == 1
        assert reports.calls(LOCAL_OPERATOR, everything(text="old-on")).total == 0
        assert reports.calls(LOCAL_OPERATOR, everything(text="old-one", tenant_id="acme")).total == 0

    def test_the_latest(self, reports: Reports, store: Store) -> None:
        """The latest call's time is known for all and for one tenant, and is unknown where there was none."""
        assert reports.latest_call_at(LOCAL_OPERATOR) is None
        builders.save(store, builders.generation(NOW - DAY), builders.generation(NOW - HOUR, "borealis"))
        assert (reports.latest_call_at(LOCAL_OPERATOR), reports.latest_call_at(LOCAL_OPERATOR, "acme")) == (
            NOW - HOUR,
            NOW - DAY,
        )
        assert reports.latest_call_at(LOCAL_OPERATOR, "nobody") is None

    def test_pages(self, reports: Reports, store: Store) -> None:
        """A page holds 25, the newest first, and says where the next one begins and how many stand before it."""
        builders.save(store, [builders.generation(NOW - timedelta(minutes=n), id=f"{n:03}") for n in range(1, 31)])
        first = reports.calls(LOCAL_OPERATOR, everything())
        assert (first.total, first.skipped, len(first.calls), first.before) == (30, 0, 25, None)
        assert first.calls["id"].iloc[0] == "001"
        second = reports.calls(LOCAL_OPERATOR, everything(), cursor=first.after)
        assert (second.skipped, second.calls["id"].tolist(), second.after) == (
            25,
            ["026", "027", "028", "029", "030"],
            None,
        )
        back = reports.calls(LOCAL_OPERATOR, everything(), cursor=second.before)
        assert (back.calls["id"].tolist(), back.before, back.skipped) == (first.calls["id"].tolist(), None, 0)

    def test_lines_know_what_is_unpriced(self, reports: Reports, store: Store) -> None:
        """A list shows dollars, and nothing where the price is unknown."""
        builders.save(
            store,
            builders.generation(NOW - HOUR, id="a", cost_nano_usd=2_500_000_000),
            builders.generation(NOW - 2 * HOUR, id="b", cost_nano_usd=None),
        )
        costs = reports.calls(LOCAL_OPERATOR, everything()).calls["cost_usd"]
        assert costs.iloc[0] == 2.5
        assert costs.isna().tolist() == [False, True]

    def test_sums_count_what_is_known(self, reports: Reports, store: Store) -> None:
        """A filter's sum holds the priced part of an unpriced call, and so do its line and its export, to the nano."""
        call = builders.generation(NOW - HOUR, attempts=2, cost_nano_usd=None, estimated=True)
        builders.save(
            store,
            call,
            [builders.attempt(call, 1, cost_nano_usd=7), builders.attempt(call, 2, cost_nano_usd=None)],
            builders.generation(NOW - HOUR, cost_nano_usd=30),
            builders.generation(NOW - HOUR, "borealis", cost_nano_usd=None),
        )
        sums = reports.summary(LOCAL_OPERATOR, everything(tenant_id="acme"))
        assert (sums.calls, sums.spend_nano_usd, sums.unpriced, sums.estimated) == (2, 37, 1, 1)
        exported = next(reports.calls_frames(LOCAL_OPERATOR, everything(tenant_id="acme")))
        assert sorted(exported["cost_nano_usd"]) == [7, 30]
        assert exported["unpriced"].sum() == 1
        assert reports.summary(LOCAL_OPERATOR, everything(tenant_id="borealis")).spend_nano_usd is None
        assert reports.summary(LOCAL_OPERATOR, everything(schema="nothing")).spend_nano_usd == 0


class TestOneCall:
    """One call told whole."""

    def test_the_attempts(self, reports: Reports, store: Store) -> None:
        """A call shows its attempts in order, each with its field errors, what it added and what was answered."""
        at = NOW - HOUR
        call = builders.generation(at, id="c" * 32, outcome=Outcome.VALID_AFTER_REASK, attempts=2, duration_ms=2000.0)
        first = builders.attempt(call, 1, Outcome.INVALID, duration_ms=900.0)
        second = builders.attempt(
            call, 2, Outcome.VALID_AFTER_REASK, started_at=at + timedelta(milliseconds=950), duration_ms=1000.0
        )
        later = NOW + DAY
        builders.save(
            store,
            call,
            [first, second],
            builders.field_error(first, "$.total", "decimal_parsing", "Input should be a valid decimal"),
            builders.payload(call, 0, [{"role": "user", "content": "Invoice 7"}], '{"total": "7.00"}', later),
            builders.payload(call, 1, None, '{"total": "seven"}', later),
            builders.payload(call, 2, [{"role": "user", "content": "Fix total"}], '{"total": "7.00"}', later),
        )
        told = reports.call(LOCAL_OPERATOR, call.id)
        assert (told.tenant, told.timezone, told.schema) == ("Acme", "UTC", "invoice")
        assert told.asked == [{"role": "user", "content": "Invoice 7"}]
        assert told.value == '{"total": "7.00"}'
        assert [attempt.kind for attempt in told.attempts] == [AttemptKind.FIRST, AttemptKind.REASK]
        assert [attempt.after_ms for attempt in told.attempts] == [0.0, 950.0]
        assert [error.path for error in told.attempts[0].field_errors] == ["$.total"]
        assert told.attempts[1].asked == [{"role": "user", "content": "Fix total"}]
        assert told.attempts[0].answered == '{"total": "seven"}'
        assert told.payload_expires_at == later

    def test_a_lapsed_payload_is_not_shown(self, reports: Reports, store: Store) -> None:
        """Past its retention a prompt is gone from the page even before it is deleted."""
        call = builders.generation(NOW - 2 * DAY, id="e" * 32)
        builders.save(store, call, builders.payload(call, 0, [{"role": "user", "content": "x"}], "{}", NOW))
        told = reports.call(LOCAL_OPERATOR, call.id)
        assert (told.asked, told.value, told.payload_expires_at) == (None, None, None)

    def test_unknown(self, reports: Reports) -> None:
        """A link to a call that is not there says so."""
        with pytest.raises(NotFound, match="no call 'nope'"):
            reports.call(LOCAL_OPERATOR, "nope")


def test_no_database(tmp_path: object) -> None:
    """Where the tables are not there, or the server is not, the answer is that the database does not answer."""
    store = Store(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(Unavailable, match="does not answer"):
        Reports(store, ManualClock(NOW)).latest_call_at(LOCAL_OPERATOR)
    store.close()
