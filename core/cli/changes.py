"""What was changed elsewhere, as a deploy is, told to whoever looks at charts and changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli._command import Output, command, proctor
from core.cli._figures import moment
from core.cli._operator import OPERATOR

if TYPE_CHECKING:
    from core.runtime import Runtime

_KINDS = ("deploy", "incident", "config", "data", "other")


@command(proctor, "change")
@click.argument("what")
@click.option("--kind", type=click.Choice(_KINDS), default="deploy", show_default=True, help="What sort of change.")
@click.option("--link", default="", help="Leads to more, such as https://ci.example.com/builds/7.")
@click.option("--at", help="When it happened, in UTC, or in the tenant's time zone. Without it: now.")
@click.option("--tenant", default="", help="About this tenant alone.")
def note(runtime: Runtime, *, what: str, kind: str, link: str, at: str | None, tenant: str) -> Output:
    """Write down that something was changed outside of Proctor; it stands in Changes and as a mark on charts."""
    owner = runtime.tenants.find(OPERATOR, tenant) if tenant else None
    when = moment(at, owner.timezone if owner else "UTC") or runtime.clock.now()
    id_ = runtime.changes.note(OPERATOR, what, kind=kind, link=link, at=when, tenant=owner)
    whose = owner.name if owner else None
    document = {"id": id_, "at": when, "kind": kind, "what": what, "link": link, "tenant": whose}
    return Output(document, f"It is written down, about {whose or 'all tenants'}.")
