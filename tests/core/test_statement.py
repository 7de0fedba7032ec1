"""A tenant's bill of a month: its borders, its parts, and that it says what the ledger says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.clock import ManualClock
from core.errors import Invalid, NotFound
from core.principals import LOCAL_OPERATOR
from core.reports import Reports, month_around, statement_document
from core.store import Store
from core.tables import LedgerEntry, LedgerKind, Outcome
from tests import builders
from tests.core.test_spend import ELSEWHERE, INVALID, call

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def reports(store: Store) -> Reports:
    """The read side in November, with Acme in Kathmandu."""
    builders.save(store, builders.tenant("Acme", NOW - 90 * DAY, "Asia/Kathmandu"))
    return Reports(store, ManualClock(NOW))


def charged(rows: list[Any], account: str, *, kind: str = LedgerKind.CHARGE, more: int = 0) -> list[LedgerEntry]:
    """Return the ledger's entries of a call's attempts."""
    return [
        LedgerEntry(
            id=builders.new_id(NOW),
            at=NOW,
            account_id=account,
            generation_id=row.generation_id,
            attempt_id=row.id,
            kind=kind,
            nano_usd=(row.cost_nano_usd or 0) + more if kind == LedgerKind.CHARGE else more,
        )
        for row in rows[1:]
    ]


class TestMonth:
    """Which calls it holds."""

    def test_the_month_is_the_tenants(self, reports: Reports, store: Store) -> None:
        """November begins in Kathmandu at 18:15 UTC of October 31; a call a second before it is October's."""
        begins = datetime(2026, 10, 31, 18, 15, tzinfo=UTC)
        builders.save(
            store,
            *call(Outcome.VALID_FIRST_TRY, {}, at=begins),
            *call(Outcome.VALID_FIRST_TRY, {"cost_nano_usd": 5}, at=begins - timedelta(seconds=1)),
        )
        november, october = (
            reports.statement(LOCAL_OPERATOR, "acme"),
            reports.statement(LOCAL_OPERATOR, "acme", "2026-10"),
        )
        assert (november.month, november.starts_at, november.total.spent) == ("2026-11", begins, 100)
        assert (october.month, october.ends_at, october.total.spent) == ("2026-10", begins, 5)
        assert (november.is_open, october.is_open) == (True, False)

    @pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
    def test_months_follow_each_other(self, zone: str) -> None:
        """Over three years of changing clocks every month begins where the one before ended, at midnight or its gap."""
        ends = None
        for year in (2024, 2025, 2026):
            for month in range(1, 13):
                starts_at, ends_at = month_around(zone, f"{year}-{month:02}", datetime(2027, 6, 1, tzinfo=UTC))
                assert ends in (None, starts_at)
                ends = ends_at

    @pytest.mark.parametrize("month", ["2026-13", "2026-00", "26-11", "november", "", "2026-11-01", "2026-12"])
    def test_no_month(self, reports: Reports, month: str) -> None:
        """What is no month, or has not begun, is refused with a sentence."""
        with pytest.raises(Invalid, match=r"no month|not begun"):
            reports.statement(LOCAL_OPERATOR, "acme", month)

    def test_no_tenant(self, reports: Reports) -> None:
        """A statement of nobody does not exist."""
        with pytest.raises(NotFound):
            reports.statement(LOCAL_OPERATOR, "nobody")


class TestParts:
    """What it says."""

    def test_parts_add_up(self, reports: Reports, store: Store) -> None:
        """By schema everything adds up to the total, by model everything but calls; useful and discarded are apart."""
        builders.save(
            store,
            *call(Outcome.VALID_AFTER_FALLBACK, INVALID, ELSEWHERE, at=NOW - DAY),
            *call(Outcome.VALID_AFTER_REASK, INVALID, {}, at=NOW - DAY, schema_version=2),
            builders.generation(NOW - DAY, outcome=Outcome.CACHE_HIT, saved_nano_usd=40),
            builders.generation(NOW - DAY, outcome=Outcome.BLOCKED_RATE),
        )
        bill = reports.statement(LOCAL_OPERATOR, "acme")
        frame = bill.frame()
        summed = frame.groupby("part").sum(numeric_only=True)
        for name in ("valid", "attempts", "spend_nano_usd", "useful_nano_usd", "discarded_nano_usd", "input_tokens"):
            assert summed.loc["total", name] == summed.loc["model", name] == summed.loc["schema", name], name
        assert summed["calls"].to_dict() == {"model": 4, "schema": 4, "total": 4}
        assert (bill.total.useful, bill.total.discarded, bill.total.saved) == (200, 200, 40)
        assert set(frame["month"]) == {"2026-11"}

    def test_service_tiers_and_regions(self, reports: Reports, store: Store) -> None:
        """Where a vendor billed anything but the standard, what it billed how stands in lines that add up."""
        billed = ({}, {"billing": {"tier": "priority"}}, {"billing": {"tier": "priority", "geo": "us", "remark": "x"}})
        remarked = {"billing": {"remark": "odd"}}
        for billing in (*billed, remarked, billed[1]):
            builders.save(store, *call(Outcome.VALID_FIRST_TRY, billing, at=NOW - DAY))
        bill = reports.statement(LOCAL_OPERATOR, "acme")
        assert [(line.key, line.figures.attempts, line.figures.spent) for line in bill.tiers] == [
            ("priority", 2, 200),
            ("standard", 2, 200),
            ("priority, in us", 1, 100),
        ]
        rows = [row for row in bill.frame().to_dict("records") if row["part"] == "tier"]
        assert [(row["tier"], row["attempts"]) for row in rows] == [("priority", 2), ("standard", 2), ("priority", 1)]
        assert [row["region"] == "us" for row in rows] == [False, False, True]
        for name in ("attempts", "useful_nano_usd", "discarded_nano_usd", "input_tokens", "estimated_nano_usd"):
            total = next(row for row in bill.frame().to_dict("records") if row["part"] == "total")
            assert sum(row[name] for row in rows) == total[name], name
        assert [one["region"] for one in statement_document(bill)["by_tier"]] == [None, None, "us"]

    def test_unpriced_models_are_named(self, reports: Reports, store: Store) -> None:
        """A model without a price is named with its attempts, and its money is in no sum."""
        builders.save(store, *call(Outcome.VALID_FIRST_TRY, ELSEWHERE | {"cost_nano_usd": None}, at=NOW - DAY))
        bill = reports.statement(LOCAL_OPERATOR, "acme")
        [line] = bill.unpriced
        assert (line.key, line.figures.unpriced_attempts) == ("anthropic/claude-haiku-4-5", 1)
        assert bill.total.spend is None
        assert statement_document(bill)["spend_nano_usd"] is None

    def test_an_empty_month(self, reports: Reports) -> None:
        """A month without calls is a bill over nothing."""
        bill = reports.statement(LOCAL_OPERATOR, "acme", "2026-09")
        assert (bill.total.spend, bill.models, bill.difference_nano_usd) == (0, [], 0)
        assert bill.frame()["part"].tolist() == ["total"]


class TestLedger:
    """That totals equal the ledger's."""

    def test_charged_and_outside(self, reports: Reports, store: Store) -> None:
        """What the ledger charged and what was spent without a budget make the total."""
        acme = builders.tenant("Acme", NOW, "Asia/Kathmandu")
        under, before = call(Outcome.VALID_FIRST_TRY, {}, at=NOW - DAY), call(Outcome.VALID_FIRST_TRY, {}, at=NOW - DAY)
        builders.save(store, *builders.budget(acme, 10**9, 100, NOW), *under, *before, *charged(under, "account-acme"))
        bill = reports.statement(LOCAL_OPERATOR, "acme")
        assert (bill.total.spent, bill.charged_nano_usd, bill.outside_nano_usd) == (200, 100, 100)
        assert bill.difference_nano_usd == 0

    def test_corrections_count(self, reports: Reports, store: Store) -> None:
        """An estimate that was corrected is charged what the call cost in the end."""
        acme = builders.tenant("Acme", NOW, "Asia/Kathmandu")
        rows = call(Outcome.VALID_FIRST_TRY, {}, at=NOW - DAY)
        first = charged(rows, "account-acme", more=30)
        mended = charged(rows, "account-acme", kind=LedgerKind.CORRECTION, more=-30)
        builders.save(store, *builders.budget(acme, 10**9, 100, NOW), *rows, *first, *mended)
        assert reports.statement(LOCAL_OPERATOR, "acme").difference_nano_usd == 0

    def test_a_fault_is_told(self, reports: Reports, store: Store) -> None:
        """A charge that no attempt explains is a difference, not hidden in a sum."""
        acme = builders.tenant("Acme", NOW, "Asia/Kathmandu")
        rows = call(Outcome.VALID_FIRST_TRY, {}, at=NOW - DAY)
        builders.save(store, *builders.budget(acme, 10**9, 107, NOW), *rows, *charged(rows, "account-acme", more=7))
        assert reports.statement(LOCAL_OPERATOR, "acme").difference_nano_usd == -7
