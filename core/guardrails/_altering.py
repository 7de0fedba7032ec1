"""What becomes of one text by all that those say of it who are asked elsewhere."""

from __future__ import annotations

from core.detection import Span, merged
from core.errors import GuardrailBlocked
from core.guardrails._findings import Finding, Region, blocked, left, marked, take_verdict
from core.guardrails._outside import CHANGED, Verdict
from core.guardrails._rules import Action, Guardrail, Stage


class Altering:
    """A text, which each of them judges as it came."""

    def __init__(self, text: str, stage: Stage, findings: list[Finding], place: str) -> None:
        """Begin with a *text* that stands in a *place*; what they say is added to *findings*."""
        self._text = text
        self._stage = stage
        self._findings = findings
        self._place = place
        self._mark = ""
        self._other: tuple[Guardrail, str] | None = None
        self._spans: list[tuple[Guardrail, Span]] = []

    def take(self, guardrail: Guardrail, verdict: Verdict) -> None:
        """Take in what one says; raises GuardrailBlocked where it may not go on, or nobody knows as what."""
        redacts = guardrail.action is Action.REDACT
        if verdict.spans:
            found = left(guardrail, self._text, verdict.spans)
            if found:
                take_verdict(guardrail, self._stage, verdict.kind, self._findings, self._place, count=len(found))
            self._spans += [(guardrail, one) for one in found if redacts]
        elif verdict.kind:
            take_verdict(guardrail, self._stage, verdict.kind, self._findings, self._place)
            self._mark = f"[redacted: {verdict.kind}]" if redacts else self._mark
        elif verdict.text is not None and verdict.text != self._text and redacts:
            take_verdict(guardrail, self._stage, CHANGED, self._findings, self._place)
            if self._other:
                raise self._crossing(guardrail, self._other[0])
            self._other = guardrail, verdict.text

    @property
    def result(self) -> str:
        """The text as it goes on; a mark for all of it goes before all else. Raises GuardrailBlocked."""
        if self._mark:
            return self._mark
        if self._other and self._spans:
            raise self._crossing(self._spans[0][0], self._other[0])
        if self._other:
            return self._other[1]
        whole = merged(span for _, span in self._spans)
        return marked(self._text, [Region(one.start, one.end, one.kind) for one in whole])

    def _crossing(self, guardrail: Guardrail, other: Guardrail) -> GuardrailBlocked:
        why = f": the guardrails {other.name} and {guardrail.name} would each make another text of it."
        return blocked(guardrail, self._stage, why, self._findings, self._place)
