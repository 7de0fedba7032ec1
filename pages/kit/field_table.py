"""The fields of an object as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence

from pages.kit import fields
from pages.kit.frames import Frame, pd
from pages.kit.markup import plain

INDENT = "\N{EM SPACE}"
NBSP = "\N{NO-BREAK SPACE}"
_SIGNS = {
    fields.FieldState.WAITING: ("gray", "schedule", "waiting"),
    fields.FieldState.ARRIVING: ("blue", "edit", "arriving"),
    fields.FieldState.ARRIVED: ("gray", "check", "arrived"),
    fields.FieldState.VALID: ("green", "check_circle", "valid"),
    fields.FieldState.ERROR: ("red", "error", "wrong"),
    fields.FieldState.ABSENT: ("gray", "remove", "left out"),
}


def frame(rows: Sequence[fields.FieldRow], *, is_old: bool = False) -> Frame:
    """Return the rows as a table of Markdown; what *is_old* has no colour: it tells nothing of what is asked now."""
    lines: dict[str, list[str]] = {"Field": [], "Value": [], "State": []}
    for row in rows:
        mark = ":red[\\*]" if row.is_required else ""
        lines["Field"].append(INDENT * row.depth + plain(row.name) + mark)
        lines["Value"].append(plain(row.value))
        is_wrong = row.state is fields.FieldState.ERROR
        told = _sign(row.state, is_old=is_old) if is_wrong or not row.has_parts else ""
        if row.problem:
            problem = plain(row.problem)
            told += f" {problem}" if is_wrong else f" :orange[asked again: {problem}]"
        lines["State"].append(told)
    return pd.DataFrame(lines).set_index("Field")


def _sign(state: fields.FieldState, *, is_old: bool) -> str:
    colour, icon, word = _SIGNS[state]
    return f":{'gray' if is_old else colour}[:material/{icon}:{NBSP}{word}]"
