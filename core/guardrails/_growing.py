"""A text of an answer while it is written: what is shown of it is always a beginning of what the whole would show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from core.detection import Detector, Span
from core.detection.headed import Headed
from core.guardrails._findings import arising, left, marked, settled
from core.guardrails._panel import Panel
from core.guardrails._rules import Guardrail, Stage
from core.json_leaves import Steps, with_texts


@dataclass(slots=True)
class _Search:
    """A rule that searches, and from where on it has not searched for good."""

    guardrail: Guardrail
    detector: Detector
    begin: int = 0


class ScreenedText:
    """A text of an answer while it is written. What is settled of it is searched once, and not kept.

    Each rule has its own place up to which nothing that comes can change what it found; what is shown ends where one of
    them is undecided, or where something that is to be redacted may still grow. So nothing shown is ever taken back.
    """

    _OFTEN_UP_TO = 4_000
    _GROWTH = 8

    def __init__(self, panel: Panel, *, is_restored: bool = False) -> None:
        """Begin with nothing. Of a text that *is_restored* only that is looked at which arises by that."""
        self._panel = panel
        self._searches = [_Search(guardrail, detector) for guardrail, detector in panel.detectors]
        self._text = ""
        """What is not settled, or has not been told."""
        self._start = 0
        """Where it begins in the whole; so are all places here."""
        self._looked_at = 0
        """How much of it there was when it was looked at for the last time."""
        self._waiting: list[str] = []
        self._waiting_size = 0
        self._own: list[Span] | None = [] if is_restored else None
        """Where the caller's own data were put back into it."""
        self._settled: list[tuple[Guardrail, list[Span]]] = []
        """What was found for good, and reaches into what has not been told."""
        self._told = 0
        self._shown: list[str] = []

    @property
    def told(self) -> int:
        """Of how many characters that came it is known what is shown in their place."""
        return self._told

    def add(self, piece: str, own: Sequence[Span] = ()) -> None:
        """Go on with *piece*; *own* says where in the whole the caller's own data in it are."""
        if self._own is not None:
            self._own += own
        self._waiting.append(piece)
        self._waiting_size += len(piece)

    def news(self, *, is_last: bool = False) -> str:
        """Return what is shown of it since the last time.

        What is long and not settled is searched again when it has grown by an eighth. If it *is_last*, the text ends
        here: it is whole, and nothing is held back any more.

        Raises:
            GuardrailBlocked: it may not be shown.

        """
        size = len(self._text) + self._waiting_size
        is_soon = size > self._OFTEN_UP_TO and size < self._looked_at + self._looked_at // self._GROWTH
        if not is_last and (not self._waiting or is_soon):
            return ""
        self._text = "".join((self._text, *self._waiting))
        self._waiting.clear()
        self._waiting_size = 0
        if is_last and self._panel.outside:
            news = self._panel.screen(self._text, [])  # nothing was shown, so this is all of it
            self._told, self._text = self._start + len(self._text), ""
            self._shown.append(news)
            return news
        if is_last:
            self._panel.judge(self._text, [])  # where there is a judge nothing was shown, so this is all of it
        news = self._shown_now(is_last=is_last)
        self._forget()
        if news:
            self._shown.append(news)
        return news

    def shown(self) -> str:
        """Return all that has been shown of it."""
        return "".join(self._shown)

    def _shown_now(self, *, is_last: bool) -> str:
        end = self._start + len(self._text)
        growing: list[tuple[Guardrail, list[Span]]] = []
        for one in self._searches:
            end = min(end, self._look(one, growing, is_last=is_last))
        if self._panel.waits and not is_last:
            end = self._told
        regions = settled([*self._settled, *growing], Stage.OUTPUT, []) if self._settled or growing else []
        end = next((span.start for span in regions if span.start < end < span.end), end)
        begin, self._told = self._told, end
        text = self._text[begin - self._start : end - self._start]
        fresh = [span for span in regions if begin < span.end <= end]  # what was told is found once more for good
        return marked(text, fresh, self._panel.mark, begin) if fresh else text

    def _look(self, one: _Search, growing: list[tuple[Guardrail, list[Span]]], *, is_last: bool) -> int:
        """Search on with *one*; return up to where it is decided."""
        text = self._text[one.begin - self._start :] if one.begin > self._start else self._text
        size = len(text)
        ends = size if is_last else one.detector.forgettable(text)
        if ends and (found := one.detector.find(text[:ends])):
            self._settled.append((one.guardrail, self._new(_moved(left(one.guardrail, text, found), one.begin))))
        one.begin += ends
        if ends and isinstance(one.detector, Headed):
            one.detector = one.detector.rest
        if ends == size:
            return one.begin
        rest = text[ends:]
        decided = one.detector.decided(rest)
        if decided and (found := [span for span in one.detector.find(rest) if span.end <= decided]):
            growing.append((one.guardrail, self._new(_moved(left(one.guardrail, rest, found), one.begin))))
        return one.begin + decided

    def _new(self, spans: list[Span]) -> list[Span]:
        return spans if self._own is None else arising(spans, self._own)

    def _forget(self) -> None:
        """Keep no more than may be told yet, or searched again."""
        begin = min([self._told, *(one.begin for one in self._searches)])
        if begin > self._start:
            self._text, self._start = self._text[begin - self._start :], begin
        self._looked_at = len(self._text)
        if self._own:
            self._own = [span for span in self._own if span.end > self._start]
        if self._settled:
            kept = ((one, [span for span in spans if span.end > self._told]) for one, spans in self._settled)
            self._settled = [(one, spans) for one, spans in kept if spans]


def with_open_text(
    value: Any, open_text: str | None, whole: Callable[[str, Steps], str], growing: Callable[[str, Steps], str]
) -> Any:
    """Return a JSON *value* that is still being written, its texts as *whole* and *growing* show them, names included.

    The last string that is *open_text* is still being written, all others are whole; without it any may be.
    """
    alike: list[str] = []

    def noted(text: str, _: Steps, is_name: bool) -> str:  # noqa: FBT001 as the way calls it
        if text == open_text and not is_name:
            alike.append(text)
        return text

    def shown(text: str, steps: Steps, is_name: bool) -> str:  # noqa: FBT001 as the way calls it
        if is_name:  # of one that is still being written nothing is in the value
            return whole(text, steps)
        is_open = open_text is None or (text == open_text and len(alike) == 1)
        if text == open_text:
            alike.pop()
        return growing(text, steps) if is_open else whole(text, steps)

    with_texts(value, noted)
    return with_texts(value, shown)


def _moved(spans: Sequence[Span], by: int) -> list[Span]:
    return [Span(span.start + by, span.end + by, span.kind) for span in spans] if by else list(spans)
