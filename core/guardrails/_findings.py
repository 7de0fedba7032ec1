"""What was found in a text, and what all rules together make of it."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from core.detection import Span, merged
from core.detection.breaking import broken
from core.detection.personal import TOLD
from core.errors import GuardrailBlocked, GuardrailUnavailable
from core.guardrails._rules import Action, Guardrail, Stage

NOT_JUDGED = "no verdict"
"""The kind of a finding where somebody was asked and gave no answer of use: its action says whether a text went on."""
_TAKES_OUT = (Action.NEUTRALISE, Action.REPLACE, Action.REDACT)
HELD = {Stage.INPUT: "The request was not sent", Stage.OUTPUT: "The answer was held back"}
"""How a refusal begins, by the side on which a text was."""


_DONE = {
    Action.NOTE: "It went on.",
    Action.NEUTRALISE: "It was neutralised.",
    Action.REPLACE: "It was replaced.",
    Action.REDACT: "It was redacted.",
    Action.BLOCK: "",
}


_MOST_SHAPES = 3


@runtime_checkable
class Shaped(Protocol):
    """A search that says of what it finds what may be told of it beside its kind."""

    def shape(self, kind: str, text: str) -> str:
        """Return what may be told of *text*, which was found and is of this *kind*."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Region(Span):
    """What does not go on of a text as it stands there."""

    action: Action = Action.REDACT
    """What becomes of it."""
    is_restored: bool = False
    """Whether that is put back into the answer."""


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
    shape: str = ""
    """Of a secret its length, and what all of its vendor's begin with: ``ghp_…, 40 characters``."""

    @property
    def reason(self) -> str:
        """One plain sentence for the trace."""
        what = (self.kind or "what it does not allow") + (f" ({self.shape})" if self.shape else "")
        at = f" at {self.path}" if self.path else ""
        where = f" in {self.place}{at}" if self.place else ""
        done = _DONE[self.action]
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.guardrail} found {what}{where}{times}. {done}".strip()


def left(guardrail: Guardrail, text: str, spans: Iterable[Span]) -> list[Span]:
    """Return *spans* of *text* without what the rule makes an exception of."""
    if not guardrail.exceptions:
        return list(spans)
    return [span for span in spans if text[span.start : span.end] not in guardrail.exceptions]


def settled(
    hits: Sequence[tuple[Guardrail, Sequence[Span]]],
    stage: Stage,
    findings: list[Finding],
    place: str = "",
    text: str = "",
) -> list[Region]:
    """Take what rules found in one *text*, which need not be told, into *findings*; return what does not go on.

    That is in order, without overlaps.

    All rules have judged the same text, so their order decides nothing: to block goes before to redact, that before to
    replace, that before to neutralise, and that before to note.

    Raises:
        GuardrailBlocked: a rule lets nothing of it go on.

    """
    blocking: tuple[Guardrail, str] | None = None
    for guardrail, spans in hits:
        for kind, count in Counter(span.kind for span in spans).items():
            shape = _shape(guardrail, kind, text, spans)
            findings.append(
                Finding(guardrail.name, stage, guardrail.action, kind, count, place, guardrail.rule_id, shape=shape)
            )
        if blocking is None and guardrail.action is Action.BLOCK:
            blocking = guardrail, " and ".join(sorted({span.kind for span in spans}))
    if blocking is not None:
        guardrail, kinds = blocking
        raise blocked(guardrail, stage, f": the guardrail {guardrail.name} found {kinds} in it.", findings, place)
    return _regions([one for one in hits if one[0].action in _TAKES_OUT])


def _shape(guardrail: Guardrail, kind: str, text: str, spans: Sequence[Span]) -> str:
    """Return what may be told of what was found of one *kind*, of a few where they differ."""
    if not text or not isinstance(guardrail.search, Shaped):
        return ""
    found = [text[span.start : span.end] for span in spans if span.kind == kind][:_MOST_SHAPES]
    return "; ".join(dict.fromkeys(guardrail.search.shape(kind, one) for one in found))


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


def standing(error: GuardrailBlocked, where: str, findings: Sequence[Finding], **facts: str) -> GuardrailBlocked:
    """Return *error* with *where* it is that it speaks of."""
    named = type(error)(f"{error.message} It stands in {where}.", **{**error.facts, **facts})
    named.findings = tuple(findings)
    return named


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
    because: str = "",
) -> None:
    """Take in that nobody has judged what was asked about; *is_final* if nobody would if it were asked again.

    *because* is what is known of why, as a part of a sentence.

    Raises:
        GuardrailBlocked: it does not go on without a verdict; GuardrailUnavailable, if there may be one later.

    """
    action = Action.NOTE if goes_on else Action.BLOCK
    findings.append(Finding(guardrail.name, stage, action, NOT_JUDGED, 1, place, guardrail.rule_id))
    if goes_on:
        return
    name = guardrail.name
    why = f": the guardrail {name} got no verdict, and lets nothing go on without one."
    if because:
        why = f": {because}, and the guardrail {name} lets nothing go on that was not read."
    if is_final:
        raise blocked(guardrail, stage, why, findings, place)
    raise blocked(guardrail, stage, f"{why} Send it again later.", findings, place, error_type=GuardrailUnavailable)


def _regions(hits: Sequence[tuple[Guardrail, Sequence[Span]]]) -> list[Region]:
    """Return what *hits* take out. What overlaps is one, and what the strictest of its rules says becomes of it."""
    whole = merged(span for _, spans in hits for span in spans)
    if all(rule.action is Action.REDACT for rule, _ in hits):
        return [Region(one.start, one.end, one.kind) for one in whole]
    ends = [one.end for one in whole]
    rules: list[list[Guardrail]] = [[] for _ in whole]
    for rule, spans in hits:
        for span in spans:
            rules[bisect_right(ends, span.start)].append(rule)
    return [
        Region(one.start, one.end, one.kind, _strictest(by), all(rule.restores for rule in by))
        for one, by in zip(whole, rules, strict=True)
    ]


def _strictest(by: Iterable[Guardrail]) -> Action:
    return max((rule.action for rule in by), key=_TAKES_OUT.index)


def usual_mark(region: Region, text: str) -> str:
    """Return what stands in the place of a *text* that was taken out, or goes on without its effect."""
    if region.action is Action.NEUTRALISE:
        return broken(text)
    return f"[redacted: {region.kind}]"


def marked(
    text: str, regions: Iterable[Region], mark: Callable[[Region, str], str] = usual_mark, begin: int = 0
) -> str:
    """Return *text* with a mark for each of *regions*, which are in order, and count as if it began at *begin*."""
    parts: list[str] = []
    at = 0
    for one in regions:
        start, end = one.start - begin, one.end - begin
        parts += (text[at:start], mark(one, text[start:end]))
        at = end
    return "".join([*parts, text[at:]])


def arising(spans: Iterable[Span], own: Sequence[Span]) -> list[Span]:
    """Return those of *spans* that only arose as the caller's *own* data were put back, and are more than those."""
    return [
        one
        for one in spans
        if any(one.start < datum.end and datum.start < one.end for datum in own)
        and not any(_is_of(one, datum) for datum in own)
    ]


def _is_of(span: Span, datum: Span) -> bool:
    is_alike = span.kind == datum.kind or (span.kind in TOLD and datum.kind in TOLD)
    return is_alike and datum.start <= span.start and span.end <= datum.end
