"""How fast a tenant and its keys may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from core.cli._command import Output, command, proctor, reasoned, table
from core.cli._operator import OPERATOR
from core.errors import NotFound

if TYPE_CHECKING:
    from core.limits import Quota, QuotaUse
    from core.runtime import Runtime
    from core.tenants import Key, Tenant

_NONE = "none"
_ROWS = (
    ("rate_limit_per_min", "requests", "generations per minute"),
    ("tokens_per_min", "tokens", "tokens per minute"),
    ("concurrent_limit", "concurrent", "generations in flight"),
)
"""A limit's field, what is used of it, and the words for it."""


@proctor.group("limit")
def limit_group() -> None:
    """How fast a tenant may be, and each of its keys."""


class _Limit(click.ParamType[Any]):
    """A whole number from 1 on, or ``none``."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Read ``60`` or ``none``. 0 is neither: it could be meant for either."""
        word = str(value).strip().lower()
        if word != _NONE and not (word.isascii() and word.isdigit() and int(word) > 0):
            self.fail(f"{value!r} is no limit; write a whole number from 1 on, or 'none' to take it away.", param, ctx)
        return word if word == _NONE else int(word)


@command(limit_group, "set")
@click.argument("tenant")
@click.option("--rpm", type=_Limit(), metavar="N", help="Generations per minute.")
@click.option("--tpm", type=_Limit(), metavar="N", help="Input and output tokens per minute.")
@click.option("--concurrent", type=_Limit(), metavar="N", help="Generations in flight at once.")
@click.option("--key", default="", help="Of this key alone, inside the tenant's: its id, or its first characters.")
@reasoned
def set_limits(
    runtime: Runtime,
    *,
    tenant: str,
    rpm: int | str | None,
    tpm: int | str | None,
    concurrent: int | str | None,
    key: str,
    reason: str,
) -> Output:
    """Set limits of a tenant, or of one of its keys; effective with the next generation.

    What is not named stays as it is. 'none' takes a limit away: a tenant falls back to the deployment's default, a
    key to its tenant's limits.
    """
    given = {"rate_limit_per_min": rpm, "tokens_per_min": tpm, "concurrent_limit": concurrent}
    changes: dict[str, Any] = {field: None if value == _NONE else value for field, value in given.items() if value}
    if not changes:
        raise click.UsageError("Name what to set: --rpm, --tpm or --concurrent, each with a number or 'none'.")
    owner = runtime.tenants.find(OPERATOR, tenant)
    if key:
        runtime.tenants.edit_key(OPERATOR, _key(runtime, owner, key).id, reason=reason, **changes)
    else:
        owner = runtime.tenants.edit(OPERATOR, owner.id, owner.version, reason=reason, **changes)
    return _shown(runtime, owner)


@command(limit_group, "show")
@click.argument("tenant")
def show_limits(runtime: Runtime, tenant: str) -> Output:
    """Show the limits of a tenant and its keys, and what is used of them now."""
    return _shown(runtime, runtime.tenants.find(OPERATOR, tenant))


def _key(runtime: Runtime, owner: Tenant, key: str) -> Key:
    """Return the live key that is meant, if it is this tenant's: a key of another must not be hit by mistake."""
    wanted = key.rstrip("…")
    found = [one for one in runtime.tenants.keys(OPERATOR, owner) if one.is_live and wanted in {one.id, one.prefix}]
    if len(found) != 1:
        several = "Several live keys" if found else "No live key"
        raise NotFound(
            f"{several} of {owner.name} {'have' if found else 'has'} that id or prefix. "
            "'proctor key list TENANT --json' shows the ids of a tenant's keys."
        )
    return found[0]


def _shown(runtime: Runtime, owner: Tenant) -> Output:
    is_shared = runtime.shared.is_set and runtime.shared.check()
    recorded_until = None if is_shared else runtime.clock.now()
    used = runtime.policies.quota_use(OPERATOR, owner, recorded_until=recorded_until)
    document: dict[str, Any] = {
        "tenant": owner.name,
        **_described(*used[owner.id], is_shared=is_shared),
        "defaults": [field for field, _, _ in _ROWS if getattr(owner, field) is None],
        "counted_by": "redis" if is_shared else "record",
        "keys": [
            {"id": key.id, "prefix": key.prefix, "name": key.name} | _described(*used[key.id], is_shared=is_shared)
            for key in runtime.tenants.keys(OPERATOR, owner)
            if key.id in used
        ],
    }
    rows = _rows(owner.name, document, document["defaults"])
    for key in document["keys"]:
        rows += _rows(f"{key['prefix']}…", key, leaves_out=True)
    aside = "" if is_shared else "Used: as written down in the last minute. Those in flight each process counts itself."
    return Output(document, table(("WHOSE", "LIMIT", "MOST", "USED"), rows), aside)


def _described(quota: Quota, used: QuotaUse, *, is_shared: bool) -> dict[str, Any]:
    """Return a quota and its use. Redis counts only what has a limit; the record knows nothing of what is in flight."""
    limits = (quota.requests_per_min, quota.tokens_per_min, quota.concurrent)
    counts = (used.requests, used.tokens, used.concurrent if is_shared else None)
    return {
        **{field: most for (field, _, _), most in zip(_ROWS, limits, strict=True)},
        "used": {
            what: None if is_shared and most is None else count
            for (_, what, _), most, count in zip(_ROWS, limits, counts, strict=True)
        },
    }


def _rows(
    whose: str, shown: dict[str, Any], defaults: Sequence[str] = (), *, leaves_out: bool = False
) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for field, what, words in _ROWS:
        most, used = shown[field], shown["used"][what]
        if most is None and leaves_out:
            continue
        limit = "no limit" if most is None else f"{most:,}{' (default)' if field in defaults else ''}"
        rows.append((whose, words, limit, "" if used is None else f"{used:,}"))
    return rows
