"""The gate: under which names, from which pages and by which proxies a request is let in, and what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from core.api.gate import LINE_EVERY_SECONDS, Gate
from core.api.served import API, ServedAddress, To
from core.clock import ManualClock
from core.settings import Settings
from core.telemetry import configure_logging

SERVED = (
    *API,
    ServedAddress("/", To.PAGES),
    ServedAddress("/stream", To.CONSOLE, is_socket=True),
    ServedAddress("/upload/*", To.CONSOLE),
    ServedAddress("/static/*", To.ASSETS),
    ServedAddress("/file/{}", To.CONSOLE),
    ServedAddress("/sent/*", To.CONSOLE, methods=frozenset({"PUT"})),
    ServedAddress("/agent", To.NOBODY),
)
NOW = datetime(2026, 11, 29, tzinfo=UTC)
LINK = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
FRAME = [*LINK[:2], ("Sec-Fetch-Dest", "iframe")]
PART = [("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "no-cors")]
PROXY, CALLER = "10.0.0.5", "203.0.113.7"
Headers = Sequence[tuple[str, str]]


@dataclass
class Asked:
    """What came of one request."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    scope: Mapping[str, Any] | None = None
    """What the application was given; ``None`` where the request did not come so far."""
    counted: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Who calls, as the application sees it."""
        assert self.scope
        return self.scope["client"][0]

    def said(self, name: str) -> list[str]:
        """Return a header of the request, as the application sees it."""
        assert self.scope
        return [value.decode() for key, value in self.scope["headers"] if key == name.encode()]


def ask(
    path: str = "/",
    headers: Headers = (),
    *,
    host: str | None = "localhost:8501",
    method: str = "GET",
    peer: str = "127.0.0.1",
    server: str = "127.0.0.1",
    is_socket: bool = False,
    clock: ManualClock | None = None,
    gate: Gate | None = None,
    query: str = "",
    answer: Headers = (),
    **settings: Any,
) -> Asked:
    """Send one request through a gate; behind it *answer* are the headers of what comes back."""
    asked = Asked()

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        asked.scope = scope
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(one.encode(), other.encode()) for one, other in answer],
            }
        )
        await send({"type": "http.response.body", "body": b"in"})

    async def send(message: Any) -> None:
        if message["type"].endswith("response.start"):
            asked.status = message["status"]
            asked.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"].endswith("response.body"):
            asked.body += message.get("body", b"")
        elif message["type"] == "websocket.accept":
            asked.status = 101

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    if host is not None:
        raw.append((b"host", host.encode()))
    scope = {
        "type": "websocket" if is_socket else "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "scheme": "ws" if is_socket else "http",
        "headers": raw,
        "client": (peer, 4711),
        "server": (server, 8501),
        "extensions": {"websocket.http.response": {}},
    }
    if gate is None:
        gate = Gate(app, Settings(**settings), SERVED, asked.counted.append, clock or ManualClock(NOW))
    asyncio.run(gate(scope, receive, send))
    return asked


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("host", "settings", "status"),
    [
        ("localhost", {}, 200),
        ("localhost:9000", {}, 200),  # a tunnel
        ("LOCALHOST.:8501", {}, 200),
        ("127.0.0.1:8501", {}, 200),
        ("127.8.8.8", {}, 200),
        ("[::1]:8501", {}, 200),
        ("app.localhost", {}, 200),
        ("192.0.2.1:8501", {}, 200),  # the address that was called
        ("192.0.2.2:8501", {}, 421),
        ("evil.example", {}, 421),
        ("localhost.evil.example", {}, 421),
        ("127.0.0.1.evil.example", {}, 421),
        ("console.example", {"public_url": "https://console.example"}, 200),
        ("console.example.evil.example", {"public_url": "https://console.example"}, 421),
        ("api.example", {"allowed_hosts": "api.example"}, 200),
        ("a.api.example", {"allowed_hosts": "api.example"}, 421),
        ("a.api.example", {"allowed_hosts": "other, *.api.example"}, 200),
        ("aapi.example", {"allowed_hosts": "*.api.example"}, 421),
        ("anything", {"allowed_hosts": "*"}, 200),
        (None, {}, 400),
        ("", {}, 400),
        ("user@localhost", {}, 400),
        ("localhost:8501/x", {}, 400),
        ("localhost:99999", {}, 400),
        ("localhost, evil.example", {}, 400),
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/v1/generate", "/static/x.js"])
def test_names(path: str, host: str | None, settings: dict[str, str], status: int) -> None:
    """A request comes under a name that is ours, or at the address in figures that it was sent to."""
    asked = ask(path, host=host, server="192.0.2.1", **settings)
    assert (asked.status, asked.scope is not None) == (status, status == 200)
    assert asked.counted == {200: [], 421: ["unknown_host"], 400: ["no_host"]}[status]


def test_two_names() -> None:
    """Who names two hosts is let in under neither."""
    assert ask(headers=[("Host", "localhost")]).status == 400


# ── Pages of other sites ──────────────────────────────────────────────────────────────────────────────────────────────

PUBLIC = {"public_url": "https://console.example", "without_sign_in": "network"}


@pytest.mark.parametrize("host", ["console.example", "127.0.0.1:8501"])
@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("https://console.example", True),
        ("https://console.example:443", True),
        ("https://CONSOLE.example", True),
        ("https://console.example:8443", False),
        ("http://console.example", False),
        ("https://evil.example", False),
        ("null", False),
        ("", False),
        (None, False),
        ("https://console.example.evil.example", False),
        ("http://localhost:3000", False),
        ("http://127.0.0.1:8501", False),
        ("chrome-extension://abc", False),
    ],
)
def test_only_our_own_pages_open_a_socket_or_send(origin: str | None, host: str, *, is_ours: bool) -> None:
    """Behind a proxy the public address is the only origin, whether or not the proxy keeps the host."""
    headers = [("X-Forwarded-Host", "evil.example")] + ([] if origin is None else [("Origin", origin)])
    socket = ask("/stream", headers, host=host, is_socket=True, **PUBLIC)
    upload = ask("/upload/x", headers, host=host, method="PUT", **PUBLIC)
    assert (socket.status, upload.status) == ((101, 200) if is_ours else (403, 403))
    if is_ours:
        assert upload.said("host") == socket.said("host") == ["console.example"]
        assert (upload.scope or {})["scheme"] == "https"
        assert (socket.scope or {})["scheme"] == "wss"


@pytest.mark.parametrize(
    ("origin", "host", "is_ours"),
    [
        ("http://localhost:8501", "localhost:8501", True),
        ("http://127.0.0.1:8501", "127.0.0.1:8501", True),
        ("http://[::1]:8501", "[::1]:8501", True),
        ("http://localhost:9000", "localhost:9000", True),  # through a tunnel
        ("http://localhost", "localhost:80", True),
        ("http://localhost:3000", "localhost:8501", False),
        ("http://127.0.0.1:8501", "localhost:8501", False),
        ("https://localhost:8501", "localhost:8501", False),
    ],
)
def test_on_loopback_a_page_of_another_port_is_a_stranger(origin: str, host: str, *, is_ours: bool) -> None:
    """Without a public address an origin is ours if it is that of the request itself, port and all."""
    assert ask("/stream", [("Origin", origin)], host=host, is_socket=True).status == (101 if is_ours else 403)


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/v1/generate", "POST", [], 200),  # a program has no origin
        ("/v1/generate", "POST", [("Origin", "http://localhost:3000")], 403),
        ("/metrics", "GET", [("Origin", "http://localhost:3000")], 403),
        ("/metrics", "GET", PART, 403),
        ("/metrics", "GET", [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate")], 200),
        ("/", "GET", LINK, 200),
        ("/", "GET", FRAME, 403),
        ("/", "POST", LINK, 403),
        ("/static/x.js", "GET", PART, 403),
        ("/", "POST", [], 403),
        ("/", "HEAD", [], 200),
    ],
)  # fmt: skip
def test_what_other_pages_may(path: str, method: str, headers: Headers, status: int) -> None:
    """They may link to a page, and nothing else: neither show, nor read, nor send."""
    assert ask(path, headers, method=method).status == status


@pytest.mark.parametrize("path", ["/agent", "/nothing", "/v2", "/statics", "/static", "/upload", "/stream"])
def test_what_is_in_no_list_is_not_there(path: str) -> None:
    """An address that is not served, or open to nobody, is not there, and nobody behind the gate is asked."""
    asked = ask(path)
    assert (asked.status, asked.scope, asked.counted) == (404, None, [])
    assert ask(path, is_socket=True).status == (403 if path == "/stream" else 404)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/file/a", "GET", 200),
        ("/file/", "GET", 404),
        ("/file/a/b", "GET", 404),
        ("/sent/a/b", "PUT", 200),
        ("/sent/a/b", "GET", 404),
        ("/sent/a", "POST", 404),
    ],
)
def test_an_address_is_there_as_it_is_listed(path: str, method: str, status: int) -> None:
    """One part below it, or by one method: any other the framework would answer with the console."""
    assert ask(path, [("Origin", "http://localhost:8501")], method=method).status == status


def test_what_is_no_file_is_not_there() -> None:
    """The framework answers a script that it has not with the console's page; a picture is passed on."""
    page = ask("/static/none.js", answer=[("content-type", "text/html; charset=utf-8")])
    assert (page.status, page.headers["content-type"], b"in" in page.body[-2:]) == (
        404,
        "application/problem+json",
        False,
    )
    assert page.headers["x-frame-options"] == "DENY"
    assert ask("/static/a.svg", answer=[("content-type", "image/svg+xml")]).body == b"in"
    assert ask("/", answer=[("content-type", "text/html")]).body == b"in"


KEY = "proctor_" + "a" * 38


@pytest.mark.parametrize(
    "query", ["api_key=x", "API-Key=x", "a=1&access_token=", f"next=%2Fcalls%3Fx%3D{KEY}", f"q={KEY}"]
)
@pytest.mark.parametrize("path", ["/", "/metrics", "/static/a.js", "/file/a"])
def test_a_key_in_an_address_is_refused(path: str, query: str) -> None:
    """Wherever it is sent, whatever it is called; the API says so in its dialect."""
    asked = ask(path, query=query)
    assert (asked.status, asked.scope, asked.counted) == (401, None, ["key_in_address"])
    assert KEY.encode() not in asked.body
    assert ask(path, query="tenant=proctor_aB&q=key").status == 200
    assert ask("/v1/generate", query=query).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        ["proctor_session=A; __Host-proctor_session=B; x=1"],
        ["__Host-proctor_session=B; x=1; proctor_session=A"],
        ["proctor_session=A", "__Host-proctor_session=B; x=1"],
        ["__Host-proctor_session=B", "x=1; proctor_session=A"],
        ["x=1; proctor_session=C; proctor_session=A"],
    ],
)
def test_behind_the_gate_there_is_the_session_that_it_has_looked_at(sent: list[str]) -> None:
    """Of several in one request the others are taken away, so that a page does not follow another."""
    headers = [("Origin", "http://localhost:8501"), *(("Cookie", one) for one in sent)]
    asked = ask("/stream", headers, is_socket=True)
    assert asked.status == 101
    assert asked.said("cookie") == ["x=1; proctor_session=A"]


# ── Headers that decide ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["X_Forwarded_For", "x-forwarded_for", "x_api_key", "content_length", "other_"])
def test_twins(name: str) -> None:
    """A name with '_' for the '-' of one that decides is refused; any other may have one."""
    is_twin = not name.endswith("_")
    assert ask("/v1/generate", [(name, "x")]).status == (400 if is_twin else 200)
    assert ask("/v1/generate", [("my_header", "x")]).status == 200


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (CALLER, ["198.51.100.1"], CALLER),  # nobody whom we know says so
        (PROXY, [], PROXY),
        (PROXY, ["198.51.100.1"], "198.51.100.1"),
        (PROXY, ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        (PROXY, ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        (PROXY, ["6.6.6.6, 198.51.100.1, 10.0.0.5"], "198.51.100.1"),  # two proxies of ours
        (PROXY, ["198.51.100.1:4711"], "198.51.100.1"),
        (PROXY, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (PROXY, ["6.6.6.6, unknown"], PROXY),
        (PROXY, ["6.6.6.6,"], PROXY),
        (f"::ffff:{PROXY}", ["198.51.100.1"], "198.51.100.1"),
    ],
)
def test_who_calls(peer: str, forwarded: list[str], address: str) -> None:
    """It is the last address that a named proxy added: what stands before it, or comes from others, says nothing."""
    headers = [("X-Forwarded-For", value) for value in forwarded]
    assert ask("/v1/generate", headers, peer=peer, trusted_proxies=PROXY).address == address


@given(st.lists(st.text("0123456789.:abcdef, \"';_-[]", max_size=30), max_size=5))
def test_whatever_a_caller_writes_before_it(written: list[str]) -> None:
    """No value in front of what our proxy adds changes who calls."""
    headers = [*(("X-Forwarded-For", value) for value in written), ("X-Forwarded-For", CALLER)]
    assert ask("/v1/generate", headers, peer=PROXY, trusted_proxies=PROXY).address == CALLER


def test_what_a_proxy_says_of_scheme_and_host() -> None:
    """A named proxy's word on them holds, if the host is one of ours; anybody else's does not."""
    headers = [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "console.example"),
        ("Origin", "https://console.example"),
    ]
    more: dict[str, Any] = {"allowed_hosts": "console.example", "without_sign_in": "network"}
    told = ask("/stream", headers, peer=PROXY, is_socket=True, trusted_proxies=PROXY, **more)
    assert (told.status, told.said("host"), (told.scope or {})["scheme"]) == (101, ["console.example"], "wss")
    assert ask("/stream", headers, peer=CALLER, is_socket=True, trusted_proxies=PROXY, **more).status == 403
    foreign = [("X-Forwarded-Host", "evil.example")]
    assert ask("/", foreign, peer=PROXY, trusted_proxies=PROXY, **more).status == 421
    assert ask("/", foreign, peer=CALLER, trusted_proxies=PROXY, **more).status == 200


# ── While nobody signs in ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("case", "is_local"),
    [
        ({}, True),
        ({"peer": CALLER, "server": "192.0.2.1", "host": "192.0.2.1:8501"}, False),
        ({"peer": "192.0.2.1", "server": "192.0.2.1", "host": "192.0.2.1"}, False),
        ({"host": "console.example", "allowed_hosts": "console.example"}, False),
        ({"headers": [("X-Forwarded-For", CALLER)]}, False),  # a proxy of this machine that is not named
        ({"headers": [("Via", "1.1 x")]}, False),
        ({"trusted_proxies": "127.0.0.1"}, False),  # named, and it says nothing
        ({"headers": [("X-Forwarded-For", CALLER)], "trusted_proxies": "127.0.0.1"}, False),
        ({"headers": [("X-Forwarded-For", "127.0.0.2")], "trusted_proxies": "127.0.0.1"}, True),
    ],
)
def test_the_console_is_open_on_its_own_machine(case: dict[str, Any], *, is_local: bool) -> None:
    """As long as nobody signs in, it answers whoever sits at this machine, unless a setting opens it."""
    case = {"headers": [], **case}
    assert ask("/", **case).status == (200 if is_local else 403)
    assert ask("/", **case, without_sign_in="network").status == 200
    assert ask("/health", **case).status == 200
    assert ask("/v1/generate", **case).status == 200


# ── What is told ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refusal_is_a_sentence() -> None:
    """Programs get a problem, in their dialect's words below /v1; browsers a page; none of it repeats the request."""
    strange = {"host": "evil.example"}
    problem = ask("/metrics", **strange)
    assert problem.headers["content-type"] == "application/problem+json"
    assert orjson.loads(problem.body)["code"] == "forbidden"
    chat = ask("/v1/chat/completions", **strange)
    assert orjson.loads(chat.body)["error"]["message"].startswith("This server does not answer to the name")
    page = ask("/", [("Accept", "text/html,*/*")], **strange)
    assert page.body.startswith(b"<!doctype html>")
    assert b"ALLOWED_HOSTS" in page.body
    assert b"evil" not in problem.body + chat.body + page.body


@pytest.mark.parametrize("path", ["/", "/stream", "/v1/generate", "/metrics", "/static/x.js", "/nothing"])
def test_what_browsers_are_told(path: str) -> None:
    """No answer may be framed, guessed at or read by other sites; only a page may load anything, from here alone."""
    told = ask(path, host="localhost").headers
    assert "frame-ancestors 'none'" in told["content-security-policy"]
    assert told["x-content-type-options"] == "nosniff"
    assert told["cross-origin-resource-policy"] == "same-origin"
    assert "strict-transport-security" not in told
    assert ("script-src" in told["content-security-policy"]) is (path == "/")
    assert "unsafe-eval'" not in told["content-security-policy"].replace("wasm-unsafe-eval", "")
    assert "strict-transport-security" in ask(path, host="localhost", **PUBLIC).headers or path in {
        "/stream",
        "/nothing",
    }


def test_the_log_tells_why() -> None:
    """A kind of refusal has a line in ten seconds at most, with how many there were, and nothing of a header."""
    clock, counted = ManualClock(NOW), list[str]()

    async def nobody(*_: Any) -> None:
        raise AssertionError

    gate = Gate(nobody, Settings(), SERVED, counted.append, clock)
    configure_logging("WARNING")
    with structlog.testing.capture_logs() as lines:
        for _ in range(5):
            ask("/metrics", host="secret.example", peer=CALLER, gate=gate)
        clock.advance(LINE_EVERY_SECONDS)
        ask("/metrics", host="secret.example", peer=CALLER, gate=gate)
    assert counted == ["unknown_host"] * 6
    assert [(line["event"], line["reason"], line["peer"], line["count"]) for line in lines] == [
        ("gate_refused", "unknown_host", CALLER, 1),
        ("gate_refused", "unknown_host", CALLER, 5),
    ]
    assert "secret" not in str(lines)
