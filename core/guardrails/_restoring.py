"""An answer as its caller gets it: what was replaced in his request is put back, once all else has looked at it.

Where data of the caller's stand then is known, so they are not taken for what a model made up. What only arises now,
of a datum and what the model wrote around it, is looked for by all rules but those that ask others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from core.detection import Span
from core.guardrails._findings import Finding
from core.guardrails._growing import ScreenedText, with_open_text
from core.guardrails._panel import Panel
from core.guardrails._places import ANSWER
from core.guardrails._replacing import Placeholders
from core.guardrails._rules import Guardrail, Judge, ModelJudge, Stage
from core.json_leaves import Steps, with_numbers, with_texts

Place = Sequence[str | int] | None


class GivenBack:
    """Shows the texts of an answer in which placeholders of its call may stand."""

    def __init__(self, members: Sequence[Guardrail], screen: Panel, placeholders: Placeholders) -> None:
        """*screen* is of all *members*, and sees placeholders; what they stand for goes to nobody else."""
        self._screen = screen
        self._placeholders = placeholders
        self._rest = Panel(Stage.OUTPUT, [*filter(asks_nobody, members)], placeholders)
        self.count = 0
        """How many data were put back into texts that are whole."""

    def text(self, text: str, findings: list[Finding], place: str = "", steps: Place = None) -> str:
        """Return a whole *text*, which was screened, as its caller gets it; *steps* lead to it, if they are known.

        Raises:
            GuardrailBlocked: he may not.

        """
        restored, own = self._placeholders.restored(text)
        self.count += len(own)
        return self._rest.at(place, steps).screen(restored, findings, place, own) if own else text

    def value(self, value: Any, findings: list[Finding], place: str) -> Any:
        """Return a JSON *value*, which was screened, as its caller gets it; raises GuardrailBlocked."""

        def restored(text: str, steps: Steps, is_name: bool) -> str:  # noqa: FBT001 as the way calls it
            return self.text(text, findings, place + " key" * is_name, steps)

        return with_texts(value, restored)

    def screened(self, text: str, steps: Place = None) -> str:
        """Return a text of an answer as it may be shown; raises GuardrailBlocked. *steps* lead to it, if known."""
        return self.text(self._screen.at(ANSWER, steps).screen(text, []), [], ANSWER, steps)

    def screen_partial(self, value: Any, open_text: str | None = None) -> Any:
        """Return a JSON *value* that is still being written as ``Guardrails.screen_partial`` does, restored."""
        return with_numbers(with_open_text(value, open_text, self.screened, self._open), self.lets_stand)

    def lets_stand(self, digits: str, steps: Place = None) -> bool:
        """Return whether a number of an answer may stand where *steps* lead to; raises GuardrailBlocked."""
        return self._screen.at(ANSWER, steps).lets_stand(digits, [], ANSWER)

    def screened_text(self, steps: Place = None, place: str = ANSWER) -> RestoredText:
        """Return what shows a text of an answer while it is written; *steps* lead to it, if they are known."""
        return RestoredText(ScreenedText(self._screen.at(place, steps)), self.growing(steps, place))

    def growing(self, steps: Place = None, place: str = ANSWER) -> GrowingBack:
        """Return what shows a text while it is written, of what was screened before; *steps* are as above."""
        return GrowingBack(self._placeholders, ScreenedText(self._rest.at(place, steps), is_restored=True))

    @property
    def goes_by_fields(self) -> bool:
        """Whether it matters in which field of an answer a text stands."""
        return self._screen.goes_by_fields

    def _open(self, text: str, steps: Place) -> str:
        shown = self._screen.at(ANSWER, steps).screen_open(text)
        restored, own = self._placeholders.restored(shown[: self._placeholders.decided(shown)])
        return self._rest.at(ANSWER, steps).screen_open(restored, own)


class RestoredText:
    """A text of an answer while it is written, with the data in it put back, so that all that is shown of it stays."""

    def __init__(self, screened: ScreenedText, given: GrowingBack) -> None:
        """Begin with nothing; what is *given* is what was *screened*."""
        self._screened = screened
        self._given = given

    def add(self, piece: str) -> None:
        """Go on with *piece*."""
        self._screened.add(piece)

    def news(self, *, is_last: bool = False) -> str:
        """Return what is shown of it since the last time; raises GuardrailBlocked."""
        self._given.add(self._screened.news(is_last=is_last))
        return self._given.news(is_last=is_last)

    def shown(self) -> str:
        """Return all that has been shown of it."""
        return self._given.shown()


class GrowingBack:
    """A text that was screened, while it is written, with the data in it put back.

    As much of it is held back as may become a placeholder, so what is shown is a beginning of the restored whole. A
    datum is shown at once: of what came it is always clear what is shown in its place.
    """

    def __init__(self, placeholders: Placeholders, rest: ScreenedText) -> None:
        """Begin with nothing; *rest* looks at what there is behind the restoring."""
        self._placeholders = placeholders
        self._rest = rest
        self._held = ""
        self._length = 0
        """Of what has gone to the rest."""
        self._data: deque[tuple[int, int, int]] = deque()
        """Of each datum in that which is not told: where it begins and ends, and how much longer it made the text."""
        self._longer = 0
        """By how much those that are told made it longer."""
        self._waiting: list[str] = []
        """What is shown of the beginning of a datum."""
        self._shown: list[str] = []
        self.told = 0
        """Of how many characters that came it is known what is shown in their place."""

    def add(self, piece: str) -> None:
        """Go on with *piece*."""
        self._held += piece

    def news(self, *, is_last: bool = False) -> str:
        """Return what is shown of it since the last time; raises GuardrailBlocked."""
        end = len(self._held) if is_last else self._placeholders.decided(self._held)
        text, self._held = self._held[:end], self._held[end:]
        if text:
            self._put_back(text)
        self._waiting.append(self._rest.news(is_last=is_last))
        told = self._length if is_last else self._rest.told
        while self._data and self._data[0][1] <= told:
            self._longer += self._data.popleft()[2]
        if self._data and self._data[0][0] < told:
            return ""
        self.told = told - self._longer
        news = "".join(self._waiting)
        self._waiting.clear()
        self._shown.append(news)
        return news

    def shown(self) -> str:
        """Return all that has been shown of it."""
        return "".join(self._shown)

    def _put_back(self, text: str) -> None:
        """Give the rest a *text* that cannot become anything else."""
        parts, own, at, length = list[str](), list[Span](), 0, self._length
        for start, end, datum in self._placeholders.found(text):
            begin = length + start - at
            length = begin + len(datum.text)
            own.append(Span(begin, length, datum.kind))
            self._data.append((begin, length, len(datum.text) - (end - start)))
            parts += (text[at:start], datum.text)
            at = end
        self._rest.add("".join([*parts, text[at:]]), own)
        self._length = length + len(text) - at


def asks_nobody(guardrail: Guardrail) -> bool:
    """Whether a rule may see data that no model saw; a judge has to say so, whoever it may be."""
    search = guardrail.search
    return not isinstance(search, Judge | ModelJudge) or bool(getattr(search, "judges_restored", False))
