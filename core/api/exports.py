"""Files that leave the console: each by an address of its own, which asks anew who asks, and what he may see by now.

The framework keeps what is downloaded at an address that asks nobody whose it is. So a page draws a link here instead,
which says what is to be made and is sealed for its session (:mod:`core.api.export_links`); the file is made when
somebody comes for it, piece by piece, with the right that he has then. A text that is kept nowhere else, as an answer
in the playground, is sent here by its page and comes back as a file.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import parse_qsl, quote

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.api.export_links import ExportLink, opened
from core.api.pieces import SentInPieces, UnderWay
from core.api.problem import Problem
from core.api.sign_in_steps import token_of
from core.api.visitors import VisitedProcess
from core.errors import Denied, Invalid, NotFound, ProctorError
from core.principals import LOCAL_OPERATOR, Principal
from core.telemetry import log

if TYPE_CHECKING:
    from core.runtime import Runtime

CSV = "text/csv; charset=utf-8"
MOST_AT_ONCE = 20
"""Files that may be on their way; a session may have a fifth of them."""
MOST_SENT = 4_000_000
"""Bytes of a text that its page sends."""
_THREADS = 2
_BUSY = "Too much is asked for at this moment. Try again in a moment."
_GONE = "This file is not offered any more. Reload its page."
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_STATUSES = ((Denied, 403, "Not allowed"), (NotFound, 404, "Not found"), (Invalid, 400, "Not made"))
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Export(Generic[T]):
    """A sort of file that pages offer."""

    kind: str
    """Its page and its name there: ``calls/list``."""
    takes: type[T]
    """What says of which things: data that JSON can hold."""
    make: Callable[[Runtime, Principal, T], Iterable[bytes]]
    """Makes it of what that principal may see, in pieces of which one is in memory at a time."""
    media_type: str = CSV

    def told(self, asked: T) -> Any:
        """Return *asked* as plain JSON."""
        return TypeAdapter(self.takes).dump_python(asked, mode="json", exclude_defaults=True)

    def pieces(self, runtime: Runtime, who: Principal, told: Any) -> Iterator[bytes]:
        """Return the file for *who*, as what was *told* asks for it.

        Raises:
            ProctorError: he may not, or there is nothing of that sort; not before the first piece is taken.

        """
        try:
            asked = TypeAdapter(self.takes).validate_python(told)
        except ValidationError:
            raise NotFound(_GONE) from None  # as another release offered it
        yield from self.make(runtime, who, asked)


@dataclass(frozen=True, slots=True)
class _BegunFile:
    """A file whose first piece is made."""

    name: str
    media_type: str
    first: bytes | None
    pieces: Iterator[bytes]


class ExportDoor:
    """Makes what pages offer, for whoever comes."""

    def __init__(self, process: VisitedProcess, find: Callable[[str], Export[Any] | None]) -> None:
        """*find* returns the export of a kind."""
        self._process = process
        self._find = find
        self._threads = ThreadPoolExecutor(_THREADS, "exports")
        self._under_way = UnderWay(MOST_AT_ONCE, MOST_AT_ONCE // 5)

    @property
    def routes(self) -> list[Route]:
        """The addresses, as the gate lists them."""
        return [
            Route("/export", self._back, methods=["POST"]),
            Route("/export/{link}", self._answer, methods=["GET"]),
        ]

    async def _answer(self, request: Request) -> Response:
        runtime, token = self._process.runtime, token_of(request)
        if runtime is None or not self._under_way.begin(token):
            return _told(503, "unavailable", "Not available", _BUSY)
        is_going_out = False
        try:
            made = await self._apart(partial(self._begun, runtime, request.path_params["link"], token))
            if isinstance(made, Response):
                return made
            is_going_out = True
            more = partial(self._apart, partial(next, made.pieces, None))
            left = partial(self._under_way.end, token)
            return SentInPieces(made.first, more, left, _headers(made.name, made.media_type))
        finally:
            if not is_going_out:
                self._under_way.end(token)

    def _begun(self, runtime: Runtime, link: str, cookie: str) -> _BegunFile | Response:
        """Begin a file; what stands in its way is known with the first piece."""
        try:
            export, wanted, who = self._offered(runtime, link, cookie)
            pieces = export.pieces(runtime, who, wanted.asked)
            return _BegunFile(wanted.name, export.media_type, next(pieces, None), pieces)
        except ProctorError as error:
            for kind, status, title in _STATUSES:
                if isinstance(error, kind):
                    return _told(status, error.code, title, error.message)
            return _told(503, error.code, "Not available", error.message)
        except Exception as error:  # noqa: BLE001 whatever it is, no trace of it leaves
            log().error("export_failed", error=type(error).__name__)
            return _told(500, "internal", "Not made", "This file could not be made; the log says more.")

    def _offered(self, runtime: Runtime, link: str, cookie: str) -> tuple[Export[Any], ExportLink, Principal]:
        """Return what a link asks for, and who comes with it.

        Raises:
            NotFound: it was not offered in this session.

        """
        people, token, who = runtime.people, "", LOCAL_OPERATOR
        if people.must_sign_in():
            visitor, token = people.visitor(cookie), cookie
            if visitor is None:
                raise NotFound(_GONE)
            who = visitor.principal
        wanted = opened(link, token, runtime.clock.now())
        export = self._find(wanted.kind) if wanted else None
        if wanted is None or export is None:
            raise NotFound(_GONE)
        return export, wanted, who

    async def _back(self, request: Request) -> Response:
        """Give a text back to the page that sent it, as a file; the gate has seen that it is a page of ours."""
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > 3 * MOST_SENT:  # as a form writes it, three characters for one
                return _told(413, "too_large", "Not made", "This is too much to be given back as a file.")
        sent = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=4))
        content = sent.get("file_text", "").replace("\r\n", "\n").encode()
        return Response(content, headers=_headers(sent.get("file_name", "") or "answer.json", "application/json"))

    async def _apart(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)


def _headers(name: str, media_type: str) -> dict[str, str]:
    return {
        "Content-Disposition": f"attachment; filename=\"{_PLAIN.sub('-', name)}\"; filename*=UTF-8''{quote(name)}",
        "Cache-Control": "no-store",
        "Content-Type": media_type,
    }


def _told(status: int, code: str, title: str, detail: str) -> Problem:
    return Problem(status=status, code=code, title=title, detail=detail, headers={"Cache-Control": "no-store"})
