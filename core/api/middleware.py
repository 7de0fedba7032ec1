"""What wraps every request. Pure ASGI, so that streams and websockets pass untouched."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from core.clock import Clock, SystemClock
from core.detection.secrets import SecretDetector

_HEADER = b"x-request-id"
_USABLE = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class RequestIds:
    """Every request has an id, the caller's if it can be used; it stands on the answer and on every log line."""

    def __init__(self, app: ASGIApp, clock: Clock | None = None) -> None:
        self._app = app
        self._clock = clock or SystemClock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the id in ``scope["state"]`` and among the headers, where the console's scripts find it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        request_id = given if _USABLE.fullmatch(given) and not _is_secret(given) else self._clock.new_id().encode()
        if request_id is not given:
            others = [(name, value) for name, value in scope["headers"] if name != _HEADER]
            scope = {**scope, "headers": [*others, (_HEADER, request_id)]}
        scope["state"] = {**scope.get("state", {}), "request_id": request_id.decode()}

        async def send_with_id(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
                headers = list(message.get("headers", ()))
                if all(name.lower() != _HEADER for name, _ in headers):  # else the vendor's own is there
                    message = {**message, "headers": [*headers, (_HEADER, request_id)]}
            await send(message)

        with bound_contextvars(request_id=request_id.decode()):
            await self._app(scope, receive, send_with_id)


def _is_secret(request_id: bytes) -> bool:
    """Whether an id is a key, or a token: it would stand on every line of the log."""
    return bool(_secrets().find(request_id.decode("ascii")))


@cache
def _secrets() -> SecretDetector:
    return SecretDetector()


class Apart:
    """What is asked below a path goes to an application of its own, past all that stands around the rest.

    So the API does without the console's sessions, compression and routes, which are a tenth of what a call costs.
    """

    def __init__(self, app: ASGIApp, path: str, to: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._to = to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on to whichever it is for."""
        if scope["type"] in ("http", "websocket"):
            path = scope.get("root_path", "") + self._path
            if f"{scope['path']}/".startswith(f"{path}/"):
                await self._to({**scope, "root_path": path}, receive, send)
                return
        await self._app(scope, receive, send)


class Faults:
    """Nothing that goes wrong inside reaches the server's own log, which would print the error's words."""

    def __init__(self, app: ASGIApp, answer: Callable[[Scope, Exception], Response]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an error that nothing inside has answered, if nothing has been sent yet."""
        is_answered = False

        async def noting_send(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except ClientDisconnect:
            return  # nobody is left to be told
        except Exception as error:  # noqa: BLE001 whatever it is
            answer = self._answer(scope, error)
            if not is_answered:
                await answer(scope, receive, send)
