"""What a suite sends goes over a wire: a plugin of pytest, loaded where the suite runs and knowing nothing of Proctor.

A suite's clients have their address and key in a hundred places, and most of its answers come from a mock within the
process. Here each request goes to one address under one key, and what a mock would have answered is given to the vendor
first, who says it byte for byte. So the suite is unchanged, and its own assertions hold what came by that way.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import pytest

_TARGET = httpx2.URL(os.environ["SUITE_TARGET"])
_VENDOR = httpx2.URL(os.environ["SUITE_VENDOR"])
_KEY = os.environ["SUITE_KEY"]
_DOORS = re.compile(r"/(chat/completions|responses|messages|models)(/|$)")
_HOP = ("content-length", "content-encoding", "transfer-encoding", "connection")
_WIRES = {httpx2.HTTPTransport: "ConnectionPool.handle_request"}
_WIRES |= {httpx2.AsyncHTTPTransport: "AsyncConnectionPool.handle_async_request"}
_UNMOCKED = {name: attrgetter(name)(httpcore2) for name in _WIRES.values()}
_running = [""]
_told: dict[str, Any] = {"": {"seen": []}}


class _Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """An answer's bytes, for whoever reads them in whichever way."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


class _Wired(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """What carries a client's requests: a mock's answer becomes the vendor's, and what comes by the wire is given."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        pool = next((name for kind, name in _WIRES.items() if isinstance(inner, kind)), None)
        is_wire = (
            attrgetter(pool)(httpcore2) is _UNMOCKED[pool] if pool else "aiohttp" in type(inner).__module__.lower()
        )
        self._is_mock = not is_wire

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request* of a client that waits."""
        path = _path(request)
        if path is None:
            return self._inner.handle_request(request)
        played = self._inner.handle_request(request) if self._is_mock else None
        if played is not None:
            played.read()
        request.read()
        return _sent(request, path, played)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request* of a client that has a loop."""
        path = _path(request)
        if path is None:
            return await self._inner.handle_async_request(request)
        played = await self._inner.handle_async_request(request) if self._is_mock else None
        if played is not None:
            await played.aread()
        await request.aread()
        return _sent(request, path, played)


def _path(request: httpx2.Request) -> str | None:
    """Return the path behind the version, with its query; None where no door is asked."""
    path = request.url.raw_path.decode().removeprefix("/v1")
    return path if _DOORS.match(path.partition("?")[0]) else None


def _sent(request: httpx2.Request, path: str, played: httpx2.Response | None) -> httpx2.Response:
    told: dict[str, Any] = {"test": _running[-1], "method": request.method}
    if played is not None:
        kept = {name: value for name, value in played.headers.items() if name not in _HOP}
        told |= {"status": played.status_code, "headers": kept, "body": base64.b64encode(played.content).decode()}
    _asked("PUT", _VENDOR, "/_play", {}, json.dumps(told).encode())
    keys = {"authorization": f"Bearer {_KEY}", "x-api-key": _KEY, "host": _TARGET.netloc.decode()}
    headers = {name: keys.get(name, value) for name, value in request.headers.items()}
    seen = [request.method, path.partition("?")[0]]
    _told[_running[-1]]["seen"].append(seen)
    try:
        status, told_headers, content = _asked(
            request.method, _TARGET, f"/v1{path}", headers | {"accept-encoding": "identity"}, request.content
        )
    except (OSError, http.client.HTTPException) as error:
        seen.append(type(error).__name__)
        raise httpx2.ReadError(str(error), request=request) from error
    back = [(name, value) for name, value in told_headers if name.lower() not in _HOP]
    media = next((value for name, value in back if name.lower() == "content-type"), "")
    seen += [status, media.partition(";")[0], content.decode(errors="replace")]
    return httpx2.Response(status, headers=back, stream=_Body(content))


def _asked(
    method: str, of: httpx2.URL, path: str, headers: Mapping[str, str], content: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Ask without what mocks take the place of."""
    connection = http.client.HTTPConnection(of.host, of.port, timeout=30)
    try:
        connection.request(method, path, content, {**headers, "content-length": str(len(content))})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


def _between(original: Any) -> Any:
    def send(client: Any, request: httpx2.Request) -> Any:
        find = type(client)._transport_for_url  # a mock may have taken its place
        client.__dict__["_transport_for_url"] = lambda url: _Wired(find(client, url))
        return original(client, request)

    return send


def pytest_configure(config: pytest.Config) -> None:
    """Stand between the SDK and whatever carries its requests."""
    del config
    for kind in (httpx2.Client, httpx2.AsyncClient):
        name = "_send_single_request"
        setattr(kind, name, _between(getattr(kind, name)))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keep apart what each test saw."""
    _running.append(item.nodeid)
    _told[item.nodeid] = {"outcome": "", "why": "", "seen": []}
    yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep how each test ended."""
    told = _told[report.nodeid]
    if report.when == "call" or report.outcome != "passed":
        told["outcome"] = report.outcome
        crash = getattr(report.longrepr, "reprcrash", None)
        told["why"] = crash.message if crash is not None else ""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what came of it."""
    del session
    Path(os.environ["SUITE_TOLD"]).write_text(json.dumps(_told), encoding="utf-8")
