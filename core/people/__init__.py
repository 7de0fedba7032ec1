"""People: who may sign in to the console, what each may do, and in which browsers they are signed in.

Whoever decides about people does so for the deployment, not for a tenant; so it takes ``people.write`` over all, and
nobody gives, or touches whoever has, more than he has himself. There is always an owner who can sign in.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, delete, select

from core.errors import Invalid, NotFound
from core.people._grants import (
    MOST_GRANTS,
    ROLES,
    asked_for,
    keep_an_owner,
    of_person,
    read_grants,
    require_within,
    written,
)
from core.people._links import NewLink
from core.people._names import folded, person_name
from core.people._passwords import chosen
from core.people._register import PersonView, view_of
from core.people._sessions import NewSession, SessionView, Visitor
from core.people._vouching import Vouching
from core.principals import Grant, Permission, Principal, Role
from core.tables import Invitation, Person, PersonGrant, PersonSession, SavedView, Tenant

__all__ = ["MOST_LISTED", "ROLES", "NewLink", "NewSession", "People", "PersonView", "SessionView", "Visitor"]

MOST_LISTED = 500


class People(Vouching):
    """The people, and their sessions."""

    # ── Decisions ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def create(
        self,
        principal: Principal,
        name: str,
        password: str,
        role: str,
        tenants: Sequence[Tenant] | None = None,
        *,
        email: str = "",
        reason: str = "",
    ) -> PersonView:
        """Add somebody who signs in with a password; the role holds in *tenants*, or with ``None`` in all.

        Raises:
            Forbidden: without ``people.write`` over all tenants, or he would have more than *principal*.
            Invalid: a value that a person cannot have.
            Conflict: the name is taken, or he would be the first one and is no owner.

        """
        principal.require_over(Permission.PEOPLE_WRITE, None)
        shown = person_name(name)
        hashed = self._passwords.hashed(chosen(password, shown))
        with self._store.writing() as session:
            grant = self._may_give(session, principal, role, tenants)
            person = self._added(
                session,
                principal,
                "person.create",
                name=shown,
                grants=(grant,),
                email=email,
                reason=reason,
                password_hash=hashed,
            )
        self._forget()
        return view_of(person, (grant,))

    def invite(
        self,
        principal: Principal,
        name: str,
        role: str,
        tenants: Sequence[Tenant] | None = None,
        *,
        email: str = "",
        reason: str = "",
    ) -> NewLink:
        """Add somebody who chooses a password by a link, which is in the returned value and nowhere else.

        Raises:
            Forbidden: without ``people.write`` over all tenants, or he would have more than *principal*.
            Invalid: a value that a person cannot have.
            Conflict: the name is taken, or he would be the first one and is no owner.

        """
        principal.require_over(Permission.PEOPLE_WRITE, None)
        with self._store.writing() as session:
            grant = self._may_give(session, principal, role, tenants)
            person = self._added(
                session,
                principal,
                "person.invite",
                name=person_name(name),
                grants=(grant,),
                email=email,
                reason=reason,
            )
            new = self._linked(session, person)
        self._forget()
        return new

    def invite_again(self, principal: Principal, person_id: str, *, reason: str = "") -> NewLink:
        """Make a new link with which he chooses a password; older ones open nothing. What he has now holds until then.

        Raises:
            Forbidden: without ``people.write`` over all tenants, or he has more than *principal*.
            NotFound: there is no such person.

        """
        principal.require_over(Permission.PEOPLE_WRITE, None)
        with self._store.writing() as session:
            person = self._held(session, principal, person_id, "let choose a password whoever has")
            new = self._linked(session, person)
            said = f"{person.name} may choose a password by a link."
            self._record(session, principal, "person.invite", person, said, reason=reason)
        return new

    def grant(
        self,
        principal: Principal,
        person_id: str,
        role: str,
        tenants: Sequence[Tenant] | None = None,
        *,
        reason: str = "",
    ) -> PersonView:
        """Give somebody a role, in *tenants* or with ``None`` in all, beside what he has.

        Raises:
            Forbidden: without ``people.write`` over all tenants, or it is more than *principal* has.
            Invalid: no person can have it.
            NotFound: there is no such person, or a tenant is gone.

        """
        return self._regranted(principal, person_id, role, tenants, takes_away=False, reason=reason)

    def take_away(
        self,
        principal: Principal,
        person_id: str,
        role: str,
        tenants: Sequence[Tenant] | None = None,
        *,
        reason: str = "",
    ) -> PersonView:
        """Take a role away from somebody, in *tenants* or with ``None`` wherever he has it; it holds at once.

        Raises:
            Forbidden: without ``people.write`` over all tenants, or he has more than *principal*.
            NotFound: there is no such person, or he has no such role.
            Conflict: he is the last owner.

        """
        return self._regranted(principal, person_id, role, tenants, takes_away=True, reason=reason)

    def remove(self, principal: Principal, person_id: str, *, reason: str = "") -> None:
        """Let somebody in no more: his sessions, roles and links end at once. What he decided stays, under his name.

        Raises:
            Forbidden: without ``people.write`` over all tenants, or he has more than *principal*.
            NotFound: there is no such person.
            Conflict: he is the last owner.

        """
        principal.require_over(Permission.PEOPLE_WRITE, None)
        with self._store.writing() as session:
            person = self._held(session, principal, person_id, "remove whoever has")
            keep_an_owner(session, person)
            before = self._described(session, person)
            for table in (PersonSession, PersonGrant, Invitation, SavedView):
                session.exec(delete(table).where(col(table.person_id) == person_id))
            person.removed_at = self._clock.now()
            person.email, person.password_hash = "", None  # whom a provider knows stays known, as one who was removed
            said = f"{person.name} was removed."
            self._record(session, principal, "person.remove", person, said, before=before, reason=reason)
        self._forget()

    def end_sessions(
        self, principal: Principal, person_id: str, session_id: str | None = None, *, reason: str = ""
    ) -> int:
        """End one session of somebody, or with ``None`` all; return how many. Everybody may end his own.

        Raises:
            Forbidden: it is another's, without ``people.write`` over all tenants, or he has more than *principal*.
            NotFound: there is no such person.

        """
        if principal.person_id != person_id:
            principal.require_over(Permission.PEOPLE_WRITE, None)
        with self._store.writing() as session:
            person = self._held(session, principal, person_id, "sign out whoever has")
            ended = delete(PersonSession).where(col(PersonSession.person_id) == person_id)
            if session_id is not None:
                ended = ended.where(col(PersonSession.id) == session_id)
            count = session.connection().execute(ended).rowcount
            if count:
                said = f"{person.name} was signed out {'everywhere' if session_id is None else 'in one browser'}."
                told = {"sessions": count}
                self._record(session, principal, "person.sign_out", person, said, after=told, reason=reason)
        self._forget()
        return count

    # ── Reads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def list(self, principal: Principal, text: str = "") -> Sequence[PersonView]:
        """Return whoever is there, by name, at most ``MOST_LISTED``; with *text*, whose name holds it.

        Raises:
            Forbidden: without ``people.read`` over all tenants.

        """
        principal.require_over(Permission.PEOPLE_READ, None)
        wanted = select(Person).where(col(Person.removed_at).is_(None)).order_by(col(Person.folded_name))
        if text.strip():
            wanted = wanted.where(col(Person.folded_name).contains(folded(text), autoescape=True))
        with self._store.reading() as session:
            people = session.exec(wanted.limit(MOST_LISTED)).all()
            ids = [person.id for person in people]
            given = session.exec(select(PersonGrant).where(col(PersonGrant.person_id).in_(ids))).all()
        rows: dict[str, list[tuple[str, str]]] = {}
        for one in given:
            rows.setdefault(one.person_id, []).append((one.role, one.tenant_id))
        return [view_of(person, read_grants(rows.get(person.id, ()))) for person in people]

    def find(self, principal: Principal, name_or_id: str) -> PersonView:
        """Return the person of that id or name.

        Raises:
            Forbidden: without ``people.read`` over all tenants.
            NotFound: there is none.

        """
        principal.require_over(Permission.PEOPLE_READ, None)
        wanted = name_or_id.strip()
        either = (col(Person.id) == wanted) | (col(Person.folded_name) == folded(wanted))
        with self._store.reading() as session:
            person = session.exec(select(Person).where(either, col(Person.removed_at).is_(None))).first()
            if person is None:
                raise NotFound(f"There is no person {wanted!r}. 'proctor user list' shows who there is.")
            return view_of(person, of_person(session, person.id))

    def sessions(self, principal: Principal, person_id: str) -> Sequence[SessionView]:
        """Return somebody's living sessions, the one seen last first. Everybody may see his own.

        Raises:
            Forbidden: it is another's, without ``people.read`` over all tenants.

        """
        if principal.person_id != person_id:
            principal.require_over(Permission.PEOPLE_READ, None)
        with self._store.reading() as session:
            living = self._living(session, person_id)
        return [SessionView(one.id, one.how, one.began_at, one.seen_at, one.ends_at) for one in living]

    # ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _may_give(self, session: Session, principal: Principal, role: str, tenants: Sequence[Tenant] | None) -> Grant:
        grant = asked_for(session, role, tenants)
        require_within(principal, (grant,), "give")
        return grant

    def _regranted(
        self,
        principal: Principal,
        person_id: str,
        role: str,
        tenants: Sequence[Tenant] | None,
        *,
        takes_away: bool,
        reason: str,
    ) -> PersonView:
        principal.require_over(Permission.PEOPLE_WRITE, None)
        with self._store.writing() as session:
            grant = self._may_give(session, principal, role, tenants)
            person = self._held(session, principal, person_id, "change whoever has")
            before = self._described(session, person)
            own = select(PersonGrant).where(PersonGrant.person_id == person_id)
            rows = {(row.role, row.tenant_id): row for row in session.exec(own).all()}
            for one in written(person_id, grant):
                key = (one.role, one.tenant_id)
                if takes_away and tenants is None:
                    _require_there([row for row in rows.values() if row.role == role], person, role)
                    if role == Role.OWNER.value:
                        keep_an_owner(session, person)
                    session.exec(
                        delete(PersonGrant).where(
                            col(PersonGrant.person_id) == person_id, col(PersonGrant.role) == role
                        )
                    )
                elif takes_away:
                    _require_there([rows[key]] if key in rows else [], person, role)
                    session.delete(rows[key])
                elif key not in rows:
                    session.add(one)
            session.flush()
            after = self._described(session, person)
            if len(after["grants"]) > MOST_GRANTS:
                raise Invalid(f"A person has at most {MOST_GRANTS:,} roles and tenants; give the role in all tenants.")
            if after != before:
                said = f"{person.name} {'is no longer' if takes_away else 'is now'} {role}."
                action = "person.take_away" if takes_away else "person.grant"
                self._record(session, principal, action, person, said, before=before, after=after, reason=reason)
            view = view_of(person, of_person(session, person_id))
        self._forget()
        return view


def _require_there(rows: Sequence[PersonGrant], person: Person, role: str) -> None:
    if not rows:
        raise NotFound(f"{person.name} does not have the role {role} there.")
