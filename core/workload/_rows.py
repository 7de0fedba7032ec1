"""What one transaction of a workload writes, and what it is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from core.pricing import Cost, Usage
from core.tables import Payload, Row


@dataclass(frozen=True)
class DrawnCall:
    """A call to a model, as many are."""

    provider: str
    model: str
    usage: Usage
    cost: Cost | None

    @cached_property
    def name(self) -> str:
        """The model's name as budgets have it."""
        return f"{self.provider}/{self.model}"

    @cached_property
    def billed(self) -> Mapping[str, Any]:
        """What an attempt says of usage and cost."""
        return {
            "http_status": 200,
            "input_tokens": self.usage.input_tokens,
            "cached_tokens": self.usage.cached_tokens,
            "cache_write_tokens": 0,
            "output_tokens": self.usage.output_tokens,
            "reasoning_tokens": 0,
            "cost_nano_usd": self.cost.nano_usd if self.cost else None,
            "price": self.cost.price.as_dict() if self.cost else None,
        }


@dataclass(slots=True)
class TransactionRows:
    """What one transaction writes."""

    generations: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    attempts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    findings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    payloads: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    entries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    spent: Counter[str] = field(default_factory=Counter[str])
    """Nano-dollars by account."""

    def counts(self) -> Mapping[str, int]:
        """Return how many rows of each table there are."""
        return {
            "generation": len(self.generations),
            "attempt": len(self.attempts),
            "field_error": len(self.errors),
            "finding": len(self.findings),
            "payload": len(self.payloads),
            "ledger_entry": len(self.entries),
        }


def blank(table: type[Row]) -> dict[str, Any]:
    """Return a row with the defaults of its columns."""
    return {
        name: None if one.is_required() else one.get_default(call_default_factory=True)
        for name, one in table.model_fields.items()
    }


def payload_row(generation_id: str, at: datetime, *, is_valid: bool) -> dict[str, Any]:
    """Return what is kept of a prompt and, where it *is_valid*, of the answer, for thirty days."""
    return blank(Payload) | {
        "generation_id": generation_id,
        "n": 0,
        "asked": [{"role": "user", "content": "What does this say? " + "A workload says very little. " * 12}],
        "answered": '{"field_0": "very little", "field_1": "and that in several words"}' if is_valid else None,
        "expires_at": at + timedelta(days=30),
    }
