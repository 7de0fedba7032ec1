"""A call that its own thread makes: what comes of it is what comes of one over the loop, and it ends as hard."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from core.pricing import PossibleBilling
from core.providers import NO_MEDIA, Abandoned, Answer, ProviderError, TimedOut
from core.providers._lines import Lines
from core.providers._told import Told
from core.providers._wire import LIMITS, NO_TIMEOUT, Wire
from core.providers.loop import Cancellation, Loop
from tests.wire.certified import certified
from tests.wire.scripted import Scripted, ScriptedServer

PATH = "/chat/completions"
BODY = b'{"id":"x","said":"\xc3\xa4"}'
STREAM = b"data: 1\n\ndata: 2\n\n"
LONG = b"[" + b"1," * 200_000 + b"1]"
ANSWERS = {
    "whole": Scripted(BODY),
    "with its length": Scripted(BODY, headers={"transfer-encoding": "", "content-length": str(len(BODY))}),
    "until the connection ends": Scripted(BODY, headers={"transfer-encoding": "", "connection": "close"}),
    "the last on its connection": Scripted(BODY, headers={"connection": "close"}),
    "an error": Scripted(b'{"error":{"message":"no"}}', status=429, headers={"Retry-After": "3"}),
    "encoded": Scripted(gzip.compress(BODY), headers={"Content-Encoding": "gzip"}),
    "wrongly encoded": Scripted(BODY, headers={"Content-Encoding": "gzip"}),
    "not encoded, it says": Scripted(BODY, headers={"Content-Encoding": "identity"}),
    "empty": Scripted(b""),
    "nothing, it says": Scripted(b"", status=204, headers={"transfer-encoding": ""}),
    "a redirect": Scripted(b"", status=307, headers={"Location": "/v1/elsewhere"}),
    "headers": Scripted(BODY, headers={"X-Request-ID": "r-1", "Openai-Version": "2"}),
    "a stream": Scripted.streamed(STREAM, 4, 9),
    "long": Scripted(LONG, cuts=range(0, len(LONG), 50_000)),
    "no HTTP": Scripted(BODY, headers={"content-length": "many", "transfer-encoding": ""}),
    "hung up": Scripted(hangs_up=True),
    "broken off": Scripted(BODY, is_broken_off=True),
    "broken off before its length": Scripted(
        BODY, headers={"transfer-encoding": "", "content-length": "999"}, is_broken_off=True
    ),
}
SLOW = [Scripted(is_silent=True), Scripted.streamed(STREAM * 50, *range(1, 900), pause_seconds=0.05)]


class Asked:
    """An exchange that sends one body."""

    mode = "relay"
    size_bytes = 0
    texts = ()
    media_tokens = NO_MEDIA
    possible_billing = PossibleBilling()

    def __init__(self, wire: Wire, *, is_straight: bool) -> None:
        self._wire = wire
        self._is_straight = is_straight
        self.so_far = Answer()
        self.thread = ""

    @property
    def lines(self) -> Lines | None:
        return self._wire.lines_to(PATH, {}) if self._is_straight else None

    def allow(self, max_tokens: int) -> None:
        raise NotImplementedError

    async def send(self, on_piece: Callable[[Any], Any] | None) -> Answer:
        wire, self.thread = self._wire, threading.current_thread().name
        try:
            response = await wire.opened(PATH, b'{"n":1}', {}, wire.keys.take(), stream=on_piece is not None)
            self.so_far = Answer(http_status=response.status_code)
            try:
                if on_piece is not None:
                    async for piece in response.aiter_bytes():
                        if (wait := on_piece(piece)) is not None:
                            await wait
                body = await response.aread() if on_piece is None else b""
            finally:
                await response.aclose()
        except Exception as error:
            raise wire.in_our_words(error, Told()) from error
        return Answer(raw=(response.status_code, dict(response.headers), body))


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


@pytest.fixture
def wire(server: ScriptedServer, loop: Loop) -> Iterator[Wire]:
    """The way to it, along which one request was worded."""
    made = wire_to(server.openai_url)
    server.plays(Scripted(BODY))
    outcome(Asked(made, is_straight=False), loop, stream=False)
    yield made
    loop.run(made.close())


def wire_to(url: str, **more: Any) -> Wire:
    """Return the way to *url*."""

    def connect() -> Any:
        return openai.DefaultAioHttpClient(limits=LIMITS, timeout=NO_TIMEOUT, **more)

    def make(http: Any) -> Any:
        return openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0, timeout=NO_TIMEOUT, http_client=http)

    return Wire("openai", openai, make, "x-request-id", connect)


def outcome(
    asked: Asked, loop: Loop, *, stream: bool, seconds: float = 10.0, cancellation: Cancellation | None = None
) -> Any:
    """Return what came of a call: its answer and all pieces, or how it is told that there is none."""
    pieces: list[bytes] = []
    coming = loop.call(asked, seconds, cancellation or Cancellation(), stream=stream)
    try:
        while True:
            pieces.append(next(coming))
    except StopIteration as end:
        return end.value.raw, b"".join(pieces)
    except ProviderError as error:
        return type(error), error.message, error.was_sent, error.answer.http_status, b"".join(pieces)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", list(ANSWERS))
def test_both_ways_see_the_same(kind: str, wire: Wire, server: ScriptedServer, loop: Loop, *, stream: bool) -> None:
    """What is sent, status, headers, body and pieces, and what is told of an answer that broke: several times over."""
    found: list[Any] = []
    for is_straight in (False, True, True):
        is_moved = kind == "a redirect"  # which is for the loop to follow: it is asked for there anew, each time
        server.plays(*([ANSWERS[kind]] * (2 + is_straight if is_moved else 1)), Scripted(BODY))
        asked = Asked(wire, is_straight=is_straight)
        found.append((outcome(asked, loop, stream=stream), server.heard[0], server.bodies[0]))
        assert (asked.thread == threading.current_thread().name) is (is_straight and not is_moved)
    assert found[1:] == found[:1] * 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("is_straight", [False, True])
@pytest.mark.parametrize(
    "slow", [Scripted(is_silent=True), Scripted.streamed(STREAM * 50, *range(900), pause_seconds=9)]
)
def test_a_deadline_is_hard(
    slow: Scripted, wire: Wire, server: ScriptedServer, loop: Loop, *, is_straight: bool, stream: bool
) -> None:
    """Whether nothing comes or a byte now and then; and the line is of no use any more."""
    server.plays(slow)
    asked = Asked(wire, is_straight=is_straight)
    kind, message, *_ = outcome(asked, loop, stream=stream, seconds=0.2)
    assert (kind, message) == (TimedOut, "No whole answer within 0.2 s.")
    lines = wire.lines_to(PATH, {})
    assert lines is not None
    assert lines.kept() is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "slow", [Scripted(is_silent=True), Scripted.streamed(STREAM * 50, *range(900), pause_seconds=9)]
)
def test_who_leaves_ends_the_call(
    slow: Scripted, wire: Wire, server: ScriptedServer, loop: Loop, *, stream: bool
) -> None:
    """At once, from any thread, wherever it waits; who has left before is not asked for."""
    server.plays(slow)
    cancellation = Cancellation()
    leaving = threading.Timer(0.1, cancellation.cancel)
    leaving.start()
    kind, message, *_ = outcome(Asked(wire, is_straight=True), loop, stream=stream, cancellation=cancellation)
    assert (kind, message) == (Abandoned, "The caller left.")
    leaving.join()
    count = len(server.asked)
    kind, *_ = outcome(Asked(wire, is_straight=True), loop, stream=stream, cancellation=cancellation)
    assert (kind, len(server.asked)) == (Abandoned, count)


def test_who_stops_reading_ends_the_call(wire: Wire, server: ScriptedServer, loop: Loop) -> None:
    """A stream that nobody takes further is no answer, and its line is not kept."""
    server.plays(SLOW[1])
    coming = loop.call(Asked(wire, is_straight=True), 10.0, Cancellation(), stream=True)
    assert next(coming)
    coming.close()
    lines = wire.lines_to(PATH, {})
    assert lines is not None
    assert lines.kept() is None


def test_a_line_that_the_server_has_closed_is_not_used(wire: Wire, server: ScriptedServer, loop: Loop) -> None:
    """It is seen to have ended before anything is sent over it; one that it keeps serves the next call."""
    for _ in range(2):
        server.plays(Scripted(BODY))
        outcome(Asked(wire, is_straight=True), loop, stream=False)
    lines = wire.lines_to(PATH, {})
    assert lines is not None
    line = lines.kept()
    assert line is not None
    assert lines.kept() is None  # the second went out over the first's
    line.shut()
    lines.keep(line)
    assert lines.kept() is None


def test_many_at_once_do_not_mix(wire: Wire, server: ScriptedServer, loop: Loop) -> None:
    """Each has the answer to what it asked, over as many lines as are out."""
    server.plays(Scripted(BODY))

    def ask(_: int) -> Any:
        (status, _headers, body), _pieces = outcome(Asked(wire, is_straight=True), loop, stream=False)
        return status, body

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(ask, range(120))) == {(200, BODY)}
    assert len(server.asked) == 120


def test_who_cannot_be_reached_is_told_by_the_loop(loop: Loop) -> None:
    """That nobody listens any more reads as it does without lines, and nothing was sent."""
    with ScriptedServer() as server:
        wire = wire_to(server.openai_url)
        server.plays(Scripted(BODY))
        outcome(Asked(wire, is_straight=False), loop, stream=False)
    found = [outcome(Asked(wire, is_straight=one), loop, stream=False) for one in (False, True)]
    loop.run(wire.close())
    assert found[0] == found[1]
    assert found[0][1:3] == ("The connection to openai was refused: nobody listens at that address.", False)


@pytest.mark.parametrize("stream", [False, True])
def test_a_line_speaks_tls_as_the_client_does(tmp_path: Path, loop: Loop, *, stream: bool) -> None:
    """With the client's own trust: who is trusted there is trusted here, and who is left is left beneath it."""
    serving, trusting = certified(tmp_path)
    with ScriptedServer(serving) as server:
        wire = wire_to(server.openai_url.replace("http://127.0.0.1", "https://localhost"), verify=trusting)
        found: list[Any] = []
        for is_straight in (False, True, True):
            server.plays(Scripted(LONG, cuts=range(0, len(LONG), 50_000)))
            asked = Asked(wire, is_straight=is_straight)
            found.append(outcome(asked, loop, stream=stream))
            assert (asked.thread == threading.current_thread().name) is is_straight
        assert found[1:] == found[:1] * 2
        server.plays(Scripted(is_silent=True))
        cancellation = Cancellation()
        threading.Timer(0.1, cancellation.cancel).start()
        kind, *_ = outcome(Asked(wire, is_straight=True), loop, stream=stream, cancellation=cancellation)
        assert kind is Abandoned
        loop.run(wire.close())
