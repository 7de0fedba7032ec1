"""The life of a process: it answers at once, loads the rest behind that, and closes everything at its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from core.api.connections import bounded_heads, hear_all_before_the_end, keep_peers
from core.api.problem import Problem
from core.api.refusals import as_asked, deny
from core.errors import Misconfigured, ProctorError
from core.own_limits import raise_descriptor_limit
from core.settings import Settings, load
from core.telemetry import log

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from core.api.native import Native
    from core.runtime import Runtime

MOST_WAITING = 1000
"""How many requests may wait for the start; more are told to come back."""
REFUSED_TO_START = 2
"""The exit code of a start that a setting or the database prevents."""
_CLOSE_SECONDS = 5.0
_LAST_WARNING = 2


def check_settings() -> Settings:
    """Return the settings; end the process with one sentence if one of them cannot be used."""
    try:
        return load()
    except Misconfigured as error:
        sys.stderr.write(f"{error.message}\n")
        raise SystemExit(REFUSED_TO_START) from None


class Startup:
    """The start of one process and the API that it leads to, as an ASGI application that can be called at once."""

    def __init__(
        self, begin: Callable[[], Runtime] | None = None, settle: Callable[[Runtime], None] | None = None
    ) -> None:
        self._begin = begin or _begin
        self._settle = settle
        self._api: ASGIApp | None = None
        self._native: Native | None = None
        self._has_begun: asyncio.Event | None = None
        self._stop: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._signals = 0
        """How often the server was told to stop."""
        self._waiting = 0
        self._shed = 0
        """How many were told to come back, as too many waited for the start."""
        self._refused: Counter[str] = Counter()
        """Whom the gate refused, by the reason, before there were metrics."""
        self.runtime: Runtime | None = None
        """This process's Proctor; ``None`` until it has started."""

    @property
    def is_stopping(self) -> bool:
        """Whether the server was told to stop."""
        return self._is_stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the API, as soon as there is one."""
        if self._api is None:
            await self._begun()
        if self._api is not None:
            await self._api(scope, receive, send)
            return
        refusal = _not_now("stopping" if self._is_stopping else "starting")
        if scope["type"] == "http":
            await as_asked(HTTPConnection(scope), refusal)(scope, receive, send)
        elif scope["type"] == "websocket":
            await deny(WebSocket(scope, receive, send), refusal)

    def count_refused(self, reason: str) -> None:
        """Count whom the gate did not let in; to be called on the server's loop."""
        if self.runtime is None:
            self._refused[reason] += 1
        else:
            self.runtime.metrics.gate_refusals.labels(reason).inc()

    @asynccontextmanager
    async def lifespan(self, _app: Any = None) -> AsyncGenerator[None, None]:
        """Begin in the background, serve, and close everything."""
        loop = asyncio.get_running_loop()
        self._has_begun = asyncio.Event()
        raise_descriptor_limit()
        keep_peers()
        beginning = threading.Thread(target=self._run, args=(loop, self._has_begun), name="startup", daemon=True)
        beginning.start()
        with self._draining_on_signals(loop):
            try:
                async with bounded_heads():
                    yield
            finally:
                await asyncio.to_thread(beginning.join, _CLOSE_SECONDS)
                await self._close()

    async def _begun(self) -> None:
        """Wait until the API can serve or never will; where too many wait already, for nothing."""
        if self._has_begun is None:
            raise RuntimeError("The lifespan has not begun.")
        if self._waiting >= MOST_WAITING:
            self._shed += 1
            return
        self._waiting += 1
        try:
            await self._has_begun.wait()
        finally:
            self._waiting -= 1

    def _run(self, loop: asyncio.AbstractEventLoop, has_begun: asyncio.Event) -> None:
        """Load, build, start; then open the door. What prevents it is said in one sentence and ends the process."""
        try:
            runtime = self._begin()
            from core.api import create_api  # noqa: PLC0415 in the background, for it is slow

            api = create_api(runtime)
            api.openapi()
        except ProctorError as error:
            _give_up(error.message)
        except Exception as error:  # noqa: BLE001 a start that fails for any reason must end the process
            _give_up(f"Proctor cannot start ({type(error).__name__}). 'proctor doctor' looks for the reason.")
        self.runtime, self._native = runtime, api.state.native
        if runtime.settings.is_open:
            log().warning("console_open", reason="WITHOUT_SIGN_IN=network: whoever reaches the console may use it.")
        if not self._is_stopping:
            self._api = api
        loop.call_soon_threadsafe(self._count_shed, runtime)
        loop.call_soon_threadsafe(has_begun.set)
        try:
            if self._settle is not None:
                self._settle(runtime)
        except Exception as error:  # noqa: BLE001 what serves already goes on serving
            log().error("settling_failed", error=type(error).__name__)

    def _count_shed(self, runtime: Runtime) -> None:
        """Count whom nobody could count before there were metrics."""
        if self._shed:
            runtime.metrics.shed.labels("").inc(self._shed)
        for reason, count in self._refused.items():
            runtime.metrics.gate_refusals.labels(reason).inc(count)
        self._refused.clear()

    async def _close(self) -> None:
        self._is_stopping = True
        if self._native is not None:
            await self._native.drain()
            await asyncio.to_thread(self._native.close)
        if self.runtime is not None:
            await asyncio.to_thread(self.runtime.close)

    @contextmanager
    def _draining_on_signals(self, loop: asyncio.AbstractEventLoop) -> Generator[None, None, None]:
        """Let generations end as soon as the server is told to stop: it would wait for them without an end.

        Told again, it waits for no call any more, and still records what came of each; told a third time, it does
        what it would do without us.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def stop(number: int, frame: FrameType | None) -> None:
            then = before[signal.Signals(number)]
            go_on = partial(_end_in_order, then, number, frame) if callable(then) else _nothing
            self._is_stopping, self._signals = True, self._signals + 1
            if self._signals == 1:
                hear_all_before_the_end(getattr(then, "__self__", None))
                loop.call_soon_threadsafe(self._begin_to_stop, go_on)
            elif self._signals == _LAST_WARNING and self._native is not None:
                loop.call_soon_threadsafe(self._native.hurry)
            else:
                go_on()

        for number in before:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handle in before.items():
                signal.signal(number, handle)

    def _begin_to_stop(self, go_on: Callable[[], object]) -> None:
        self._stop = asyncio.get_running_loop().create_task(self._stopped(go_on))

    async def _stopped(self, go_on: Callable[[], object]) -> None:
        """Let who waits for the start go, and generations end, while the server stops listening."""
        if self._has_begun is not None:
            self._has_begun.set()
        draining = asyncio.get_running_loop().create_task(self._native.drain()) if self._native else None
        go_on()
        if draining is not None:
            await draining


def _end_in_order(then: Callable[[int, FrameType | None], object], number: int, frame: FrameType | None) -> None:
    """Let the server stop as it does when it is told to, but end the process as one that has done what it was told.

    uvicorn keeps the signal, and has it end the process once all is closed: with the exit code of one that was killed.
    """
    then(number, frame)
    captured: list[int] = getattr(getattr(then, "__self__", None), "_captured_signals", [])
    captured.clear()


def _nothing() -> None:
    """Do nothing."""


def _not_now(status: str) -> Problem:
    """Return what is told while there is no API."""
    return Problem(
        status=503,
        code="unavailable",
        title="Not available",
        detail=f"The server is {status} and serves nothing now. Send it again.",
        headers={"Retry-After": "1"},
        retry_after_seconds=1.0,
    )


def serve(startup: Startup, settings: Settings) -> Starlette:
    """Return the API as a server of its own, behind the gate: ``/v1`` and the operations, without the console."""
    from starlette.applications import Starlette  # noqa: PLC0415 app.py does without all of these
    from starlette.middleware import Middleware  # noqa: PLC0415

    from core.api.gate import Gate  # noqa: PLC0415
    from core.api.middleware import Apart, RequestIds  # noqa: PLC0415
    from core.api.operations import operations  # noqa: PLC0415
    from core.api.served import API  # noqa: PLC0415

    return Starlette(
        routes=operations(startup),
        middleware=[
            Middleware(RequestIds),
            Middleware(Gate, settings=settings, served=API, count=startup.count_refused),
            Middleware(Apart, path="/v1", to=startup),
        ],
        lifespan=startup.lifespan,
    )


def _begin() -> Runtime:
    from core import runtime as running  # noqa: PLC0415 in the background, for it is slow

    return running.begin()


def _give_up(sentence: str) -> NoReturn:
    """End the process at once: a server that is asked to stop would first print a traceback."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
    os._exit(REFUSED_TO_START)
