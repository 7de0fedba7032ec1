"""Flags: what is switched on, for whom and why; and the switch, which names its consequence before it turns."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.flags import Evaluation, Flag, FlagRule, evaluate_all
from core.tenants import Permission, Tenant
from pages.flags import dialogs
from pages.kit import address, formats, layout, zones
from pages.kit.address import EVERYONE
from pages.kit.choices import tenant_choice
from pages.kit.frames import pd, table
from pages.kit.markup import plain
from pages.kit.page import Visit, open_page

PER_PAGE = 25
TAKES = {
    "tenant": address.TENANT,
    "flag": address.one_of([flag.meaning.title for flag in Flag]),
    "page": address.NUMBER,
}
REASONS = {"TARGETING_MATCH": "own rule", "STATIC": "rule for all", "DEFAULT": "default"}


def cell(evaluation: Evaluation) -> str:
    """Return Markdown for a value and its reason."""
    on = ":green-badge[:material/check: On]" if evaluation.value else ":red-badge[:material/close: Off]"
    return f"{on} :gray[{REASONS[evaluation.reason]}]"


def matrix(tenants: Sequence[Tenant], rules: Sequence[FlagRule]) -> None:
    """Draw every flag for every tenant, those with rules of their own first."""
    own = {rule.tenant_id for rule in rules if rule.tenant_id}
    rows = sorted(tenants, key=lambda tenant: (tenant.id not in own, tenant.name.lower()))
    with layout.card("What holds", key="matrix", help="A tenant's own rule goes before the rule for all tenants."):
        pages = -(-len(rows) // PER_PAGE)
        page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
        shown = [(f"**{EVERYONE}**", "")]
        shown += [(plain(tenant.name), tenant.id) for tenant in rows[(page - 1) * PER_PAGE : page * PER_PAGE]]
        values = {
            name: {flag.meaning.title: cell(value) for flag, value in evaluate_all(rules, tenant_id).items()}
            for name, tenant_id in shown
        }
        table(pd.DataFrame.from_dict(values, orient="index"), alt="Each flag for each tenant")
        if not tenants:
            st.caption("There are no tenants yet; what is set for all will hold for the first one.")


def switch(visit: Visit, tenants: Sequence[Tenant], rules: Sequence[FlagRule]) -> None:
    """Draw one flag for one tenant or for all: its value, its reason, and what can be done about it."""
    with layout.card("Switch", key="switch"):
        flag = st.selectbox(
            "Flag", list(Flag), format_func=lambda flag: flag.meaning.title, key="flag", bind="query-params"
        )
        tenant = tenant_choice(visit, label="For")
        scope = tenant.id if tenant else ""
        now = evaluate_all(rules, scope)[flag]
        rule = next((rule for rule in rules if (rule.name, rule.tenant_id) == (flag, scope)), None)
        st.markdown(f"{cell(now)} `{flag}`")
        st.markdown(f"While it is {'on' if now.value else 'off'}, {flag.meaning.on if now.value else flag.meaning.off}")
        if rule:
            st.caption(f"Set {formats.ago(rule.changed_at, visit.now)}, {zones.told(rule.changed_at)}.")
        if not visit.may_over(Permission.FLAGS_WRITE, scope):
            return
        stands = dialogs.seen(flag, tenant, rules)
        with st.container(horizontal=True, gap="small"):
            if st.button(f"Turn {'off' if now.value else 'on'}…", type="primary", key="turn"):
                dialogs.turn(
                    visit, flag, tenant, not now.value, dialogs.kept(flag, tenant, tenants, rules), expected=stands
                )
            if rule and st.button("Remove this rule…", key="clear"):
                dialogs.clear(visit, flag, tenant, dialogs.beneath(flag, rule, rules), expected=stands)


def main() -> None:
    """Draw the page."""
    visit = open_page("Flags", "What is switched on, for whom, and why.", needs=Permission.FLAGS_READ, takes=TAKES)
    tenants, rules = list(visit.runtime.tenants.list(visit.principal)), list(visit.runtime.flags.rules(visit.principal))
    wide, narrow = st.columns([7, 3], gap="small")
    with wide:
        matrix(tenants, rules)
    with narrow:
        switch(visit, tenants, rules)
    with (
        layout.card("What each flag does", key="meanings", stretch=False),
        st.grid(3, min_column_width=260, gap="small"),
    ):
        for flag in Flag:
            meaning = flag.meaning
            st.markdown(
                f"**{meaning.title}** :small[`{flag}`]  \n"
                f":small[:green[On]: {meaning.on}]  \n:small[:red[Off]: {meaning.off}]  \n"
                f":small[:gray[Default: {'on' if meaning.default else 'off'}]]"
            )


main()
