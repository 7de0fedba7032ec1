"""Re-prices history, and remembers what it was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from core import audit
from core.budgets import Freezes
from core.claims import Claims
from core.clock import Clock, minute
from core.errors import Conflict, Invalid, NotFound
from core.journal import JournalWriter, NewPrice
from core.pricing import Usage, as_dollars, books
from core.principals import Permission, Principal
from core.repricing._plans import (
    MOST_ATTEMPTS,
    PriceChange,
    RepricingPreview,
    RepricingScope,
    attempts,
    by_tenant,
    check,
    gone,
    payers_of,
    unchanged,
)
from core.store import AT_ONCE, FOR_CHANGE, Store
from core.tables import (
    Account,
    AttemptRow,
    LedgerKind,
    RepricedAttempt,
    Repricing,
    Tenant,
)
from core.visibility import visible

_LONGEST_REASON = 500
_NO_LONGER = "What would be changed is no longer what the preview showed; look at it again."
_TOLD_AT_ONCE = 500
_SETTLES_AFTER = timedelta(days=1)
"""For so long a call that was given up for lost may come back and be corrected; until then it is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldFigure:
    """What one attempt cost before it was re-priced."""

    attempt_id: str
    generation_id: str
    tenant_id: str
    started_at: datetime
    before_nano_usd: int | None
    after_nano_usd: int
    price_before: dict[str, Any] | None


class Repricings:
    """Re-prices history, and remembers what it was."""

    def __init__(
        self, store: Store, clock: Clock, freezes: Freezes | None = None, *, most_attempts: int = MOST_ATTEMPTS
    ) -> None:
        self._most = most_attempts
        self._freezes = freezes or Freezes(Claims(store, clock))
        self._store = store
        self._clock = clock
        self._journal = JournalWriter(store)

    def preview(self, principal: Principal, scope: RepricingScope) -> RepricingPreview:
        """Return what a re-pricing would do, and do nothing.

        Raises:
            Forbidden: without ``prices.write``.
            Invalid: a scope that cannot be, or too many calls at once.

        """
        principal.require_over(Permission.PRICES_WRITE, scope.tenant_id)
        check(scope)
        with self._store.reading() as session:
            return self._planned(session, scope)[0]

    def reprice(
        self, principal: Principal, scope: RepricingScope, reason: str, *, expected: RepricingPreview | None = None
    ) -> Repricing:
        """Re-price calls, some hundred in one transaction; return what was done.

        Whatever is done is whole: attempts, their generations, ledger and accounts move together. If the process dies
        on the way, the re-pricing says how far it came, and another one does the rest. A call that others have
        changed since it began is left as it is.

        Each budget that paid for an attempt is charged or given back the difference. An attempt that was unpriced is
        charged to the accounts of its tenant that cover it. *expected* is the preview that the operator saw: if it is
        no longer what would be done, nothing is.

        Raises:
            Forbidden: without ``prices.write``.
            Invalid: a scope that cannot be, no reason, too many calls at once, or nothing to change.
            Conflict: see *expected*.

        """
        principal.require_over(Permission.PRICES_WRITE, scope.tenant_id)
        check(scope)
        reason = reason.strip()
        if not 1 <= len(reason) <= _LONGEST_REASON:
            raise Invalid(f"A re-pricing has a reason, of at most {_LONGEST_REASON} characters: it is kept for ever.")
        with self._store.reading() as session:
            preview, changes = self._planned(session, scope)
        if expected is not None and _figures(expected) != _figures(preview):
            raise Conflict(_NO_LONGER)
        if not changes:
            raise Invalid("Nothing would change: these calls are recorded at the present prices, or have none.")
        first, *others = [changes[start : start + AT_ONCE] for start in range(0, len(changes), AT_ONCE)]
        done = Repricing(
            id=self._clock.new_id(),
            at=self._clock.now(),
            actor=principal.name,
            reason=reason,
            tenant_id=scope.tenant_id,
            provider=scope.provider,
            model=scope.model,
            starts_at=scope.starts_at,
            ends_at=scope.ends_at,
        )
        self._freezes.wait()
        with self._store.writing() as session:
            session.add(done)
            session.flush()
            if self._write(session, done, first) < len(first):
                raise Conflict(_NO_LONGER)
            span = f"from {minute(scope.starts_at)} to {minute(scope.ends_at)}"
            audit.record(
                session,
                self._clock,
                by=principal,
                action="price.reprice",
                kind="price",
                subject=scope.subject,
                summary=f"{preview.attempts:,} attempts of {scope.subject} {span} were re-priced: "
                f"${as_dollars(preview.before_nano_usd)} became ${as_dollars(preview.after_nano_usd)}.",
                tenant_id=scope.tenant_id or None,
                before={"nano_usd": preview.before_nano_usd, "unpriced_attempts": preview.unpriced},
                after={
                    "nano_usd": preview.after_nano_usd,
                    "attempts": preview.attempts,
                    "repricing_id": done.id,
                    "reason": reason,
                },
            )
        for some in others:
            self._store.rest()
            self._freezes.wait()
            with self._store.writing() as session:
                done = session.get_one(Repricing, done.id, with_for_update=FOR_CHANGE)
                self._write(session, done, some)
        return done

    def list(self, principal: Principal) -> Sequence[Repricing]:
        """Return every re-pricing, the newest first; to whoever does not see all tenants, those of single ones.

        Raises:
            Forbidden: without ``prices.read``.

        """
        principal.require(Permission.PRICES_READ)
        mine = select(Repricing).where(visible(principal.scope_of(Permission.PRICES_READ), Repricing.tenant_id))
        with self._store.reading() as session:
            return session.exec(mine.order_by(col(Repricing.at).desc(), col(Repricing.id).desc())).all()

    def find(self, principal: Principal, repricing_id: str) -> Repricing:
        """Return one re-pricing.

        Raises:
            Forbidden: without ``prices.read``.
            NotFound: there is none with this id.

        """
        principal.require(Permission.PRICES_READ)
        mine = visible(principal.scope_of(Permission.PRICES_READ), Repricing.tenant_id)
        with self._store.reading() as session:
            found = session.exec(select(Repricing).where(col(Repricing.id) == repricing_id, mine)).first()
        if found is None:
            raise NotFound("There is no re-pricing with this id. 'proctor price repricings' shows them.")
        return found

    def old_figures(self, principal: Principal, repricing_id: str) -> Generator[OldFigure]:
        """Yield what each attempt of a re-pricing cost before, in the order of their ids, some hundred at a time.

        Raises:
            Forbidden: without ``prices.read``.

        """
        principal.require(Permission.PRICES_READ)
        return self._old_figures(
            visible(principal.scope_of(Permission.PRICES_READ), AttemptRow.tenant_id), repricing_id
        )

    def _old_figures(self, mine: ColumnElement[bool], repricing_id: str) -> Generator[OldFigure]:
        query = (
            sqlalchemy.select(
                col(RepricedAttempt.attempt_id),
                col(AttemptRow.generation_id),
                col(AttemptRow.tenant_id),
                col(AttemptRow.started_at),
                col(RepricedAttempt.before_nano_usd),
                col(RepricedAttempt.after_nano_usd),
                col(RepricedAttempt.price_before),
            )
            .join(AttemptRow, col(AttemptRow.id) == col(RepricedAttempt.attempt_id))
            .where(col(RepricedAttempt.repricing_id) == repricing_id, mine)
            .order_by(col(RepricedAttempt.attempt_id))
            .limit(_TOLD_AT_ONCE)
        )
        last = ""
        while True:
            beyond = query.where(col(RepricedAttempt.attempt_id) > last)
            with self._store.reading() as session:
                some = [OldFigure(**row) for row in session.connection().execute(beyond).mappings()]
            yield from some
            if len(some) < _TOLD_AT_ONCE:
                return
            last = some[-1].attempt_id

    # ── Looking ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _planned(self, session: Session, scope: RepricingScope) -> tuple[RepricingPreview, list[PriceChange]]:
        """Return what is to change, for people and in detail, as the session's transaction sees it."""
        rows = attempts(session.connection(), scope, self._clock.now() - _SETTLES_AFTER, self._most)
        if len(rows) > self._most:
            raise Invalid(f"These are more than {self._most:,} calls. Re-price them in shorter spans of time.")
        costs = books(session, sorted({row.tenant_id for row in rows}))
        changes: list[PriceChange] = []
        still_unpriced = 0
        for row in rows:
            served: dict[str, Any] = row.billing or {}
            usage = Usage(
                input_tokens=row.input_tokens,
                cached_tokens=row.cached_tokens or 0,
                cache_write_tokens=row.cache_write_tokens or 0,
                cache_write_1h_tokens=served.get("cache_write_1h_tokens", 0),
                output_tokens=row.output_tokens or 0,
                tier=served.get("tier", ""),
                geo=served.get("geo", ""),
                tool_uses=tuple(sorted(served.get("tool_uses", {}).items())),
            )
            cost = costs[row.tenant_id].cost(
                row.provider, row.model, usage, row.started_at, answered=row.answered_model
            )
            if cost is None:
                still_unpriced += 1
            elif cost.nano_usd != row.cost_nano_usd:
                changes.append(PriceChange(row, cost))
        names = {tenant.id: tenant.name for tenant in session.exec(select(Tenant))}
        preview = RepricingPreview(
            scope=scope,
            tenants=by_tenant(changes, names),
            unchanged=len(rows) - len(changes) - still_unpriced,
            still_unpriced=still_unpriced,
            gone=gone(session.connection(), scope),
        )
        return preview, changes

    # ── Doing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, session: Session, done: Repricing, changes: Sequence[PriceChange]) -> int:
        """Write those of *changes* that are still as they were planned; return how many these are."""
        connection = session.connection()
        changes = unchanged(connection, changes)
        if not changes:
            return 0
        payers = payers_of(connection, changes)
        paying = payers.by_attempt
        entries: list[dict[str, Any]] = [
            {
                "id": self._clock.new_id(),
                "at": done.at,
                "account_id": account_id,
                "generation_id": change.attempt.generation_id,
                "attempt_id": change.attempt.id,
                "kind": LedgerKind.REPRICING.value,
                "cause": done.id,
                "nano_usd": change.difference,
                "estimated": change.attempt.estimated,
            }
            for change in changes
            for account_id in paying[change.attempt.id]
        ]
        entries += [
            {
                "id": self._clock.new_id(),
                "at": done.at,
                "account_id": account_id,
                "generation_id": "",
                "attempt_id": None,
                "kind": LedgerKind.OPENING_BALANCE.value,
                "cause": done.id,
                "nano_usd": nano_usd,
                "estimated": False,
            }
            for account_id, nano_usd in payers.opening_balances.items()
            if nano_usd
        ]
        connection.execute(
            sqlalchemy.insert(RepricedAttempt),
            [
                {
                    "repricing_id": done.id,
                    "attempt_id": change.attempt.id,
                    "before_nano_usd": change.attempt.cost_nano_usd,
                    "after_nano_usd": change.cost.nano_usd,
                    "price_before": change.attempt.price,
                }
                for change in changes
            ],
        )
        prices = [
            NewPrice(
                attempt_id=change.attempt.id,
                cost_nano_usd=change.cost.nano_usd,
                price=change.cost.price.as_dict(),
                cache_saved_nano_usd=change.cost.cache_saved_nano_usd,
                charges=len(paying[change.attempt.id]),
            )
            for change in changes
        ]
        cursor = self._store.cursor(session)
        self._journal.reprice(cursor, prices, sorted({change.attempt.generation_id for change in changes}))
        self._journal.post(cursor, entries)
        moves: dict[str, int] = defaultdict(int)
        for entry in entries:
            moves[entry["account_id"]] += entry["nano_usd"]
        for account_id, nano_usd in sorted(moves.items()):  # in the order in which everybody moves accounts
            connection.execute(
                sqlalchemy.update(Account)
                .where(col(Account.id) == account_id)
                .values(
                    spent_nano_usd=col(Account.spent_nano_usd) + nano_usd,
                    opening_moves=col(Account.opening_moves) + 1,
                )
            )
        done.attempts += len(changes)
        done.before_nano_usd += sum(change.attempt.cost_nano_usd or 0 for change in changes)
        done.after_nano_usd += sum(change.cost.nano_usd for change in changes)
        session.add(done)
        return len(changes)


def _figures(preview: RepricingPreview) -> tuple[Any, ...]:
    return preview.scope, preview.tenants
