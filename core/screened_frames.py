"""The frames of a stream, each held back until it is clear that nothing forbidden is in the texts up to it.

Frames are passed on byte for byte, so nothing can be taken out of one: what would have to be ends the stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
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


class ScreenedFrames:
    """Screens what a model writes, by the place in the answer that it is written to."""

    def __init__(self, guardrails: Guardrails) -> None:
        """Begin with nothing."""
        self._guardrails = guardrails
        self._channels: dict[Channel, tuple[ScreenedText, list[str]]] = {}
        """What screens each text, and what was written of it and is not clear."""
        self._held: deque[Any] = deque()

    def of(self, frames: tuple[Any, ...]) -> tuple[Any, ...]:
        """Take in *frames*; return those that may be passed on, in order.

        Raises:
            GuardrailBlocked: what was written may not be shown.

        """
        written: dict[Channel, list[str]] = {}
        for frame in frames:
            if frame.event:
                _gather(frame.event, (), written)
        for channel, texts in written.items():
            self._add(channel, "".join(texts))
        self._held += frames
        return self._released() if all(not pending for _, pending in self._channels.values()) else ()

    def rest(self) -> tuple[Any, ...]:
        """Return what is held, now that nothing more comes; raises GuardrailBlocked."""
        for screened, pending in self._channels.values():
            shown, goes_on = screened.news(is_last=True)
            if not goes_on or shown != "".join(pending):
                raise _forbidden()
        return self._released()

    def _add(self, channel: Channel, text: str) -> None:
        screened, pending = self._channels.setdefault(channel, (self._guardrails.screened_text(), []))
        screened.add(text)
        pending.append(text)
        shown, goes_on = screened.news()
        written = "".join(pending)
        if not goes_on or not written.startswith(shown):
            raise _forbidden()
        pending[:] = [written[len(shown) :]] if len(shown) < len(written) else []

    def _released(self) -> tuple[Any, ...]:
        released = tuple(self._held)
        self._held.clear()
        return released


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
