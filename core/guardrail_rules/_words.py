"""What a rule says, in words: for lists, and for the sentence that the audit trail has of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.guardrails import where_of
from core.guardrails.checks import usual_places

_DEGREE = "threshold"


def looked_for(check: str, settings: Mapping[str, Any]) -> str:
    """Return what a rule looks for, and how sure it must be where that has degrees."""
    return f"{check} from {settings[_DEGREE]} on" if _DEGREE in settings else check


def looked_at(check: str, settings: Mapping[str, Any]) -> str:
    """Return where a rule looks; empty for everywhere."""
    return where_of(settings, usual_places(check)).told
