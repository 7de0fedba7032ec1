"""A workload of any size, as if some tenants had called for three months: for benchmarks, and to try a database out.

Operators' decisions are made by the real commands; what happened is written in bulk, consistent to the nano-dollar, and
the same for the same seed. Nothing of it is marked as demo, and it is not meant to be taken away again.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, TypeVar

from sqlmodel import col, select

from core.budgets import Budgets, Scope
from core.clock import Clock, ManualClock, micros
from core.errors import Conflict, Invalid
from core.journal import JournalWriter
from core.pricing import Prices, Usage
from core.principals import LOCAL_OPERATOR
from core.schemas import Schemas
from core.store import Cursor, Store
from core.tables import (
    Account,
    AttemptKind,
    AttemptRow,
    FieldError,
    GenerationRow,
    LedgerEntry,
    LedgerKind,
    Outcome,
    Tenant,
)
from core.tenants import Tenants
from core.workload._rows import DrawnCall, PayingTenant, TransactionRows, blank, payload_row

MOST_GENERATIONS = 50_000_000
DAYS = 90
_AT_ONCE = 1000
"""Generations per transaction."""
_NAME = "Bench"
_LIMIT_NANO_USD = 10**15
_SCHEMAS = 5
_VERSIONS = 3
_MODELS = (
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4.1-mini"),
    ("openai", "gpt-4.1"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("compatible", "house-model"),  # nobody knows its price
)
_MODEL_WEIGHTS = (40, 20, 10, 20, 9, 1)
_T = TypeVar("_T")
_CALLS = 24
"""How many different calls to each model there are."""
_SPENT_MORE = "UPDATE account SET spent_nano_usd = spent_nano_usd + :spent WHERE id = :id"

_ENDS: Mapping[tuple[Outcome, ...], int] = {
    (Outcome.VALID_FIRST_TRY,): 880,
    (Outcome.INVALID, Outcome.VALID_AFTER_REASK): 40,
    (Outcome.PROVIDER_ERROR, Outcome.VALID_AFTER_FALLBACK): 20,
    (Outcome.INVALID, Outcome.INVALID): 20,
    (Outcome.PROVIDER_ERROR,): 20,
    (Outcome.TIMEOUT,): 10,
    (): 10,
}
"""How generations end, attempt by attempt, in thousandths; without an attempt the rate limit refused."""
_KINDS = {Outcome.INVALID: AttemptKind.REASK, Outcome.PROVIDER_ERROR: AttemptKind.FALLBACK}
"""Why another call is made after one that ended so."""


class Workload:
    """Fills a database."""

    def __init__(self, store: Store, clock: Clock, *, tenants: int = 40, payload_share: float = 0.15) -> None:
        """*payload_share* is the share of generations that keep prompt and answer, for thirty days."""
        self._store = store
        self._now = clock.now()
        self._tenants = tenants
        self._payload_share = payload_share
        self._chance = ManualClock(self._now, seed=7).chance
        self._born = 0
        self._run = f"{micros(self._now) // 1000 & 0xFFFFFFFF:08x}"
        self._journal = JournalWriter(store)
        self._accounts: dict[tuple[str, datetime], str] = {}
        self._spend = store.prepare(_SPENT_MORE)
        begins = self._now - timedelta(days=DAYS)
        self._begins = begins
        self._generation = blank(GenerationRow) | {
            "principal": "key prk_bench…",
            "route": "default",
            "trace": [{"room": "attempt", "verdict": "ended", "reason": "A workload."}],
        }
        self._attempt = blank(AttemptRow) | {"mode": "tools"}
        self._field_error = blank(FieldError) | {
            "path": "$.field_1",
            "type": "string_type",
            "message": "Input should be a valid string",
        }
        self._ledger_entry = blank(LedgerEntry) | {"kind": LedgerKind.CHARGE.value}

    def fill(
        self, generations: int, *, beside_own: bool = False, tell: Callable[[int], None] = lambda _: None
    ) -> Mapping[str, int]:
        """Write so many *generations*; return how many rows of each table that were. *tell* hears how many are there.

        Raises:
            Invalid: fewer than one, or more than a benchmark needs.
            Conflict: the database has tenants of its own, and the workload is not wanted *beside* them.

        """
        if not 1 <= generations <= MOST_GENERATIONS:
            raise Invalid(f"A workload has from 1 to {MOST_GENERATIONS:,} generations.")
        if not beside_own:
            self._require_empty()
        callers, schemas = self._decide()
        calls = self._calls()
        shares = list(accumulate(1 / (rank + 1) for rank in range(len(callers))))  # the first has a quarter of all
        ends, parts = list(_ENDS), list(accumulate(_ENDS.values()))
        counts: Counter[str] = Counter()
        step = timedelta(days=DAYS) / generations
        for start in range(0, generations, _AT_ONCE):
            rows = TransactionRows([], [], [], [], [], Counter())
            for number in range(start, min(start + _AT_ONCE, generations)):
                caller = callers[bisect(shares, self._chance() * shares[-1])]
                ended = ends[bisect(parts, self._chance() * parts[-1])]
                drawn = [self._one_of(calls) for _ in ended]
                self._play(
                    rows,
                    self._begins + step * number,
                    caller,
                    self._one_of(schemas),
                    list(zip(ended, drawn, strict=True)),
                )
            with self._store.transaction() as cursor:
                self._write(cursor, rows)
            counts += Counter(
                generation=len(rows.generations),
                attempt=len(rows.attempts),
                field_error=len(rows.errors),
                payload=len(rows.payloads),
                ledger_entry=len(rows.entries),
            )
            tell(counts["generation"])
        return counts

    # ── Decisions ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _require_empty(self) -> None:
        own = select(Tenant.name).where(~col(Tenant.is_demo), ~col(Tenant.name).startswith(_NAME))
        with self._store.reading() as session:
            name = session.exec(own.limit(1)).first()
        if name is not None:
            raise Conflict(
                f"This database has tenants of its own, such as {name}; a workload cannot be taken away again. "
                "Use another database, or say --yes."
            )

    def _decide(self) -> tuple[list[PayingTenant], list[tuple[str, int, str]]]:
        """Make tenants with their budgets, and schemas: as operators would have, before the first call."""
        clock = ManualClock(self._begins - timedelta(days=40), seed=micros(self._now))
        tenants, schemas = Tenants(self._store, clock), Schemas(self._store, clock)
        budgets = Budgets(self._store, clock, owner="workload")
        with self._store.reading() as session:
            taken = session.exec(select(Tenant.name).where(col(Tenant.name).startswith(_NAME))).all()
        first, callers = len(taken) + 1, list[PayingTenant]()
        for number in range(first, first + self._tenants):
            tenant = tenants.create(LOCAL_OPERATOR, f"{_NAME} {number:03}")
            budgets.set(LOCAL_OPERATOR, tenant, _LIMIT_NANO_USD)
            if number % 2:
                named = "/".join(_MODELS[0])
                budgets.set(LOCAL_OPERATOR, tenant, _LIMIT_NANO_USD, scope=Scope.MODEL, scope_name=named)
            with self._store.reading() as session:
                terms = budgets.terms(session, [tenant])[tenant.id]
            callers.append(PayingTenant(tenant.id, tuple(one for one, _ in terms)))
        self._open_accounts(budgets, callers)
        versions: list[tuple[str, int, str]] = []
        for number in range(1, _SCHEMAS + 1):
            for _ in range(_VERSIONS):
                fields = {f"field_{one}": {"type": "string"} for one in range(len(versions) + 2)}
                body = {"title": f"Bench{number}", "type": "object", "properties": fields, "required": list(fields)}
                added = schemas.add(LOCAL_OPERATOR, f"bench_{number}", body)
                versions.append((f"bench_{number}", added.version, added.hash))
        return callers, versions

    def _open_accounts(self, budgets: Budgets, callers: Sequence[PayingTenant]) -> None:
        """Open the account of each budget and month, as the first call in it would."""
        for caller in callers:
            for terms in caller.terms:
                at = self._begins
                while at <= self._now:
                    span = terms.span(at)
                    assert span is not None  # noqa: S101 a month is never over
                    budgets.accounts.open(terms, at)
                    at = span[1]
        with self._store.reading() as session:
            mine = col(Account.tenant_id).in_([caller.id for caller in callers])
            for account in session.exec(select(Account).where(mine)):
                self._accounts[account.budget_id, account.starts_at] = account.id

    # ── Calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _calls(self) -> list[DrawnCall]:
        """Return calls to draw from, each model as often as it is asked."""
        book = Prices(self._store, ManualClock(self._now)).book(LOCAL_OPERATOR)
        found: list[DrawnCall] = []
        for (provider, model), weight in zip(_MODELS, _MODEL_WEIGHTS, strict=True):
            several: list[DrawnCall] = []
            for _ in range(_CALLS):
                usage = Usage(
                    input_tokens=200 + int(self._chance() * 3800),
                    output_tokens=50 + int(self._chance() * 750),
                    cached_tokens=self._one_of((0, 0, 128)),
                )
                several.append(DrawnCall(provider, model, usage, book.cost(provider, model, usage, self._now)))
            found += [self._one_of(several) for _ in range(weight * 10)]
        return found

    def _play(
        self,
        rows: TransactionRows,
        at: datetime,
        caller: PayingTenant,
        schema: tuple[str, int, str],
        calls: Sequence[tuple[Outcome, DrawnCall]],
    ) -> None:
        """Add one generation: its attempts, in order, with how each ended."""
        generation_id = self._id(at)
        name, version, digest = schema
        cost, unpriced, wasted, used, seconds = 0, False, 0, Usage(), 0.0
        last, call = calls[-1] if calls else (Outcome.BLOCKED_RATE, None)
        is_valid = last.is_valid
        for n, (outcome, call) in enumerate(calls, start=1):
            took = 0.3 + self._chance() * 3
            began = at + timedelta(seconds=seconds)
            seconds += took
            is_paid = outcome.is_valid or outcome is Outcome.INVALID
            attempt_id = self._id(began)
            nano_usd = call.cost.nano_usd if call.cost and is_paid else None
            paying = self._paying(caller, at, call) if nano_usd is not None else []
            row = self._attempt | {
                "id": attempt_id,
                "generation_id": generation_id,
                "tenant_id": caller.id,
                "n": n,
                "kind": (_KINDS[calls[n - 2][0]] if n > 1 else AttemptKind.FIRST).value,
                "provider": call.provider,
                "model": call.model,
                "started_at": began,
                "ended_at": began + timedelta(seconds=took),
                "duration_ms": took * 1000,
                "outcome": outcome.value,
                "error_code": None if is_paid else outcome.value,
                "http_status": 200 if is_paid else 500,
                "charges": len(paying),
            }
            if is_paid:
                row |= {
                    "input_tokens": call.usage.input_tokens,
                    "cached_tokens": call.usage.cached_tokens,
                    "cache_write_tokens": 0,
                    "output_tokens": call.usage.output_tokens,
                    "reasoning_tokens": 0,
                    "cost_nano_usd": nano_usd,
                    "price": call.cost.price.as_dict() if call.cost else None,
                }
                used += call.usage
                unpriced = unpriced or nano_usd is None
                cost += nano_usd or 0
                wasted += 0 if outcome.is_valid and is_valid else nano_usd or 0
            rows.attempts.append(row)
            for account_id in paying:
                rows.entries.append(self._entry(began, account_id, generation_id, attempt_id, nano_usd or 0))
                rows.spent[account_id] += nano_usd or 0
            if outcome is Outcome.INVALID:
                rows.errors.append(self._error(began, generation_id, attempt_id, name, digest))
        rows.generations.append(
            self._generation
            | {
                "id": generation_id,
                "tenant_id": caller.id,
                "request_id": generation_id,
                "schema_name": name,
                "schema_version": version,
                "schema_hash": digest,
                "outcome": last.value,
                "error_code": None if is_valid else last.value,
                "started_at": at,
                "ended_at": at + timedelta(seconds=seconds),
                "duration_ms": seconds * 1000,
                "attempts": len(calls),
                "provider": call.provider if call else None,
                "model": call.model if call else None,
                "input_tokens": used.input_tokens,
                "cached_tokens": used.cached_tokens,
                "output_tokens": used.output_tokens,
                "cost_nano_usd": None if unpriced else cost,
                "wasted_nano_usd": wasted,
            }
        )
        if calls and self._chance() < self._payload_share:
            rows.payloads.append(payload_row(generation_id, at, is_valid=is_valid))

    def _paying(self, caller: PayingTenant, at: datetime, call: DrawnCall) -> list[str]:
        """Return the accounts that pay for a call."""
        paying = [one for one in caller.terms if one.pays_for(f"{call.provider}/{call.model}")]
        spans = [(one.budget_id, span[0]) for one in paying if (span := one.span(at)) is not None]
        return [self._accounts[key] for key in spans]

    # ── Rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, cursor: Cursor, rows: TransactionRows) -> None:
        self._journal.post(cursor, rows.entries)
        self._journal.attempts(cursor, rows.attempts)
        self._journal.field_errors(cursor, rows.errors)
        self._journal.generations(cursor, rows.generations)
        self._journal.payloads(cursor, rows.payloads)
        for account_id, spent in sorted(rows.spent.items()):
            cursor.execute(self._spend, {"id": account_id, "spent": spent})

    def _one_of(self, several: Sequence[_T]) -> _T:
        return several[int(self._chance() * len(several))]

    def _id(self, at: datetime) -> str:
        self._born += 1
        return f"{micros(at) // 1000:012x}{self._run}{self._born:012x}"

    def _entry(
        self, at: datetime, account_id: str, generation_id: str, attempt_id: str, nano_usd: int
    ) -> dict[str, Any]:
        return self._ledger_entry | {
            "id": self._id(at),
            "at": at,
            "account_id": account_id,
            "generation_id": generation_id,
            "attempt_id": attempt_id,
            "nano_usd": nano_usd,
        }

    def _error(self, at: datetime, generation_id: str, attempt_id: str, schema: str, digest: str) -> dict[str, Any]:
        return self._field_error | {
            "id": self._id(at),
            "attempt_id": attempt_id,
            "generation_id": generation_id,
            "schema_name": schema,
            "schema_hash": digest,
        }
