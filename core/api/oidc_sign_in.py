"""Signing in by an OpenID Connect provider: out to it, and back with a code that this browser alone can have asked for.

What binds both ways is made of 256 random bits in a cookie of ours: from them come the state, the nonce and PKCE's
verifier, each by its own hash, together with when, by whom and for what it was begun. So nothing is kept here for
whoever never comes back, any process can answer, no secret has to be shared, and a callback that another browser opens
is nothing. The cookie is taken away at the first callback; the code itself the provider takes once.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from core.api.cookies import OIDC, named, put
from core.api.served import ServedAddress
from core.api.sign_in_page import page
from core.api.sign_in_steps import SignInRequest, SignInSteps, entered, is_secure, led_to, token_of
from core.api.visitors import VisitedProcess
from core.clock import Clock, SystemClock
from core.errors import Invalid, NotFound, ProctorError, Unauthenticated
from core.oidc import Bindings, OidcClient
from core.settings import Settings
from core.telemetry import log

BEGUN_SECONDS = 600
"""How long somebody may take at the provider."""
_AT_ONCE = 8
_LONGEST_COOKIE, _LONGEST_CODE = 3500, 4096
_LINK = re.compile(r"[\w-]{43}|")
_REASON = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class _Begun:
    """A sign-in that a browser has begun."""

    seed: str
    at: int
    """When, in seconds since 1970."""
    provider: str
    next: str
    """Where to go then."""
    invitation: str
    """The token of the link by which he was invited; empty for whoever is known."""

    def bindings(self) -> Bindings:
        """Return what proves that a callback answers it."""
        return Bindings(*(self._derived(what) for what in ("state", "nonce", "verifier")))

    def _derived(self, what: str) -> str:
        told = json.dumps([what, *astuple(self)[1:]])
        return urlsafe_b64encode(hmac.digest(self.seed.encode(), told.encode(), "sha256")).decode().rstrip("=")

    def written(self) -> str:
        """Return it as a cookie."""
        return urlsafe_b64encode(json.dumps(astuple(self)).encode()).decode()


class OidcSignIn(SignInSteps):
    """The way out to the providers, and back."""

    def __init__(
        self,
        process: VisitedProcess,
        pages: Iterable[ServedAddress],
        settings: Settings,
        clock: Clock | None = None,
    ) -> None:
        """*pages* are those to which one may be sent."""
        super().__init__(process, pages, at_once=_AT_ONCE, name="oidc")
        self._clock = clock or SystemClock()
        self._clients = {name: OidcClient(one, self._clock) for name, one in settings.oidc_providers.items()}

    @property
    def routes(self) -> list[Route]:
        """The addresses, as the gate lists them: all of them, as the framework answers the rest with the console."""
        return [
            Route("/oidc/{provider}/callback", partial(self._answered, told=self._end), methods=["GET"]),
            Route("/oidc/{provider:path}", partial(self._answered, told=self._begin), methods=["GET"]),
        ]

    async def _begin(self, asked: SignInRequest) -> Response:
        client, query = self._client(asked.request), asked.request.query_params
        invitation = query.get("invitation", "")
        if not _LINK.fullmatch(invitation):
            raise Invalid("This link is not whole. Open it again as you were given it.")
        begun = _Begun(
            secrets.token_urlsafe(32),
            int(self._clock.now().timestamp()),
            client.provider.name,
            self._onward(query.get("next", "")),
            invitation,
        )
        if len(begun.written()) > _LONGEST_COOKIE:
            raise Invalid("This address is too long to come back to. Sign in at /sign-in, then open it again.")
        address = await self._apart(client.address, _callback(asked.request), begun.bindings())
        answer = led_to(address)
        put(answer, OIDC, begun.written(), is_secure=is_secure(asked.request), seconds=BEGUN_SECONDS)
        return answer

    async def _end(self, asked: SignInRequest) -> Response:
        client, request = self._client(asked.request), asked.request
        begun = self._begun(request, client)
        if begun is None:
            return await self._came_again(asked)
        try:
            answer = await self._entered(asked, client, begun)
        except ProctorError as error:
            answer = self._refused(request, error)
        put(answer, OIDC, "", is_secure=is_secure(request), seconds=0)
        return answer

    async def _entered(self, asked: SignInRequest, client: OidcClient, begun: _Begun) -> Response:
        query = asked.request.query_params
        if error := query.get("error"):
            reason = error if _REASON.fullmatch(error) else "no reason"
            raise Unauthenticated(f"{client.provider.title} did not sign you in ({reason}). Try again.")
        code = query.get("code", "")
        if not code or len(code) > _LONGEST_CODE:
            raise Unauthenticated(f"{client.provider.title} sent no code. Try again.")
        identity = await self._apart(client.vouched, _callback(asked.request), begun.bindings(), code, query.get("iss"))
        if begun.invitation:
            new = await self._apart(asked.people.accept_as, begun.invitation, identity, token_of(asked.request))
        else:
            new = await self._apart(asked.people.enter, identity, asked.address, token_of(asked.request))
        return entered(asked.request, new, self._onward(begun.next))  # a neighbour may have written the cookie

    def _begun(self, request: Request, client: OidcClient) -> _Begun | None:
        """Return what this browser has begun, if the callback answers that, in time."""
        kept = request.cookies.get(named(OIDC, is_secure=is_secure(request)), "")
        try:
            begun = _Begun(*json.loads(urlsafe_b64decode(kept)))
            texts = (begun.seed, begun.provider, begun.next, begun.invitation)
            if len(kept) > _LONGEST_COOKIE or type(begun.at) is not int or not all(type(one) is str for one in texts):
                return None
            state = begun.bindings().state
        except (ValueError, TypeError, RecursionError):
            return None
        is_in_time = 0 <= self._clock.now().timestamp() - begun.at <= BEGUN_SECONDS
        is_same = hmac.compare_digest(state.encode(), request.query_params.get("state", "").encode())
        return begun if is_same and is_in_time and begun.provider == client.provider.name else None

    async def _came_again(self, asked: SignInRequest) -> Response:
        """Answer a callback that this browser did not ask for: the back button's, if somebody is signed in."""
        if await self._apart(asked.people.visitor, token_of(asked.request)):
            log().info("oidc_callback_again")
            return led_to("/")
        said = (
            "This sign-in was begun in another browser, is over already, or took more than ten minutes. Begin it again."
        )
        return HTMLResponse(page("You are not signed in", said, link="/sign-in"), 400)

    def _client(self, request: Request) -> OidcClient:
        found = self._clients.get(request.path_params["provider"])
        if found is None:
            raise NotFound("There is no such way to sign in here.")
        return found


def _callback(request: Request) -> str:
    """Return where the provider sends people back, as it has to know it."""
    return f"{request.url.scheme}://{request.url.netloc}/oidc/{request.path_params['provider']}/callback"
