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
from typing import Any, Protocol, cast

from core.errors import GuardrailBlocked
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

    def screen_partial(self, value: Any) -> Any:
        """Return a JSON *value* that is still being written, with every string in it as it may be shown by now.

        Raises:
            GuardrailBlocked: one of them may not.

        """
        return _each_text(value, lambda text: self._screen(text, Stage.OUTPUT, [], is_partial=True))

    def _screen(self, text: str, stage: Stage, findings: list[Finding], *, is_partial: bool = False) -> str:
        for guardrail in self._by_stage[stage]:
            verdict = guardrail.screen_partial(text) if is_partial else guardrail.screen(text)
            if verdict.ruling is Ruling.ALLOW:
                continue
            findings.append(Finding(guardrail.name, stage, verdict.ruling, verdict.reason))
            if verdict.ruling is Ruling.BLOCK:
                raise GuardrailBlocked(verdict.reason, guardrail=guardrail.name, stage=stage.value)
            text = verdict.text
        return text


def _each_text(value: Any, screen: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return screen(value)
    if isinstance(value, dict):
        return {name: _each_text(part, screen) for name, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_each_text(part, screen) for part in cast("list[Any]", value)]
    return value


def _all() -> list[Guardrail]:
    names = sorted(module.name for module in iter_modules(__path__))
    return [import_module(f"{__name__}.{name}").GUARDRAIL for name in names]
