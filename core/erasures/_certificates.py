"""Certificates of erasures: what each was about and what went, read from its rows and written as JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, cast

from sqlalchemy import distinct, func, select
from sqlmodel import Session, col

from core.clock import EPOCH, iso, micros
from core.errors import Invalid
from core.principals import TenantScope
from core.tables import Erasure, Tenant
from core.visibility import visible

KEPT = (
    "Figures: times, models, tokens, costs, outcomes, and where which rule was broken.",
    "The ledger, and the audit trail, which says that somebody was erased, and by whose hand.",
    "The keyed hash, in the record of this erasure alone: so that late writers and restored backups obey it.",
)
"""What stays, and why."""
NOT_REACHED = (
    "Backups: after a restore, 'proctor erase --again' with this certificate erases anew.",
    "Providers, who keep what they keep; files that people took away; logs, which have the hash.",
    "Calls of others that name this person in their text.",
)
"""What an erasure cannot reach."""
_AHEAD = timedelta(days=1)
"""So far the clock of another machine may be: what is decided of calls that are to come would erase them too."""
STEPS = ("calls", "payloads", "answers", "sentences")
"""What is counted of what went."""
_ROWS = (
    select(
        *(getattr(Erasure, name) for name in ("certificate_id", "tenant_id", "user_hash", *STEPS)),
        col(Tenant.name).label("name"),
    )
    .outerjoin(Tenant, col(Tenant.id) == col(Erasure.tenant_id))
    .order_by(col(Erasure.certificate_id), col(Erasure.tenant_id), col(Erasure.user_hash))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedUser:
    """What went of one user of one tenant."""

    tenant_id: str
    tenant: str
    user_hashes: Sequence[str]
    calls: int
    payloads: int
    answers: int
    sentences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What one erasure was about, and what went."""

    id: str
    at: datetime
    """Of the calls that began by then."""
    by: str
    done_at: datetime | None
    """``None`` while it is being done."""
    tenants: int
    """How many tenants it holds in."""
    calls: int
    """How many calls were stripped, and so on, in all of these."""
    payloads: int
    answers: int
    sentences: int
    users: Sequence[ErasedUser] = ()
    """By tenant, also where nothing went: who writes late, or a backup that is restored, may have something yet.

    Nobody in a list of several tenants' certificates, which may be about thousands.
    """

    @property
    def found_nothing(self) -> bool:
        """Whether there was nothing of this user."""
        return not (self.calls or self.payloads or self.answers or self.sentences)

    def document(self) -> dict[str, Any]:
        """Return it as JSON; :meth:`Erasures.repeat` reads a whole one."""
        return {
            "id": self.id,
            "status": "done" if self.done_at else "in progress",
            "at": iso(self.at),
            "by": self.by,
            "done_at": iso(self.done_at) if self.done_at else None,
            "went": {step: getattr(self, step) for step in STEPS},
            "tenants": self.tenants,
            **self._whole(),
        }

    def _whole(self) -> dict[str, Any]:
        """Return what a list leaves out."""
        if not self.users:
            return {}
        users = [asdict(one) for one in self.users]
        return {"users": users, "kept": list(KEPT), "not_reached": list(NOT_REACHED)}


def certificates(
    session: Session, scope: TenantScope, before: str, most: int, id_: str = "", *, is_whole: bool = False
) -> list[Certificate]:
    """Return the newest certificates before one, or the one that is named, which is whole."""
    mine, named = visible(scope, Erasure.tenant_id), col(Erasure.certificate_id)
    asked = mine & (named == id_ if id_ else named < before if before else named != "")
    sums = [func.sum(getattr(Erasure, step)).label(step) for step in STEPS]
    acts = select(
        named,
        func.min(col(Erasure.at)).label("at"),
        func.min(col(Erasure.actor)).label("actor"),
        (func.count(col(Erasure.at)) - func.count(col(Erasure.done_at))).label("undone"),
        func.max(col(Erasure.done_at)).label("done_at"),
        func.count(distinct(col(Erasure.tenant_id))).label("tenants"),
        *sums,
    ).group_by(named)
    users: dict[str, list[ErasedUser]] = defaultdict(list)
    connection = session.connection()
    found = connection.execute(acts.where(asked).order_by(named.desc()).limit(most)).all()
    if found and (id_ or is_whole):
        users = _users(connection.execute(_ROWS.where(named.in_([one[0] for one in found]), mine)).all())
    return [
        Certificate(
            id=one[0],
            at=one.at,
            by=one.actor,
            done_at=None if one.undone else one.done_at,
            tenants=one.tenants,
            **{step: int(getattr(one, step)) for step in STEPS},
            users=users[one[0]],
        )
        for one in found
    ]


def _users(rows: Iterable[Any]) -> dict[str, list[ErasedUser]]:
    """Return who was erased by each certificate, by tenant: several hashes of one are one user."""
    found: dict[str, list[ErasedUser]] = defaultdict(list)
    for (id_, tenant_id, name), of in groupby(rows, lambda row: (row.certificate_id, row.tenant_id, row.name)):
        his = list(of)
        went = {step: sum(getattr(row, step) for row in his) for step in STEPS}
        hashes = [row.user_hash for row in his]
        found[id_].append(ErasedUser(tenant_id=tenant_id, tenant=name or tenant_id, user_hashes=hashes, **went))
    return found


def rows_of(document: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    """Return the rows that a certificate's document tells of; raises Invalid where it is none, or tells of nobody."""
    try:
        at = datetime.fromisoformat(document["at"])
        rows = [
            {
                "tenant_id": user["tenant_id"],
                "user_hash": hashed,
                "at": micros(at),
                "certificate_id": document["id"],
                "actor": document["by"],
            }
            for user in document["users"]
            for hashed in _listed(user["user_hashes"])
        ]
        are_words = all(isinstance(one, str) and one for row in rows for name, one in row.items() if name != "at")
        if rows and are_words and EPOCH <= at <= now + _AHEAD:
            return rows
    except (KeyError, TypeError, ValueError):
        pass
    raise Invalid("This is not the certificate of an erasure, as 'proctor erase --json' writes it.")


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return cast("list[Any]", value)
