"""Who decides what is shown of the texts of a stream: guardrails, and behind them what puts back what they replaced."""

from __future__ import annotations

from typing import Protocol

from core.dialects import PlacedText, Screen
from core.guardrails import Finding, GivenBack, Guardrails, Stage
from core.json_leaves import Steps
from core.json_strings import OpenString
from core.screened_places import TWICE, placed_screen
from core.written_texts import REASONING


class FrameScreen(Protocol):
    """Says what is shown of each text that events write or repeat; whatever it is asked may raise GuardrailBlocked."""

    @property
    def goes_by_fields(self) -> bool:
        """Whether the text of an answer is read as JSON, though nobody asked for that."""
        ...

    def growing(self, place: str, steps: Steps | None = None) -> OpenString:
        """Return what shows a text while it is written; *steps* lead to it, if they are known."""
        ...

    def whole(self, text: str, place: str, steps: Steps | None = None) -> str:
        """Return a whole *text* as it is shown."""
        ...

    def lets_stand(self, digits: str, place: str, steps: Steps) -> bool:
        """Return whether a number may be shown."""
        ...

    def placed(self) -> Screen:
        """Return what shows the texts of an event that repeats what was written."""
        ...

    def passes(self, document: bytes) -> bool:
        """Whether it is clear at a glance that nothing in a JSON *document* is shown otherwise."""
        ...

    def lets_pass(self, text: str) -> bool:
        """Whether *text*, which is no event, may be shown as it is."""
        ...


class AllowedTexts:
    """Shows what guardrails let go on."""

    def __init__(self, guardrails: Guardrails) -> None:
        """Take the rules."""
        self._guardrails = guardrails

    @property
    def goes_by_fields(self) -> bool:
        """Whether it matters to a rule in which field of an answer a text stands."""
        return self._guardrails.goes_by_fields

    def growing(self, place: str, steps: Steps | None = None) -> OpenString:
        """Return what shows a text while it is written."""
        return self._guardrails.screened_text(steps, place)

    def whole(self, text: str, place: str, steps: Steps | None = None) -> str:
        """Return a whole *text* as it is shown."""
        return self._guardrails.screen_text(text, Stage.OUTPUT, [], place, steps)

    def lets_stand(self, digits: str, place: str, steps: Steps) -> bool:
        """Return whether a number may be shown."""
        return self._guardrails.lets_stand(digits, steps, place)

    def placed(self) -> Screen:
        """Return what shows the texts of an event that repeats what was written."""
        return placed_screen(self._guardrails, Stage.OUTPUT, [])

    def passes(self, document: bytes) -> bool:
        """Whether it is clear at a glance that nothing in a JSON *document* is shown otherwise."""
        return TWICE not in document and self._guardrails.passes(document, Stage.OUTPUT)

    def lets_pass(self, text: str) -> bool:
        """Whether *text*, which is no event, may be shown as it is."""
        return self._guardrails.screened(text) == text


class RestoredTexts:
    """Shows what guardrails let go on as its caller gets it, with what they replaced in his request put back.

    What is no event stays as it is, and so do thoughts: a vendor may seal them with an event that is yet to come.
    """

    goes_by_fields = True
    """A datum is written as JSON wherever it stands in some."""

    def __init__(self, giving: GivenBack) -> None:
        """Take what puts back."""
        self._giving = giving

    def growing(self, place: str, steps: Steps | None = None) -> OpenString:
        """Return what shows a text while it is written."""
        return _AsItIs() if place == REASONING else self._giving.growing(steps, place)

    def whole(self, text: str, place: str, steps: Steps | None = None) -> str:
        """Return a whole *text* as it is shown."""
        return text if place == REASONING else self._giving.text(text, [], place, steps)

    def lets_stand(self, digits: str, place: str, steps: Steps) -> bool:  # noqa: ARG002 as the protocol has it
        """Say yes: it was looked at before."""
        return True

    def placed(self) -> Screen:
        """Return what shows the texts of an event that repeats what was written."""
        screen = placed_back(self._giving, [])
        return lambda placed: placed.text if placed.place == REASONING else screen(placed)

    def passes(self, document: bytes) -> bool:  # noqa: ARG002 as the protocol has it
        """Say no: what stands for a placeholder may be escaped."""
        return False

    def lets_pass(self, text: str) -> bool:  # noqa: ARG002 as the protocol has it
        """Say yes: nothing is put back into it."""
        return True


def placed_back(giving: GivenBack, findings: list[Finding]) -> Screen:
    """Return what puts back what was replaced in a request into the texts of a body, but for what its vendor sealed."""

    def restored(placed: PlacedText) -> str:
        if placed.is_sealed or placed.is_number:
            return placed.text
        return giving.text(placed.text, findings, placed.place + " key" * placed.is_name, placed.within)

    return restored


class _AsItIs:
    """A text that is shown as it comes."""

    def __init__(self) -> None:
        self._fresh: list[str] = []
        self.told = 0

    def add(self, piece: str) -> None:
        self._fresh.append(piece)

    def news(self, *, is_last: bool = False) -> str:  # noqa: ARG002 as the protocol has it
        news = "".join(self._fresh)
        self._fresh.clear()
        self.told += len(news)
        return news
