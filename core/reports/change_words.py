"""What a change made of what it changed, in words: money, times and names as the console says them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast

from core.budgets.terms import dollars
from core.clock import minute

_HIDDEN = frozenset({"id", "budget_id", "hash"})
"""What says nothing to people."""
_NAMES = {
    "limit_nano_usd": "Limit",
    "extra_nano_usd": "Raised by",
    "before_nano_usd": "Cost before",
    "after_nano_usd": "Cost after",
    "scope_name": "Covers",
    "scope": "Covers by",
    "starts_at": "From",
    "from_at": "From",
    "ends_at": "Until",
    "ended_at": "Ended",
    "is_on": "Switch",
    "rate_limit_per_min": "Generations per minute",
    "tokens_per_min": "Tokens per minute",
    "concurrent_limit": "Generations at once",
    "without_budget": "Calls that no budget covers",
    "without_price": "Models without a price",
    "payload_retention_days": "Days that prompts and answers are kept",
    "payload_percent": "% of valid calls whose prompts and answers are kept",
    "payload_days": "Days that prompts and answers are kept at most",
    "timezone": "Time zone",
    "max_reasks": "Re-asks per model",
    "max_retries": "Retries per model",
    "deadline_seconds": "Deadline, s",
    "timeout_seconds": "Timeout, s",
    "hedge_after_ms": "Hedge after, ms",
    "cache_seconds": "Cache TTL, s",
    "marks_cache": "Prompt caching",
    "most_tokens": "Max tokens if cut",
    "from_environment": "Follows the environment",
    "by": "By",
}
"""What fields are called; of others the name is read as it is."""
_NOTHING = "none"


class Difference(NamedTuple):
    """One field of what was changed."""

    what: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.what}: {self.before} → {self.after}"


def differences(before: Any, after: Any) -> list[Difference]:
    """Return what differs between two states, as the audit trail keeps them; ``None`` is that there was none."""
    return [Difference(*row) for row in sides(before, after)]


def sides(*states: Any) -> list[tuple[str, ...]]:
    """Return the fields in which states differ: what each is called, and what it is in each of them."""
    told = [dict(_fields(state)) for state in states]
    names = dict.fromkeys(name for one in told for name in one)
    rows = [(name, *(one.get(name, _NOTHING) for one in told)) for name in names]
    return [row for row in rows if len({*row[1:]}) > 1]


def _fields(state: Any, of: str = "") -> Iterator[tuple[str, str]]:
    for name, value in cast("dict[str, Any]", state).items() if isinstance(state, dict) else ():
        called = of + (_NAMES.get(name) or name.replace("_", " ").capitalize())
        if name in _HIDDEN:
            continue
        if name == "candidates":
            yield "Order", ", then ".join(str(one["model"]) for one in value)
            for one in value:
                yield from _fields({key: own for key, own in one.items() if key != "model"}, f"{one['model']}: ")
        elif name == "labels":
            yield from _fields(value, "Label ")
        elif isinstance(value, dict):
            yield from _fields(value, f"{called}: ")
        else:
            yield called, _said(name, value)


def _said(name: str, value: Any) -> str:
    if (way := _WAYS.get(name)) is not None and value is not None:
        return way(value)
    match value:
        case None | "" | []:
            return _NOTHING
        case bool():
            return "yes" if value else "no"
        case int():
            return dollars(value) if name.endswith("_nano_usd") else f"{value:,}"
        case float():
            return f"{value:g}"
        case list():
            return ", ".join(_said(name, one) for one in cast("list[Any]", value))
        case _:
            return _moment(str(value)) if name.endswith("_at") else str(value)


def _moment(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return minute(at)


def _percent(value: Any) -> str:
    return f"{value:.2%}".replace(".00%", "%") if isinstance(value, int | float) else str(value)


def _percents(value: Any) -> str:
    return ", ".join(f"{one} %" for one in cast("list[Any]", value)) if isinstance(value, list) else str(value)


_WAYS: Mapping[str, Callable[[Any], str]] = {
    "is_on": lambda is_on: "on" if is_on else "off",
    "share": _percent,
    "thresholds": _percents,
    "fallback_on": lambda causes: ", ".join(str(one).replace("_", " ") for one in causes) or _NOTHING,
}
