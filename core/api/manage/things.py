"""What can be managed: how each thing is read, made, changed and removed, by the commands of its own room.

A function takes what was asked and returns a document. A document holds every field that can be set, in one form, so
that what was read can be sent back and changes nothing; ``version`` where the room counts one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from core.api.manage.bodies import moment
from core.budgets import BudgetState, Raise
from core.errors import Conflict, Crossed, NotFound
from core.pricing import as_dollars, nano_usd
from core.principals import Principal
from core.runtime import Runtime
from core.tenants import EDITABLE, Key, Tenant, key_in

if TYPE_CHECKING:
    from core.user_exports import UserExport

Document = dict[str, Any]
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, by somebody who is known."""

    runtime: Runtime
    principal: Principal
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    seen: Mapping[str, Any] | None = None
    """What is to be changed, as the caller has seen it; ``None`` where it is not there, or nobody has to see it."""
    version: int | None = None
    """The number of that state, where there is one."""
    reason: str = ""
    """Why, in the caller's words."""

    @property
    def tenant(self) -> Tenant:
        """The tenant of the address."""
        return self.runtime.tenants.find(self.principal, self.path["tenant"])

    def id(self, name: str) -> str:
        """Return an id of the address; raises NotFound where it is none."""
        found = self.path[name]
        if not _ID.fullmatch(found):  # a name, a prefix or a text would be found too, and stand in logs of addresses
            raise NotFound(f"There is no {name} of this id.")
        return found


# ── Tenants ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def tenants(asked: Asked) -> Sequence[Document]:
    """Return the tenants that the caller sees."""
    return [_tenant(one) for one in asked.runtime.tenants.list(asked.principal)]


def tenant(asked: Asked) -> Document:
    """Return one tenant."""
    return _tenant(asked.tenant)


def new_tenant(asked: Asked) -> Document:
    """Make a tenant."""
    given = asked.body.given
    made = asked.runtime.tenants.create(
        asked.principal, given.pop("name"), given.pop("timezone", "UTC"), reason=asked.reason
    )
    if given:
        made = asked.runtime.tenants.edit(asked.principal, made.id, made.version, reason=asked.reason, **given)
    return _tenant(made)


def change_tenant(asked: Asked) -> Document:
    """Change a tenant."""
    found = asked.tenant
    version = found.version if asked.version is None else asked.version
    return _tenant(
        asked.runtime.tenants.edit(asked.principal, found.id, version, reason=asked.reason, **asked.body.given)
    )


def _tenant(one: Tenant) -> Document:
    said = {field: getattr(one, field) for field in EDITABLE}
    return {"id": one.id, **said, "created_at": moment(one.created_at), "version": one.version}


def erasures(asked: Asked, after: str, most: int) -> tuple[Sequence[Document], str]:
    """Return the newest certificates of erasures, as far as they are about the tenant, and what is next."""
    found = asked.runtime.erasures.list(asked.principal, asked.tenant, before=after, most=most + 1)
    return [one.document() for one in found[:most]], found[most - 1].id if len(found) > most else ""


def erase_user(asked: Asked) -> Document:
    """Erase a user of the tenant; the answer is the certificate."""
    made = asked.runtime.erasures.erase(asked.principal, asked.body.user, asked.tenant, reason=asked.reason)
    return made.document()


def export_user(asked: Asked) -> UserExport:
    """Give out all that is kept of a user of the tenant."""
    exports = asked.runtime.user_exports
    user = exports.user(asked.principal, asked.body.user, asked.tenant)
    return exports.export(asked.principal, user, reason=asked.reason)


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def key_page(asked: Asked, after: str, most: int) -> tuple[Sequence[Document], str]:
    """Return some of the keys that the caller may know of, and behind which one there are more."""
    named = asked.query.get("tenant")
    tenant_id = asked.runtime.tenants.find(asked.principal, named).id if named else None
    keys, last = asked.runtime.tenants.key_page(asked.principal, tenant_id, after=after, most=most)
    return [_key(one) for one in keys], last


def key(asked: Asked) -> Document:
    """Return one key, without its text."""
    return _key(asked.runtime.tenants.find_key(asked.principal, asked.id("key")))


def new_key(asked: Asked) -> Document:
    """Make a key; its text is in this answer and nowhere else."""
    given = asked.body.given
    owner = asked.runtime.tenants.find(asked.principal, given.pop("tenant"))
    new = asked.runtime.tenants.create_key(asked.principal, owner, reason=asked.reason, **given)
    return _key(asked.runtime.tenants.find_key(asked.principal, new.id)) | {"key": new.secret}


def change_key(asked: Asked) -> Document:
    """Change a key."""
    return _key(
        asked.runtime.tenants.edit_key(
            asked.principal, asked.id("key"), asked.version, reason=asked.reason, **asked.body.given
        )
    )


def rotate_key(asked: Asked) -> Document:
    """Give a key a new text, which is in this answer and nowhere else."""
    overlap = timedelta(hours=asked.body.overlap_hours)
    new = asked.runtime.tenants.rotate_key(
        asked.principal, asked.id("key"), overlap, asked.version, reason=asked.reason
    )
    return _key(asked.runtime.tenants.find_key(asked.principal, new.id)) | {
        "key": new.secret,
        "ended": new.ended or None,
    }


def revoke_key(asked: Asked) -> None:
    """Revoke a key."""
    asked.runtime.tenants.revoke_key(asked.principal, asked.id("key"), asked.version, reason=asked.reason)


def revoke_by_text(asked: Asked) -> Document:
    """Revoke the key of which only the text is known: without a version to match, so no id and no prefix will do."""
    text = key_in(asked.body.text)
    if text is None:
        raise NotFound("That is not the whole text of a key. By its id a key is revoked with DELETE.")
    return _key(asked.runtime.tenants.revoke_key(asked.principal, text, reason=asked.reason))


def _key(one: Key) -> Document:
    old = one.old and {
        "prefix": one.old.prefix,
        "ends_at": moment(one.old.ends_at),
        "used_at": moment(one.old.used_at),
    }
    return {
        "id": one.id,
        "tenant_id": one.tenant_id,
        "prefix": one.prefix,
        "name": one.name,
        "scopes": list(one.scopes),
        "models": list(one.models),
        "routes": list(one.routes),
        "ends_at": moment(one.ends_at),
        "rate_limit_per_min": one.rate_limit_per_min,
        "tokens_per_min": one.tokens_per_min,
        "concurrent_limit": one.concurrent_limit,
        "payer_id": one.payer_id,
        "created_at": moment(one.created_at),
        "revoked_at": moment(one.revoked_at),
        "rotated_at": moment(one.rotated_at),
        "used_at": moment(one.used_at),
        "old": old,
        "version": one.version,
    }


# ── Budgets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def budgets(asked: Asked) -> Sequence[Document]:
    """Return the budgets of a tenant."""
    found = asked.tenant
    return [_budget(one) for one in asked.runtime.budgets.all(asked.principal, [found]).get(found.id, [])]


def budget(asked: Asked) -> Document:
    """Return one budget, and how it stands."""
    return _budget(_state(asked))


def new_budget(asked: Asked) -> Document:
    """Set a budget where there is none."""
    given, owner = asked.body.given, asked.tenant
    scope, name = asked.body.scope, asked.body.scope_name
    terms = {field: given[field] for field in given.keys() - {"scope", "scope_name"}}
    try:
        _set_budget(asked, owner, terms, scope, name, 0)
    except Crossed:
        raise Conflict("There is a budget on this already. Change it at its own address.") from None
    return _budget(asked.runtime.budgets.show(asked.principal, owner, scope, name))


def change_budget(asked: Asked) -> Document:
    """Change a budget."""
    terms = _state(asked).terms
    given = {"limit_usd": as_dollars(terms.limit_nano_usd)} | asked.body.given
    _set_budget(asked, asked.tenant, given, terms.scope, terms.scope_name, asked.version)
    return budget(asked)


def remove_budget(asked: Asked) -> None:
    """Let a budget govern no longer."""
    asked.runtime.budgets.remove(asked.principal, asked.tenant, asked.id("budget"), asked.version, reason=asked.reason)


def new_raise(asked: Asked) -> Document:
    """Add money to a budget for a while."""
    body = asked.body
    asked.runtime.budgets.raise_limit(
        asked.principal,
        asked.tenant,
        asked.id("budget"),
        nano_usd(body.extra_usd),
        asked.version,
        ends_at=body.ends_at,
        starts_at=body.starts_at,
        reason=body.reason,
    )
    return budget(asked)


def withdraw_raise(asked: Asked) -> None:
    """End a raise of a budget now."""
    if all(one.id != asked.id("raise") for one in _state(asked).terms.raises):
        raise NotFound("This budget has no such raise any more.")
    asked.runtime.budgets.withdraw_raise(asked.principal, asked.tenant, asked.id("raise"), reason=asked.reason)


def _set_budget(  # noqa: PLR0917 what a budget is made of
    asked: Asked, owner: Tenant, given: Mapping[str, Any], scope: str, name: str, version: int | None
) -> None:
    asked.runtime.budgets.set(
        asked.principal,
        owner,
        nano_usd(str(given["limit_usd"])),
        version,
        scope=scope,
        scope_name=name,
        **{field: value for field, value in given.items() if field != "limit_usd"},
        reason=asked.reason,
    )


def _state(asked: Asked) -> BudgetState:
    found, wanted = asked.tenant, asked.id("budget")
    for one in asked.runtime.budgets.all(asked.principal, [found]).get(found.id, []):
        if one.budget_id == wanted:
            return one
    raise NotFound(f"Tenant {found.name} has no such budget any more.")


def _budget(state: BudgetState) -> Document:
    terms = state.terms
    return {
        "id": state.budget_id,
        "tenant_id": terms.tenant_id,
        "scope": terms.scope.value,
        "scope_name": terms.scope_name,
        "limit_usd": as_dollars(terms.limit_nano_usd),
        "period": terms.period.value,
        "mode": terms.mode.value,
        "thresholds": list(terms.thresholds),
        "starts_at": moment(terms.starts_at),
        "ends_at": moment(terms.ends_at),
        "raises": [_raise(one) for one in terms.raises],
        "spent_usd": as_dollars(state.spent_nano_usd),
        "held_usd": as_dollars(state.held_nano_usd),
        "resets_at": moment(state.ends_at),
        "version": state.version,
    }


def _raise(one: Raise) -> Document:
    return {
        "id": one.id,
        "extra_usd": as_dollars(one.extra_nano_usd),
        "starts_at": moment(one.starts_at),
        "ends_at": moment(one.ends_at),
        "reason": one.reason,
    }
