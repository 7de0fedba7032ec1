"""The corridor for callers who bring their own request: the same rooms, and the vendor's own answer."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any, cast

from core.attempts import RelayInquiry, Reply, Walk, format_of, relay_candidates
from core.errors import Exhausted, Invalid
from core.generation import Corridor, affordable, note_findings, tenant_id_of, tokens_used
from core.guardrails import Finding, Stage
from core.limits import Permit, estimated_tokens
from core.principals import Principal
from core.providers.loop import Cancellation
from core.record import Generation, Record
from core.requests import RelayCall
from core.screened_frames import ScreenedFrames

Passed = Any
"""The head of an answer, a ``VendorResponse``, and then tuples of frames."""


class RelayCorridor(Corridor):
    """Answers what is asked in a frame of ours, and relays what is not."""

    def relay(
        self, request: RelayCall, principal: Principal, cancellation: Cancellation | None = None
    ) -> Generator[Passed, None, Generation]:
        """Yield the head of the vendor's answer, then of a stream its frames; return what came of it.

        A whole answer's body is on its head, which is yielded once all is written down.

        Raises:
            Invalid: it builds upon something that the vendor keeps.
            ProctorError: as :meth:`generate`; ``facts`` hold ``relayed``, what the vendor itself answered last, if that
                was an error.

        """
        cancellation = cancellation or Cancellation()
        asked = request.request
        if asked.state:  # of all that share the vendor's account, nobody knows whose it is
            kept = asked.state[0]
            raise Invalid(
                f"'{kept.where}' names a {kept.kind.replace('_', ' ')} that the vendor keeps, and whose that is cannot "
                "be told here. Send what it holds instead.",
                param=kept.where,
            )
        snapshot = self._policies.snapshot(tenant_id_of(request, principal))
        named = format_of(asked)
        schema = (named.name or "inline") if named else ""
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
        )
        permit: Permit | None = None
        head: Any = None
        try:
            with record, cancellation.explained():
                policy = snapshot.resolve_relay(principal, asked, schema=schema)
                record.governed_by(policy)
                seconds = policy.route.deadline_seconds
                weight = estimated_tokens(asked.messages)
                permit = self._limits.admitted(snapshot.quotas(principal), weight, seconds)
                messages = self._screened(asked.messages, record)
                record.pays_from(
                    policy.budgets,
                    must_be_covered=snapshot.tenant.refuses_unbudgeted,
                    left=cancellation.requested,
                )
                route = affordable(policy, record)
                route = replace(route, candidates=relay_candidates(route.candidates, asked))
                walk = Walk(
                    route,
                    RelayInquiry(asked, messages, request.headers, at=record.started_at),
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
                )
                reply = yield from self._passed(walk)
                head = record.last_answer.raw  # as the vendor gave it
                if not asked.streams:
                    head = self._screened_head(head, record)
                record.succeeded(self._screened_value(reply.value, record))
        except Exhausted as error:
            made = error.facts.get("generation")
            if isinstance(made, Generation) and made.attempts:
                error.facts["relayed"] = made.attempts[-1].answer.raw
            raise
        finally:
            if permit is not None:
                permit.used(tokens_used(record))
                permit.end()
        made = record.generation
        assert made is not None  # noqa: S101 the record's block has ended without an error
        if not asked.streams:
            yield head
        return made

    def _passed(self, walk: Walk) -> Generator[Passed, None, Reply]:
        """Yield what comes of a stream, as soon as it is clear that nothing forbidden is in it."""
        frames = ScreenedFrames(self._guardrails)
        pieces = walk.reply()
        try:
            while True:
                piece = next(pieces)
                if not isinstance(piece, tuple):
                    yield piece
                elif passed := frames.of(cast("tuple[Any, ...]", piece)):
                    yield passed
        except StopIteration as end:
            if passed := frames.rest():
                yield passed
            return end.value
        finally:
            pieces.close()

    def _screened_head(self, head: Any, record: Record) -> Any:
        """Return a whole answer without what guardrails forbid: its body is written anew only where they found any."""
        findings: list[Finding] = []
        screened = self._guardrails.screen_value(head.value, Stage.OUTPUT, findings)
        if not findings:
            return head
        note_findings(findings, record, "screen out")
        body = self._guardrails.screen_value(json.loads(head.body), Stage.OUTPUT, [])
        return replace(head, body=json.dumps(body, ensure_ascii=False).encode(), value=screened)
