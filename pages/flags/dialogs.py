"""What the page Flags asks before a switch turns: each dialog names the consequence, and the core decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from core.errors import ProctorError
from core.flags import Evaluation, FlagRule, described, evaluate_all, meaning_of, moment_of, told
from core.tenants import Permission, Tenant
from pages.kit import crossings, formats, zones
from pages.kit.markup import plain
from pages.kit.page import Visit, flash
from pages.kit.reasons import reason


def kept(flag: str, tenant: Tenant | None, tenants: Sequence[Tenant], rules: Sequence[FlagRule]) -> list[str]:
    """Return the tenants whose own rule a rule for all does not touch."""
    own = {rule.tenant_id: told(rule) for rule in rules if rule.name == flag and rule.tenant_id}
    if tenant:
        return []
    return [f"{one.name} ({own[one.id]})" for one in tenants if one.id in own]


def beneath(flag: str, rule: FlagRule, rules: Sequence[FlagRule], at: datetime | None = None) -> Evaluation:
    """Return what would decide if *rule* were gone."""
    left = evaluate_all([other for other in rules if other is not rule], rule.tenant_id, at)
    return left.get(flag) or Evaluation(meaning_of(flag).default, "DEFAULT", "the default")


def rule_of(flag: str, tenant: Tenant | None, rules: Sequence[FlagRule]) -> FlagRule | None:
    """Return the rule that stands on the page; ``None`` where there is none."""
    scope = tenant.id if tenant else ""
    return next((one for one in rules if (one.name, one.tenant_id) == (flag, scope)), None)


def seen(flag: str, tenant: Tenant | None, rules: Sequence[FlagRule]) -> str:
    """Return that rule in words, empty where there is none: what is decided is decided about that."""
    return told(rule_of(flag, tenant, rules))


@st.dialog("Switch this flag?", icon=":material/toggle_on:")
def turn(
    visit: Visit,
    flag: str,
    tenant: Tenant | None,
    is_on: bool,  # noqa: FBT001 the switch
    untouched: list[str],
    *,
    expected: str,
    stands: FlagRule | None = None,
) -> None:
    """Name the consequence, ask why, how long and for how many, then turn, unless it is not as *expected* any more."""
    meaning = meaning_of(flag)
    whom = plain(tenant.name) if tenant else "every tenant without a rule of its own"
    chosen = st.segmented_control(
        f"{plain(meaning.title)} for {plain(tenant.name) if tenant else 'all tenants'}",
        ["on", "off"],
        default="on" if is_on else "off",
        required=True,
        format_func=str.capitalize,
        key="flag_state",
    )
    is_on = chosen == "on"
    st.markdown(f"**{plain(meaning.title)}** turns **{chosen}** for {whom}, from the next request on.")
    consequence = f"While it is {chosen}, {meaning.on if is_on else meaning.off}"
    (st.info if is_on else st.warning)(consequence, icon=":material/info:" if is_on else ":material/warning:")
    _met(visit, flag, tenant)
    if untouched:
        st.caption(f"Not touched, because they have their own rule: {plain(', '.join(untouched))}.")
    why = reason("flag_reason")
    said = {"is_on": is_on} | _limits(stands, tenant.timezone if tenant else "UTC")
    edited = crossings.Edit(
        key=f"flag_{flag}_{tenant.id if tenant else ''}",
        seen=described(stands) if stands else None,
        wanted=_in_words_of_the_trail(said, stands),
        expected=expected,
        save=lambda now, whole: visit.runtime.flags.set(
            visit.principal, flag, tenant, whole["is_on"], expected=now, reason=why, **_limits_of(whole)
        ),
    )
    if crossings.save(edited, f"Turn {chosen}", title="The flag was not changed.", key="confirm_turn"):
        rule = rule_of(flag, tenant, visit.runtime.flags.rules(visit.principal))
        flash(f"{meaning.title} is {told(rule)} for {tenant.name if tenant else 'all tenants'}.")
        st.rerun()


def _in_words_of_the_trail(said: Mapping[str, Any], stands: FlagRule | None) -> dict[str, Any]:
    """Return what stands in the fields as the audit trail says a rule, which leaves out what a rule does not limit."""
    drawn = {"salt", "algorithm"} if said["percent"] is not None and stands else set[str]()
    kept = {name: value for name, value in (described(stands) if stands else {}).items() if name in drawn}
    left_out = {name for name, value in said.items() if name != "is_on" and value in (None, False)}
    if not (said["starts"] or said["ends"]):
        left_out.add("zone")
    return kept | {name: value for name, value in said.items() if name not in left_out}


def _limits_of(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return what limits a rule that is said so, for the command."""
    return {name: rule.get(name) for name in ("percent", "starts", "ends")} | {
        "zone": rule.get("zone", ""),
        "is_permanent": rule.get("is_permanent", False),
    }


def _met(visit: Visit, flag: str, tenant: Tenant | None) -> None:
    """Say how many of a day's calls it is about."""
    tenant_id = tenant.id if tenant else None
    if not visit.may(Permission.GENERATIONS_READ, tenant_id):
        return
    try:
        found = visit.runtime.reports.flag_met(visit.principal, flag, tenant_id)
    except ProctorError:  # the switch must turn all the same
        st.caption("How many calls it is about cannot be told right now.")
        return
    among = formats.plural(found.calls, "call")
    among = f"the {among} of the last 24 hours" if found.is_all else f"the newest {among} of the last 24 hours"
    said = "It is not kept which calls brought this tool along." if found.met is None else ""
    st.caption(said or f"It would have concerned {formats.count(found.met or 0)} of {among}.")


def _limits(stands: FlagRule | None, zone: str) -> dict[str, Any]:
    """Ask for how many calls and how long."""
    zone = (stands.zone if stands else "") or zone
    has_limits = stands is not None and bool(stands.percent is not None or stands.starts_wall or stands.ends_wall)
    with st.expander("For a share of the calls, or for a while", expanded=has_limits):
        percent = st.number_input(
            "Of 100 calls",
            0,
            100,
            stands.percent if stands else None,
            key="flag_percent",
            placeholder="all",
            help="For the others the opposite holds. All calls of one user are alike; a larger share holds all of a "
            "smaller one.",
        )
        begins, ends = st.columns(2, gap="small")
        walls: dict[str, str | None] = {}
        for field, place, label in (("starts", begins, "From"), ("ends", ends, "Until")):
            stood = getattr(stands, f"{field}_wall") if stands else None
            at = place.datetime_input(
                label, datetime.fromisoformat(stood) if stood else None, key=f"flag_{field}", format="YYYY-MM-DD"
            )
            walls[field] = None if at is None else at.replace(tzinfo=None).isoformat(timespec="minutes")
        said = [f"{label} {zones.told(moment_of(wall, zone), zone)}" for label, wall in walls.items() if wall]
        st.caption(
            f"By the clock in {zones.name(zone)}"
            + (f": {', '.join(said)}." if said else ". Before and behind it what lies beneath decides.")
        )
        stays = st.checkbox(
            "It is meant to stay",
            value=stands is not None and stands.is_permanent,
            key="flag_stays",
            help="Else it is told as forgotten after thirty days.",
        )
    return {"percent": percent, **walls, "zone": zone, "is_permanent": stays}


@st.dialog("Remove this rule?", icon=":material/rule:")
def clear(
    visit: Visit,
    flag: str,
    tenant: Tenant | None,
    then: Evaluation,
    *,
    expected: str,
    stands: FlagRule | None = None,
) -> None:
    """Say what will decide instead, ask why, then remove, unless it is not as *expected* any more."""
    whom, meaning = plain(tenant.name) if tenant else "all tenants", meaning_of(flag)
    st.markdown(f"**{plain(meaning.title)}** for {whom} will be **{then.word}**: {plain(then.rule)} decides.")
    st.caption(f"While it is {then.word}, {meaning.on if then.value else meaning.off}")
    why = reason("flag_reason")
    edited = crossings.Edit(
        key=f"flag_{flag}_{tenant.id if tenant else ''}_removed",
        seen=described(stands) if stands else None,
        wanted=None,
        expected=expected,
        save=lambda now, _: visit.runtime.flags.clear(visit.principal, flag, tenant, expected=now, reason=why),
    )
    if crossings.save(edited, "Remove rule", title="The rule was not removed.", key="confirm_clear"):
        flash(f"The rule of {meaning.title} for {tenant.name if tenant else 'all tenants'} is gone.")
        st.rerun()
