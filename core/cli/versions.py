"""Versions of schemas: what differs, how each fares, which one callers get; and whether an answer satisfies one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli._command import REFUSED, Output, command, reasoned, table
from core.cli._figures import usd
from core.cli._operator import OPERATOR
from core.cli.schemas import schema_group
from core.json_texts import text_of

if TYPE_CHECKING:
    from core.runtime import Runtime

_LABEL = click.option("--label", default="production", show_default=True, help="The name that is moved.")


@command(schema_group, "versions")
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 30), default=7, show_default=True, help="How far back to count.")
def versions(runtime: Runtime, name: str, days: int) -> Output:
    """Show the versions of NAME and how each fared of late."""
    from core.reports import Window  # noqa: PLC0415

    there = runtime.schemas.versions(OPERATOR, name)
    window = Window.last(timedelta(days=days), runtime.clock.now())
    fared = {one.version: one for one in runtime.reports.schemas(OPERATOR, window, schema=name)}
    rows: list[tuple[str, ...]] = []
    for one in there:
        row = (str(one.version), ", ".join(one.labels), f"{one.created_at:%Y-%m-%d}", one.created_by)
        if (found := fared.get(one.version)) is None:
            rows.append((*row, "0", "-", "-"))
            continue
        validity = "-" if found.validity is None else f"{found.validity:.1%}"
        cost = "-" if found.cost_per_valid_nano_usd is None else usd(found.cost_per_valid_nano_usd)
        rows.append((*row, f"{found.calls:,}", validity, cost))
    heads = ("VERSION", "LABELS", "ADDED", "BY", "CALLS", "VALID", "PER VALID")
    return Output(
        {"name": name, "days": days, "versions": there, "figures": list(fared.values())},
        table(heads, rows),
        f"Calls of the last {days} days.",
    )


@command(schema_group, "diff")
@click.argument("name")
@click.argument("before", type=int)
@click.argument("after", type=int)
def diff(runtime: Runtime, name: str, before: int, after: int) -> Output:
    """Show what differs between versions BEFORE and AFTER of NAME, and whether it asks for more or for less."""
    from core.schemas import altogether, differences  # noqa: PLC0415

    old, new = (runtime.schemas.find(OPERATOR, f"{name}@{version}") for version in (before, after))
    found = differences(old.body, new.body)
    rows = [(one.path, one.change, _short(one.before), _short(one.after), one.effect.value) for one in found]
    return Output(
        {"name": name, "before": before, "after": after, "effect": altogether(found), "differences": found},
        table(("WHERE", "WHAT", "BEFORE", "AFTER", "EFFECT"), rows) if rows else "They ask for the same.",
        altogether(found).sentence(f"version {before}", f"version {after}"),
    )


@command(schema_group, "promote")
@click.argument("name")
@click.argument("version", type=int)
@_LABEL
@reasoned
def promote(runtime: Runtime, name: str, version: int, label: str, reason: str) -> Output:
    """Let callers who ask for NAME, or for NAME@LABEL, get VERSION from now on."""
    runtime.schemas.promote(OPERATOR, name, version, label, reason=reason)
    return Output({"name": name, "label": label, "version": version}, f"{name}@{label} is version {version} now.")


@command(schema_group, "roll-back")
@click.argument("name")
@click.option("--to", "version", type=int, help="The version to go back to. Without it: the one before the last move.")
@_LABEL
@reasoned
def roll_back(runtime: Runtime, name: str, version: int | None, label: str, reason: str) -> Output:
    """Let the label name the version that it named before. To do it once more takes it back."""
    now = runtime.schemas.roll_back(OPERATOR, name, version, label, reason=reason)
    return Output({"name": name, "label": label, "version": now}, f"{name}@{label} is version {now} again.")


@command(schema_group, "unlabel")
@click.argument("name")
@click.argument("label")
@reasoned
def unlabel(runtime: Runtime, name: str, label: str, reason: str) -> Output:
    """Take LABEL away from NAME: callers who ask for it are told that there is none."""
    runtime.schemas.unlabel(OPERATOR, name, label, reason=reason)
    return Output({"name": name, "label": label}, f"{name} has no label {label} any more.")


@command(schema_group, "check")
@click.argument("schema")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(runtime: Runtime, schema: str, file: Path) -> Output:
    """Say whether the answer in FILE satisfies SCHEMA (name, name@label or name@3). No call is made."""
    from core.schemas import checked  # noqa: PLC0415

    found = runtime.schemas.find(OPERATOR, schema)
    problems = checked(found.response_model, text_of(file)).problems
    rows = [(one.path, one.type, one.message) for one in problems]
    return Output(
        {"schema": found.reference, "is_valid": not problems, "problems": problems},
        table(("FIELD", "RULE", "WHAT IS WRONG"), rows) if rows else f"It satisfies {found.reference}.",
        exit_code=REFUSED if problems else 0,
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
