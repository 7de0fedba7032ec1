"""Fire drills: faults on purpose, with an end."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from core.cli._command import Output, command, proctor, reasoned, table
from core.cli._operator import OPERATOR
from core.clock import minute

if TYPE_CHECKING:
    from core.drills import DrillView
    from core.runtime import Runtime

_FAULTS = ("rate_limit", "server_error", "slow", "invalid")


@proctor.group("drill")
def drill_group() -> None:
    """Fire drills: faults that a share of the calls meets on purpose, until an end."""


@command(drill_group, "start")
@click.argument("tenant", required=False, metavar="TENANT")
@click.option("--demo", is_flag=True, help="Every demo tenant, instead of one tenant.")
@click.option("--fault", required=True, type=click.Choice(_FAULTS), help="What goes wrong.")
@click.option(
    "--share",
    required=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="The part of the calls that meet it, above 0 and at most 1.",
)
@click.option(
    "--minutes",
    required=True,
    type=click.FloatRange(0, 1440, min_open=True),
    help="When it ends by itself: at most 1440, which is a day.",
)
@click.option("--reason", required=True, help="Why, for those who meet it.")
@click.option("--only", "target", default="", help="Only calls to this provider, or to this provider/model.")
@click.option("--seconds", type=float, default=5.0, show_default=True, help="How long slowness lasts.")
@click.option("--yes", is_flag=True, help="Do not ask, though the tenant's calls are real.")
def start(  # noqa: PLR0917 one for each option
    runtime: Runtime,
    tenant: str | None,
    demo: bool,  # noqa: FBT001 a switch
    fault: str,
    share: float,
    minutes: float,
    reason: str,
    target: str,
    seconds: float,
    yes: bool,  # noqa: FBT001 a switch
) -> Output:
    """Begin a drill with one tenant's calls, or with those of the demo tenants (--demo)."""
    from datetime import timedelta  # noqa: PLC0415

    from core.drills import plan  # noqa: PLC0415
    from core.faults import Fault  # noqa: PLC0415

    if demo == (tenant is not None):
        raise click.UsageError("Name a tenant, or say --demo for all demo tenants; not both and not neither.")
    owner = runtime.tenants.find(OPERATOR, tenant) if tenant else None
    if owner is not None and not owner.is_demo and not yes:
        ends_at = runtime.clock.now() + timedelta(minutes=min(1440.0, minutes))
        told = plan(owner.name, Fault(fault), share, seconds, target)
        if not sys.stdin.isatty():
            raise click.UsageError(f"{told} These calls are real, until {minute(ends_at)}. Confirm with --yes.")
        question = f"{told} These calls are real. It ends at {minute(ends_at)}. Begin?"
        click.confirm(question, abort=True, err=True)
    drill = runtime.drills.start(
        OPERATOR,
        owner,
        Fault(fault),
        share=share,
        minutes=minutes,
        reason=reason,
        target=target,
        seconds=seconds,
    )
    return Output(
        asdict(drill),
        f"A fire drill began: {drill.sentence} It ends by itself at {minute(drill.ends_at)}.",
        f"To stop it: proctor drill stop {drill.id}",
    )


@command(drill_group, "list")
def list_drills(runtime: Runtime) -> Output:
    """Show the drills that run, and the last of those that are over."""
    now = runtime.clock.now()
    drills = runtime.drills.list(OPERATOR)
    rows = [
        (
            drill.id,
            drill.whose,
            drill.fault.value,
            f"{drill.share:.2%}".replace(".00%", "%"),
            drill.target or "every call",
            _standing(drill, running=drill.is_running(now)),
            drill.reason,
        )
        for drill in drills
    ]
    text = table(("ID", "WHOSE CALLS", "FAULT", "SHARE", "ONLY", "STATE", "REASON"), rows)
    return Output(
        {"drills": [{**asdict(drill), "running": drill.is_running(now)} for drill in drills]},
        text if rows else "There was no fire drill yet. Begin one with 'proctor drill start'.",
    )


@command(drill_group, "stop")
@click.argument("drill_id", metavar="ID")
@reasoned
def stop(runtime: Runtime, drill_id: str, reason: str) -> Output:
    """End a drill at once, named by the id that 'drill list' shows."""
    drill = runtime.drills.stop(OPERATOR, drill_id, reason=reason)
    return Output(asdict(drill), "The fire drill is stopped: calls go out again as always.")


def _standing(drill: DrillView, *, running: bool) -> str:
    if running:
        return f"runs until {minute(drill.ends_at)}"
    return f"over since {minute(drill.ended_at or drill.ends_at)}"
