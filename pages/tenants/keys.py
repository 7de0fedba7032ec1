"""A tenant's keys: what each may do, until when, what it spent, when it was last used, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from core.budgets import Scope
from core.principals import KeyScope
from core.tenants import STALE, Permission, Tenant
from pages.kit import formats, zones
from pages.kit.markup import plain
from pages.kit.outcomes import Colour
from pages.kit.page import Visit
from pages.tenants import key_dialogs

if TYPE_CHECKING:
    from core.budgets import BudgetState
    from core.tenants import Key

MOST_SHOWN = 20
"""Keys that are drawn before somebody asks for all of them."""
MOST_NAMED = 3
_ALL = "all_keys_{}"


def draw(visit: Visit, tenant: Tenant, used: Mapping[str, str], states: Sequence[BudgetState]) -> None:
    """Draw the keys of *tenant*, with what is *used* of their limits, by id, and how their budgets stand."""
    every = visit.runtime.tenants.keys(visit.principal, tenant)
    live = [key for key in every if key.is_live]
    if not any(key.opens(visit.now) for key in live):
        st.info(f"No program can call as {plain(tenant.name)}: it has no live key.", icon=":material/key_off:")
    budgets = {state.terms.scope_name: state for state in states if state.terms.scope is Scope.KEY}
    may, shows_all = visit.may(Permission.KEYS_WRITE, tenant.id), st.session_state.get(_ALL.format(tenant.id), False)
    for key in live if shows_all else live[:MOST_SHOWN]:
        _key(visit, tenant, key, used.get(key.id), budgets.get(key.id), may=may)
    if not shows_all and len(live) > MOST_SHOWN:
        left = formats.plural(len(live) - MOST_SHOWN, "more key")
        if st.button(f"Show {left}", key="all_keys", icon=":material/expand_more:", type="tertiary"):
            st.session_state[_ALL.format(tenant.id)] = True
            st.rerun()
    if revoked := [key for key in every if not key.is_live]:
        _revoked(tenant, revoked)


def state(key: Key, now: datetime, zone: str) -> tuple[str, Colour]:
    """Return whether a key opens the door, and until when, in words and a colour."""
    if key.revoked_at is not None:
        return f"revoked {_dated(key.revoked_at, now, zone)}", "gray"
    if key.ends_at is None:
        return "live", "green"
    when = _dated(key.ends_at, now, zone)
    return (f"ends {when}", "blue") if key.opens(now) else (f"ended {when}", "red")


def bounds(key: Key) -> str:
    """Return which models and routes a key may ask, in words."""
    return f"{_some(key.models, 'model')}, {_some(key.routes, 'route')}"


def head(key: Key, now: datetime, zone: str) -> None:
    """Draw by what people know a key, what it may, and whether it opens the door."""
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    row.markdown(f"`{key.prefix}…` {plain(key.name) or ':gray[unnamed]'}", width="stretch")
    for scope in key.scopes:
        row.badge(scope, color="orange" if scope == KeyScope.MANAGE else "gray", help=key_dialogs.SCOPES[scope])
    word, colour = state(key, now, zone)
    row.badge(word, color=colour)
    if key.is_stale(now):
        row.badge(f"unused for {STALE.days} days", icon=":material/hourglass_disabled:", color="orange")


def uses(key: Key, now: datetime) -> list[str]:
    """Return when a key was used last and when it was made, in words."""
    last = key.last_used_at
    return [f"used {formats.ago(last, now)}" if last else "never used", f"made {formats.ago(key.created_at, now)}"]


def _key(visit: Visit, tenant: Tenant, key: Key, used: str | None, budget: BudgetState | None, *, may: bool) -> None:
    zone = tenant.timezone
    with st.container(key=f"key_{key.id}", border=True, gap="xsmall"):
        head(key, visit.now, zone)
        facts = [bounds(key), *uses(key, visit.now)]
        if budget is not None:
            spent, limit = formats.dollars(budget.spent_nano_usd), formats.dollars(budget.limit_nano_usd)
            facts.append(f"{spent} of {limit} spent of its budget")
        elif key.payer_id is not None:
            facts.append("paid by the budget of the key that made it")
        st.caption(plain(" · ".join(facts)))
        if used:
            st.caption(f":material/speed: {used}")
        if key.old is not None and key.old.ends_at > visit.now:
            since = f"used last {zones.told(key.old.used_at, zone)}" if key.old.used_at else "not used since"
            st.markdown(
                f":orange[:material/sync: Being rotated:] the old text `{key.old.prefix}…` ends "
                f"{plain(zones.told(key.old.ends_at, zone))}, {plain(since)}."
            )
        _deeds(visit, tenant, key, may=may)


def _deeds(visit: Visit, tenant: Tenant, key: Key, *, may: bool) -> None:
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    if may:
        if row.button("Edit…", key=f"edit_key_{key.id}", type="tertiary", icon=":material/edit:"):
            key_dialogs.edit(visit, tenant, key)
        if key.opens(visit.now) and row.button(
            "Rotate…", key=f"rotate_{key.id}", type="tertiary", icon=":material/sync:"
        ):
            key_dialogs.rotate(visit, tenant, key)
        if row.button("Limits…", key=f"limits_{key.id}", type="tertiary", icon=":material/speed:"):
            key_dialogs.limit(visit, tenant, key)
        if row.button("Revoke…", key=f"revoke_{key.id}", type="tertiary", icon=":material/key_off:"):
            key_dialogs.revoke(visit, tenant, key)
    if visit.may(Permission.GENERATIONS_READ, tenant.id):
        about = {"tenant": tenant.name, "key": key.id}
        row.page_link("calls/page.py", label="Calls with it", icon=":material/receipt_long:", query_params=about)
    if visit.may(Permission.CHANGES_READ, tenant.id):
        about = {"tenant": tenant.name, "ever": "true", "kind": "key", "text": (key.old or key).prefix}
        row.page_link("changes/page.py", label="Who made it", icon=":material/history:", query_params=about)


def _revoked(tenant: Tenant, revoked: Sequence[Key]) -> None:
    newest = sorted(revoked, key=lambda one: str(one.revoked_at), reverse=True)
    gone = ", ".join(f"`{key.prefix}…` {zones.told(key.revoked_at, tenant.timezone)}" for key in newest[:MOST_SHOWN])
    more = f" and {formats.count(len(newest) - MOST_SHOWN)} more" if len(newest) > MOST_SHOWN else ""
    st.markdown(f":small[Revoked: {gone}{more}]")


def _some(names: Sequence[str], what: str) -> str:
    if not names:
        return f"any {what}"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(names[:MOST_NAMED])}{more}"


def _dated(at: datetime, now: datetime, zone: str) -> str:
    """Return a time, with its year where that is another than this one."""
    year = f"{at:%Y} " if at.year != now.year else ""
    return f"{year}{zones.told(at, zone)}"
