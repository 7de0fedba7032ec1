"""The frames of a stream, each held back until it is clear that nothing forbidden is in the texts up to it.

Frames are passed on byte for byte, so nothing can be taken out of one: what would have to be ends the stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import GuardrailBlocked
from core.guardrails import Guardrails, ScreenedText

_TEXTS = frozenset(
    {"content", "text", "delta", "arguments", "partial_json", "refusal", "reasoning_content", "reasoning", "thinking"}
)
"""Members of events that hold what a model writes."""
Channel = tuple[Any, ...]
_DICT: Any = dict
_NESTED: Any = (dict, list)


_TELLS_NOTHING = 8
"""Fewer characters of what may have become a secret are none."""


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

    def __init__(self, guardrails: Guardrails) -> None:
        """Begin with nothing."""
        self._guardrails = guardrails
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
            if frame.event:
                _gather(frame.event, (), written)
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

    def _add(self, channel: Channel, texts: Sequence[str]) -> tuple[_Written, int]:
        one = self._channels.get(channel)
        if one is None:
            one = self._channels[channel] = _Written(self._guardrails.screened_text())
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


def _gather(value: Mapping[str, Any], channel: Channel, written: dict[Channel, list[str]]) -> None:
    """Add every text that a model writes in *value* to those *written* before it in the same place."""
    place: Channel = channel
    found: list[tuple[str, Any]] = []
    for name, inner in value.items():
        if isinstance(inner, str):
            if name in _TEXTS:
                if inner:
                    found.append((name, inner))
            elif name == "type":
                place = (*place, inner)
        elif isinstance(inner, _NESTED):
            if inner:
                found.append((name, inner))
        elif name.endswith("index"):
            place = (*place, inner)
    for name, inner in found:
        if isinstance(inner, str):
            written.setdefault((*place, name), []).append(inner)
        else:
            _gather_within(inner, (*place, name), written)


def _gather_within(value: Any, channel: Channel, written: dict[Channel, list[str]]) -> None:
    if isinstance(value, _DICT):
        _gather(value, channel, written)
        return
    for at, inner in enumerate(value):
        if isinstance(inner, _DICT):
            _gather(inner, (*channel, at), written)
        elif isinstance(inner, list):
            _gather_within(inner, (*channel, at), written)
