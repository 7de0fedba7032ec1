"""What the page Flags asks before a switch turns: each dialog names the consequence, and the core decides."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.flags import Evaluation, Flag, FlagRule, evaluate_all
from core.tenants import Tenant
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals


def kept(flag: Flag, tenant: Tenant | None, tenants: Sequence[Tenant], rules: Sequence[FlagRule]) -> list[str]:
    """Return the tenants whose own rule a rule for all does not touch."""
    own = {rule.tenant_id: rule.is_on for rule in rules if rule.name == flag and rule.tenant_id}
    if tenant:
        return []
    return [f"{one.name} ({'on' if own[one.id] else 'off'})" for one in tenants if one.id in own]


def beneath(flag: Flag, rule: FlagRule, rules: Sequence[FlagRule]) -> Evaluation:
    """Return what would decide if *rule* were gone."""
    return evaluate_all([other for other in rules if other is not rule], rule.tenant_id)[flag]


def seen(flag: Flag, tenant: Tenant | None, rules: Sequence[FlagRule]) -> str:
    """Return the rule that stands on the page, ``on``, ``off`` or none: what is decided is decided about that."""
    scope = tenant.id if tenant else ""
    return next((("on" if one.is_on else "off") for one in rules if (one.name, one.tenant_id) == (flag, scope)), "")


@st.dialog("Turn this flag?", icon=":material/toggle_on:")
def turn(
    visit: Visit,
    flag: Flag,
    tenant: Tenant | None,
    is_on: bool,  # noqa: FBT001 the switch
    untouched: list[str],
    *,
    expected: str,
) -> None:
    """Name the consequence, ask why, then turn, unless it is not as *expected* any more."""
    meaning, word = flag.meaning, "on" if is_on else "off"
    whom = plain(tenant.name) if tenant else "every tenant without a rule of its own"
    st.markdown(f"**{meaning.title}** turns **{word}** for {whom}, from the next request on.")
    consequence = f"While it is {word}, {meaning.on if is_on else meaning.off}"
    (st.info if is_on else st.warning)(consequence, icon=":material/info:" if is_on else ":material/warning:")
    if untouched:
        st.caption(f"Not touched, because they have their own rule: {plain(', '.join(untouched))}.")
    reason = _reason()
    if st.button(f"Turn {word}", type="primary", key="confirm_turn"):
        with refusals("The flag was not changed."):
            visit.runtime.flags.set(visit.principal, flag, tenant, is_on, expected=expected, reason=reason)
            flash(f"{meaning.title} is {word} for {tenant.name if tenant else 'all tenants'}.")
            st.rerun()


@st.dialog("Remove this rule?", icon=":material/rule:")
def clear(visit: Visit, flag: Flag, tenant: Tenant | None, then: Evaluation, *, expected: str) -> None:
    """Say what will decide instead, ask why, then remove, unless it is not as *expected* any more."""
    whom = plain(tenant.name) if tenant else "all tenants"
    word = "on" if then.value else "off"
    st.markdown(f"**{flag.meaning.title}** for {whom} will be **{word}**: {then.rule} decides.")
    st.caption(f"While it is {word}, {flag.meaning.on if then.value else flag.meaning.off}")
    reason = _reason()
    if st.button("Remove rule", type="primary", key="confirm_clear"):
        with refusals("The rule was not removed."):
            visit.runtime.flags.clear(visit.principal, flag, tenant, expected=expected, reason=reason)
            flash(f"The rule of {flag.meaning.title} for {tenant.name if tenant else 'all tenants'} is gone.")
            st.rerun()


def _reason() -> str:
    return st.text_input("Why", key="flag_reason", max_chars=500, placeholder="For whoever wonders later; may be empty")
