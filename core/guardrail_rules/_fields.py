"""What a rule may have in its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from core.errors import Invalid
from core.guardrails import BUILT_IN, Action, GuardrailTerms, Stage, guardrail_of, settings_text
from core.guardrails.checks import check_called

LONGEST_NAME = 60
_MOST_EXCEPTIONS = 1_000
_LONGEST_TEXT = 1_000_000
"""Characters of all settings of a rule, and of its exceptions."""


class RuleFields(TypedDict, total=False):
    """What a rule has beside its name, whom it is for, its check and its action; what is left out is as said here."""

    stages: Sequence[str] | None
    """``None``: both sides, as far as the check is for them."""
    route: str
    """Empty: every route."""
    settings: Mapping[str, Any]
    """None: as the check has them by itself."""
    exceptions: Sequence[str]
    """None."""
    position: int
    """100. The lower comes first where people read them, and of several that block it is told."""
    is_on: bool
    """Yes."""


def checked(name: str, check: str, action: str, given: RuleFields) -> dict[str, Any]:
    """Return the columns of a rule.

    Raises:
        Invalid: a value that it cannot have.
        NotFound: there is no such check.

    """
    known = check_called(check)
    chosen = _action(check, action, known.actions)
    stages = _stages(check, given.get("stages"), known.stages)
    settings = dict(given.get("settings") or {})
    exceptions = list(dict.fromkeys(given.get("exceptions") or ()))
    if len(exceptions) > _MOST_EXCEPTIONS or not all(exceptions):
        raise Invalid(f"A rule has at most {_MOST_EXCEPTIONS:,} exceptions, none of them empty.")
    text = settings_text(settings)
    if len(text) + sum(map(len, exceptions)) > _LONGEST_TEXT:
        raise Invalid(f"Settings and exceptions of a rule have at most {_LONGEST_TEXT:,} characters together.")
    position = given.get("position", 100)
    if not 0 <= position <= 10_000:
        raise Invalid("The position of a rule is a whole number from 0 to 10,000.")
    guardrail_of(GuardrailTerms(name, check, chosen, frozenset(stages), text))
    return {
        "check_name": check,
        "action": chosen.value,
        "stages": [one.value for one in stages],
        "route": given.get("route", ""),
        "settings": settings,
        "exceptions": exceptions,
        "position": position,
        "is_on": given.get("is_on", True),
    }


def checked_name(name: str) -> str:
    """Return *name*, if a rule may have it.

    Raises:
        Invalid: it may not.

    """
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise Invalid(f"A rule's name is one line of 1 to {LONGEST_NAME} characters, without blanks around it.")
    if name in {one.name for one in BUILT_IN}:
        raise Invalid(f"{name} is built in. Give the rule a name of its own; the flag guardrail:{name} turns it off.")
    return name


def _action(check: str, action: str, known: frozenset[Action]) -> Action:
    found = next((one for one in known if one.value == action), None)
    if found is None:
        can = ", ".join(one.value for one in Action if one in known)
        raise Invalid(f"What {check} finds cannot be treated as {action[:40]!r}. It can: {can}.")
    return found


def _stages(check: str, given: Sequence[str] | None, known: frozenset[Stage]) -> list[Stage]:
    wanted = list(dict.fromkeys(given)) if given is not None else sorted(known)
    found = [one for one in Stage if one in known and one.value in wanted]
    if not found or len(found) < len(wanted):
        raise Invalid(f"{check} looks at {' and '.join(sorted(known))}; a rule names one side at least, and no other.")
    return found
