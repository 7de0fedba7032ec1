"""A request that was worded once goes straight to aiohttp; what comes of it is what httpx2 would have made of it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from core.providers import Unreachable
from core.providers._told import Told
from core.providers._wire import LIMITS, NO_TIMEOUT, Wire
from core.providers.loop import Loop
from tests.wire.scripted import Scripted, ScriptedServer

BODY = b'{"id":"x","said":"\xc3\xa4"}'
ANSWERS = {
    "whole": Scripted(BODY),
    "an error": Scripted(b'{"error":{"message":"no"}}', status=429, headers={"Retry-After": "3"}),
    "encoded": Scripted(gzip.compress(BODY), headers={"Content-Encoding": "gzip"}),
    "not encoded, it says": Scripted(BODY, headers={"Content-Encoding": "identity"}),
    "empty": Scripted(b""),
    "an error without a word": Scripted(b"", status=503),
    "headers": Scripted(BODY, headers={"X-Request-ID": "r-1", "Openai-Version": "2"}),
    "a stream": Scripted.streamed(b"data: 1\n\ndata: 2\n\n", 4, 9),
}


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """The provider loop."""
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A vendor."""
    with ScriptedServer() as made:
        yield made


def wire_to(server: ScriptedServer) -> Wire:
    """Return the way to *server*."""
    return Wire(
        "openai",
        openai,
        lambda http: openai.AsyncOpenAI(
            api_key="k", base_url=server.openai_url, max_retries=0, timeout=NO_TIMEOUT, http_client=http
        ),
        "x-request-id",
    )


async def got(wire: Wire, *, stream: bool) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of one answer."""
    key = wire.keys.take()
    response = await wire.opened("/chat/completions", b'{"n":1}', {}, key, stream=stream)
    try:
        body = b"".join([piece async for piece in response.aiter_bytes()]) if stream else await response.aread()
    finally:
        await response.aclose()
    return response.status_code, dict(response.headers), body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", list(ANSWERS))
def test_both_ways_see_the_same(kind: str, loop: Loop, server: ScriptedServer, *, stream: bool) -> None:
    """The first, which the SDK sends, and those after it: what is sent, status, headers and body are alike."""
    server.plays(ANSWERS[kind])
    wire = wire_to(server)

    async def asked() -> list[Any]:
        return [await got(wire, stream=stream) for _ in range(3)]

    first, *others = loop.run(asked())
    loop.run(wire.close())
    assert others == [first, first]
    assert server.heard[1:] == server.heard[:1] * 2
    assert server.bodies == [b'{"n":1}'] * 3
    assert wire._worded["/chat/completions"]._session is not None  # pyright: ignore[reportPrivateUsage]


def test_a_redirect_is_followed(loop: Loop, server: ScriptedServer) -> None:
    """As by the SDK's client: there again with the same body."""
    wire = wire_to(server)
    server.plays(Scripted(BODY), Scripted(b"", status=307, headers={"Location": "/v1/elsewhere"}))
    moved = Scripted(b"", status=307, headers={"Location": "/v1/elsewhere"})

    async def asked() -> Any:
        await got(wire, stream=False)
        server.plays(moved, moved, Scripted(BODY))
        return await got(wire, stream=True)

    status, _, body = loop.run(asked())
    loop.run(wire.close())
    assert (status, body) == (200, BODY)
    assert server.heard[-1][0] == "/v1/elsewhere"
    assert server.bodies[-1] == b'{"n":1}'


def test_a_proxy_is_gone_by(loop: Loop, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of proxies holds for every request, not for the first alone."""
    monkeypatch.setenv("HTTP_PROXY", server.anthropic_url)
    wire = Wire(
        "openai",
        openai,
        lambda http: openai.AsyncOpenAI(api_key="k", base_url="http://vendor.invalid/v1", http_client=http),
        "x-request-id",
        lambda: openai.DefaultAioHttpClient(limits=LIMITS, timeout=NO_TIMEOUT),
    )
    server.plays(Scripted(BODY))

    async def asked() -> Any:
        return [(await got(wire, stream=False))[2] for _ in range(2)]

    assert loop.run(asked()) == [BODY, BODY]
    loop.run(wire.close())
    assert [path for path, _ in server.heard] == ["http://vendor.invalid/v1/chat/completions"] * 2


async def failed(wire: Wire, *, stream: bool) -> tuple[str, bool]:
    """Return how it is told that there is no answer, and whether it was sent."""
    try:
        await got(wire, stream=stream)
    except Exception as error:  # noqa: BLE001 of whichever library
        known = wire.in_our_words(error, Told())
        assert isinstance(known, Unreachable)
        return known.message, known.was_sent
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("broken", [Scripted(hangs_up=True), Scripted(BODY, is_broken_off=True)])
def test_a_connection_that_breaks_is_told_alike(
    broken: Scripted, loop: Loop, server: ScriptedServer, *, stream: bool
) -> None:
    """Before a word, and in the middle: the sentence, and whether it was sent, do not depend on the way."""
    first, later = wire_to(server), wire_to(server)

    async def asked() -> Any:
        server.plays(Scripted(BODY))
        await got(later, stream=stream)
        server.plays(broken)
        return [await failed(one, stream=stream) for one in (first, later)]

    one, other = loop.run(asked())
    loop.run(first.close())
    loop.run(later.close())
    assert one == other
