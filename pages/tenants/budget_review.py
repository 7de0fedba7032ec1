"""The dialog in which edits of the budgets' table are looked over, with what follows, and saved."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import streamlit as st

from core.budgets import described
from core.pricing import nano_usd
from pages.kit import crossings, formats
from pages.kit.frames import pd, table
from pages.kit.page import Visit, flash
from pages.kit.reasons import reason
from pages.tenants.budget_dialogs import edit_of, histories

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.budgets import BudgetState
    from core.reports import SpendHistory
    from core.tenants import Tenant

MOST_LOOKED_AT = 20
"""Of how many tenants is read what a new limit would have blocked: the answer has a bound, however many were edited."""


_SAVED, _NOT_SAVED = "budgets_saved", "The budget of {} was not saved."


@st.dialog("Save budgets?", icon=":material/payments:", width="medium")
def review(
    visit: Visit, changes: Mapping[str, float], tenants: Mapping[str, Tenant], states: Mapping[str, BudgetState]
) -> None:
    """Show each budget as it is and as it would be, with what follows; save those that nobody changed meanwhile."""
    looked_at = list(islice((tenants[name] for name in changes), MOST_LOOKED_AT))
    past = histories(visit, looked_at)
    rows = {
        name: _difference(past.get(tenants[name].id), limit, states.get(tenants[name].id))
        for name, limit in changes.items()
    }
    table(pd.DataFrame.from_dict(rows, orient="index", columns=["Now", "New", "What follows"]))
    if len(changes) > MOST_LOOKED_AT:
        st.caption(f"What it would have blocked is worked out for the first {MOST_LOOKED_AT}.")
    st.caption("A budget holds from the next generation on. What was spent stays spent.")
    why = reason("budgets_reason")
    done: set[str] = st.session_state.setdefault(_SAVED, set())
    pressed = st.button("Save", type="primary", key="confirm_budgets")
    for name, limit in changes.items():
        if name in done:
            continue
        edited, title = _edit(visit, tenants[name], limit, states.get(tenants[name].id), why), _NOT_SAVED.format(name)
        if (pressed and crossings.begun(edited, title=title)) or crossings.settled(edited, title=title):
            done.add(name)
    if done >= changes.keys():
        saved = sorted(st.session_state.pop(_SAVED))
        flash(f"Saved {formats.plural(len(saved), 'budget')}: {', '.join(saved)}.")
        st.session_state["budgets_round"] = st.session_state.get("budgets_round", 0) + 1
        st.rerun()


def forget() -> None:
    """Let the next dialog begin with nothing saved."""
    st.session_state.pop(_SAVED, None)


def _edit(visit: Visit, tenant: Tenant, limit: float, state: BudgetState | None, why: str) -> crossings.Edit:
    kept = described(state.terms) if state else {"scope": "tenant", "scope_name": ""}
    return edit_of(visit, tenant, state, kept | {"limit_nano_usd": nano_usd(str(limit))}, why)


def _difference(past: SpendHistory | None, limit: float, state: BudgetState | None) -> Sequence[str]:
    new = nano_usd(str(limit))
    if state is None:
        told = f"From now on its spending has a limit. {_past(past, new, 'month')}"
        return ("no limit", formats.dollars(new), told.replace("$", "\\$"))
    raised = state.limit_nano_usd - state.terms.limit_nano_usd
    left = new + raised - state.spent_nano_usd
    if left <= 0 and state.terms.mode != "soft":
        spent = formats.dollars(state.spent_nano_usd)
        follows = f":red-badge[:material/money_off: Stops] {spent} is spent already: every generation will be refused."
    else:
        follows = f"{formats.dollars(max(0, left))} is left in this period."
    follows += " " + _past(past, new, state.terms.period.value)
    return (formats.dollars(state.terms.limit_nano_usd), formats.dollars(new), follows.replace("$", "\\$"))


def _past(past: SpendHistory | None, limit_nano_usd: int, period: str) -> str:
    """Say what a limit would have done in the last 30 days."""
    if past is None or period == "span":
        return ""
    found = past.against(limit_nano_usd, period)
    if not found.blocked:
        return f"It would have blocked none of the {found.calls:,} calls of the last 30 days."
    return (
        f"It would have blocked {found.blocked:,} of the {found.calls:,} calls of the last 30 days, "
        f"{formats.dollars(found.kept_nano_usd)} of spend."
    )
