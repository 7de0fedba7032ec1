"""The rules for one side of the provider, as they judge one text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from core.detection import Detector, Span
from core.detection.headed import Headed, ReadsNames
from core.guardrails._altering import Altering
from core.guardrails._findings import (
    Finding,
    Region,
    arising,
    blocked,
    left,
    marked,
    settled,
    take_no_verdict,
    usual_mark,
)
from core.guardrails._outside import NotJudged, OutsideJudge, listened
from core.guardrails._places import EVERYWHERE
from core.guardrails._replacing import Placeholders
from core.guardrails._rules import Action, Guardrail, Judge, ModelJudge, Stage

_ESCAPES = (
    ("\\\\", "\0"),
    ("\\n", "\n"),
    ("\\t", "\t"),
    ("\\r", "\r"),
    ("\\b", "\b"),
    ("\\f", "\f"),
    ("\\", ""),
    ("\0", "\\"),
)
"""How JSON writes characters, in an order in which one after the other can be read; none of ``\\u``."""


_MOST_KEPT = 1_000


@runtime_checkable
class Sparing(Protocol):
    """A search that can say quickly of a whole document that no text in it has anything for it."""

    def may_find(self, text: str) -> bool:
        """Whether it could find something in a part of *text*; if it says no, there is nothing in any."""
        ...


class Panel:
    """All rules of one side. Each judges a text as it came, whatever another makes of it."""

    def __init__(self, stage: Stage, members: Sequence[Guardrail], placeholders: Placeholders | None = None) -> None:
        """Take in those of *members* that are for this *stage*. Without *placeholders* marks stand in their places."""
        self._stage = stage
        self._placeholders = placeholders
        all_of_it = tuple(one for one in members if stage in one.stages)
        self.asking = [(one, one.search) for one in all_of_it if isinstance(one.search, ModelJudge)]
        """Those that ask a model, and look at no text by themselves."""
        self._members = mine = tuple(one for one in all_of_it if not isinstance(one.search, ModelJudge))
        self._is_placed = any(one.where != EVERYWHERE for one in mine)
        self.goes_by_fields = any(one.where.goes_by_fields for one in mine)
        """Whether it matters where in an answer a text stands."""
        self.goes_by_turns = any(one.where.latest_only for one in mine)
        """Whether it matters to which turn a text belongs."""
        self._at: dict[tuple[str, bool], Panel] = {}
        self._of: dict[tuple[bool, ...], Panel] = {}
        self.reads_names = [one.search for one in mine if isinstance(one.search, ReadsNames)]
        """Those to which the name of a member is a word before its value."""
        self._under: dict[str, Panel] = {}
        self.judges: list[tuple[Guardrail, Judge]] = []
        self.outside: list[tuple[Guardrail, OutsideJudge]] = []
        """Judges that are asked outside of this process, of what the others let go on."""
        self.detectors: list[tuple[Guardrail, Detector]] = []
        for one in mine:
            if isinstance(one.search, OutsideJudge):
                self.outside.append((one, one.search))
            elif isinstance(one.search, Judge):
                self.judges.append((one, one.search))
            elif not isinstance(one.search, ModelJudge):
                self.detectors.append((one, one.search))
        sparing = [one.search.may_find for one in mine if isinstance(one.search, Sparing)]
        self._sparing: Sequence[Callable[[str], bool]] | None = sparing if len(sparing) == len(mine) else None

    def at(
        self,
        place: str,
        steps: Sequence[str | int] | None = None,
        *,
        is_earlier: bool = False,
        under: Sequence[str | int] | None = None,
    ) -> Panel:
        """Return those that look at a text in *place*; *steps* lead to it in an answer, where that is known.

        It *is_earlier* in a message of a turn that is over. What leads to it in any object, where that is more, is what
        it stands *under*: it is in no field by that, but the name of its member is a word before it.
        """
        panel = self._placed(place, steps, is_earlier=is_earlier) if self._is_placed else self
        named = under or steps
        return panel.under(named) if named and panel.reads_names else panel

    def under(self, steps: Sequence[str | int]) -> Panel:
        """Return those that look at a text to which *steps* lead, with the name of its member before it."""
        name = next((one for one in reversed(steps) if isinstance(one, str)), "")
        if not any(one.heading(name) for one in self.reads_names):
            return self
        panel = self._under.get(name)
        if panel is None:
            panel = Panel(self._stage, [_headed(one, name) for one in self._members], self._placeholders)
            if len(self._under) < _MOST_KEPT:
                self._under[name] = panel
        return panel

    def _placed(self, place: str, steps: Sequence[str | int] | None, *, is_earlier: bool) -> Panel:
        """Return those that look at a text in *place*."""
        if not (steps and self.goes_by_fields):
            steps = None
            if (known := self._at.get((place, is_earlier))) is not None:
                return known
        looking = tuple(one.where.holds(place, steps, is_earlier=is_earlier) for one in self._members)
        panel = self._of.get(looking)
        if panel is None:
            there = zip(self._members, looking, strict=True)
            panel = Panel(
                self._stage, [replace(one, where=EVERYWHERE) for one, looks in there if looks], self._placeholders
            )
            if len(self._of) < _MOST_KEPT:
                self._of[looking] = panel
        if steps is None and len(self._at) < _MOST_KEPT:
            self._at[place, is_earlier] = panel
        return panel

    def screen(self, text: str, findings: list[Finding], place: str = "", own: Sequence[Span] | None = None) -> str:
        """Return a whole *text* as it may go on; what was found is added to *findings*.

        Where the caller's *own* data were put back into it, all else is looked at that only arose by that.

        Raises:
            GuardrailBlocked: it may not.

        """
        if self.judges:
            self.judge(text, findings, place)
        hits = [(guardrail, spans) for guardrail, detector in self.detectors if (spans := detector.find(text))]
        new = self._without(text, hits, findings, place, own) if hits else text
        return self._heard(new, findings, place) if self.outside else new

    def lets_stand(self, digits: str, findings: list[Finding], place: str = "") -> bool:
        """Return whether a number may stand as it is. Only what searches looks at it: it is no text to judge.

        Raises:
            GuardrailBlocked: nothing may that has it.

        """
        hits = [(guardrail, spans) for guardrail, detector in self.detectors if (spans := detector.find(digits))]
        return not hits or self._without(digits, hits, findings, place, None) == digits

    @property
    def waits(self) -> bool:
        """Whether nothing of a text may be shown before it is whole."""
        return bool(self.judges or self.outside)

    def _heard(self, text: str, findings: list[Finding], place: str) -> str:
        """Return *text* as it goes on once those have judged it that are asked elsewhere.

        Raises:
            GuardrailBlocked: it may not.

        """
        if (asking := listened.get()) is not None:
            for _, judge in self.outside:
                asking.setdefault(judge.terms, []).append(text)
            return text
        altering = Altering(text, self._stage, findings, place)
        for guardrail, judge in self.outside if text.strip() else ():
            try:
                altering.take(guardrail, judge.verdict(self._stage, text))
            except NotJudged:
                take_no_verdict(guardrail, self._stage, findings, place, goes_on=judge.terms.goes_on)
        return altering.result

    def screen_open(self, text: str, own: Sequence[Span] | None = None) -> str:
        """Return what may be shown by now of a *text* that is still being written; raises GuardrailBlocked."""
        if self.waits:
            return ""
        end, hits = len(text), list[tuple[Guardrail, list[Span]]]()
        for guardrail, detector in self.detectors:
            decided = detector.decided(text)
            end = min(end, decided)
            if decided and (spans := [span for span in detector.find(text) if span.end <= decided]):
                hits.append((guardrail, _new(left(guardrail, text, spans), own)))
        regions = settled(hits, self._stage, []) if hits else []
        end = next((span.start for span in regions if span.start < end < span.end), end)
        return marked(text[:end], [span for span in regions if span.end <= end], self.mark)

    def mark(self, region: Region, text: str) -> str:
        """Return what stands in the place of a *text* that was taken out."""
        if self._placeholders is None or region.action is not Action.REPLACE:
            return usual_mark(region, text)
        if self._stage is Stage.OUTPUT:
            return self._placeholders.again(region.kind, text)
        return self._placeholders.of(region.kind, text, is_restored=region.is_restored)

    def judge(self, text: str, findings: list[Finding], place: str = "") -> None:
        """Hear all judges on a whole *text*; raises GuardrailBlocked."""
        for guardrail, judge in self.judges:
            if why := judge.objection(text):
                findings.append(Finding(guardrail.name, self._stage, guardrail.action, "", 1, place, guardrail.rule_id))
                if guardrail.action is Action.BLOCK:
                    raise blocked(guardrail, self._stage, f". {why}", findings, place)

    def may_find(self, document: bytes) -> bool:
        """Whether a text in the JSON *document* could have something for a rule.

        The document may be anybody's: where it writes characters as escapes, or in two bytes, nothing is clear.
        """
        if self._sparing is None or b"\\u" in document or b"\0" in document:
            return True
        text = document.decode(errors="replace")
        if "\\" in text:
            for written, meant in _ESCAPES:
                text = text.replace(written, meant)
        return any(may_find(text) for may_find in self._sparing)

    def _without(
        self,
        text: str,
        hits: Sequence[tuple[Guardrail, list[Span]]],
        findings: list[Finding],
        place: str,
        own: Sequence[Span] | None,
    ) -> str:
        kept = [(one, spans) for one, found in hits if (spans := _new(left(one, text, found), own))]
        regions = settled(kept, self._stage, findings, place, text)
        return marked(text, regions, self.mark) if regions else text


def _headed(one: Guardrail, name: str) -> Guardrail:
    """Return a rule that reads *name* before a text, if it reads names."""
    if isinstance(one.search, ReadsNames) and (heading := one.search.heading(name)):
        return replace(one, search=Headed(one.search, heading))
    return one


def _new(spans: list[Span], own: Sequence[Span] | None) -> list[Span]:
    return spans if own is None else arising(spans, own)
