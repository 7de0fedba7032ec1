"""One gate before everything that is served: whose name was called, which page asks, by which proxies it came.

A browser lets any page that is open in it call any address that it can reach, so an address is no secret and a network
no wall. A request under a name that is not ours came by a stranger's name that was made to point here; one whose origin
is not ours, by a stranger's page. Neither gets further, nor does what is in no list of :mod:`core.api.served`, nor to
the console who has not signed in, or, as long as there is nobody who could, is not at this machine. Who calls is the
socket's address, or what a proxy that the settings name says of it. What is refused is counted, and the log tells why,
with nothing of the request in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.addresses import HostPort, address_in, host_port, is_loopback, is_named, lies_in, origin, origin_of
from core.api.browser_headers import HEADERS, HSTS
from core.api.cookies import token_in, with_one_token
from core.api.gate_refusals import StoppedAtGate, Why, refuse
from core.api.keys_in_addresses import holds_key
from core.api.served import Served, ServedAddress, To
from core.api.visitors import Standing, Visitors
from core.clock import Clock, SystemClock
from core.settings import Settings
from core.telemetry import log

LINE_EVERY_SECONDS = 10.0
"""So often at most the log tells of refusals of one kind: whoever is refused must not fill it."""
_ONCE = frozenset({b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"})
_BY_PROXY = frozenset(
    {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"x-real-ip", b"via"}
)
"""What proxies add. Where no proxy is named, it tells of nothing but that there is one."""
_READ = _ONCE | _BY_PROXY | {b"accept"}
_BELIEVED = _READ | {b"authorization", b"x-api-key", b"cookie", b"content-length", b"transfer-encoding"}
"""Headers that decide something: a proxy that guards one of them may let its twin pass, with ``_`` for ``-``."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OF_CONSOLE = frozenset({To.PAGES, To.CONSOLE})
_OF_BROWSERS = _OF_CONSOLE | {To.SIGN_IN}
_STRANGERS = (b"cross-site", b"same-site")
_USUAL = frozenset({Why.NOTHING, Why.NOT_SIGNED_IN})
"""What browsers of ours meet as well: what is not there, and sessions that are over."""
VOUCHED = "vouched"
"""Where a request's state has who has signed in at the proxy."""
_LONGEST_NAME = 255
Said = dict[bytes, list[bytes]]


@dataclass(frozen=True, slots=True)
class _Coming:
    """Who calls, how he came, and under which name."""

    address: str
    scheme: str
    host: HostPort


class Gate:
    """Lets pass what is meant for us, from whoever may ask for it."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        served: Iterable[ServedAddress],
        count: Callable[[str], None],
        clock: Clock | None = None,
        *,
        visitors: Visitors | None = None,
    ) -> None:
        """*count* is told the reason of each refusal; without *visitors* nobody signs in."""
        self._app = app
        self._served = Served(served)
        self._public = settings.public_url
        self._names = settings.allowed_hosts
        self._proxies = settings.trusted_proxies
        self._is_open = settings.is_open
        self._count = count
        self._visitors = visitors
        self._teller = (settings.sign_in_header or "").encode()
        """The header in which a proxy says who has signed in there."""
        self._tellers = settings.sign_in_header_from
        own = {self._teller} - {b""}
        self._once, self._read, self._believed = _ONCE | own, _READ | own, _BELIEVED | own
        self._clock = clock or SystemClock()
        self._untold: dict[Why, tuple[float, int]] = {}
        """When the log told last of a kind of refusal, and how many came since."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what came as it came in truth, and tell browsers what they may do with the answer; or refuse."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        is_socket = scope["type"] == "websocket"
        to = self._served.to(scope["path"], is_socket=is_socket, method=scope.get("method", "GET"))
        told, is_page_kept = HEADERS[to], False

        async def telling_send(message: Message) -> None:
            nonlocal is_page_kept
            if is_page_kept:
                return
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                if to is To.ASSETS and _is_html(message):  # what it has not, the framework answers with the console
                    nothing = refuse(Why.NOTHING, to, HTTPConnection(scope), is_page=False)
                    await nothing(scope, receive, telling_send)
                    is_page_kept = True
                    return
                headers = list(message.get("headers", ()))
                said_already = {name.lower() for name, _ in headers}
                headers += [one for one in told if one[0] not in said_already]
                message = {**message, "headers": headers}
            await send(message)

        said: Said = {}
        try:
            self._take_in(scope["headers"], said)
            coming = self._coming(scope, said)
            self._check(scope, to, said, coming)
            vouched = self._vouched(scope, said) if to in _OF_BROWSERS else ""
            if to in _OF_CONSOLE:
                await self._let_in(scope, to, said, coming, vouched)
        except StoppedAtGate as stopped:
            if stopped.why not in _USUAL:
                self._count(stopped.why.value)
                self._tell(stopped.why, to, scope)
            is_page = b"text/html" in b",".join(said.get(b"accept", ()))
            await refuse(stopped.why, to, HTTPConnection(scope), is_page=is_page)(scope, receive, telling_send)
            return
        if self._is_secure(coming):
            told = (*told, HSTS)
        passed = self._in_truth(scope, to, coming)
        if vouched:
            passed = {**passed, "state": {**passed.get("state", {}), VOUCHED: vouched}}
        await self._app(passed, receive, telling_send)

    def _take_in(self, headers: Sequence[tuple[bytes, bytes]], said: Said) -> None:
        """Put into *said* what decides something.

        Raises:
            StoppedAtGate: what decides came twice, or under a name that a proxy may have taken for another.

        """
        for name, value in headers:
            if name in self._read:
                if name in said and name in self._once:
                    raise StoppedAtGate(Why.NO_HOST if name == b"host" else Why.TWIN)
                said.setdefault(name, []).append(value)
            elif b"_" in name and name.replace(b"_", b"-") in self._believed:
                raise StoppedAtGate(Why.TWIN)

    def _vouched(self, scope: Scope, said: Said) -> str:
        """Return who has signed in at the proxy that may say so; empty where it says nothing.

        Raises:
            StoppedAtGate: somebody else says it, or it is not one name.

        """
        if self._teller not in said:
            return ""
        found = said[self._teller][0].decode("latin-1").strip()
        peer = scope["client"][0] if scope.get("client") else ""
        is_one = 0 < len(found) <= _LONGEST_NAME and found.isprintable() and "," not in found
        if not is_one or not lies_in(peer, self._tellers):
            raise StoppedAtGate(Why.TOLD)
        return found

    def _coming(self, scope: Scope, said: Said) -> _Coming:
        """Return who calls: by the socket, or where that is a proxy of ours by what it says.

        Raises:
            StoppedAtGate: under no name, or one that is not ours.

        """
        address = scope["client"][0] if scope.get("client") else ""
        scheme = "https" if scope.get("scheme") in ("https", "wss") else "http"
        host = self._our_host(said.get(b"host", [b""])[0], scope)
        if self._proxies and lies_in(address, self._proxies):
            address = self._first_stranger(address, said)
            if (told := _last(said, b"x-forwarded-proto")) in (b"http", b"https"):
                scheme = told.decode()
            if told := _last(said, b"x-forwarded-host"):
                host = self._our_host(told, scope)
        return _Coming(address, scheme, host)

    def _first_stranger(self, address: str, said: Said) -> str:
        """Return the last address that one of our proxies added: what stands before it anybody may have written."""
        for value in _backwards(said.get(b"x-forwarded-for", ())):
            found = address_in(value.decode("latin-1"))
            if found is None:
                break
            address = str(found)
            if not lies_in(address, self._proxies):
                break
        return address

    def _our_host(self, given: bytes, scope: Scope) -> HostPort:
        """Return the host that was called, if it is ours.

        A stranger's name can be made to point here. An address in figures cannot: it is ours if we were called at it.

        Raises:
            StoppedAtGate: it is not.

        """
        host = host_port(given.decode("latin-1"))
        if host is None:
            raise StoppedAtGate(Why.NO_HOST)
        if is_loopback(host.name) or (self._public and host.name == self._public.name):
            return host
        if self._names and is_named(host.name, self._names):
            return host
        address = address_in(host.name)
        if address is not None and address == address_in(_server(scope)):
            return host
        raise StoppedAtGate(Why.HOST)

    def _check(self, scope: Scope, to: To, said: Said, coming: _Coming) -> None:
        """Look which page asks for what.

        Raises:
            StoppedAtGate: it may not.

        """
        is_safe = scope["type"] == "http" and scope["method"] in _SAFE
        if b"origin" in said:
            ours = self._public or origin_of(coming.scheme, coming.host)
            if origin(said[b"origin"][0].decode("latin-1")) != ours:
                raise StoppedAtGate(Why.ORIGIN)
        elif to in _OF_BROWSERS and not is_safe:
            raise StoppedAtGate(Why.NO_ORIGIN)
        site = said.get(b"sec-fetch-site")
        if site and site[0] in _STRANGERS and not (is_safe and _opens_page(said)):
            raise StoppedAtGate(Why.PAGE)
        if to is To.NOBODY:
            raise StoppedAtGate(Why.NOTHING)
        if to is not To.PROGRAMS and holds_key(scope.get("query_string", b"")):  # the API says it in its dialect
            raise StoppedAtGate(Why.KEY)

    async def _let_in(self, scope: Scope, to: To, said: Said, coming: _Coming, vouched: str) -> None:
        """Look whether the console is open to whoever asks.

        Where that is not known, whoever is at this machine gets a page's frame and its socket: nothing is in them, and
        the page asks again before it draws.

        Raises:
            StoppedAtGate: it is not.

        """
        token = token_in(scope["headers"], is_secure=self._is_secure(coming))
        standing = await self._visitors.standing(token, vouched) if self._visitors else Standing.NOBODYS
        if standing is Standing.SIGNED_IN:
            return
        if standing is Standing.STRANGER:
            raise StoppedAtGate(Why.NOT_SIGNED_IN)
        is_local = self._is_local(scope, said, coming)
        if standing is Standing.UNKNOWN and not (is_local and (to is To.PAGES or scope["type"] == "websocket")):
            raise StoppedAtGate(Why.UNKNOWN)
        if standing is Standing.NOBODYS and not self._is_open and not is_local:
            raise StoppedAtGate(Why.NOT_LOCAL)

    def _is_secure(self, coming: _Coming) -> bool:
        """Whether browsers come by https."""
        return (self._public.scheme if self._public else coming.scheme) == "https"

    def _is_local(self, scope: Scope, said: Said, coming: _Coming) -> bool:
        """Whether a call comes from this machine, at an address and under a name that no other one reaches.

        What a proxy of this machine passes on comes from wherever the proxy says, and if it is not named from anywhere.
        """
        peer = scope["client"][0] if scope.get("client") else ""
        if not self._proxies or not lies_in(peer, self._proxies):
            is_told = said.keys().isdisjoint(_BY_PROXY)
        else:
            is_told = not lies_in(coming.address, self._proxies)
        ours = (_server(scope), coming.address, coming.host.name)
        return is_told and all(is_loopback(one) for one in ours)

    def _in_truth(self, scope: Scope, to: To, coming: _Coming) -> Scope:
        """Return *scope* as it would be without a proxy; to the console, under the name that its pages have."""
        client, scheme = scope.get("client"), coming.scheme
        changed: Scope = {}
        if client is not None and client[0] != coming.address:
            changed["client"] = (coming.address, 0)
        if to in _OF_BROWSERS:
            shown = self._public or origin_of(scheme, coming.host)
            scheme, host = shown.scheme, shown.host.encode()
            headers = with_one_token(scope["headers"], is_secure=scheme == "https")
            if headers is not None or (b"host", host) not in scope["headers"]:
                changed["headers"] = [
                    *(one for one in headers or scope["headers"] if one[0] != b"host"),
                    (b"host", host),
                ]
        if scope["type"] == "websocket":
            scheme = "wss" if scheme == "https" else "ws"
        if scheme != scope.get("scheme"):
            changed["scheme"] = scheme
        return {**scope, **changed} if changed else scope

    def _tell(self, why: Why, to: To, scope: Scope) -> None:
        """Log a refusal, unless one of its kind was told of a moment ago."""
        now = self._clock.monotonic()
        told_at, untold = self._untold.get(why, (-LINE_EVERY_SECONDS, 0))
        if now - told_at < LINE_EVERY_SECONDS:
            self._untold[why] = told_at, untold + 1
            return
        self._untold[why] = now, 0
        peer = scope["client"][0] if scope.get("client") else None
        log().warning("gate_refused", reason=why.value, asked=to.value, peer=peer, count=untold + 1)


def _opens_page(said: Said) -> bool:
    """Whether a browser follows a link in a window of its own, as opposed to in a frame of another page."""
    return said.get(b"sec-fetch-mode") == [b"navigate"] and said.get(b"sec-fetch-dest") == [b"document"]


def _is_html(message: Message) -> bool:
    """Whether an answer that begins is a page."""
    return any(name.lower() == b"content-type" and b"html" in value for name, value in message.get("headers", ()))


def _server(scope: Scope) -> str:
    """Return the address of ours that was called."""
    server = scope.get("server")
    return str(server[0]) if server else ""


def _last(said: Said, name: bytes) -> bytes:
    return next(_backwards(said.get(name, ())), b"")


def _backwards(values: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the parts of a header that is a list, the last one first."""
    for value in reversed(values):
        rest = value
        while rest:
            rest, _, part = rest.rpartition(b",")
            yield part.strip()
