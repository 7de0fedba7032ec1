"""What belongs to the demo world, and how all of it goes away at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Delete, Select, delete, false, func, update
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from core import audit, journal
from core.clock import DEMO_MARK, Clock
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
    PersonGrant,
    PriceOverride,
    RepricedAttempt,
    Repricing,
    Reservation,
    Route,
    Schema,
    SchemaLabel,
    SchemaVersion,
    StoredObject,
    Stretch,
    Tenant,
    TenantRevision,
)

MADE = "demo.make"
"""The audit entry that stands once the demo world is whole."""
REMOVED = "demo.remove"
_IS_UNCHAINED = col(AuditEntry.seq).is_(None)
"""What operators decided about a demo tenant stays in the audit trail: no entry leaves the chain."""
Deletion = Callable[[Sequence[Any]], Delete]
"""Makes, of some rows' keys, the statement that deletes them."""


def is_born_in_demo(id_column: Any) -> ColumnElement[bool]:
    """Return the condition that a row's identifier bears the demo world's mark."""
    return func.substr(id_column, 13, len(DEMO_MARK)) == DEMO_MARK


@dataclass(frozen=True, slots=True)
class _Marked:
    """What bears the demo world's mark, or is about its tenants, in tables that do not find it by an index.

    By id: it is looked for among all rows, and so while nobody who writes waits. What an operator decides about a demo
    tenant in that very moment is left, and is about nobody.
    """

    events: Sequence[str]
    entries: Sequence[str]
    prices: Sequence[str]
    drills: Sequence[str]
    repricings: Sequence[str]
    routes: Sequence[str]
    schemas: Sequence[str]
    versions: Sequence[str]
    edits: Mapping[str, int]
    """How often the demo world edited each route, by name."""


def remove(store: Store, clock: Clock, principal: Principal | None = None) -> Mapping[str, int]:
    """Delete the demo world: what grows with use some hundred rows at a time, then what is left in one transaction.

    Return how many rows of each table went. If that is cut in the middle, a smaller demo world is left whose books
    balance, and the next removal takes it. What is to go is found while nobody waits, and deleted by id: no transaction
    that writes reads the rows of all.

    Without a *principal* nobody has decided it: what was half made is cleared, and no audit entry says so.

    What an operator has made of it since is theirs and stays: a route that was edited, a schema with a new version;
    and what an operator decided about it stays in the audit trail.
    """
    with store.reading() as session:
        tenants = session.exec(select(col(Tenant.id)).where(col(Tenant.is_demo))).all()
    counts = _remove_calls(store, tenants)
    for found, deletion in _pieces(tenants):
        counts[str(deletion([]).table)] += _remove_in_pieces(store, found, deletion)
    marked = _marked(store, tenants)
    with store.writing() as session:
        for one in _deletions(session, tenants, marked):
            counts[str(one.table)] += session.connection().execute(one).rowcount
        session.connection().execute(delete(Stretch))  # what was proven of the ledger holds no longer
        session.connection().execute(update(Schema).where(col(Schema.id).in_(marked.schemas)).values(is_demo=False))
        if principal and any(counts.values()):
            audit.record(
                session,
                clock,
                by=principal,
                action=REMOVED,
                kind="tenant",
                subject="demo world",
                summary="The demo world was removed.",
                before={"tenants": counts["tenant"], "generations": counts["generation"]},
            )
    return counts


def _deletions(session: Session, tenants: Sequence[str], marked: _Marked) -> list[Delete]:
    """Return what deletes all that is left; those that others refer to go last."""
    # Those that are out have attempts and no row of their own yet.
    out = session.exec(select(col(Reservation.generation_id)).where(col(Reservation.tenant_id).in_(tenants))).all()
    attempts = session.exec(select(col(AttemptRow.id)).where(col(AttemptRow.generation_id).in_(out))).all()
    accounts = session.exec(select(col(Account.id)).where(col(Account.tenant_id).in_(tenants))).all()
    budgets = session.exec(select(col(Budget.id)).where(col(Budget.tenant_id).in_(tenants))).all()
    routes, schemas, versions = _routes(session, marked), _schemas(session, marked), _versions(session, marked)
    return [
        delete(RepricedAttempt).where(col(RepricedAttempt.attempt_id).in_(attempts)),
        delete(Repricing).where(col(Repricing.id).in_(marked.repricings)),
        *journal.removals(session, tenants),
        delete(Opening).where(col(Opening.account_id).in_(accounts)),
        delete(Reservation).where(col(Reservation.tenant_id).in_(tenants)),
        delete(Account).where(col(Account.tenant_id).in_(tenants)),
        delete(BudgetRaise).where(col(BudgetRaise.budget_id).in_(budgets)),
        delete(Budget).where(col(Budget.tenant_id).in_(tenants)),
        delete(Claim).where(col(Claim.tenant_id).in_(tenants)),
        delete(StoredObject).where(col(StoredObject.tenant_id).in_(tenants)),
        delete(PriceOverride).where(col(PriceOverride.id).in_(marked.prices)),
        delete(FireDrill).where(col(FireDrill.id).in_(marked.drills)),
        delete(ApiKey).where(col(ApiKey.tenant_id).in_(tenants)),
        delete(FlagRule).where(col(FlagRule.tenant_id).in_(tenants)),
        delete(PersonGrant).where(col(PersonGrant.tenant_id).in_(tenants)),
        delete(TenantRevision).where(col(TenantRevision.tenant_id).in_(tenants)),
        delete(ChangeEvent).where(col(ChangeEvent.tenant_id).in_(tenants)),
        delete(ChangeEvent).where(col(ChangeEvent.id).in_(marked.events)),
        delete(AuditEntry).where(col(AuditEntry.tenant_id).in_(tenants), _IS_UNCHAINED),
        delete(AuditEntry).where(col(AuditEntry.id).in_(marked.entries)),
        delete(SchemaLabel).where(col(SchemaLabel.schema_id).in_(schemas)),
        delete(SchemaVersion).where(col(SchemaVersion.schema_id).in_(schemas)),
        delete(SchemaVersion).where(col(SchemaVersion.id).in_(versions)),
        delete(Schema).where(col(Schema.id).in_(schemas)),
        delete(Route).where(col(Route.id).in_(routes)),
        delete(Tenant).where(col(Tenant.id).in_(tenants)),
    ]


def _remove_calls(store: Store, tenants: Sequence[str]) -> Counter[str]:
    """Delete the calls of the demo's tenants, some hundred at a time; return how many rows of each table went."""
    gone = Counter[str]()
    while True:
        with store.scanning() as session:
            ids = select(col(GenerationRow.id)).where(col(GenerationRow.tenant_id).in_(tenants)).limit(AT_ONCE)
            some = session.exec(ids).all()
            called = session.exec(select(col(AttemptRow.id)).where(col(AttemptRow.generation_id).in_(some))).all()
        if not some:
            return gone
        with store.writing() as session:
            repriced = delete(RepricedAttempt).where(col(RepricedAttempt.attempt_id).in_(called))
            gone["repriced_attempt"] += session.connection().execute(repriced).rowcount
            session.connection().execute(delete(Stretch))
            gone.update(journal.remove(store, session, some))
        store.rest()


def _pieces(tenants: Sequence[str]) -> list[tuple[Select[*tuple[Any, ...]], Deletion]]:
    """Return, for each table that grows with use, what finds the keys of rows that may go, and what deletes those.

    What bears the demo world's mark stays for the last: by it a half removed world is known for one.
    """
    stored = (col(StoredObject.tenant_id), col(StoredObject.digest))
    event, entry, claim = col(ChangeEvent.id), col(AuditEntry.id), (col(Claim.kind), col(Claim.key))
    return [
        (
            sql_select(event).where(col(ChangeEvent.tenant_id).in_(tenants), ~is_born_in_demo(event)),
            lambda keys: delete(ChangeEvent).where(event.in_([key for (key,) in keys])),
        ),
        (
            sql_select(entry).where(col(AuditEntry.tenant_id).in_(tenants), ~is_born_in_demo(entry), _IS_UNCHAINED),
            lambda keys: delete(AuditEntry).where(entry.in_([key for (key,) in keys])),
        ),
        (
            sql_select(*claim).where(col(Claim.tenant_id).in_(tenants)),
            # Not by the pairs: SQLite looks those up in no index.
            lambda keys: delete(Claim).where(
                claim[0].in_({kind for kind, _ in keys}),
                claim[1].in_([key for _, key in keys]),
                col(Claim.tenant_id).in_(tenants),
            ),
        ),
        (
            sql_select(*stored).where(col(StoredObject.tenant_id).in_(tenants)),
            lambda keys: delete(StoredObject).where(
                stored[0].in_({tenant for tenant, _ in keys}), stored[1].in_([digest for _, digest in keys])
            ),
        ),
        (journal.snapshots(tenants), lambda keys: journal.removal_of_snapshots([key for (key,) in keys])),
    ]


def _remove_in_pieces(store: Store, found: Select[*tuple[Any, ...]], deletion: Deletion) -> int:
    removed = 0
    while True:
        with store.scanning() as session:
            keys = [tuple(key) for key in session.connection().execute(found.limit(AT_ONCE))]
        if keys:
            with store.writing() as session:
                removed += session.connection().execute(deletion(keys)).rowcount
        if len(keys) < AT_ONCE:
            return removed
        store.rest()


def _marked(store: Store, tenants: Sequence[str]) -> _Marked:
    """Find what bears the mark. Whoever makes or removes a demo world is alone in it: nothing is added meanwhile."""
    with store.scanning() as session:
        edits = (
            select(col(AuditEntry.subject), func.count())
            .where(is_born_in_demo(col(AuditEntry.id)), col(AuditEntry.action) == "route.set")
            .group_by(col(AuditEntry.subject))
        )

        def ids(column: Any, tenant_column: Any = None) -> Sequence[str]:
            is_theirs = false() if tenant_column is None else col(tenant_column).in_(tenants)
            return session.exec(select(column).where(is_born_in_demo(column) | is_theirs)).all()

        return _Marked(
            events=ids(col(ChangeEvent.id)),
            entries=ids(col(AuditEntry.id)),
            prices=ids(col(PriceOverride.id), PriceOverride.tenant_id),
            drills=ids(col(FireDrill.id), FireDrill.tenant_id),
            repricings=session.exec(select(Repricing.id).where(col(Repricing.tenant_id).in_(tenants))).all(),
            routes=ids(col(Route.id)),
            schemas=ids(col(Schema.id)),
            versions=ids(col(SchemaVersion.id)),
            edits=dict(session.exec(edits).all()),
        )


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


def _routes(session: Session, marked: _Marked) -> list[str]:
    """Return the ids of the demo's routes that nobody else has edited: each edit moves the version by one."""
    routes = session.exec(select(Route.id, Route.name, Route.version).where(col(Route.id).in_(marked.routes)))
    return [route_id for route_id, name, version in routes if version == marked.edits.get(name)]


def _schemas(session: Session, marked: _Marked) -> list[str]:
    """Return the ids of the demo's schemas to which nobody else has added."""
    added = select(SchemaVersion.id).where(
        col(SchemaVersion.schema_id) == col(Schema.id), ~is_born_in_demo(SchemaVersion.id)
    )
    return list(session.exec(select(Schema.id).where(col(Schema.id).in_(marked.schemas), ~added.exists())))


def _versions(session: Session, marked: _Marked) -> list[str]:
    """Return the ids of versions that the demo added to other schemas, and that no label points to."""
    label = select(SchemaLabel.label).where(
        col(SchemaLabel.schema_id) == col(SchemaVersion.schema_id), SchemaLabel.version_id == SchemaVersion.id
    )
    return list(
        session.exec(
            select(SchemaVersion.id).where(
                col(SchemaVersion.id).in_(marked.versions),
                col(SchemaVersion.schema_id).not_in(marked.schemas),
                ~label.exists(),
            )
        )
    )
