"""What was found in a text, and what all rules together make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.detection import Span, merged
from core.errors import GuardrailBlocked, GuardrailUnavailable
from core.guardrails._rules import Action, Guardrail, Stage

NOT_JUDGED = "no verdict"
"""The kind of a finding where somebody was asked and gave no answer of use: its action says whether a text went on."""
HELD = {Stage.INPUT: "The request was not sent", Stage.OUTPUT: "The answer was held back"}
"""How a refusal begins, by the side on which a text was."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found in one text, of one kind. Nothing of the text is in it."""

    guardrail: str
    """The rule's name."""
    stage: Stage
    action: Action
    kind: str
    """What it was, with its article; empty where a judge objected."""
    count: int = 1
    place: str = ""
    """In what of a request or an answer: ``user text``, ``tool arguments``."""
    rule_id: str = ""
    path: str = ""
    """Where in it, as a JSON path; names in it that are not plain are left out."""

    @property
    def reason(self) -> str:
        """One plain sentence for the trace."""
        what = self.kind or "what it does not allow"
        at = f" at {self.path}" if self.path else ""
        where = f" in {self.place}{at}" if self.place else ""
        done = {Action.NOTE: "It went on.", Action.REDACT: "It was redacted.", Action.BLOCK: ""}[self.action]
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.guardrail} found {what}{where}{times}. {done}".strip()


def left(guardrail: Guardrail, text: str, spans: Iterable[Span]) -> list[Span]:
    """Return *spans* of *text* without what the rule makes an exception of."""
    if not guardrail.exceptions:
        return list(spans)
    return [span for span in spans if text[span.start : span.end] not in guardrail.exceptions]


def settled(
    hits: Sequence[tuple[Guardrail, Sequence[Span]]], stage: Stage, findings: list[Finding], place: str = ""
) -> list[Span]:
    """Take what rules found in one text into *findings*; return what is to be redacted, in order, without overlaps.

    All rules have judged the same text, so their order decides nothing: to block goes before to redact, and that before
    to note.

    Raises:
        GuardrailBlocked: a rule lets nothing of it go on.

    """
    blocking: tuple[Guardrail, str] | None = None
    for guardrail, spans in hits:
        for kind, count in Counter(span.kind for span in spans).items():
            findings.append(Finding(guardrail.name, stage, guardrail.action, kind, count, place, guardrail.rule_id))
        if blocking is None and guardrail.action is Action.BLOCK:
            blocking = guardrail, " and ".join(sorted({span.kind for span in spans}))
    if blocking is not None:
        guardrail, kinds = blocking
        raise blocked(guardrail, stage, f": the guardrail {guardrail.name} found {kinds} in it.", findings, place)
    return merged(span for guardrail, spans in hits if guardrail.action is Action.REDACT for span in spans)


def blocked(
    guardrail: Guardrail,
    stage: Stage,
    why: str,
    findings: Sequence[Finding],
    place: str = "",
    *,
    error_type: type[GuardrailBlocked] = GuardrailBlocked,
) -> GuardrailBlocked:
    """Return what is told where *guardrail* lets nothing go on, and *why*: nothing of the text, and no rule's words."""
    facts = {"place": place} if place else {}
    error = error_type(f"{HELD[stage]}{why}", guardrail=guardrail.name, stage=stage.value, **facts)
    error.findings = tuple(findings)
    return error


def take_verdict(
    guardrail: Guardrail, stage: Stage, kind: str, findings: list[Finding], place: str = "", *, count: int = 1
) -> None:
    """Take in what somebody who was asked objects to; raises GuardrailBlocked where the rule is to block."""
    findings.append(Finding(guardrail.name, stage, guardrail.action, kind, count, place, guardrail.rule_id))
    if guardrail.action is Action.BLOCK:
        raise blocked(guardrail, stage, f": the guardrail {guardrail.name} found {kind} in it.", findings, place)


def take_no_verdict(
    guardrail: Guardrail,
    stage: Stage,
    findings: list[Finding],
    place: str = "",
    *,
    goes_on: bool,
    is_final: bool = False,
) -> None:
    """Take in that nobody has judged what was asked about; *is_final* if nobody would if it were asked again.

    Raises:
        GuardrailBlocked: it does not go on without a verdict; GuardrailUnavailable, if there may be one later.

    """
    action = Action.NOTE if goes_on else Action.BLOCK
    findings.append(Finding(guardrail.name, stage, action, NOT_JUDGED, 1, place, guardrail.rule_id))
    if goes_on:
        return
    why = f": the guardrail {guardrail.name} got no verdict, and lets nothing go on without one."
    if is_final:
        raise blocked(guardrail, stage, why, findings, place)
    raise blocked(guardrail, stage, f"{why} Send it again later.", findings, place, error_type=GuardrailUnavailable)


def marked(text: str, regions: Iterable[Span]) -> str:
    """Return *text* with a mark for each of *regions*, which are in order."""
    parts: list[str] = []
    at = 0
    for span in regions:
        parts += (text[at : span.start], f"[redacted: {span.kind}]")
        at = span.end
    return "".join([*parts, text[at:]])
