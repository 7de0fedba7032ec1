"""The rows of people: added, held while they are changed, described for the trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core import audit
from core.errors import Conflict, NotFound
from core.people._grants import of_person, require_within, written
from core.people._links import Links
from core.people._names import checked_email, folded
from core.principals import Grant, Principal, Role
from core.store import FOR_CHANGE
from core.tables import Person, PersonGrant, Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView:
    """Somebody as people see him."""

    id: str
    name: str
    email: str
    how: str
    """``password``, the issuer who vouches for him, or ``invited``: he has not chosen a password yet."""
    grants: tuple[Grant, ...]
    created_at: datetime
    seen_at: datetime | None


class Register(Links):
    """The people as rows."""

    def _added(
        self,
        session: Session,
        by: Principal,
        action: str,
        *,
        name: str,
        grants: tuple[Grant, ...],
        email: str = "",
        reason: str = "",
        **more: Any,
    ) -> Person:
        is_first = session.exec(select(Person.id).where(col(Person.removed_at).is_(None)).limit(1)).first() is None
        if is_first and Grant(Role.OWNER) not in grants:
            raise Conflict("The first person must be an owner of all tenants; whoever comes later may be less.")
        self._spend_first(session)
        person = Person(
            id=self._clock.new_id(),
            name=name,
            folded_name=folded(name),
            email=checked_email(email),
            created_at=self._clock.now(),
            **more,
        )
        session.add(person)
        try:
            session.flush()
        except IntegrityError:
            raise Conflict(
                f"There is or was a person {name}, and a name in the audit trail stays one person's. Choose another."
            ) from None
        session.add_all(row for grant in grants for row in written(person.id, grant))
        session.flush()
        roles = " and ".join(dict.fromkeys(grant.role.value for grant in grants))
        said = f"{name} was {'invited' if action == 'person.invite' else 'added'} as {roles}."
        self._record(session, by, action, person, said, after=self._described(session, person), reason=reason)
        return person

    def _held(self, session: Session, principal: Principal, person_id: str, what: str) -> Person:
        """Return a person whom *principal* may touch, and hold him until the transaction ends."""
        person = session.get(Person, person_id, with_for_update=FOR_CHANGE)
        if person is None or person.removed_at is not None:
            raise NotFound("This person is not there any more.")
        if principal.person_id != person_id:
            require_within(principal, of_person(session, person_id), what)
        return person

    def _person(self, person_id: str) -> Person:
        with self._store.reading() as session:
            person = session.get(Person, person_id)
        if person is None or person.removed_at is not None:
            raise NotFound("This person is not there any more.")
        return person

    def _described(self, session: Session, person: Person) -> dict[str, Any]:
        """Return what the trail says of a person: what he may do, and nothing by which he signs in."""
        own = select(PersonGrant.role, PersonGrant.tenant_id, Tenant.name).join(
            Tenant, col(Tenant.id) == col(PersonGrant.tenant_id), isouter=True
        )
        rows = session.exec(own.where(PersonGrant.person_id == person.id)).all()
        return {
            "grants": sorted(
                f"{role} of {(name or 'a tenant that is gone') if tenant_id else 'all tenants'}"
                for role, tenant_id, name in rows
            )
        }

    def _record(self, session: Session, by: Principal, action: str, person: Person, said: str, **more: Any) -> None:
        audit.record(
            session, self._clock, by=by, action=action, kind="person", subject=person.name, summary=said, **more
        )


def view_of(person: Person, grants: tuple[Grant, ...]) -> PersonView:
    """Return a person as people see him."""
    return PersonView(
        id=person.id,
        name=person.name,
        email=person.email,
        how="password" if person.password_hash else person.issuer or "invited",
        grants=grants,
        created_at=person.created_at,
        seen_at=person.seen_at,
    )
