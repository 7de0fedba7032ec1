"""Frames: a stream is cut where its events end, however it comes, and nothing of it is lost or added."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.dialects import DIALECTS, DialectName, Frame, Frames

CHUNK = '{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[%s]}'


def chunk(delta: str = "{}", finish: str = "null", index: int = 0) -> bytes:
    """Return one chunk of a stream with one choice."""
    choice = f'{{"index":{index},"delta":{delta},"finish_reason":{finish}}}'
    return b"data: " + (CHUNK % choice).encode() + b"\n\n"


def read(frames: Frames, *pieces: bytes) -> list[Frame]:
    """Return every frame of a stream."""
    return [frame for piece in pieces for frame in frames.feed(piece)] + frames.end()


_lines = st.sampled_from(
    [
        b"data: {}",
        b'data:{"a":1}',
        b"data: [DONE]",
        b"event: x",
        b": comment",
        b"",
        b"id: 1",
        b"data",
        'data: {"t":"\u2028\u0085\x0b"}'.encode(),
    ]
)
_streams = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef"]),
    st.lists(st.tuples(_lines, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=12),
    st.sampled_from([b"", b"data: {}", b"\r"]),
).map(lambda told: told[0] + b"".join(line + end for line, end in told[1]) + told[2])


@pytest.mark.parametrize("name", list(DIALECTS))
@given(stream=_streams, cuts=st.lists(st.integers(0, 80), max_size=6))
def test_frames_do_not_depend_on_how_a_stream_comes(name: DialectName, stream: bytes, cuts: list[int]) -> None:
    """In any pieces a stream is the same frames, and joined they are the stream."""
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(places)]
    whole, cut = DIALECTS[name].frames(), DIALECTS[name].frames()

    frames = read(cut, *pieces)
    assert frames == read(whole, stream)
    assert b"".join(frame.raw for frame in frames) == stream
    assert (cut.has_ended, cut.error) == (whole.has_ended, whole.error)


@given(st.lists(st.sampled_from([b"data: {}\n\n", b"event: x\ndata: {}\n\n", b"\n", b": x\n\n"]), max_size=8))
def test_a_frame_comes_as_soon_as_it_is_whole(stream: list[bytes]) -> None:
    """Nothing that ended is held back until more comes."""
    frames = DIALECTS[DialectName.CHAT].frames()
    assert [[frame.raw for frame in frames.feed(one)] for one in stream] == [[one] for one in stream]


def test_only_three_bytes_end_lines() -> None:
    """Separators that other readers of lines take for ends are part of a text."""
    text = "\u2028\u2029\u0085\v\f\x1c"
    escaped = text.replace("\v", "\\u000b").replace("\f", "\\u000c").replace("\x1c", "\\u001c")
    for end in ("\n", "\r\n", "\r"):
        stream = f'data:{{"choices":[{{"index":0,"delta":{{"content":"{escaped}"}}}}]}}{end}{end}'.encode()
        [frame] = read(DIALECTS[DialectName.CHAT].frames(), *[bytes([one]) for one in stream])
        assert frame.event is not None
        assert frame.event["choices"][0]["delta"]["content"] == text


def test_data_of_several_lines_are_one_event() -> None:
    """They are joined as the standard says; and numbers that one reader does not take are read by the other."""
    frames = DIALECTS[DialectName.CHAT].frames()
    [frame] = frames.feed(b'data: {"a":\ndata: 1e999,\ndata: "b":"\\ud800"}\n\n')
    assert frame.event == {"a": float("inf"), "b": "\ud800"}


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b'{"id":', "garbled"), (b"<html>", "garbled"), (b"[1]", "value"), (b"7", "value"), (b" ", "comment")],
)
def test_what_is_no_object_is_known_for_what_it_is(data: bytes, kind: str) -> None:
    """A reader fails at what is no JSON; over any other value it may read."""
    [frame] = DIALECTS[DialectName.CHAT].frames().feed(b"data: " + data + b"\n\n")
    assert (frame.kind, frame.event) == (kind, None)


def test_an_event_without_an_end_is_not_kept_for_ever() -> None:
    """A stream that never ends a line is given up."""
    frames = DIALECTS[DialectName.CHAT].frames()
    frames.feed(b"x" * 60_000_000)
    with pytest.raises(OverflowError, match="does not end"):
        frames.feed(b"x" * 10_000_000)


FIRST = (
    b'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}\n\n'
)
FILTER = b'data: {"id":"","choices":[{"index":0,"finish_reason":null,"content_filter_results":{}}]}\n\n'
USAGE = b'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("stream", "has_ended", "closing"),
    [
        ([chunk('{"content":"h"}'), chunk(finish='"stop"'), DONE], True, b""),
        ([chunk('{"content":"h"}'), chunk(finish='"stop"'), USAGE], True, DONE),
        ([chunk('{"content":"h"}'), DONE], True, b""),
        ([chunk('{"content":"h"}')], False, DONE),
        ([chunk('{"content":"h"}', '""'), chunk('{"role":"","content":"b"}', '""')], False, DONE),
        ([chunk(finish='"stop"'), chunk('{"content":"h"}', index=1)], False, DONE),
        ([chunk(finish='"stop"'), chunk(finish='"length"', index=1)], True, DONE),
        ([FIRST, chunk('{"content":"h"}'), FILTER], False, DONE),
        ([FIRST, chunk('{"content":"h"}'), FILTER, chunk(finish='"stop"'), FILTER], True, DONE),
        ([], False, DONE),
        ([USAGE], False, DONE),
        ([chunk('{"content":"h"}'), chunk(finish='"stop"'), b"data: [DONE]"], True, b""),
    ],
)
def test_a_chat_stream_ends_with_its_word_or_with_every_choice(
    stream: list[bytes], *, has_ended: bool, closing: bytes
) -> None:
    """``[DONE]`` is a convention; empty reasons to stop are none; one choice of two is not all."""
    frames = DIALECTS[DialectName.CHAT].frames()
    read(frames, *stream)
    assert frames.has_ended is has_ended
    assert frames.closing() == closing
    assert frames.error is None


@pytest.mark.parametrize(
    "stream",
    [
        b'data: {"error":{"message":"boom"}}\n\n',
        b'event: error\ndata: {"message":"boom"}\n\n',
        b'data: {"error":"boom"}\n\n',
    ],
)
def test_an_error_that_a_chat_stream_tells_is_its_end(stream: bytes) -> None:
    """In whichever of the forms that servers use."""
    frames = DIALECTS[DialectName.CHAT].frames()
    [frame] = frames.feed(stream)
    assert (frame.kind, frames.has_ended) == ("error", True)
    assert "boom" in str(frames.error)


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True))
@example("1e400")
@example("-1E-4000")
@example("9" * 5000)
def test_any_number_is_read_and_passed_on_as_it_came(number: str) -> None:
    """Also one that no float holds, or that Python itself would not read: nothing else of its event is lost."""
    for name, dialect in DIALECTS.items():
        raw = b'data: {"type":"x","big":%b,"choices":[]}\n\n' % number.encode()
        [frame] = read(dialect.frames(), raw)
        assert frame.outward == raw, name
        assert frame.event is not None
        assert isinstance(frame.event["big"], int | float)
