"""One event loop in the background, on which all provider I/O runs.

A deadline there is hard: a body that drips, a server that hangs and a caller who leaves all end in a cancelled task,
which closes the connection. A read timeout does none of that. The caller's thread only waits.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any

from core.providers import Abandoned, Answer, Conversation, Garbled, ProviderError, TimedOut


class Cancellation:
    """A caller's way to leave: it ends the call that is out, and every wait."""

    def __init__(self) -> None:
        self.requested = threading.Event()
        self._call: Future[Answer] | None = None
        self._lock = threading.Lock()

    def cancel(self) -> None:
        """Leave. May be called from any thread, any number of times."""
        with self._lock:
            self.requested.set()
            call = self._call
        if call is not None:
            call.cancel()

    def watch(self, call: Future[Answer] | None) -> None:
        """Name the call that is to be ended by :meth:`cancel`."""
        with self._lock:
            self._call = call
            late = self.requested.is_set()
        if late and call is not None:
            call.cancel()


class Loop:
    """The event loop and its thread; started by the first use."""

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
        """Run *work* to its end and return what it returns. Not for provider calls, which have a deadline."""
        return asyncio.run_coroutine_threadsafe(work, self._running()).result()

    def call(
        self, conversation: Conversation, seconds: float, cancellation: Cancellation, *, stream: bool
    ) -> Generator[str, None, Answer]:
        """Send *conversation* with *seconds* to live; yield the pieces of its text, return its answer.

        Raises:
            ProviderError: there is no answer to read.

        """
        pieces: queue.SimpleQueue[str | None] | None = queue.SimpleQueue() if stream else None
        future = asyncio.run_coroutine_threadsafe(
            _bounded(conversation, seconds, pieces.put if pieces else None), self._running()
        )
        cancellation.watch(future)
        try:
            if pieces is not None:
                future.add_done_callback(lambda _: pieces.put(None))
                while (piece := pieces.get()) is not None:
                    yield piece
            return future.result()
        except CancelledError:
            raise Abandoned("The caller left.", answer=conversation.so_far) from None
        finally:
            cancellation.watch(None)
            if not future.done():
                future.cancel()

    def close(self) -> None:
        """Stop the loop. Calls still out are cancelled."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)


async def _bounded(conversation: Conversation, seconds: float, on_text: Callable[[str], None] | None) -> Answer:
    try:
        async with asyncio.timeout(seconds):
            return await conversation.send(on_text)
    except TimeoutError:
        raise TimedOut(f"No whole answer within {seconds:.3g} s.", answer=conversation.so_far) from None
    except ProviderError:
        raise
    except Exception as error:
        # A call that went out is an attempt and may have cost money, whatever becomes of reading its answer.
        what = f"The answer could not be read ({type(error).__name__})."
        raise Garbled(what, answer=conversation.so_far) from error


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
