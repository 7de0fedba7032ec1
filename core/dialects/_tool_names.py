"""Where a body or an event names a tool or a format of the caller's, and how it does so by other names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, cast

from core.dialects._body import Path
from core.dialects._frames import Frame
from core.dialects._request import DialectName, RelayRequest
from core.dialects._values import mapping
from core.json_texts import exactly, exactly_written
from core.messages import Message

_EVERY = "*"
_FUNCTIONS = ("tool_calls.*.function.name", "tool_calls.*.custom.name", "function_call.name")
_PLACES: Mapping[DialectName, Sequence[Sequence[str]]] = {
    name: tuple(tuple(place.split(".")) for place in places)
    for name, places in {
        DialectName.CHAT: (
            *("tools.*.function.name", "tools.*.custom.name", "functions.*.name", "function_call.name"),
            *("tool_choice.function.name", "tool_choice.custom.name"),
            "tool_choice.allowed_tools.tools.*.function.name",
            "response_format.json_schema.name",
            *(f"messages.*.{one}" for one in _FUNCTIONS),
            *(f"choices.*.{said}.{one}" for said in ("message", "delta") for one in _FUNCTIONS),
        ),
        DialectName.MESSAGES: (
            *("tools.*.name", "tool_choice.name", "messages.*.content.*.name"),
            *("content.*.name", "content_block.name", "message.content.*.name"),
        ),
        DialectName.RESPONSES: (
            *("input.*.name", "item.name", "name"),
            *(
                f"{within}{place}"
                for within in ("", "response.")
                for place in (
                    "tools.*.name",
                    "tool_choice.name",
                    "tool_choice.tools.*.name",
                    "text.format.name",
                    "output.*.name",
                )
            ),
        ),
    }.items()
}
"""In requests, answers and events alike; what a vendor names there itself is none of the names that are changed."""
_MOST_SIGNS = 64
_DIGEST = 8
_ODD = re.compile(r"[^a-zA-Z0-9_-]")


def other_names(request: RelayRequest, taken: str) -> dict[str, str]:
    """Return the names in *request* that do not fit the pattern *taken*, each with another one that every vendor takes.

    The same name becomes the same again, whatever stands beside it: so what is cached of a beginning is found again.
    No two become one, and none becomes one that is there. An empty name stays, and is refused by whoever gets it.
    """
    names = {name for _, name in _named(request.dialect.name, request.source.values)} - {""}
    fits = re.compile(taken).fullmatch
    used = {name for name in names if fits(name)}
    made: dict[str, str] = {}
    for old in sorted(names - used):
        made[old] = next(new for n in count() if (new := _plain(old, n)) not in used)
        used.add(made[old])
    return made


def _plain(old: str, attempt: int) -> str:
    digest = hashlib.sha256(f"{attempt} {old}".encode()).hexdigest()[:_DIGEST]
    words = _ODD.sub("_", old)
    if not (words[0].isalpha() or words[0] == "_"):
        words = f"_{words}"
    return f"{words[: _MOST_SIGNS - _DIGEST - 1]}_{digest}"


def renamed_request(request: RelayRequest, texts: Sequence[Message], names: Mapping[str, str]) -> RelayRequest:
    """Return *request* with *names*, and with *texts* as its messages; every other byte as it was."""
    found = _named(request.dialect.name, request.source.values)
    changes = [(path, json.dumps(names[name])) for path, name in found if name in names]
    content = request.patched(model=request.model, asks_usage=False, texts=texts, changes=changes)
    return request.dialect.read(content)


def renamed_body(dialect: DialectName, body: bytes, names: Mapping[str, str]) -> bytes:
    """Return an answer with *names*, and each of its numbers as it stands there; as it came if it has none of them."""
    value = exactly(body)
    return exactly_written(value) if rename(dialect, value, names) else body


def renamed_frame(dialect: DialectName, frame: Frame, names: Mapping[str, str]) -> Frame:
    """Return an event of a stream with *names*; the same one if it has none of them."""
    if frame.event is None or not any(name in names for _, name in _named(dialect, frame.event)):
        return frame
    value = exactly(frame.data)
    rename(dialect, value, names)
    return frame.saying(exactly_written(value))


def rename(dialect: DialectName, values: Any, names: Mapping[str, str]) -> bool:
    """Put *names* into *values*, and return whether there were any to put."""
    found = [(path, name) for path, name in _named(dialect, values) if name in names]
    for path, name in found:
        within = values
        for step in path[:-1]:
            within = within[step]
        within[path[-1]] = names[name]
    return bool(found)


def _named(dialect: DialectName, values: Any) -> Iterator[tuple[Path, str]]:
    """Yield the path of each member that names a tool or a format, and the name."""
    for place in _PLACES[dialect]:
        yield from _at(values, place, ())
    if dialect is DialectName.CHAT:  # results of the older form name their function; other messages who speaks
        for at, message in enumerate(_listed(mapping(values).get("messages"))):
            if mapping(message).get("role") == "function":
                yield from _at(message, ("name",), ("messages", at))


def _at(value: Any, place: Sequence[str], path: tuple[str | int, ...]) -> Iterator[tuple[Path, str]]:
    step, rest = place[0], place[1:]
    if step == _EVERY:
        for at, one in enumerate(_listed(value)):
            yield from _at(one, rest, (*path, at))
    elif isinstance(value, dict) and step in value:
        inner = cast("dict[str, Any]", value)[step]
        if rest:
            yield from _at(inner, rest, (*path, step))
        elif isinstance(inner, str):
            yield (*path, step), inner


def _listed(value: Any) -> Iterable[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else ()
