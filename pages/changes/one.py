"""One change: all that is known of it, and the way back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from core.changes import UndoPreview
from core.reports import RecordedChange, differences, sides
from pages.changes import words
from pages.kit import address, formats, incidents, layout, links, zones
from pages.kit.frames import pd, table
from pages.kit.links import Destination
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, name_tab, refusals
from pages.kit.reasons import reason


def draw(visit: Visit, change_id: str) -> None:
    """Draw a change, or say that it is not there."""
    with visit.controls:
        st.button("All changes", icon=":material/arrow_back:", key="back", on_click=_back)
    shown = visit.runtime.changes.preview(visit.principal, change_id)
    change = shown.change
    name_tab(visit, f"{change.kind} {change.subject}".strip())
    with layout.card(plain(zones.retold(change.summary)), key="change_card", stretch=False):
        layout.facts(_facts(change), key="change_facts")
        st.markdown(f":small[{links.to('How calls went around it', _around(change))}]")
        link: Any = change.after["link"] if change.action == "change.note" and change.after else None
        if link:
            st.link_button("Open what it links to", link, icon=":material/open_in_new:")
    with layout.card("Before and after", key="became_card", stretch=False):
        _differences(change.before, change.after, "Nothing more was written down of this change.")
    _since(shown)
    _way_back(visit, shown)


def _around(change: RecordedChange) -> Destination:
    """Return where it is told how calls went from a while before a change until a day after it."""
    return incidents.of_time(change.at - timedelta(minutes=15), change.at + timedelta(days=1), change.tenant)


def _back() -> None:
    address.leave("change")


def _facts(change: RecordedChange) -> dict[str, str]:
    facts = {
        "When": f"{zones.told(change.at, seconds=True)} ({formats.month(change.at, zones.shown())[:4]})",
        "Kind": plain(change.kind),
        "What": plain(change.subject),
        "Of whom": links.tenant(words.whose(change)),
        "Who": links.actor(words.who(change)),
        "From where": plain(change.door) if change.is_decided else "",
        "Why": plain(change.reason) or (":gray[no reason was given]" if change.is_decided else ""),
        "Undid": f"[an earlier change](/changes?change={change.undo_of})" if change.undo_of else "",
        "In the audit trail": f"entry {change.seq:,}" if change.seq else "",
    }
    return {name: said for name, said in facts.items() if said}


def _differences(before: Any, after: Any, nothing: str, heads: tuple[str, str] = ("Before", "After")) -> None:
    found = differences(before, after)
    if not found:
        st.caption(nothing)
        return
    columns = (" ", *heads)
    shown = pd.DataFrame([[plain(zones.retold(said)) for said in one] for one in found], columns=columns)
    table(shown, alt="What differs", hides_index=True)


def _since(shown: UndoPreview) -> None:
    """List what else was decided of the same thing since."""
    if not shown.later:
        return
    with layout.card("Changed again since", key="since_card", stretch=False):
        for one in shown.later:
            undid = " :gray-badge[undid it]" if one.undo_of == shown.change.id else ""
            st.markdown(
                f":gray[{zones.told(one.at)}] [{plain(zones.retold(one.summary))}](/changes?change={one.id}) "
                f":gray[by] {links.actor(words.who(one))}{undid}"
                + (f"  \n:small[{plain(became)}]" if (became := words.became(one, zones.shown())) else "")
            )


def _way_back(visit: Visit, shown: UndoPreview) -> None:
    if shown.undo is None:
        st.caption(f":material/undo: {plain(zones.retold(shown.obstacle))}")
        if shown.present is not None:
            _obstacle(shown)
    elif not visit.may_over(shown.undo.needs, shown.change.tenant_id):
        st.caption(f":material/lock: To undo it needs the permission {shown.undo.needs.value}.")
    elif st.button("Undo…", icon=":material/undo:", key="undo"):
        undo(visit, shown)


def _obstacle(shown: UndoPreview) -> None:
    """Show what the change made, what that is now, and what it was before."""
    present: dict[str, Any] = shown.present
    states: list[dict[str, Any]] = [shown.change.after or {}, shown.change.before or {}]
    made, was = ({name: state[name] for name in present if name in state} for state in states)
    rows = [[plain(zones.retold(one)) for one in row] for row in sides(made, present, was)]
    heads = (" ", "It made it", "Now", "It was before")
    table(pd.DataFrame(rows, columns=heads), alt="What stands in the way", hides_index=True)


@st.dialog("Undo a change", icon=":material/undo:")
def undo(visit: Visit, shown: UndoPreview) -> None:
    """Show what undoing would do, ask why, do it."""
    assert shown.undo is not None  # noqa: S101 the button is not drawn
    st.markdown(plain(zones.retold(shown.change.summary)))
    _differences(shown.undo.now, shown.undo.then, "It takes back what was done.", ("Now", "Then"))
    if shown.undo.effect:
        st.caption(plain(zones.retold(shown.undo.effect)))
    why = reason("undo_reason", placeholder="People will ask")
    if st.button("Undo it", type="primary", key="confirm_undo"):
        with refusals("Nothing was undone."):
            visit.runtime.changes.undo(visit.principal, shown.change.id, why, seen=shown.undo.now)
            flash("It is undone, in a change of its own.")
            st.rerun()
