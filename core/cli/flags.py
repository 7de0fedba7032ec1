"""Flags: what is switched on, for whom, for how long and for how many calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli._command import Output, command, proctor, table
from core.cli._operator import OPERATOR

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.tables import FlagRule, Tenant

_TENANT = click.option("--tenant", default="", help="Of this tenant, by name or id; without it of all.")
_WHY = click.option("--reason", default="", help="Why, for whoever wonders later.")


@proctor.group("flag")
def flag_group() -> None:
    """Switches for features, models, routes, schemas, tools and guardrails."""


@command(flag_group, "list")
@_TENANT
def list_flags(runtime: Runtime, tenant: str) -> Output:
    """Show what holds for a tenant, or for all, and why; and which rules can probably go."""
    from core.flags import told  # noqa: PLC0415

    of, rules = _tenant(runtime, tenant), runtime.flags.rules(OPERATOR)
    scope = of.id if of else ""
    found, other = runtime.flags.held(OPERATOR, of), runtime.flags.other
    own = {rule.name: rule for rule in rules if rule.tenant_id == scope}
    rows = [
        (name, one.word, one.rule, told(own.get(name)), own[name].reason if name in own else "")
        for name, one in found.items()
    ]
    stale = [one for one in runtime.flags.stale(OPERATOR) if one.rule.tenant_id == scope]
    lines = [table(("FLAG", "IS", "BY", "ITS RULE", "WHY"), rows)]
    lines += [f"{one.rule.name}: {one.why}; 'proctor flag clear' takes its rule away." for one in stale]
    lines += [f"{other.name} decides flags (FLAG_PROVIDER); they are changed there."] if other else []
    document = {
        "decided_by": other.name if other else "proctor",
        "flags": [
            {
                "flag": name,
                "is_on": one.value,
                "reason": one.reason,
                "rule": _document(own[name]) if name in own else None,
            }
            for name, one in found.items()
        ],
        "stale": [{"flag": one.rule.name, "why": one.why} for one in stale],
    }
    return Output(document, "\n".join(lines))


@command(flag_group, "set")
@click.argument("flag")
@click.argument("state", type=click.Choice(["on", "off"]), metavar="STATE")
@_TENANT
@click.option(
    "--percent", type=click.IntRange(0, 100), help="For so many of 100 calls; the opposite holds for the others."
)
@click.option("--from", "starts", help="From when on, by the clock of --zone: 2027-03-28T02:30.")
@click.option("--until", "ends", help="Until when, by the same clock.")
@click.option("--zone", help="IANA name. Without it the tenant's; UTC of a rule for all.")
@click.option("--permanent", is_flag=True, help="It is meant to stay, so it is not told as forgotten.")
@_WHY
def set_flag(  # noqa: PLR0917 click gives each option by its name
    runtime: Runtime,
    flag: str,
    state: str,
    tenant: str,
    percent: int | None,
    starts: str | None,
    ends: str | None,
    zone: str | None,
    permanent: bool,  # noqa: FBT001 as above
    reason: str,
) -> Output:
    """Turn FLAG on or off, for all tenants or for one; effective with the next generation. It replaces the whole rule.

    FLAG is a feature, or model:PROVIDER/NAME, route:NAME, schema:NAME, tool:NAME, guardrail:NAME.
    """
    from core.flags import told  # noqa: PLC0415

    of = _tenant(runtime, tenant)
    rule = runtime.flags.set(
        OPERATOR,
        flag,
        of,
        state == "on",
        percent=percent,
        starts=starts,
        ends=ends,
        zone=zone,
        is_permanent=permanent,
        reason=reason,
    )
    return Output(_document(rule), f"{flag} is {told(rule)} for {of.name if of else 'all tenants'}.")


@command(flag_group, "clear")
@click.argument("flag")
@_TENANT
@_WHY
def clear_flag(runtime: Runtime, flag: str, tenant: str, reason: str) -> Output:
    """Take a rule away, so that what lies beneath decides again."""
    of = _tenant(runtime, tenant)
    runtime.flags.clear(OPERATOR, flag, of, reason=reason)
    left = runtime.flags.held(OPERATOR, of, flag)[flag]
    said = f"it is {left.word} by {left.rule}"
    return Output(
        {"flag": flag, "cleared": True}, f"{flag} has no rule for {of.name if of else 'all tenants'}; {said}."
    )


def _tenant(runtime: Runtime, named: str) -> Tenant | None:
    return runtime.tenants.find(OPERATOR, named) if named else None


def _document(rule: FlagRule) -> dict[str, object]:
    return {
        "flag": rule.name,
        "tenant_id": rule.tenant_id,
        "is_on": rule.is_on,
        "percent": rule.percent,
        "starts": rule.starts_wall,
        "ends": rule.ends_wall,
        "zone": rule.zone or None,
        "is_permanent": rule.is_permanent,
        "reason": rule.reason,
        "changed_by": rule.changed_by,
        "changed_at": rule.changed_at.isoformat(),
    }
