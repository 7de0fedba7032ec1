"""Where one signs in and out: plain forms of our own, with a cookie that no script reads.

A form is taken from our own page alone: the gate asks for its origin, and what it sends has to hold the same token as a
cookie that came with it. What is sent is bounded before it is read, and tries are throttled before anything is hashed;
hashes are made beside the event loop, two at a time. Where one goes after is a page of the console or the first one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from core.api.cookies import SESSION, put
from core.api.served import ServedAddress
from core.api.sign_in_page import Form, Question, Way, page
from core.api.sign_in_steps import (
    Answer,
    SignInRequest,
    SignInSteps,
    as_refused,
    entered,
    form_page,
    form_token,
    is_secure,
    led_to,
    token_of,
    vouched_by_proxy,
)
from core.api.visitors import VisitedProcess
from core.clock import minute
from core.errors import Conflict, Denied, Forbidden, Invalid, RateLimited
from core.identities import PROXY

if TYPE_CHECKING:
    from core.runtime import Runtime

_AT_ONCE = 2
_CHOSEN = Question("password", "Password", "new-password", "At least 12 characters; a few words will do.")


class SignIn(SignInSteps):
    """The forms."""

    def __init__(self, process: VisitedProcess, pages: Iterable[ServedAddress]) -> None:
        """*pages* are those to which one may be sent."""
        super().__init__(process, pages, at_once=_AT_ONCE, name="sign-in")

    @property
    def routes(self) -> list[Route]:
        """The addresses, as the gate lists them."""
        answers: dict[str, tuple[Answer, Answer]] = {
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

    # ── In ────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _sign_in_page(self, asked: SignInRequest, wrong: str = "") -> Response:
        wanted = asked.said("next") if wrong else asked.request.query_params.get("next", "")
        if not await self._apart(asked.people.must_sign_in):
            said = "There is nobody yet who could. On the server, 'proctor user create NAME' makes somebody."
            return HTMLResponse(page("Sign in", said, link="/", ways=self._ways()))
        if not wrong and (there := await self._entered_by_proxy(asked, wanted)):
            return there
        fields = (
            Question("name", "Name", "username", value=asked.said("name")[:64]),
            Question("password", "Password", "current-password"),
        )
        token = form_token(asked.request)
        onward = self._onward(wanted)
        form = Form("/sign-in", token, fields, [("Sign in", "enter")], onward)
        return form_page(asked.request, page("Sign in", form=form, wrong=wrong, ways=self._ways(next=onward)), token)

    async def _sign_in(self, asked: SignInRequest) -> Response:
        try:
            new = await self._apart(
                asked.people.sign_in,
                asked.said("name"),
                asked.said("password"),
                asked.address,
                token_of(asked.request),
            )
        except (Denied, Invalid, RateLimited) as error:
            return as_refused(await self._sign_in_page(asked, error.message), error)
        return entered(asked.request, new, self._onward(asked.said("next")))

    async def _invitation_page(self, asked: SignInRequest, wrong: str = "") -> Response:
        name = await self._apart(asked.people.invited, asked.request.path_params["token"])
        token = form_token(asked.request)
        fields = (Question("name", "Name", "username", value=name), _CHOSEN)
        buttons = [("Choose it and sign in", "enter")]
        if vouched := vouched_by_proxy(asked.request):
            buttons.append((f"Sign in as {vouched.subject}", PROXY))
        form = Form(asked.request.url.path, token, fields, buttons)
        ways = self._ways(invitation=asked.request.path_params["token"])
        said = "Choose a password, or sign in as you do elsewhere." if ways else "Choose a password."
        return form_page(asked.request, page(f"Welcome, {name}", said, form=form, wrong=wrong, ways=ways), token)

    async def _accept(self, asked: SignInRequest) -> Response:
        link = asked.request.path_params["token"]
        vouched = vouched_by_proxy(asked.request) if asked.said("do") == PROXY else None
        try:
            if vouched:
                new = await self._apart(asked.people.accept_as, link, vouched, token_of(asked.request))
            else:
                new = await self._apart(asked.people.accept, link, asked.said("password"), token_of(asked.request))
        except Invalid as error:
            return as_refused(await self._invitation_page(asked, error.message), error)
        return entered(asked.request, new, "/")

    async def _first_page(self, asked: SignInRequest, wrong: str = "") -> Response:
        await self._apart(asked.people.require_first, asked.request.path_params["token"])
        token = form_token(asked.request)
        fields = (Question("name", "Name", "username", value=asked.said("name")[:64]), _CHOSEN)
        form = Form(asked.request.url.path, token, fields, [("Become the owner", "enter")])
        said = "You will be the owner: you may do everything here, and invite others. From now on everybody signs in."
        return form_page(asked.request, page("The first owner", said, form=form, wrong=wrong), token)

    async def _become_first(self, asked: SignInRequest) -> Response:
        link, name, password = (
            asked.request.path_params["token"],
            asked.said("name"),
            asked.said("password"),
        )
        try:
            new = await self._apart(asked.people.become_first_owner, link, name, password, token_of(asked.request))
        except Conflict:
            raise  # somebody was quicker: there is no form to fill in again
        except Invalid as error:
            return as_refused(await self._first_page(asked, error.message), error)
        return entered(asked.request, new, "/")

    # ── Out ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _sign_out_page(self, asked: SignInRequest) -> Response:
        visitor = await self._apart(asked.people.visitor, token_of(asked.request))
        if visitor is None:
            return led_to("/sign-in")
        token = form_token(asked.request)
        buttons = [("Sign out here", "here"), ("Sign out everywhere", "everywhere")]
        said = f"You are signed in as {visitor.principal.name}."
        form = Form("/sign-out", token, buttons=buttons)
        return form_page(asked.request, page("Sign out", said, form=form, link="/"), token)

    async def _sign_out(self, asked: SignInRequest) -> Response:
        token = token_of(asked.request)
        visitor = await self._apart(asked.people.visitor, token)
        if visitor is not None and asked.said("do") == "everywhere":
            await self._apart(asked.people.end_sessions, visitor.principal, visitor.person_id)
        elif token:
            await self._apart(asked.people.leave, token)
        answer = led_to("/sign-in")
        if vouched_by_proxy(asked.request):  # who would sign him in again at once
            answer = HTMLResponse(page("You are signed out", "Your proxy still knows you.", link="/sign-in"))
        put(answer, SESSION, "", is_secure=is_secure(asked.request), seconds=0)
        return answer

    async def _password_page(self, asked: SignInRequest, wrong: str = "") -> Response:
        visitor = await self._apart(asked.people.visitor, token_of(asked.request))
        if visitor is None:
            return led_to("/sign-in")
        token = form_token(asked.request)
        fields = (
            Question("current", "Current password", "current-password"),
            Question("password", "New password", "new-password", _CHOSEN.hint),
        )
        form = Form("/password", token, fields, [("Change it", "change")])
        said = "You are signed out everywhere, and sign in with the new one."
        return form_page(asked.request, page("Change your password", said, form=form, wrong=wrong, link="/"), token)

    async def _password(self, asked: SignInRequest) -> Response:
        visitor = await self._apart(asked.people.visitor, token_of(asked.request))
        if visitor is None:
            return led_to("/sign-in")
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
            return as_refused(await self._password_page(asked, error.message), error)
        return led_to("/sign-in")

    # ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _entered_by_proxy(self, asked: SignInRequest, wanted: str) -> Response | None:
        """Lead on whoever is signed in, or has signed in at the proxy; ``None`` leaves the form."""
        visitor = await self._apart(asked.people.visitor, token_of(asked.request))
        vouched = vouched_by_proxy(asked.request)
        how, subject = visitor.vouched if visitor else ("", "")
        if visitor and (how != PROXY or (vouched and vouched.subject == subject)):
            return led_to(self._onward(wanted))
        if vouched is None:
            return None
        try:
            new = await self._apart(asked.people.enter, vouched, asked.address, token_of(asked.request))
        except Forbidden as error:
            return as_refused(await self._sign_in_page(asked, error.message), error)
        return entered(asked.request, new, self._onward(wanted))

    def _ways(self, **told: str) -> list[Way]:
        """Return the ways past a password; *told* goes with whoever takes one."""
        runtime = self._process.runtime
        providers = runtime.settings.oidc_providers.values() if runtime else ()
        return [Way(f"Sign in with {one.title}", f"/oidc/{one.name}?{urlencode(told)}") for one in providers]


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
