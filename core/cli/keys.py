"""Keys: what lets programs call as a tenant, or manage."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from core.cli._command import Output, command, proctor, reasoned, table
from core.cli._figures import moment
from core.cli._operator import OPERATOR
from core.clock import minute
from core.errors import Invalid
from core.principals import KeyScope

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.runtime import Runtime
    from core.tenants import Key, NewKey, Tenant

_NONE = "none"
_FROM_INPUT = "-"


@proctor.group("key")
def key_group() -> None:
    """Keys that let programs call as a tenant, or manage."""


def _granting(function: Callable[..., Output]) -> Callable[..., Output]:
    """Add the options that say what a key may do."""
    options = (
        click.option("--name", help="What it is for."),
        click.option(
            "--scope",
            "scopes",
            type=click.Choice([one.value for one in KeyScope]),
            multiple=True,
            help="May be repeated.",
        ),
        click.option("--model", "models", multiple=True, help="A model that it may ask; may be repeated. 'none': any."),
        click.option("--route", "routes", multiple=True, help="A route that it may ask; may be repeated. 'none': any."),
        click.option("--until", help="When it ends, in the tenant's time zone. 'none': never."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _granted(timezone: str, until: str | None, **given: Any) -> dict[str, Any]:
    """Return the fields that the options name."""
    wanted = {field: value for field, value in given.items() if value not in {None, ()}}
    for field in ("models", "routes"):
        if wanted.get(field) == (_NONE,):
            wanted[field] = ()
    if until is not None:
        wanted["ends_at"] = None if until == _NONE else moment(until, timezone)
    return wanted


@command(key_group, "create")
@click.argument("tenant", required=False)
@click.option("--deployment", is_flag=True, help="Of no tenant: it manages the whole deployment.")
@_granting
@reasoned
def create_key(
    runtime: Runtime, tenant: str | None, *, deployment: bool, until: str | None, reason: str, **given: Any
) -> Output:
    """Make a key and show it, this once. Unless told otherwise it generates and reads."""
    if deployment is (tenant is not None):
        raise click.UsageError("Name a tenant, or say --deployment.")
    owner = runtime.tenants.find(OPERATOR, tenant) if tenant else None
    fields = _granted(owner.timezone if owner else "UTC", until, **given)
    new = runtime.tenants.create_key(OPERATOR, owner, reason=reason, **fields)
    does = f"It calls as {owner.name}." if owner else "It manages the whole deployment."
    return _shown_once(new, owner, does)


@command(key_group, "list")
@click.argument("tenant", required=False)
def list_keys(runtime: Runtime, tenant: str | None) -> Output:
    """Show a tenant's keys by their first characters, those used last first; without a tenant the deployment's."""
    owner = runtime.tenants.find(OPERATOR, tenant) if tenant else None
    keys = runtime.tenants.keys(OPERATOR, owner)
    now = runtime.clock.now()
    rows = [(f"{one.prefix}…", one.name, *_words(one, now)) for one in keys]
    heads, whose = ("KEY", "NAME", "MAY", "CREATED", "USED", "STATE"), owner.name if owner else "The deployment"
    return Output(
        {"tenant": owner.name if owner else None, "keys": keys},
        table(heads, rows) if rows else f"{whose} has no keys.",
    )


@command(key_group, "find")
@click.argument("key")
def find_key(runtime: Runtime, key: str) -> Output:
    """Show one key, by its id or its first characters; with '-' the text of one that leaked is read from input."""
    found, now = runtime.tenants.find_key(OPERATOR, _named(key)), runtime.clock.now()
    owner = runtime.tenants.find(OPERATOR, found.tenant_id).name if found.tenant_id else "the deployment"
    lines = [
        ("id", found.id),
        ("of", owner),
        ("name", found.name or "none"),
        ("state", state(found, now)),
        ("may", ", ".join(found.scopes)),
        ("models", ", ".join(found.models) or "any"),
        ("routes", ", ".join(found.routes) or "any"),
        ("used", used(found, now)),
    ]
    if found.old is not None:
        last = f"used {found.old.used_at:%Y-%m-%d %H:%M}" if found.old.used_at else "not used since"
        lines.append(("rotated", f"{found.old.prefix}… ends {minute(found.old.ends_at)}, {last}"))
    return Output(found, table(("KEY", f"{found.prefix}…"), lines))


@command(key_group, "edit")
@click.argument("key")
@_granting
@reasoned
def edit_key(runtime: Runtime, key: str, until: str | None, *, reason: str, **given: Any) -> Output:
    """Change what a key may do, and until when; what is not named stays. Its limits: 'limit set'."""
    before = runtime.tenants.find_key(OPERATOR, key)
    timezone = runtime.tenants.find(OPERATOR, before.tenant_id).timezone if before.tenant_id else "UTC"
    changes = _granted(timezone, until, **given)
    if not changes:
        raise click.UsageError("Name what to change: 'proctor key edit --help' says what there is.")
    after = runtime.tenants.edit_key(OPERATOR, before.id, before.version, reason=reason, **changes)
    changed = ", ".join(field for field in changes if getattr(before, field) != getattr(after, field))
    return Output(after, f"Key {after.prefix}…: {changed or 'nothing'} changed.")


@command(key_group, "rotate")
@click.argument("key")
@click.option("--overlap", type=float, default=24, show_default=True, help="Hours for which the old text is good too.")
@reasoned
def rotate_key(runtime: Runtime, key: str, overlap: float, reason: str) -> Output:
    """Give a key a new text and show it, this once. It stays the same key: limits, budget and calls go on."""
    new = runtime.tenants.rotate_key(OPERATOR, key, timedelta(hours=overlap), reason=reason)
    found = runtime.tenants.find_key(OPERATOR, new.id)
    owner = runtime.tenants.find(OPERATOR, found.tenant_id) if found.tenant_id else None
    assert found.old is not None  # noqa: S101 it was just rotated
    ended = f" {new.ended}…, of the rotation before, has ended." if new.ended else ""
    return _shown_once(new, owner, f"The old text ends at {minute(found.old.ends_at)}.{ended}")


@command(key_group, "revoke")
@click.argument("key")
@reasoned
def revoke_key(runtime: Runtime, key: str, reason: str) -> Output:
    """Make a key useless, by its id or the characters that 'key list' shows; with '-' its text is read from input."""
    revoked = runtime.tenants.revoke_key(OPERATOR, _named(key), reason=reason)
    return Output(revoked, f"Key {revoked.prefix}… is revoked: whoever holds it is refused from now on.")


def used(key: Key, now: datetime) -> str:
    """Return when a key was last used, in words; and whether that is long ago."""
    last = key.last_used_at
    return (f"{last:%Y-%m-%d %H:%M}" if last else "never") + (" (stale)" if key.is_stale(now) else "")


def state(key: Key, now: datetime) -> str:
    """Return whether a key opens the door, in words."""
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.ends_at is not None:
        return f"{'ends' if key.opens(now) else 'ended'} {key.ends_at:%Y-%m-%d}"
    return "live"


def _words(key: Key, now: datetime) -> tuple[str, ...]:
    return ", ".join(key.scopes), f"{key.created_at:%Y-%m-%d}", used(key, now), state(key, now)


def _named(key: str) -> str:
    """Return what names a key; its text is never an argument, which every process of the machine could read."""
    named = sys.stdin.readline().strip() if key == _FROM_INPUT else key
    if not named:
        raise Invalid("Nothing came on standard input. Pipe the key's text into it.")
    return named


def _shown_once(new: NewKey, owner: Tenant | None, more: str) -> Output:
    return Output(
        {"id": new.id, "tenant": owner.name if owner else None, "prefix": new.prefix, "key": new.secret},
        new.secret,
        f"Keep it now: it is not stored and cannot be shown again. {more}",
    )
