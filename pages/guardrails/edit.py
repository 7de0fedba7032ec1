"""Editing a rule: what it looks for and what becomes of that; tried on calls that are kept before it holds; saved."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from core.errors import Invalid, ProctorError
from core.guardrail_rules import GuardrailRule, described
from core.guardrails.checks import NAMES, check_called
from core.json_texts import json_in
from core.tenants import Permission, Tenant
from core.trials import MOST_TRIED, RuleTrial
from pages.guardrails import places, words
from pages.kit import crossings, formats, links
from pages.kit.address import EVERYONE
from pages.kit.choices import about
from pages.kit.frames import pd, table
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals, show_error
from pages.kit.reasons import reason

NOT_SAVED = "The rule was not saved."
_EVERY_ROUTE = "Every route"
_MOST_LISTED = 10
_FIRST_OFFERED = "personal"
"""The check of a new rule: it can be saved as it is."""


@st.dialog("Rule", icon=":material/shield:", width="large")
def edit(visit: Visit, rule: GuardrailRule | None, tenant: Tenant | None) -> None:
    """Ask for a rule, new where there is none; try it on calls that are kept; save what nobody changed meanwhile."""
    key = f"{rule.id}_{rule.version}" if rule else "new"
    if rule:
        name = rule.name
        whom = plain(tenant.name) if tenant else "all tenants"
        st.markdown(f"**{plain(name)}** :gray[for {whom}]")
    else:
        left, right = st.columns(2, gap="small")
        name = left.text_input("Name", key="rule_name", max_chars=60, placeholder="no card numbers").strip()
        offered = about(visit, Permission.GUARDRAILS_WRITE)
        usual = tenant.name if tenant and tenant.name in offered else next(iter(offered), EVERYONE)
        tenant = offered.get(right.selectbox("For", list(offered), list(offered).index(usual), key="rule_for"))
    wanted: dict[str, Any] | None = None
    with refusals("This cannot be saved yet."):
        wanted = _fields(visit, rule, key)
        draft = {field: value for field, value in wanted.items() if field not in {"check", "action"}}
        terms = visit.runtime.guardrails.draft(name or "unnamed", wanted["check"], wanted["action"], **draft)
        _trial(visit, terms, tenant, wanted["route"], key)
    why = reason(f"rule_reason_{key}")

    def save(expected: int, whole: dict[str, Any]) -> None:
        check, action = whole.pop("check"), whole.pop("action")
        visit.runtime.guardrails.set(
            visit.principal, name, tenant, check, action, expected_version=expected, reason=why, **whole
        )

    edited = crossings.Edit(
        key=f"rule_{key}",
        seen=described(rule) if rule else None,
        wanted=wanted or {},
        expected=rule.version if rule else 0,
        save=save,
    )
    missing = "" if name and wanted else "Give it a name first." if wanted else "Mend what is wrong above first."
    if crossings.save(edited, "Save rule", title=NOT_SAVED, key="confirm_rule", missing=missing):
        flash(f"The rule {name} holds from the next request on." if wanted and wanted["is_on"] else f"{name} is off.")
        st.rerun()
    if rule:
        _removal(visit, rule, tenant, why, key)


def _removal(visit: Visit, rule: GuardrailRule, tenant: Tenant | None, why: str, key: str) -> None:
    """Draw the way to remove a rule, which has to be confirmed."""
    with st.expander("Remove this rule", icon=":material/delete:"):
        st.caption("Texts go on from the next request on as if it had never been. What it found stays on record.")
        edited = crossings.Edit(
            key=f"rule_{key}_removed",
            seen=described(rule),
            wanted=None,
            expected=rule.version,
            save=lambda now, _: visit.runtime.guardrails.remove(
                visit.principal, rule.name, tenant, expected_version=now, reason=why
            ),
        )
        if crossings.save(edited, "Remove rule", title="The rule was not removed.", key="confirm_remove"):
            flash(f"The rule {rule.name} is gone.")
            st.rerun()


def _fields(visit: Visit, rule: GuardrailRule | None, key: str) -> dict[str, Any]:
    """Ask for all that a rule says, as the audit trail has it; raises Invalid."""
    left, right = st.columns(2, gap="small")
    check_name = left.selectbox(
        "Looks for",
        NAMES,
        NAMES.index(rule.check_name if rule and rule.check_name in NAMES else _FIRST_OFFERED),
        key=f"check_{key}",
    )
    check = check_called(check_name)
    actions = [name for name in words.ACTIONS if name in {one.value for one in check.actions}]
    action = right.segmented_control(
        "Then",
        actions,
        default=rule.action if rule and rule.action in actions else actions[0],
        required=True,
        format_func=lambda one: words.ACTIONS[one].word,
        key=f"action_{key}_{check_name}",
        help="Note: it goes on, and is recorded. Neutralise: it goes on without its effect, a marker with a blank in "
        "it, what nobody sees left out. Replace: a placeholder goes on in its place, the same for the same "
        'datum; with the setting "restore": true the caller gets it back. Redact: a mark goes on in its place. '
        "Block: nothing goes on.",
    )
    known = [side for side in words.SIDES if side in {one.value for one in check.stages}]
    stages = left.pills(
        "Side",
        known,
        selection_mode="multi",
        default=[one for one in rule.stages if one in known] if rule else known,
        format_func=words.side,
        key=f"stages_{key}_{check_name}",
    )
    routes = [_EVERY_ROUTE]
    if visit.may(Permission.ROUTES_READ):
        routes += [view.terms.name for view in visit.runtime.routes.list(visit.principal)]
    if rule and rule.route and rule.route not in routes:
        routes.append(rule.route)
    route = right.selectbox("On", routes, routes.index(rule.route) if rule and rule.route else 0, key=f"route_{key}")
    given = rule.settings if rule else {}
    placed = places.ask(
        check_name,
        given,
        key,
        has_fields=stages == ["output"] or not {"only", "except"}.isdisjoint(given),
        has_turns="input" in stages and action in ("note", "block"),
    )
    shown = places.beside(given)
    told = " ".join((check.__doc__ or "").replace("``", "").split())
    settings = st.text_area(
        "Settings",
        json.dumps(shown, ensure_ascii=False, indent=2)
        if (shown := places.beside(rule.settings if rule else {}))
        else "{}",
        key=f"settings_{key}_{check_name}",
        height=110,
        help=f"A JSON object. {plain(told)}",
    )
    with st.expander("Exceptions, order, on or off"):
        exceptions = st.text_area(
            "Exceptions",
            "\n".join(rule.exceptions) if rule else "",
            key=f"exceptions_{key}",
            height=90,
            help="One a line. What is found and is exactly one of these goes on.",
        )
        position = st.number_input(
            "Position",
            0,
            10_000,
            rule.position if rule else 100,
            key=f"position_{key}",
            help="The lower comes first in lists; of several that block it is the one that is told.",
        )
        is_on = st.toggle("On", value=rule.is_on if rule else True, key=f"on_{key}")
    read = json_in(settings or "{}", "The settings")
    if not isinstance(read, dict):
        raise Invalid('The settings are a JSON object, such as {} or {"most_characters": 4000}.')
    return {
        "check": check_name,
        "action": action,
        "stages": [one for one in words.SIDES if one in stages],
        "route": "" if route == _EVERY_ROUTE else route,
        "settings": {**read, **placed},
        "exceptions": [line.strip() for line in exceptions.splitlines() if line.strip()],
        "position": int(position),
        "is_on": is_on,
    }


def _trial(visit: Visit, terms: Any, tenant: Tenant | None, route: str, key: str) -> None:
    """Offer to try the rule on calls that are kept, and tell what it would have caught."""
    tenant_id = tenant.id if tenant else None
    if not visit.may(Permission.GENERATIONS_READ, tenant_id):
        return
    place = f"_trial_{key}"
    if st.button(f"Try it on the last {MOST_TRIED:,} calls", key=f"try_{key}", icon=":material/science:"):
        bar = st.progress(0.0, "Looking through what is kept…")
        looked = [0]

        def told(trial: RuleTrial) -> None:
            looked[0] += 100
            share = min(1.0, looked[0] / max(1, trial.calls))
            bar.progress(share, f"{formats.count(trial.met)} of {formats.count(trial.read)} calls so far")

        try:
            trial = visit.runtime.trials.rule(visit.principal, terms, tenant_id, route, told=told)
        except ProctorError as error:
            show_error(error, "The rule was not tried.")
            return
        bar.empty()
        st.session_state[place] = (terms, tenant_id, route, trial)
    tried, of, on, trial = st.session_state.get(place, (None, None, None, None))
    if trial is not None and (tried, of, on) == (terms, tenant_id, route):
        _told(trial, terms.action.value)


def _told(trial: RuleTrial, action: str) -> None:
    """Tell what a rule would have caught."""
    if not trial.read:
        st.info("Of the newest calls no text is kept that it could be tried on.", icon=":material/inbox:")
        return
    would = "blocked" if action == "block" else f"{words.done(action)} something in"
    rest = f" Of {formats.count(trial.calls - trial.read)} more no text is kept." if trial.read < trial.calls else ""
    said = f"It would have {would} {formats.count(trial.met)} of {formats.plural(trial.read, 'call')}.{rest}"
    (st.warning if trial.met and action == "block" else st.info)(said, icon=":material/science:")
    if trial.met:
        kinds = ", ".join(f"{plain(kind)} in {count:,}" for kind, count in trial.kinds.most_common(5))
        of = ", ".join(f"{plain(name)} {count:,}" for name, count in trial.tenants.most_common(5))
        st.markdown(f":small[Found: {kinds}. Tenants: {of}.]")
        rows = [
            {
                "Call": links.to(call.call_id[:12], links.Destination("calls", {"call": call.call_id})),
                "Tenant": links.tenant(call.tenant),
                "Began": formats.moment(call.at, "UTC"),
                "Found": plain(", ".join(kinds)),
            }
            for call, kinds in trial.shown[:_MOST_LISTED]
        ]
        table(pd.DataFrame(rows), alt="Calls in which it would have found something", hides_index=True)
    st.caption("What was taken out of a text before it was kept cannot be found in it again.")
