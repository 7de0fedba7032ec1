"""Erasures: of one user's calls every word goes, and the figures stay.

An erasure is a row that stays: who writes late asks for it in the statement that would keep a text. A chore goes again
and again through those that are not done or are new, so that calls which were out obey them; another goes through all,
at a start and once a day, so that records which waited long in a file, and a backup that was restored, do too. Each is
carried out some hundred calls at a time; one that was cut goes on where it was, since what has gone is not found any
more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from core import audit
from core.clock import EPOCH, Clock, micros
from core.erasures._certificates import KEPT as KEPT
from core.erasures._certificates import NOT_REACHED as NOT_REACHED
from core.erasures._certificates import Certificate as Certificate
from core.erasures._certificates import ErasedUser as ErasedUser
from core.erasures._certificates import certificates, rows_of
from core.erasures._following import LATE as LATE
from core.erasures._following import SETTLED as SETTLED
from core.erasures._following import Following
from core.errors import Invalid, NotFound
from core.principals import EVERYWHERE, Permission, Principal, TenantScope
from core.store import AT_ONCE, Store
from core.tables import GenerationRow, Payload, Tenant
from core.visibility import present, visible

MOST_LISTED = 50
LONGEST_USER = 512
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


class Erasures:
    """Erases users, and tells what went."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._add = store.prepare(_ADD)
        self._following = Following(store, clock)

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

    def erase(
        self,
        principal: Principal,
        user: str,
        tenant: Tenant | None = None,
        *,
        reason: str = "",
        told: Callable[[int], None] | None = None,
    ) -> Certificate:
        """Erase all of *user*, by the name that callers send, in one tenant or in all; return what went.

        *told* is told of how many calls something went so far; should it raise, a chore does the rest. Where there is
        nothing it is decided all the same: of a call that is out nothing will be kept.

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
        self._following.carry_out(id_, told)
        return self.certificate(principal, id_)

    def repeat(self, principal: Principal, documents: Iterable[Mapping[str, Any]]) -> int:
        """Take certificates in that this database does not have, as after a restore, and carry out all there are.

        Return of how many calls something went.

        Raises:
            Forbidden: without ``users.erase`` over all tenants.
            Invalid: one is not the document of a certificate.

        """
        principal.require_over(Permission.USERS_ERASE, None)
        now = self._clock.now()
        for some in _some(row for one in documents for row in rows_of(one, now)):
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
        return self.follow_up() + self.follow_up_all()

    def certificate(self, principal: Principal, id_: str) -> Certificate:
        """Return a certificate by its id, as far as it is about tenants of whoever asks.

        Raises:
            Forbidden: without ``users.erase``.
            NotFound: there is none.

        """
        principal.require(Permission.USERS_ERASE)
        found = self._listed(principal.scope_of(Permission.USERS_ERASE), "", 1, id_)
        if not found:
            raise NotFound(f"There is no certificate of an erasure with the id {id_!r}.")
        return found[0]

    def list(
        self, principal: Principal, tenant: Tenant | None = None, *, before: str = "", most: int = MOST_LISTED
    ) -> Sequence[Certificate]:
        """Return certificates, the newest first, at most so many; older ones are those *before* the id of one.

        Of one tenant they are whole as far as they are about that; of all they are without those who were erased.

        Raises:
            Forbidden: without ``users.erase``.

        """
        principal.require(Permission.USERS_ERASE)
        scope = principal.scope_of(Permission.USERS_ERASE).narrowed(tenant.id if tenant else None)
        return self._listed(scope, before, most, is_whole=tenant is not None)

    def every(self, principal: Principal) -> Iterator[Certificate]:
        """Yield all certificates, whole, the newest first: one is read at a time.

        Raises:
            Forbidden: without ``users.erase``.

        """
        principal.require(Permission.USERS_ERASE)
        return self._every(principal.scope_of(Permission.USERS_ERASE))

    def _every(self, scope: TenantScope) -> Iterator[Certificate]:
        before = ""
        while found := self._listed(scope, before, MOST_LISTED):
            for one in found:
                yield from self._listed(scope, "", 1, one.id)
            before = found[-1].id

    def _listed(
        self, scope: TenantScope, before: str, most: int, id_: str = "", *, is_whole: bool = False
    ) -> Sequence[Certificate]:
        with self._store.reading() as session:
            return certificates(session, scope, before, most, id_, is_whole=is_whole)

    def follow_up(self) -> int:
        """Carry out what is not done, and look again for what was written late; return of how many calls.

        Raises:
            Unavailable: the database does not answer; the next one goes on.

        """
        return self._following.open_ones() + self._following.since(self._clock.now() - LATE)

    def follow_up_all(self) -> int:
        """Carry out all erasures that there ever were; return of how many calls something went.

        Raises:
            Unavailable: the database does not answer; the next one goes on.

        """
        return self._following.since(EPOCH)

    def _hashes(self, user: str, scope: TenantScope) -> list[dict[str, Any]]:
        """Return tenant and hash of all that *user* may be kept as in these tenants."""
        user = checked_user(user)
        with self._store.reading() as session:
            tenants = session.exec(select(Tenant.id).where(visible(scope, Tenant.id))).all()
        hashes = self._store.own_keys.user_hashes
        return [{"tenant_id": one, "user_hash": hashed} for one in tenants for hashed in hashes(one, user)]


def checked_user(user: str) -> str:
    """Return the name of a user as callers send it; raises Invalid where none can."""
    if not user or len(user) > LONGEST_USER:
        raise Invalid(f"Name the user as callers do in 'user': 1 to {LONGEST_USER} characters.")
    return user


def _some(rows: Iterable[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    """Yield *rows*, as many at a time as one transaction takes."""
    left = iter(rows)
    while some := list(islice(left, AT_ONCE)):
        yield some


def _of_pairs(pairs: Sequence[tuple[str, str]]) -> Any:
    """Return the condition that a generation is of one of these tenants and users; a hash is of one tenant alone."""
    tenants, hashes = {one[0] for one in pairs}, {one[1] for one in pairs}
    return col(GenerationRow.tenant_id).in_(sorted(tenants)) & col(GenerationRow.user_hash).in_(sorted(hashes))
