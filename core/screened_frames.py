"""The frames of a stream, each held back until it is clear that nothing forbidden is in the texts up to it.

Frames are passed on byte for byte, so nothing can be taken out of one: what would have to be ends the stream.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.dialects import Places
from core.errors import GuardrailBlocked
from core.guardrails import Guardrails, ScreenedText, Stage
from core.screened_places import TWICE, placed_screen

Channel = tuple[Any, ...]
_DICT: Any = dict
_NESTED: Any = (dict, list)
_USUAL_LINES = 3
"""Of a frame: its name, what it says, and the empty one behind."""


_TELLS_NOTHING = 8
"""Fewer characters of what may have become a secret are none."""
_WHOLE = (".done", ".added", ".created", ".in_progress", ".queued", ".completed", ".incomplete", ".failed", "error")
"""How kinds of events end that repeat what has been written, or tell of it: no text in them goes on in another."""
_BESIDE = re.compile(rb"^(?!data:|event:)[^\r\n]+", re.MULTILINE)
"""Lines of a frame beside what it says: comments, and what no reader knows."""


@dataclass(slots=True)
class _Written:
    """What is written to one place."""

    screened: ScreenedText
    size: int = 0
    """Characters that came."""
    shown: int = 0
    """Those that are clear."""
    pending: str = ""
    """The others."""


class ScreenedFrames:
    """Screens what a model writes, by the place in the answer that it is written to."""

    def __init__(self, guardrails: Guardrails, places: Places) -> None:
        """Begin with nothing; *places* says which members of an event are no texts."""
        self._guardrails = guardrails
        self._places = places
        self._unseen = places.unseen_in_events
        self._channels: dict[Channel, _Written] = {}
        self._held: deque[tuple[Any, Sequence[tuple[_Written, int]]]] = deque()
        """Frames, each with how much has to be clear of what it writes to."""

    def of(self, frames: tuple[Any, ...]) -> tuple[Any, ...]:
        """Take in *frames*; return those that may be passed on, in order.

        Raises:
            GuardrailBlocked: what was written may not be shown.

        """
        fresh: dict[Channel, list[str]] = {}
        for frame in frames:
            written: dict[Channel, list[str]] = {}
            if frame.event is None:
                self._require_clear(frame.raw)
            elif str(frame.event.get("type")).endswith(_WHOLE):
                self._require_whole(frame.raw, frame.event)
            else:
                _gather(frame.event, (), written, self._unseen)
                if frame.raw.count(b"\n") > _USUAL_LINES or b"\r" in frame.raw:
                    self._require_clear(b"\n".join(_BESIDE.findall(frame.raw)))
            self._held.append((frame, [self._add(channel, texts) for channel, texts in written.items()]))
            for channel, texts in written.items():
                fresh.setdefault(channel, []).extend(texts)
        for channel, texts in fresh.items():
            self._look(self._channels[channel], "".join(texts))
        return self._released()

    def rest(self) -> tuple[Any, ...]:
        """Return what is held, now that nothing more comes; raises GuardrailBlocked."""
        for one in self._channels.values():
            self._look(one, "", is_last=True)
        return self._released()

    def broken_off(self) -> tuple[Any, ...]:
        """Return what may be passed on of what is held, now that the stream broke: no beginning of a secret."""
        return self._released(beyond=_TELLS_NOTHING - 1)

    def _require_whole(self, raw: bytes, event: Mapping[str, Any]) -> None:
        """Go on only if nothing is to be taken out of an event whose texts are whole; else raise GuardrailBlocked."""
        if TWICE in raw or not self._guardrails.passes(raw, Stage.OUTPUT):
            screen = placed_screen(self._guardrails, Stage.OUTPUT, [])
            if self._places.screened(event, screen, "answer") is not event:
                raise _forbidden()

    def _require_clear(self, raw: bytes) -> None:
        """Go on only if nothing is to be taken out of what is no event; else raise GuardrailBlocked."""
        text = raw.decode(errors="replace")
        if text.strip() and self._guardrails.screened(text) != text:
            raise _forbidden()

    def _add(self, channel: Channel, texts: Sequence[str]) -> tuple[_Written, int]:
        one = self._channels.get(channel)
        if one is None:
            one = self._channels[channel] = _Written(self._guardrails.screened_text(place=""))
        one.size += sum(map(len, texts))
        return one, one.size

    def _look(self, one: _Written, text: str, *, is_last: bool = False) -> None:
        one.screened.add(text)
        one.pending += text
        shown = one.screened.news(is_last=is_last)
        if not one.pending.startswith(shown) or (is_last and shown != one.pending):
            raise _forbidden()
        one.shown += len(shown)
        one.pending = one.pending[len(shown) :]

    def _released(self, beyond: int = 0) -> tuple[Any, ...]:
        released: list[Any] = []
        while self._held and all(size <= one.shown + beyond for one, size in self._held[0][1]):
            released.append(self._held.popleft()[0])
        return tuple(released)


def _forbidden() -> GuardrailBlocked:
    return GuardrailBlocked(
        "The answer holds what a guardrail takes out, which cannot be done in a stream. Ask for it in one piece.",
        stage="output",
    )


def _gather(
    value: Mapping[str, Any], channel: Channel, written: dict[Channel, list[str]], unseen: frozenset[str]
) -> None:
    """Add every text in *value* to those *written* before it in the same place, but for members that are *unseen*."""
    place: Channel = channel
    found: list[tuple[str, Any]] = []
    for name, inner in value.items():
        if isinstance(inner, str):
            if name == "type":
                place = (*place, inner)
            elif inner and name not in unseen:
                found.append((name, inner))
        elif isinstance(inner, _NESTED):
            if inner and name not in unseen:
                found.append((name, inner))
        elif name.endswith("index"):
            place = (*place, inner)
    for name, inner in found:
        if isinstance(inner, str):
            written.setdefault((*place, name), []).append(inner)
        else:
            _gather_within(inner, (*place, name), written, unseen)


def _gather_within(value: Any, channel: Channel, written: dict[Channel, list[str]], unseen: frozenset[str]) -> None:
    if isinstance(value, _DICT):
        _gather(value, channel, written, unseen)
        return
    for at, inner in enumerate(value):
        if isinstance(inner, _DICT):
            _gather(inner, (*channel, at), written, unseen)
        elif isinstance(inner, list):
            _gather_within(inner, (*channel, at), written, unseen)
        elif isinstance(inner, str):
            written.setdefault((*channel, at), []).append(inner)
