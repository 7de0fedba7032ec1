"""What may go out, and what may come back: the rules that hold for a call, at work on its texts.

A rule says what is searched for (``checks/``, a file each), on which side, and what becomes of what is found. Those
that hold for a tenant and a route are part of its policy. A search sees texts alone, never a tenant, a price or a
provider.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any

from core.errors import GuardrailBlocked
from core.guardrails._added import MOST_ADDED, added_by_caller
from core.guardrails._asking import OutsideJudges
from core.guardrails._document_policy import DocumentPolicy
from core.guardrails._findings import HELD, NOT_JUDGED, Finding, standing, take_no_verdict, take_verdict
from core.guardrails._finds_nothing import FindsNothing
from core.guardrails._growing import ScreenedText, with_open_text
from core.guardrails._outside import Asks, NameTerms, NotJudged, OutsideJudge, OutsideTerms, Unasked, heard, listened
from core.guardrails._panel import Panel, Sparing
from core.guardrails._places import ANSWER, PLACES, SETTINGS, sort_of, where_of
from core.guardrails._replacing import Placeholders
from core.guardrails._restoring import GivenBack, asks_nobody
from core.guardrails._rules import (
    BUILT_IN,
    Action,
    Guardrail,
    GuardrailCheck,
    GuardrailTerms,
    Judge,
    ModelJudge,
    Stage,
    built_in,
    guardrail_of,
    search_of,
    settings_text,
)
from core.guardrails._tool_policy import Objection, ToolPolicy, not_public_by_text
from core.guardrails._tool_texts import ToolTexts
from core.json_leaves import Steps, with_numbers, with_texts
from core.json_values import JsonValue
from core.messages import Message, mapped
from core.messages.turns import earlier

__all__ = [
    "ANSWER",
    "BUILT_IN",
    "HELD",
    "MOST_ADDED",
    "NOT_JUDGED",
    "PLACES",
    "SETTINGS",
    "Action",
    "DocumentPolicy",
    "Finding",
    "FindsNothing",
    "GivenBack",
    "Guardrail",
    "GuardrailCheck",
    "GuardrailTerms",
    "Guardrails",
    "Judge",
    "ModelJudge",
    "NameTerms",
    "NotJudged",
    "Objection",
    "OutsideJudge",
    "OutsideJudges",
    "OutsideTerms",
    "Placeholders",
    "ScreenedText",
    "Sparing",
    "Stage",
    "ToolPolicy",
    "ToolTexts",
    "added_by_caller",
    "built_in",
    "guardrail_of",
    "not_public_by_text",
    "search_of",
    "settings_text",
    "sort_of",
    "standing",
    "take_no_verdict",
    "take_verdict",
    "where_of",
]

_NAME = " key"
"""Behind the word for a place: a name of a member there."""


class Guardrails:
    """Rules at work, in order."""

    def __init__(
        self,
        members: Iterable[Guardrail] | None = None,
        asks: Asks | None = None,
        placeholders: Placeholders | None = None,
    ) -> None:
        """Take in *members*, or what is built in; of several that block, the first is told.

        *asks* asks those that are asked over the network; without it they judge nothing. *placeholders* are those of
        the call on whose texts they are at work, which is what lets them replace.
        """
        self.members = built_in() if members is None else tuple(_asked_by(one, asks) for one in members)
        self.placeholders = placeholders
        self.replace = any(one.action is Action.REPLACE for one in self.members)
        """Whether one of them replaces what it finds: then those of each call are its own."""
        self._panels = {stage: Panel(stage, self.members, placeholders) for stage in Stage}

    def of_call(self, placeholders: Placeholders) -> Guardrails:
        """Return them at work on the texts of one call, whose *placeholders* those are."""
        return Guardrails(self.members, placeholders=placeholders)

    @property
    def asking_nobody(self) -> Guardrails:
        """Those of them that look at texts by themselves, with the same placeholders."""
        return Guardrails(filter(asks_nobody, self.members), placeholders=self.placeholders)

    def replaced_in(self, text: str) -> set[str]:
        """Return of which kinds the placeholders are in *text*."""
        return self.placeholders.kinds_in(text) if self.placeholders else set()

    @property
    def giving_back(self) -> GivenBack | None:
        """What puts back what they replaced in the request, there being anything: to be asked once that has gone."""
        if self.placeholders is None or not self.placeholders.restores:
            return None
        return GivenBack(self.members, self._panels[Stage.OUTPUT], self.placeholders)

    @property
    def names(self) -> str:
        """Who checks, in order: what a text becomes depends on it."""
        return " ".join(one.added or f"{one.name}:{one.action}:{one.rule_id}:{one.version}" for one in self.members)

    @property
    def described(self) -> list[dict[str, Any]]:
        """What they are, as JSON, for a policy that is recorded; what callers add is none of it."""
        return [
            {
                "name": one.name,
                "action": one.action.value,
                "stages": sorted(one.stages),
                **({"rule_id": one.rule_id} if one.rule_id else {}),
                **({"places": one.where.told} if one.where.told else {}),
                **({"restores": True} if one.restores else {}),
            }
            for one in self.members
            if not one.added
        ]

    def and_those(self, added: Sequence[Guardrail]) -> Guardrails:
        """Return these rules and those that a caller *added*; themselves where that is none."""
        return Guardrails((*self.members, *added), placeholders=self.placeholders) if added else self

    def screen_messages(self, messages: Sequence[Message], stage: Stage, findings: list[Finding]) -> Sequence[Message]:
        """Return *messages* as they may go on; what was found is added to *findings*.

        Raises:
            GuardrailBlocked: one of them may not; of several it says which.

        """
        panel = self._panels[stage]
        over = earlier([one.role for one in messages]) if panel.goes_by_turns else ()

        def look(found: list[Finding]) -> Sequence[Message]:
            return [one_of(at, message, found) for at, message in enumerate(messages)]

        def one_of(at: int, message: Message, found: list[Finding]) -> Message:
            is_earlier = at in over

            def screened(text: str, place: str) -> str:
                return panel.at(place, is_earlier=is_earlier).screen(text, found, place)

            try:
                return mapped([message], screened)[0]
            except GuardrailBlocked as error:
                if len(messages) == 1:
                    raise
                where = f"message {at + 1} of {len(messages)}"
                raise standing(error, where, error.findings, path=f"$.messages[{at}]") from None

        with self.hearing(stage, lambda: look([])):
            return look(findings)

    def screen_value(self, value: Any, stage: Stage, findings: list[Finding], place: str = "") -> Any:
        """Return a JSON *value*, which stands in a *place*, with every text in it as it may go on, names included.

        In the place of a number that may not go on stands 0.

        Raises:
            GuardrailBlocked: one of them may not.

        """
        panel = self._panels[stage]

        def look(found: list[Finding]) -> Any:
            def screened(text: str, steps: Steps, is_name: bool) -> str:  # noqa: FBT001 as the way calls it
                return panel.at(place, steps).screen(text, found, place + _NAME * is_name)

            def may_stand(digits: str, steps: Steps) -> bool:
                return panel.at(place, steps).lets_stand(digits, found, place)

            return with_numbers(with_texts(value, screened), may_stand)

        with self.hearing(stage, lambda: look([])):
            return look(findings)

    def hearing(self, stage: Stage, look: Callable[[], Any]) -> AbstractContextManager[None]:
        """Ask, of all texts that *look* comes to, those that are asked over the network, each once and side by side.

        What they said holds within the block; who looks at another text there asks about it alone.

        Raises:
            GuardrailBlocked: another rule lets one of these texts not go on, so nobody is asked.

        """
        if not self._panels[stage].outside or listened.get() is not None:
            return nullcontext()
        return self._hearing(stage, look)

    @contextmanager
    def _hearing(self, stage: Stage, look: Callable[[], Any]) -> Generator[None]:
        asking: dict[OutsideTerms, list[str]] = {}
        listening = listened.set(asking)
        try:
            look()
        finally:
            listened.reset(listening)
        asks, known = self._panels[stage].outside[0][1].asks, heard.get({})
        new = {terms: [one for one in texts if (terms, stage, one) not in known] for terms, texts in asking.items()}
        hearing = heard.set({**known, **asks.verdicts(new, stage)} if any(new.values()) else known)
        try:
            yield
        finally:
            heard.reset(hearing)

    def passes(self, document: bytes, stage: Stage) -> bool:
        """Whether it is clear at a glance that no text of a JSON *document* has anything for any rule."""
        return not self._panels[stage].may_find(document)

    def screen_json(self, value: JsonValue, stage: Stage, findings: list[Finding], place: str = ANSWER) -> JsonValue:
        """Return what :meth:`screen_value` does; one in which there is nothing to be found is not read for that.

        Raises:
            GuardrailBlocked: a text in it may not go on.

        """
        if self.passes(value.text, stage):
            return value
        screened = self.screen_value(value.value, stage, findings, place)
        return value if screened is value.value else JsonValue(screened)

    def screen_partial(self, value: Any, open_text: str | None = None) -> Any:
        """Return a JSON *value* that is still being written, with every string in it as it may be shown by now.

        The last string that is *open_text* is still being written, all others are whole; without it any may be.

        Raises:
            GuardrailBlocked: one of them may not.

        """
        panel = self._panels[Stage.OUTPUT]
        shown = with_open_text(
            value, open_text, self.screened, lambda text, steps: panel.at(ANSWER, steps).screen_open(text)
        )
        return with_numbers(shown, self.lets_stand)

    def screen_text(
        self,
        text: str,
        stage: Stage,
        findings: list[Finding],
        place: str,
        steps: Sequence[str | int] | None = None,
        *,
        is_earlier: bool = False,
        under: Sequence[str | int] | None = None,
    ) -> str:
        """Return a *text* that stands in a *place* as it may go on; raises GuardrailBlocked.

        In an object that is the answer *steps* lead to it. It *is_earlier* in a message of a turn that is over. What it
        stands *under* leads to it in any object, if that is more.
        """
        panel = self._panels[stage].at(place, steps, is_earlier=is_earlier, under=under)
        return panel.screen(text, findings, place)

    def lets_stand(
        self,
        digits: str,
        steps: Sequence[str | int] | None = None,
        place: str = ANSWER,
        *,
        stage: Stage = Stage.OUTPUT,
        findings: list[Finding] | None = None,
        under: Sequence[str | int] | None = None,
    ) -> bool:
        """Return whether a number may stand where it does, as :meth:`screen_text` has it; raises GuardrailBlocked."""
        panel = self._panels[stage].at(place, steps, under=under)
        return panel.lets_stand(digits, [] if findings is None else findings, place)

    def screened(self, text: str, steps: Sequence[str | int] | None = None) -> str:
        """Return a text of an answer as it may be shown; raises GuardrailBlocked. *steps* lead to it, if known."""
        return self._panels[Stage.OUTPUT].at(ANSWER, steps).screen(text, [])

    def screened_text(self, steps: Sequence[str | int] | None = None, place: str = ANSWER) -> ScreenedText:
        """Return what screens a text of an answer while it is written; *steps* lead to it, if they are known."""
        return ScreenedText(self._panels[Stage.OUTPUT].at(place, steps))

    def asking(self, stage: Stage) -> Sequence[tuple[Guardrail, ModelJudge]]:
        """Return the rules that ask a model about the texts of one side."""
        return self._panels[stage].asking

    @property
    def waits(self) -> bool:
        """Whether nothing of an answer may be shown before others have said what they think of all of it."""
        panel = self._panels[Stage.OUTPUT]
        return bool(panel.asking or panel.outside)

    @cached_property
    def tool_rules(self) -> Sequence[tuple[Guardrail, ToolPolicy]]:
        """The rules that judge which tools are offered and called."""
        return [(one, one.search) for one in self.members if isinstance(one.search, ToolPolicy)]

    @cached_property
    def only_notes(self) -> bool:
        """Whether there is a rule for answers that finds something and changes nothing: no stream shows that."""
        notes = any(one.action is Action.NOTE and Stage.OUTPUT in one.stages for one in self.members)
        return notes or bool(self._panels[Stage.OUTPUT].outside)

    @property
    def goes_by_turns(self) -> bool:
        """Whether it matters to which turn a message of a request belongs."""
        return self._panels[Stage.INPUT].goes_by_turns

    @cached_property
    def document_rules(self) -> Sequence[tuple[Guardrail, DocumentPolicy]]:
        """The rules that have documents read."""
        return [(one, one.search) for one in self.members if isinstance(one.search, DocumentPolicy)]

    @property
    def goes_by_fields(self) -> bool:
        """Whether it matters in which field of an answer a text stands."""
        return self._panels[Stage.OUTPUT].goes_by_fields


def _asked_by(one: Guardrail, asks: Asks | None) -> Guardrail:
    """Return a rule whose judge can be asked, if it has one that is; one about tools looks names of servers up."""
    if isinstance(one.search, OutsideTerms):
        return replace(one, search=OutsideJudge(one.search, asks or Unasked()))
    if asks is not None and isinstance(one.search, ToolPolicy):
        return replace(one, search=replace(one.search, not_public=asks.not_public))
    return one
