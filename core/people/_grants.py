"""What may be given to a person, by whom, and how it is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, select

from core.errors import Conflict, Forbidden, Invalid
from core.principals import EVERYWHERE, Grant, Permission, Principal, Role, TenantScope
from core.store import FOR_CHANGE
from core.tables import Person, PersonGrant, Tenant
from core.visibility import present

ROLES = tuple(role for role in Role if not role.is_of_keys)
"""Those that a person may have."""
MOST_GRANTS = 1000


def read_grants(rows: Iterable[tuple[str, str]]) -> tuple[Grant, ...]:
    """Return grants from pairs of role and tenant, strongest first; of a role that is not known here none."""
    tenants: dict[Role, set[str]] = {}
    for role, tenant_id in rows:
        if role in ROLES:
            tenants.setdefault(Role(role), set()).add(tenant_id)
    return tuple(
        Grant(role, EVERYWHERE if "" in tenants[role] else TenantScope(frozenset(tenants[role])))
        for role in ROLES
        if role in tenants
    )


def written(person_id: str, grant: Grant) -> list[PersonGrant]:
    """Return the rows of a grant."""
    ids = [""] if grant.scope.ids is None else sorted(grant.scope.ids)
    return [PersonGrant(person_id=person_id, role=grant.role.value, tenant_id=one) for one in ids]


def asked_for(session: Session, role: str, tenants: Sequence[Tenant] | None) -> Grant:
    """Return the grant of a role, in these tenants or with ``None`` in all.

    Raises:
        Invalid: no person can have it.
        NotFound: a tenant is gone.

    """
    if role not in ROLES:
        raise Invalid(f"{role!r} is no role of a person; there are {', '.join(ROLES)}.")
    if tenants is None:
        return Grant(Role(role))
    if not tenants:
        raise Invalid("Name a tenant, or give the role in all.")
    return Grant(Role(role), TenantScope(frozenset(present(session, one).id for one in tenants)))


def require_within(principal: Principal, grants: Iterable[Grant], what: str) -> None:
    """Go on only if *principal* holds all that *grants* give.

    Raises:
        Forbidden: he does not; *what* says what was asked.

    """
    if not all(grant.is_within(principal) for grant in grants):
        raise Forbidden(f"{principal.name} may not {what} more than {principal.name} has.", permission=_WRITE)


def of_person(session: Session, person_id: str) -> tuple[Grant, ...]:
    """Return what a person has."""
    rows = session.exec(select(PersonGrant).where(col(PersonGrant.person_id) == person_id)).all()
    return read_grants((row.role, row.tenant_id) for row in rows)


def keep_an_owner(session: Session, person: Person) -> None:
    """Go on only if somebody else is an owner of everything, who can sign in if *person* can.

    The owners' rows are held until the transaction ends: of two who remove each other one is told.

    Raises:
        Conflict: *person* is the last one.

    """
    owners = select(PersonGrant).where(col(PersonGrant.role) == Role.OWNER.value, col(PersonGrant.tenant_id) == "")
    ids = [
        row.person_id
        for row in session.exec(owners.order_by(col(PersonGrant.person_id)).with_for_update(**FOR_CHANGE)).all()
    ]
    if person.id not in ids:
        return
    others = session.exec(select(Person).where(col(Person.id).in_(set(ids) - {person.id}))).all()
    if not any(can_sign_in(one) or not can_sign_in(person) for one in others):
        raise Conflict(
            f"{person.name} is the last owner who can sign in. Make another one first, or nobody could decide anything."
        )


def can_sign_in(person: Person) -> bool:
    """Whether there is a way for him to sign in."""
    return person.password_hash is not None or person.issuer is not None


_WRITE = Permission.PEOPLE_WRITE.value
