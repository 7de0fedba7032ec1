"""The table of budgets: its rows, and which edits of it can be budgets. Knows no Streamlit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.budgets import BudgetState
from core.pricing import usd
from core.tenants import Tenant
from pages.kit import formats
from pages.kit.frames import Frame, pd
from pages.kit.outcomes import Colour

MOST_USD = 1_000_000
STATUSES: dict[str, Colour] = {"On track": "green", "Near its limit": "orange", "Spent": "red", "No budget": "gray"}


def status(state: BudgetState | None) -> str:
    """Return how a tenant stands with its budget, in words."""
    if state is None:
        return "No budget"
    share = state.used_share
    if share is None or share >= 1:
        return "Spent"
    return "Near its limit" if state.threshold is not None else "On track"


def listed(tenants: Sequence[Tenant], states: Mapping[str, BudgetState], told: Callable[[datetime, str], str]) -> Frame:
    """Return one row per tenant, by name; money in dollars, a missing budget as a gap; *told* is a time in words."""
    rows: list[dict[str, Any]] = []
    for tenant in tenants:
        state = states.get(tenant.id)
        row = {
            "tenant": tenant.name,
            "budget": usd(state.terms.limit_nano_usd) if state else math.nan,
            "status": [status(state)],
            "used": 100 * state.used_share if state and state.used_share is not None else math.nan,
            "spent": formats.dollars(state.spent_nano_usd) if state else formats.UNKNOWN,
            "held": formats.dollars(state.held_nano_usd) if state else formats.UNKNOWN,
            "resets": told(state.ends_at, tenant.timezone) if state else formats.UNKNOWN,
            "per": _per(state) if state else formats.UNKNOWN,
            "mode": str(state.terms.mode) if state else formats.UNKNOWN,
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _per(state: BudgetState) -> str:
    raised = state.limit_nano_usd - state.terms.limit_nano_usd
    return f"{state.terms.period}, {formats.dollars(raised)} more for a while" if raised else str(state.terms.period)


def checked(before: Frame, after: Frame) -> tuple[dict[str, float], list[str]]:
    """Return the new budgets by tenant, and a sentence for each that cannot be one.

    The limits that the browser knows are cosmetic, so every amount is looked at again.
    """
    changes: dict[str, float] = {}
    wrong: list[str] = []
    for name, old, new in zip(before["tenant"], before["budget"], after["budget"], strict=True):
        if new == old or (pd.isna(new) and pd.isna(old)):
            continue
        if pd.isna(new):
            wrong.append(f"{name} needs an amount. To take its budget away, choose it below and press Remove.")
        elif not 0 <= float(new) <= MOST_USD:
            wrong.append(f"{name}: a budget lies between $0 and ${MOST_USD:,}.")
        else:
            changes[str(name)] = round(float(new), 2)
    return changes, wrong
