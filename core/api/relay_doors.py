"""The doors for programs that speak a vendor's dialect: its paths, its events, its errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from core.api import problems
from core.api.dialect_answers import answered, in_dialect, refused
from core.api.in_flight import Ending, InFlightRequest
from core.api.native import Native
from core.api.problem import Problem
from core.api.refusals import named, request_id_of
from core.api.relay_answer import RelayAnswer
from core.api.repeats import Answered, key_of
from core.api.streams import HEADERS, KEEP_ALIVE_SECONDS
from core.dialects import DIALECTS, Dialect, beside
from core.errors import BadHeader, Invalid, ProctorError
from core.guardrails import Guardrail, added_by_caller
from core.principals import Permission
from core.replaced_calls import again_in_dialect
from core.requests import RelayCall
from core.runtime import Runtime

_RETRIES = "x-stainless-retry-count"
"""In which the vendors' SDKs say how often they have sent it before."""
REASK = "X-Proctor-Reask"
MOST_REASKS = 10
GUARDRAILS = "X-Proctor-Guardrails"
_NUMBER = re.compile(r"[0-9]{1,3}")


class RelayDoors:
    """One door for each dialect."""

    def __init__(self, runtime: Runtime, native: Native) -> None:
        self._runtime = runtime
        self._native = native
        self.routes: list[Route] = []
        for dialect in DIALECTS.values():
            self.routes.append(Route(dialect.path, self._door(dialect), methods=["POST"]))

    def _door(self, dialect: Dialect) -> Any:
        async def door(request: Request) -> Response:
            return await in_dialect(dialect, request, self._answered(dialect, request))

        return door

    async def _answered(self, dialect: Dialect, request: Request) -> Response:
        request_id = request_id_of(request)

        def work(call: InFlightRequest, secret: str, body: bytes, request_id: str, arrived: float) -> Ending:
            return self._relayed(call, dialect, secret, body, request, request_id=request_id, arrived=arrived)

        call, first = await self._native.begun(request, work)
        if isinstance(first, Problem):
            problems.tell(first)
            return answered(dialect, refused(dialect, first, None, request_id), request_id)
        if isinstance(first, Ending):
            call.close()
            return answered(dialect, first, request_id)
        return RelayStream(call, dialect, cast("bytes", first), request_id)

    # In a thread.

    def _relayed(
        self,
        call: InFlightRequest,
        dialect: Dialect,
        secret: str,
        body: bytes,
        request: Request,
        *,
        request_id: str,
        arrived: float,
    ) -> Ending:
        """Answer a request, or give again what it was answered with before; whatever happens is an end."""
        sent = RelayAnswer(call, dialect, request_id, self._runtime.clock)
        try:
            principal, snapshot = self._runtime.policies.admitted(secret)
            principal.require(Permission.GENERATIONS_WRITE)  # also who is given an answer again
            asked = dialect.read(body)
            relayed = RelayCall(
                request=asked,
                beside=beside(request.headers.items(), request.scope.get("query_string", b"")),
                is_resent=_is_resent(request),
                retries_itself=_RETRIES in request.headers,
                reasks=_reasks(request),
                guardrails=_added(request),
                request_id=request_id,
                arrived=arrived,
                queued_seconds=call.queued_seconds,
            )

            def once(generation_id: str | None) -> Answered:
                known = replace(relayed, id=generation_id) if generation_id else relayed
                passing = self._runtime.generator.relay(known, principal, call.cancellation, snapshot)
                seconds = self._runtime.settings.deadline_seconds
                return sent.passed(passing, asked, seconds, keeps=generation_id is not None)

            return self._native.repeats.answer(
                tenant_id=principal.tenant_id or "",
                door=dialect.name,
                key=key_of(request),
                body=b"\n".join((body, *(one.encode() for one in request.headers.getlist(GUARDRAILS)))),
                guardrails=lambda: again_in_dialect(relayed, principal, snapshot),
                once=once,
            )
        except ProctorError as error:
            return sent.refused(error)
        except Exception as error:  # noqa: BLE001 this is where a fault of ours becomes an answer
            return sent.broken(error)


class RelayStream(Response):
    """A vendor's events as they come; between them, after a while, a line that keeps the connection alive."""

    media_type = "text/event-stream"

    def __init__(self, call: InFlightRequest, dialect: Dialect, first: bytes, request_id: str) -> None:
        passed = {name: value for name, value in call.headers.items() if name != "content-type"}
        super().__init__(headers=dict(HEADERS) | named(dialect, passed, request_id))
        del self.headers["content-length"]
        self._call = call
        self._first = first
        self._keep_alive = dialect.keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 ASGI's signature
        """Send everything; whichever way this ends, the request does not outlive it."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            progress: bytes | Ending | None = self._first
            while not isinstance(progress, Ending):
                out = self._keep_alive if progress is None else progress
                await send({"type": "http.response.body", "body": out, "more_body": True})
                progress = await self._call.next(KEEP_ALIVE_SECONDS)
            await send({"type": "http.response.body", "body": progress.body, "more_body": False})
        finally:
            self._call.close()


def _reasks(request: Request) -> int:
    """Return how often an invalid answer is to be asked again for; raises BadHeader."""
    given = request.headers.getlist(REASK)
    if not given:
        return 0
    if len(given) > 1 or not _NUMBER.fullmatch(given[0]) or int(given[0]) > MOST_REASKS:
        raise BadHeader(f"'{REASK}' is a whole number from 0 to {MOST_REASKS}, sent once.")
    return int(given[0])


def _added(request: Request) -> Sequence[Guardrail]:
    """Return the rules that the caller adds; raises BadHeader."""
    given = request.headers.getlist(GUARDRAILS)
    if not given:
        return ()
    try:
        read = orjson.loads(given[0])
    except orjson.JSONDecodeError:
        read = None
    if len(given) > 1 or not isinstance(read, list):
        raise BadHeader(f"'{GUARDRAILS}' is a JSON list of checks, such as [\"personal\"], sent once.")
    try:
        return added_by_caller(cast("list[Any]", read))
    except Invalid as error:
        raise BadHeader(f"'{GUARDRAILS}': {error.message}") from None


def _is_resent(request: Request) -> bool:
    return request.headers.get(_RETRIES, "0").strip("0").isdecimal()
