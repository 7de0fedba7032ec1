"""Guardrails: what is searched for in texts, for whom, and what becomes of what is found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from core.cli._command import Output, command, proctor, reasoned, table
from core.cli._operator import OPERATOR
from core.errors import Invalid
from core.json_texts import json_in, text_of

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.tables import GuardrailRule, Tenant

_TENANT = click.option("--tenant", default="", help="Of this tenant, by name or id; without it of all.")


@proctor.group("guardrail")
def guardrail_group() -> None:
    """Rules for what may go out and come back."""


@command(guardrail_group, "list")
@click.option("--tenant", default="", help="What holds for this tenant, its own and those for all.")
def list_rules(runtime: Runtime, tenant: str) -> Output:
    """Show what is built in, and every rule, in order."""
    from core.guardrail_rules import described, looked_at, looked_for  # noqa: PLC0415
    from core.guardrails import BUILT_IN  # noqa: PLC0415

    of = _tenant(runtime, tenant)
    rules = [one for one in runtime.guardrails.list(OPERATOR) if of is None or one.tenant_id in {"", of.id}]
    names = {one.id: one.name for one in runtime.tenants.list(OPERATOR)}
    rows = [
        (one.name, one.check, one.action.value, " ".join(sorted(one.stages)), "", "all", "", "built in")
        for one in BUILT_IN
    ]
    rows += [
        (
            one.name,
            looked_for(one.check_name, one.settings),
            one.action,
            " ".join(one.stages),
            looked_at(one.check_name, one.settings),
            names.get(one.tenant_id, "all"),
            one.route,
            f"version {one.version}" if one.is_on else "off",
        )
        for one in rules
    ]
    text = table(("RULE", "LOOKS FOR", "ACTION", "IN", "PLACES", "OF", "ROUTE", "STATE"), rows)
    return Output({"rules": [_document(one, described(one)) for one in rules]}, text)


@command(guardrail_group, "checks", needs_runtime=False)
def list_checks(_settings: Any) -> Output:
    """Show what a rule may look for, and what can be done with it."""
    from core.guardrails.checks import NAMES, check_called  # noqa: PLC0415

    known = {name: check_called(name) for name in NAMES}
    rows = [(name, ", ".join(sorted(one.actions)), " ".join(sorted(one.stages))) for name, one in known.items()]
    document = [
        {"check": name, "actions": sorted(one.actions), "stages": sorted(one.stages)} for name, one in known.items()
    ]
    return Output({"checks": document}, table(("CHECK", "ACTIONS", "IN"), rows))


@command(guardrail_group, "show")
@click.argument("name")
@_TENANT
def show_rule(runtime: Runtime, name: str, tenant: str) -> Output:
    """Show one rule, with its settings."""
    return _shown(runtime.guardrails.find(OPERATOR, name, _tenant(runtime, tenant)))


@command(guardrail_group, "set")
@click.argument("name")
@_TENANT
@click.option("--check", required=True, help="What it looks for; 'proctor guardrail checks' lists them.")
@click.option("--action", required=True, help="note, neutralise, replace, redact or block.")
@click.option("--stage", "stages", multiple=True, help="input or output; repeat it. Without it both.")
@click.option("--route", default="", help="On this route alone.")
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON object with the settings of the check.",
)
@click.option("--place", "places", multiple=True, help="Only in texts of this sort, such as documents; repeat it.")
@click.option("--only", multiple=True, help="Of answers only this field, such as $.lines[*].note; repeat it.")
@click.option("--not-in", multiple=True, help="Of answers all but this field; repeat it.")
@click.option("--latest-turn", is_flag=True, help="Of the messages of a request only those of the latest turn.")
@click.option("--except", "exceptions", multiple=True, help="What is found and is exactly this goes on; repeat it.")
@click.option("--position", type=int, default=100, help="The lower is listed, and told, first.")
@click.option("--off", is_flag=True, help="It is kept, and looks at nothing.")
@reasoned
def set_rule(
    runtime: Runtime,
    name: str,
    *,
    tenant: str,
    check: str,
    action: str,
    stages: tuple[str, ...],
    route: str,
    settings: Path | None,
    places: tuple[str, ...],
    only: tuple[str, ...],
    not_in: tuple[str, ...],
    latest_turn: bool,
    exceptions: tuple[str, ...],
    position: int,
    off: bool,
    reason: str,
) -> Output:
    """Make a rule, or replace one whole; effective with the next generation."""
    rule = runtime.guardrails.set(
        OPERATOR,
        name,
        _tenant(runtime, tenant),
        check,
        action,
        stages=stages or None,
        route=route,
        settings=_settings(settings)
        | _given(places=places, only=only, **{"except": not_in})
        | ({"turns": "latest"} if latest_turn else {}),
        exceptions=exceptions,
        position=position,
        is_on=not off,
        reason=reason,
    )
    return _shown(rule)


@command(guardrail_group, "remove")
@click.argument("name")
@_TENANT
@reasoned
def remove_rule(runtime: Runtime, name: str, tenant: str, reason: str) -> Output:
    """Remove a rule; what it found stays recorded."""
    of = _tenant(runtime, tenant)
    runtime.guardrails.remove(OPERATOR, name, of, reason=reason)
    return Output(
        {"name": name, "removed": True}, f"The rule {name} is removed for {of.name if of else 'all tenants'}."
    )


def _settings(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    found = json_in(text_of(file), str(file))
    if not isinstance(found, dict):
        raise Invalid(f'{file} holds no JSON object, such as {{"kinds": ["card"]}}.')
    return cast("dict[str, Any]", found)


def _given(**lists: tuple[str, ...]) -> dict[str, Any]:
    return {name: list(given) for name, given in lists.items() if given}


def _tenant(runtime: Runtime, named: str) -> Tenant | None:
    return runtime.tenants.find(OPERATOR, named) if named else None


def _document(rule: GuardrailRule, said: dict[str, Any]) -> dict[str, Any]:
    return {"name": rule.name, "tenant_id": rule.tenant_id, "version": rule.version, **said}


def _shown(rule: GuardrailRule) -> Output:
    from core.guardrail_rules import described  # noqa: PLC0415

    said = described(rule)
    rows = [(name.replace("_", " "), "" if value in ("", [], {}) else str(value)) for name, value in said.items()]
    return Output(
        _document(rule, said), f"Rule {rule.name}, version {rule.version}\n" + table(("FIELD", "VALUE"), rows)
    )
