"""Where one signs in and out: plain forms of our own, with a cookie that no script reads.

A form is taken from our own page alone: the gate asks for its origin, and what it sends has to hold the same token as a
cookie that came with it. What is sent is bounded before it is read, and tries are throttled before anything is hashed;
hashes are made beside the event loop, two at a time. Where one goes after is a page of the console or the first one.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hmac import compare_digest
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from core.addresses import caller_network
from core.api.cookies import FORM, SESSION, named, put, token_in
from core.api.served import Served, ServedAddress, To
from core.api.sign_in_page import Form, Question, page
from core.api.visitors import VisitedProcess
from core.clock import minute
from core.errors import Conflict, Denied, Invalid, Overloaded, ProctorError, RateLimited, Unavailable

if TYPE_CHECKING:
    from core.people import NewSession, People
    from core.runtime import Runtime

MOST_BYTES = 32_768
"""Of a form: a password of 4,096 bytes takes three times as many."""
_AT_ONCE, _MOST_WAITING = 2, 32
_PLAIN = re.compile(r"/[!-\[\]-~]*")
"""What a browser takes for a path as it stands: no control character, no backslash, nothing to be encoded."""
_LONGEST_NEXT = 2000
_CHOSEN = Question("password", "Password", "new-password", "At least 12 characters; a few words will do.")
_CANNOT = "Nobody can sign in now"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Asked:
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


class SignIn:
    """The forms."""

    def __init__(self, process: VisitedProcess, pages: Iterable[ServedAddress]) -> None:
        """*pages* are those to which one may be sent."""
        self._process = process
        self._pages = Served(pages)
        self._threads = ThreadPoolExecutor(_AT_ONCE, "sign-in")
        self._waiting = 0

    @property
    def routes(self) -> list[Route]:
        """The addresses, as the gate lists them."""
        answers: dict[str, tuple[_Answer, _Answer]] = {
            "/sign-in": (self._sign_in_page, self._sign_in),
            "/sign-out": (self._sign_out_page, self._sign_out),
            "/password": (self._password_page, self._password),
            "/invitation/{token}": (self._invitation_page, self._accept),
            "/first-owner/{token}": (self._first_page, self._become_first),
        }
        return [
            Route(path, partial(self._answered, told=told), methods=[method])
            for path, (shown, sent) in answers.items()
            for method, told in (("GET", shown), ("POST", sent))
        ]

    async def _answered(self, request: Request, told: _Answer) -> Response:
        """Answer one request; whatever is refused is a page with one sentence."""
        runtime = self._process.runtime
        try:
            if runtime is None:
                raise Unavailable("The server is starting. Reload this page in a moment.")
            sent = await _sent(request) if request.method == "POST" else dict[str, str]()
            answer = await told(_Asked(runtime.people, request, sent))
        except ProctorError as error:
            answer = self._refused(request, error)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    # ── In ────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _sign_in_page(self, asked: _Asked, wrong: str = "") -> Response:
        wanted = asked.said("next") if wrong else asked.request.query_params.get("next", "")
        if not await self._apart(asked.people.must_sign_in):
            said = "There is nobody yet who could. On the server, 'proctor user create NAME' makes somebody."
            return HTMLResponse(page("Sign in", said, link="/"))
        if not wrong and await self._apart(asked.people.visitor, _token(asked.request)):
            return _to(self._onward(wanted))
        fields = (
            Question("name", "Name", "username", value=asked.said("name")[:64]),
            Question("password", "Password", "current-password"),
        )
        token = _form_token(asked.request)
        form = Form("/sign-in", token, fields, [("Sign in", "enter")], self._onward(wanted))
        return _form_page(asked.request, page("Sign in", form=form, wrong=wrong), token)

    async def _sign_in(self, asked: _Asked) -> Response:
        try:
            new = await self._apart(
                asked.people.sign_in,
                asked.said("name"),
                asked.said("password"),
                asked.address,
                _token(asked.request),
            )
        except (Denied, Invalid, RateLimited) as error:
            return _as_refused(await self._sign_in_page(asked, error.message), error)
        return _entered(asked.request, new, self._onward(asked.said("next")))

    async def _invitation_page(self, asked: _Asked, wrong: str = "") -> Response:
        name = await self._apart(asked.people.invited, asked.request.path_params["token"])
        token = _form_token(asked.request)
        fields = (Question("name", "Name", "username", value=name), _CHOSEN)
        form = Form(asked.request.url.path, token, fields, [("Choose it and sign in", "enter")])
        return _form_page(asked.request, page(f"Welcome, {name}", "Choose a password.", form=form, wrong=wrong), token)

    async def _accept(self, asked: _Asked) -> Response:
        link = asked.request.path_params["token"]
        try:
            new = await self._apart(asked.people.accept, link, asked.said("password"), _token(asked.request))
        except Invalid as error:
            return _as_refused(await self._invitation_page(asked, error.message), error)
        return _entered(asked.request, new, "/")

    async def _first_page(self, asked: _Asked, wrong: str = "") -> Response:
        await self._apart(asked.people.require_first, asked.request.path_params["token"])
        token = _form_token(asked.request)
        fields = (Question("name", "Name", "username", value=asked.said("name")[:64]), _CHOSEN)
        form = Form(asked.request.url.path, token, fields, [("Become the owner", "enter")])
        said = "You will be the owner: you may do everything here, and invite others. From now on everybody signs in."
        return _form_page(asked.request, page("The first owner", said, form=form, wrong=wrong), token)

    async def _become_first(self, asked: _Asked) -> Response:
        link, name, password = (
            asked.request.path_params["token"],
            asked.said("name"),
            asked.said("password"),
        )
        try:
            new = await self._apart(asked.people.become_first_owner, link, name, password, _token(asked.request))
        except Conflict:
            raise  # somebody was quicker: there is no form to fill in again
        except Invalid as error:
            return _as_refused(await self._first_page(asked, error.message), error)
        return _entered(asked.request, new, "/")

    # ── Out ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _sign_out_page(self, asked: _Asked) -> Response:
        visitor = await self._apart(asked.people.visitor, _token(asked.request))
        if visitor is None:
            return _to("/sign-in")
        token = _form_token(asked.request)
        buttons = [("Sign out here", "here"), ("Sign out everywhere", "everywhere")]
        said = f"You are signed in as {visitor.principal.name}."
        form = Form("/sign-out", token, buttons=buttons)
        return _form_page(asked.request, page("Sign out", said, form=form, link="/"), token)

    async def _sign_out(self, asked: _Asked) -> Response:
        token = _token(asked.request)
        visitor = await self._apart(asked.people.visitor, token)
        if visitor is not None and asked.said("do") == "everywhere":
            await self._apart(asked.people.end_sessions, visitor.principal, visitor.person_id)
        elif token:
            await self._apart(asked.people.leave, token)
        answer = _to("/sign-in")
        put(answer, SESSION, "", is_secure=_is_secure(asked.request), seconds=0)
        return answer

    async def _password_page(self, asked: _Asked, wrong: str = "") -> Response:
        visitor = await self._apart(asked.people.visitor, _token(asked.request))
        if visitor is None:
            return _to("/sign-in")
        token = _form_token(asked.request)
        fields = (
            Question("current", "Current password", "current-password"),
            Question("password", "New password", "new-password", _CHOSEN.hint),
        )
        form = Form("/password", token, fields, [("Change it", "change")])
        said = "You are signed out everywhere, and sign in with the new one."
        return _form_page(asked.request, page("Change your password", said, form=form, wrong=wrong, link="/"), token)

    async def _password(self, asked: _Asked) -> Response:
        visitor = await self._apart(asked.people.visitor, _token(asked.request))
        if visitor is None:
            return _to("/sign-in")
        change = partial(
            asked.people.change_password,
            visitor.principal,
            visitor.person_id,
            asked.said("password"),
            current=asked.said("current"),
            address=asked.address,
        )
        try:
            await self._apart(change)
        except (Denied, Invalid, RateLimited) as error:
            return _as_refused(await self._password_page(asked, error.message), error)
        return _to("/sign-in")

    # ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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
        title = "This link does not open anything" if "token" in request.path_params else _CANNOT
        link = "/sign-in" if isinstance(error, Denied | Invalid) else ""
        return _as_refused(HTMLResponse(page(title, error.message, link=link)), error)


_Answer = Callable[..., Awaitable[Response]]


class _TooLarge(Invalid):
    """More was sent than a form of ours can hold."""


def tell_first_link(runtime: Runtime) -> None:
    """Print the link for the first owner, where there is nobody yet and the console can be reached from elsewhere."""
    settings = runtime.settings
    if settings.is_on_loopback:
        return
    link = runtime.people.open_first_once()
    if link is not None:
        sys.stderr.write(
            f"Nobody can sign in yet. Whoever opens this by {minute(link.expires_at)} becomes the owner:\n"
            f"  {settings.console_url}{link.path}\n"
        )
        sys.stderr.flush()


async def _sent(request: Request) -> dict[str, str]:
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
    known = request.cookies.get(named(FORM, is_secure=_is_secure(request)), "")
    if not known or not compare_digest(known.encode(), sent.get("form", "").encode()):
        raise Invalid("This form is too old, or the browser keeps no cookies. Open the page again, and send it anew.")
    return sent


def _token(request: Request) -> str:
    return token_in(request.scope["headers"], is_secure=_is_secure(request))


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _form_token(request: Request) -> str:
    """Return the token of a browser's forms: the one that it has, or a new one."""
    known = request.cookies.get(named(FORM, is_secure=_is_secure(request)), "")
    return known if re.fullmatch(r"[\w-]{43}", known) else secrets.token_urlsafe(32)


def _form_page(request: Request, text: str, token: str) -> Response:
    answer = HTMLResponse(text)
    put(answer, FORM, token, is_secure=_is_secure(request))
    return answer


def _entered(request: Request, new: NewSession, to: str) -> Response:
    answer = _to(to)
    put(answer, SESSION, new.token, is_secure=_is_secure(request), seconds=new.seconds)
    return answer


def _to(address: str) -> Response:
    return Response(None, 303, {"Location": address})


def _as_refused(answer: Response, error: ProctorError) -> Response:
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
        case Invalid():
            answer.status_code = 400
        case _:
            answer.status_code = 503
    if seconds := error.facts.get("retry_after_seconds"):
        answer.headers["Retry-After"] = f"{seconds:.0f}"
    return answer
