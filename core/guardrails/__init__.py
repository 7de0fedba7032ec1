"""Checks on what goes out and on what comes back. One file each; this folder is the registry.

A guardrail sees one text and gives a verdict: allow it, allow it redacted, or block it. It never sees a tenant, a
price or a provider.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, cast, runtime_checkable

from core.errors import GuardrailBlocked
from core.json_texts import exactly, exactly_written
from core.json_values import JsonValue
from core.messages import Message, mapped


class Stage(StrEnum):
    """On which side of the provider a text is screened."""

    INPUT = "input"
    OUTPUT = "output"


class Ruling(StrEnum):
    """What a verdict does with the text."""

    ALLOW = "allow"
    REDACT = "redact"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guardrail says of one text."""

    ruling: Ruling
    text: str
    """The text to go on with."""
    reason: str = ""
    """One plain sentence; holds nothing of the text."""


class Guardrail(Protocol):
    """One check."""

    name: str
    stages: frozenset[Stage]

    def screen(self, text: str) -> Verdict:
        """Judge *text*."""
        ...

    def screen_partial(self, text: str) -> Verdict:
        """Judge a *text* that is still being written: what may become forbidden is held back until it is clear."""
        ...


@runtime_checkable
class Separable(Guardrail, Protocol):
    """A check that can judge a growing text piece by piece."""

    def settled(self, text: str) -> int:
        """Return how much of the beginning of *text* may be judged by itself, whatever comes after all of it."""
        ...


@runtime_checkable
class Sparing(Guardrail, Protocol):
    """A check that can say quickly of a whole document that no text in it has anything for it."""

    def may_find(self, document: bytes) -> bool:
        """Whether it could find something in a text of the JSON *document*; if it says no, there is nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict that was not simply to allow."""

    guardrail: str
    stage: Stage
    ruling: Ruling
    reason: str


class Guardrails:
    """The checks of this deployment, in the order of their names."""

    def __init__(self, members: Iterable[Guardrail] | None = None) -> None:
        self._members = tuple(_all() if members is None else members)
        self._by_stage = {stage: tuple(one for one in self._members if stage in one.stages) for stage in Stage}
        self._sparing = {stage: _all_sparing(members) for stage, members in self._by_stage.items()}
        self._growing = [(one, one if isinstance(one, Separable) else None) for one in self._by_stage[Stage.OUTPUT]]

    @property
    def names(self) -> str:
        """Who checks, in order: what a text becomes depends on it."""
        return " ".join(one.name for one in self._members)

    def screen_messages(self, messages: Sequence[Message], stage: Stage, findings: list[Finding]) -> Sequence[Message]:
        """Return *messages* as they may go on; what was found is added to *findings*.

        Raises:
            GuardrailBlocked: one of them may not.

        """
        return mapped(messages, lambda text: self._screen(text, stage, findings))

    def screen_value(self, value: Any, stage: Stage, findings: list[Finding]) -> Any:
        """Return a JSON *value* with every string in it as it may go on.

        Raises:
            GuardrailBlocked: one of them may not.

        """
        return _each_text(value, lambda text: self._screen(text, stage, findings))

    def passes(self, document: bytes, stage: Stage) -> bool:
        """Whether it is clear at a glance that no text of a JSON *document* has anything for any check.

        The document may be anybody's: where it writes characters as escapes, or in two bytes, nothing is clear.
        """
        sparing = self._sparing[stage]
        is_plain = b"\\u" not in document and b"\0" not in document
        return sparing is not None and is_plain and not any(one.may_find(document) for one in sparing)

    def screen_body(self, body: bytes, stage: Stage, findings: list[Finding]) -> bytes:
        """Return a JSON document as :meth:`screen_value` has it, with every number as it stands there.

        It is the same one, byte for byte, where nothing was found.

        Raises:
            GuardrailBlocked: a text in it may not go on.
            ValueError: it is no JSON.

        """
        before = len(findings)
        screened = self.screen_value(exactly(body), stage, findings)
        return exactly_written(screened) if len(findings) > before else body

    def screen_json(self, value: JsonValue, stage: Stage, findings: list[Finding]) -> JsonValue:
        """Return what :meth:`screen_value` does; one in which there is nothing to be found is not read for that.

        Raises:
            GuardrailBlocked: a text in it may not go on.

        """
        sparing = self._sparing[stage]
        if sparing is not None and not any(one.may_find(value.text) for one in sparing):
            return value
        return JsonValue(self.screen_value(value.value, stage, findings))

    def screen_partial(self, value: Any, open_text: str | None = None) -> Any:
        """Return a JSON *value* that is still being written, with every string in it as it may be shown by now.

        The last string that is *open_text* is still being written, all others are whole; without it any may be.

        Raises:
            GuardrailBlocked: one of them may not.

        """
        alike: list[str] = []
        _each_text(value, lambda text: alike.append(text) or text if text == open_text else text)

        def screen(text: str) -> str:
            is_open = open_text is None or (text == open_text and len(alike) == 1)
            if text == open_text:
                alike.pop()
            return self._screen(text, Stage.OUTPUT, [], is_partial=is_open)

        return _each_text(value, screen)

    def screened(self, text: str) -> str:
        """Return a text of an answer as it may be shown; raises GuardrailBlocked."""
        return self._screen(text, Stage.OUTPUT, [])

    def screened_text(self) -> ScreenedText:
        """Return what screens a text of an answer while it is written."""
        return ScreenedText(self._growing)

    def _screen(self, text: str, stage: Stage, findings: list[Finding], *, is_partial: bool = False) -> str:
        for guardrail in self._by_stage[stage]:
            verdict = guardrail.screen_partial(text) if is_partial else guardrail.screen(text)
            if verdict.ruling is Ruling.ALLOW:
                continue
            findings.append(Finding(guardrail.name, stage, verdict.ruling, verdict.reason))
            text = _passed(guardrail, stage, verdict)
        return text


class ScreenedText:
    """A text of an answer while it is written. What is settled of it is screened once, and not kept by any check."""

    _OFTEN_UP_TO = 4_000
    _GROWTH = 8

    def __init__(self, members: Sequence[tuple[Guardrail, Separable | None]]) -> None:
        """Begin with nothing; *members* judge it, each what the one before it lets through, and piece by piece if able.

        Whether one is able is found out beforehand: to ask that of a protocol takes longer than to judge a piece.
        """
        self._members = members
        self._unsettled = [""] * len(members)
        """What each has not judged for good."""
        self._looked_at = 0
        """How much that was when all of it was judged for the last time."""
        self._waiting: list[str] = []
        self._waiting_size = 0
        self._settled: list[str] = []
        self._news: list[str] = []
        """What of it has not been told."""
        self._rest = self._told_rest = ""
        """What is shown behind what is settled, now and when it was told."""

    def add(self, piece: str) -> None:
        """Go on with *piece*."""
        self._waiting.append(piece)
        self._waiting_size += len(piece)

    def news(self, *, is_last: bool = False) -> tuple[str, bool]:
        """Return what is shown of it since the last time, and whether that goes on from there.

        Else all that is shown comes anew. What is long and not settled is judged again when it has grown by an eighth.
        If it *is_last*, the text ends here: it is whole, and nothing is held back any more.

        Raises:
            GuardrailBlocked: it may not be shown.

        """
        self._look(is_last=is_last)
        fresh = "".join(self._news) + self._rest
        told, self._told_rest = self._told_rest, self._rest
        self._news.clear()
        return (fresh[len(told) :], True) if fresh.startswith(told) else (self.shown(), False)

    def shown(self) -> str:
        """Return all that has been shown of it."""
        return "".join(self._settled) + self._told_rest

    def _look(self, *, is_last: bool) -> None:
        size = sum(map(len, self._unsettled)) + self._waiting_size
        is_soon = size > self._OFTEN_UP_TO and size < self._looked_at + self._looked_at // self._GROWTH
        if not is_last and (not self._waiting or is_soon):
            return
        piece, self._waiting_size = "".join(self._waiting), 0
        self._waiting.clear()
        for place, (member, separable) in enumerate(self._members):
            text = self._unsettled[place] + piece
            end = len(text) if is_last else separable.settled(text) if separable is not None else 0
            piece = _passed(member, Stage.OUTPUT, member.screen(text[:end])) if end else ""
            self._unsettled[place] = text[end:]
        self._settled.append(piece)
        self._news.append(piece)
        rest = ""
        if not is_last:
            for place, (member, _) in enumerate(self._members):
                rest = _passed(member, Stage.OUTPUT, member.screen_partial(self._unsettled[place] + rest))
        self._rest, self._looked_at = rest, sum(map(len, self._unsettled))


def _passed(guardrail: Guardrail, stage: Stage, verdict: Verdict) -> str:
    """Return the text to go on with after *verdict*.

    Raises:
        GuardrailBlocked: there is none.

    """
    if verdict.ruling is Ruling.BLOCK:
        raise GuardrailBlocked(verdict.reason, guardrail=guardrail.name, stage=stage.value)
    return verdict.text


def _each_text(value: Any, screen: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return screen(value)
    if isinstance(value, dict):
        return {name: _each_text(part, screen) for name, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_each_text(part, screen) for part in cast("list[Any]", value)]
    return value


def _all_sparing(members: Sequence[Guardrail]) -> Sequence[Sparing] | None:
    """Return *members*, if every one of them can judge a document at a glance."""
    sparing = [one for one in members if isinstance(one, Sparing)]
    return sparing if len(sparing) == len(members) else None


def _all() -> list[Guardrail]:
    names = sorted(module.name for module in iter_modules(__path__))
    return [import_module(f"{__name__}.{name}").GUARDRAIL for name in names]
