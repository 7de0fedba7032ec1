"""A key as it may be shown, who holds one, and what each of its fields may hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from core.clock import EARLIEST, LATEST, minute
from core.errors import Forbidden, Invalid
from core.principals import USUAL_SCOPES, KeyScope, Principal
from core.servers import is_provider
from core.tables import ApiKey
from core.tenants._fields import LIMITS, LONGEST_NAME, checked

GRANTS = ("scopes", "models", "routes", "ends_at", *LIMITS)
"""The fields by which a key is bigger or smaller than another."""
KEY_FIELDS = ("name", *GRANTS)
STALE = timedelta(days=90)
"""Who has not used a key for so long may have forgotten it."""
_MOST_NAMED = 100
_ROUTE = re.compile(r"[^\s/]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OldText:
    """The text that a key had before it was rotated, as far as it may be shown."""

    prefix: str
    ends_at: datetime
    """Until then it opens the same door as the new one."""
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What may be shown of a key."""

    id: str
    tenant_id: str | None
    """``None`` of one that manages the whole deployment."""
    name: str
    prefix: str
    created_at: datetime
    revoked_at: datetime | None
    version: int = 1
    scopes: tuple[str, ...] = USUAL_SCOPES
    models: tuple[str, ...] = ()
    """Those that it may ask, as ``provider/name``; empty for all that its tenant may. So for the routes."""
    routes: tuple[str, ...] = ()
    rate_limit_per_min: int | None = None
    """Its own share of its tenant's limits; ``None`` is without one, as for the two below."""
    tokens_per_min: int | None = None
    concurrent_limit: int | None = None
    ends_at: datetime | None = None
    used_at: datetime | None = None
    """When it was last used, to a minute."""
    payer_id: str | None = None
    """The key whose budget pays, where that is not its own."""
    rotated_at: datetime | None = None
    old: OldText | None = None
    """The text before the last rotation, whether it still opens the door or not."""

    @property
    def is_live(self) -> bool:
        """Whether nobody has revoked it. It may have ended all the same."""
        return self.revoked_at is None

    def opens(self, at: datetime) -> bool:
        """Whether it opens the door at *at*."""
        return self.revoked_at is None and (self.ends_at is None or at < self.ends_at)

    @property
    def last_used_at(self) -> datetime | None:
        """When either of its texts was last used, to a minute; ``None`` where neither was."""
        used = (self.used_at, self.old.used_at if self.old else None)
        return max((one for one in used if one is not None), default=None)

    def is_stale(self, at: datetime) -> bool:
        """Whether nobody has revoked it, and nobody used it for ``STALE`` before *at*."""
        return self.is_live and (self.last_used_at or self.created_at) < at - STALE

    @classmethod
    def of(cls, row: ApiKey) -> Key:
        """Return what may be shown of *row*."""
        old: OldText | None = None
        if row.old_prefix is not None and row.old_ends_at is not None:
            old = OldText(prefix=row.old_prefix, ends_at=row.old_ends_at, used_at=row.old_used_at)
        return cls(
            id=row.id,
            tenant_id=row.tenant_id,
            name=row.name,
            prefix=row.prefix,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
            version=row.version,
            scopes=tuple(row.scopes),
            models=tuple(row.models),
            routes=tuple(row.routes),
            rate_limit_per_min=row.rate_limit_per_min,
            tokens_per_min=row.tokens_per_min,
            concurrent_limit=row.concurrent_limit,
            ends_at=row.ends_at,
            used_at=row.used_at,
            payer_id=row.payer_id,
            rotated_at=row.rotated_at,
            old=old,
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who holds a key."""

    principal: Principal
    tenant: str
    """The name of its tenant; empty of one that is the deployment's."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment at which it can be read."""

    id: str
    prefix: str
    secret: str
    ended: str = ""
    """The first characters of an older text that a rotation has ended at once; empty where there was none."""

    def __repr__(self) -> str:
        return f"NewKey(id={self.id!r}, prefix={self.prefix!r})"  # a key must not reach a log through a traceback


def checked_key(field: str, value: Any) -> Any:
    """Return *value* as a key keeps it in *field*.

    Raises:
        Invalid: the field cannot be set, or cannot have that value.

    """
    match field:
        case "name":
            return _label(value)
        case "scopes":
            return _scopes(value)
        case "models":
            return _words(value, "models", "written provider/name, such as openai/gpt-4o", _is_model)
        case "routes":
            return _words(value, "routes", "the names of routes", _is_route)
        case "ends_at":
            return _time(value)
        case _ if field in LIMITS:
            return checked(field, value)
        case _:
            raise Invalid(f"A key has no field {field!r} that can be set; it has {', '.join(KEY_FIELDS)}.")


def described(key: ApiKey | Key) -> dict[str, Any]:
    """Return what an audit entry says of a key."""
    said = {field: getattr(key, field) for field in KEY_FIELDS}
    said |= {field: [str(one) for one in said[field]] for field in ("scopes", "models", "routes")}
    return said | {"ends_at": key.ends_at.isoformat() if key.ends_at else None}


def require_no_bigger(maker: ApiKey, values: Mapping[str, Any]) -> None:
    """Go on only if a key of these *values*, all of ``GRANTS``, may do nothing that *maker* may not.

    Raises:
        Forbidden: it could; the sentence says by what.

    """
    named = f"key {maker.prefix}…"
    if KeyScope.MANAGE in values["scopes"] and (maker.tenant_id is not None or values.get("tenant_id") is None):
        raise Forbidden(f"The {named} may not hand out the scope manage; an owner does at the command line.")
    for field in ("models", "routes"):
        most, wanted = cast("list[str]", getattr(maker, field)), cast("list[str]", values[field])
        if most and (not wanted or set(wanted) - set(most)):
            raise Forbidden(f"The {named} may hand out no other {field} than its own: {', '.join(most)}.")
    if maker.ends_at is not None and (values["ends_at"] is None or values["ends_at"] > maker.ends_at):
        raise Forbidden(f"A key that the {named} makes ends by {minute(maker.ends_at)}, as that does.")
    for field, words in LIMITS.items():
        most = getattr(maker, field)
        if most is not None and (values[field] is None or values[field] > most):
            raise Forbidden(f"The {named} may hand out no more than its own {most:,} {words}.")


def _label(value: object) -> str:
    label = " ".join(value.split()) if isinstance(value, str) else None
    if label is None or not label.isprintable():
        raise Invalid("A key's name is a short text that says what it is for.")
    if len(label) > LONGEST_NAME:
        raise Invalid(f"A key's name may have at most {LONGEST_NAME} characters; this one has {len(label)}.")
    return label


def _listed(value: object) -> list[str] | None:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return None
    words = list(dict.fromkeys(cast("Iterable[Any]", value)))
    return [str(word) for word in words] if all(isinstance(word, str) for word in words) else None


def _scopes(value: object) -> list[str]:
    words = _listed(value)
    if not words or set(words) - set(KeyScope):
        raise Invalid(f"A key's scopes are one or several of {', '.join(KeyScope)}.")
    return [one.value for one in KeyScope if one in words]


def _words(value: object, field: str, form: str, fits: Callable[[str], bool]) -> list[str]:
    words = _listed(value)
    if words is None or len(words) > _MOST_NAMED or not all(fits(word) for word in words):
        raise Invalid(f"A key's {field} are at most {_MOST_NAMED}, {form}; an empty list is all that its tenant may.")
    return words


def _is_route(word: str) -> bool:
    return _ROUTE.fullmatch(word) is not None and word.isprintable()


def _is_model(word: str) -> bool:
    provider, _, model = word.partition("/")
    return bool(is_provider(provider) and model and len(word) <= 200 and word.isprintable())


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Invalid("A key's end is a time with its zone, such as 2026-12-31T00:00:00Z, or nothing for never.")
    if not EARLIEST <= value < LATEST:
        raise Invalid(f"A key ends between the years {EARLIEST:%Y} and {LATEST:%Y}; without an end it never does.")
    return value.astimezone(UTC)
