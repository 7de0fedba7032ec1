"""One change: all that is known of it."""

from __future__ import annotations

import streamlit as st

from core.reports import RecordedChange, differences
from pages.changes import words
from pages.kit import formats, layout, zones
from pages.kit.frames import pd, table
from pages.kit.markup import plain
from pages.kit.page import Visit


def draw(visit: Visit, change_id: str) -> None:
    """Draw a change, or say that it is not there."""
    with visit.controls:
        st.button("All changes", icon=":material/arrow_back:", key="back", on_click=_back)
    change = visit.runtime.reports.change(visit.principal, change_id)
    with layout.card(plain(change.summary), key="change_card", stretch=False):
        layout.facts(_facts(change), key="change_facts")
    _became(change)


def _back() -> None:
    st.query_params.pop("change", None)


def _facts(change: RecordedChange) -> dict[str, str]:
    facts = {
        "When": f"{zones.told(change.at, seconds=True)}, {formats.month(change.at, zones.shown())[:4]}",
        "Kind": plain(change.kind),
        "What": plain(change.subject),
        "Of whom": plain(words.whose(change)),
        "Who": plain(words.who(change)),
        "From where": plain(change.door) if change.is_decided else "",
        "Why": plain(change.reason) or (":gray[no reason was given]" if change.is_decided else ""),
        "Undid": f"[an earlier change](/changes?change={change.undo_of})" if change.undo_of else "",
        "In the audit trail": f"entry {change.seq:,}" if change.seq else "",
    }
    return {name: said for name, said in facts.items() if said}


def _became(change: RecordedChange) -> None:
    found = differences(change.before, change.after)
    with layout.card("Before and after", key="became_card", stretch=False):
        if not found:
            st.caption("Nothing more was written down of this change.")
            return
        shown = pd.DataFrame(
            {
                "": [plain(one.what) for one in found],
                "Before": [plain(one.before) for one in found],
                "After": [plain(one.after) for one in found],
            }
        )
        table(shown, alt="What the change made of what it changed", hides_index=True)
