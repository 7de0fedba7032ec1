"""What is not served below ``/v1``, said in the dialect of whoever asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Match, Route, WebSocketRoute
from starlette.websockets import WebSocket

from core.api import problems
from core.api.asked_dialect import (
    ANTHROPIC_FAMILIES,
    OPENAI_FAMILIES,
    SHARED_FAMILIES,
    dialect_of,
    path_below,
    where_from,
)
from core.api.refusals import as_asked, deny


def install(api: FastAPI) -> None:
    """Let *api* say in this way that it has no such address, or not by this method, or no websocket there."""
    api.add_exception_handler(HTTPException, _absent)
    api.router.routes.append(WebSocketRoute("/{rest:path}", _websocket))


def _absent(request: Request, error: Exception) -> Response:
    failure = cast("HTTPException", error)
    dialect, taken = dialect_of(request), _taken(request)
    if request.headers.get("upgrade", "").lower() == "websocket" and taken:
        refusal = problems.no_websocket()
    elif failure.status_code == 405:
        refusal = problems.not_taken(request.method, ", ".join(sorted(taken)))
    elif failure.status_code == 404:
        served = "" if dialect is None else f" Served are {', '.join(_served(request))}."
        refusal = problems.nothing_here(where_from(path_below(request)) + served)
    else:
        refusal = problems.http_problem(failure)
    problems.tell(refusal)
    return as_asked(request, refusal)


async def _websocket(websocket: WebSocket) -> None:
    refusal = problems.no_websocket() if _taken(websocket) else problems.nothing_here("")
    problems.tell(refusal)
    await deny(websocket, refusal)


def _served(connection: HTTPConnection) -> Iterator[str]:
    """Yield every address in a dialect that is served, with its methods."""
    for route in connection.app.routes:
        if isinstance(route, Route) and route.path.strip("/").partition("/")[0] in _FAMILIES:
            yield f"{'/'.join(sorted(set(route.methods or ()) - {'HEAD'}))} /v1{route.path.replace(':path}', '}')}"


def _taken(connection: HTTPConnection) -> set[str]:
    """Return the methods that the address takes; none where there is no such address."""
    scope: Mapping[str, object] = {**connection.scope, "type": "http", "method": ""}
    methods: set[str] = set()
    for route in connection.app.routes:
        if isinstance(route, Route) and route.matches({**scope})[0] is not Match.NONE:
            methods |= set(route.methods or ())
    return methods


_FAMILIES = OPENAI_FAMILIES | ANTHROPIC_FAMILIES | SHARED_FAMILIES
