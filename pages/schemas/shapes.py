"""What a version says, and what differs from another."""

from __future__ import annotations

import difflib
import json
from typing import Any

import streamlit as st

from core.schemas import Effect, ResolvedSchema, altogether, differences
from pages.kit.frames import grid, pd
from pages.kit.outcomes import Badge
from pages.kit.page import Visit

COLUMNS = st.column_config
MOST_LINES = 4_000
"""Lines of text that are compared; a longer one would keep the page waiting."""
EFFECTS = {
    Effect.TIGHTENS: Badge("Tightens", ":material/compress:", "orange"),
    Effect.LOOSENS: Badge("Loosens", ":material/expand:", "green"),
    Effect.CHANGES: Badge("Changes", ":material/swap_horiz:", "red"),
    Effect.WORDING: Badge("Wording", ":material/edit_note:", "gray"),
}
MEANING = "Tightens: fewer answers are valid. Loosens: more are. Changes: both may be. Wording: the same are."


def text_of(body: Any) -> str:
    """Return a schema as people read it."""
    return json.dumps(body, indent=2, ensure_ascii=False)


def said(visit: Visit, found: ResolvedSchema) -> None:
    """Draw the source of a version where there is one, and its JSON Schema."""
    source = visit.runtime.schemas.source(visit.principal, found.name, found.version or 0)
    if source:
        st.markdown("**Pydantic source**")
        _code(source, "python", 420)
    else:
        st.caption("It came as JSON Schema; there is no other source.")
    st.markdown("**JSON Schema**")
    _code(text_of(found.body), "json", 420)


def _code(text: str, language: str, most: int) -> None:
    """Draw code as high as its lines; from *most* pixels on it scrolls, in a part that keys reach, unlike its own."""
    is_high = 30 + 20 * len(text.splitlines()) > most
    with st.container(height=most if is_high else "content", border=False):
        st.code(text, language=language, line_numbers=language != "diff")


def compared(old: ResolvedSchema, new: ResolvedSchema) -> None:
    """Draw what differs between two versions: what it means for answers, field by field, and as text."""
    found = differences(old.body, new.body)
    names = f"version {old.version}", f"version {new.version}"
    if not found:
        st.success(f"{names[0].capitalize()} and {names[1]} ask for the same.", icon=":material/check:")
    else:
        effect = altogether(found)
        st.markdown(f"{EFFECTS[effect].markdown} {effect.sentence(*names)}")
        badges = EFFECTS.values()
        grid(
            pd.DataFrame(
                {
                    "path": [one.path for one in found],
                    "change": [one.change for one in found],
                    "effect": [[EFFECTS[one.effect].word] for one in found],
                    "before": [one.before for one in found],
                    "after": [one.after for one in found],
                }
            ),
            key="differences_table",
            alt=f"What differs between {names[0]} and {names[1]}",
            most_rows=12,
            columns={
                "path": COLUMNS.TextColumn("Field", pinned=True, width=170),
                "change": COLUMNS.TextColumn("What", width=120),
                "effect": COLUMNS.MultiselectColumn(
                    "Effect",
                    options=[badge.word for badge in badges],
                    color=[badge.colour for badge in badges],
                    width=100,
                    help=MEANING,
                ),
                "before": COLUMNS.TextColumn(names[0].capitalize()),
                "after": COLUMNS.TextColumn(names[1].capitalize()),
            },
        )
    before, after = (text_of(one.body).splitlines() for one in (old, new))
    if max(len(before), len(after)) > MOST_LINES:
        st.caption(f"The texts have over {MOST_LINES:,} lines and are not compared word by word.")
    elif text := "\n".join(difflib.unified_diff(before, after, names[0], names[1], lineterm="")):
        _code(text, "diff", 360)
