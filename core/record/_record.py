"""The record of one generation, from the door to the row."""

from __future__ import annotations

import threading
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from core.answers import CacheHit
from core.attempts import Attempt, ProviderCall
from core.budgets import (
    AccountMissing,
    BudgetLeft,
    BudgetTerms,
    Mode,
    ReservationHandle,
    ReservationRecovered,
    budget_left,
)
from core.database_faults import RunAgain
from core.errors import (
    BudgetExceeded,
    BudgetHeld,
    Cancelled,
    Exhausted,
    GuardrailBlocked,
    ProctorError,
    RateLimited,
    Unavailable,
)
from core.json_values import JsonValue
from core.limits import Permit
from core.messages import Message
from core.policy import Policy
from core.record._ends import code_of, last_step
from core.record._findings import Findings
from core.record._generation import Generation
from core.record._remaining import Remaining
from core.record._rows import lost_row
from core.record._running import RunningGeneration
from core.record._telling import tell, tell_fault, tell_thresholds
from core.record.backlog import Backlog, document
from core.statements import Cursor
from core.store import Duplicate
from core.tables import AttemptKind, Outcome
from core.telemetry import log

if TYPE_CHECKING:
    from core.record._recorder import Recorder


class Record:
    """Takes in what comes of one generation, pays its calls, and writes it down."""

    def __init__(self, recorder: Recorder, running: RunningGeneration) -> None:
        self._recorder = recorder
        self._clock = recorder.clock
        self._running = running
        self.id = running.id
        self.retention = running.payloads.retention
        """How long prompts and answers are kept; nothing where none are."""
        self.findings = Findings(recorder.clock, self.step)
        """What guardrails find: whoever looks at texts does so within it."""
        self._reservation: ReservationHandle = self._reserving(())
        self._left = threading.Event()
        self._unwritten: list[Attempt] = []
        self._permit: Permit | None = None
        self.generation: Generation | None = None
        """What the caller gets; there once the block has ended."""

    def __enter__(self) -> Self:
        self._recorder.metrics.in_flight.inc()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        self._recorder.metrics.in_flight.dec()
        outcome = self._running.outcome(error)
        if outcome is None:
            request_id, tenant = self._running.request_id, self._running.tenant.name
            log().info("request_rejected", request_id=request_id, tenant=tenant, code=code_of(error))
            return
        tell_fault(error, self.id, self._running.request_id)
        if isinstance(error, GuardrailBlocked):
            self.findings.blocked(error)
        if isinstance(error, Exhausted):
            self.step("attempt", "exhausted", error.message)
        elif error is not None:
            self.step(*last_step(error))
        self.generation = self._running.summed_up(outcome, (self._clock.monotonic() - self._running.began) * 1000)
        try:
            self._write(self.generation, error)
        except Exception as failure:
            log().error(
                "record_failed",
                generation_id=self.id,
                request_id=self._running.request_id,
                outcome=outcome.value,
                error=type(failure).__name__,
            )
            backlog = self._recorder.backlog
            if backlog is None or not isinstance(failure, (Unavailable, Duplicate)):
                raise Unavailable(
                    "What came of this generation could not be recorded; its id is in the log."
                ) from failure
            # A row that is there already tells of a transaction that had seemed to fail; the backlog looks at both.
            self._keep(backlog, self.generation, error)
        told, unjudged = self.generation, self.findings.not_judged
        self.generation = replace(told, remaining=self._remaining_after(error), not_judged=unjudged)
        if isinstance(error, ProctorError):
            error.facts |= {
                "generation_id": self.id,
                "outcome": outcome.value,
                "trace": self._running.trace,
                "generation": self.generation,
            }
        self._tell(self.generation, error)

    # ── What the corridor tells it ────────────────────────────────────────────────────────────────────────────────────

    def step(self, room: str, verdict: str, reason: str) -> None:
        """Add a step to the decision trace."""
        self._running.trace.append({"room": room, "verdict": verdict, "reason": reason})

    def told(self, remarks: Iterable[tuple[str, str]]) -> None:
        """Add what a policy says of itself."""
        for verdict, reason in remarks:
            self.step("policy", verdict, reason)

    def note(self, verdict: str, reason: str) -> None:
        """Add a step of the attempt room."""
        self.step("attempt", verdict, reason)

    def let_in(self, permit: Permit) -> Permit:
        """Take in the permit under which it was let in, and return it."""
        self._permit = permit
        return permit

    def remaining(self) -> Remaining:
        """Return what is left of limits and budget, as far as they have said by now."""
        usage = self.generation.usage if self.generation else None
        used = usage.input_tokens + usage.output_tokens if usage else None
        limits = self._permit.left(used) if self._permit else ()
        return Remaining(limits, budget_left(self._reservation, self._clock.now()))

    def _remaining_after(self, error: BaseException | None) -> Remaining:
        """Return what is left; of a limit or a budget that refused it, what that said."""
        remaining = self.remaining()
        if isinstance(error, RateLimited) and error.about is not None:
            return replace(remaining, limits=(error.about,))
        if isinstance(error, BudgetExceeded):
            facts = error.facts
            left = facts["limit_nano_usd"] - facts["spent_nano_usd"] - facts["held_nano_usd"]
            return replace(remaining, budget=BudgetLeft(max(0, left), datetime.fromisoformat(facts["resets_at"])))
        return remaining

    def governed_by(self, policy: Policy) -> None:
        """Take in the policy."""
        self._running.policy, self._running.payloads = policy, policy.payloads
        self.retention = policy.payloads.retention

    def asking(self, messages: Sequence[Message]) -> None:
        """Take in the messages as they were screened."""
        self._running.asking(messages)

    def asks_again(self, generation_id: str) -> None:
        """Take in that the caller asks again for what another generation did not give."""
        self._running.reask_of = generation_id
        self.step("attempt", "re-ask", f"The caller asks again: generation {generation_id} gave no valid object.")

    def pays_from(
        self, terms: Sequence[BudgetTerms], *, must_be_covered: bool = False, left: threading.Event | None = None
    ) -> None:
        """Open the reservation that the attempts are paid from, before the first of them.

        *left* is set when the caller has left, who then waits for no money.
        """
        self._left = left or self._left
        self._reservation = self._reserving(terms, must_be_covered=must_be_covered)

    def _reserving(self, terms: Sequence[BudgetTerms], *, must_be_covered: bool = False) -> ReservationHandle:
        return self._recorder.budgets.reservations.open(
            terms, self.id, self._running.tenant.id, self._running.started_at, must_be_covered=must_be_covered
        )

    def degraded_by(self) -> str | None:
        """Return which degrading budget is past its first threshold, as a sentence; ``None`` while none is."""
        for terms in self._reservation.terms:
            if terms.mode is Mode.DEGRADE:
                share = self._recorder.budgets.reservations.used_share(terms, self._running.started_at)
                if share * 100 >= terms.thresholds[0]:
                    return f"{share:.0%} of {terms.name} is used, and it degrades from {terms.thresholds[0]} % on."
        return None

    @property
    def started_at(self) -> datetime:
        """When the generation began."""
        return self._running.started_at

    @property
    def began(self) -> float:
        """The same, on the clock's monotonic time: deadlines count from here."""
        return self._running.began

    def cover(self, call: ProviderCall) -> float:
        """Hold money for one more call, and write down those before it, in one transaction.

        Return for how many seconds that waited for calls that were out to give back what they held; 0 as a rule.
        """
        generation = {**self._running.known, "trace": self._running.trace}
        if findings := self._finding_rows():
            generation["findings"] = findings
        attempt = lost_row(call, self.id, self._running.tenant.id)
        reservations = self._recorder.budgets.reservations

        def write(cursor: Cursor) -> None:
            transfer = reservations.cover(
                cursor,
                self._reservation,
                call.candidate.name,
                call.worst_nano_usd,
                generation=generation,
                attempt=attempt,
                lasts=timedelta(seconds=call.candidate.timeout_seconds),
            )
            self._write_attempts(cursor)
            reservations.complete(cursor, self._reservation, transfer)

        return self._held(call, lambda: self._transact(write))

    def _held(self, call: ProviderCall, hold: Callable[[], None]) -> float:
        """Hold the money of *call*; where others that are out hold it, wait a moment for them to end."""
        shortages, model = self._recorder.budgets.shortages, call.candidate.name
        terms = shortages.line_for(self._reservation.terms, model)
        if terms is None:
            try:
                hold()
            except BudgetHeld as short:
                if not self._patience(call) or short.about is None:
                    raise
                terms = short.about
            else:
                return 0.0
        try:
            with self._running.queueing(call.n, self._clock):
                waited = shortages.wait(terms, hold, seconds=self._patience(call), left=self._left)
        except BudgetExceeded:
            self._recorder.metrics.budget_waits.labels(self._running.tenant.name, "refused").inc()
            raise
        if waited is None:
            self._recorder.metrics.budget_waits.labels(self._running.tenant.name, "left").inc()
            raise Cancelled("The caller left before the answer came.", outcome=Outcome.CANCELLED)
        self._recorder.metrics.budget_waits.labels(self._running.tenant.name, "covered").inc()
        self.step("reserve", "waited", f"Waited {waited:.2f} s for {terms.name}: calls that were out held its money.")
        return waited

    def _patience(self, call: ProviderCall) -> float:
        """Return how long *call* may wait for money: so that time is left to make it. A hedge never."""
        if call.kind is AttemptKind.HEDGE or self._running.policy is None:
            return 0.0
        left = self._running.began + self._running.policy.route.deadline_seconds - self._clock.monotonic()
        return max(0.0, min(self._recorder.budgets.shortages.wait_seconds, left / 2))

    def ended(self, attempt: Attempt) -> None:
        """Take in an attempt that has ended, and charge it."""
        # Of two that were out at once, either may end first.
        insort(self._running.attempts, attempt, key=lambda one: one.n)
        self._unwritten.append(attempt)
        self._recorder.lacks.note(attempt, self.id)
        cost = attempt.cost.nano_usd if attempt.cost else None
        estimated = attempt.usage.estimated if attempt.usage else False
        self._recorder.budgets.reservations.charge(self._reservation, attempt.id, cost, estimated=estimated)
        status = f" ({attempt.answer.http_status})" if attempt.answer.http_status else ""
        reason = f"{attempt.kind.value}: {attempt.provider}/{attempt.model}{status}"
        detail = f": {attempt.error_detail}" if attempt.error_detail else ""
        self.step("attempt", attempt.outcome.value, reason + detail)

    def answered_again(self, hit: CacheHit) -> None:
        """Take in that the cache answers."""
        self._running.hit = hit
        age = (self._clock.now() - hit.made_at).total_seconds()
        saved = "" if hit.cost_nano_usd is None else f" It cost ${hit.cost_nano_usd / 1e9:.6f} then, and nothing now."
        self.step("cache", "hit", f"Generation {hit.generation_id} asked the same {age:.0f} s ago.{saved}")

    def succeeded(self, value: Any, n: int | None = None) -> None:
        """Take in the valid object; or what was relayed of attempt *n*, however it was found to be."""
        self._running.answer, self._running.relayed_of = JsonValue.of(value), n

    # ── Writing it down ───────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, generation: Generation, error: BaseException | None) -> None:
        row, findings = self._row(generation, error), self._finding_rows()
        journal, reservations = self._recorder.journal, self._recorder.budgets.reservations

        def write(cursor: Cursor) -> None:
            transfer = reservations.settle(cursor, self._reservation)
            self._write_attempts(cursor)
            journal.generation(cursor, row)
            journal.findings(cursor, findings)
            journal.payloads(cursor, self._running.payload_rows(generation.outcome), self._running.caller)
            reservations.complete(cursor, self._reservation, transfer)

        self._transact(write)
        self._recorder.budgets.shortages.returned(self._reservation.terms)

    def _row(self, generation: Generation, error: BaseException | None) -> dict[str, Any]:
        return self._running.row(generation, error, self._clock.now()) | {"guardrail_ms": self.findings.milliseconds}

    def _finding_rows(self) -> list[dict[str, Any]]:
        return self.findings.rows(self.id, self._running.tenant.id, self._running.started_at)

    def _keep(self, backlog: Backlog, generation: Generation, error: BaseException | None) -> None:
        """Keep what the database did not take, to be written when it is back."""
        running = self._running
        attempts, field_errors, payloads = self._attempt_rows()
        backlog.keep(
            document(
                self._reservation,
                generation=self._row(generation, error),
                policy=(*running.policy.recorded, running.tenant.id) if running.policy else None,
                attempts=attempts,
                field_errors=field_errors,
                findings=self._finding_rows(),
                payloads=[*payloads, *running.payload_rows(generation.outcome)],
                all_payloads=not running.is_drawn,
            )
        )

    def _transact(self, write: Callable[[Cursor], None]) -> None:
        """Run *write* in one transaction; what an undone one did to this record is undone as well.

        It is run again where that helps: an account was missing and is open now, recovery had settled the reservation,
        the connection was broken, or there was no partition for this month.
        """
        pipelined = True
        while True:
            unwritten, reservation = self._unwritten, self._reservation.copy()
            try:
                self._keep_policy(single=pipelined)
                with self._recorder.store.transaction(pipelined=pipelined) as cursor:
                    write(cursor)
            except BaseException as error:
                self._unwritten, self._reservation = unwritten, reservation
                if isinstance(error, AccountMissing):
                    self._recorder.budgets.accounts.open(error.terms, error.at)
                elif not reservation.looks_first and isinstance(error, (ReservationRecovered, Duplicate)):
                    reservation.looks_first = True  # what recovery wrote may be in the way before we know of it
                elif pipelined and isinstance(error, RunAgain):
                    pipelined = False  # on a connection that was asked whether it lives
                else:
                    raise
            else:
                self._tell_thresholds()
                return

    def _keep_policy(self, *, single: bool) -> None:
        """Keep the policy, unless this process did so before.

        In a transaction of its own: whoever writes a new policy has its row to himself until he commits, and all who
        come first with it would wait for the account of one of them.
        """
        policy = self._running.policy
        if policy is not None and not self._recorder.keeps(policy):
            with self._recorder.store.transaction(single=single) as cursor:
                self._recorder.journal.policy(cursor, policy.recorded[0], self._running.tenant.id, policy.recorded[1])
            self._recorder.keep(policy)

    def _write_attempts(self, cursor: Cursor) -> None:
        attempts, field_errors, payloads = self._attempt_rows()
        self._unwritten = []
        if attempts:
            journal = self._recorder.journal
            journal.attempts(cursor, attempts)
            journal.field_errors(cursor, field_errors)
            journal.payloads(cursor, payloads, self._running.caller)

    def _attempt_rows(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of the attempts that are not written yet: themselves, their field errors, their payloads."""
        return self._running.attempt_rows(self._unwritten, self._reservation.charged, self._clock.new_id)

    def _tell_thresholds(self) -> None:
        events, self._reservation.events = self._reservation.events, []
        tell_thresholds(self._recorder.metrics, events)

    def _tell(self, generation: Generation, error: BaseException | None) -> None:
        running = self._running
        self.findings.tell(self._recorder.metrics)
        tell(
            self._recorder.metrics,
            generation,
            error,
            tenant=running.tenant.name,
            route=generation.route if running.policy else "",
            request_id=running.request_id,
            streamed=running.streamed,
            user=running.user_hash,
            routed=running.policy.routed if running.policy else frozenset(),
        )
