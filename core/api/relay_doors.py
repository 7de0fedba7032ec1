"""The doors for programs that speak a vendor's dialect: its paths, its events, its errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from core.api import problems
from core.api.in_flight import Ending, InFlightRequest
from core.api.native import Native
from core.api.problem import Problem
from core.api.problems import internal_error, problem
from core.api.response_headers import told_of
from core.api.streams import HEADERS, KEEP_ALIVE_SECONDS
from core.dialects import DIALECTS, Dialect, Frames, RelayRequest
from core.errors import ProctorError, Stopped, Unavailable
from core.record import Generation
from core.requests import RelayCall
from core.runtime import Runtime

_SENT_ON = ("anthropic-version", "anthropic-beta", "openai-beta")
"""Headers of a caller's that go to the vendor. None of them says where or as whom we ask."""
_WORTHWHILE = ("overloaded", "unavailable", "rate_limited", "budget_held")
"""Refusals after which the same request may well be answered a moment later."""


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
            return await self._answered(dialect, request)

        return door

    async def _answered(self, dialect: Dialect, request: Request) -> Response:
        request_id: str = request.scope.get("state", {}).get("request_id", "")
        sent_on = {name: request.headers[name] for name in _SENT_ON if name in request.headers}

        def work(call: InFlightRequest, secret: str, body: bytes, request_id: str, arrived: float) -> Ending:
            return self._relayed(call, dialect, secret, body, sent_on, request_id=request_id, arrived=arrived)

        try:
            call, first = await self._native.begun(request, work)
        except ProctorError as error:
            refusal = problem(error)
            problems.tell(refusal)
            return _response(_refused(dialect, refusal, error, request_id))
        if isinstance(first, Problem):
            problems.tell(first)
            return _response(_refused(dialect, first, None, request_id))
        if isinstance(first, Ending):
            call.close()
            return _response(first)
        return RelayStream(call, dialect, cast("bytes", first))

    # In a thread.

    def _relayed(
        self,
        call: InFlightRequest,
        dialect: Dialect,
        secret: str,
        body: bytes,
        sent_on: Mapping[str, str],
        *,
        request_id: str,
        arrived: float,
    ) -> Ending:
        """Walk the corridor; whatever happens is an end."""
        frames: Frames | None = None
        was_told = False
        head: Any = None
        try:
            principal = self._runtime.policies.authenticate(secret)
            asked = dialect.read(body)
            relayed = RelayCall(request=asked, headers=sent_on, request_id=request_id, arrived=arrived)
            passing = self._runtime.generator.relay(relayed, principal, call.cancellation)
            seconds = self._runtime.settings.deadline_seconds
            try:
                while True:
                    piece = next(passing)
                    if not isinstance(piece, tuple):
                        head, frames = piece, piece.frames
                        if frames is not None:
                            call.headers = head.headers
                            call.pass_on(b"", seconds)
                        continue
                    came = cast("tuple[Any, ...]", piece)
                    was_told = was_told or any(frame.kind in ("error", "response.failed") for frame in came)
                    if out := _outward(dialect, came, asked):
                        call.pass_on(out, seconds)
            except StopIteration as end:
                return _ending(head, end.value)
        except ProctorError as error:
            said = Unavailable("The server is stopping.", **error.facts) if isinstance(error, Stopped) else error
            refusal = problem(said)
            if "generation_id" not in error.facts:
                problems.tell(refusal)
            raw = error.facts.get("relayed")
            if frames is None and raw is not None and raw.status >= 400:
                return Ending(raw.status, raw.body, {**raw.headers, **_told(error)}, streamed=False)
            ending = _refused(dialect, refusal, said, request_id)
        except Exception as error:  # noqa: BLE001 this is where a fault of ours becomes an answer
            refusal = internal_error(error)
            ending = _refused(dialect, refusal, None, request_id)
        if frames is None:
            return ending
        last = b"" if was_told else frames.failing(refusal.status_code, refusal.code, refusal.detail)
        return Ending(200, last, {}, streamed=True)


class RelayStream(Response):
    """A vendor's events as they come; between them, after a while, a line that keeps the connection alive."""

    media_type = "text/event-stream"

    def __init__(self, call: InFlightRequest, dialect: Dialect, first: bytes) -> None:
        super().__init__(headers=dict(HEADERS) | {n: v for n, v in call.headers.items() if n != "content-type"})
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


def _outward(dialect: Dialect, frames: tuple[Any, ...], asked: RelayRequest) -> bytes:
    return b"".join(dialect.outward(frame, asked) for frame in frames)


def _ending(head: Any, generation: Generation) -> Ending:
    if head.frames is not None:
        return Ending(200, b"", {}, streamed=True)
    return Ending(head.status, head.body, {**head.headers, **told_of(generation)}, streamed=False)


def _told(error: ProctorError) -> dict[str, str]:
    made = error.facts.get("generation")
    return told_of(made) if isinstance(made, Generation) else {}


def _refused(dialect: Dialect, refusal: Problem, error: ProctorError | None, request_id: str) -> Ending:
    """Return a refusal of ours as the dialect has one."""
    facts: Mapping[str, Any] = error.facts if error else {}
    wait = facts.get("retry_after_seconds")
    param = facts.get("param")
    told = dialect.refusal(
        refusal.status_code,
        refusal.code,
        refusal.detail,
        param=param if isinstance(param, str) else None,
        request_id=request_id,
        retry=refusal.code in _WORTHWHILE,
        wait_seconds=wait if isinstance(wait, int | float) and math.isfinite(wait) else None,
    )
    return Ending(told.status, told.body, {**told.headers, **(_told(error) if error else {})}, streamed=False)


def _response(ending: Ending) -> Response:
    headers = {name: value for name, value in ending.headers.items() if name.lower() != "x-request-id"}
    media = headers.pop("content-type", "application/json")
    if (vendor := ending.headers.get("x-request-id")) is not None:
        headers["x-request-id"] = vendor
    return Response(ending.body, ending.status, headers, media)
