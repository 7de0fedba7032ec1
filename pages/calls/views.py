"""In what form the list is shown: which columns it has; and forms of it that somebody keeps under a name."""

from __future__ import annotations

import streamlit as st

from core.reports.calls import CallOrder
from pages.calls import columns
from pages.kit.page import Visit

COLUMNS, VIEW = "columns", "view"


def column_text() -> str | None:
    """Return the columns that the address names."""
    return st.query_params.get(COLUMNS)


def columns_choice(shown: tuple[str, ...]) -> None:
    """Draw the choice of columns."""
    with st.popover("Columns", icon=":material/view_column:", type="tertiary"):
        st.session_state["chosen_columns"] = list(shown)
        st.multiselect(
            "Columns",
            list(columns.COLUMNS),
            key="chosen_columns",
            format_func=lambda one: columns.COLUMNS[one].label,
            on_change=_choose_columns,
        )


def _choose_columns() -> None:
    chosen: list[str] = st.session_state["chosen_columns"]
    names = tuple(name for name in columns.COLUMNS if name in chosen)
    if not names or names == columns.USUAL:
        st.query_params.pop(COLUMNS, None)
    else:
        st.query_params[COLUMNS] = ",".join(names)


def draw(visit: Visit, text: str, order: CallOrder) -> None:
    """Draw the views that somebody keeps."""
    del visit, text, order
