"""The provider loop: hard deadlines, callers who leave, and nothing that escapes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.pricing import PossibleBilling
from core.providers import NO_MEDIA, Abandoned, Answer, Misread, Refused, TimedOut
from core.providers.loop import Cancellation, Loop
from core.providers.reading.long_bodies import LONG, read_apart
from core.validation import Effort


class Scripted:
    """A conversation that does what it is told, on the loop."""

    mode = "tools"
    size_bytes = 0
    texts = ()
    media_tokens = NO_MEDIA
    possible_billing = PossibleBilling()

    def __init__(self, *steps: str | float | Exception) -> None:
        self._steps = steps
        self._said: list[str] = []
        self.ended_by: BaseException | None = None
        self.threads: set[str] = set()

    @property
    def so_far(self) -> Answer:
        return Answer(text="".join(self._said))

    async def send(self, on_text: Callable[[str], None] | None) -> Answer:
        try:
            for step in self._steps:
                self.threads.add(threading.current_thread().name)
                if isinstance(step, Exception):
                    raise step  # noqa: TRY301 the script says so
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    self._said.append(step)
                    if on_text is not None:
                        on_text(step)
        except BaseException as error:
            self.ended_by = error
            raise
        return self.so_far

    def read(self, answer: Answer, effort: Effort | None = None) -> Any:
        raise NotImplementedError

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        raise NotImplementedError

    def allow(self, max_tokens: int) -> None:
        raise NotImplementedError


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A loop."""
    running = Loop()
    yield running
    running.close()


def sent(
    loop: Loop,
    conversation: Scripted,
    seconds: float = 10,
    cancellation: Cancellation | None = None,
    *,
    stream: bool = False,
) -> tuple[list[str], Answer]:
    """Send to the end; return the pieces and the answer."""
    call = loop.call(conversation, seconds, cancellation or Cancellation(), stream=stream)
    pieces: list[str] = []
    while True:
        try:
            pieces.append(next(call))
        except StopIteration as end:
            return pieces, end.value


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_comes_back(*, stream: bool, loop: Loop) -> None:
    """A whole answer comes at the end, a stream's pieces before it, in order; both are made on the loop's thread."""
    conversation = Scripted("a", 0.01, "b", "c")

    pieces, answer = sent(loop, conversation, stream=stream)

    assert (pieces, answer.text) == (["a", "b", "c"] if stream else [], "abc")
    assert conversation.threads == {"provider-io"}


def test_pieces_come_as_they_are_written(loop: Loop) -> None:
    """The first piece is there long before the last one."""
    call = loop.call(Scripted("a", 30.0), 60, Cancellation(), stream=True)
    began = time.monotonic()
    assert next(call) == "a"
    assert time.monotonic() - began < 10
    call.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_deadline_is_hard(*, stream: bool, loop: Loop) -> None:
    """When the time is over the call is cancelled, whatever it drips, and what was said by then is told."""
    conversation = Scripted("half", *[0.03] * 2000)
    began = time.monotonic()
    with pytest.raises(TimedOut, match=r"No whole answer within 0\.2 s") as late:
        sent(loop, conversation, 0.2, stream=stream)

    assert 0.2 <= time.monotonic() - began < 30
    assert late.value.answer.text == "half"
    assert isinstance(conversation.ended_by, asyncio.CancelledError)


@pytest.mark.parametrize("stream", [False, True])
def test_whoever_leaves_ends_the_call(*, stream: bool, loop: Loop) -> None:
    """Cancelling from another thread wakes the waiting caller at once and ends the call."""
    conversation, cancellation = Scripted("half", 30.0), Cancellation()
    threading.Timer(0.1, cancellation.cancel).start()
    began = time.monotonic()
    with pytest.raises(Abandoned) as left:
        sent(loop, conversation, 60, cancellation, stream=stream)

    assert time.monotonic() - began < 10
    assert left.value.answer.text == "half"
    assert eventually(lambda: isinstance(conversation.ended_by, asyncio.CancelledError))


def test_whoever_left_before_is_not_answered(loop: Loop) -> None:
    """A caller who is gone when the call would begin ends it there; leaving twice is leaving."""
    cancellation = Cancellation()
    cancellation.cancel()
    cancellation.cancel()
    with pytest.raises(Abandoned):
        sent(loop, Scripted(30.0), 60, cancellation)


def test_closing_a_stream_ends_the_call(loop: Loop) -> None:
    """A reader who stops reading closes the provider's connection."""
    conversation = Scripted("a", 30.0)
    call = loop.call(conversation, 60, Cancellation(), stream=True)
    next(call)
    call.close()

    assert eventually(lambda: isinstance(conversation.ended_by, asyncio.CancelledError))


def test_leaving_after_the_end_is_nothing(loop: Loop) -> None:
    """A cancellation that comes too late changes nothing, and the next call with it does not begin."""
    cancellation = Cancellation()
    assert sent(loop, Scripted("a"), 10, cancellation)[1].text == "a"
    cancellation.cancel()
    with pytest.raises(Abandoned):
        sent(loop, Scripted("a", 30.0), 60, cancellation)


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_provider_says_is_passed_on(*, stream: bool, loop: Loop) -> None:
    """An error in our words reaches the caller as it was raised."""
    refused = Refused("No.")
    with pytest.raises(Refused) as told:
        sent(loop, Scripted("a", refused), stream=stream)

    assert told.value is refused


@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_of_ours_is_told_as_ours(*, stream: bool, loop: Loop) -> None:
    """A call that went out is an attempt, whatever breaks: the error names its kind and nothing that it says."""
    fault = KeyError("sk-secret")
    with pytest.raises(Misread, match=r"^Proctor itself failed over this call \(KeyError\)\.$") as broken:
        sent(loop, Scripted("half", fault), stream=stream)

    assert broken.value.answer.text == "half"
    assert broken.value.__cause__ is fault
    assert not broken.value.trips_breaker


def test_one_loop_carries_many(loop: Loop) -> None:
    """Two hundred callers wait together on one thread."""
    began = time.monotonic()
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda n: sent(loop, Scripted(f"{n}", 0.5))[1].text, range(200)))

    assert answers == [f"{n}" for n in range(200)]
    assert time.monotonic() - began < 20


def test_closing_the_loop_ends_what_is_out() -> None:
    """At shutdown calls that are out are ended, and their callers are told."""
    loop = Loop()
    conversation = Scripted("a", 30.0)
    threading.Timer(0.1, loop.close).start()
    with pytest.raises(Abandoned):
        sent(loop, conversation, 60)

    assert isinstance(conversation.ended_by, asyncio.CancelledError)
    loop.close()


def test_work_that_is_no_call_runs_to_its_end(loop: Loop) -> None:
    """Housekeeping on the loop, such as closing a client, returns what it returns."""

    async def work() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert loop.run(work()) == "provider-io"


def eventually(check: Callable[[], bool]) -> bool:
    """Return whether *check* comes true within a moment."""
    until = time.monotonic() + 5
    while not check() and time.monotonic() < until:
        time.sleep(0.005)
    return check()


@pytest.mark.parametrize(("size", "is_apart"), [(LONG, False), (LONG + 1, True)])
def test_a_long_body_is_read_in_a_thread(size: int, is_apart: bool) -> None:  # noqa: FBT001 a case of the table
    """The loop goes on meanwhile; a short one is read where it came, which costs less. What it raises is raised."""
    loop = Loop()

    async def read() -> str:
        return await read_apart(size, lambda: threading.current_thread().name)

    async def fail() -> None:
        await read_apart(size, lambda: int("x"))

    assert (loop.run(read()) != "provider-io") is is_apart
    with pytest.raises(ValueError, match="invalid literal"):
        loop.run(fail())
    loop.close()
