"""The calls of a workload: who calls when, how each goes, and the rows that the record would have written of it."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, TypeVar

from core.budgets import BudgetTerms
from core.clock import ManualClock, micros
from core.pricing import Usage
from core.tables import (
    AttemptKind,
    AttemptRow,
    FieldError,
    FindingRow,
    GenerationRow,
    LedgerEntry,
    LedgerKind,
    Outcome,
)
from core.workload._operators import CalledSchema, Decided, PayingTenant
from core.workload._progress import FillStretch
from core.workload._rows import DrawnCall, TransactionRows, blank, payload_row

_T = TypeVar("_T")
_FAILED = (Outcome.PROVIDER_ERROR, Outcome.TIMEOUT, Outcome.CANCELLED)
"""Attempts for which nothing is billed."""
_ENDS: Mapping[tuple[tuple[Outcome, ...], Outcome], int] = {
    ((Outcome.VALID_FIRST_TRY,), Outcome.VALID_FIRST_TRY): 820,
    ((Outcome.INVALID, Outcome.VALID_AFTER_REASK), Outcome.VALID_AFTER_REASK): 40,
    ((Outcome.PROVIDER_ERROR, Outcome.VALID_AFTER_FALLBACK), Outcome.VALID_AFTER_FALLBACK): 20,
    ((Outcome.INVALID, Outcome.INVALID), Outcome.INVALID): 20,
    ((Outcome.PROVIDER_ERROR,), Outcome.PROVIDER_ERROR): 15,
    ((Outcome.TIMEOUT,), Outcome.TIMEOUT): 10,
    ((Outcome.UNCHECKED,), Outcome.UNCHECKED): 8,
    ((Outcome.CANCELLED,), Outcome.CANCELLED): 4,
    ((Outcome.TRUNCATED,), Outcome.TRUNCATED): 4,
    ((Outcome.REFUSED,), Outcome.REFUSED): 3,
    ((Outcome.CONTENT_FILTERED,), Outcome.CONTENT_FILTERED): 2,
    ((), Outcome.CACHE_HIT): 34,
    ((), Outcome.BLOCKED_RATE): 10,
    ((), Outcome.BLOCKED_GUARDRAIL): 5,
    ((), Outcome.BLOCKED_BUDGET): 3,
    ((), Outcome.BLOCKED_FLAG): 2,
}
"""How generations end, attempt by attempt and then altogether, in thousandths."""
_KINDS = {Outcome.INVALID: AttemptKind.REASK, Outcome.PROVIDER_ERROR: AttemptKind.FALLBACK}
"""Why another call is made after one that ended so."""
_CODES = {
    Outcome.BLOCKED_RATE: "rate_limited",
    Outcome.BLOCKED_GUARDRAIL: "guardrail_blocked",
    Outcome.BLOCKED_BUDGET: "budget_exceeded",
    Outcome.BLOCKED_FLAG: "feature_disabled",
    Outcome.CANCELLED: "cancelled",
}
"""What a caller was told; where a provider is to blame, ``exhausted``."""
_PROVIDER_ERRORS = (
    *((("server_error", 500),) * 3),
    *((("throttled", 429),) * 3),
    ("unreachable", None),
    ("broken_stream", 200),
    ("key_rejected", 401),
)
_ROUTES = ("default",) * 7 + ("extraction", "extraction", "careful")
_WRONG = (
    ("$.field_1", "string_type", "Input should be a valid string"),
    ("$.field_1", "missing", "Field required"),
    ("$.lines[{n}].amount", "int_parsing", "Input should be a valid integer"),
    ("$.field_2", "enum", "Input should be one of its values"),
)
_FOUND = (
    ("secrets", "an API key", "block"),
    ("personal", "an e-mail address", "redact"),
    ("personal", "an IBAN", "redact"),
    ("injection", "", "note"),
)
_TRACE = [
    {"room": "policy", "verdict": "ok", "reason": "A workload."},
    {"room": "reserve", "verdict": "held", "reason": "A workload."},
    {"room": "attempt", "verdict": "ended", "reason": "A workload."},
]
_INLINE_SHARE, _STREAMED_SHARE, _USER_SHARE, _FINDING_SHARE = 0.1, 0.35, 0.3, 0.03
_ASKED_AGAIN_SHARE = 0.4
"""How many invalid answers their client asks again for, in another request."""
_OLD_VERSION_SHARE = 0.15
_USERS = 5000
_HOUR = timedelta(hours=1)
_MARK = "62656e63"
"""Stands where the demo world has its own mark."""
_BUSY = 1.0, 0.25, 0.3
"""How much is called in an hour of a working day, of a night, of a weekend."""


@dataclass(slots=True)
class _Invalid:
    """A generation that ended invalid, for which its client may ask again."""

    id: str
    ended_at: datetime
    schema: CalledSchema


class PlayedCalls:
    """Makes the calls of one stretch; the same by their numbers, whatever was made before."""

    def __init__(
        self, stretch: FillStretch, decided: Decided, drawn: Sequence[DrawnCall], payload_share: float
    ) -> None:
        """*drawn* are calls to models, each as often as it is asked; *payload_share* is how many keep their texts."""
        self._stretch, self._decided, self._drawn, self._payload_share = stretch, decided, drawn, payload_share
        self._tenants = list(accumulate(1 / (rank + 1) for rank in range(len(decided.tenants))))  # the first: a quarter
        self._ends, self._parts = list(_ENDS), list(accumulate(_ENDS.values()))
        hours = math.ceil((stretch.ends - stretch.begins) / _HOUR)
        self._hours = list(accumulate(_busyness(stretch.begins + _HOUR * hour) for hour in range(hours)))
        self._covering: dict[tuple[str, str], list[BudgetTerms]] = {}
        self._generation = blank(GenerationRow) | {"trace": _TRACE}
        self._attempt = blank(AttemptRow) | {"mode": "tools"}
        self._field_error, self._finding = blank(FieldError), blank(FindingRow)
        self._ledger_entry = blank(LedgerEntry) | {"kind": LedgerKind.CHARGE.value}

    def some(self, first: int, end: int) -> TransactionRows:
        """Return the rows of the calls from number *first* on and before *end*."""
        self._chance = ManualClock(self._stretch.begins, seed=first).chance
        self._valid: dict[str, tuple[str, DrawnCall]] = {}
        self._invalid: dict[str, _Invalid] = {}
        rows = TransactionRows()
        for number in range(first, end):
            self._number, self._born = number, 0
            caller = self._decided.tenants[bisect(self._tenants, self._chance() * self._tenants[-1])]
            self._play(rows, self._at(number), caller)
        return rows

    def _at(self, number: int) -> datetime:
        """Return when a call begins: by day more than by night, and less on weekends."""
        share = (number - self._stretch.first + 0.5) / (self._stretch.goal - self._stretch.first) * self._hours[-1]
        hour = bisect(self._hours, share)
        before = self._hours[hour - 1] if hour else 0.0
        at = self._stretch.begins + _HOUR * (hour + (share - before) / (self._hours[hour] - before))
        return min(at, self._stretch.ends)

    # ── One call ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _play(self, rows: TransactionRows, at: datetime, caller: PayingTenant) -> None:
        """Add one generation: its attempts, in order, with how each ended."""
        attempts, outcome = self._ends[bisect(self._parts, self._chance() * self._parts[-1])]
        again, schema = self._invalid.pop(caller.id, None), self._schema(at)
        if again and attempts and (began := max(at, again.ended_at)) < self._stretch.ends:
            at, schema = began, again.schema
        else:
            again = None
        from_cache = self._valid.get(caller.id) if outcome is Outcome.CACHE_HIT else None
        if outcome is Outcome.CACHE_HIT and from_cache is None:
            attempts, outcome = self._ends[0]
        generation_id = self._id(at)
        row: dict[str, Any] = (
            self._generation | self._asked(generation_id, at, caller, schema) | {"outcome": outcome.value}
        )
        if not outcome.is_successful:
            row["error_code"] = _CODES.get(outcome, "exhausted")
        if again:
            row["reask_of"] = again.id
        if from_cache:
            row |= self._from_cache(*from_cache)
        self._attempts(rows, row, caller, attempts)
        self._find(rows, row, outcome)
        rows.generations.append(row)
        if attempts and self._chance() < self._payload_share:
            rows.payloads.append(payload_row(generation_id, at, is_valid=outcome.is_valid))
        if outcome is Outcome.INVALID and self._chance() < _ASKED_AGAIN_SHARE:
            self._invalid[caller.id] = _Invalid(generation_id, row["ended_at"], schema)

    def _asked(self, generation_id: str, at: datetime, caller: PayingTenant, schema: CalledSchema) -> dict[str, Any]:
        key_id, shown = self._one_of(caller.keys) if caller.keys else (None, "local operator")
        took = 2 + self._chance() * 6
        return {
            "id": generation_id,
            "tenant_id": caller.id,
            "key_id": key_id,
            "principal": shown,
            "request_id": f"req-{generation_id}",
            "route": self._one_of(_ROUTES),
            "schema_name": schema.name,
            "schema_version": schema.version,
            "schema_hash": schema.hash,
            "streamed": self._chance() < _STREAMED_SHARE,
            "started_at": at,
            "ended_at": at + timedelta(milliseconds=took),
            "duration_ms": took,
            "user_hash": f"{int(self._chance() * _USERS):032x}" if self._chance() < _USER_SHARE else None,
            "guardrail_ms": 0.1 + self._chance() * 2,
            "queue_us": int(self._chance() * 40_000) if at.second < 3 else 0,
        }

    def _from_cache(self, generation_id: str, call: DrawnCall) -> dict[str, Any]:
        """Return what is said of an answer that another generation left."""
        return {
            "answered_from": generation_id,
            "provider": call.provider,
            "model": call.model,
            "saved_nano_usd": call.cost.nano_usd if call.cost else 0,
            "cost_nano_usd": 0,
        }

    def _attempts(
        self, rows: TransactionRows, row: dict[str, Any], caller: PayingTenant, ends: Sequence[Outcome]
    ) -> None:
        """Add the attempts of a generation, what they cost and what was wrong, and sum them up in its row."""
        if not ends:
            row["cost_nano_usd"] = 0
            return
        at, last = row["started_at"], Outcome(row["outcome"])
        cost, unpriced, wasted, used, seconds = 0, False, 0, Usage(), row["duration_ms"] / 1000
        call, before = self._drawn[0], None
        for n, outcome in enumerate(ends, start=1):
            call = self._one_of(self._drawn)
            took = 30.0 if outcome is Outcome.TIMEOUT else 0.25 - math.log(1 - self._chance()) * 1.1
            ttft = (0.15 + 0.4 * self._chance()) * min(took, 2.0) * 1000 if row["streamed"] else None
            began = at + timedelta(seconds=seconds)
            seconds += took
            is_paid = outcome not in _FAILED
            nano_usd = call.cost.nano_usd if call.cost and is_paid else None
            first = AttemptKind.REASK if row["reask_of"] else AttemptKind.FIRST
            attempt = self._attempt | {
                "id": self._id(began),
                "generation_id": row["id"],
                "tenant_id": caller.id,
                "n": n,
                "kind": (_KINDS[before] if before else first).value,
                "provider": call.provider,
                "model": call.model,
                "started_at": began,
                "ended_at": began + timedelta(seconds=took),
                "duration_ms": took * 1000,
                "ttft_ms": ttft if is_paid else None,
                "outcome": outcome.value,
            }
            if is_paid:
                attempt |= call.billed
                used += call.usage
                unpriced = unpriced or nano_usd is None
                cost += nano_usd or 0
                wasted += 0 if outcome.is_successful and last.is_successful else nano_usd or 0
                row["ttft_ms"] = ttft
                attempt["charges"] = self._charge(rows, caller, call, attempt, at) if nano_usd is not None else 0
            if outcome is Outcome.PROVIDER_ERROR:
                attempt["error_code"], attempt["http_status"] = self._one_of(_PROVIDER_ERRORS)
            elif not outcome.is_successful:
                attempt["error_code"] = outcome.value
            if outcome is Outcome.INVALID:
                self._wrong(rows, attempt, row)
            rows.attempts.append(attempt)
            before = outcome
        row |= {
            "ended_at": at + timedelta(seconds=seconds),
            "duration_ms": seconds * 1000,
            "attempts": len(ends),
            "provider": call.provider,
            "model": call.model,
            "input_tokens": used.input_tokens,
            "cached_tokens": used.cached_tokens,
            "output_tokens": used.output_tokens,
            "cost_nano_usd": None if unpriced else cost,
            "wasted_nano_usd": wasted,
        }
        if last.is_valid:
            self._valid[caller.id] = row["id"], call

    def _charge(
        self, rows: TransactionRows, caller: PayingTenant, call: DrawnCall, attempt: Mapping[str, Any], at: datetime
    ) -> int:
        """Charge the accounts that pay for an attempt of a generation that began *at*; return how many."""
        covering = self._covering.get((caller.id, call.name))
        if covering is None:
            covering = [one for one in caller.terms if one.pays_for(call.name)]
            self._covering[caller.id, call.name] = covering
        spans = [(terms.budget_id, span[0]) for terms in covering if (span := terms.span(at)) is not None]
        paying = [self._decided.accounts[one] for one in spans]
        for account_id in paying:
            rows.entries.append(
                self._ledger_entry
                | {
                    "id": self._id(attempt["started_at"]),
                    "at": attempt["started_at"],
                    "account_id": account_id,
                    "generation_id": attempt["generation_id"],
                    "attempt_id": attempt["id"],
                    "nano_usd": attempt["cost_nano_usd"],
                }
            )
            rows.spent[account_id] += attempt["cost_nano_usd"]
        return len(paying)

    def _wrong(self, rows: TransactionRows, attempt: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        """Add what was wrong with an answer: one field, or two."""
        for _ in range(1 + int(self._chance() * 2)):
            path, kind, message = self._one_of(_WRONG)
            rows.errors.append(
                self._field_error
                | {
                    "id": self._id(attempt["ended_at"]),
                    "attempt_id": attempt["id"],
                    "generation_id": row["id"],
                    "schema_name": row["schema_name"],
                    "schema_hash": row["schema_hash"],
                    "path": path.format(n=int(self._chance() * 5)),
                    "type": kind,
                    "message": message,
                }
            )

    def _find(self, rows: TransactionRows, row: Mapping[str, Any], outcome: Outcome) -> None:
        """Add what a guardrail found, in some."""
        is_blocked = outcome is Outcome.BLOCKED_GUARDRAIL
        if not is_blocked and self._chance() >= _FINDING_SHARE:
            return
        guardrail, kind, action = _FOUND[0] if is_blocked else self._one_of(_FOUND[1:])
        rows.findings.append(
            self._finding
            | {
                "generation_id": row["id"],
                "n": 0,
                "tenant_id": row["tenant_id"],
                "at": row["started_at"],
                "guardrail": guardrail,
                "stage": "input",
                "place": "user text",
                "kind": kind,
                "action": action,
            }
        )

    def _schema(self, at: datetime) -> CalledSchema:
        """Return what is asked for: of a registered schema the version of its time, mostly."""
        if self._chance() < _INLINE_SHARE:
            return self._one_of(self._decided.inline)
        versions = self._one_of(self._decided.schemas)
        if self._chance() < _OLD_VERSION_SHARE:
            return self._one_of(versions)
        share = (at - self._stretch.begins) / (self._stretch.ends - self._stretch.begins)
        return versions[min(int(share * len(versions)), len(versions) - 1)]

    def _one_of(self, several: Sequence[_T]) -> _T:
        return several[int(self._chance() * len(several))]

    def _id(self, at: datetime) -> str:
        """Return an identifier that sorts by *at*, and is another for every row of every call."""
        self._born += 1
        return f"{micros(at) // 1000:012x}{_MARK}{self._number << 8 | self._born:012x}"


def _busyness(at: datetime) -> float:
    working, night, weekend = _BUSY
    if at.weekday() > 4:  # Saturday and Sunday
        return weekend
    return working if 7 <= at.hour < 19 else night
