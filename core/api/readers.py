"""Reads over the API: in threads of their own, so that they take none from the console, nor from the generations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive

from core.admission import READS_AT_ONCE, Place, taken
from core.runtime import Runtime


class Readers:
    """The reads of one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._seconds = runtime.settings.deadline_seconds
        self._threads = ThreadPoolExecutor(READS_AT_ONCE, "read")
        self._admission = runtime.read_admission

    async def run(self, tenant: str, receive: Receive, read: Callable[[], Response]) -> Response:
        """Return what *read* does, as soon as there is a place for one of *tenant*, whose client *receive* listens to.

        Raises:
            Overloaded: too many wait already, or it has waited too long.
            Unavailable: the server is stopping.
            ClientDisconnect: the client left meanwhile.

        """
        asked = self._admission.ask(tenant, 0)
        leaving = None if asked.done() else asyncio.create_task(_leave_with_the_client(receive, asked))
        try:
            async with asyncio.timeout(self._seconds):
                place = await taken(asked)
        except TimeoutError:
            raise self._admission.turned_away(tenant) from None
        finally:
            if leaving is not None:
                leaving.cancel()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, read)
        finally:
            place.give_back()

    def drain(self) -> None:
        """Begin no more: who waits is told so, and so is whoever comes."""
        self._admission.close()

    def close(self) -> None:
        """End the threads, once they are done."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _leave_with_the_client(receive: Receive, asked: asyncio.Future[Place]) -> None:
    """Leave the queue when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if not asked.done():
        asked.set_exception(ClientDisconnect())
