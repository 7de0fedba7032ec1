"""What a re-pricing would change: which attempts, by how much, and whose accounts pay for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy
from sqlalchemy import Connection
from sqlmodel import col

from core.budgets import Scope
from core.errors import Invalid
from core.pricing import ANY_MODEL, Cost, family_name
from core.rollups.facets import MODEL, QUARTER
from core.servers import RECIPES, is_provider
from core.store import FOR_CHANGE
from core.tables import Account, AgedOut, ApiKey, AttemptRow, Budget, GenerationRow, LedgerEntry, LedgerKind, Rollup

MOST_ATTEMPTS = 50_000
"""In one re-pricing: all of them are read and planned before the first is written."""
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RepricingScope:
    """Which calls are to be re-priced: those that began from ``starts_at`` on and before ``ends_at``."""

    provider: str
    model: str
    """The model's name, or ``*`` for every model of the provider."""
    starts_at: datetime
    ends_at: datetime
    tenant_id: str = ""
    """Empty for all tenants."""

    @property
    def subject(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantDifference:
    """What a re-pricing does to one tenant."""

    tenant_id: str
    tenant: str
    attempts: int
    unpriced: int
    """How many of them had no price before."""
    before_nano_usd: int
    after_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RepricingPreview:
    """What a re-pricing would do."""

    scope: RepricingScope
    tenants: tuple[TenantDifference, ...]
    """Those whose figures would change, by name."""
    unchanged: int
    """Calls that the present prices do not change."""
    still_unpriced: int
    """Calls that have no price even now; they stay as they are."""
    gone: int = 0
    """Attempts that have aged out: they cannot be re-priced any more, nor can their figures."""

    @property
    def attempts(self) -> int:
        """How many attempts would change."""
        return sum(one.attempts for one in self.tenants)

    @property
    def unpriced(self) -> int:
        """How many of them had no price before."""
        return sum(one.unpriced for one in self.tenants)

    @property
    def before_nano_usd(self) -> int:
        """What they cost as they are recorded; the unpriced count nothing."""
        return sum(one.before_nano_usd for one in self.tenants)

    @property
    def after_nano_usd(self) -> int:
        """What they would cost."""
        return sum(one.after_nano_usd for one in self.tenants)


@dataclass(frozen=True, slots=True)
class PriceChange:
    """One attempt that would cost something else."""

    attempt: Any
    """The row of the attempt, with the scope of its generation."""
    cost: Cost

    @property
    def difference(self) -> int:
        """By how much, in nano-dollars; all of it where there was no price before."""
        return self.cost.nano_usd - (self.attempt.cost_nano_usd or 0)


def check(scope: RepricingScope) -> None:
    """Go on only with a scope that can be.

    Raises:
        Invalid: it cannot; the message says what to write instead.

    """
    if not is_provider(scope.provider):
        raise Invalid(f"The provider is one of {', '.join(RECIPES)}; this is {scope.provider!r}.")
    if not scope.model.strip():
        raise Invalid("Name the model whose calls are to be re-priced, or * for every model of the provider.")
    if scope.starts_at.tzinfo is None or scope.ends_at.tzinfo is None:
        raise Invalid("The span of time begins and ends at times with their zones.")
    if scope.starts_at >= scope.ends_at:
        raise Invalid("The span of time must end after it begins.")


@dataclass(frozen=True, slots=True)
class Payers:
    """Whose accounts a re-pricing moves."""

    by_attempt: dict[str, list[str]]
    """The accounts that pay for an attempt, one ledger entry each."""
    opening_balances: dict[str, int]
    """By how many nano-dollars they move, by account."""


def attempts(connection: Connection, scope: RepricingScope, settled_before: datetime, most: int) -> Sequence[Any]:
    """Return the paid attempts of generations that have ended."""
    query = (
        sqlalchemy.select(
            col(AttemptRow.id),
            col(AttemptRow.generation_id),
            col(AttemptRow.tenant_id),
            col(AttemptRow.provider),
            col(AttemptRow.model),
            col(AttemptRow.started_at),
            col(AttemptRow.input_tokens),
            col(AttemptRow.cached_tokens),
            col(AttemptRow.cache_write_tokens),
            col(AttemptRow.output_tokens),
            col(AttemptRow.answered_model),
            col(AttemptRow.billing),
            col(AttemptRow.estimated),
            col(AttemptRow.cost_nano_usd),
            col(AttemptRow.price),
            col(GenerationRow.started_at).label("paid_at"),
            col(GenerationRow.schema_name),
            col(GenerationRow.route),
            sqlalchemy.func.coalesce(col(ApiKey.payer_id), col(GenerationRow.key_id), "").label("payer"),
        )
        .join(GenerationRow, col(GenerationRow.id) == col(AttemptRow.generation_id))
        .outerjoin(ApiKey, col(ApiKey.id) == col(GenerationRow.key_id))
        .where(
            col(AttemptRow.started_at) >= scope.starts_at,
            col(AttemptRow.started_at) < scope.ends_at,
            col(AttemptRow.provider) == scope.provider,
            col(AttemptRow.input_tokens).is_not(None),
            sqlalchemy.or_(
                col(GenerationRow.error_code).is_(None),
                col(GenerationRow.error_code) != "lost",
                col(GenerationRow.started_at) < settled_before,
            ),
        )
        .order_by(col(AttemptRow.started_at), col(AttemptRow.id))
        .limit(most + 1)
    )
    if scope.model != ANY_MODEL:
        query = query.where(col(AttemptRow.model).in_(_names_of(connection, scope)))
    if scope.tenant_id:
        query = query.where(col(AttemptRow.tenant_id) == scope.tenant_id)
    return connection.execute(query).all()


def gone(connection: Connection, scope: RepricingScope) -> int:
    """Return how many attempts of the scope have aged out: rollups tell of those in quarters that begin within it."""
    query = (
        sqlalchemy.select(col(Rollup.detail), sqlalchemy.func.sum(col(Rollup.attempts)))
        .join(AgedOut, col(AgedOut.tenant_id) == col(Rollup.tenant_id))
        .where(
            col(Rollup.facet) == MODEL.name,
            col(Rollup.minutes) == QUARTER,
            col(Rollup.at) >= scope.starts_at,
            col(Rollup.at) < scope.ends_at,
            col(Rollup.at) < col(AgedOut.raw_from),
            col(Rollup.value) == scope.provider,
        )
        .group_by(col(Rollup.detail))
    )
    if scope.tenant_id:
        query = query.where(col(Rollup.tenant_id) == scope.tenant_id)
    family = family_name(scope.provider, scope.model)
    return sum(
        int(count)
        for name, count in connection.execute(query)
        if scope.model == ANY_MODEL or family_name(scope.provider, name) == family
    )


def _names_of(connection: Connection, scope: RepricingScope) -> list[str]:
    """Return the names of a model by which it was called in that time."""
    query = (
        sqlalchemy.select(col(AttemptRow.model))
        .where(
            col(AttemptRow.started_at) >= scope.starts_at,
            col(AttemptRow.started_at) < scope.ends_at,
            col(AttemptRow.provider) == scope.provider,
        )
        .distinct()
    )
    family = family_name(scope.provider, scope.model)
    return [name for name in connection.execute(query).scalars() if family_name(scope.provider, name) == family]


def unchanged(connection: Connection, changes: Sequence[PriceChange]) -> Sequence[PriceChange]:
    """Return those whose attempt still costs what it did when they were planned; locked until the transaction ends."""
    query = (
        sqlalchemy.select(col(AttemptRow.id), col(AttemptRow.cost_nano_usd))
        .where(col(AttemptRow.id).in_([change.attempt.id for change in changes]))
        .order_by(col(AttemptRow.id))
        .with_for_update(**FOR_CHANGE)
    )
    costs = {row.id: row.cost_nano_usd for row in connection.execute(query)}
    return [
        change
        for change in changes
        if change.attempt.id in costs and costs[change.attempt.id] == change.attempt.cost_nano_usd
    ]


def payers_of(connection: Connection, changes: Sequence[PriceChange]) -> Payers:
    """Return whose accounts the changes move.

    An attempt's difference goes to the accounts that were charged for it. An attempt that was unpriced was charged to
    none: it is charged to those that cover its generation and whose budget is for such a call. An account that was
    opened when its period had begun holds the cost of earlier calls in its opening balance: that moves.
    """
    charged: dict[str, set[str]] = defaultdict(set)
    for chunk in _chunks([change.attempt.id for change in changes]):
        query = (
            sqlalchemy.select(col(LedgerEntry.attempt_id), col(LedgerEntry.account_id))
            .where(col(LedgerEntry.attempt_id).in_(chunk))
            .distinct()
        )
        for attempt_id, account_id in connection.execute(query):
            charged[str(attempt_id)].add(account_id)
    accounts = _accounts_around(connection, changes)
    ids = [account.id for several in accounts.values() for account in several]
    with_opening: set[str] = set()
    for chunk in _chunks(ids):
        query = sqlalchemy.select(col(LedgerEntry.account_id)).where(
            col(LedgerEntry.account_id).in_(chunk), col(LedgerEntry.kind) == LedgerKind.OPENING_BALANCE
        )
        with_opening |= set(connection.execute(query.distinct()).scalars())
    moved: dict[str, int] = defaultdict(int)
    for change in changes:
        attempt = change.attempt
        covering = {account.id for account in accounts[attempt.tenant_id] if _covers(account, attempt)}
        if attempt.cost_nano_usd is None:
            charged[attempt.id] |= covering
        else:
            for account_id in (covering & with_opening) - charged[attempt.id]:
                moved[account_id] += change.difference
    return Payers({change.attempt.id: sorted(charged[change.attempt.id]) for change in changes}, dict(moved))


def _accounts_around(connection: Connection, changes: Sequence[PriceChange]) -> dict[str, list[Any]]:
    """Return the accounts whose period holds one of the changed calls, or lies between two, by tenant."""
    times = [change.attempt.paid_at for change in changes]
    query = (
        sqlalchemy.select(
            col(Account.id),
            col(Account.tenant_id),
            col(Account.starts_at),
            col(Account.ends_at),
            col(Budget.scope),
            col(Budget.scope_name),
        )
        .join(Budget, col(Budget.id) == col(Account.budget_id))
        .where(
            col(Account.tenant_id).in_({change.attempt.tenant_id for change in changes}),
            col(Account.starts_at) <= max(times),
            col(Account.ends_at) > min(times),
        )
    )
    found: dict[str, list[Any]] = defaultdict(list)
    for account in connection.execute(query):
        found[account.tenant_id].append(account)
    return found


def _covers(account: Any, attempt: Any) -> bool:
    model = f"{attempt.provider}/{attempt.model}"
    scope = Scope(account.scope)
    subject = scope.subject(model=model, schema=attempt.schema_name, route=attempt.route, payer=attempt.payer)
    return account.starts_at <= attempt.paid_at < account.ends_at and subject == scope.named(account.scope_name)


def by_tenant(changes: Sequence[PriceChange], names: dict[str, str]) -> tuple[TenantDifference, ...]:
    """Return what the changes do to each tenant."""
    of: dict[str, list[PriceChange]] = defaultdict(list)
    for change in changes:
        of[change.attempt.tenant_id].append(change)
    found = [
        TenantDifference(
            tenant_id=tenant_id,
            tenant=names.get(tenant_id, "a tenant that is gone"),
            attempts=len(theirs),
            unpriced=sum(one.attempt.cost_nano_usd is None for one in theirs),
            before_nano_usd=sum(one.attempt.cost_nano_usd or 0 for one in theirs),
            after_nano_usd=sum(one.cost.nano_usd for one in theirs),
        )
        for tenant_id, theirs in of.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.tenant.lower(), one.tenant_id)))


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
