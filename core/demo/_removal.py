"""What belongs to the demo world, and how all of it goes away at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Delete, delete, func, or_, update
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from core import audit, journal
from core.clock import Clock
from core.demo._chance import MARK
from core.demo._seed import Seed
from core.errors import Conflict
from core.principals import Principal
from core.store import AT_ONCE, Store
from core.tables import (
    Account,
    ApiKey,
    AttemptRow,
    AuditEntry,
    Budget,
    BudgetRaise,
    ChangeEvent,
    Claim,
    FireDrill,
    FlagRule,
    GenerationRow,
    Opening,
    PriceOverride,
    RepricedAttempt,
    Repricing,
    Reservation,
    Route,
    Schema,
    SchemaLabel,
    SchemaVersion,
    Stretch,
    Tenant,
    TenantRevision,
)

MADE = "demo.make"
"""The audit entry that stands once the demo world is whole."""
REMOVED = "demo.remove"


def is_born_in_demo(id_column: Any) -> ColumnElement[bool]:
    """Return the condition that a row's identifier bears the demo world's mark."""
    return func.substr(id_column, 13, len(MARK)) == MARK


def remove(store: Store, clock: Clock, principal: Principal | None = None) -> Mapping[str, int]:
    """Delete the demo world: what grows with use some hundred rows at a time, then what is left in one transaction.

    Return how many rows of each table went. If that is cut in the middle, a smaller demo world is left whose books
    balance, and the next removal takes it.

    Without a *principal* nobody has decided it: what was half made is cleared, and no audit entry says so.

    What an operator has made of it since is theirs and stays: a route that was edited, a schema with a new version.
    """
    tenants = select(col(Tenant.id)).where(col(Tenant.is_demo))
    # Those that are out have attempts and no row of their own yet.
    out = select(col(Reservation.generation_id)).where(col(Reservation.tenant_id).in_(tenants))
    attempts = select(col(AttemptRow.id)).where(col(AttemptRow.generation_id).in_(out))
    budgets = select(col(Budget.id)).where(col(Budget.tenant_id).in_(tenants))
    gone = _remove_calls(store, tenants)
    for piece in _pieces(tenants):
        gone[str(piece.table)] += _remove_in_pieces(store, piece)
    with store.writing() as session:
        routes, schemas, versions = _routes(session), _schemas(session), _versions(session)
        # Those that others refer to go last.
        deletions: list[Delete] = [
            delete(RepricedAttempt).where(col(RepricedAttempt.attempt_id).in_(attempts)),
            delete(Repricing).where(col(Repricing.tenant_id).in_(tenants)),
            *journal.removals(tenants),
            delete(Opening).where(col(Opening.tenant_id).in_(tenants)),
            delete(Reservation).where(col(Reservation.tenant_id).in_(tenants)),
            delete(Account).where(col(Account.tenant_id).in_(tenants)),
            delete(BudgetRaise).where(col(BudgetRaise.budget_id).in_(budgets)),
            delete(Budget).where(col(Budget.tenant_id).in_(tenants)),
            delete(Claim).where(col(Claim.tenant_id).in_(tenants)),
            delete(PriceOverride).where(
                or_(col(PriceOverride.tenant_id).in_(tenants), is_born_in_demo(col(PriceOverride.id)))
            ),
            delete(FireDrill).where(or_(col(FireDrill.tenant_id).in_(tenants), is_born_in_demo(col(FireDrill.id)))),
            delete(ApiKey).where(col(ApiKey.tenant_id).in_(tenants)),
            delete(FlagRule).where(col(FlagRule.tenant_id).in_(tenants)),
            delete(TenantRevision).where(col(TenantRevision.tenant_id).in_(tenants)),
            delete(ChangeEvent).where(
                or_(col(ChangeEvent.tenant_id).in_(tenants), is_born_in_demo(col(ChangeEvent.id)))
            ),
            delete(AuditEntry).where(or_(col(AuditEntry.tenant_id).in_(tenants), is_born_in_demo(col(AuditEntry.id)))),
            delete(SchemaLabel).where(col(SchemaLabel.schema_id).in_(schemas)),
            delete(SchemaVersion).where(
                or_(col(SchemaVersion.schema_id).in_(schemas), col(SchemaVersion.id).in_(versions))
            ),
            delete(Schema).where(col(Schema.id).in_(schemas)),
            delete(Route).where(col(Route.id).in_(routes)),
            delete(Tenant).where(col(Tenant.is_demo)),
        ]
        left = {str(one.table): session.connection().execute(one).rowcount for one in deletions}
        session.connection().execute(delete(Stretch))  # what was proven of the ledger holds no longer
        counts = {table: count + gone[table] for table, count in left.items()}
        session.connection().execute(update(Schema).where(is_born_in_demo(col(Schema.id))).values(is_demo=False))
        if principal and any(counts.values()):
            audit.record(
                session,
                clock,
                actor=principal.name,
                action=REMOVED,
                kind="tenant",
                subject="demo world",
                summary="The demo world was removed.",
                before={"tenants": counts["tenant"], "generations": counts["generation"]},
            )
    return counts


def _remove_calls(store: Store, tenants: SelectOfScalar[str]) -> Counter[str]:
    """Delete the calls of the demo's tenants, some hundred at a time; return how many rows of each table went."""
    gone = Counter[str]()
    while True:
        with store.writing() as session:
            ids = select(col(GenerationRow.id)).where(col(GenerationRow.tenant_id).in_(tenants)).limit(AT_ONCE)
            some = session.exec(ids).all()
            if not some:
                return gone
            called = select(col(AttemptRow.id)).where(col(AttemptRow.generation_id).in_(some))
            repriced = delete(RepricedAttempt).where(col(RepricedAttempt.attempt_id).in_(called))
            gone["repriced_attempt"] += session.connection().execute(repriced).rowcount
            session.connection().execute(delete(Stretch))
            gone.update(journal.remove(session, some))
        store.rest()


def _pieces(tenants: SelectOfScalar[str]) -> list[Delete]:
    """Return, for each table that grows with use, what deletes some hundred rows.

    What bears the demo world's mark stays for the last: by it a half removed world is known for one.
    """
    events = select(col(ChangeEvent.id)).where(
        col(ChangeEvent.tenant_id).in_(tenants), ~is_born_in_demo(col(ChangeEvent.id))
    )
    entries = select(col(AuditEntry.id)).where(
        col(AuditEntry.tenant_id).in_(tenants), ~is_born_in_demo(col(AuditEntry.id))
    )
    claims = select(col(Claim.key)).where(col(Claim.tenant_id).in_(tenants))
    return [
        delete(ChangeEvent).where(col(ChangeEvent.id).in_(events.limit(AT_ONCE))),
        delete(AuditEntry).where(col(AuditEntry.id).in_(entries.limit(AT_ONCE))),
        delete(Claim).where(col(Claim.tenant_id).in_(tenants), col(Claim.key).in_(claims.limit(AT_ONCE))),
        journal.some_snapshots(tenants),
    ]


def _remove_in_pieces(store: Store, piece: Delete) -> int:
    removed = 0
    while True:
        with store.writing() as session:
            count = session.connection().execute(piece).rowcount
        removed += count
        if count < AT_ONCE:
            return removed
        store.rest()


def require_free_names(store: Store, seed: Seed) -> None:
    """Go on only if nothing of the operators' bears a name that the demo world needs.

    Raises:
        Conflict: something does; the message names it.

    """
    wanted: list[tuple[str, SelectOfScalar[str]]] = [
        ("tenant", _taken(Tenant, [tenant.name for tenant in seed.tenants])),
        ("route", _taken(Route, [route.name for route in seed.routes])),
        ("schema", _taken(Schema, [seed.promotion.schema_name])),
    ]
    with store.reading() as session:
        for kind, names in wanted:
            taken = session.exec(names).first()
            if taken is not None:
                raise Conflict(
                    f"The demo world needs the name {taken!r} for a {kind} of its own, and there is one already. "
                    "Nothing was made. Rename or remove yours to have the demo world."
                )


def _taken(table: type[Tenant | Route | Schema], names: list[str]) -> SelectOfScalar[str]:
    return select(col(table.name)).where(func.lower(col(table.name)).in_([name.lower() for name in names]))


def _routes(session: Session) -> list[str]:
    """Return the ids of the demo's routes that nobody else has edited: each edit moves the version by one."""
    edits = (
        select(col(AuditEntry.subject), func.count())
        .where(is_born_in_demo(col(AuditEntry.id)), col(AuditEntry.action) == "route.set")
        .group_by(col(AuditEntry.subject))
    )
    own = dict(session.exec(edits).all())
    routes = session.exec(select(Route.id, Route.name, Route.version).where(is_born_in_demo(Route.id)))
    return [route_id for route_id, name, version in routes if version == own.get(name)]


def _schemas(session: Session) -> list[str]:
    """Return the ids of the demo's schemas to which nobody else has added."""
    others = select(col(SchemaVersion.schema_id)).where(~is_born_in_demo(SchemaVersion.id))
    return list(session.exec(select(Schema.id).where(is_born_in_demo(Schema.id), col(Schema.id).not_in(others))))


def _versions(session: Session) -> list[str]:
    """Return the ids of versions that the demo added to other schemas, and that no label points to."""
    foreign = select(col(Schema.id)).where(~is_born_in_demo(col(Schema.id)))
    labelled = select(col(SchemaLabel.version_id))
    return list(
        session.exec(
            select(SchemaVersion.id).where(
                is_born_in_demo(SchemaVersion.id),
                col(SchemaVersion.schema_id).in_(foreign),
                col(SchemaVersion.id).not_in(labelled),
            )
        )
    )
