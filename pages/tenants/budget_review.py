"""The dialog in which edits of the budgets' table are looked over, with what follows, and saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.pricing import nano_usd
from core.tenants import Tenant
from pages.kit import formats
from pages.kit.frames import pd, table
from pages.kit.page import Visit, flash, refusals
from pages.tenants.budget_dialogs import history

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.budgets import BudgetState


@st.dialog("Save budgets?", icon=":material/payments:", width="medium")
def review(
    visit: Visit, changes: Mapping[str, float], tenants: Mapping[str, Tenant], states: Mapping[str, BudgetState]
) -> None:
    """Show each budget as it is and as it would be, with what follows; save those that nobody changed meanwhile."""
    rows = {
        name: _difference(visit, tenants[name], limit, states.get(tenants[name].id)) for name, limit in changes.items()
    }
    table(pd.DataFrame.from_dict(rows, orient="index", columns=["Now", "New", "What follows"]))
    st.caption("A budget holds from the next generation on. What was spent stays spent.")
    if not st.button("Save", type="primary", key="confirm_budgets"):
        return
    saved: list[str] = []
    for name, limit in changes.items():
        state = states.get(tenants[name].id)
        with refusals(f"The budget of {name} was not saved."):
            visit.runtime.budgets.set(
                visit.principal, tenants[name], nano_usd(str(limit)), expected_version=state.version if state else 0
            )
            saved.append(name)
    if len(saved) == len(changes):
        flash(f"Saved {formats.plural(len(saved), 'budget')}: {', '.join(saved)}.")
        st.session_state["budgets_round"] = st.session_state.get("budgets_round", 0) + 1
        st.rerun()


def _difference(visit: Visit, tenant: Tenant, limit: float, state: BudgetState | None) -> Sequence[str]:
    new = nano_usd(str(limit))
    if state is None:
        past = _past(visit, tenant, new, "month")
        return ("no limit", formats.dollars(new), f"From now on its spending has a limit. {past}".replace("$", "\\$"))
    raised = state.limit_nano_usd - state.terms.limit_nano_usd
    left = new + raised - state.spent_nano_usd
    if left <= 0 and state.terms.mode != "soft":
        spent = formats.dollars(state.spent_nano_usd)
        follows = f":red-badge[:material/money_off: Stops] {spent} is spent already: every generation will be refused."
    else:
        follows = f"{formats.dollars(max(0, left))} is left in this period."
    follows += " " + _past(visit, tenant, new, state.terms.period.value)
    return (formats.dollars(state.terms.limit_nano_usd), formats.dollars(new), follows.replace("$", "\\$"))


def _past(visit: Visit, tenant: Tenant, limit_nano_usd: int, period: str) -> str:
    """Say what a limit would have done in the last 30 days."""
    if period == "span":
        return ""
    found = history(visit, tenant).against(limit_nano_usd, period)
    if not found.blocked:
        return f"It would have blocked none of the {found.calls:,} calls of the last 30 days."
    return (
        f"It would have blocked {found.blocked:,} of the {found.calls:,} calls of the last 30 days, "
        f"{formats.dollars(found.kept_nano_usd)} of spend."
    )
