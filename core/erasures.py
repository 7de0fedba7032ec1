"""Erasures: of one user's calls every word goes, and the figures stay.

An erasure is a row that stays: who writes late asks for it in the statement that would keep a text, and a chore goes
through all of them again and again, so that calls which were out, records that waited in a file, and a backup that was
restored obey it. It is carried out some hundred calls at a time; one that was cut goes on where it was, since what has
gone is not found any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, update
from sqlmodel import col, select

from core import audit
from core.claims import forget_answers
from core.clock import Clock, from_micros, micros
from core.errors import Invalid, NotFound
from core.journal import ERASED_TRACE, erase
from core.principals import EVERYWHERE, Permission, Principal, TenantScope
from core.store import AT_ONCE, Store
from core.tables import Erasure, GenerationRow, Payload, Tenant, as_json
from core.visibility import present, visible

SETTLED = timedelta(minutes=1)
"""So long after its record a call may still leave an answer that is to be given again; until then it stays findable."""
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
_MOST_LISTED = 200
_LONGEST_USER = 512
_STEPS = ("calls", "payloads", "answers", "sentences")
# From the erasures on, in this order: a database that knows nothing of its tables would rather read all calls.
_FOUND = f"""
    SELECT g.id, e.tenant_id, e.user_hash, e.at FROM erasure e CROSS JOIN generation g
    WHERE g.tenant_id = e.tenant_id AND g.user_hash = e.user_hash AND g.started_at <= e.at AND g.user_hash IS NOT NULL
    {{which}} LIMIT {AT_ONCE}
"""  # noqa: S608 written here
_OF_ONE = "AND e.certificate_id = :id"
_OLD, _YOUNG = "AND g.ended_at <= :settled", "AND g.ended_at > :settled AND g.trace <> :erased"
_ADD = """
    INSERT INTO erasure (tenant_id, user_hash, at, certificate_id, actor, calls, payloads, answers, sentences)
    VALUES (:tenant_id, :user_hash, :at, :certificate_id, :actor, 0, 0, 0, 0) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRows:
    """How much there is of a user."""

    calls: int = 0
    payloads: int = 0
    """Rows of prompts and answers."""
    tenants: int = 0


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
    users: Sequence[ErasedUser]
    """By tenant, also where nothing went: who writes late, or a backup that is restored, may have something yet."""
    tenants: int
    """How many tenants it holds in."""

    def count(self, of: str) -> int:
        """Return how many ``calls``, ``payloads``, ``answers`` or ``sentences`` went."""
        return sum(getattr(one, of) for one in self.users)

    @property
    def found_nothing(self) -> bool:
        """Whether there was nothing of this user."""
        return not any(map(self.count, _STEPS))

    def within(self, tenant_id: str) -> Certificate:
        """Return what of it is about one tenant."""
        users = [one for one in self.users if one.tenant_id == tenant_id]
        return replace(self, users=users, tenants=len(users))

    def document(self) -> dict[str, Any]:
        """Return it as JSON, as :meth:`Erasures.repeat` reads it."""
        return {
            "id": self.id,
            "status": "done" if self.done_at else "in progress",
            "at": self.at.isoformat(),
            "by": self.by,
            "done_at": self.done_at.isoformat() if self.done_at else None,
            "went": {step: self.count(step) for step in _STEPS},
            "tenants": self.tenants,
            "users": [asdict(one) for one in self.users],
            "kept": list(KEPT),
            "not_reached": list(NOT_REACHED),
        }


class Erasures:
    """Erases users, and tells what went."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._add = store.prepare(_ADD)

    # ── Decisions ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def found(self, principal: Principal, user: str, tenant: Tenant | None = None) -> UserRows:
        """Return how much there is of *user*, by the name that callers send, in one tenant or in all that are seen.

        Raises:
            Forbidden: without ``users.erase``.
            Invalid: the name is none that a caller can send.

        """
        principal.require(Permission.USERS_ERASE)
        scope = principal.scope_of(Permission.USERS_ERASE).narrowed(tenant.id if tenant else None)
        calls = payloads = 0
        tenants: set[str] = set()
        for some in _some(self._hashes(user, scope)):
            pairs = _of_pairs([(one["tenant_id"], one["user_hash"]) for one in some])
            by_tenant = select(GenerationRow.tenant_id, func.count()).where(pairs).group_by(GenerationRow.tenant_id)
            rows = (
                select(func.count())
                .select_from(Payload)
                .join(GenerationRow, col(GenerationRow.id) == col(Payload.generation_id))
            )
            with self._store.scanning() as session:
                counts = dict(session.exec(by_tenant).all())
                payloads += session.exec(rows.where(pairs)).one() if counts else 0
            calls += sum(counts.values())
            tenants |= counts.keys()
        return UserRows(calls=calls, payloads=payloads, tenants=len(tenants))

    def erase(self, principal: Principal, user: str, tenant: Tenant | None = None, *, reason: str = "") -> Certificate:
        """Erase all of *user*, by the name that callers send, in one tenant or in all; return what went.

        Where there is nothing it is decided all the same: of a call that is out nothing will be kept.

        Raises:
            Forbidden: without ``users.erase`` there.
            Invalid: the name is none that a caller can send; or the reason is too long.
            NotFound: the tenant is gone.

        """
        principal.require_over(Permission.USERS_ERASE, tenant.id if tenant else None)
        rows = self._hashes(user, EVERYWHERE.narrowed(tenant.id if tenant else None))
        now, id_ = self._clock.now(), self._clock.new_id()
        said = {"at": micros(now), "certificate_id": id_, "actor": principal.name}
        with self._store.writing() as session:
            where = present(session, tenant).name if tenant else "all tenants"
            self._store.cursor(session).executemany(self._add, [one | said for one in rows])
            audit.record(
                session,
                self._clock,
                by=principal,
                action="user.erase",
                kind="tenant",
                subject=where,
                summary=f"A user of {where} was erased: certificate {id_}.",
                tenant_id=tenant.id if tenant else None,
                after={"certificate": id_},
                reason=reason,
            )
        self._carry_out(id_)
        return self.certificate(principal, id_)

    def repeat(self, principal: Principal, documents: Iterable[Mapping[str, Any]]) -> int:
        """Take certificates in that this database does not have, as after a restore, and carry out all there are.

        Return of how many calls something went.

        Raises:
            Forbidden: without ``users.erase`` over all tenants.
            Invalid: one is not the document of a certificate.

        """
        principal.require_over(Permission.USERS_ERASE, None)
        rows = [row for one in documents for row in _rows_of(one)]
        for some in _some(rows):
            with self._store.writing() as session:
                self._store.cursor(session).executemany(self._add, some)
                audit.record(
                    session,
                    self._clock,
                    by=principal,
                    action="user.erase",
                    kind="tenant",
                    subject="certificates",
                    summary=f"{len({one['certificate_id'] for one in some})} certificates of erasures were taken in.",
                )
        return self.follow_up()

    def certificate(self, principal: Principal, id_: str) -> Certificate:
        """Return a certificate by its id, as far as it is about tenants of whoever asks.

        Raises:
            Forbidden: without ``users.erase``.
            NotFound: there is none.

        """
        principal.require(Permission.USERS_ERASE)
        found = self._certificates(principal, [id_])
        if not found:
            raise NotFound(f"There is no certificate of an erasure with the id {id_!r}.")
        return found[0]

    def list(self, principal: Principal) -> Sequence[Certificate]:
        """Return the newest certificates, at most 200, the newest first.

        Raises:
            Forbidden: without ``users.erase``.

        """
        principal.require(Permission.USERS_ERASE)
        mine = visible(principal.scope_of(Permission.USERS_ERASE), Erasure.tenant_id)
        newest = select(Erasure.certificate_id).where(mine).group_by(Erasure.certificate_id)
        with self._store.reading() as session:
            ids = session.exec(newest.order_by(col(Erasure.certificate_id).desc()).limit(_MOST_LISTED)).all()
        return self._certificates(principal, ids)

    def _hashes(self, user: str, scope: TenantScope) -> list[dict[str, Any]]:
        """Return tenant and hash of all that *user* may be kept as in these tenants."""
        if not user or len(user) > _LONGEST_USER:
            raise Invalid(f"Name the user as callers do in 'user': 1 to {_LONGEST_USER} characters.")
        with self._store.reading() as session:
            tenants = session.exec(select(Tenant.id).where(visible(scope, Tenant.id))).all()
        hashes = self._store.own_keys.user_hashes
        return [{"tenant_id": one, "user_hash": hashed} for one in tenants for hashed in hashes(one, user)]

    def _certificates(self, principal: Principal, ids: Sequence[str]) -> list[Certificate]:
        mine = visible(principal.scope_of(Permission.USERS_ERASE), Erasure.tenant_id)
        with self._store.reading() as session:
            rows = session.exec(select(Erasure).where(col(Erasure.certificate_id).in_(ids), mine)).all()
            names = dict(session.exec(select(Tenant.id, Tenant.name)).all())
        acts: dict[str, list[Erasure]] = defaultdict(list)
        for row in rows:
            acts[row.certificate_id].append(row)
        return [_certificate(id_, acts[id_], names) for id_ in sorted(acts, reverse=True)]

    # ── Carrying out ──────────────────────────────────────────────────────────────────────────────────────────────────

    def follow_up(self) -> int:
        """Carry out all erasures: what was written late goes, and what a restore brought back.

        Return of how many calls something went.

        Raises:
            Unavailable: the database does not answer; the next one goes on.

        """
        return self._carry_out(None)

    def _carry_out(self, certificate_id: str | None) -> int:
        asked: dict[str, Any] = {"settled": micros(self._clock.now() - SETTLED)}
        begun = self._open(certificate_id)  # one that is decided meanwhile is whoever's decided it
        erased, of_one = 0, ""
        if certificate_id is not None:
            asked["id"], of_one = certificate_id, _OF_ONE
        for which, more in ((_OLD, {}), (_YOUNG, {"erased": as_json(ERASED_TRACE)})):
            sql = self._store.prepare(_FOUND.format(which=f"{which} {of_one}"))
            while True:
                with self._store.scanning() as session:
                    found = session.connection().exec_driver_sql(sql, asked | more).all()
                if not found:
                    break
                erased += self._erase(found, forgets_user=which is _OLD)
                self._store.rest()
        self._end(begun)
        return erased

    def _erase(self, found: Sequence[Any], *, forgets_user: bool) -> int:
        """Erase some calls that were found, with whom they are of, in one transaction; return how many."""
        of: dict[tuple[str, str, int], list[str]] = defaultdict(list)
        for row in {row.id: row for row in found}.values():  # two erasures of one user may meet the same call
            of[row.tenant_id, row.user_hash, row.at].append(row.id)
        with self._store.writing() as session:
            for (tenant_id, user_hash, at), ids in of.items():
                went = {**erase(session, ids, forgets_user=forgets_user), "answers": forget_answers(session, ids)}
                is_it = (
                    col(Erasure.tenant_id) == tenant_id,
                    col(Erasure.user_hash) == user_hash,
                    col(Erasure.at) == from_micros(at),
                )
                more = {step: getattr(Erasure, step) + count for step, count in went.items()}
                session.connection().execute(update(Erasure).where(*is_it).values(more))
        return sum(map(len, of.values()))

    def _open(self, certificate_id: str | None) -> Sequence[str]:
        """Return the certificates, or the one that is named, of which it is not written yet that all is done."""
        is_open = col(Erasure.done_at).is_(None)
        if certificate_id is not None:
            is_open &= col(Erasure.certificate_id) == certificate_id
        with self._store.reading() as session:
            return session.exec(select(Erasure.certificate_id).where(is_open).distinct()).all()

    def _end(self, ids: Sequence[str]) -> None:
        """Write down that all is done."""
        for id_ in ids:
            is_it = col(Erasure.certificate_id) == id_, col(Erasure.done_at).is_(None)
            with self._store.writing() as session:
                session.connection().execute(update(Erasure).where(*is_it).values(done_at=self._clock.now()))


def _some(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    """Yield *rows*, as many at a time as one transaction takes."""
    for begin in range(0, len(rows), AT_ONCE):
        yield rows[begin : begin + AT_ONCE]


def _of_pairs(pairs: Sequence[tuple[str, str]]) -> Any:
    """Return the condition that a generation is of one of these tenants and users; a hash is of one tenant alone."""
    tenants, hashes = {one[0] for one in pairs}, {one[1] for one in pairs}
    return col(GenerationRow.tenant_id).in_(sorted(tenants)) & col(GenerationRow.user_hash).in_(sorted(hashes))


def _certificate(id_: str, rows: Sequence[Erasure], names: Mapping[str, str]) -> Certificate:
    by_tenant: dict[str, list[Erasure]] = defaultdict(list)
    for row in rows:
        by_tenant[row.tenant_id].append(row)
    users = [
        ErasedUser(
            tenant_id=tenant_id,
            tenant=names.get(tenant_id, tenant_id),
            user_hashes=sorted(row.user_hash for row in of),
            **{step: sum(getattr(row, step) for row in of) for step in _STEPS},
        )
        for tenant_id, of in sorted(by_tenant.items())
    ]
    ended = [row.done_at for row in rows if row.done_at]
    return Certificate(
        id=id_,
        at=rows[0].at,
        by=rows[0].actor,
        done_at=max(ended) if len(ended) == len(rows) else None,
        users=users,
        tenants=len(users),
    )


def _rows_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that a certificate's document tells of."""
    try:
        said = {
            "at": micros(datetime.fromisoformat(document["at"])),
            "certificate_id": str(document["id"]),
            "actor": str(document["by"]),
        }
        return [
            {"tenant_id": str(user["tenant_id"]), "user_hash": str(hashed), **said}
            for user in document["users"]
            for hashed in user["user_hashes"]
        ]
    except (KeyError, TypeError, ValueError):
        raise Invalid("This is not the certificate of an erasure, as 'proctor erase --json' writes it.") from None
