"""Our own dialect: ask for an object, read a generation again, see the schemas there are."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from core.admission import LARGE_BYTES, Place
from core.api import bodies, documentation, problems
from core.api import calls as listing
from core.api import figures as asking
from core.api import spend as spending
from core.api.connections import ended_if_left
from core.api.door import Door, secret_in
from core.api.in_flight import Ending, InFlightRequest, InFlightRequests
from core.api.problem import MEDIA_TYPE, Problem
from core.api.problems import internal_error, problem, too_large, too_slow
from core.api.readers import Readers
from core.api.repeats import Answered, Repeats, key_of
from core.api.response_headers import GENERATION, left_of, told_of, unjudged
from core.api.sent_bodies import MOST_BODY_BYTES, announced_bytes, body_of
from core.api.streams import EventStream, partial_event
from core.documents import as_json, fresh, stored
from core.errors import NotFound, ProctorError, Stopped, Unavailable
from core.generation import Partial
from core.policy import TenantSnapshot
from core.principals import Permission, Principal
from core.record import Generation
from core.replaced_calls import again
from core.requests import GenerationRequest
from core.runtime import Runtime

_ID = re.compile(r"[0-9a-f]{32}")
_LOOK_SECONDS = 1.0
"""How often it is looked whether a client has left whose large body waits unread."""


class Native:
    """The routes, with what they need."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._door = Door(
            runtime.clock,
            runtime.metrics,
            revision=runtime.tenants.revision,
            callers=runtime.tenants.callers,
            wrong_keys_per_min=runtime.settings.wrong_keys_per_min,
        )
        self._in_flight = InFlightRequests(runtime.settings.concurrency)
        self._admission = runtime.admission
        self._readers = Readers(runtime)
        self.repeats = Repeats(runtime.idempotency, runtime.metrics)
        """What was answered under an ``Idempotency-Key``, at every door."""
        self.router = APIRouter()
        """The routes as they are documented."""
        add = self.router.add_api_route
        add("/generate", self.generate, methods=["POST"], **documentation.GENERATE)
        add("/generations/{generation_id}", self.generation, methods=["GET"], **documentation.GENERATION)
        add("/schemas", self.schemas, methods=["GET"], **documentation.SCHEMAS)
        add("/spend", self.spend, methods=["GET"], **documentation.SPEND)
        add("/calls", self.calls, methods=["GET"], **documentation.CALLS)
        add("/query", self.query, methods=["GET"], **documentation.QUERY)
        self.routes = [
            Route("/generate", self.generate, methods=["POST"]),
            Route("/generations/{generation_id}", self._generation_of_path, methods=["GET"]),
            Route("/schemas", self.schemas, methods=["GET"]),
            Route("/spend", self.spend, methods=["GET"]),
            Route("/calls", self.calls, methods=["GET"]),
            Route("/query", self.query, methods=["GET"]),
        ]
        """The same as they are served, without what FastAPI would do for each request and nobody here needs."""

    @property
    def is_draining(self) -> bool:
        """Whether the server was told to stop."""
        return self._in_flight.is_draining

    async def drain(self) -> None:
        """Begin nothing more, and let what is under way end: by itself for some seconds, then at once."""
        self._admission.close()
        self._readers.drain()
        await self._in_flight.drain(self._runtime.settings.drain_seconds)

    def hurry(self) -> None:
        """Let a drain end now."""
        self._in_flight.hurry()

    def close(self) -> None:
        """Wait for the generations' threads, and end the others; to be called after :meth:`drain`."""
        self._in_flight.close()
        self._readers.close()
        self._door.close()

    async def generate(self, request: Request) -> Response:
        """Answer with an object that satisfies the schema, or say exactly why not."""

        def work(call: InFlightRequest, secret: str, body: bytes, request_id: str, arrived: float) -> Ending:
            return self._generate(call, secret, body, request, request_id=request_id, arrived=arrived)

        call, first = await self.begun(request, work)
        if isinstance(first, Problem):
            problems.tell(first)
            return first
        if isinstance(first, Ending) and (first.is_problem or not first.streamed):
            call.close()
            media_type = MEDIA_TYPE if first.is_problem else "application/json"
            return Response(first.body, first.status, first.headers, media_type)
        return EventStream(call, cast("bytes | Ending", first))

    async def begun(
        self, request: Request, work: Callable[[InFlightRequest, str, bytes, str, float], Ending]
    ) -> tuple[InFlightRequest, bytes | Ending | Problem | None]:
        """Let a request in, run *work* with its key and body in a thread; return the first that comes of it.

        Raises:
            ProctorError: it is not let in.
            ClientDisconnect: the client has left.

        """
        caller = await self._door.caller(request)
        request_id, arrived = _request_id(request, self._runtime), self._runtime.clock.monotonic()
        call, has_begun = self._in_flight.open(), False
        try:
            body = await self._admitted(request, call, caller.tenant)
            if isinstance(body, Problem):
                call.close(has_begun=False)
                return call, body
            secret, has_begun = secret_in(request), True
            self._in_flight.begin(call, lambda call: work(call, secret, body, request_id, arrived))
            return call, await call.next()
        except BaseException:
            call.close(has_begun=has_begun)
            raise

    async def generation(self, request: Request, generation_id: str) -> Response:
        """Return a generation of the key's own tenant, as far as it is kept."""
        return await self.read(request, partial(self._generation, generation_id=generation_id))

    async def schemas(self, request: Request) -> Response:
        """Return every schema, its versions and labels."""
        return await self.read(request, self._schemas)

    async def spend(self, request: Request) -> Response:
        """Return what the key's tenant spent."""
        return await self.read(request, partial(self._spend, asked=dict(request.query_params)))

    async def calls(self, request: Request) -> Response:
        """Return some of the calls of the key's tenant."""
        return await self.read(request, partial(self._calls, asked=dict(request.query_params)))

    async def query(self, request: Request) -> Response:
        """Return figures of the calls of the key's tenant."""
        return await self.read(request, partial(self._query, asked=dict(request.query_params)))

    async def _generation_of_path(self, request: Request) -> Response:
        return await self.generation(request, request.path_params["generation_id"])

    async def read(self, request: Request, answer: Callable[[str], Response]) -> Response:
        """Return what *answer* makes of the key, in a thread of the reads; raises ProctorError."""
        caller = await self._door.caller(request)
        return await self._readers.run(caller.tenant, request.receive, partial(answer, secret_in(request)))

    async def decided(self, request: Request, most_bytes: int, answer: Callable[[str, bytes], Response]) -> Response:
        """Return what *answer* makes of key and body, in a thread of the reads; raises ProctorError."""
        caller, seconds = await self._door.caller(request), self._runtime.settings.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                body = await body_of(request, most_bytes)
        except TimeoutError:
            return too_slow(seconds)
        if body is None:
            return too_large(most_bytes)
        return await self._readers.run(caller.tenant, request.receive, partial(answer, secret_in(request), body))

    async def _admitted(self, request: Request, call: InFlightRequest, tenant: str) -> bytes | Problem:
        """Return the body of a request that has got a place; or what it is told.

        What the server has read already is taken at once, so that a client who leaves the queue is noticed; a large
        body is read only when there is a place for it.

        Raises:
            Overloaded: too many wait or are on their way, or it has waited as long as a generation may take.
            Unavailable: the server is stopping.
            ClientDisconnect: the client has left.

        """
        if (size := announced_bytes(request)) > MOST_BODY_BYTES:
            return too_large(MOST_BODY_BYTES)
        self._admission.require_room(tenant)
        body, seconds, is_small = None, self._runtime.settings.deadline_seconds, size < LARGE_BYTES
        try:
            async with asyncio.timeout(seconds) as limit:
                if is_small:
                    with self._admission.body_of(tenant, limit):
                        body = await body_of(request, size)
                    call.watch(request.receive)
                asked = self._admission.ask(tenant, size)
                if is_small:
                    await call.placed(asked)
                else:
                    async with _leaving_unread(request, asked):
                        await call.placed(asked)
                    with self._admission.body_of(tenant, limit):
                        body = await body_of(request, size)
                    call.watch(request.receive)
        except TimeoutError:
            self._admission.require_open()
            if call.is_placed or (is_small and body is None):
                return too_slow(seconds)
            raise self._admission.turned_away(tenant) from None
        if body is None:
            return too_large(size)
        call.needs(len(body))
        return body

    # In threads.

    def _generate(
        self, call: InFlightRequest, secret: str, body: bytes, request: Request, *, request_id: str, arrived: float
    ) -> Ending:
        """Answer a request; whatever happens is an end."""
        streamed = False
        try:
            principal, snapshot = self._runtime.policies.admitted(secret)
            principal.require(Permission.GENERATIONS_WRITE)  # also who is given an answer again
            asked = replace(
                bodies.generation_request(body, request_id), arrived=arrived, queued_seconds=call.queued_seconds
            )
            streamed = asked.stream
            return self.repeats.answer(
                tenant_id=principal.tenant_id or "",
                door="generate",
                key=key_of(request),
                body=body,
                guardrails=lambda: again(asked, principal, snapshot),
                once=lambda generation_id: self._walked(
                    call, replace(asked, id=generation_id or self._runtime.clock.new_id()), principal, snapshot
                ),
            )
        except ProctorError as error:
            refusal = _refusal(error)
        except Exception as error:  # noqa: BLE001 this is where a fault of ours becomes an answer
            refusal = internal_error(error)
        return _refused(refusal, streamed=streamed)

    def _walked(
        self, call: InFlightRequest, asked: GenerationRequest, principal: Principal, snapshot: TenantSnapshot
    ) -> Answered:
        """Walk the corridor."""
        try:
            generator = self._runtime.generator
            if not asked.stream:
                generation = generator.generate(asked, principal, call.cancellation, snapshot)
                return _ending(generation, streamed=False), generation
            for progress in generator.stream(asked, principal, call.cancellation, snapshot):
                if not isinstance(progress, Partial):
                    return _ending(progress, streamed=True), progress
                if progress.remaining is not None:
                    told = {**left_of(progress.remaining), **unjudged(progress.not_judged)}
                    call.headers = {GENERATION: asked.id or "", **told}
                call.show(partial_event(progress), goes_on=progress.goes_on)
        except ProctorError as error:
            made = error.facts.get("generation")
            return _refused(_refusal(error), streamed=asked.stream, generation=made), made
        raise AssertionError("a stream ends with its generation")

    def _generation(self, secret: str, generation_id: str) -> Response:
        principal = self._runtime.policies.authenticate(secret)
        unknown = NotFound("There is no generation of this id in the key's tenant.")
        if not _ID.fullmatch(generation_id):
            raise unknown
        try:
            return _json(stored(self._runtime.reports.call(principal, generation_id)))
        except NotFound:
            raise unknown from None

    def _schemas(self, secret: str) -> Response:
        principal = self._runtime.policies.authenticate(secret)
        return _json(
            {
                "schemas": [
                    {
                        "name": one.summary.name,
                        "description": one.summary.description,
                        "latest": one.summary.latest,
                        "labels": one.summary.labels,
                        "versions": [
                            {
                                "version": version.version,
                                "hash": version.hash,
                                "labels": version.labels,
                                "created_at": version.created_at,
                                "schema": one.bodies[version.version],
                            }
                            for version in one.versions
                        ],
                    }
                    for one in self._runtime.schemas.catalogue(principal)
                ]
            }
        )

    def _spend(self, secret: str, asked: Mapping[str, str]) -> Response:
        from core.reports import spend_document  # noqa: PLC0415 pandas takes a second to load

        principal = self._runtime.policies.authenticate(secret)
        tenant = self._runtime.policies.snapshot(principal.tenant_id or "").tenant
        window = spending.window(asked, tenant.timezone, self._runtime.clock.now())
        return _json(spend_document(self._runtime.reports.spend(principal, window, tenant.id), tenant.name))

    def _calls(self, secret: str, asked: Mapping[str, str]) -> Response:
        principal, now = self._runtime.policies.authenticate(secret), self._runtime.clock.now()
        found = listing.question(asked, principal.tenant_id or "", now)
        page = self._runtime.reports.calls(principal, found.wanted, found.order, found.cursor, size=found.size)
        return _json(listing.document(found, page))

    def _query(self, secret: str, asked: Mapping[str, str]) -> Response:
        principal = self._runtime.policies.authenticate(secret)
        tenant = self._runtime.policies.snapshot(principal.tenant_id or "").tenant
        question = asking.question(asked, tenant.timezone, self._runtime.clock.now())
        return _json(asking.document(self._runtime.reports.query(principal, question, tenant.id)))


@asynccontextmanager
async def _leaving_unread(request: Request, asked: asyncio.Future[Place]) -> AsyncGenerator[None]:
    """Leave the queue when the client leaves, for as long as the block lasts, without reading anything."""

    async def leave() -> None:
        while not asked.done():
            await asyncio.sleep(_LOOK_SECONDS)
            if await ended_if_left(request.scope) and not asked.done():
                asked.set_exception(ClientDisconnect())

    leaving = None if asked.done() else asyncio.create_task(leave())
    try:
        yield
    finally:
        if leaving is not None:
            leaving.cancel()


def _refusal(error: ProctorError) -> Problem:
    """Return how a refusal is answered; the log tells of one that no record tells of."""
    refusal = problem(_said_to_who_is_left(error))
    if "generation_id" not in error.facts:
        problems.tell(refusal)
    return refusal


def _said_to_who_is_left(error: ProctorError) -> ProctorError:
    """Return why a call ended that its caller did not leave: the server stopped."""
    if isinstance(error, Stopped):
        return Unavailable("The server is stopping and had to end this call. Send it again.", **error.facts)
    return error


def _request_id(request: Request, runtime: Runtime) -> str:
    state: Mapping[str, Any] = request.scope.get("state", {})
    return state.get("request_id") or runtime.clock.new_id()


def _ending(generation: Generation, *, streamed: bool) -> Ending:
    ending = Ending(200, as_json(fresh(generation)), told_of(generation), streamed)
    if generation.kept is None:
        return ending
    kept = replace(generation, answer=generation.kept, kept=None)
    return replace(ending, again=replace(ending, body=as_json(fresh(kept))))


def _refused(refusal: Problem, *, streamed: bool, generation: Generation | None = None) -> Ending:
    headers = {name: value for name, value in refusal.headers.items() if name not in ("content-length", "content-type")}
    if generation is not None:
        headers |= told_of(generation)
    return Ending(refusal.status_code, bytes(refusal.body), headers, streamed)


def _json(document: Any) -> Response:
    return Response(as_json(document), media_type="application/json")
