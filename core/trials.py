"""Guardrails tried on texts at hand: what those that hold make of one, and what a new rule would have caught of late.

Nothing of it is recorded: no finding, no text. What is looked through is bounded, and no call waits for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from core.clock import Clock
from core.detection import Span, merged
from core.errors import GuardrailBlocked, Invalid, NotFound
from core.guardrails import (
    Action,
    Finding,
    FindsNothing,
    Guardrail,
    Guardrails,
    GuardrailTerms,
    Judge,
    ModelJudge,
    OutsideJudge,
    OutsideTerms,
    Placeholders,
    Stage,
    guardrail_of,
)
from core.policy import Policies
from core.principals import Permission, Principal, TenantScope
from core.reports.kept_texts import KeptText, KeptTexts, kept_texts, newest_call_ids
from core.reports.reading import reading
from core.store import Store

MOST_TRIED = 2_000
"""Of the newest calls so many at most are looked through."""
LONGEST_EXAMINED = 200_000
"""Characters of a text that is tried."""
_AT_ONCE = 100
_MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class ExaminedPiece:
    """A stretch of a text: what was found in it, or nothing."""

    text: str
    kinds: tuple[str, ...] = ()
    guardrails: tuple[str, ...] = ()
    action: Action | None = None
    """What becomes of it; ``None`` of what nothing was found in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What guardrails make of a text."""

    pieces: Sequence[ExaminedPiece]
    """All of the text, in order."""
    goes_on: str | None
    """What goes on; ``None`` where nothing does."""
    why: str
    """Why nothing goes on, as who asked is told it."""
    findings: Sequence[Finding]
    milliseconds: float
    unasked: Sequence[Guardrail] = ()
    """Rules that ask a model, which costs money: so it is not asked here."""


@dataclass(slots=True)
class RuleTrial:
    """What a rule would have caught among the newest calls, as far as they are looked through."""

    calls: int = 0
    """The newest calls there are, at most ``MOST_TRIED``."""
    read: int = 0
    """Those that were looked through: their texts are kept, and they went the rule's route."""
    met: int = 0
    """Those in which it finds something."""
    kinds: Counter[str] = field(default_factory=Counter[str])
    """In how many calls it finds what."""
    stages: Counter[str] = field(default_factory=Counter[str])
    tenants: Counter[str] = field(default_factory=Counter[str])
    shown: list[tuple[KeptTexts, tuple[str, ...]]] = field(default_factory=list[tuple[KeptTexts, tuple[str, ...]]])
    """The newest of them, some at most, with what it finds."""


def examined(guardrails: Guardrails, whole: str | KeptText, stage: Stage, clock: Clock) -> Examined:
    """Return what *guardrails* make of a *whole* text on one side; those look at one that is kept that look there.

    What stands in the place of a datum has the form of a name, and is that of no call: nobody finds a datum by it.
    """
    kept = whole if isinstance(whole, KeptText) else KeptText(whole, "")
    text, hits = kept.text, list[tuple[Span, Guardrail]]()
    looking = [one for one in guardrails.members if stage in one.stages and _looks(one, kept)]
    for one in looking:
        hits += [(span, one) for span in _found(one, text)]
    guardrails = Guardrails(looking, placeholders=Placeholders(clock.new_id().encode(), lambda: [text]))
    findings: list[Finding] = []
    goes_on, why, began = None, "", clock.monotonic()
    try:
        goes_on = guardrails.screen_value(text, stage, findings, kept.place)
    except GuardrailBlocked as blocked:
        why = blocked.message
    milliseconds = (clock.monotonic() - began) * 1000
    return Examined(
        pieces=_pieces(text, hits),
        goes_on=goes_on,
        why=why,
        findings=findings,
        milliseconds=milliseconds,
        unasked=[one for one in looking if isinstance(one.search, ModelJudge)],
    )


class Trials:
    """Tries guardrails for who may read their rules."""

    def __init__(self, store: Store, policies: Policies, clock: Clock) -> None:
        self._store = store
        self._policies = policies
        self._clock = clock

    def text(
        self, principal: Principal, text: str | KeptText, stage: Stage, tenant_id: str, route: str = ""
    ) -> Examined:
        """Return what holds for a tenant, on a route, makes of *text*; of a long one its beginning.

        One that is not kept stands nowhere, so all rules look at it.

        Raises:
            Forbidden: without ``guardrails.read``.
            NotFound: there is no such tenant, or none that *principal* may see.

        """
        principal.require(Permission.GUARDRAILS_READ)
        if not principal.scope_of(Permission.GUARDRAILS_READ).holds(tenant_id):
            raise NotFound(f"There is no tenant {tenant_id!r}.")
        guardrails = self._policies.snapshot(tenant_id).guardrails(route)
        kept = text if isinstance(text, KeptText) else KeptText(text, "")
        kept = replace(kept, text=kept.text[:LONGEST_EXAMINED])
        return examined(guardrails, kept, stage, self._clock)

    def rule(
        self,
        principal: Principal,
        rule: GuardrailTerms,
        tenant_id: str | None = None,
        route: str = "",
        *,
        most: int = MOST_TRIED,
        told: Callable[[RuleTrial], None] = lambda _: None,
    ) -> RuleTrial:
        """Return what *rule* would have caught in the newest calls whose texts are kept, of one tenant or all seen.

        *told* hears now and then how far it is. What was taken out of a text before it was kept cannot be found.

        Raises:
            Invalid: it asks a model.
            Forbidden: without ``generations.read``: it tells of calls, and of no rule but the one that is given.
            Invalid: the rule cannot be put to work.

        """
        principal.require(Permission.GENERATIONS_READ)
        scope = principal.scope_of(Permission.GENERATIONS_READ).narrowed(tenant_id)
        guardrail, trial = guardrail_of(rule), RuleTrial()
        if isinstance(guardrail.search, ModelJudge):
            raise Invalid(
                f"This rule asks the route {guardrail.search.route} about each call, and pays for that: tried on calls "
                "that are kept it would cost as many calls. Let it note for a while instead, and look at what it finds."
            )
        if isinstance(guardrail.search, OutsideTerms):
            raise Invalid(
                "A rule that has others judge is not tried on calls that are kept: they would be sent all those texts. "
                "Save it with the action note, and look what it finds."
            )
        if isinstance(guardrail.search, FindsNothing):
            raise Invalid(
                "This rule judges no texts, so calls that are kept do not show what it would have caught. Save it with "
                "the action note, and look what it finds."
            )
        with reading(self._store, scope) as now:
            ids = newest_call_ids(now, min(most, MOST_TRIED))
        trial.calls = len(ids)
        for begin in range(0, len(ids), _AT_ONCE):
            for call in self._kept(scope, ids[begin : begin + _AT_ONCE], route):
                _add(trial, guardrail, call)
            told(trial)
        return trial

    def _kept(self, scope: TenantScope, ids: Sequence[str], route: str) -> list[KeptTexts]:
        with reading(self._store, scope) as now:
            return sorted(kept_texts(now, ids, route, self._clock.now()), key=lambda one: one.at, reverse=True)


def _add(trial: RuleTrial, guardrail: Guardrail, call: KeptTexts) -> None:
    trial.read += 1
    by_stage = {
        Stage.INPUT: _kinds(guardrail, call.asked) if Stage.INPUT in guardrail.stages else set[str](),
        Stage.OUTPUT: _kinds(guardrail, call.answered) if Stage.OUTPUT in guardrail.stages else set[str](),
    }
    kinds = by_stage[Stage.INPUT] | by_stage[Stage.OUTPUT]
    if not kinds:
        return
    trial.met += 1
    trial.kinds.update(kinds)
    trial.stages.update(stage.value for stage, found in by_stage.items() if found)
    trial.tenants[call.tenant] += 1
    if len(trial.shown) < _MOST_SHOWN:
        trial.shown.append((call, tuple(sorted(kinds))))


def _kinds(guardrail: Guardrail, texts: Iterable[KeptText]) -> set[str]:
    there = (one.text for one in texts if _looks(guardrail, one))
    return {span.kind for text in there for span in _found(guardrail, text)}


def _looks(guardrail: Guardrail, text: KeptText) -> bool:
    return guardrail.where.holds(text.place, text.steps, is_earlier=text.is_earlier)


def _found(guardrail: Guardrail, text: str) -> list[Span]:
    """Return where a rule finds something; who objects to a text objects to all of it."""
    search = guardrail.search
    if isinstance(search, ModelJudge):  # each question is a paid call
        return []
    if isinstance(search, OutsideJudge):
        return []  # of such the look as a whole tells, which asks once
    if isinstance(search, Judge):
        return [Span(0, len(text), "what it does not allow")] if search.objection(text) else []
    return [span for span in search.find(text) if text[span.start : span.end] not in guardrail.exceptions]


def _pieces(text: str, hits: Sequence[tuple[Span, Guardrail]]) -> list[ExaminedPiece]:
    pieces: list[ExaminedPiece] = []
    at = 0
    for region in merged(span for span, _ in hits):
        within = [(span, one) for span, one in hits if span.start < region.end and region.start < span.end]
        if at < region.start:
            pieces.append(ExaminedPiece(text[at : region.start]))
        pieces.append(
            ExaminedPiece(
                text[region.start : region.end],
                tuple(dict.fromkeys(span.kind for span, _ in within)),
                tuple(dict.fromkeys(one.name for _, one in within)),
                max((one.action for _, one in within), key=list(Action).index),
            )
        )
        at = region.end
    return [*pieces, ExaminedPiece(text[at:])] if at < len(text) else pieces
