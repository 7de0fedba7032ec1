"""Budgets: what operators decide, and how it stands."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.budgets import LONGEST_RAISE, MOST_NANO_USD, Mode, Period, Scope
from core.errors import BudgetExceeded, Conflict, Forbidden, Invalid, NotFound
from core.principals import LOCAL_OPERATOR, Principal
from core.tables import AuditEntry, ChangeEvent
from tests.conftest import START
from tests.tills import MODEL, OTHER, Till, span

DOLLAR = 1_000_000_000
HOUR = timedelta(hours=1)


def raised(till: Till, extra: int = 500, **more: Any) -> str:
    """Raise the tenant's budget; return the raise's id."""
    values: dict[str, Any] = {"ends_at": till.clock.now() + HOUR, "reason": "Launch week"} | more
    return till.budgets.raise_limit(LOCAL_OPERATOR, till.tenant, till.state().budget_id, extra, **values).id


def audited(till: Till, action: str) -> list[AuditEntry]:
    """Return what was written down of an action."""
    return [entry for entry in till.rows(AuditEntry) if entry.action == action]


# ── Setting ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_setting_a_budget_changes_the_limit_and_nothing_else(till: Till) -> None:
    """What is spent stays spent: a higher limit lets more through, a lower one than what is spent stops at once."""
    till.spend(900)
    till.set(2000, version=1)
    till.spend(100)
    till.set(500, version=2)
    with pytest.raises(BudgetExceeded, match=r"and \$0.00 of this month's budget"):
        till.begin().cover(1)
    state = till.state()

    assert (state.limit_nano_usd, state.version, state.spent_nano_usd) == (500, 3, 1000)
    assert (state.used_share, state.threshold) == (2.0, 100)


def test_what_is_not_given_stays(till: Till) -> None:
    """A new limit leaves period, mode and thresholds as they are; a new budget has the usual ones."""
    fresh = till.state().terms
    assert (fresh.period, fresh.mode, fresh.thresholds) == (Period.MONTH, Mode.HARD, (80, 95))
    till.set(1000, period="week", mode="soft", thresholds=[90, 50, 50])
    till.set(2000)

    terms = till.state().terms
    assert (terms.limit_nano_usd, terms.period, terms.mode, terms.thresholds) == (
        2000,
        Period.WEEK,
        Mode.SOFT,
        (50, 90),
    )


def test_a_span_keeps_the_end_that_is_not_given(till: Till) -> None:
    """Moving one end of a fixed span leaves the other; going back to the calendar takes both away."""
    till.set(1000, **span(START, days=2))
    till.set(1000, ends_at=START + timedelta(days=5))
    state = till.state()
    assert (state.starts_at, state.ends_at) == (START, START + timedelta(days=5))

    till.set(1000, period="day")
    assert till.state().terms.starts_at is None


@pytest.mark.parametrize(
    "terms",
    [
        {"limit": -1},
        {"limit": MOST_NANO_USD + 1},
        {"scope": "planet"},
        {"scope": "model"},
        {"scope": "tenant", "scope_name": "x"},
        {"scope": "model", "scope_name": "gpt-4o"},
        {"scope": "model", "scope_name": "openai/"},
        {"scope": "model", "scope_name": "OpenAI/gpt-4o"},
        {"period": "year"},
        {"period": "span"},
        {"period": "span", "starts_at": START, "ends_at": START},
        {"period": "span", "starts_at": START, "ends_at": datetime.max.replace(tzinfo=UTC)},
        {"period": "day", "starts_at": START},
        {"mode": "gentle"},
        {"thresholds": []},
        {"thresholds": [0]},
        {"thresholds": [100]},
        {"thresholds": [10, 20, 30, 40, 50, 60]},
    ],
)
def test_what_a_budget_cannot_be_is_refused(terms: dict[str, Any], till: Till) -> None:
    """A value that a budget cannot have is one sentence, and nothing is saved."""
    with pytest.raises(Invalid, match=r"\.$"):
        till.set(**{"limit": 7} | terms)

    assert [(one.limit_nano_usd, one.scope) for one in till.terms()] == [(1000, Scope.TENANT)]


def test_a_stale_edit_saves_nothing(till: Till) -> None:
    """Whoever edits, or removes, what has changed since is told so."""
    till.set(2000, version=1)

    for version in (0, 1, 3):
        with pytest.raises(Conflict, match="Nothing was saved") as stale:
            till.set(9, version=version)
        assert stale.value.facts["expected"] == 2
        with pytest.raises(Conflict, match="Nothing was saved"):
            till.budgets.remove(LOCAL_OPERATOR, till.tenant, till.state().budget_id, version)
    assert till.state().limit_nano_usd == 2000


def test_of_two_who_edit_at_once_one_is_told(till: Till) -> None:
    """Two operators who read the same version cannot both save."""

    def edit(limit: int) -> bool:
        try:
            till.set(limit, version=1)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(edit, range(2000, 2006))) == 1
    assert till.state().version == 2


def test_every_change_is_written_down(till: Till) -> None:
    """Audit and time axis know each change with before and after; setting the same again is none."""
    till.set(2 * DOLLAR, mode="soft")
    till.set(2 * DOLLAR, mode="soft")

    before = {
        "scope": "tenant",
        "scope_name": "",
        "limit_nano_usd": 1000,
        "period": "month",
        "mode": "hard",
        "thresholds": [80, 95],
    }
    changes = [(entry.before, entry.after) for entry in audited(till, "budget.set")]
    assert sorted(changes, key=str) == sorted(
        [(None, before), (before, before | {"limit_nano_usd": 2 * DOLLAR, "mode": "soft"})], key=str
    )
    told = [event.summary for event in till.rows(ChangeEvent) if event.kind == "budget"]
    assert f"The monthly budget of {till.tenant.name} was set to $2.00." in told


def test_a_tenant_without_a_budget_is_told_how_to_make_one(till: Till) -> None:
    """Showing what is not there names the command that makes it."""
    with pytest.raises(NotFound, match=f"has no budget for the model {MODEL}. Set one with 'proctor budget set'"):
        till.state("model", MODEL)


def test_budgets_are_listed_the_tenant_s_first(till: Till) -> None:
    """The whole tenant's budget comes first, then models, schemas and routes by name; other tenants' are theirs."""
    for scope, name in [("route", "slow"), ("model", MODEL), ("schema", "b"), ("schema", "a"), ("model", OTHER)]:
        till.set(10, scope=scope, scope_name=name)
    other = Till(till.store, till.clock)
    other.set(3, scope="route", scope_name="slow")

    listed = till.budgets.all(LOCAL_OPERATOR, [till.tenant, other.tenant])
    assert [one.terms.scope_name for one in listed[till.tenant.id]] == ["", OTHER, MODEL, "a", "b", "slow"]
    assert [one.limit_nano_usd for one in listed[other.tenant.id]] == [3]
    assert list(till.budgets.states(LOCAL_OPERATOR, [till.tenant, other.tenant])) == [till.tenant.id]


def test_thresholds_that_are_passed_show(till: Till) -> None:
    """The highest passed threshold is shown, and none below the first."""
    shown: list[int | None] = []
    for cost in (799, 1, 149, 1, 49, 1):
        till.spend(cost)
        shown.append(till.state().threshold)

    assert shown == [None, 80, 80, 95, 95, 100]


# ── Removing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_removed_budget_governs_no_longer(till: Till) -> None:
    """Without it everything goes through; what it paid stays in its ledger, and who began under it settles there."""
    walk = till.begin()
    call = walk.cover(300)
    budget_id = till.state().budget_id
    till.budgets.remove(LOCAL_OPERATOR, till.tenant, budget_id, 1)
    till.spend(5000)
    walk.end(call, 200)
    walk.close()

    with pytest.raises(NotFound):
        till.state()
    with pytest.raises(NotFound):
        till.budgets.remove(LOCAL_OPERATOR, till.tenant, budget_id)
    assert till.accounts() == [(200, 0)]
    [entry] = audited(till, "budget.remove")
    assert entry.before["limit_nano_usd"] == 1000
    assert till.is_sound()


def test_a_budget_set_anew_means_none_of_its_old_terms(till: Till) -> None:
    """What is set after a removal is a new budget on the old accounts: hard, monthly, with the usual thresholds."""
    till.set(1000, mode="soft", thresholds=[50], **span(START, days=2))
    till.budgets.remove(LOCAL_OPERATOR, till.tenant, till.state().budget_id)
    till.set(2000, version=0)

    terms = till.state().terms
    assert (terms.period, terms.mode, terms.thresholds, terms.starts_at) == (Period.MONTH, Mode.HARD, (80, 95), None)


# ── Raising ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_raise_ends_by_itself_or_by_a_word(till: Till) -> None:
    """A raise adds to the limit until its end; withdrawn, it ends at once, and cannot be withdrawn again."""
    raised(till, 500)
    second = raised(till, 70, reason="And more")
    assert till.state().limit_nano_usd == 1570
    till.budgets.withdraw_raise(LOCAL_OPERATOR, till.tenant, second)
    assert till.state().limit_nano_usd == 1500
    with pytest.raises(NotFound):
        till.budgets.withdraw_raise(LOCAL_OPERATOR, till.tenant, second)
    till.advance(3600)

    assert till.state().limit_nano_usd == 1000
    assert {entry.reason for entry in audited(till, "budget.raise")} == {"Launch week", "And more"}
    assert len(audited(till, "budget.withdraw_raise")) == 1


def test_many_raises_are_never_more_than_can_be_counted(till: Till) -> None:
    """Ten raises of a billion dollars each let calls go out, as one does."""
    for _ in range(10):
        till.budgets.raise_limit(
            LOCAL_OPERATOR,
            till.tenant,
            till.state().budget_id,
            MOST_NANO_USD,
            ends_at=START + timedelta(days=1),
            reason="A typing error, often.",
        )

    till.spend(2000)
    assert till.account() == (2000, 0)
    assert till.state().limit_nano_usd > MOST_NANO_USD


def test_a_raise_survives_an_edit(till: Till) -> None:
    """A new limit is raised by what was raised before."""
    raised(till, 500)
    till.set(2000)

    assert till.state().limit_nano_usd == 2500


@pytest.mark.parametrize(
    "wrong",
    [
        {"extra": 0},
        {"extra": -5},
        {"extra": MOST_NANO_USD + 1},
        {"reason": "  "},
        {"ends_at": START},
        {"starts_at": START + HOUR, "ends_at": START + HOUR},
        {"ends_at": START + LONGEST_RAISE + HOUR},
    ],
)
def test_an_absurd_raise_is_refused(wrong: dict[str, Any], till: Till) -> None:
    """A raise adds money, says why, and ends: in the future, after its start, within a year."""
    with pytest.raises(Invalid, match=r"\.$|ask\.$"):
        raised(till, **wrong)
    assert till.state().limit_nano_usd == 1000


def test_nobody_raises_another_tenant_s_budget(till: Till) -> None:
    """A budget is found under its own tenant only."""
    other = Till(till.store, till.clock, 10)
    with pytest.raises(NotFound):
        other.budgets.raise_limit(
            LOCAL_OPERATOR, other.tenant, till.state().budget_id, 5, ends_at=START + HOUR, reason="Mine"
        )


@pytest.mark.parametrize(
    "decide",
    [
        lambda till, who: till.budgets.set(who, till.tenant, 10),
        lambda till, who: till.budgets.remove(who, till.tenant, till.state().budget_id),
        lambda till, who: till.budgets.raise_limit(
            who, till.tenant, till.state().budget_id, 5, ends_at=datetime(2027, 1, 1, tzinfo=UTC), reason="Please"
        ),
        lambda till, who: till.budgets.withdraw_raise(who, till.tenant, "any"),
    ],
)
def test_only_operators_decide(decide: Callable[[Till, Principal], object], till: Till) -> None:
    """A tenant's own key cannot change what the tenant may spend."""
    with pytest.raises(Forbidden):
        decide(till, Principal.of_key("key", till.tenant.id, "prk_key"))
    assert till.state().version == 1
