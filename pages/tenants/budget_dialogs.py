"""What the page Tenants asks before it changes a budget: what it would have done, and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import streamlit as st

from core.budgets import BudgetTerms, Raise, Scope, described
from core.errors import ProctorError
from core.pricing import nano_usd, usd
from core.tenants import Permission, Tenant
from pages.kit import crossings, formats, zones
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals, show_error
from pages.kit.reasons import reason
from pages.tenants.named import named

if TYPE_CHECKING:
    from core.budgets import BudgetState
    from core.reports import SpendHistory

SCOPES = {"tenant": "Everything", "model": "One model", "schema": "One schema", "route": "One route", "key": "One key"}
PERIODS = {"day": "Day", "week": "Week", "month": "Month", "span": "From one day to another"}
MODES = {
    "hard": "Hard: nothing goes out that could pass the limit",
    "soft": "Soft: alerts only, traffic goes on",
    "degrade": "Degrade: cheaper models from the first threshold on",
}
MOST_USD = 1_000_000.0
_HISTORY = "budget_history"
"""Where the session keeps what calls have cost, for as long as a dialog is open: by tenant, scope and name."""


@st.dialog("New budget", icon=":material/payments:", width="medium")
def create(visit: Visit, tenant: Tenant, states: Sequence[BudgetState]) -> None:
    """Ask for a budget on something that has none yet."""
    taken = {(state.terms.scope, state.terms.scope_name) for state in states}
    kinds = [scope for scope in SCOPES if scope != "tenant" or (Scope.TENANT, "") not in taken]
    if not visit.may(Permission.KEYS_READ, tenant.id):
        kinds.remove("key")
    scope = st.selectbox("It covers", kinds, format_func=SCOPES.__getitem__, key="budget_scope")
    name = _name(visit, tenant, scope)
    if (Scope(scope), name) in taken:
        st.warning("There is a budget for that already. Edit it instead.", icon=":material/info:")
    wanted = _ask(tenant, None)
    _preview(visit, tenant, wanted, scope, name)
    st.caption("What its calls have cost in the period so far counts from the start.")
    edited = edit_of(visit, tenant, None, _described(wanted, scope, name), reason("budget_reason"))
    missing = "" if scope == "tenant" or name else f"Choose the {scope} first."
    title = "The budget was not saved."
    if crossings.save(edited, "Set budget", title=title, key="confirm_new_budget", missing=missing):
        _done(tenant)


@st.dialog("Edit budget", icon=":material/payments:", width="medium")
def edit(visit: Visit, tenant: Tenant, state: BudgetState) -> None:
    """Ask for new terms; the version read before guards against a change meanwhile."""
    terms = state.terms
    st.markdown(f"{plain(terms.name[0].upper() + terms.name[1:])}.")
    wanted = _ask(tenant, state)
    _preview(visit, tenant, wanted, terms.scope.value, terms.scope_name)
    limit = nano_usd(str(wanted["limit"]))
    left = limit - state.spent_nano_usd
    if wanted["mode"] != "soft" and wanted["period"] == terms.period and left <= 0:
        spent = plain(formats.dollars(state.spent_nano_usd))
        st.warning(f"{spent} is spent already: every call that it covers will be refused.", icon=":material/money_off:")
    st.caption("It holds from the next generation on. What was spent stays spent.")
    said = _described(wanted, terms.scope.value, terms.scope_name)
    edited = edit_of(visit, tenant, state, said, reason("budget_reason"))
    if crossings.save(edited, "Save budget", title="The budget was not saved.", key="confirm_budget"):
        _done(tenant)


@st.dialog("Raise for a while", icon=":material/trending_up:")
def raise_limit(visit: Visit, tenant: Tenant, state: BudgetState) -> None:
    """Ask for more money with an end and a reason."""
    zone = ZoneInfo(tenant.timezone)
    extra = st.number_input("More, USD", 0.01, MOST_USD, 10.0, step=1.0, format="%.2f", key="raise_usd")
    today = visit.now.astimezone(zone).date()
    last = st.date_input("To the end of", today + timedelta(days=1), min_value=today, key="raise_until")
    why = reason("raise_reason", placeholder="a campaign, agreed with sales")
    new = plain(formats.dollars(state.limit_nano_usd + nano_usd(str(extra))))
    st.caption(f"The limit is {new} until then, and goes back by itself.")
    if st.button("Raise", type="primary", key="confirm_raise"):
        with refusals("The budget was not raised."):
            visit.runtime.budgets.raise_limit(
                visit.principal,
                tenant,
                state.budget_id,
                nano_usd(str(extra)),
                ends_at=_midnight(last + timedelta(days=1), zone),
                reason=why,
            )
            flash(f"The budget of {tenant.name} is raised until the end of {last:%Y-%m-%d}.")
            st.rerun()


@st.dialog("End this raise?", icon=":material/trending_down:")
def withdraw(visit: Visit, tenant: Tenant, more: Raise) -> None:
    """Ask once, and say what follows."""
    amount = plain(formats.dollars(more.extra_nano_usd))
    st.markdown(f"The budget goes back by {amount} with the next generation. What was spent stays spent.")
    why = reason("withdraw_reason")
    if st.button("End it now", type="primary", key="confirm_withdraw"):
        with refusals("The raise goes on."):
            visit.runtime.budgets.withdraw_raise(visit.principal, tenant, more.id, reason=why)
            flash("The raise has ended.")
            st.rerun()


@st.dialog("Remove this budget?", icon=":material/delete:")
def remove(visit: Visit, tenant: Tenant, state: BudgetState) -> None:
    """Ask once, and say what follows."""
    st.markdown(
        f"{plain(state.terms.name[0].upper() + state.terms.name[1:])} governs no longer, from the next "
        "generation on. What it paid stays in its ledger; set again, it goes on from there."
    )
    why = reason("remove_reason")

    def take_away(expected: int, _: Mapping[str, Any]) -> None:
        visit.runtime.budgets.remove(visit.principal, tenant, state.budget_id, expected, reason=why)

    edited = crossings.Edit(
        key=f"budget_{state.budget_id}_removed",
        seen=described(state.terms),
        wanted=None,
        expected=state.version,
        save=take_away,
    )
    if crossings.save(edited, "Remove budget", title="The budget was not removed.", key="confirm_remove"):
        flash(f"A budget of {tenant.name} was removed.")
        st.rerun()


def _name(visit: Visit, tenant: Tenant, scope: str) -> str:
    """Ask what the budget is for."""
    if scope == "tenant":
        return ""
    known = named(visit, tenant, scope)
    chosen = st.selectbox(
        f"The {scope}",
        list(known),
        index=None,
        format_func=lambda one: known.get(one, one),
        accept_new_options=scope != "key",  # a key is named by its id, which nobody types
        key=f"budget_{scope}",
    )
    if scope == "key":
        st.caption("Its calls need room in the tenant's budgets too. It pays for the keys that this one makes as well.")
    return str(chosen or "")


def _ask(tenant: Tenant, state: BudgetState | None) -> dict[str, Any]:
    """Draw the fields that every budget has; return what is in them."""
    terms = state.terms if state else None
    limit = st.number_input(
        "Limit, USD",
        0.0,
        MOST_USD,
        float(usd(terms.limit_nano_usd) or 0) if terms else 25.0,
        step=1.0,
        format="%.2f",
        key="budget_usd",
    )
    kinds = list(PERIODS)
    period = st.selectbox(
        "Per",
        kinds,
        kinds.index(terms.period if terms else "month"),
        format_func=PERIODS.__getitem__,
        key="budget_period",
        help=f"As the calendar of {tenant.timezone} has it.",
    )
    span = None
    if period == "span":
        span = _span(tenant, terms)
    modes = list(MODES)
    mode = st.selectbox(
        "At the limit",
        modes,
        modes.index(terms.mode if terms else "hard"),
        format_func=MODES.__getitem__,
        key="budget_mode",
    )
    told = st.multiselect(
        "Alert thresholds, % of the limit",
        sorted({50, 60, 70, 75, 80, 85, 90, 95, 99, *(terms.thresholds if terms else ())}),
        list(terms.thresholds if terms else (80, 95)),
        key="budget_thresholds",
        max_selections=5,
    )
    return {"limit": limit, "period": period, "span": span, "mode": mode, "thresholds": told}


def _span(tenant: Tenant, terms: BudgetTerms | None) -> tuple[datetime, datetime] | None:
    zone = ZoneInfo(tenant.timezone)
    days = None
    if terms is not None and terms.starts_at is not None and terms.ends_at is not None:
        last = terms.ends_at.astimezone(zone) - timedelta(microseconds=1)
        days = (terms.starts_at.astimezone(zone).date(), last.date())
    chosen = st.date_input(f"First and last day, {tenant.timezone}", days or [], key="budget_span")
    if len(chosen) != 2:
        return None
    return _midnight(chosen[0], zone), _midnight(chosen[1] + timedelta(days=1), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def forget() -> None:
    """Let the next dialog read anew what calls have cost."""
    st.session_state.pop(_HISTORY, None)


def _known() -> dict[tuple[str, str, str], tuple[SpendHistory, datetime]]:
    return st.session_state.setdefault(_HISTORY, {})


def history(
    visit: Visit, tenant: Tenant, scope: str = "tenant", name: str = "", span: tuple[datetime, datetime] | None = None
) -> SpendHistory:
    """Return what calls have cost, read once while a dialog is open; only a span that begins earlier asks again."""
    known = _known()
    found, since = known.get((tenant.id, scope, name), (None, datetime.max.replace(tzinfo=UTC)))
    if found is None or (span is not None and span[0] < min(since, found.begins_at)):
        found = visit.runtime.reports.spend_history(visit.principal, tenant.id, scope, name, span)
        known[tenant.id, scope, name] = found, span[0] if span else found.begins_at
    return found


def histories(visit: Visit, tenants: Sequence[Tenant]) -> Mapping[str, SpendHistory]:
    """Return what the calls of each tenant have cost, by its id, read at once while a dialog is open."""
    known = _known()
    if missing := [tenant.id for tenant in tenants if (tenant.id, "tenant", "") not in known]:
        for tenant_id, found in visit.runtime.reports.spend_histories(visit.principal, missing).items():
            known[tenant_id, "tenant", ""] = found, found.begins_at
    kept = {tenant.id: known.get((tenant.id, "tenant", "")) for tenant in tenants}
    return {tenant_id: one[0] for tenant_id, one in kept.items() if one is not None}


def _preview(visit: Visit, tenant: Tenant, wanted: Mapping[str, Any], scope: str, name: str) -> None:
    """Say what the budget would have done in the last 30 days."""
    if (scope != "tenant" and not name) or (wanted["period"] == "span" and wanted["span"] is None):
        return
    limit, span = nano_usd(str(wanted["limit"])), wanted["span"]
    try:
        found = history(visit, tenant, scope, name, span).against(limit, wanted["period"], span)
    except ProctorError as error:
        show_error(error, "What it would have done is not known.")
        return
    if not found.calls:
        st.info("In the last 30 days it would have covered no call.", icon=":material/history:")
        return
    calls = formats.plural(found.calls, "call")
    if not found.blocked:
        st.info(f"In the last 30 days it would have blocked none of {calls}.", icon=":material/history:")
        return
    kept = plain(formats.dollars(found.kept_nano_usd))
    first = next(one.first_at for one in found.periods if one.first_at)
    st.warning(
        f"In the last 30 days it would have blocked **{found.blocked:,}** of {calls} "
        f"({formats.percent(found.blocked_share)}), {kept} of spend; the first on "
        f"{plain(zones.told(first, tenant.timezone))}."
        + (" It only tells, so none would have been." if wanted["mode"] == "soft" else ""),
        icon=":material/history:",
    )


def _described(wanted: Mapping[str, Any], scope: str, name: str) -> dict[str, Any]:
    """Return what stands in the fields, as the audit trail says it."""
    said = {
        "scope": scope,
        "scope_name": name,
        "limit_nano_usd": nano_usd(str(wanted["limit"])),
        "period": wanted["period"],
        "mode": wanted["mode"],
        "thresholds": wanted["thresholds"],
    }
    if wanted["span"] is None:
        return said
    return said | dict(zip(("starts_at", "ends_at"), (one.isoformat() for one in wanted["span"]), strict=True))


def edit_of(
    visit: Visit, tenant: Tenant, state: BudgetState | None, wanted: Mapping[str, Any], why: str
) -> crossings.Edit:
    """Return what is wanted of a budget that stood as *state* says, ``None`` where there was none."""

    def save(expected: int, whole: dict[str, Any]) -> None:
        limit = whole.pop("limit_nano_usd")
        for name in {"starts_at", "ends_at"} & whole.keys():
            whole[name] = datetime.fromisoformat(whole[name])
        visit.runtime.budgets.set(visit.principal, tenant, limit, expected, reason=why, **whole)

    return crossings.Edit(
        key=f"budget_{tenant.id}_{wanted['scope']}_{wanted['scope_name']}",
        seen=described(state.terms) if state else None,
        wanted=wanted,
        expected=state.version if state else 0,
        save=save,
    )


def _done(tenant: Tenant) -> None:
    flash(f"The budget of {tenant.name} is saved.")
    st.rerun()
