"""What the money bought, on both databases: every figure is checked against rows counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.clock import ManualClock
from core.outlooks import Outlooks
from core.principals import LOCAL_OPERATOR
from core.reports import Reports, Window, csv, spend_document
from core.store import Store
from core.tables import Outcome, Verification
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


def call(outcome: str, *attempts: dict[str, Any], at: datetime = NOW - HOUR, **more: Any) -> list[Any]:
    """Return a call and its attempts; its sums are theirs, as the corridor writes them."""
    costs = [one.get("cost_nano_usd", 100) for one in attempts if one.get("input_tokens", 1) is not None]
    values = {
        "attempts": len(attempts),
        "cost_nano_usd": None if None in costs else sum(costs),
        "estimated": any(one.get("estimated") for one in attempts),
    }
    made = builders.generation(at, more.pop("tenant_id", "acme"), outcome, **(values | more))
    rows = [
        builders.attempt(made, n, **({"id": builders.new_id(at), "outcome": outcome, "cost_nano_usd": 100} | one))
        for n, one in enumerate(attempts, 1)
    ]
    return [made, *rows]


INVALID = {"outcome": Outcome.INVALID}
ELSEWHERE = {"provider": "anthropic", "model": "claude-haiku-4-5"}


def today() -> Window:
    """Return the last day."""
    return Window.last(DAY, NOW)


def test_what_nobody_checked_is_not_thrown_away(reports: Reports, store: Store) -> None:
    """A relayed answer without a schema cost its money, was not in vain, and no valid object cost the more for it."""
    builders.save(
        store,
        *call(Outcome.VALID_FIRST_TRY, {}),
        *call(Outcome.UNCHECKED, {"cost_nano_usd": 900}),
        *call(Outcome.BLOCKED_GUARDRAIL, {"cost_nano_usd": 5, "outcome": Outcome.UNCHECKED}),
    )
    spend = reports.spend(LOCAL_OPERATOR, today(), "acme")
    assert (spend.total.spend, spend.total.discarded, spend.total.valid) == (1005, 5, 1)
    assert spend.total.cost_per_valid == 105
    [model] = spend.frame("models")["cost_per_valid_usd"]
    assert model == pytest.approx(105e-9)
    totals = reports.overview(LOCAL_OPERATOR, today()).totals
    assert (totals.unchecked, totals.valid, totals.errors) == (1, 1, 0)
    assert (totals.validity, totals.error_rate, totals.cost_per_valid) == (0.5, 0, 105)


class TestUsefulAndDiscarded:
    """What bought a valid object, and what was thrown away."""

    def test_a_reask_throws_the_first_answer_away(self, reports: Reports, store: Store) -> None:
        """Of an answer that was asked again the first attempt is discarded, the second useful."""
        builders.save(store, *call(Outcome.VALID_AFTER_REASK, INVALID | {"cost_nano_usd": 70}, {"cost_nano_usd": 110}))
        total = reports.spend(LOCAL_OPERATOR, today()).total
        assert (total.spend, total.useful, total.discarded) == (180, 110, 70)
        assert (total.calls, total.valid, total.attempts, total.discarded_attempts) == (1, 1, 2, 1)
        assert total.cost_per_valid == 180

    def test_a_valid_answer_that_nobody_got_is_discarded(self, reports: Reports, store: Store) -> None:
        """An answer that a guardrail kept back was paid for nothing, and the reason is the call's."""
        blocked = call(Outcome.BLOCKED_GUARDRAIL, {"outcome": Outcome.VALID_FIRST_TRY}, provider="openai", model="m")
        builders.save(store, *blocked)
        found = reports.spend(LOCAL_OPERATOR, today())
        assert (found.total.useful, found.total.discarded, found.total.cost_per_valid) == (0, 100, None)
        assert [(one.reason, one.nano_usd) for one in found.reasons] == [("blocked_guardrail", 100)]

    def test_whose_attempts_were_thrown_away(self, reports: Reports, store: Store) -> None:
        """A fallback's money is each model's own: the first one's was thrown away, the second one's gave the object."""
        builders.save(store, *call(Outcome.VALID_AFTER_FALLBACK, INVALID, INVALID, ELSEWHERE | {"cost_nano_usd": 400}))
        lines = {line.key: line.figures for line in reports.spend(LOCAL_OPERATOR, today()).models}
        first, second = lines["openai/gpt-4o-mini"], lines["anthropic/claude-haiku-4-5"]
        assert (first.calls, first.attempts, first.valid, first.spend, first.discarded) == (1, 2, 0, 200, 200)
        assert (second.calls, second.attempts, second.valid, second.spend, second.discarded) == (1, 1, 1, 400, 0)
        assert (first.cost_per_valid, second.cost_per_valid) == (None, 400)

    def test_by_schema_version(self, reports: Reports, store: Store) -> None:
        """Two versions of a schema stand apart, and one that came with its request is named inline."""
        builders.save(
            store,
            *call(Outcome.VALID_FIRST_TRY, {}),
            *call(Outcome.INVALID, INVALID, INVALID, schema_version=2),
            *call(Outcome.VALID_FIRST_TRY, {}, schema_name="", schema_version=None),
        )
        lines = {
            line.key: (line.figures.spend, line.figures.discarded)
            for line in reports.spend(LOCAL_OPERATOR, today()).schemas
        }
        assert lines == {"invoice@2": (200, 200), "invoice@1": (100, 0), "inline": (100, 0)}

    def test_one_version_has_one_line(self, reports: Reports, store: Store) -> None:
        """A call that was refused before its schema was looked up is recorded under what it asked for."""
        refused = {"schema_name": "invoice@1", "schema_version": None}
        builders.save(store, *call(Outcome.VALID_FIRST_TRY, {}), *call(Outcome.BLOCKED_RATE, **refused))
        [line] = reports.spend(LOCAL_OPERATOR, today()).schemas
        assert (line.key, line.names, line.figures.calls) == ("invoice@1", ("invoice", 1), 2)

    def test_by_tenant(self, reports: Reports, store: Store) -> None:
        """Tenants stand apart, the dearest first; one tenant's report holds nothing of another's."""
        builders.save(
            store,
            *call(Outcome.VALID_FIRST_TRY, {}),
            *call(Outcome.TIMEOUT, {"outcome": Outcome.TIMEOUT, "cost_nano_usd": 900}, tenant_id="borealis"),
        )
        assert [(line.names, line.figures.spend) for line in reports.spend(LOCAL_OPERATOR, today()).tenants] == [
            (("Borealis",), 900),
            (("Acme",), 100),
        ]
        own = reports.spend(LOCAL_OPERATOR, today(), "acme")
        assert (own.total.spend, len(own.tenants), own.reasons) == (100, 1, [])
        assert set(own.over_time.query("kind == 'tenant'")["name"]) == {"Acme"}


class TestWhatIsNotKnown:
    """Unpriced and estimated."""

    def test_unpriced_is_beside_the_sum(self, reports: Reports, store: Store) -> None:
        """The priced part counts, the call stands in neither side of the cost per object, and both are counted."""
        unpriced = ELSEWHERE | {"cost_nano_usd": None}
        builders.save(store, *call(Outcome.VALID_AFTER_FALLBACK, INVALID, unpriced), *call(Outcome.VALID_FIRST_TRY, {}))
        found = reports.spend(LOCAL_OPERATOR, today())
        total = found.total
        assert (total.spend, total.unpriced_calls, total.unpriced_attempts, total.cost_per_valid) == (200, 1, 1, 100)
        [line] = [line.figures for line in found.models if line.key.startswith("anthropic/")]
        assert (line.spend, line.unpriced_calls, line.unpriced_attempts, line.valid) == (None, 1, 1, 1)

    def test_a_call_that_never_went_out_is_not_unpriced(self, reports: Reports, store: Store) -> None:
        """An attempt without usage cost nothing and needs no price."""
        failed = {"outcome": Outcome.PROVIDER_ERROR, "cost_nano_usd": None, "input_tokens": None}
        builders.save(store, *call(Outcome.PROVIDER_ERROR, failed))
        total = reports.spend(LOCAL_OPERATOR, today()).total
        assert (total.spend, total.unpriced_attempts, total.unpriced_calls) == (0, 0, 0)

    def test_estimated(self, reports: Reports, store: Store) -> None:
        """The estimated part of the sum is known, in money, attempts and calls."""
        builders.save(
            store,
            *call(Outcome.TIMEOUT, {"estimated": True, "cost_nano_usd": 30}),
            *call(Outcome.VALID_FIRST_TRY, {}),
        )
        total = reports.spend(LOCAL_OPERATOR, today()).total
        assert (total.spend, total.estimated_spent, total.estimated_attempts, total.estimated_calls) == (130, 30, 1, 1)

    def test_nothing_at_all(self, reports: Reports) -> None:
        """Without calls the spend is 0, nothing is a share of it, and every table is empty with its columns."""
        found = reports.spend(LOCAL_OPERATOR, today())
        assert (found.total.spend, found.total.discarded_share, found.total.hit_rate) == (0, None, None)
        for kind in ("tenants", "models", "schemas"):
            assert found.frame(kind).empty
            assert "spend_nano_usd" in found.frame(kind)
        assert found.reasons_frame().empty


class TestCaches:
    """What caches held and saved."""

    def test_providers_caches(self, reports: Reports, store: Store) -> None:
        """Cached tokens are a part of the input, and what they saved is added up, losses of writing included."""
        builders.save(
            store,
            *call(Outcome.VALID_FIRST_TRY, {"cached_tokens": 300, "cache_saved_nano_usd": 50}),
            *call(Outcome.VALID_FIRST_TRY, {"cache_write_tokens": 200, "cache_saved_nano_usd": -20}),
        )
        total = reports.spend(LOCAL_OPERATOR, today()).total
        assert (total.input_tokens, total.cached_tokens, total.cache_write_tokens) == (800, 300, 200)
        assert (total.hit_rate, total.cache_saved) == (0.375, 30)

    def test_answers_given_again(self, reports: Reports, store: Store) -> None:
        """An answer from the cache is a valid object that cost nothing; its saving stands with whoever once gave it."""
        again = builders.generation(NOW - HOUR, outcome=Outcome.CACHE_HIT, saved_nano_usd=100)
        builders.save(store, *call(Outcome.VALID_FIRST_TRY, {}), again)
        found = reports.spend(LOCAL_OPERATOR, today())
        for figures in (found.total, found.models[0].figures, found.schemas[0].figures, found.tenants[0].figures):
            assert (figures.calls, figures.valid, figures.answers, figures.answers_saved) == (2, 2, 1, 100)
            assert (figures.spend, figures.cost_per_valid, figures.answer_rate, figures.saved) == (100, 50, 0.5, 100)


class TestForm:
    """Windows, exports, documents."""

    def test_a_call_belongs_where_it_began(self, reports: Reports, store: Store) -> None:
        """An attempt that ran into the window counts where its call began, and nowhere else."""
        window = today()
        late = window.starts_at - timedelta(seconds=1)
        builders.save(store, *call(Outcome.VALID_FIRST_TRY, {"started_at": late + timedelta(seconds=2)}, at=late))
        assert reports.spend(LOCAL_OPERATOR, window).total.spend == 0
        assert reports.spend(LOCAL_OPERATOR, window.previous()).total.spend == 100

    def test_over_time_adds_up(self, reports: Reports, store: Store) -> None:
        """The bars add up to the total, useful and discarded apart."""
        rows = [
            row
            for hours in range(1, 20, 3)
            for row in call(Outcome.VALID_AFTER_REASK, INVALID, {}, at=NOW - hours * HOUR)
        ]
        builders.save(store, *rows)
        found = reports.spend(LOCAL_OPERATOR, today())
        for kind in ("tenant", "schema", "model"):
            over = found.over_time[found.over_time["kind"] == kind]
            assert over["usd"].sum() == pytest.approx((found.total.spend or 0) / 1e9)
            assert over["discarded"].sum() == pytest.approx(found.total.discarded / 1e9)
            assert over["at"].nunique() == 7

    def test_large_sums_are_exact(self, reports: Reports, store: Store) -> None:
        """Sums beyond the whole numbers of a float come back exact, in exports and documents too."""
        builders.save(store, *call(Outcome.VALID_FIRST_TRY, {"cost_nano_usd": 2**53}, {"cost_nano_usd": 1}))
        found = reports.spend(LOCAL_OPERATOR, today(), "acme")
        assert found.total.spend == 2**53 + 1
        assert str(2**53 + 1) in csv(found.frame("tenants")).decode()
        assert spend_document(found, "Acme")["spend_nano_usd"] == 2**53 + 1

    def test_a_formula_stays_text(self, reports: Reports, store: Store) -> None:
        """A schema's title that a spreadsheet would run gets an apostrophe."""
        rows = call(Outcome.VALID_FIRST_TRY, {}, schema_name='=HYPERLINK("x")', schema_version=None)
        builders.save(store, *rows)
        assert "'=HYPERLINK" in csv(reports.spend(LOCAL_OPERATOR, today()).frame("schemas")).decode()

    def test_the_last_verification(self, reports: Reports, store: Store) -> None:
        """It is the newest one, and none where it was never run."""
        assert reports.verified(LOCAL_OPERATOR) is None
        common: dict[str, Any] = {"accounts": 2, "attempts": 9, "held_nano_usd": 0, "duration_ms": 3.5, "by": "ann"}
        builders.save(
            store,
            Verification(id="a", at=NOW - DAY, ok=False, difference_nano_usd=7, **common),
            Verification(id="b", at=NOW - HOUR, ok=True, difference_nano_usd=0, **common),
        )
        last = reports.verified(LOCAL_OPERATOR)
        assert last is not None
        assert (last.at, last.ok, last.difference_nano_usd, last.attempts, last.by) == (NOW - HOUR, True, 0, 9, "ann")


def test_a_month_of_calls(sqlite_store: Store) -> None:
    """Each call of a month is counted once, for its own tenant, and a forecast rests on them."""
    builders.save(sqlite_store, *(builders.tenant(name, NOW - 40 * DAY) for name in ("Acme", "Borealis")))
    step = 30 * DAY / 2_000
    rows: list[Any] = []
    for n in range(2_000):
        rows += call(Outcome.VALID_FIRST_TRY, {}, at=NOW - (n + 1) * step, tenant_id=("acme", "borealis")[n % 2])
    builders.save(sqlite_store, rows)
    clock = ManualClock(NOW)
    reports, window = Reports(sqlite_store, clock), Window.last(30 * DAY, NOW)
    assert reports.spend(LOCAL_OPERATOR, window).total.calls == 2_000
    assert reports.spend(LOCAL_OPERATOR, window, "acme").total.calls == 1_000
    Outlooks(sqlite_store, clock).make()
    assert {one.tenant for one in reports.forecasts(LOCAL_OPERATOR)} == {"Acme", "Borealis"}
