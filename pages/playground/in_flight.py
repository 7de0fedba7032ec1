"""A call in flight beside the script that shows it, so that whoever leaves the page ends it.

Streamlit stops a script only where it touches Streamlit, and a thread that waits for a provider touches nothing. So the
call has a thread of its own; the script waits in short steps and touches Streamlit after each. Where the person has
left, closed the tab or pressed Stop, that touch raises, and the way out ends the call with its connection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Self

import streamlit as st

from core.generation import Cancellation, GenerationRequest, Partial

if TYPE_CHECKING:
    from types import TracebackType

    from core.generation import Corridor
    from core.principals import Principal
    from core.record import Generation

LOOK_SECONDS = 0.2
"""How long the script waits at most before it looks whether anybody is still there."""
FAREWELL_SECONDS = 2.0
"""How long who leaves waits for the ended call to be recorded."""


class InFlight:
    """One call: iterate over it for what comes, and leave it to end it."""

    def __init__(self, corridor: Corridor, request: GenerationRequest, principal: Principal) -> None:
        self._corridor = corridor
        self._request = request
        self._principal = principal
        self._cancellation = Cancellation()
        self._news = threading.Condition()
        self._partial: Partial | None = None
        """The newest that nobody has taken: an older one is of no use to a page."""
        self._generation: Generation | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="playground", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cancellation.cancel()
        self._thread.join(FAREWELL_SECONDS)

    def __iter__(self) -> Iterator[Partial | Generation]:
        """Yield the object as it grows, where it streams, and the generation at last.

        Raises:
            ProctorError: there is no valid object.

        """
        while True:
            with self._news:
                self._news.wait_for(self._has_news, LOOK_SECONDS)
                partial, self._partial = self._partial, None
                generation, failure = self._generation, self._failure
            _still_here()
            if partial is not None:
                yield partial
            if failure is not None:
                raise failure
            if generation is not None:
                yield generation
                return

    def _has_news(self) -> bool:
        return self._partial is not None or self._generation is not None or self._failure is not None

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


def _still_here() -> None:
    """Let Streamlit stop the script where it was asked to: each look into the session's state is a place for that."""
    st.session_state.get("last_run")
