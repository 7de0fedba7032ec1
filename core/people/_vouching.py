"""Who comes in on another's word: a provider's or a proxy's. He is known by issuer and subject, and by nothing else."""

from __future__ import annotations

from sqlmodel import Session, col, delete, func, or_, select

from core.errors import Conflict, Forbidden, Invalid
from core.identities import VouchedIdentity
from core.people._entrance import Entrance
from core.people._grants import keep_an_owner, of_person, read_grants, written
from core.people._names import LONGEST_NAME, checked_email, folded, person_name
from core.people._sessions import NewSession
from core.principals import Grant, Principal, Role
from core.store import FOR_CHANGE
from core.tables import Person, PersonGrant, PersonSession, Tenant
from core.telemetry import log

_MOST_ALIKE = 100


class Vouching(Entrance):
    """The ways in on another's word."""

    def enter(self, identity: VouchedIdentity, address: str = "", instead_of: str = "") -> NewSession:
        """Begin a session of whoever *identity* is; that of the token *instead_of* ends.

        Where groups decide, they do so anew each time: whoever is new is added, whoever has another role by now gets
        it, and whoever has none keeps none.

        Raises:
            Forbidden: nobody has invited him, his groups give no role, or he was removed here.
            Conflict: he would be the first one and no owner.

        """
        try:
            new = self._entered(identity, instead_of)
        except Conflict:  # another browser of his may have come first, in this very moment
            new = self._entered(identity, instead_of)
        except Forbidden:
            self._forget()
            log().info("sign_in_refused", peer=address)
            raise
        self._forget()
        log().info("signed_in", person=new.person_id, how=identity.how, peer=address)
        return new

    def accept_as(self, token: str, identity: VouchedIdentity, instead_of: str = "") -> NewSession:
        """Let whoever holds an invitation sign in as *identity* from now on, and begin a session of his.

        Raises:
            Unauthenticated: the link is used, too old, or none of ours.
            Conflict: somebody else signs in as this one already.
            Forbidden: his groups give no role.

        """
        if identity.is_by_groups and not identity.gives:
            raise _no_group(identity)
        with self._store.writing() as session:
            person = self._spend(session, token)
            other = self._known_as(session, identity)
            if other is not None and other.id != person.id:
                if other.removed_at is None:
                    raise Conflict(
                        f"This account at {identity.title} is {other.name}'s here. Sign in with another one."
                    )
                other.issuer, other.subject = None, None
                session.flush()
            person.issuer, person.subject = identity.issuer, identity.subject
            session.exec(delete(PersonSession).where(col(PersonSession.person_id) == person.id))
            by = Principal(person.name, of_person(session, person.id), door="an invitation", person_id=person.id)
            said = f"{person.name} signs in by {identity.title} from now on, as the invitation lets."
            self._record(session, by, "person.accept", person, said)
            self._as_told(session, person, identity)
            session.flush()
            new = self._begin(session, person, identity.how, instead_of)
        self._forget()
        return new

    # ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _entered(self, identity: VouchedIdentity, instead_of: str) -> NewSession:
        refused: Forbidden | None = None
        with self._store.writing() as session:
            person = self._known_as(session, identity)
            if person is not None and person.removed_at is not None:
                raise Forbidden("You were removed here, and cannot sign in any more. Ask an owner for an invitation.")
            if person is None:
                person = self._new(session, identity)
            try:
                self._as_told(session, person, identity)
            except Forbidden as error:  # what he had is taken away all the same
                refused = error
            else:
                return self._begin(session, person, identity.how, instead_of)
        raise refused

    def _known_as(self, session: Session, identity: VouchedIdentity) -> Person | None:
        """Return who that is here, removed or not, and hold him until the transaction ends."""
        wanted = select(Person).where(Person.issuer == identity.issuer, Person.subject == identity.subject)
        return session.exec(wanted.with_for_update(**FOR_CHANGE)).first()

    def _new(self, session: Session, identity: VouchedIdentity) -> Person:
        """Add whoever is let in by his groups."""
        if not identity.is_by_groups:
            raise Forbidden(
                f"{identity.title} knows you, but nobody has invited you here. "
                "Ask an owner for an invitation, and open its link."
            )
        if not (given := _given(session, identity)):
            raise _no_group(identity)
        name = self._free_name(session, identity)
        by = Principal(name, given, door=f"the groups of {identity.title}")
        more = {"issuer": identity.issuer, "subject": identity.subject}
        return self._added(session, by, "person.create", name=name, grants=given, email=_email(identity), **more)

    def _free_name(self, session: Session, identity: VouchedIdentity) -> str:
        """Return what to call somebody who is new: his name, or that with a number where it is another's."""
        allowed = "".join(one if one.isalnum() or one in " -_.'@+" else " " for one in identity.name)
        try:
            first = person_name(allowed.strip(" -_.'@+")[: LONGEST_NAME - 4])
        except Invalid:
            first = person_name(identity.title)
        alike = select(Person.folded_name).where(col(Person.folded_name).startswith(folded(first), autoescape=True))
        taken = set(session.exec(alike))
        names = (first, *(f"{first} {number}" for number in range(2, _MOST_ALIKE)))
        free = next((name for name in names if folded(name) not in taken), None)
        if free is None:
            raise Conflict(f"Too many people are called {first} here. Ask an owner for an invitation.")
        return free

    def _as_told(self, session: Session, person: Person, identity: VouchedIdentity) -> None:
        """Keep what is told of a person: his address, and where groups decide his role.

        Raises:
            Forbidden: his groups give none; what he had was taken away, unless he is the last owner.

        """
        by = Principal(person.name, (), door=f"the word of {identity.title}", person_id=person.id)
        if (email := _email(identity)) and email != person.email:
            person.email = email
            self._record(
                session, by, "person.email", person, f"{identity.title} tells another address of {person.name}."
            )
        if not identity.is_by_groups:
            return
        wanted = _given(session, identity)
        before, described = of_person(session, person.id), self._described(session, person)
        if wanted != before:
            try:
                if Grant(Role.OWNER) in before and Grant(Role.OWNER) not in wanted:
                    keep_an_owner(session, person)
            except Conflict:
                log().warning("last_owner_kept", person=person.id)
                wanted = before if wanted else ()
            else:
                session.exec(delete(PersonGrant).where(col(PersonGrant.person_id) == person.id))
                session.add_all(row for grant in wanted for row in written(person.id, grant))
                session.flush()
                roles = " and ".join(dict.fromkeys(grant.role.value for grant in wanted)) or "nothing"
                said = f"{person.name} is {roles} by the groups of {identity.title}."
                after = self._described(session, person)
                action = "person.grant" if wanted else "person.take_away"
                self._record(session, by, action, person, said, before=described, after=after)
        if not wanted:
            session.exec(delete(PersonSession).where(col(PersonSession.person_id) == person.id))
            raise _no_group(identity)


def _given(session: Session, identity: VouchedIdentity) -> tuple[Grant, ...]:
    """Return what somebody's groups give him, in the tenants that there are; the log tells of one that there is not."""
    named = {one.tenant.lower() for one in identity.gives if one.tenant}
    known: dict[str, str] = {}
    if named:
        either = or_(col(Tenant.id).in_(named), func.lower(Tenant.name).in_(named))
        for tenant in session.exec(select(Tenant).where(either)).all():
            known |= {tenant.id: tenant.id, tenant.name.lower(): tenant.id}
    if missing := sorted(named - known.keys()):
        log().warning("group_tenant_unknown", provider=identity.how, tenants=missing)
    return read_grants(
        (one.role.value, known[one.tenant.lower()] if one.tenant else "")
        for one in identity.gives
        if not one.tenant or one.tenant.lower() in known
    )


def _email(identity: VouchedIdentity) -> str:
    try:
        return checked_email(identity.email)
    except Invalid:
        return ""


def _no_group(identity: VouchedIdentity) -> Forbidden:
    return Forbidden(
        f"None of your groups at {identity.title} gives you a role here. Ask whoever runs this to add one of them."
    )
