"""The life of a process: it answers at once, loads the rest behind that, and closes everything at its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import Misconfigured, ProctorError
from core.settings import load
from core.telemetry import log

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from core.api.flights import Flights
    from core.runtime import Runtime

REFUSED_TO_START = 2
"""The exit code of a start that a setting or the database prevents."""
_CLOSE_SECONDS = 5.0


def check_settings() -> None:
    """Read the settings; end the process with one sentence if one of them cannot be used."""
    try:
        load()
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
        self._flights: Flights | None = None
        self._has_begun: asyncio.Event | None = None
        self._landing: asyncio.Task[None] | None = None
        self.runtime: Runtime | None = None
        """This process's Proctor; ``None`` until it has started."""

    @property
    def is_stopping(self) -> bool:
        """Whether the server was told to stop."""
        return self._flights is not None and self._flights.is_landing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the API, as soon as there is one."""
        if self._api is None:
            await self._begun()
        if self._api is not None:
            await self._api(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self, _app: Any = None) -> AsyncGenerator[None, None]:
        """Begin in the background, serve, and close everything."""
        loop = asyncio.get_running_loop()
        self._has_begun = asyncio.Event()
        beginning = threading.Thread(target=self._run, args=(loop, self._has_begun), name="startup", daemon=True)
        beginning.start()
        with self._landing_on_signals(loop):
            try:
                yield
            finally:
                await asyncio.to_thread(beginning.join, _CLOSE_SECONDS)
                await self._close()

    async def _begun(self) -> None:
        if self._has_begun is None:
            raise RuntimeError("The lifespan has not begun.")
        await self._has_begun.wait()

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
        self.runtime, self._flights, self._api = runtime, api.state.flights, api
        loop.call_soon_threadsafe(has_begun.set)
        try:
            if self._settle is not None:
                self._settle(runtime)
        except Exception as error:  # noqa: BLE001 what serves already goes on serving
            log().error("settling_failed", error=type(error).__name__)

    async def _close(self) -> None:
        if self._flights is not None:
            await self._flights.land()
            await asyncio.to_thread(self._flights.close)
        if self.runtime is not None:
            await asyncio.to_thread(self.runtime.close)

    @contextmanager
    def _landing_on_signals(self, loop: asyncio.AbstractEventLoop) -> Generator[None, None, None]:
        """Let generations land as soon as the server is told to stop: it would wait for them without an end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def land(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._land)
            if callable(then := before[signal.Signals(number)]):
                then(number, frame)

        for number in before:
            signal.signal(number, land)
        try:
            yield
        finally:
            for number, handle in before.items():
                signal.signal(number, handle)

    def _land(self) -> None:
        if self._flights is not None and not self._flights.is_landing:
            self._landing = asyncio.get_running_loop().create_task(self._flights.land())


def serve(startup: Startup) -> Starlette:
    """Return the API as a server of its own: ``/v1`` and the operations, without the console."""
    from starlette.applications import Starlette  # noqa: PLC0415 app.py does without all of these
    from starlette.middleware import Middleware  # noqa: PLC0415
    from starlette.routing import Mount, Route  # noqa: PLC0415

    from core.api.middleware import RequestIds  # noqa: PLC0415
    from core.api.operations import operations  # noqa: PLC0415

    return Starlette(
        routes=[*operations(startup), Route("/v1", startup), Mount("/v1", startup)],
        middleware=[Middleware(RequestIds)],
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
