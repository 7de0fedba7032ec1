"""Rules that a caller adds for one call. They stand beside those of the policy, and can take none of them away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import Invalid
from core.guardrails._rules import Action, Guardrail, GuardrailTerms, Stage, guardrail_of, settings_text

MOST_ADDED = 10
LONGEST_ADDED = 8_000
"""Characters of all settings that a caller may send."""
ADDABLE = (
    *("encoded", "hidden", "injection", "length", "links", "paths", "patterns", "personal", "secrets"),
    *("turn_markers", "words"),
)
"""Checks that look at texts by themselves; what asks others costs the tenant something, and is an operator's."""
_OF_CALLERS = "caller: "


def added_by_caller(given: Sequence[Any]) -> tuple[Guardrail, ...]:
    """Return the rules that *given* asks for: names of checks, or objects with a check and what is to be done.

    Without an action what is found is redacted, or blocks where that cannot be.

    Raises:
        Invalid: one cannot be had; the sentence says which.

    """
    if len(given) > MOST_ADDED:
        raise Invalid(f"'guardrails' has at most {MOST_ADDED} entries; this has {len(given)}.")
    rules = tuple(_added(one, f"guardrails[{place}]") for place, one in enumerate(given))
    if sum(len(rule.added) for rule in rules) > LONGEST_ADDED:
        raise Invalid(f"'guardrails' has at most {LONGEST_ADDED:,} characters together.")
    return rules


class _Wanted(BaseModel):
    """A rule as a caller writes it."""

    model_config = ConfigDict(extra="forbid")

    check: str
    action: Action | None = None
    stages: Annotated[list[Stage], Field(min_length=1)] | None = None
    settings: dict[str, Any] = {}


def _added(given: Any, where: str) -> Guardrail:
    from core.guardrails.checks import check_called  # noqa: PLC0415 a check says what it is in the words of the engine

    try:
        wanted = _Wanted.model_validate({"check": given} if isinstance(given, str) else given)
    except ValidationError:
        raise Invalid(
            f"{where} is the name of a check, or an object with check, action ({', '.join(Action)}), "
            f"stages ({', '.join(Stage)}) and settings."
        ) from None
    name = wanted.check
    if name not in ADDABLE:
        raise Invalid(f"{where}: a caller can add {', '.join(ADDABLE)}; {name[:40]!r} is none of these.")
    check = check_called(name)
    action = wanted.action or (Action.REDACT if Action.REDACT in check.actions else Action.BLOCK)
    if action not in check.actions:
        raise Invalid(f"{where}: what {name} finds cannot be treated as {str(action)!r}.")
    stages = check.stages if wanted.stages is None else frozenset(wanted.stages)
    if not stages <= check.stages:
        raise Invalid(f"{where}: {name} looks at {' and '.join(sorted(check.stages))}.")
    text = settings_text(wanted.settings)
    if len(text) > LONGEST_ADDED:
        raise Invalid(f"{where}.settings has at most {LONGEST_ADDED:,} characters.")
    try:
        rule = guardrail_of(GuardrailTerms(_OF_CALLERS + name, name, action, stages, text))
    except Invalid as error:
        raise Invalid(f"{where}: {error.message}") from None
    return replace(rule, added=f"{name} {action} {' '.join(sorted(stages))} {text}")
