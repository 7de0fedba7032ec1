"""What the tests of this folder ask."""

from __future__ import annotations

import itertools
from typing import Any

from pydantic import BaseModel, Field

from tests.wire.server import WireServer

_numbers = itertools.count()


class Person(BaseModel):
    """A person."""

    name: str
    age: int = Field(ge=0)
    tags: list[str]


def text(scenario: str) -> str:
    """Return a question that meets *scenario*; it is new each time, so that "once" begins anew."""
    return f"Read this, number {next(_numbers)}. [[{scenario}]]"


def asking(scenario: str, **more: Any) -> dict[str, Any]:
    """Return what a call asks with."""
    messages = [{"role": "user", "content": text(scenario)}]
    return {"model": "gpt-4o-mini", "messages": messages, "response_model": Person, **more}


def asking_anthropic(scenario: str, **more: Any) -> dict[str, Any]:
    """Return the same for Anthropic."""
    return asking(scenario, model="claude-haiku-4-5", max_tokens=200, **more)


def bodies(wire: WireServer, count: int) -> list[dict[str, Any]]:
    """Return the last requests that the fake read."""
    return [dict(call.request or {}) for call in wire.ledger.calls()[-count:]]
