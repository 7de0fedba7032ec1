"""Sessions: who is behind a cookie now. A row decides; what is known of it is at most a second old.

A cookie holds 256 random bits, of which the SHA-256 is kept. Role and name are never kept with it, and a row that is
gone opens nothing any more, in whatever process and whoever copied the cookie.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, delete, select

from core.clock import Clock, from_micros, micros
from core.errors import ProctorError, Unauthenticated
from core.people._grants import read_grants
from core.principals import Principal
from core.store import FOR_CHANGE, Store
from core.tables import Person, PersonSession

KNOWN_SECONDS = 1.0
"""How old what is known of a session may be: so long a revocation in another process may take to hold in this one."""
SEEN_EVERY = timedelta(minutes=1)
"""How often it is written that somebody is there."""
MOST_OF_ONE = 20
"""How many sessions a person has; the oldest ends when another begins."""
DOOR = "the console"
_MOST_KNOWN = 4096
_TOKEN = 43
"""Characters of 256 bits."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is behind a cookie."""

    session_id: str
    person_id: str
    principal: Principal
    vouched: tuple[str, str] = ("", "")
    """By whom the session began, and as whom: the name of a provider, and the subject there; else ``password`` or
    ``link``."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session at the only moment at which its token can be read."""

    person_id: str
    token: str
    seconds: int
    """How long it lasts at most."""

    def __repr__(self) -> str:
        return f"NewSession(person_id={self.person_id!r})"  # a token must not reach a log through a traceback


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as people see it."""

    id: str
    how: str
    began_at: datetime
    seen_at: datetime
    ends_at: datetime


class Sessions:
    """The sessions of all people."""

    def __init__(self, store: Store, clock: Clock, *, idle: timedelta, longest: timedelta) -> None:
        """*idle* is how long one lasts without being used, *longest* however much it is."""
        self._store = store
        self._clock = clock
        self._idle = idle
        self._longest = longest
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, datetime, Visitor]] = {}
        """By digest: when it was looked at, when it ends, and who it is."""
        self._nobody_at: float | None = None
        """When it was last found that there is nobody who could sign in; ``None``: there is, or it was never asked."""
        self._has_people = False
        self._look = store.prepare(
            "SELECT s.id, s.seen_at, s.ends_at, p.id, p.name, s.how, p.subject, g.role, g.tenant_id "
            "FROM person_session s JOIN person p ON p.id = s.person_id LEFT JOIN person_grant g ON g.person_id = p.id "
            "WHERE s.digest = :digest AND p.removed_at IS NULL"
        )
        self._anybody = store.prepare("SELECT id FROM person WHERE removed_at IS NULL LIMIT 1")
        self._seen = store.prepare("UPDATE person_session SET seen_at = :now WHERE id = :id AND seen_at < :before")
        self._seen_person = store.prepare("UPDATE person SET seen_at = :now WHERE id = :id")

    def must_sign_in(self) -> bool:
        """Whether the console is for those who sign in: as soon as there is a person, and ever after.

        Raises:
            Unavailable: the database does not answer.

        """
        if self._has_people:
            return True
        now = self._clock.monotonic()
        if self._nobody_at is None or now - self._nobody_at >= KNOWN_SECONDS:
            self._has_people = self._store.read_one(self._anybody, {}) is not None
            self._nobody_at = now
        return self._has_people

    def visitor(self, token: str) -> Visitor | None:
        """Return who is behind the *token* of a cookie; ``None`` if nobody is, or not any more.

        Raises:
            Unavailable: the database does not answer.

        """
        if len(token) != _TOKEN:
            return None
        digest, now, at = digest_of(token), self._clock.now(), self._clock.monotonic()
        with self._lock:
            known = self._known.get(digest)
        if known is not None and at - known[0] < KNOWN_SECONDS and now < known[1]:
            return known[2]
        rows = self._store.read_all(self._look, {"digest": digest})
        with self._lock:
            self._known.pop(digest, None)
            if not rows:
                return None
            session_id, seen, ends, person_id, name, how, subject, _, _ = rows[0]
            seen_at = from_micros(seen)
            ends_at = min(from_micros(ends), seen_at + self._idle)
            if now >= ends_at:
                return None
            grants = read_grants((role, tenant_id) for *_, role, tenant_id in rows if role is not None)
            principal = Principal(name, grants, door=DOOR, person_id=person_id)
            visitor = Visitor(session_id, person_id, principal, (how, subject or ""))
            while len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[digest] = at, ends_at, visitor
        if now - seen_at >= SEEN_EVERY:
            self._see(visitor, now)
        return visitor

    def leave(self, token: str) -> None:
        """End the session of a cookie, if there is one."""
        with self._store.writing() as session:
            session.exec(delete(PersonSession).where(col(PersonSession.digest) == digest_of(token)))
        self._forget()

    def _see(self, visitor: Visitor, now: datetime) -> None:
        """Write that somebody is there. Where the database does not take it, he is there all the same."""
        with suppress(ProctorError), self._store.transaction() as cursor:
            bound = {"now": micros(now), "before": micros(now - SEEN_EVERY), "id": visitor.session_id}
            cursor.execute(self._seen, bound)
            cursor.execute(self._seen_person, {"now": micros(now), "id": visitor.person_id})

    def _begin(self, session: Session, person: Person, how: str, instead_of: str = "") -> NewSession:
        """Begin a session in a transaction, in the place of that of the token *instead_of*.

        Raises:
            Unauthenticated: the person was removed meanwhile.

        """
        # Whoever removes a person changes this row first: so either he finds the session, or it is not begun.
        held = session.get(Person, person.id, with_for_update=FOR_CHANGE, populate_existing=True)
        if held is None or held.removed_at is not None:
            raise Unauthenticated("You cannot sign in here any more.")
        now = self._clock.now()
        own = col(PersonSession.person_id) == person.id
        if instead_of:
            session.exec(delete(PersonSession).where(col(PersonSession.digest) == digest_of(instead_of)))
        over = (col(PersonSession.ends_at) <= now) | (col(PersonSession.seen_at) <= now - self._idle)
        session.exec(delete(PersonSession).where(own, over))
        newest = select(PersonSession.id).where(own).order_by(col(PersonSession.began_at).desc())
        if oldest := session.exec(newest.offset(MOST_OF_ONE - 1)).all():
            session.exec(delete(PersonSession).where(col(PersonSession.id).in_(oldest)))
        token = secrets.token_urlsafe(32)
        session.add(
            PersonSession(
                id=self._clock.new_id(),
                person_id=person.id,
                digest=digest_of(token),
                how=how,
                began_at=now,
                seen_at=now,
                ends_at=now + self._longest,
            )
        )
        held.seen_at = now
        return NewSession(person.id, token, int(self._longest.total_seconds()))

    def _living(self, session: Session, person_id: str) -> Sequence[PersonSession]:
        now = self._clock.now()
        return session.exec(
            select(PersonSession)
            .where(
                col(PersonSession.person_id) == person_id,
                col(PersonSession.ends_at) > now,
                col(PersonSession.seen_at) > now - self._idle,
            )
            .order_by(col(PersonSession.seen_at).desc())
        ).all()

    def _forget(self) -> None:
        """Look anew at whoever comes next: something was decided here."""
        with self._lock:
            self._known.clear()
            self._nobody_at = None


def digest_of(token: str) -> str:
    """Return what is kept of a token: 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()
