"""Calls in flight beside the script that shows them, so that whoever leaves the page ends them all.

Streamlit stops a script only where it touches Streamlit, and a thread that waits for a provider touches nothing. So
each call has a thread of its own; the script waits in short steps and touches Streamlit after each. Where the person
has left, closed the tab or pressed Stop, that touch raises, and the way out ends the calls with their connections.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Self

import streamlit as st

from core.errors import ProctorError
from core.generation import Cancellation, GenerationRequest, Partial

if TYPE_CHECKING:
    from types import TracebackType

    from core.generation import Corridor
    from core.principals import Principal
    from core.record import Generation

LOOK_SECONDS = 0.2
"""How long the script waits at most before it looks whether anybody is still there."""
FAREWELL_SECONDS = 2.0
"""How long who leaves waits for the ended calls to be recorded."""
MOST_AT_ONCE = 3
"""How many calls of one page are out at a time: a person who tries things must not be a rush."""


class InFlight:
    """One call: iterate over it for what comes, and leave it to end it."""

    def __init__(
        self,
        corridor: Corridor,
        request: GenerationRequest,
        principal: Principal,
        news: threading.Condition | None = None,
    ) -> None:
        self._corridor = corridor
        self._request = request
        self._principal = principal
        self._cancellation = Cancellation()
        self._news = news or threading.Condition()
        self._partial: Partial | None = None
        """The newest that nobody has taken: an older one is of no use to a page."""
        self._generation: Generation | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="playground", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()
        self.join(FAREWELL_SECONDS)

    def __iter__(self) -> Iterator[Partial | Generation]:
        """Yield the object as it grows, where it streams, and the generation at last.

        Raises:
            ProctorError: there is no valid object.

        """
        while True:
            with self._news:
                self._news.wait_for(self.has_news, LOOK_SECONDS)
                partial, end = self.take()
            _still_here()
            if partial is not None:
                yield partial
            if isinstance(end, BaseException):
                raise end
            if end is not None:
                yield end
                return

    def start(self) -> None:
        """Let the call go out."""
        self._thread.start()

    def cancel(self) -> None:
        """End the call, if it is still out."""
        self._cancellation.cancel()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, so long at most."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def has_news(self) -> bool:
        """Whether there is something to take."""
        return self._partial is not None or self._generation is not None or self._failure is not None

    def take(self) -> tuple[Partial | None, Generation | BaseException | None]:
        """Return what came since the last time, and the end if it has come; to be called with the news held."""
        partial, self._partial = self._partial, None
        return partial, self._failure or self._generation

    def _run(self) -> None:
        try:
            if not self._request.stream:
                self._tell(self._corridor.generate(self._request, self._principal, self._cancellation))
                return
            with closing(self._corridor.stream(self._request, self._principal, self._cancellation)) as pieces:
                for piece in pieces:
                    if self._cancellation.requested.is_set():
                        return
                    self._tell(piece)
        except BaseException as failure:  # noqa: BLE001 it is raised where the script waits
            with self._news:
                self._failure = failure
                self._news.notify()

    def _tell(self, piece: Partial | Generation) -> None:
        with self._news:
            if isinstance(piece, Partial):
                self._partial = piece
            else:
                self._generation = piece
            self._news.notify()


class InFlights:
    """Several calls, some at a time in their order: iterate over them for what comes, leave them to end them all."""

    def __init__(
        self,
        corridor: Corridor,
        requests: Sequence[GenerationRequest],
        principal: Principal,
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._news = threading.Condition()
        self._waiting = [
            (place, InFlight(corridor, request, principal, self._news)) for place, request in enumerate(requests)
        ]
        self._most_at_once = most_at_once
        self._out: dict[int, InFlight] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for flight in self._out.values():
            flight.cancel()
        for flight in self._out.values():
            flight.join(FAREWELL_SECONDS / len(self._out))

    def __iter__(self) -> Iterator[tuple[int, Partial | Generation | ProctorError]]:
        """Yield the place of a request with what came of it: partial objects, and a generation or an error at last."""
        while self._waiting or self._out:
            while self._waiting and len(self._out) < self._most_at_once:
                place, flight = self._waiting.pop(0)
                self._out[place] = flight
                flight.start()
            with self._news:
                self._news.wait_for(lambda: any(one.has_news() for one in self._out.values()), LOOK_SECONDS)
                came = [(place, *one.take()) for place, one in self._out.items()]
            _still_here()
            for place, partial, end in came:
                if partial is not None:
                    yield place, partial
                if end is None:
                    continue
                del self._out[place]
                if isinstance(end, BaseException) and not isinstance(end, ProctorError):
                    raise end
                yield place, end


def _still_here() -> None:
    """Let Streamlit stop the script where it was asked to: each look into the session's state is a place for that."""
    st.session_state.get("trial")
