"""How guardrails, places and what becomes of findings are called on the page."""

from __future__ import annotations

from pages.kit import formats
from pages.kit.outcomes import Badge

AS_A_WHOLE = "the text as a whole"
SIDES = {"input": "on the way in", "output": "on the way out"}
ACTIONS = {
    "note": Badge("Note", ":material/edit_note:", "gray"),
    "neutralise": Badge("Neutralise", ":material/link_off:", "green"),
    "replace": Badge("Replace", ":material/swap_horiz:", "violet"),
    "redact": Badge("Redact", ":material/ink_eraser:", "blue"),
    "block": Badge("Block", ":material/block:", "red"),
}
PLACES = {
    "instructions": "Instructions",
    "user": "What users say",
    "documents": "Documents",
    "tool_results": "Results of tools",
    "tool_arguments": "Arguments of tools",
    "schemas": "Schemas and descriptions",
    "metadata": "Metadata and names",
    "answer": "Answers",
    "reasoning": "Reasoning",
}
_DONE = {
    "note": "noted",
    "neutralise": "neutralised",
    "replace": "replaced",
    "redact": "redacted",
    "block": "blocked",
}


def name(guardrail: str) -> str:
    """Return a guardrail's name, or what stands for one that is not told."""
    return guardrail or "(not told)"


def where(stage: str, place: str) -> str:
    """Return in what something was found, and on which side."""
    return f"{place}, {SIDES.get(stage, stage)}" if place else SIDES.get(stage, stage)


def side(stage: str) -> str:
    """Return a side as it is chosen."""
    return SIDES[stage].capitalize()


def done(action: str) -> str:
    """Return what became of it."""
    return _DONE.get(action, action)


def action_badge(action: str) -> str:
    """Return an action as Markdown."""
    found = ACTIONS.get(action)
    return found.markdown if found else action


def brief(milliseconds: float | None) -> str:
    """Return a time that may be far below a millisecond."""
    if milliseconds is None or milliseconds >= 10:
        return formats.millis(milliseconds)
    return f"{milliseconds:.2f} ms" if milliseconds >= 0.005 else "< 0.01 ms"
