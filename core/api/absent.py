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
from core.api.dialect_answers import answered, refused, request_id_of
from core.api.model_doors import asking
from core.api.problem import Problem
from core.dialects import DIALECTS, Dialect, DialectName

OPENAI_FAMILIES = frozenset({
    "assistants", "audio", "batches", "chat", "completions", "containers", "conversations", "edits", "embeddings",
    "engines", "evals", "fine-tunes", "fine_tuning", "images", "moderations", "organization", "realtime", "responses",
    "threads", "uploads", "vector_stores", "videos",
})  # fmt: skip
"""How the addresses of OpenAI's API begin."""
ANTHROPIC_FAMILIES = frozenset({"complete", "messages", "organizations"})
SHARED_FAMILIES = frozenset({"files", "models", "skills"})
"""How those begin that both have."""
_SDKS = "x-stainless-"
"""How headers begin that both SDKs send."""


def install(api: FastAPI) -> None:
    """Let *api* say in this way that it has no such address, or not by this method, or no websocket there."""
    api.add_exception_handler(HTTPException, _absent)
    api.router.routes.append(WebSocketRoute("/{rest:path}", _websocket))


def dialect_of(connection: HTTPConnection) -> Dialect | None:
    """Return the dialect in which *connection* is to be answered; ``None`` for our own."""
    family = _path(connection).strip("/").partition("/")[0]
    if family in OPENAI_FAMILIES:
        return DIALECTS[DialectName.RESPONSES if family == "responses" else DialectName.CHAT]
    if family in ANTHROPIC_FAMILIES:
        return DIALECTS[DialectName.MESSAGES]
    is_sdk = any(name.startswith(_SDKS) for name in connection.headers)
    if family in SHARED_FAMILIES or is_sdk or "anthropic-version" in connection.headers:
        return asking(connection)
    return None


def _absent(request: Request, error: Exception) -> Response:
    failure = cast("HTTPException", error)
    dialect, taken = dialect_of(request), _taken(request)
    if request.headers.get("upgrade", "").lower() == "websocket" and taken:
        refusal = problems.no_websocket()
    elif failure.status_code == 405:
        refusal = problems.not_taken(request.method, ", ".join(sorted(taken)))
    elif failure.status_code == 404:
        refusal = problems.nothing_here("" if dialect is None else f" Served are {', '.join(_served(request))}.")
    else:
        refusal = problems.http_problem(failure)
    problems.tell(refusal)
    return refusal if dialect is None else _in(dialect, request, refusal)


async def _websocket(websocket: WebSocket) -> None:
    """Refuse it at once: a program that is closed without a word tries again, and only then sends what it has."""
    dialect = dialect_of(websocket)
    refusal = problems.no_websocket() if _taken(websocket) else problems.nothing_here("")
    problems.tell(refusal)
    if "websocket.http.response" not in websocket.scope.get("extensions", {}):
        await websocket.close()
        return
    await websocket.send_denial_response(refusal if dialect is None else _in(dialect, websocket, refusal))


def _in(dialect: Dialect, connection: HTTPConnection, refusal: Problem) -> Response:
    request_id = request_id_of(connection)
    answer = answered(dialect, refused(dialect, refusal, None, request_id), request_id)
    for name in ("allow", "upgrade"):
        if name in refusal.headers:
            answer.headers[name] = refusal.headers[name]
    return answer


def _path(connection: HTTPConnection) -> str:
    scope = connection.scope
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


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
