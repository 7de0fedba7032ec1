"""Whether whoever asks for the console has signed in, looked at beside the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from core.errors import ProctorError
from core.identities import PROXY

if TYPE_CHECKING:
    from core.people import People
    from core.runtime import Runtime

_THREADS = 4
_MOST_ASKING = 1000


class Standing(Enum):
    """What is known of somebody at the gate."""

    SIGNED_IN = auto()
    STRANGER = auto()
    """He has to sign in."""
    NOBODYS = auto()
    """There is nobody yet who could."""
    UNKNOWN = auto()
    """The process is starting, or the database does not answer."""


class VisitedProcess(Protocol):
    """What is asked about."""

    @property
    def runtime(self) -> Runtime | None:
        """Its Proctor; ``None`` until that has started."""
        ...


class Visitors:
    """Looks at who comes."""

    def __init__(self, process: VisitedProcess) -> None:
        self._process = process
        self._threads = ThreadPoolExecutor(_THREADS, "visitors")
        self._asking = 0

    async def standing(self, token: str, vouched: str = "") -> Standing:
        """Return what is known of whoever brings *token*, and for whom a proxy vouches as *vouched*."""
        runtime = self._process.runtime
        if runtime is None or self._asking >= _MOST_ASKING:
            return Standing.UNKNOWN
        self._asking += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, _standing, runtime.people, token, vouched
            )
        finally:
            self._asking -= 1


def _standing(people: People, token: str, vouched: str) -> Standing:
    try:
        if not people.must_sign_in():
            return Standing.NOBODYS
        visitor = people.visitor(token)
    except ProctorError:
        return Standing.UNKNOWN
    if visitor is None:
        return Standing.STRANGER
    how, subject = visitor.vouched
    # What began by the proxy's word holds with that word alone: past the proxy, or as another, it is nobody's.
    return Standing.STRANGER if how == PROXY and subject != vouched else Standing.SIGNED_IN
