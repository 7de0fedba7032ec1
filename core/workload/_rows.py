"""What one transaction of a workload writes, and what it is made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.budgets import BudgetTerms
from core.pricing import Cost, Usage
from core.tables import Payload, Row


@dataclass(frozen=True, slots=True)
class DrawnCall:
    """A call to a model, as many are."""

    provider: str
    model: str
    usage: Usage
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class PayingTenant:
    """A tenant and the budgets that pay for it."""

    id: str
    terms: tuple[BudgetTerms, ...]


@dataclass(slots=True)
class TransactionRows:
    """What one transaction writes."""

    generations: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    payloads: list[dict[str, Any]]
    entries: list[dict[str, Any]]
    spent: Counter[str]


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
