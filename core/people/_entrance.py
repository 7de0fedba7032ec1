"""Who comes in: by a password, by an invitation, or as the first owner."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import col, delete

from core.clock import Clock
from core.errors import Unauthenticated
from core.people._grants import of_person
from core.people._names import folded_name, person_name
from core.people._passwords import Passwords, chosen, normal
from core.people._register import Register
from core.people._sessions import NewSession
from core.people._throttle import Throttle
from core.principals import Grant, Permission, Principal, Role
from core.store import FOR_CHANGE, Store
from core.tables import Invitation, Person, PersonSession
from core.telemetry import log

_UNKNOWN = "Name or password is not right."


class Entrance(Register):
    """The ways in."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        idle: timedelta = timedelta(hours=24),
        longest: timedelta = timedelta(days=30),
        passwords: Passwords | None = None,
    ) -> None:
        super().__init__(store, clock, idle=idle, longest=longest)
        self._passwords = passwords or Passwords()
        self._throttle = Throttle(store, clock)
        self._by_name = store.prepare(
            "SELECT id, password_hash FROM person WHERE folded_name = :name AND removed_at IS NULL"
        )

    def sign_in(self, name: str, password: str, address: str, instead_of: str = "") -> NewSession:
        """Begin a session of whoever has that name and password; that of the token *instead_of* ends.

        *address* is from where it is tried. Takes a fifth of a second of a core.

        Raises:
            Invalid: a name or a password that nobody can have.
            RateLimited: too many wrong ones came; nothing was looked at.
            Unauthenticated: they do not belong together. The sentence is the same whoever has the name.

        """
        folded, password = folded_name(name), normal(password)
        self._throttle.take(folded, address)
        found: tuple[str, str | None] | None = self._store.read_one(self._by_name, {"name": folded})
        person_id, kept = found or ("", None)
        is_right, newer = self._passwords.verified(password, kept)
        if not is_right:
            log().info("sign_in_refused", peer=address)
            raise Unauthenticated(_UNKNOWN)
        self._throttle.give_back(folded, address)
        with self._store.writing() as session:
            person = session.get(Person, person_id, with_for_update=FOR_CHANGE)
            if person is None or person.password_hash != kept:  # changed in this very moment
                raise Unauthenticated(_UNKNOWN)
            new = self._begin(session, person, "password", instead_of)
            person.password_hash = newer or kept
        self._forget()
        log().info("signed_in", person=person_id, how="password", peer=address)
        return new

    def accept(self, token: str, password: str, instead_of: str = "") -> NewSession:
        """Let whoever holds an invitation choose a password, once, and sign in.

        Raises:
            Unauthenticated: the link is used, too old, or none of ours.
            Invalid: a password that nobody should choose.

        """
        hashed = self._passwords.hashed(chosen(password, self.invited(token)))
        with self._store.writing() as session:
            person = self._spend(session, token)
            person.password_hash = hashed
            session.exec(delete(PersonSession).where(col(PersonSession.person_id) == person.id))
            by = Principal(person.name, of_person(session, person.id), door="an invitation", person_id=person.id)
            self._record(session, by, "person.accept", person, f"{person.name} chose a password by an invitation.")
            session.flush()
            new = self._begin(session, person, "link", instead_of)
        self._forget()
        return new

    def become_first_owner(self, token: str, name: str, password: str, instead_of: str = "") -> NewSession:
        """Make whoever holds the link for it the first owner, once, and sign him in.

        Raises:
            Unauthenticated: the link is used, too old, or none of ours.
            Invalid: a name that nobody can have, or a password that nobody should choose.
            Conflict: somebody was quicker.

        """
        self.require_first(token)
        shown = person_name(name)
        hashed = self._passwords.hashed(chosen(password, shown))
        with self._store.writing() as session:
            self._spend_first(session, token)
            by = Principal(shown, (Grant(Role.OWNER),), door="the link for the first owner")
            person = self._added(
                session, by, "person.create", name=shown, grants=(Grant(Role.OWNER),), password_hash=hashed
            )
            new = self._begin(session, person, "link", instead_of)
        self._forget()
        return new

    def change_password(
        self,
        principal: Principal,
        person_id: str,
        password: str,
        *,
        current: str | None = None,
        address: str = "",
        reason: str = "",
    ) -> None:
        """Give somebody another password; all his sessions end. One's own takes the *current* one.

        Raises:
            Forbidden: it is another's, without ``people.write`` over all tenants, or he has more than *principal*.
            Invalid: a password that nobody should choose.
            Unauthenticated: the current one is not right.
            RateLimited: too many wrong ones came.
            NotFound: there is no such person.

        """
        is_own = principal.person_id == person_id
        if not is_own:
            principal.require_over(Permission.PEOPLE_WRITE, None)
        person = self._person(person_id)
        new = chosen(password, person.name)
        if is_own:
            self._throttle.take(person.folded_name, address)
            if not self._passwords.verified(normal(current or ""), person.password_hash)[0]:
                raise Unauthenticated("The current password is not right.")
            self._throttle.give_back(person.folded_name, address)
        hashed = self._passwords.hashed(new)
        with self._store.writing() as session:
            held = self._held(session, principal, person_id, "give another password to whoever has")
            held.password_hash = hashed
            session.exec(delete(PersonSession).where(col(PersonSession.person_id) == person_id))
            session.exec(delete(Invitation).where(col(Invitation.person_id) == person_id))
            said = f"{held.name} has another password."
            self._record(session, principal, "person.password", held, said, reason=reason)
        self._forget()
