"""The journal: what happened, and the only place that writes it.

Generations, the policies they ran under, their attempts, field errors, payloads, what guardrails found and the ledger's
entries are appended as calls end, by ``core/record``, and stay as they are, but for seven things:

- ``retract``: what recovery wrote of a generation that lives on is taken back before it is written as it was;
- ``reprice``: an operator's re-pricing moves costs, and appends entries that say by how much;
- ``forget_payloads``: prompts and answers go when their time is over, which ``cut_payloads`` makes sooner;
- ``reseal``: prompts and answers are sealed by a newer key;
- ``erase``: of a user whose data is erased no word stays, and what is written late is not taken;
- ``age_out``: calls go whose tenant keeps them no longer, and their figures stay;
- ``removals``: the demo world goes as a whole.

Whatever is appended or corrected here is told to the rollups in the same transaction, as what came and what went; that
a call ages out corrects nothing, so they are told nothing. A test reads the source and finds no other writer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Delete, Select, String, bindparam, delete, func, text, update
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from core.clock import micros
from core.rollups import Deltas, keeping
from core.sealed_texts import sealed_payload
from core.statements import Cursor
from core.store import AT_ONCE, FOR_CHANGE, Store
from core.tables import (
    SUCCESSFUL,
    Account,
    AttemptRow,
    FieldError,
    FindingRow,
    GenerationRow,
    LedgerEntry,
    Payload,
    PolicySnapshot,
    Reservation,
)

LOST = "lost"
"""The error code of a call whose process died."""

# What a generation cost and wasted, from its attempts: as the record has it when a generation ends.
_SUCCESSFUL = ", ".join(f"'{outcome.value}'" for outcome in sorted(SUCCESSFUL))
_SUM_UP = f"""UPDATE generation SET
cost_nano_usd = (
    SELECT CASE WHEN COUNT(*) = COUNT(a.cost_nano_usd) THEN SUM(a.cost_nano_usd) END
    FROM attempt a WHERE a.generation_id = generation.id AND a.input_tokens IS NOT NULL),
wasted_nano_usd = COALESCE((
    SELECT SUM(a.cost_nano_usd) FROM attempt a WHERE a.generation_id = generation.id
    AND NOT (a.outcome IN ({_SUCCESSFUL}) AND generation.outcome IN ({_SUCCESSFUL}))), 0)
WHERE id = :id"""  # noqa: S608 our own words


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrice:
    """What an attempt costs after a re-pricing."""

    attempt_id: str
    cost_nano_usd: int
    price: Mapping[str, Any]
    """The price as it is kept: see ``Attempt.price``."""
    cache_saved_nano_usd: int
    charges: int
    """How many accounts are charged for it."""


class CallOwner(NamedTuple):
    """Whose call it is: so prompts and answers are sealed, and so an erasure asks."""

    tenant_id: str
    user_hash: str | None
    started_at: datetime
    """When the call began."""


_IS_ERASED = "SELECT 1 FROM erasure WHERE tenant_id = ? AND user_hash = ? AND at >= ?"
ERASED_TRACE = [{"room": "record", "verdict": "erased", "reason": "What was kept of it was erased at its user's wish."}]
"""The trace of a call of which nothing but figures is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSums:
    """What the attempts that are written of one generation sum to."""

    attempts: int
    unpriced: int
    """How many of them were paid for and have no price."""
    cost_nano_usd: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int


class JournalWriter:
    """Writes what happened, each time in the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._deltas = Deltas(store)
        self._insert_generations = store.insert(GenerationRow)
        self._insert_attempts = store.insert(AttemptRow)
        self._insert_field_errors = store.insert(FieldError)
        self._insert_payloads = store.insert(Payload)
        self._insert_payloads_of_user = store.insert(Payload, unless=_IS_ERASED)
        self._insert_findings = store.insert(FindingRow)
        self._insert_policy = store.prepare(
            "INSERT INTO policy_snapshot (hash, tenant_id, body) VALUES (:hash, :tenant_id, :body) "
            "ON CONFLICT DO NOTHING"
        )
        self._insert_entries = store.insert(LedgerEntry)
        self._sums = store.prepare(
            "SELECT COUNT(*), COUNT(CASE WHEN input_tokens IS NOT NULL AND cost_nano_usd IS NULL THEN 1 END), "
            "CAST(COALESCE(SUM(cost_nano_usd), 0) AS BIGINT), COALESCE(SUM(input_tokens), 0), "
            "COALESCE(SUM(cached_tokens), 0), COALESCE(SUM(cache_write_tokens), 0), COALESCE(SUM(output_tokens), 0), "
            "COALESCE(SUM(reasoning_tokens), 0) FROM attempt WHERE generation_id = :id"
        )
        self._estimates = store.prepare(
            "SELECT a.id, e.account_id, e.nano_usd FROM attempt a LEFT JOIN ledger_entry e ON e.attempt_id = a.id "
            "AND e.kind = 'charge' WHERE a.generation_id = :id AND a.error_code = 'lost'"
        )
        self._retract_generation = store.prepare("DELETE FROM generation WHERE id = :id AND error_code = 'lost'")
        self._retract_findings = store.prepare("DELETE FROM finding WHERE generation_id = :id")
        self._retract_attempt = store.prepare("DELETE FROM attempt WHERE id = :id AND error_code = 'lost'")
        self._reprice = store.prepare(
            "UPDATE attempt SET cost_nano_usd = :cost, price = :price, cache_saved_nano_usd = :saved, "
            "charges = :charges WHERE id = :id"
        )
        self._sum_up = store.prepare(_SUM_UP)
        self._reseal = store.prepare(
            "UPDATE payload SET asked = :asked, answered = :answered, key_id = :key_id "
            "WHERE generation_id = :generation_id AND n = :n AND COALESCE(key_id, '') = :before"
        )
        self._cut_payloads = store.prepare(
            "UPDATE payload SET expires_at = :until WHERE generation_id = :id AND expires_at > :until"
        )
        self._forget_payloads = store.prepare(
            "DELETE FROM payload WHERE (generation_id, n) IN "
            "(SELECT generation_id, n FROM payload WHERE expires_at < :before ORDER BY expires_at LIMIT :most)"
        )

    # ── Appending ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def generation(self, cursor: Cursor, row: Mapping[str, Any], *, is_late: bool = False) -> None:
        """Append a generation that has ended, behind its attempts; *is_late* where that may be long ago."""
        self.generations(cursor, [row], is_late=is_late)

    def generations(self, cursor: Cursor, rows: Sequence[Mapping[str, Any]], *, is_late: bool = False) -> None:
        """Append many generations at once, behind their attempts."""
        self._deltas.come(cursor, rows, lambda: self._insert_generations(cursor, rows), is_late=is_late)

    def attempts(self, cursor: Cursor, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append attempts that have ended."""
        self._insert_attempts(cursor, rows)

    def field_errors(self, cursor: Cursor, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append what was wrong with invalid answers."""
        self._insert_field_errors(cursor, rows)

    def payloads(self, cursor: Cursor, rows: Sequence[Mapping[str, Any]], of: CallOwner | None = None) -> None:
        """Append what was asked and answered, sealed where there is a key; unless the caller's user was erased since.

        The database looks within the statement, so that it is known to whoever writes, whenever and wherever. Without
        whom it is *of* it is written as it is: what nobody said.
        """
        if of is not None:
            rows = [sealed_payload(self._store.own_keys, of.tenant_id, row) for row in rows]
        if of is None or of.user_hash is None:
            self._insert_payloads(cursor, rows)
        else:
            self._insert_payloads_of_user(cursor, rows, of.tenant_id, of.user_hash, micros(of.started_at))

    def reseal(self, cursor: Cursor, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put rows of payloads in the place of those that another key sealed (``before``), or none did."""
        cursor.executemany(self._reseal, rows)

    def findings(self, cursor: Cursor, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append what guardrails found; where that is nothing, nothing is sent."""
        self._insert_findings(cursor, rows)

    def policy(self, cursor: Cursor, name: str, tenant_id: str, body: str) -> None:
        """Keep a policy by its hash, unless it is kept already."""
        cursor.execute(self._insert_policy, {"hash": name, "tenant_id": tenant_id, "body": body})

    def post(self, cursor: Cursor, entries: Sequence[Mapping[str, Any]]) -> None:
        """Append to the ledger; whoever does moves the accounts by the same sums, in the same transaction."""
        self._insert_entries(cursor, entries)

    # ── Recovery, and taking it back ──────────────────────────────────────────────────────────────────────────────────

    def sums(self, cursor: Cursor, generation_id: str) -> RecordedSums:
        """Return what the attempts written so far sum to."""
        cursor.execute(self._sums, {"id": generation_id})
        attempts, unpriced, cost, *tokens = map(int, cursor.fetchone())
        fresh, cached, cache_write, out, reasoning = tokens
        return RecordedSums(
            attempts=attempts,
            unpriced=unpriced,
            cost_nano_usd=cost,
            input_tokens=fresh,
            cached_tokens=cached,
            cache_write_tokens=cache_write,
            output_tokens=out,
            reasoning_tokens=reasoning,
        )

    def recovered(self, cursor: Cursor, generation_id: str) -> Sequence[tuple[str, str | None, int]]:
        """Return attempt, account and estimate of each charge that recovery wrote; no account where it charged none."""
        cursor.execute(self._estimates, {"id": generation_id})
        found: list[tuple[str, str | None, int]] = []
        while (row := cursor.fetchone()) is not None:
            found.append((row[0], row[1], row[2] or 0))
        return found

    def retract_generation(self, cursor: Cursor, generation_id: str) -> None:
        """Take back that a generation was lost: it lives on, and is written when it ends."""
        self._deltas.go(
            cursor, [generation_id], lambda: cursor.execute(self._retract_generation, {"id": generation_id})
        )
        cursor.execute(self._retract_findings, {"id": generation_id})

    def retract_attempts(self, cursor: Cursor, attempt_ids: Sequence[str]) -> None:
        """Take back that attempts were lost: they have ended, and are written as they did. Their charges stay."""
        for attempt_id in attempt_ids:
            cursor.execute(self._retract_attempt, {"id": attempt_id})

    # ── Re-pricing and removal ────────────────────────────────────────────────────────────────────────────────────────

    def reprice(self, cursor: Cursor, prices: Sequence[NewPrice], generation_ids: Sequence[str]) -> None:
        """Give attempts new prices, and the generations *generation_ids*, to which they belong, what that sums to."""
        if not prices:
            return
        rows = [
            {
                "id": one.attempt_id,
                "cost": one.cost_nano_usd,
                "price": orjson.dumps(one.price).decode(),
                "saved": one.cache_saved_nano_usd,
                "charges": one.charges,
            }
            for one in prices
        ]
        with self._deltas.corrected(cursor, generation_ids):
            cursor.executemany(self._reprice, rows)
            cursor.executemany(self._sum_up, [{"id": one} for one in generation_ids])

    def cut_payloads(self, until: Mapping[str, datetime]) -> None:
        """Let the prompts and answers of some generations, by their ids, go no later than it says."""
        with self._store.transaction() as cursor:
            cursor.executemany(self._cut_payloads, [{"id": one, "until": micros(at)} for one, at in until.items()])

    def forget_payloads(self, before: datetime) -> int:
        """Delete prompts and answers whose time was over at *before*; return how many.

        Some hundred at a time, so that nobody who writes meanwhile waits for all of them.
        """
        forgotten = 0
        while True:
            with self._store.transaction() as cursor:
                cursor.execute(self._forget_payloads, {"before": micros(before), "most": AT_ONCE})
                count = cursor.rowcount
            forgotten += count
            if count < AT_ONCE:
                return forgotten
            self._store.rest()


def remove(store: Store, session: Session, ids: Sequence[str]) -> Mapping[str, int]:
    """Delete all that happened in some generations, and take it off their accounts; return how many rows went."""
    connection, counts = session.connection(), dict[str, int]()
    charged = select(LedgerEntry.account_id, func.sum(LedgerEntry.nano_usd)).where(
        col(LedgerEntry.generation_id).in_(ids)
    )
    moves = dict(session.exec(charged.group_by(col(LedgerEntry.account_id))).all())
    deletions = [
        delete(Payload).where(col(Payload.generation_id).in_(ids)),
        delete(FieldError).where(col(FieldError.generation_id).in_(ids)),
        delete(FindingRow).where(col(FindingRow.generation_id).in_(ids)),
        delete(LedgerEntry).where(col(LedgerEntry.generation_id).in_(ids)),
        delete(AttemptRow).where(col(AttemptRow.generation_id).in_(ids)),
        delete(GenerationRow).where(col(GenerationRow.id).in_(ids)),
    ]

    def go() -> None:
        counts.update((str(one.table), connection.execute(one).rowcount) for one in deletions)

    Deltas(store).go(store.cursor(session), ids, go)
    for account_id, nano_usd in sorted(moves.items()):  # in the order in which everybody moves accounts
        spent = col(Account.spent_nano_usd) - int(nano_usd)
        more = {"spent_nano_usd": spent, "opening_moves": col(Account.opening_moves) + 1}
        connection.execute(update(Account).where(col(Account.id) == account_id).values(more))
    return counts


def erase(session: Session, ids: Sequence[str], *, forgets_user: bool) -> Mapping[str, int]:
    """Delete every word of some generations, and keep their figures; return how many rows that changed.

    Unless it *forgets_user*, they are still found by his hash.
    """
    connection = session.connection()
    mine = col(AttemptRow.generation_id).in_(ids), col(FieldError.generation_id).in_(ids)
    wordless = {
        "caller_metadata": None,
        "error_detail": None,
        "media": None,
        "request_id": col(GenerationRow.id),
        "trace": ERASED_TRACE,
    }
    is_mine = col(GenerationRow.id).in_(ids)
    steps = [
        delete(Payload).where(col(Payload.generation_id).in_(ids)),
        update(AttemptRow).where(mine[0], col(AttemptRow.error_detail).is_not(None)).values(error_detail=None),
        update(FieldError).where(mine[1], col(FieldError.message) != "").values(message=""),
        update(GenerationRow).where(is_mine, col(GenerationRow.trace) != ERASED_TRACE).values(wordless),
    ]
    payloads, attempts, field_errors, calls = (connection.execute(one).rowcount for one in steps)
    if forgets_user:
        connection.execute(update(GenerationRow).where(is_mine).values(user_hash=None))
    return {"calls": calls, "payloads": payloads, "sentences": attempts + field_errors}


def age_out(store: Store, session: Session, ids: Sequence[str]) -> None:
    """Delete some calls with all that is recorded of each, but for the ledger; what no rollup holds of them is kept.

    Those are left alone that are gone by now, and who corrects one meanwhile is waited for.
    """
    connection = session.connection()
    held = sql_select(col(GenerationRow.id)).where(col(GenerationRow.id).in_(ids)).order_by(col(GenerationRow.id))
    ids = connection.execute(held.with_for_update(**FOR_CHANGE)).scalars().all()
    which = {"ids": list(ids)}
    for sql in keeping(is_sqlite=store.is_sqlite):
        connection.execute(text(sql).bindparams(bindparam("ids", type_=String, expanding=True)), which)
    for table in (Payload, FieldError, FindingRow, AttemptRow):
        connection.execute(delete(table).where(col(table.generation_id).in_(ids)))
    connection.execute(delete(GenerationRow).where(col(GenerationRow.id).in_(ids)))


def snapshots(tenants: Sequence[str]) -> Select[str]:
    """Return what finds, by their hashes, the policies that calls of *tenants* went by."""
    return sql_select(col(PolicySnapshot.hash)).where(col(PolicySnapshot.tenant_id).in_(tenants))


def removal_of_snapshots(hashes: Sequence[str]) -> Delete:
    """Return what deletes the policies of these *hashes*."""
    return delete(PolicySnapshot).where(col(PolicySnapshot.hash).in_(hashes))


def removals(session: Session, tenants: Sequence[str]) -> list[Delete]:
    """Return what deletes all that happened to *tenants*, in an order that leaves nothing behind.

    Their calls and accounts are looked up first, and named one by one: else a database may rather read those of all.
    """
    own = select(col(GenerationRow.id)).where(col(GenerationRow.tenant_id).in_(tenants))
    # Those that are out have attempts and no row of their own yet.
    out = select(col(Reservation.generation_id)).where(col(Reservation.tenant_id).in_(tenants))
    generations = [*session.exec(own), *session.exec(out)]
    accounts = session.exec(select(col(Account.id)).where(col(Account.tenant_id).in_(tenants))).all()
    return [
        delete(Payload).where(col(Payload.generation_id).in_(generations)),
        delete(FieldError).where(col(FieldError.generation_id).in_(generations)),
        delete(FindingRow).where(col(FindingRow.tenant_id).in_(tenants)),
        delete(AttemptRow).where(col(AttemptRow.generation_id).in_(generations)),
        delete(GenerationRow).where(col(GenerationRow.tenant_id).in_(tenants)),
        delete(PolicySnapshot).where(col(PolicySnapshot.tenant_id).in_(tenants)),
        delete(LedgerEntry).where(col(LedgerEntry.account_id).in_(accounts)),
    ]
