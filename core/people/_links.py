"""Links that are used once: an invitation to choose a password, and the one with which the first owner comes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, delete, select

from core.clock import micros
from core.errors import Conflict, Unauthenticated
from core.people._sessions import Sessions, digest_of
from core.principals import Permission, Principal
from core.store import Duplicate
from core.tables import Invitation, Person

INVITED_FOR = timedelta(days=7)
FIRST_FOR = timedelta(hours=24)
FIRST = "first-owner"
"""The id of the one row of the first owner's link: of two processes that start at once one makes it."""


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link at the only moment at which it can be read."""

    path: str
    """Where the console answers it: it is to be sent behind the console's address."""
    expires_at: datetime
    name: str = ""
    """For whom it is; empty for the first owner."""

    def __repr__(self) -> str:
        return f"NewLink(name={self.name!r})"  # it must not reach a log through a traceback


class Links(Sessions):
    """The links that are out."""

    def invited(self, token: str) -> str:
        """Return for whom the invitation *token* is.

        Raises:
            Unauthenticated: it is used, too old, or none of ours.

        """
        wanted = select(Person.name).join(Invitation, col(Invitation.person_id) == col(Person.id))
        with self._store.reading() as session:
            name = session.exec(
                wanted.where(Invitation.digest == digest_of(token), col(Invitation.expires_at) > self._clock.now())
            ).first()
        if name is None:
            raise _dead()
        return name

    def require_first(self, token: str) -> None:
        """Go on only if *token* is that of the first owner's link.

        Raises:
            Conflict: there is an owner already.
            Unauthenticated: it is used, too old, or none of ours.

        """
        if self.must_sign_in():
            raise _too_late()
        wanted = select(Invitation.id).where(Invitation.id == FIRST, Invitation.digest == digest_of(token))
        with self._store.reading() as session:
            if session.exec(wanted.where(col(Invitation.expires_at) > self._clock.now())).first() is None:
                raise _dead()

    def open_first(self, principal: Principal) -> NewLink:
        """Make the link with which the first owner comes; an older one opens nothing any more.

        Raises:
            Forbidden: without ``people.write`` over all tenants.
            Conflict: there is somebody already who can let others in.

        """
        principal.require_over(Permission.PEOPLE_WRITE, None)
        with self._store.writing() as session:
            if session.exec(select(Person.id).where(col(Person.removed_at).is_(None)).limit(1)).first():
                raise Conflict("There is somebody already who signs in. An owner invites others.")
            session.exec(delete(Invitation).where(col(Invitation.id) == FIRST))
            return self._made(session, FIRST, None, FIRST_FOR)

    def open_first_once(self) -> NewLink | None:
        """Make that link if nobody signs in yet and there is none that still opens: the first process tells it."""
        token, now = secrets.token_urlsafe(32), self._clock.now()
        made = self._store.prepare(
            "INSERT INTO invitation (id, person_id, digest, created_at, expires_at) "
            "SELECT :id, NULL, :digest, :now, :end WHERE NOT EXISTS (SELECT 1 FROM person WHERE removed_at IS NULL) "
            "ON CONFLICT (id) DO UPDATE SET "
            "digest = excluded.digest, created_at = excluded.created_at, expires_at = excluded.expires_at "
            "WHERE invitation.expires_at <= excluded.created_at"
        )
        end = now + FIRST_FOR
        bound = {"id": FIRST, "digest": digest_of(token), "now": micros(now), "end": micros(end)}
        try:
            is_ours = self._store.write_one(made, bound) == 1
        except Duplicate:
            return None
        return NewLink(f"/first-owner/{token}", end) if is_ours else None

    def _linked(self, session: Session, person: Person) -> NewLink:
        """Make an invitation, in the place of older ones."""
        session.exec(delete(Invitation).where(col(Invitation.person_id) == person.id))
        return self._made(session, self._clock.new_id(), person, INVITED_FOR)

    def _made(self, session: Session, id_: str, person: Person | None, lasts: timedelta) -> NewLink:
        token, now = secrets.token_urlsafe(32), self._clock.now()
        session.add(
            Invitation(
                id=id_,
                person_id=person.id if person else None,
                digest=digest_of(token),
                created_at=now,
                expires_at=now + lasts,
            )
        )
        kind = "invitation" if person else "first-owner"
        return NewLink(f"/{kind}/{token}", now + lasts, person.name if person else "")

    def _spend(self, session: Session, token: str) -> Person:
        """Use an invitation up; return whose it was. Of two who use it at once one is refused."""
        used = delete(Invitation).where(
            col(Invitation.digest) == digest_of(token),
            col(Invitation.expires_at) > self._clock.now(),
            col(Invitation.person_id).is_not(None),
        )
        person_id = session.connection().execute(used.returning(col(Invitation.person_id))).scalar()
        person = session.get(Person, person_id) if person_id else None
        if person is None or person.removed_at is not None:
            raise _dead()
        return person

    def _spend_first(self, session: Session, token: str | None = None) -> None:
        """Use the first owner's link up: with its *token*, or as somebody came another way.

        Raises:
            Conflict: it was used in this very moment.

        """
        used = delete(Invitation).where(col(Invitation.id) == FIRST)
        if token is not None:
            used = used.where(col(Invitation.digest) == digest_of(token))
        if not session.connection().execute(used).rowcount and token is not None:
            raise _too_late()


def _dead() -> Unauthenticated:
    return Unauthenticated("This link was used already, or is too old. Ask whoever gave it to you for another one.")


def _too_late() -> Conflict:
    return Conflict("Somebody else was quicker: there is an owner already. Sign in, or ask for an invitation.")
