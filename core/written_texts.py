"""The texts that events of a stream write, piece by piece: to which place of the answer, and when they are whole."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from core.dialects import Places

Channel = tuple[Any, ...]
"""A place of the answer that is written to: a kind of events, its indexes, and the names that lead to the text."""
Path = tuple[Any, ...]
"""Names and indexes that lead to a text in one event."""
_WHOLE_ENDS = (
    *(".done", ".added", ".created", ".in_progress", ".queued", ".completed", ".incomplete", ".failed", ".cancelled"),
    *("error", "message_start", "message_delta", "message_stop", "content_block_stop"),
)
"""How kinds of events end that repeat what has been written, or tell of it: no text in them goes on in another."""
_BLOCK = "content_block_start"
_IN_BLOCKS = "content_block_delta"
_GROWING = ("text", "thinking")
"""Members of a block that go on in its deltas."""
_LISTED = frozenset({"citations", "citation", "search_results"})
"""Members that hold whole texts, each event its own."""
_ARGUMENTS = ("arguments", "partial_json")
_CALLED = ("arguments.delta", "_call_input.delta", "_call_code.delta")
REASONING = "reasoning"
_THOUGHTS = ("thinking", "reasoning", "reasoning_content")
_SAID = ("content", "text", "refusal", "transcript")
_BESIDE = re.compile(rb"^(?!data:|event:)[^\r\n]+", re.MULTILINE)
"""Lines of a frame beside what it says: comments, and what no reader knows."""
Piece = tuple[Channel | None, Path, Any]
"""What an event writes to one place; without a channel, a member whose texts are whole."""
_DICT: Any = dict
_TEXT: Any = str
_LIST: Any = list
_WHOLE_NUMBER: Any = int


def lines_beside(raw: bytes) -> Sequence[bytes]:
    """Return the lines of a frame beside what it says."""
    return _BESIDE.findall(raw)


def is_whole(event: Mapping[str, Any]) -> bool:
    """Whether the texts of an *event* are whole: none goes on in another, and none began in one before."""
    kind = event.get("type")
    if kind.__class__ is not _TEXT:
        return False
    if kind == _BLOCK:
        block: Any = event.get("content_block")
        return not (isinstance(block, dict) and any(cast("dict[str, Any]", block).get(name) for name in _GROWING))
    return cast("str", kind).endswith(_WHOLE_ENDS)


class EventTexts:
    """Says what events write whose texts are not whole."""

    def __init__(self, places: Places, tools: Collection[str]) -> None:
        """*places* says which members are no texts; names of *tools* are nothing that a model wrote."""
        self._unseen = places.unseen_in_events
        self._listed = _LISTED.union(places.whole)
        self._tools = frozenset(tools)
        self._found: list[Piece] = []

    def of(self, event: Mapping[str, Any]) -> Sequence[Piece]:
        """Return what *event* writes, in order."""
        self._found = found = list[Piece]()
        kind = event.get("type")
        if kind == _BLOCK:
            block: Any = event["content_block"]
            place = (_IN_BLOCKS, None, None, _number(event, "index"), "delta")
            texts = [(name, block.get(name)) for name in _GROWING]
            found += [((*place, name), ("content_block", name), text) for name, text in texts if _is_text(text)]
            return found
        start: Channel = ()
        if kind.__class__ is _TEXT:
            start = (kind, _number(event, "output_index"), _part(event))
        self._gather(event, start, ())
        return found

    def _gather(self, value: Mapping[str, Any], channel: Channel, path: Path) -> None:
        at = value.get("index")
        if at.__class__ is _WHOLE_NUMBER:
            channel = (*channel, at)
        for name, inner in value.items():
            if not inner or name in self._unseen:
                continue
            if inner.__class__ is _TEXT:
                if name != "name" or inner not in self._tools:
                    self._found.append(((*channel, name), (*path, name), inner))
            elif name in self._listed:
                self._found.append((None, (*path, name), inner))
            elif inner.__class__ is _DICT:
                self._gather(inner, (*channel, name), (*path, name))
            elif inner.__class__ is _LIST:
                self._gather_listed(inner, (*channel, name), (*path, name))

    def _gather_listed(self, items: Sequence[Any], channel: Channel, path: Path) -> None:
        """Do as for an object; an entry that tells its index is written to that."""
        for at, inner in enumerate(items):
            if inner.__class__ is _DICT:
                is_told = inner.get("index").__class__ is _WHOLE_NUMBER
                self._gather(inner, channel if is_told else (*channel, at), (*path, at))
            elif inner.__class__ is _LIST:
                self._gather_listed(inner, (*channel, at), (*path, at))
            elif inner.__class__ is _TEXT and inner:
                self._found.append(((*channel, at), (*path, at), inner))


def place_of(channel: Channel) -> str:
    """Return the word for the place of what is written to *channel*; empty where nobody can say it."""
    kind, name = str(channel[0]), channel[-1]
    if name in _ARGUMENTS or (name == "delta" and kind.endswith(_CALLED)):
        return "tool arguments"
    if name in _THOUGHTS or (name == "delta" and ".reasoning" in kind):
        return REASONING
    return "answer" if name in _SAID or (name == "delta" and kind.startswith("response.")) else ""


def is_json(channel: Channel, *, is_answer_json: bool) -> bool:
    """Whether what is written to *channel* is JSON: arguments are, and the answer's text where that was asked for."""
    kind, name = str(channel[0]), channel[-1]
    if name in _ARGUMENTS or (name == "delta" and kind.endswith("arguments.delta")):
        return True
    if not is_answer_json:
        return False
    if kind == "choices":
        return name == "content" and channel[-2] in ("delta", "message")
    return kind == "response.output_text.delta" or (kind == _IN_BLOCKS and name == "text")


def closed_by(event: Mapping[str, Any], channels: Collection[Channel]) -> list[Channel]:
    """Return those of *channels* that are written to no more, as an *event* says."""
    kind = event.get("type")
    if kind.__class__ is not _TEXT:
        return list(_closed_choices(event, channels)) if event.get("choices") else []
    kind = cast("str", kind)
    if kind == "content_block_stop":
        at = _number(event, "index")
        return [one for one in channels if one[0] == _IN_BLOCKS and one[3:4] == (at,)]
    if kind == "response.output_item.done":
        at = _number(event, "output_index")
        return [one for one in channels if one[1:2] == (at,)]
    if kind.endswith(".done"):
        ended = (f"{kind[:-5]}.delta", _number(event, "output_index"), _part(event))
        return [one for one in channels if one[:3] == ended]
    if kind in ("message_delta", "message_stop", "response.completed", "response.incomplete", "response.failed"):
        return list(channels)
    return []


def _closed_choices(event: Mapping[str, Any], channels: Collection[Channel]) -> Iterator[Channel]:
    """Yield what belongs to choices that have ended, and say nothing with their end."""
    choices: Any = event["choices"]
    for choice in cast("list[Any]", choices) if isinstance(choices, list) else ():
        told = cast("dict[str, Any]", choice) if isinstance(choice, dict) else {}
        if told.get("finish_reason"):
            delta: Any = told.get("delta")
            said = cast("dict[str, Any]", delta) if isinstance(delta, dict) else {}
            if not any(value for name, value in said.items() if name != "role"):
                yield from [one for one in channels if one[:2] == ("choices", told.get("index"))]


def is_signed(value: Any) -> bool:
    """Whether there is a vendor's signature in *value*."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return bool(members.get("signature")) or any(map(is_signed, members.values()))
    return isinstance(value, list) and any(map(is_signed, cast("list[Any]", value)))


def _is_text(value: Any) -> bool:
    return value.__class__ is _TEXT and bool(value)


def _part(event: Mapping[str, Any]) -> int | None:
    """Return which part of an item an event is about."""
    part = _number(event, "content_index")
    return part if part is not None else _number(event, "summary_index")


def _number(value: Mapping[str, Any], name: str) -> int | None:
    found = value.get(name)
    return found if found.__class__ is _WHOLE_NUMBER else None
