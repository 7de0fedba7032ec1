"""Tenants."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from core.cli._command import Output, command, proctor, reasoned, table
from core.cli._operator import OPERATOR

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.tables import Tenant


@proctor.group("tenant")
def tenant_group() -> None:
    """Organisations whose traffic is isolated, limited and billed."""


@command(tenant_group, "create")
@click.argument("name")
@click.option("--timezone", default="UTC", show_default=True, help="IANA name; its days and months follow it.")
@click.option("--rate-limit", type=int, help="Generations per minute. Without it: RATE_LIMIT_PER_MIN.")
@reasoned
def create_tenant(runtime: Runtime, name: str, timezone: str, rate_limit: int | None, *, reason: str) -> Output:
    """Add a tenant."""
    tenant = runtime.tenants.create(OPERATOR, name, timezone, rate_limit, reason=reason)
    return Output(
        tenant.model_dump(),
        f"Tenant {tenant.name} is there, in time zone {tenant.timezone}.",
        f"Next: proctor key create {shlex.quote(tenant.name)}",
    )


_DEFAULT = "default"
_WITHOUT = click.Choice(["allow", "refuse", _DEFAULT])
_STORAGE = click.Choice(["caller", "off", "refused", _DEFAULT])


_RULES = ("without_budget", "without_price", "vendor_storage")
"""Written out, since whoever asks for help waits for no database: a test holds them to what a tenant has."""


_EVER = "ever"


def _days(_context: click.Context, _option: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == _EVER:
        return value
    if not value.isdecimal():
        raise click.BadParameter(f"{value!r} is no number of days; say how many, or '{_EVER}'.")
    return int(value)


@command(tenant_group, "edit")
@click.argument("tenant")
@click.option("--name", help="Its new name.")
@click.option("--timezone", help="IANA name; its days and the periods of its budgets follow it from now on.")
@click.option("--route", help="Its own route in the place of default, which is said so to go back to that.")
@click.option("--retention-days", type=int, help="How long prompts and answers are kept; 0 keeps none.")
@click.option(
    "--payload-percent",
    type=int,
    help="Of so many of a hundred valid calls prompts and answers are kept, of failures always; 0: of failures alone.",
)
@click.option(
    "--call-days",
    metavar="DAYS|ever",
    callback=_days,
    help="How long calls are kept, 62 days at least; figures stay. Fewer days delete what is older, for good.",
)
@click.option("--yes", is_flag=True, help="Do not ask, though calls will be deleted.")
@click.option("--without-budget", type=_WITHOUT, help="Calls that no budget covers; 'default': WITHOUT_BUDGET.")
@click.option(
    "--without-price",
    type=_WITHOUT,
    help="Models that have no price, also where a hard budget pays; 'default': WITHOUT_PRICE.",
)
@click.option(
    "--vendor-storage",
    type=_STORAGE,
    help="What of its answers vendors store: what the caller says, nothing, or nothing, refusing who does not say so "
    "himself; 'default': VENDOR_STORAGE.",
)
@reasoned
def edit_tenant(runtime: Runtime, tenant: str, *, yes: bool, reason: str, **given: str | int | None) -> Output:
    """Change a tenant; what is not named stays as it is. Its limits: 'limit set'."""
    fields = {"retention_days": "payload_retention_days"}
    changes: dict[str, Any] = {
        fields.get(name, name): None if (value == _DEFAULT and name in _RULES) or value == _EVER else value
        for name, value in given.items()
        if value is not None
    }
    if not changes:
        raise click.UsageError("Name what to change: 'proctor tenant edit --help' says what there is.")
    before = runtime.tenants.find(OPERATOR, tenant)
    if changes.get("call_days") is not None and not yes:
        _ask(runtime, before, changes["call_days"])
    after = runtime.tenants.edit(OPERATOR, before.id, before.version, reason=reason, **changes)
    changed = ", ".join(field for field in changes if getattr(before, field) != getattr(after, field))
    return Output(after.model_dump(), f"Tenant {after.name}: {changed or 'nothing'} changed.")


def _ask(runtime: Runtime, tenant: Tenant, days: int) -> None:
    """Say what goes if calls are kept for so many days, and go on if somebody confirms that."""
    found = runtime.reports.keeping(OPERATOR, tenant.id, days).tenants[0]
    if (found.is_counted and not found.due) or (tenant.call_days is not None and days >= tenant.call_days):
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{found.sentence} Confirm with --yes.")
    click.confirm(f"{found.sentence} Go on?", abort=True, err=True)


@command(tenant_group, "list")
def list_tenants(runtime: Runtime) -> Output:
    """Show every tenant."""
    tenants = runtime.tenants.list(OPERATOR)
    limits = [str(tenant.rate_limit_per_min or "default") for tenant in tenants]
    rows = [
        (tenant.name, tenant.timezone, limit, f"{tenant.created_at:%Y-%m-%d}", "demo" if tenant.is_demo else "")
        for tenant, limit in zip(tenants, limits, strict=True)
    ]
    text = table(("NAME", "TIME ZONE", "PER MINUTE", "CREATED", ""), rows)
    return Output(
        {"tenants": [tenant.model_dump() for tenant in tenants]},
        text if rows else "There are no tenants yet. Make one with 'proctor tenant create NAME'.",
    )
