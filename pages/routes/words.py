"""A route in plain words: what governs it, and what an edit of it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.attempts import Candidate
from core.routes import Cause, RouteView
from pages.kit import formats
from pages.kit.json_values import is_list, is_object

NOTHING = f":gray[{formats.UNKNOWN}]"
WORDS = {
    "description": "Description",
    "schemas": "Schemas",
    "max_reasks": "Re-asks per model",
    "max_retries": "Retries per model",
    "deadline_seconds": "Deadline, s",
    "fallback_on": "Fallback on",
    "hedge_after_ms": "Hedge after, ms",
    "cache_seconds": "Cache TTL, s",
    "payload_days": "Texts kept at most, days",
    "payload_percent": "Of valid calls at most, %",
    "marks_cache": "Prompt caching",
}
COLUMNS = {
    "model": "Model",
    "mode": "Mode",
    "max_tokens": "Max tokens",
    "most_tokens": "Max tokens if cut",
    "timeout_seconds": "Timeout, s",
    "max_reasks": "Re-asks",
    "max_retries": "Retries",
    "parameters": "Parameters",
}
CAUSES = {"turned_away": "Rejected request"}
"""Causes whose name alone does not say what happened."""


def cause(name: str) -> str:
    """Return a cause of fallback for people."""
    return CAUSES.get(name) or name.replace("_", " ").capitalize()


def parameters(given: Mapping[str, Any]) -> str:
    """Return a candidate's parameters as they are typed: ``temperature=0.2, seed=7``."""
    return ", ".join(f"{name}={value}" for name, value in given.items())


def read_parameters(text: str) -> dict[str, Any]:
    """Return typed parameters by name; a number where it is one. The core says what they may be."""
    found: dict[str, Any] = {}
    for part in text.replace(";", ",").split(","):
        name, equals, value = part.strip().partition("=")
        if not name:
            continue
        number = _number(value.strip()) if equals else ""
        found[name.strip()] = value.strip() if number is None else number
    return found


def _number(text: str) -> float | int | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def own(one: Candidate) -> str:
    """Return what a candidate has of its own, in a few words."""
    said = [
        *([f"re-asks {one.max_reasks}"] if one.max_reasks is not None else []),
        *([f"retries {one.max_retries}"] if one.max_retries is not None else []),
        *([f"up to {formats.count(one.most_tokens)} tokens if cut"] if one.most_tokens else []),
        *([parameters(one.parameters)] if one.parameters else []),
    ]
    return ", ".join(said)


def sentences(view: RouteView) -> Iterable[str]:
    """Yield what governs a route beside its candidates."""
    terms = view.terms
    yield (
        f"An invalid answer is asked again up to {formats.plural(terms.max_reasks, 'time')} per model, a passing "
        f"failure retried {formats.plural(terms.max_retries, 'time')}; all within {terms.deadline_seconds:g} s."
    )
    off = [cause(one).lower() for one in Cause if one not in terms.fallback_on]
    if len(terms.candidates) == 1:
        yield "There is no fallback: when this model cannot answer, the generation fails."
    elif off:
        yield f"No fallback on {', '.join(off)}: the generation ends there."
    if terms.hedge_after_ms:
        yield (
            f"Hedged: after {formats.count(terms.hedge_after_ms)} ms without an answer the next model is asked beside "
            "the first, for whole answers; both are paid."
        )
    if terms.cache_seconds:
        yield f"Cache TTL {formats.count(terms.cache_seconds)} s: the same question gets the same answer, with no call."
    if terms.payload_days is not None:
        yield f"Prompts and answers are kept for {formats.plural(terms.payload_days, 'day')} at most."
    if terms.payload_percent is not None:
        yield f"Of valid calls they are kept of {terms.payload_percent} % at most."
    if not terms.marks_cache:
        yield "Prompt caching is off."


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return what differs between two routes, as they are described, by what it is called: now, and new."""
    known = before or {}
    lines = {"Order": (_asked(known), _asked(after))}
    models = {one["model"]: one for one in known.get("candidates", ())}
    for one in after["candidates"]:
        if one["model"] not in models:
            continue
        for field, word in COLUMNS.items():
            lines[f"{one['model']}: {word}"] = (_shown(models[one["model"]].get(field)), _shown(one.get(field)))
    if before is not None:
        lines |= {word: (_shown(before[field]), _shown(after[field])) for field, word in WORDS.items()}
    return {what: pair for what, pair in lines.items() if pair[0] != pair[1]}


def _asked(route: Mapping[str, Any]) -> str:
    return ", then ".join(one["model"] for one in route.get("candidates", ())) or "nobody"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_object(value):
        return parameters(value) or "none"
    if is_list(value):
        named = [cause(one) if one in set(Cause) else str(one) for one in value]
        return "every cause" if set(value) == set(Cause) else ", ".join(named) or "none"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return str(value) if value else "none"
