"""The corridor: eight rooms in a fixed order, walked by every generation.

``Corridor._rooms`` is the whole of it. Every call there goes downward; who is below turns up in one place only, the
record, which a walk knows as its ``Bookkeeper``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from core.answers import AnswerKey, Answers, CachedAnswer, Lookup, answer_key
from core.attempts import (
    AnswerLengths,
    Expectation,
    FramedInquiry,
    Inquiry,
    Reply,
    RouteTerms,
    Walk,
    asked_of,
    expectation,
)
from core.breakers import Breakers
from core.call_policies import affordable, of_a_verdict, set_by_hand, within
from core.clock import Clock
from core.errors import Invalid
from core.given_schemas import told as notes_told
from core.limits import Limits, Permit, estimated_tokens
from core.messages import Message, media_of, plain
from core.partials import Partial, partials
from core.policy import Policies, Policy, TenantSnapshot
from core.principals import ANYTHING, Principal
from core.providers import Ask, Provider, Unreadable
from core.providers.loop import Cancellation, Loop
from core.record import Generation, Record, Recorder
from core.replaced_calls import as_asked, given_back
from core.requests import (
    GenerationRequest,
    PartialKind,
    RelayCall,
    messages_of,
    require_json,
    require_time,
)
from core.schemas import ResolvedSchema
from core.screened_calls import kept_metadata, resolved, screened, valid_value, with_allowed_schema
from core.screened_places import AnswerScreen
from core.verdicts import ModelJudges
from core.workers import TenantWorkers, Workers

_LEAST_SECONDS = 0.1
"""Where less is left, a model that judges is asked all the same, and gives no verdict in time."""


class Corridor:
    """Answers requests, or says exactly why not."""

    def __init__(
        self,
        *,
        policies: Policies,
        limits: Limits,
        answers: Answers,
        providers: Mapping[str, Provider],
        breakers: Breakers,
        loop: Loop,
        recorder: Recorder,
        clock: Clock,
        lengths: AnswerLengths | None = None,
        workers: Workers | None = None,
    ) -> None:
        """Join the parts; *lengths* is what is known of the lengths of answers already, at first nothing.

        Without *workers* all answers are read in this process.
        """
        self._policies = policies
        self._limits = limits
        self._answers = answers
        self._providers = providers
        self._breakers = breakers
        self._loop = loop
        self._recorder = recorder
        self._clock = clock
        self._lengths = lengths or AnswerLengths()
        self._workers = workers

    def generate(
        self,
        request: GenerationRequest,
        principal: Principal,
        cancellation: Cancellation | None = None,
        snapshot: TenantSnapshot | None = None,
    ) -> Generation:
        """Answer *request*. *snapshot* is what holds for its tenant, where a look at that was just made.

        Raises:
            ProctorError: there is no valid object; the class says why, ``facts`` hold ``generation_id``, ``outcome``
                and ``trace`` wherever a generation was recorded.

        """
        rooms = self._rooms(replace(request, stream=False), principal, cancellation or Cancellation(), snapshot)
        while True:
            try:
                next(rooms)
            except StopIteration as end:
                return end.value

    def stream(
        self,
        request: GenerationRequest,
        principal: Principal,
        cancellation: Cancellation | None = None,
        snapshot: TenantSnapshot | None = None,
    ) -> Generator[Partial | Generation, None, None]:
        """Yield the object as it grows, then the generation. Closing the iterator closes the provider's connection.

        Raises:
            ProctorError: as :meth:`generate`.

        """
        cancellation = cancellation or Cancellation()
        generation = yield from self._rooms(replace(request, stream=True), principal, cancellation, snapshot)
        yield generation

    def expectations(self, request: GenerationRequest, principal: Principal) -> Sequence[Expectation]:
        """Return what a first call to each candidate that can be asked may use and cost; nothing is sent or held.

        Raises:
            ProctorError: as :meth:`generate`, as far as it can be known beforehand.

        """
        messages = messages_of(request)
        snapshot = self._policies.snapshot(tenant_id_of(request, principal)).deciding(request.user, request.id)
        policy = snapshot.resolve(
            principal, schema=request.schema, route=request.route, model=request.model, stream=False
        )
        policy = set_by_hand(request.settings, policy)
        route, now = policy.route, self._clock.now()
        ask = _ask(request, policy, route, messages)
        expected: list[Expectation] = []
        for one in route.candidates:
            if one.provider not in self._providers:
                continue
            with suppress(Unreadable):
                conversation = self._providers[one.provider].open(asked_of(ask, one))
                likely = expectation(
                    conversation,
                    one,
                    schema=route.schema,
                    prices=policy.prices,
                    lengths=self._lengths,
                    at=now,
                    is_counted=True,
                )
                expected.append(likely)
        return expected

    def _rooms(
        self,
        request: GenerationRequest,
        principal: Principal,
        cancellation: Cancellation,
        snapshot: TenantSnapshot | None,
    ) -> Generator[Partial, None, Generation]:
        messages = messages_of(request)  # 1 who asks is known; what they ask must be sound
        require_json(request.metadata)
        require_time(request.timeout_seconds)
        snapshot = snapshot or self._policies.snapshot(tenant_id_of(request, principal))
        snapshot = snapshot.deciding(request.user, request.id)
        tenant = snapshot.tenant
        record = self._recording(request, principal, snapshot)
        permit: Permit | None = None
        lookup: Lookup | None = None
        made: Generation | None = None
        try:
            with record, cancellation.explained():
                policy = resolved(snapshot, request, principal, record)  # 2 what holds
                if policy.schema.notes:
                    record.step("policy", "schema read", notes_told(policy.schema.notes))
                policy = set_by_hand(request.settings, of_a_verdict(policy) if request.judges else policy, record)
                record.governed_by(policy)
                record.told(policy.remarks)
                policy = within(request.timeout_seconds, policy, record)
                quotas, seconds = snapshot.quotas(principal), policy.route.deadline_seconds
                if not request.judges:  # 3 not too fast: what is judged had its turn
                    permit = record.let_in(self._limits.admitted(quotas, estimated_tokens(messages), seconds))
                models = self._models(policy, record, principal, request.user, cancellation)
                # 4 nothing forbidden goes out
                messages = models.messages(screened(messages, policy.guardrails, record, self._workers_for(policy)))
                policy = with_allowed_schema(policy, record)
                record.pays_from(  # 5 not too much: each attempt is covered before it goes out
                    policy.budgets, must_be_covered=tenant.refuses_unbudgeted, left=cancellation.requested
                )
                route = affordable(policy, record)
                lookup = self._look_up(policy, route, messages, record, cancellation)
                if lookup.hit is not None:  # who asks the same is answered alike
                    record.answered_again(lookup.hit)
                    value = lookup.hit.value
                else:  # 6 someone answers
                    inquiry, is_thinned = (
                        FramedInquiry(_ask(request, policy, route, messages)),
                        request.partials == "whole",
                    )
                    walk = self._walk(
                        inquiry, policy, route, record=record, cancellation=cancellation, is_thinned=is_thinned
                    )
                    reply = yield from self._partials(walk, policy, request.partials, record)
                    value = reply.value
                allowed = valid_value(value, policy, record)  # 7 nothing forbidden comes back
                value = models.value(allowed) if lookup.hit is None else allowed
                given = given_back(value, policy, record, lambda: as_asked(request, principal, snapshot))
                record.succeeded(value)
            made = record.generation  # 8 all is written down
        finally:
            try:
                if lookup is not None:  # a valid answer is kept for who asks the same, else the next may try
                    lookup.end(_cached(made))
            finally:
                give_back(permit, record)
        assert made is not None  # noqa: S101 the record's block has ended without an error
        return made if given is made.answer else replace(made, answer=given, kept=made.answer)

    def _walk(
        self,
        inquiry: Inquiry,
        policy: Policy,
        route: RouteTerms,
        *,
        record: Record,
        cancellation: Cancellation,
        is_thinned: bool = True,
    ) -> Walk:
        """Return the walk on which *inquiry* is asked of what *policy* leaves of its *route*."""
        return Walk(
            route,
            inquiry,
            clock=self._clock,
            providers=self._providers,
            breakers=self._breakers,
            loop=self._loop,
            prices=policy.prices,
            lengths=self._lengths,
            bookkeeper=record,
            cancellation=cancellation,
            ends=record.began + route.deadline_seconds,
            unpayable=policy.unpayable(record.started_at),
            stopped=self._policies.stops(policy),
            is_thinned=is_thinned,
            workers=self._workers_for(policy),
            screen=AnswerScreen(policy.guardrails),
        )

    def _workers_for(self, policy: Policy) -> TenantWorkers | None:
        """Return what reads beside this process for the tenant of *policy*."""
        return self._workers and self._workers.of(policy.tenant.id)

    def _partials(
        self, walk: Walk, policy: Policy, kind: PartialKind, record: Record
    ) -> Generator[Partial, None, Reply]:
        """Yield what an answer shows of its object as it grows, screened; the first with what is left of limits."""
        guardrails = policy.guardrails
        shown = partials(kind, policy.schema.response_model, guardrails.giving_back or guardrails)
        pieces, is_first = walk.reply(), True
        try:
            while True:
                piece = next(pieces)
                if not policy.guardrails.waits and (partial := shown.of(piece)) is not None:
                    if is_first:
                        partial = replace(partial, remaining=record.remaining(), not_judged=record.findings.not_judged)
                    yield partial
                    is_first = False
        except StopIteration as end:
            return end.value
        finally:
            pieces.close()

    def _models(
        self, policy: Policy, record: Record, principal: Principal, user: str | None, cancellation: Cancellation
    ) -> ModelJudges:
        """Return those of the policy's rules that ask a model: in the time left, whatever the caller's key may ask."""

        def ask(question: GenerationRequest) -> Generation:
            left = record.began + policy.route.deadline_seconds - self._clock.monotonic()
            seconds = min(question.timeout_seconds or left, max(left, _LEAST_SECONDS))
            own = replace(question, tenant_id=policy.tenant.id, user=user, timeout_seconds=seconds)
            return self.generate(own, replace(principal, askable=ANYTHING), cancellation)

        return ModelJudges(policy.guardrails, record, ask)

    def _recording(self, request: GenerationRequest, principal: Principal, snapshot: TenantSnapshot) -> Record:
        return self._recorder.open(
            tenant=snapshot.tenant,
            principal=principal,
            generation_id=request.id,
            request_id=request.request_id,
            route=request.route or "",
            schema=request.schema if isinstance(request.schema, str) else "inline",
            streamed=request.stream,
            user=request.user,
            metadata=kept_metadata(request, snapshot),
            began=request.arrived,
            queued_seconds=request.queued_seconds,
        )

    def _look_up(
        self,
        policy: Policy,
        route: RouteTerms,
        messages: Sequence[Message],
        record: Record,
        cancellation: Cancellation,
    ) -> Lookup:
        """Return the answer from the cache, or the lease to make it; where none is kept this costs nothing."""
        asked: AnswerKey | None = None
        is_fixed = not any(one.url for one in media_of(messages))  # what stands behind a link may change
        if route.cache_seconds and record.retention and is_fixed:
            asked = answer_key(
                tenant_id=policy.tenant.id,
                generation_id=record.id,
                schema=f"{policy.schema.name} {policy.schema.hash}",
                messages=[plain(one, whole=False) for one in messages],
                route=route,
                example=_example(policy.schema),
                guardrails=policy.guardrails.names,
                retention=record.retention,
            )
        lookup = self._answers.look_up(
            asked, ends=record.began + route.deadline_seconds, cancelled=cancellation.requested
        )
        if lookup.waited_seconds:
            waited = f"Waited {lookup.waited_seconds:.2f} s for another call that asked the same."
            record.step("cache", "waited", waited)
        if asked is not None and lookup.hit is None:
            record.step("cache", "miss", f"No answer to this is kept. A valid one is, for {asked.lasts}.")
        return lookup


def _ask(request: GenerationRequest, policy: Policy, route: RouteTerms, messages: Sequence[Message]) -> Ask:
    """Return what every candidate is asked alike."""
    return Ask(
        model="",
        response_model=policy.schema.response_model,
        messages=messages,
        marks_cache=route.marks_cache,
        cache_key=_cache_key(policy),
        stream=request.stream,
        example=_example(policy.schema),
    )


def _cached(made: Generation | None) -> CachedAnswer | None:
    """Return what is cached of a generation that was written down: its answer, if a model gave one."""
    if made is None or not made.model or not made.provider:
        return None
    return CachedAnswer(made.answer, made.provider, made.model, made.cost_nano_usd)


def _cache_key(policy: Policy) -> str:
    """Return the word by which a provider may bring calls of one tenant with one schema together."""
    return hashlib.sha256(f"{policy.tenant.id} {policy.schema.hash}".encode()).hexdigest()[:32]


def _example(schema: ResolvedSchema) -> tuple[str, Mapping[str, Any]] | None:
    made = schema.wire_example
    return (schema.example_input, made) if schema.example_input and made is not None else None


def give_back(permit: Permit | None, record: Record) -> None:
    """Give back what a generation that has ended took of the limits in flight, and say what it used of tokens."""
    if permit is None:
        return
    usage = record.generation.usage if record.generation else None
    permit.used(usage.input_tokens + usage.output_tokens if usage else 0)
    permit.end()


def tenant_id_of(request: GenerationRequest | RelayCall, principal: Principal) -> str:
    """Return the tenant that a request is for; raises Invalid where nobody said."""
    tenant_id = principal.tenant_id or request.tenant_id
    if tenant_id is None:
        raise Invalid("Name the tenant that this generation is for.")
    return tenant_id
