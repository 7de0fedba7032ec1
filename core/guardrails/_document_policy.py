"""Which documents are read before they go out: a rule that lets the others see a text, and sees none itself."""

from __future__ import annotations

from dataclasses import dataclass

from core.guardrails._finds_nothing import FindsNothing


@dataclass(frozen=True, slots=True)
class DocumentPolicy(FindsNothing):
    """What one rule says of documents."""

    seconds: int
    """How long all those of a call may take to be read."""
    pages: int
    """Of one."""
