"""What the SDKs make of a vendor that fails: of each status, of silence, and of streams that break or just end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.doors import answers as said
from tests.doors.answers import Answer
from tests.doors.anthropic_programs import ASKED as MESSAGE
from tests.doors.compared import Program
from tests.doors.openai_programs import ASKED as CHAT
from tests.doors.openai_programs import INPUT
from tests.wire.scripted import events

ENDS_EARLY = "the SDK takes a stream that just ends for a whole one; Proctor tells it as an error"
BROKEN_OFF = "the SDK alone raises what its transport does; Proctor tells it as an error of the dialect"

_DOORS: Any = {
    "openai chat": (
        lambda clients, **more: clients.openai(**more).chat.completions.create(**CHAT),
        lambda clients: clients.openai().chat.completions.create(**CHAT, stream=True),
    ),
    "openai responses": (
        lambda clients, **more: clients.openai(**more).responses.create(**INPUT),
        lambda clients: clients.openai().responses.create(**INPUT, stream=True),
    ),
    "anthropic messages": (
        lambda clients, **more: clients.anthropic(**more).messages.create(**MESSAGE),
        lambda clients: clients.anthropic().messages.create(**MESSAGE, stream=True),
    ),
}
_OPENAI_NO: Any = {
    400: ("invalid_request_error", "invalid_value"),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "model_not_allowed"),
    404: ("invalid_request_error", "model_not_found"),
    408: ("timeout", None),
    409: ("conflict", "conflict"),
    413: ("invalid_request_error", "request_too_large"),
    422: ("invalid_request_error", None),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", "server_is_overloaded"),
}
_ANTHROPIC_NO: Any = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "invalid_request_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_PATIENCE_SECONDS = 3.0
"""Long enough for a call to be out at the vendor, on a machine that is busy too."""
_WAIT = {"retry_after": "1"}
_SOON = {"retry_after_ms": "1"}
_DAY = {"retry_after": "86400"}


def _listening(ask: Any) -> Any:
    return lambda clients: clients.watch(ask(clients))


def _noes(door: str) -> Iterator[tuple[str, Answer]]:
    if door == "anthropic messages":
        for status, kind in _ANTHROPIC_NO.items():
            wait = _WAIT if status == 429 else {}
            yield f"{status} {kind}", said.anthropic_no(status, kind, **wait)
        yield "429 for a day", said.anthropic_no(429, "rate_limit_error", **_DAY)
        return
    for status, (kind, code) in _OPENAI_NO.items():
        yield f"{status} {code or kind}", said.openai_no(status, kind, code, **(_WAIT if status == 429 else {}))
    yield "429 for a day", said.openai_no(429, "requests", "rate_limit_exceeded", **_DAY)
    yield "429 without money", said.openai_no(429, "insufficient_quota", "insufficient_quota")


def _statuses() -> Iterator[Program]:
    for door, (whole, stream) in _DOORS.items():
        for name, answer in _noes(door):
            yield Program(f"{door}/{name}", whole, [answer])
            yield Program(f"{door}/{name}, asked for a stream", _listening(stream), [answer])


def _again(door: str, answer: Answer) -> Iterator[Program]:
    """Yield what an SDK asks again by itself: as often as straight, for Proctor leaves that to it."""
    ask = _DOORS[door][0]
    if "anthropic" in door:
        no, busy = said.anthropic_no(500, "api_error", **_SOON), said.anthropic_no(529, "overloaded_error", **_SOON)
    else:
        no = said.openai_no(500, "server_error", None, **_SOON)
        busy = said.openai_no(429, "requests", "rate_limit_exceeded", **_SOON)
    retries, twice = "with the SDK's own retries", lambda c: ask(c, max_retries=2)
    yield Program(f"{door}/500 once, {retries}", twice, [no, answer])
    yield Program(f"{door}/500 always, {retries}", twice, [no])
    yield Program(f"{door}/one that is busy always, {retries}", twice, [busy])


_CUTS: Any = {
    "openai chat": events(*said.chat_deltas(["Half of a sentence"], finish=None), done=False),
    "openai responses": events(*said.cut_response("Half of a sentence"), done=False),
    "anthropic messages": events(*said.message_events([said.text_block("Half of a sentence")], ends=False), done=False),
}
_ERRORS: Any = {
    "openai chat": {"error": {"message": "Boom.", "type": "server_error", "param": None, "code": None}},
    "openai responses": {
        "type": "error",
        "sequence_number": 99,
        "error": {"type": "server_error", "code": "server_error", "message": "Boom.", "param": None},
    },
    "anthropic messages": {"type": "error", "error": {"type": "overloaded_error", "message": "Boom."}},
}


def _breaks() -> Iterator[Program]:
    for door, (whole, stream) in _DOORS.items():
        early = {"error": ENDS_EARLY}
        if door == "openai chat":
            answers = said.chat("Hi.")
        elif door == "openai responses":
            answers = said.response("Hi.")
        else:
            answers = said.message(said.text_block("Hi."))
        yield from _again(door, answers)
        yield Program(f"{door}/stream that just ends", _listening(stream), [said.streamed(_CUTS[door])], early)
        first = _CUTS[door][: _CUTS[door].index(b"\n\n") + 2]  # a reset may overtake what has not been read yet
        broken = said.gated(first, b": going on\n", is_broken_off=True)
        yield Program(f"{door}/stream that is cut", _listening(stream), [broken], {"error": BROKEN_OFF})
        told = said.gated(_CUTS[door], events(_ERRORS[door], done=False))
        yield Program(f"{door}/error in a stream", _listening(stream), [told])
        yield Program(f"{door}/silence", lambda c, ask=whole: ask(c, timeout=_PATIENCE_SECONDS), [said.silence()])


_FINISHED = events(*said.chat_deltas(["Hi."]), done=False)
_ODD_DELTAS: Any = [
    {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{"prompt_index": 0}]},
    *said.chat_deltas(["Hi."], finish=None),
    {
        "id": "",
        "object": "",
        "created": 0,
        "model": "",
        "choices": [{"index": 0, "finish_reason": None, "content_filter_results": {}, "content_filter_offsets": {}}],
    },
    said.chat_deltas([""])[-1],
]


def _stream(body: bytes) -> Any:
    return said.streamed(body)


def _chat_case(name: str, body: bytes) -> Program:
    return Program(f"openai chat/{name}", _listening(_DOORS["openai chat"][1]), [_stream(body)])


def _blank(place: int) -> dict[str, Any]:
    chunk = said.chat_deltas(["ab"])[place]
    choice = {**chunk["choices"][0], "finish_reason": chunk["choices"][0]["finish_reason"] or ""}
    return {**chunk, "choices": [choice]}


_CALLS = said.chat_deltas([None], [("Person", '{"name":"A","age":1}'), ("Other", '{"name":"B","age":2}')])

PROGRAMS: Sequence[Program] = (
    *_statuses(),
    *_breaks(),
    *(
        Program(
            f"{door}/a connection that is closed without a word, with the SDK's own retries",
            lambda c, ask=_DOORS[door][0]: ask(c, max_retries=1),
            [said.hung_up()],
            {"error": BROKEN_OFF},
        )
        for door in ("openai chat", "anthropic messages")
    ),
    _chat_case("finished, without [DONE]", _FINISHED),
    _chat_case("[DONE], without a reason", events(*said.chat_deltas(["Hi."], finish=None))),
    _chat_case("a filter's chunks without choices or delta", events(*_ODD_DELTAS)),
    _chat_case("empty finish reasons", events(*(_blank(place) for place in range(3)))),
    _chat_case(
        "calls whose pieces interleave",
        events(*_CALLS[:2], _CALLS[5], _CALLS[2], *_CALLS[6:9], *_CALLS[3:5], *_CALLS[9:]),
    ),
    _chat_case(
        "lines that end with CR LF, and comments",
        b": hello\r\n\r\n" + events(*said.chat_deltas(["Hi."])).replace(b"\n", b"\r\n"),
    ),
    _chat_case("no space behind a colon", events(*said.chat_deltas(["Hi."])).replace(b"data: ", b"data:")),
    _chat_case("separators of Unicode inside a text", events(*said.chat_deltas(["a\u2028b\u0085c\x0bd"]))),
)
