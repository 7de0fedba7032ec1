"""The corridor for callers who bring their own request: the same rooms, and the vendor's own answer."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from core.answer_checks import breaks_shown
from core.attempts import (
    RelayInquiry,
    Reply,
    RouteTerms,
    Walk,
    expectation,
    format_of,
    held_candidates,
    reasks_of,
    relay_candidates,
)
from core.call_policies import affordable, as_it_may_be_stored
from core.dialects import Beside, Frame, KeptState, RelayRequest, StoredByAnswer, VendorResponse
from core.errors import Exhausted, GuardrailBlocked, Invalid, ProctorError, Unavailable
from core.generation import Corridor, give_back, tenant_id_of
from core.guardrails import Guardrails, ToolTexts
from core.limits import Permit, estimated_tokens
from core.policy import Policy, TenantSnapshot
from core.principals import Principal
from core.providers import Unreadable
from core.providers.loop import Cancellation
from core.reasks import Conversation, Reasks
from core.record import Generation, Record
from core.replaced_calls import head_given_back, replacing, texts_in_body
from core.requests import RelayCall
from core.restored_frames import OutwardFrames
from core.screened_calls import screened_head, screened_request, screened_told, screened_value, with_added
from core.screened_places import error_as_allowed
from core.servers import kind_of
from core.statements import REPLACEMENT
from core.stored_objects import Holder, StoredObjects
from core.tables import Outcome
from core.telemetry import log
from core.validation import Effort
from core.workers import TenantWorkers

_LONGEST_NAME = 100
_AROUND_A_MESSAGE = 4
_ABOUT_TOOLS = 350
"""Tokens of a vendor's own words: Anthropic publishes 313 and 346 about tools, for its newer models."""
_FAILURES = ("error", "response.failed")
"""Kinds of frames that tell an end in vain: they are passed on at once, and the stream ends with them."""
Passed = VendorResponse | tuple[Frame, ...]
"""The head of an answer, and then frames."""


class RelayCorridor(Corridor):
    """Answers what is asked in a frame of ours, and relays what is not."""

    def __init__(self, *, stored: StoredObjects, reasks: Reasks, **rooms: Any) -> None:
        """Join the parts, as :class:`Corridor` does.

        *stored* knows what vendors store, and for whom; *reasks* which answers may be asked again for.
        """
        super().__init__(**rooms)
        self._stored = stored
        self._reasks = reasks
        self._tool_texts = ToolTexts()

    def relay(
        self,
        request: RelayCall,
        principal: Principal,
        cancellation: Cancellation | None = None,
        snapshot: TenantSnapshot | None = None,
    ) -> Generator[Passed, None, Generation]:
        """Yield the head of the vendor's answer, then of a stream its frames; return what came of it.

        A whole answer's body is on its head, which is yielded once all is written down. *snapshot* is as for
        :meth:`generate`.

        Raises:
            NotFound: it names something that no vendor stores for this tenant.
            ProctorError: as :meth:`generate`; ``facts`` hold ``relayed``, what the vendor itself answered last, if that
                was an error.

        """
        cancellation = cancellation or Cancellation()
        asked = request.request
        tenant_id = tenant_id_of(request, principal)
        holder = self._stored.holder(tenant_id, asked.state)
        snapshot = (snapshot or self._policies.snapshot(tenant_id)).deciding(request.user, request.id)
        schema = _schema_named(asked)
        record = self._recorder.open(
            tenant=snapshot.tenant,
            principal=principal,
            generation_id=request.id,
            request_id=request.request_id,
            route="",
            schema=schema,
            streamed=asked.streams,
            user=request.user,
            metadata=None,
            began=request.arrived,
            queued_seconds=request.queued_seconds,
        )
        permit: Permit | None = None
        head: Any = None
        guardrails = snapshot.guardrails()
        try:
            with record, cancellation.explained():
                policy = replacing(
                    with_added(snapshot.resolve_relay(principal, asked, schema=schema), request.guardrails, record),
                    snapshot,
                    lambda: texts_in_body(request.request),
                )
                guardrails, workers = policy.guardrails, self._workers_for(policy)
                record.governed_by(policy)
                record.told(policy.remarks)
                asked = as_it_may_be_stored(asked, policy, record)
                weight = estimated_tokens(asked.messages) + ((holder.tokens or 0) if holder else 0)
                quotas, seconds = snapshot.quotas(principal), policy.route.deadline_seconds
                permit = record.let_in(self._limits.admitted(quotas, weight, seconds))
                models = self._models(policy, record, principal, request.user, cancellation)
                asked = models.request(
                    screened_request(asked, guardrails, record, self._tool_texts, policy.tenant.id, workers=workers)
                )
                conversation, is_reask = self._conversation(request, principal, record, policy.tenant.id)
                record.pays_from(
                    policy.budgets,
                    must_be_covered=snapshot.tenant.refuses_unbudgeted,
                    left=cancellation.requested,
                )
                route = affordable(policy, record)
                route = _bound(replace(route, candidates=relay_candidates(route.candidates, asked)), holder, record)
                inquiry = RelayInquiry(
                    asked,
                    asked.messages,
                    request.beside,
                    at=record.started_at,
                    holder=holder,
                    is_reask=is_reask,
                    is_retried_by_caller=request.retries_itself,
                    reasks=_reasks(request, route, record, is_reask=is_reask),
                    may_be_stored=policy.tenant.may_be_stored,
                    is_between=len({kind_of(one.provider) for one in route.candidates}) > 1,
                )
                walk = self._walk(inquiry, policy, route, record=record, cancellation=cancellation)
                stored = asked.dialect.stored_by(asked)
                reply, head, rest = yield from self._passed(
                    walk,
                    OutwardFrames(guardrails, request.request, asked),
                    stored,
                    asked,
                    policy,
                    record=record,
                    is_checked=conversation.is_checked,
                )
                if head.frames is None:
                    self._keep(tenant_id, asked, stored, head, [head.value])
                    head = screened_head(head, asked, guardrails, record, reply.outcome)
                head = head_given_back(
                    models.head(head, asked.dialect, reply.answer.text),
                    request.request,
                    guardrails,
                    record,
                    reply.outcome,
                )
                if _may_be_asked_again(reply.outcome, conversation, asked, head, workers):
                    self._reasks.leave_open(
                        conversation,
                        asked.dialect,
                        head.value or {},
                        generation_id=record.id,
                        tenant_id=policy.tenant.id,
                    )
                record.succeeded(screened_value(reply.value, guardrails, record), reply.n)
        except Exhausted as error:
            _take_in_the_vendors(error, asked, guardrails)
            raise
        finally:
            give_back(permit, record)
        made = record.generation
        assert made is not None  # noqa: S101 the record's block has ended without an error
        if head.frames is None:
            yield head
        elif rest:
            yield rest
        return made

    def count_tokens(self, request: RelayCall, principal: Principal) -> int:
        """Return about how many tokens *request* has for whichever candidate counts most of them; nobody is asked.

        Texts are counted by what vocabularies have in common, images and documents by the vendors' rules, and what a
        vendor adds for messages and tools is added. It counts as a request in the tenant's limits, and takes none of
        its tokens; nothing is recorded, and nothing is paid.

        Raises:
            ProctorError: as :meth:`relay`, as far as can be known without asking.

        """
        asked = request.request
        snapshot = self._policies.snapshot(tenant_id_of(request, principal)).deciding(request.user, request.id)
        policy = snapshot.resolve_relay(principal, asked, schema="")
        now, found = self._clock.now(), list[int]()
        inquiry = RelayInquiry(asked, asked.messages, Beside(), at=now)
        with self._limits.admitted(snapshot.quotas(principal), 1, policy.route.deadline_seconds) as permit:
            permit.used(0)
            for one in policy.route.candidates:
                if one.provider not in self._providers:
                    continue
                with suppress(Unreadable):
                    exchange = inquiry.open(self._providers[one.provider], one)
                    likely = expectation(
                        exchange, one, schema="", prices=policy.prices, lengths=self._lengths, at=now, is_counted=True
                    )
                    found.append(likely.usage.input_tokens)
        if not found:
            raise Invalid(f"{inquiry.nobody}, so nobody can say what it is there.")
        around = _AROUND_A_MESSAGE * len(asked.messages) + (_ABOUT_TOOLS if asked.source.values.get("tools") else 0)
        return max(found) + around

    def _keep(
        self,
        tenant_id: str,
        asked: RelayRequest,
        collected: StoredByAnswer | None,
        head: Any,
        events: Iterable[Mapping[str, Any] | None],
    ) -> None:
        """Write down whose it is what the vendor stores of an answer, before anybody is told its ids.

        Without the database it is nobody's: the answer was paid for and is given, and who goes on from it is refused.
        """
        if collected is None or not head.provider:
            return
        kept: Sequence[KeptState] = ()
        for event in events:
            if event:
                kept = collected.take(event) or kept
        if not kept:
            return
        holder = Holder(provider=head.provider, model=head.model, key_digest=head.key_digest, tokens=collected.tokens)
        try:
            self._stored.keep(tenant_id, asked.dialect.name, kept, holder)
        except Unavailable as error:
            log().warning("stored_objects_not_kept", provider=head.provider, count=len(kept), reason=error.message)

    def _conversation(
        self, request: RelayCall, principal: Principal, record: Record, tenant_id: str
    ) -> tuple[Conversation, bool]:
        """Return what is asked, and whether the caller asks again for what another generation did not give."""
        conversation = Conversation(request.request, tenant_id=tenant_id, asker=principal.key_id or principal.name)
        before = self._reasks.taken(
            conversation, generation_id=record.id, tenant_id=tenant_id, is_resent=request.is_resent
        )
        if before is not None:
            record.asks_again(before)
        return conversation, before is not None

    def _passed(
        self,
        walk: Walk,
        frames: OutwardFrames,
        collected: StoredByAnswer | None,
        asked: RelayRequest,
        policy: Policy,
        *,
        record: Record,
        is_checked: bool,
    ) -> Generator[Passed, None, tuple[Reply, VendorResponse, tuple[Frame, ...]]]:
        """Yield what comes of a stream, as soon as it is clear that nothing forbidden is in it.

        Return with the reply what was told, as the vendor gave it, of a stream as it may be told, and what is yet to be
        yielded, once all is written down. That is what tells the end: programs
        leave when they have read it, and who leaves before has left his call. Of a stream that *is_checked* it is all
        from where its answer is whole, so that nobody asks again for one before it is known to be invalid.
        """
        head: VendorResponse | None = None
        pieces = walk.reply()
        held: tuple[Frame, ...] = ()
        try:
            while True:
                piece = next(pieces)
                if isinstance(piece, VendorResponse):
                    head = replace(
                        piece,
                        generation_id=record.id,
                        remaining=record.remaining(),
                        not_judged=record.findings.not_judged,
                    )
                    if piece.frames is not None:  # what came whole although a stream was asked for is screened whole
                        yield head
                    continue
                came = cast("tuple[Frame, ...]", piece)
                assert head is not None  # noqa: S101 it comes first
                assert head.frames is not None  # noqa: S101 it streams
                self._keep(policy.tenant.id, asked, collected, head, (frame.event for frame in came))
                passed = frames.of(came)
                is_held = held or policy.guardrails.waits or (is_checked and head.frames.has_ended)
                place = 0 if is_held else _end_in(passed, head.frames.ends)
                held += passed[place:]
                if passed[:place]:
                    yield passed[:place]
        except StopIteration as end:
            reply, rest = end.value, frames.rest()
            told = cast("VendorResponse", reply.answer.raw)
            rules = policy.guardrails
            if told.frames is not None and (frames.is_altered or rules.tool_rules or rules.only_notes):
                told = screened_told(told, asked, policy.guardrails, record, reply.outcome)
            return reply, told, (*held, *rest)
        except ProctorError as error:
            held += () if isinstance(error, GuardrailBlocked) else frames.broken_off()
            if held and not policy.guardrails.waits:
                yield held
            raise
        finally:
            pieces.close()


def _may_be_asked_again(
    outcome: Outcome,
    conversation: Conversation,
    asked: RelayRequest,
    head: VendorResponse,
    workers: TenantWorkers | None,
) -> bool:
    """Whether an answer was found invalid; or breaks the schema that its request only shows."""
    if outcome is not Outcome.UNCHECKED or conversation.shown is None:
        return outcome is Outcome.INVALID
    return breaks_shown(asked, conversation.shown, head.value or {}, Effort(workers=workers))


def _take_in_the_vendors(error: Exhausted, asked: RelayRequest, guardrails: Guardrails) -> None:
    """Take in what the vendor itself answered last, if that was an error, or the status that a fire drill gave it."""
    made = error.facts.get("generation")
    if isinstance(made, Generation) and made.attempts:
        last = made.attempts[-1]
        error.facts["relayed"] = error_as_allowed(guardrails, asked.dialect, last.answer.raw)
        status = last.answer.http_status or 0
        error.drill_status = status if last.drill_id and status >= 400 else None


def _bound(route: RouteTerms, holder: Holder | None, record: Record) -> RouteTerms:
    """Return *route* with none but whoever has what the request names; raises Invalid."""
    if holder is None:
        return route
    route = replace(route, candidates=held_candidates(route.candidates, holder))
    record.note("bound", f"What '{holder.where}' names is stored by {holder.provider}: no other is asked.")
    return route


def _reasks(request: RelayCall, route: RouteTerms, record: Record, *, is_reask: bool) -> int:
    """Return how often an invalid answer is asked again for; the trace says why not as often as the caller wanted."""
    if not request.reasks:
        return 0
    count, why = reasks_of(request.request, request.reasks, route, is_reask=is_reask)
    if why:
        record.note("bounded", f"It is asked again {count} times at most, not {request.reasks}: {why}.")
    return count


def _end_in(frames: tuple[Frame, ...], ends: frozenset[str]) -> int:
    """Return the place of the frame that tells the end of an answer, or how many there are."""
    kinds = (ends | {"done"}).difference(_FAILURES)
    return next((place for place, frame in enumerate(frames) if frame.kind in kinds), len(frames))


def _schema_named(asked: RelayRequest) -> str:
    """Return the name under which the record has what the answer is to satisfy; empty for nothing.

    What a caller calls his format or tool goes on to the vendor as it is. Here it is a short plain word.
    """
    named = format_of(asked)
    plain = "".join(mark if mark.isprintable() else REPLACEMENT for mark in named.name[:_LONGEST_NAME]) if named else ""
    return (plain or "inline") if named else ""
