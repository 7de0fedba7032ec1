"""A request that the SDK has worded once, sent again with another body: straight over the SDK's own connections.

Between its client and those stands httpx2, which builds a request and a response of its own around aiohttp's, follows
redirects, keeps cookies and looks through headers: as much again as aiohttp itself takes, and four generators for each
piece of a stream. So what goes out again goes to aiohttp's session, which the SDK's client made and owns: connections,
their limits and TLS are the same. What that session alone cannot do (a proxy, a redirect, an encoded body, another
transport) goes the long way. A call that its own thread makes goes out over a line (core/providers/_lines.py).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol, cast

import aiohttp
import httpx2
from yarl import URL

from core.providers._lines import GoesOverTheLoop, LineResponse, Lines, StraightCall, under_way

CONNECT_SECONDS = 10
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
"""The attempt's deadline is the loop's (core/providers/loop.py)."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def place_of(path: str, extra: Mapping[str, str]) -> str:
    """Return what all requests have in common that are worded alike: their path, and the headers that are not ours."""
    return " ".join((path, *(f"{name}={extra[name]}" for name in sorted(extra)))) if extra else path


class WireResponse(Protocol):
    """What a vendor answers, its body yet to be read; names of headers are in small letters."""

    @property
    def status_code(self) -> int:
        """The status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, one that comes several times joined."""
        ...

    @property
    def is_success(self) -> bool:
        """Whether the status tells none of an error."""
        ...

    @property
    def content(self) -> bytes:
        """The body, once it is read."""
        ...

    async def aread(self) -> bytes:
        """Read the body, and return it."""
        ...

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        ...

    async def aclose(self) -> None:
        """End it, and with what is unread its connection."""
        ...


class WordedRequest:
    """Address and headers of a request, as an SDK made them for the first one."""

    def __init__(self, http: httpx2.AsyncClient, first: httpx2.Request, lines: dict[str, Lines]) -> None:
        """Take them from the *first*, which went out over *http*; *lines* are those that there are, by server."""
        self._http = http
        self._url = first.url
        self._address = URL(str(first.url), encoded=True)  # as it is worded, and not written anew
        self._headers = {name: value for name, value in first.headers.items() if name != "content-length"}
        transport = cast("Any", http)._transport_for_url(first.url)  # noqa: SLF001 only there it is known who goes by a proxy
        session = getattr(transport, "client", None)
        is_straight = isinstance(session, aiohttp.ClientSession) and getattr(transport, "proxy", None) is None
        self._session = session if is_straight else None
        self._begins = self._head(self._headers)
        self.lines = self._lines_of(cast("Any", session).connector, lines) if is_straight else None
        """Those over which it can go out without the loop; ``None`` where it cannot."""

    async def send(self, content: bytes, more: Mapping[str, str], *, stream: bool) -> WireResponse:
        """Return what *content* is answered with, whatever its status; without *stream* its body is read.

        *more* are headers that replace those of the first.
        """
        headers = {**self._headers, **{name.lower(): value for name, value in more.items()}} if more else self._headers
        if (call := under_way.get()) is not None:
            return await self._straight(call, content, headers, stream=stream)
        if self._session is None:
            return await self._the_long_way(content, headers, stream=stream)
        came = await self._session.post(
            self._address, data=content, headers=headers, allow_redirects=False, auto_decompress=False, timeout=_TIMEOUT
        )
        response: WireResponse = _Response(came)
        if leads_elsewhere(response):
            await response.aclose()
            return await self._the_long_way(content, headers, stream=stream)
        return await _given(response, stream=stream)

    async def _straight(
        self, call: StraightCall, content: bytes, headers: Mapping[str, str], *, stream: bool
    ) -> WireResponse:
        """Return what came over a line.

        Raises:
            GoesOverTheLoop: the server names another address: that is for the loop to go to.

        """
        lines = cast("Lines", self.lines)
        begins = self._begins if headers is self._headers else self._head(headers)
        line = call.take(lines)
        response = LineResponse(line, lines, call)
        try:
            line.send(b"%bcontent-length: %d\r\n\r\n%b" % (begins, len(content), content), call)
            response.begin()
            if leads_elsewhere(response):
                raise GoesOverTheLoop  # noqa: TRY301 the line is of no use then
        except BaseException:
            await response.aclose()
            raise
        return await _given(response, stream=stream)

    def _head(self, headers: Mapping[str, str]) -> bytes:
        """Return a request as far as nothing in it depends on its body.

        Raises:
            ValueError: a header holds the end of a line.

        """
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header holds the end of a line")
        return "\r\n".join((f"POST {self._address.raw_path_qs} HTTP/1.1", *lines, "")).encode("latin-1")

    def _lines_of(self, connector: Any, known: dict[str, Lines]) -> Lines | None:
        """Return lines to the address, with the TLS of *connector*."""
        host, port = self._address.host, self._address.port
        tls = connector._ssl if self._address.scheme == "https" else None  # noqa: SLF001 it tells it nowhere else
        if not host or not port or not isinstance(tls, ssl.SSLContext | None):
            return None
        return known.setdefault(str(self._address.origin()), Lines(host, port, tls))

    async def _the_long_way(self, content: bytes, headers: Mapping[str, str], *, stream: bool) -> httpx2.Response:
        # Given as a stream, so that the headers are taken as they are, and not looked through five times.
        request = httpx2.Request("POST", self._url, headers=headers, stream=httpx2.ByteStream(content))
        request.headers["content-length"] = str(len(content))
        request.read()
        return await self._http.send(request, stream=stream)


class _Response:
    """What came over aiohttp."""

    __slots__ = ("_came", "_is_read", "content", "headers", "is_success", "status_code")

    def __init__(self, came: aiohttp.ClientResponse) -> None:
        self._came = came
        self.status_code = came.status
        self.is_success = 200 <= came.status < 300
        headers: dict[str, str] = {}
        for raw_name, raw_value in came.raw_headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self.headers: Mapping[str, str] = headers
        self.content, self._is_read = b"", False

    async def aread(self) -> bytes:
        if not self._is_read:  # also where there was nothing: once it is closed aiohttp reads no more
            self.content, self._is_read = await self._came.content.read(), True
        return self.content

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        return self._came.content.iter_any().__aiter__()

    async def aclose(self) -> None:
        self._came.release()
        await self._came.wait_for_close()


class _Body(httpx2.AsyncByteStream):
    """A body that httpx2 is to decode."""

    def __init__(self, came: WireResponse) -> None:
        self._came = came

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._came.aiter_bytes():
            yield piece

    async def aclose(self) -> None:
        await self._came.aclose()


def leads_elsewhere(response: WireResponse) -> bool:
    """Whether *response* only names another address."""
    return response.status_code in _REDIRECTS and "location" in response.headers


async def _given(response: WireResponse, *, stream: bool) -> WireResponse:
    """Return *response* decoded, where it is encoded; without *stream* with its body."""
    if response.headers.get("content-encoding", "identity") != "identity":
        response = httpx2.Response(response.status_code, headers=dict(response.headers), stream=_Body(response))
    if not stream:
        try:
            await response.aread()
        finally:
            await response.aclose()
    return response
