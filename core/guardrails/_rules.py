"""What is to be searched for, where, and what becomes of what is found: a rule, and what follows from several."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from core.detection import Detector
from core.errors import Invalid
from core.guardrails._places import EVERYWHERE, LATEST, TURNS, Where, where_of, without_places

RESTORE = "restore"
"""The setting of every rule that replaces: whether its caller gets back what the model never saw."""
_NEVER_RESTORED = frozenset({"secrets", "encoded"})
"""Checks that find secrets. What is not in a table cannot come out of it."""


class Stage(StrEnum):
    """On which side of the provider a text is screened."""

    INPUT = "input"
    OUTPUT = "output"


class Action(StrEnum):
    """What becomes of what is found, from the mildest on: of several for one text the last holds."""

    NOTE = "note"
    """It goes on as it is, and the finding is recorded."""
    NEUTRALISE = "neutralise"
    """It goes on without its effect: a marker with a blank in it, what nobody sees left out."""
    REPLACE = "replace"
    """A placeholder goes on in its place, the same for the same datum of a tenant."""
    REDACT = "redact"
    """A mark goes on in its place."""
    BLOCK = "block"
    """Nothing goes on."""


USUAL_ACTIONS = frozenset(Action) - {Action.NEUTRALISE}
"""What can be done with what has a place in a text; few things are harmless with a blank in them."""


@runtime_checkable
class Judge(Protocol):
    """A search that has a verdict of a whole text and no places in it. No text is shown before it is whole."""

    def objection(self, text: str) -> str:
        """Return why *text* may not go on, in one plain sentence that holds nothing of it; empty if it may."""
        ...


@dataclass(frozen=True, slots=True)
class ModelJudge:
    """A search that asks a model about all texts of one side together, before any of them goes on.

    Nothing here asks: that is a call, which ``core/verdicts.py`` makes.
    """

    route: str
    topics: tuple[str, ...]
    """In words; none is injection."""
    threshold: int
    """From how sure on something is found, of a hundred."""
    seconds: float
    """How long it may take."""
    goes_on: bool
    """Whether texts go on without a verdict."""
    most_characters: int

    @property
    def kind(self) -> str:
        """What is found, without a word of the rule."""
        return "a topic that is not allowed" if self.topics else "an injection"


Search = Detector | Judge | ModelJudge


class GuardrailCheck(Protocol):
    """What a rule may search for: a file in ``checks/``, whose name it has."""

    stages: frozenset[Stage]
    """The sides on which it makes sense."""
    actions: frozenset[Action]
    """What can be done with what it finds."""

    def search(self, settings: Mapping[str, Any]) -> Search:
        """Return what searches by a rule's *settings*.

        Raises:
            Invalid: they cannot be used; one sentence says which, and how it is written.

        """
        ...


@runtime_checkable
class Placed(Protocol):
    """A check that does not look everywhere, unless a rule says so."""

    places: Sequence[str]
    """The sorts of places where it looks."""


@dataclass(frozen=True, slots=True)
class GuardrailTerms:
    """One rule, as an operator sets it or as it is built in."""

    name: str
    """By which refusals, traces and flags call it."""
    check: str
    action: Action
    stages: frozenset[Stage]
    settings: str = "{}"
    """The check's own and where it looks, as JSON; those that are alike are one text (see :func:`settings_text`)."""
    exceptions: frozenset[str] = frozenset()
    """What is found and is one of these, to the letter, is as if it had not been."""
    id: str = ""
    """Empty for what is built in."""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A rule at work."""

    name: str
    search: Search
    action: Action
    stages: frozenset[Stage]
    exceptions: frozenset[str] = field(default_factory=frozenset[str])
    rule_id: str = ""
    version: int = 0
    where: Where = EVERYWHERE
    added: str = ""
    """All that it says, where a caller adds it to one call."""
    restores: bool = False
    """Whether what it replaces in a request is put back into the answer that its caller gets."""


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return *settings* as a rule has them."""
    return json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


BUILT_IN: Sequence[GuardrailTerms] = (
    GuardrailTerms("length", "length", Action.BLOCK, frozenset({Stage.INPUT})),
    GuardrailTerms("secrets", "secrets", Action.REDACT, frozenset(Stage)),
)
"""The rules of which nobody has to say a word."""


@lru_cache(256)
def search_of(check: str, settings: str) -> Search:
    """Return what searches; it keeps nothing of a text, so that rules which are alike share one.

    Raises:
        Invalid: the settings cannot be used.
        NotFound: there is no such check.

    """
    from core.guardrails.checks import check_called  # noqa: PLC0415 a check says what it is in the words of this file

    return check_called(check).search(json.loads(settings))


@lru_cache(1)
def built_in() -> tuple[Guardrail, ...]:
    """Return what holds for everybody, without a word of an operator's, at work."""
    return tuple(map(guardrail_of, BUILT_IN))


def guardrail_of(rule: GuardrailTerms) -> Guardrail:
    """Return *rule* at work.

    Raises:
        Invalid: its settings cannot be used.
        NotFound: there is no such check.

    """
    from core.guardrails.checks import usual_places  # noqa: PLC0415 as above

    settings, restores = _without_restore(rule)
    where = where_of(settings, usual_places(rule.check))
    if where.goes_by_fields and rule.stages != frozenset({Stage.OUTPUT}):
        raise Invalid("only and except name fields of answers, so such a rule is for the side output alone.")
    if where.latest_only:
        _require_for_turns(rule)
    own = settings_text(without_places(settings))
    return Guardrail(
        rule.name,
        search_of(rule.check, own),
        rule.action,
        rule.stages,
        rule.exceptions,
        rule.id,
        rule.version,
        where,
        restores=restores,
    )


def _require_for_turns(rule: GuardrailTerms) -> None:
    """Go on only if a rule may pass over turns that are over; raises Invalid."""
    if rule.action not in (Action.NOTE, Action.BLOCK):
        raise Invalid(
            f"{TURNS} is '{LATEST}' for rules that note or block: what is taken out comes again with the next turn."
        )
    if Stage.INPUT not in rule.stages:
        raise Invalid(f"{TURNS} says which messages of a request are read, so such a rule is for the side input.")


def _without_restore(rule: GuardrailTerms) -> tuple[dict[str, Any], bool]:
    """Return the rule's other settings, and whether what it replaces is put back: that is no check's matter.

    Raises:
        Invalid: it cannot be.

    """
    settings: dict[str, Any] = json.loads(rule.settings)
    if RESTORE not in settings:
        return settings, False
    restores: Any = settings.pop(RESTORE)
    if not isinstance(restores, bool):
        raise Invalid(f"{RESTORE} is true or false.")
    if restores and rule.check in _NEVER_RESTORED:
        raise Invalid(f"Secrets are never restored. Leave {RESTORE} out, and nobody gets them back.")
    if restores and rule.action is not Action.REPLACE:
        raise Invalid(f"Only what is replaced can be restored, and the action is {rule.action}: take replace.")
    return settings, restores
