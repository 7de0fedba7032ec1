"""One event loop in the background, on which all provider I/O runs.

A deadline there is hard: a body that drips, a server that hangs and a caller who leaves all end in a cancelled task,
which closes the connection. A read timeout does none of that. The caller's thread only waits; what can be sent
without the loop it sends and reads by itself (core/providers/_straight.py).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Protocol

from core.errors import Cancelled, Stopped
from core.providers import Abandoned, Answer, Exchange, ProviderError, TimedOut, misread
from core.providers._lines import Lines, StraightCall
from core.providers._pieces import Pieces
from core.providers._straight import straight


class Endable(Protocol):
    """A call that is out."""

    def cancel(self) -> Any:
        """End it, from any thread."""
        ...


class Cancellation:
    """A caller's way to leave: it ends the call that is out, and every wait."""

    def __init__(self) -> None:
        self.requested = threading.Event()
        self._is_stop = False
        self._calls: list[Endable] = []
        self._lock = threading.Lock()

    def cancel(self, *, server_stops: bool = False) -> None:
        """Leave. May be called from any thread, any number of times; the first says whether the server is why."""
        with self._lock:
            self._is_stop |= server_stops and not self.requested.is_set()
            self.requested.set()
            calls = self._calls.copy()
        for call in calls:
            call.cancel()

    @property
    def sentence(self) -> str:
        """Why a call ended whose answer nobody waits for."""
        return "The server was stopped." if self._is_stop else "The caller left."

    @contextmanager
    def explained(self) -> Generator[None]:
        """Tell a stop of the server from a caller who left, which is all that is known inside.

        Raises:
            Stopped: in the place of ``Cancelled``.

        """
        try:
            yield
        except Cancelled as left:
            if self._is_stop:
                raise Stopped("The server was stopped before the answer came.", **left.facts) from None
            raise

    def watch(self, call: Endable) -> None:
        """Name a call that is to be ended by :meth:`cancel`."""
        with self._lock:
            self._calls.append(call)
            late = self.requested.is_set()
        if late:
            call.cancel()

    def forget(self, call: Endable) -> None:
        """Name a call no longer: it has ended."""
        with self._lock:
            self._calls.remove(call)


class PendingCall:
    """A call that is out, for whoever waits for one of several."""

    def __init__(self, exchange: Exchange, future: Future[Answer], cancellation: Cancellation) -> None:
        self._exchange = exchange
        self.future = future
        self._cancellation = cancellation
        cancellation.watch(future)

    @property
    def so_far(self) -> Answer:
        """What the wire has told."""
        return self._exchange.so_far

    def answer(self) -> Answer:
        """Wait for the answer and return it.

        Raises:
            ProviderError: there is none to read.

        """
        try:
            return self.future.result()
        except CancelledError:
            raise Abandoned(self._cancellation.sentence, answer=self.so_far) from None
        finally:
            self._cancellation.forget(self.future)

    def give_up(self) -> bool:
        """End the call, and with it its connection; return whether it had not ended by itself."""
        is_out = self.future.cancel()
        if is_out:
            self._cancellation.forget(self.future)
        return is_out

    @staticmethod
    def ended(calls: Sequence[PendingCall], seconds: float | None = None) -> Sequence[PendingCall]:
        """Wait until one of *calls* has ended, at most for *seconds*; return those that have, in their order."""
        wait([call.future for call in calls], seconds, FIRST_COMPLETED)
        return [call for call in calls if call.future.done()]


class Loop:
    """The event loop and its thread; started by the first use."""

    races: ClassVar[bool] = True
    """Whether several calls of one walk can be out at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            with self._lock:
                if self._loop is None:
                    loop = _new_event_loop()
                    threading.Thread(target=_serve, args=(loop,), name="provider-io", daemon=True).start()
                    self._loop = loop
        return self._loop

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run *work* to its end and return what it returns. Not for calls to models, which can be left."""
        return asyncio.run_coroutine_threadsafe(work, self._running()).result()

    def call(
        self, exchange: Exchange, seconds: float, cancellation: Cancellation, *, stream: bool
    ) -> Generator[Any, None, Answer]:
        """Send *exchange* with *seconds* to live; yield its pieces, return its answer.

        Raises:
            ProviderError: there is no answer to read.

        """
        loop = self._running()
        lines: Lines | None = getattr(exchange, "lines", None)
        if lines is not None:
            straight_call = StraightCall(loop, seconds)
            cancellation.watch(straight_call)
            try:
                sentence = lambda: cancellation.sentence  # noqa: E731 it is known when it has ended
                answer = yield from straight(exchange, straight_call, lines, seconds, sentence, stream=stream)
            finally:
                cancellation.forget(straight_call)
            if answer is not None:
                return answer
            seconds = max(0.0, straight_call.seconds_left)
        pieces = Pieces(loop) if stream else None
        future = asyncio.run_coroutine_threadsafe(_bounded(exchange, seconds, pieces.put if pieces else None), loop)
        cancellation.watch(future)
        try:
            if pieces is not None:
                future.add_done_callback(lambda _: pieces.end())
                while (piece := pieces.get()) is not None:
                    yield piece
            return future.result()
        except CancelledError:
            raise Abandoned(cancellation.sentence, answer=exchange.so_far) from None
        finally:
            cancellation.forget(future)
            if not future.done():
                future.cancel()

    def start(self, exchange: Exchange, seconds: float, cancellation: Cancellation) -> PendingCall:
        """Send *exchange* with *seconds* to live and do not wait for its answer, which is to come whole."""
        future = asyncio.run_coroutine_threadsafe(_bounded(exchange, seconds, None), self._running())
        return PendingCall(exchange, future, cancellation)

    def close(self) -> None:
        """Stop the loop. Calls still out are cancelled."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)


async def _bounded(exchange: Exchange, seconds: float, on_piece: Callable[[Any], Any] | None) -> Answer:
    try:
        async with asyncio.timeout(seconds):
            return await exchange.send(on_piece)
    except TimeoutError:
        raise TimedOut(f"No whole answer within {seconds:.3g} s.", answer=exchange.so_far) from None
    except ProviderError:
        raise
    except Exception as error:
        # A call that went out is an attempt and may have cost money, whatever becomes of reading its answer.
        raise misread(error, exchange.so_far) from error


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 not on every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    with suppress(Exception):
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.close()
