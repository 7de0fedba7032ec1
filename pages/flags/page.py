"""Flags: what is switched on, for whom and why; and the switch, which names its consequence before it turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.flags import Evaluation, Flag, FlagKind, FlagRule, evaluate_all, kind_of, meaning_of, told
from core.tenants import Permission, Tenant
from pages.flags import dialogs, elsewhere, stale
from pages.kit import address, formats, layout, links, zones
from pages.kit.address import EVERYONE
from pages.kit.choices import tenant_choice
from pages.kit.frames import grid, pd
from pages.kit.frames import picked as picked_row
from pages.kit.markup import code, plain
from pages.kit.page import Visit, open_page

PER_PAGE = 25
TAKES = {
    "tenant": address.TENANT,
    "flag": address.one_of([flag.meaning.title for flag in Flag]),
    "page": address.NUMBER,
}
REASONS = {
    "TARGETING_MATCH": "own rule",
    "STATIC": "rule for all",
    "SPLIT": "share",
    "ERROR": "share",
    "DEFAULT": "default",
}
"""OpenFeature's reasons in plain words."""


def cell(evaluation: Evaluation) -> str:
    """Return a value and its reason in a few words."""
    said = f"{evaluation.percent} %" if evaluation.percent is not None else evaluation.word.capitalize()
    return f"{said} · {REASONS[evaluation.reason]}"


def matrix(visit: Visit, tenants: Sequence[Tenant], rules: Sequence[FlagRule]) -> None:
    """Draw every flag for every tenant, those with rules of their own first; a click on a cell is a wish to turn it."""
    own = {rule.tenant_id for rule in rules if rule.tenant_id}
    rows = sorted(tenants, key=lambda tenant: (tenant.id not in own, tenant.name.lower()))
    others = sorted({rule.name for rule in rules if kind_of(rule.name)})
    flags = [*map(str, Flag), *others]
    with layout.card(
        "What holds",
        key="matrix",
        help="A tenant's own rule goes before the rule for all tenants. A per cent is the share of calls for which it "
        "is on. A click on a cell is the way to change it.",
    ):
        pages = -(-len(rows) // PER_PAGE)
        page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
        shown = [(EVERYONE, ""), *((one.name, one.id) for one in rows[(page - 1) * PER_PAGE : page * PER_PAGE])]
        held = {tenant_id: evaluate_all(rules, tenant_id, visit.now) for _, tenant_id in shown}
        st.session_state["flags_shown"] = flags, [tenant_id for _, tenant_id in shown]
        grid(
            pd.DataFrame(
                [
                    {"Tenant": name, **{_title(flag): cell(_held(held[tenant_id], flag)) for flag in flags}}
                    for name, tenant_id in shown
                ]
            ),
            key=f"flags_table_{st.session_state.get('flags_round', 0)}",
            on_pick=_picked if visit.may(Permission.FLAGS_WRITE) else None,
            leads={"Tenant": links.of_tenant},
            most_rows=PER_PAGE + 1,
            alt="Each flag for each tenant",
            columns={"Tenant": st.column_config.TextColumn("Tenant", pinned=True)},
        )
        if not tenants:
            st.caption("There are no tenants yet; what is set for all will hold for the first one.")


def _title(flag: str) -> str:
    return meaning_of(flag).title


def _held(held: dict[str, Evaluation], flag: str) -> Evaluation:
    return held.get(flag) or Evaluation(value=True, reason="DEFAULT", rule="the default")


def _picked() -> None:
    """Take in the cell that was clicked; the table is drawn anew, so that the same can be clicked again."""
    turn = st.session_state.get("flags_round", 0)
    if picked_row(f"flags_table_{turn}", ("Tenant",)) is None:
        return
    cells: Any = st.session_state[f"flags_table_{turn}"].selection.cells
    flags, tenant_ids = st.session_state["flags_shown"]
    titles = {_title(flag): flag for flag in flags}
    if cells and cells[0][1] in titles and cells[0][0] < len(tenant_ids):
        st.session_state["flags_picked"] = titles[cells[0][1]], tenant_ids[cells[0][0]]
        st.session_state["flags_round"] = turn + 1


def picked(visit: Visit, tenants: Sequence[Tenant], rules: Sequence[FlagRule]) -> None:
    """Open the dialog of the cell that was clicked."""
    flag, tenant_id = st.session_state.pop("flags_picked", ("", ""))
    tenant = next((one for one in tenants if one.id == tenant_id), None)
    if not flag or (tenant_id and tenant is None):
        return
    if not visit.may_over(Permission.FLAGS_WRITE, tenant_id):
        st.toast("You may look at this flag, not turn it.", icon=":material/lock:")
        return
    _turn(visit, flag, tenant, tenants, rules)


def _turn(visit: Visit, flag: str, tenant: Tenant | None, tenants: Sequence[Tenant], rules: Sequence[FlagRule]) -> None:
    now = _held(evaluate_all(rules, tenant.id if tenant else "", visit.now), flag)
    dialogs.turn(
        visit,
        flag,
        tenant,
        not now.value,
        dialogs.kept(flag, tenant, tenants, rules),
        expected=dialogs.seen(flag, tenant, rules),
        stands=dialogs.rule_of(flag, tenant, rules),
    )


def switch(visit: Visit, tenants: Sequence[Tenant], rules: Sequence[FlagRule]) -> None:
    """Draw one flag for one tenant or for all: its value, its reason, and what can be done about it."""
    with layout.card("Switch", key="switch"):
        flag = _flag_choice(rules)
        tenant = tenant_choice(visit, label="For")
        now = _held(evaluate_all(rules, tenant.id if tenant else "", visit.now), flag)
        meaning, rule = meaning_of(flag), dialogs.rule_of(flag, tenant, rules)
        colour = ":green-badge[:material/check: On]" if now.value else ":red-badge[:material/close: Off]"
        st.markdown(f"{colour} :gray[{plain(now.rule)}] {code(flag)}")
        st.markdown(f"While it is {now.word}, {meaning.on if now.value else meaning.off}")
        if rule:
            who = f" by {plain(rule.changed_by)}" if rule.changed_by else ""
            why = f": {plain(rule.reason)}" if rule.reason else ""
            st.caption(
                f"Set {plain(told(rule))} {formats.ago(rule.changed_at, visit.now)}, "
                f"{zones.told(rule.changed_at)}{who}{why}."
            )
        if visit.may(Permission.CHANGES_READ):
            st.page_link(
                "changes/page.py",
                label="Changes of flags, and the way back",
                icon=":material/undo:",
                query_params={"kind": "flag", **({"tenant": tenant.name} if tenant else {})},
            )
        if not visit.may_over(Permission.FLAGS_WRITE, tenant.id if tenant else ""):
            return
        with st.container(horizontal=True, gap="small"):
            if st.button(f"Turn {'off' if now.value else 'on'}…", type="primary", key="turn"):
                _turn(visit, flag, tenant, tenants, rules)
            if rule and st.button("Remove this rule…", key="clear"):
                then = dialogs.beneath(flag, rule, rules, visit.now)
                dialogs.clear(visit, flag, tenant, then, expected=told(rule), stands=rule)


def _flag_choice(rules: Sequence[FlagRule]) -> str:
    """Ask for a flag: a feature, one that has a rule, or one that is typed."""
    titles = {flag.meaning.title: str(flag) for flag in Flag}
    titles |= {meaning_of(name).title: name for name in sorted({one.name for one in rules if kind_of(one.name)})}
    chosen = st.selectbox("Flag", [*titles, *FlagKind], key="flag", bind="query-params", format_func=_offered)
    if chosen not in set(FlagKind):
        return titles[chosen]
    name = st.text_input(f"Name of the {chosen}", key="flag_name", max_chars=200, placeholder="as calls name it")
    return FlagKind(chosen).of(name.strip()) if name.strip() else str(Flag.GENERATION)


def _offered(one: str) -> str:
    return f"One {one}…" if one in set(FlagKind) else one


def _ours(visit: Visit) -> None:
    """Draw the rules that are set here, and what turns them."""
    tenants, rules = list(visit.runtime.tenants.list(visit.principal)), list(visit.runtime.flags.rules(visit.principal))
    wide, narrow = st.columns([7, 3], gap="small")
    with wide:
        matrix(visit, tenants, rules)
    with narrow:
        switch(visit, tenants, rules)
    picked(visit, tenants, rules)
    stale.card(visit, tenants)


def main() -> None:
    """Draw the page."""
    visit = open_page("Flags", "What is switched on, for whom, and why.", needs=Permission.FLAGS_READ, takes=TAKES)
    if (other := visit.runtime.flags.other) is not None:
        elsewhere.card(visit, other.name)
    else:
        _ours(visit)
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
        for kind in FlagKind:
            meaning = meaning_of(kind.of("NAME"))
            st.markdown(
                f"**One {kind}** :small[`{kind}:NAME`]  \n"
                f":small[:green[On]: {meaning.on}]  \n:small[:red[Off]: {meaning.off}]  \n"
                ":small[:gray[Default: on]]"
            )


main()
