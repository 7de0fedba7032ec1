"""Files that leave the console: each by an address of its own, which asks anew who asks, and what he may see by now.

The framework keeps what is downloaded at an address that asks nobody whose it is. So a page offers a file here instead,
as something that can make it, under the session's row and with what its person may do; whoever comes for it brings the
same session, and may still do the same, or gets nothing. Offers are kept in memory, so many and so much of them, and no
longer than the process; who comes too late reloads the page.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.api.problem import Problem
from core.api.sign_in_steps import token_of
from core.api.visitors import VisitedProcess
from core.errors import ProctorError
from core.principals import LOCAL_OPERATOR, Grant
from core.telemetry import log

if TYPE_CHECKING:
    from core.people import People

MOST_OFFERS = 4000
MOST_HELD = 64_000_000
"""Bytes that offers hold in memory, where they hold a file and do not make it."""
_AT_ONCE, _MOST_WAITING = 2, 20
_BUSY = "Too much is asked for at this moment. Try again in a moment."
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedFile:
    """A file that somebody may fetch."""

    session_id: str
    """The row of the session in which it is offered; empty while nobody has to sign in."""
    grants: tuple[Grant, ...]
    """What its person could do when it was offered."""
    name: str
    media_type: str
    make: Callable[[], bytes]
    holds: int = 0
    """How many bytes it keeps in memory."""


class Offers:
    """What pages offer. The one that nobody has drawn for longest is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offers: OrderedDict[str, OfferedFile] = OrderedDict()
        self._held = 0

    def put(self, token: str, offer: OfferedFile) -> None:
        """Offer a file under *token*, in the place of what was offered under it."""
        with self._lock:
            self._drop(token)
            self._offers[token] = offer
            self._held += offer.holds
            while len(self._offers) > MOST_OFFERS or (self._held > MOST_HELD and len(self._offers) > 1):
                self._drop(next(iter(self._offers)))

    def find(self, token: str) -> OfferedFile | None:
        """Return what is offered under *token*."""
        with self._lock:
            return self._offers.get(token)

    def _drop(self, token: str) -> None:
        if gone := self._offers.pop(token, None):
            self._held -= gone.holds


OFFERS = Offers()
"""Those of this process: pages and the door meet here, as pages are run by their framework."""


def new_token() -> str:
    """Return a name under which to offer something, which nobody guesses."""
    return secrets.token_urlsafe(16)


class ExportDoor:
    """Hands out what pages offer."""

    def __init__(self, process: VisitedProcess, offers: Offers = OFFERS) -> None:
        self._process = process
        self._offers = offers
        self._threads = ThreadPoolExecutor(_AT_ONCE, "exports")
        self._waiting = 0

    @property
    def routes(self) -> list[Route]:
        """The address, as the gate lists it."""
        return [Route("/export/{token}", self._answer, methods=["GET"])]

    async def _answer(self, request: Request) -> Response:
        runtime = self._process.runtime
        if runtime is None or self._waiting >= _MOST_WAITING:
            return _told(503, "unavailable", "Not available", _BUSY)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._threads, self._made, runtime.people, request.path_params["token"], token_of(request)
            )
        finally:
            self._waiting -= 1

    def _made(self, people: People, token: str, cookie: str) -> Response:
        offer = self._offers.find(token)
        try:
            visitor = people.visitor(cookie) if people.must_sign_in() else None
            session_id = visitor.session_id if visitor else ""
            if offer is None or offer.session_id != session_id or (people.must_sign_in() and visitor is None):
                return _told(404, "not_found", "Not found", "This file is not offered any more. Reload its page.")
            if offer.grants != (visitor.principal if visitor else LOCAL_OPERATOR).grants:
                said = "What you may see has changed since this page was drawn. Reload it, then try again."
                return _told(403, "forbidden", "Not allowed", said)
            content = offer.make()
        except ProctorError as error:
            return _told(503, error.code, "Not available", error.message)
        except Exception as error:  # noqa: BLE001 whatever it is, no trace of it leaves
            log().error("export_failed", error=type(error).__name__)
            return _told(500, "internal", "Not made", "This file could not be made; the log says more.")
        plain = _PLAIN.sub("-", offer.name)
        headers = {
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(offer.name)}",
            "Cache-Control": "no-store",
        }
        return Response(content, media_type=offer.media_type, headers=headers)


def _told(status: int, code: str, title: str, detail: str) -> Problem:
    return Problem(status=status, code=code, title=title, detail=detail, headers={"Cache-Control": "no-store"})
