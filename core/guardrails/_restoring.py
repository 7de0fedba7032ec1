"""An answer as its caller gets it: what was replaced in his request is put back, once all else has looked at it.

Where data of the caller's stand then is known, so they are not taken for what a model made up. What only arises now,
of a datum and what the model wrote around it, is looked for by all rules but those that ask others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.detection import Span
from core.guardrails._findings import Finding
from core.guardrails._growing import ScreenedText, with_open_text
from core.guardrails._panel import Panel
from core.guardrails._places import ANSWER
from core.guardrails._replacing import Placeholders
from core.guardrails._rules import Guardrail, Judge, ModelJudge, Stage
from core.json_leaves import Steps, with_texts

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
        return with_open_text(value, open_text, self.screened, self._open)

    def screened_text(self, steps: Place = None, place: str = ANSWER) -> RestoredText:
        """Return what shows a text of an answer while it is written; *steps* lead to it, if they are known."""
        rest = ScreenedText(self._rest.at(place, steps), is_restored=True)
        return RestoredText(ScreenedText(self._screen.at(place, steps)), self._placeholders, rest)

    @property
    def goes_by_fields(self) -> bool:
        """Whether it matters in which field of an answer a text stands."""
        return self._screen.goes_by_fields

    def _open(self, text: str, steps: Place) -> str:
        shown = self._screen.at(ANSWER, steps).screen_open(text)
        restored, own = self._placeholders.restored(shown[: self._placeholders.decided(shown)])
        return self._rest.at(ANSWER, steps).screen_open(restored, own)


class RestoredText:
    """A text of an answer while it is written, with the data in it put back.

    As much of it is held back as may become a placeholder, so what is shown is a beginning of the restored whole.
    """

    def __init__(self, screened: ScreenedText, placeholders: Placeholders, rest: ScreenedText) -> None:
        """Begin with nothing; *rest* looks at what there is behind the restoring."""
        self._screened = screened
        self._placeholders = placeholders
        self._rest = rest
        self._held = ""
        self._length = 0
        """Of what has gone to the rest."""

    def add(self, piece: str) -> None:
        """Go on with *piece*."""
        self._screened.add(piece)

    def news(self, *, is_last: bool = False) -> str:
        """Return what is shown of it since the last time; raises GuardrailBlocked."""
        self._held += self._screened.news(is_last=is_last)
        end = len(self._held) if is_last else self._placeholders.decided(self._held)
        restored, own = self._placeholders.restored(self._held[:end])
        self._held = self._held[end:]
        if restored:
            moved = [Span(one.start + self._length, one.end + self._length, one.kind) for one in own]
            self._rest.add(restored, moved)
            self._length += len(restored)
        return self._rest.news(is_last=is_last)

    def shown(self) -> str:
        """Return all that has been shown of it."""
        return self._rest.shown()


def asks_nobody(guardrail: Guardrail) -> bool:
    """Whether a rule may see data that no model saw; a judge has to say so, whoever it may be."""
    search = guardrail.search
    return not isinstance(search, Judge | ModelJudge) or bool(getattr(search, "judges_restored", False))
