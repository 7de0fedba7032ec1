"""How we say no in a dialect: its shape, and what keeps its SDK from asking again for nothing.

It imports nothing heavy: it is told during the start.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from core.api.asked_dialect import dialect_of
from core.api.problem import Problem
from core.api.response_headers import REQUEST
from core.dialects import Dialect, ErrorResponse
from core.errors import Exhausted, ProctorError

_WORTHWHILE = ("overloaded", "unavailable", "rate_limited", "budget_held", "idempotency_key_in_use")
"""Refusals after which the same request may well be answered a moment later."""
_KEPT = ("www-authenticate", "connection", "allow", "upgrade")
"""Headers of a refusal that every dialect has."""


def refusal_in(
    dialect: Dialect, refusal: Problem, request_id: str, *, error: ProctorError | None = None
) -> ErrorResponse:
    """Return *refusal*, which *error* is the reason for, as *dialect* has one."""
    facts: Mapping[str, Any] = error.facts if error else refusal.facts
    wait, param, status = facts.get("retry_after_seconds"), facts.get("param"), refusal.status_code
    is_worthwhile = refusal.code in _WORTHWHILE
    if refusal.code == "rate_limited":  # without a wait it is larger than the whole limit
        is_worthwhile = wait is not None
    elif isinstance(error, Exhausted):
        is_worthwhile = error.is_left_to_caller or wait is not None
        status = error.drill_status or status
    told = dialect.refusal(
        status,
        refusal.code,
        refusal.detail,
        param=param if isinstance(param, str) else None,
        request_id=request_id,
        retry=is_worthwhile,
        wait_seconds=wait if isinstance(wait, int | float) and math.isfinite(wait) else None,
    )
    kept = {name: refusal.headers[name] for name in _KEPT if name in refusal.headers}
    return ErrorResponse(told.status, {**kept, **told.headers}, told.body)


def as_asked(connection: HTTPConnection, refusal: Problem) -> Response:
    """Return *refusal* as whoever sent *connection* reads it, by the address and the headers."""
    dialect = dialect_of(connection)
    if dialect is None:
        return refusal
    request_id = request_id_of(connection)
    told = refusal_in(dialect, refusal, request_id)
    return Response(told.body, told.status, named(dialect, told.headers, request_id))


async def deny(websocket: WebSocket, refusal: Problem) -> None:
    """Refuse a websocket at once: a program that is closed without a word tries again, and then sends it."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(as_asked(websocket, refusal))
    else:
        await websocket.close()


def named(dialect: Dialect, headers: Mapping[str, str], request_id: str) -> dict[str, str]:
    """Return *headers* with the name of the answer where the SDK looks for it: the vendor's, else ours.

    Ours stands in a header of its own in any case.
    """
    return {dialect.request_id_header: request_id, **headers, REQUEST: request_id}


def request_id_of(connection: HTTPConnection) -> str:
    """Return our name of a request."""
    state: Mapping[str, Any] = connection.scope.get("state", {})
    return state.get("request_id", "")
