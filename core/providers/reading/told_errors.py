"""Errors that stand where an answer would: in an event of a stream, or in each choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.dialects import Frame
from core.json_texts import exactly, exactly_written
from core.providers.reading.parts import part, parts


def error_in(event: Mapping[str, Any]) -> Any:
    """Return what an event that tells of an error says went wrong."""
    return event.get("error") or part(event, "response").get("error") or event


def told_exactly(frame: Frame) -> bytes:
    """Return the body of an error that an event of a stream tells."""
    event = exactly(frame.data)
    return exactly_written(event if "error" in event else {"error": error_in(event)})


def error_of_all(body: Mapping[str, Any]) -> Any:
    """Return the error of a completion whose choices all failed, as gateways tell it; ``None`` where one did not."""
    errors = [choice.get("error") for choice in parts(body, "choices")]
    return errors[0] if errors and all(errors) else None
