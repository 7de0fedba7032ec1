"""What every form and every way of signing in does alike: asks beside the event loop, and leads on or says no."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hmac import compare_digest
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from core.addresses import caller_network
from core.api.cookies import FORM, SESSION, named, put, token_in
from core.api.gate import VOUCHED
from core.api.served import Served, ServedAddress, To
from core.api.sign_in_page import page
from core.api.visitors import VisitedProcess
from core.errors import Conflict, Denied, Invalid, NotFound, Overloaded, ProctorError, RateLimited, Unavailable
from core.identities import PROXY, VouchedIdentity

if TYPE_CHECKING:
    from core.people import NewSession, People

MOST_BYTES = 32_768
"""Of a form: a password of 4,096 bytes takes three times as many."""
_MOST_WAITING = 32
_PLAIN = re.compile(r"/[!-\[\]-~]*")
"""What a browser takes for a path as it stands: no control character, no backslash, nothing to be encoded."""
_LONGEST_NEXT = 2000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """One request."""

    people: People
    request: Request
    sent: Mapping[str, str]

    def said(self, name: str) -> str:
        """Return what a field of the form holds; empty where there is none."""
        return self.sent.get(name, "")

    @property
    def address(self) -> str:
        """From where it comes, as tries are counted."""
        return caller_network(self.request.client.host if self.request.client else "")


class SignInSteps:
    """What the ways of signing in share; each has threads of its own."""

    def __init__(self, process: VisitedProcess, pages: Iterable[ServedAddress], *, at_once: int, name: str) -> None:
        """*pages* are those to which one may be sent."""
        self._process = process
        self._pages = Served(pages)
        self._threads = ThreadPoolExecutor(at_once, name)
        self._waiting = 0

    async def _answered(self, request: Request, told: Answer) -> Response:
        """Answer one request; whatever is refused is a page with one sentence."""
        runtime = self._process.runtime
        try:
            if runtime is None:
                raise Unavailable("The server is starting. Reload this page in a moment.")
            sent = await sent_form(request) if request.method == "POST" else dict[str, str]()
            answer = await told(SignInRequest(runtime.people, request, sent))
        except ProctorError as error:
            answer = self._refused(request, error)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def _apart(self, act: Callable[..., T], *given: object) -> T:
        """Do what hashes or asks the database, beside the event loop.

        Raises:
            Overloaded: too many wait already.

        """
        if self._waiting >= _MOST_WAITING:
            raise Overloaded("Too many sign in at this moment. Try again in some seconds.", retry_after_seconds=5.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(act, *given))
        finally:
            self._waiting -= 1

    def _onward(self, wanted: str) -> str:
        """Return where one goes then: to a page of the console, with all of its address, or to the first one.

        What is looked at is what the browser will be given, character by character.
        """
        if len(wanted) > _LONGEST_NEXT or not _PLAIN.fullmatch(wanted):
            return "/"
        is_page = self._pages.to(wanted.partition("?")[0], is_socket=False) is To.PAGES
        return wanted if is_page and "#" not in wanted else "/"

    def _refused(self, request: Request, error: ProctorError) -> Response:
        title = "Nobody can sign in now" if isinstance(error, Unavailable) else "You could not be signed in"
        if "token" in request.path_params:
            title = "This link does not open anything"
        link = "/sign-in" if isinstance(error, Denied | Invalid) else ""
        return as_refused(HTMLResponse(page(title, error.message, link=link)), error)


Answer = Callable[..., Awaitable[Response]]


class _TooLarge(Invalid):
    """More was sent than a form of ours can hold."""


async def sent_form(request: Request) -> dict[str, str]:
    """Return what a form of ours sent.

    Raises:
        Invalid: it is none, or holds more than ours.

    """
    if int(request.headers.get("content-length") or 0) > MOST_BYTES:
        raise _TooLarge("More was sent than a form of ours can hold.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise _TooLarge("More was sent than a form of ours can hold.")
    try:
        sent = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10))
    except ValueError:
        raise Invalid("What was sent is not a form of ours.") from None
    known = request.cookies.get(named(FORM, is_secure=is_secure(request)), "")
    if not known or not compare_digest(known.encode(), sent.get("form", "").encode()):
        raise Invalid("This form is too old, or the browser keeps no cookies. Open the page again, and send it anew.")
    return sent


def token_of(request: Request) -> str:
    """Return the session's token that a request brings; empty where it brings none."""
    return token_in(request.scope["headers"], is_secure=is_secure(request))


def vouched_by_proxy(request: Request) -> VouchedIdentity | None:
    """Return who has signed in at the proxy before us, as the gate has found; ``None``: it says nothing."""
    found = request.scope.get("state", {}).get(VOUCHED)
    if not found:
        return None
    return VouchedIdentity(issuer=PROXY, subject=found, how=PROXY, title="The proxy", name=found)


def is_secure(request: Request) -> bool:
    """Whether the browser comes by https."""
    return request.url.scheme == "https"


def form_token(request: Request) -> str:
    """Return the token of a browser's forms: the one that it has, or a new one."""
    known = request.cookies.get(named(FORM, is_secure=is_secure(request)), "")
    return known if re.fullmatch(r"[\w-]{43}", known) else secrets.token_urlsafe(32)


def form_page(request: Request, text: str, token: str) -> Response:
    """Answer with a page whose form is known by *token*."""
    answer = HTMLResponse(text)
    put(answer, FORM, token, is_secure=is_secure(request))
    return answer


def entered(request: Request, new: NewSession, to: str) -> Response:
    """Let a browser keep a session that has begun, and lead it on."""
    answer = led_to(to)
    put(answer, SESSION, new.token, is_secure=is_secure(request), seconds=new.seconds)
    return answer


def led_to(address: str) -> Response:
    """Lead a browser to *address*, to be read and not sent to."""
    return Response(None, 303, {"Location": address})


def as_refused(answer: Response, error: ProctorError) -> Response:
    """Return a page with the status of what was refused."""
    match error:
        case RateLimited():
            answer.status_code = 429
        case Denied():
            answer.status_code = 401
        case _TooLarge():
            answer.status_code = 413
        case Conflict():
            answer.status_code = 409
        case NotFound():
            answer.status_code = 404
        case Invalid():
            answer.status_code = 400
        case _:
            answer.status_code = 503
    if seconds := error.facts.get("retry_after_seconds"):
        answer.headers["Retry-After"] = f"{seconds:.0f}"
    return answer
