"""The rules that hold: what is built in, and what operators set, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.flags import FlagKind, evaluate_all
from core.guardrail_rules import GuardrailRule, looked_at, looked_for
from core.guardrails import BUILT_IN
from core.tenants import Permission, Tenant
from pages.guardrails import edit, words
from pages.kit import layout, links
from pages.kit.address import EVERYONE
from pages.kit.frames import grid, pd
from pages.kit.frames import picked as picked_row
from pages.kit.markup import plain
from pages.kit.page import Visit

_LEADS = ("For",)
_EVERYWHERE = "everywhere"
_MOST_FAILING = 5


def draw(visit: Visit, tenant: Tenant | None) -> None:
    """Draw what holds for a tenant, or every rule there is."""
    names = {one.id: one.name for one in visit.runtime.tenants.list(visit.principal)}
    every = visit.runtime.guardrails.list(visit.principal)
    listed = [one for one in every if tenant is None or one.tenant_id in {"", tenant.id}]
    off = _off(visit, tenant)
    failing = [(rule, why) for rule in listed if (why := visit.runtime.guardrails.failing(rule))]
    for rule, why in failing[:_MOST_FAILING]:
        st.warning(f"{plain(rule.name)} asks a service that did not judge when it was asked last. {plain(why)}")
    with layout.card(
        "What is looked for",
        key="rules_card",
        help="Every rule looks at a text as it came; to block goes before to redact, that before to replace, that "
        "before to neutralise, and that before to note. A click on a rule that was set is the way to change it.",
        stretch=False,
    ):
        rows = [
            {
                "Rule": one.name,
                "Looks for": one.check,
                "Then": words.ACTIONS[one.action.value].word,
                "Side": _sides([stage.value for stage in one.stages]),
                "For": EVERYONE,
                "Route": "",
                "State": off.get(one.name) or "built in",
                "Where": _EVERYWHERE,
            }
            for one in BUILT_IN
        ]
        rows += [
            {
                "Rule": one.name,
                "Looks for": looked_for(one.check_name, one.settings),
                "Then": words.ACTIONS[one.action].word,
                "Side": _sides(one.stages),
                "For": names.get(one.tenant_id, EVERYONE) if one.tenant_id else EVERYONE,
                "Route": one.route,
                "State": "off" if not one.is_on else off.get(one.name) or "on",
                "Where": looked_at(one.check_name, one.settings) or _EVERYWHERE,
            }
            for one in listed
        ]
        st.session_state["rules_shown"] = [("", "")] * len(BUILT_IN) + [(one.name, one.tenant_id) for one in listed]
        grid(
            pd.DataFrame(rows),
            key=f"rules_table_{st.session_state.get('rules_round', 0)}",
            on_pick=_picked if visit.may(Permission.GUARDRAILS_WRITE) else None,
            leads={"For": links.of_tenant},
            most_rows=14,
            alt="The rules of the guardrails, in order",
            columns={"Rule": st.column_config.TextColumn(pinned=True, width=130)},
        )
        with st.container(horizontal=True, gap="small"):
            if visit.may(Permission.GUARDRAILS_WRITE) and st.button(
                "New rule…", key="new_rule", icon=":material/add:", type="primary"
            ):
                edit.edit(visit, None, tenant)
            if visit.may(Permission.CHANGES_READ):
                st.page_link(
                    "changes/page.py",
                    label="Changes of rules, and the way back",
                    icon=":material/undo:",
                    query_params={"kind": "guardrail", **({"tenant": tenant.name} if tenant else {})},
                )
    _open(visit, listed, {one.id: one for one in visit.runtime.tenants.list(visit.principal)})


def _sides(stages: Sequence[str]) -> str:
    return "both" if len(stages) > 1 else "in" if "input" in stages else "out"


def _off(visit: Visit, tenant: Tenant | None) -> Mapping[str, str]:
    """Return which rules a flag turns off, by their names, for who may know it."""
    if not visit.may(Permission.FLAGS_READ):
        return {}
    held = evaluate_all(visit.runtime.flags.rules(visit.principal), tenant.id if tenant else "", visit.now)
    return {
        name.partition(":")[2]: "off by flag"
        for name, one in held.items()
        if name.startswith(f"{FlagKind.GUARDRAIL}:") and not one.value
    }


def _picked() -> None:
    """Take in the rule that was clicked; the table is drawn anew, so that the same can be clicked again."""
    turn = st.session_state.get("rules_round", 0)
    row = picked_row(f"rules_table_{turn}", _LEADS)
    shown: list[tuple[str, str]] = st.session_state["rules_shown"]
    if row is not None and row < len(shown):
        st.session_state["rule_picked"] = shown[row]
        st.session_state["rules_round"] = turn + 1


def _open(visit: Visit, listed: Sequence[GuardrailRule], tenants: Mapping[str, Tenant]) -> None:
    """Open the dialog of the rule that was clicked."""
    if (chosen := st.session_state.pop("rule_picked", None)) is None:
        return
    rule = next((one for one in listed if (one.name, one.tenant_id) == chosen), None)
    if rule is None:
        st.toast("This one is built in: the flag of its name turns it off.", icon=":material/info:")
    elif not visit.may_over(Permission.GUARDRAILS_WRITE, rule.tenant_id):
        st.toast("You may look at this rule, not change it.", icon=":material/lock:")
    else:
        edit.edit(visit, rule, tenants.get(rule.tenant_id))
