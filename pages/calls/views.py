"""In what form the list is shown: which columns it has; and forms of it that somebody keeps under a name."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import ProctorError
from core.reports.calls import CallOrder
from core.saved_views import LONGEST_NAME, SavedView
from pages.calls import columns, paging, searching
from pages.kit.buttons import button
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, show_error

COLUMNS, VIEW = "columns", "view"


def column_text(views: Sequence[SavedView]) -> str | None:
    """Return the columns that the address names or, where it names none, those of the one of *views* that it names."""
    if COLUMNS in st.query_params:
        return st.query_params[COLUMNS]
    view = _chosen(views)
    return view.columns if view else None


def kept(visit: Visit) -> Sequence[SavedView]:
    """Return the views of whoever looks."""
    return visit.runtime.views.list(visit.principal)


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
    if VIEW not in st.query_params and (not names or names == columns.USUAL):
        st.query_params.pop(COLUMNS, None)
    else:
        st.query_params[COLUMNS] = ",".join(names or columns.USUAL)


def draw(visit: Visit, views: Sequence[SavedView], text: str, order: CallOrder, shown: tuple[str, ...]) -> None:
    """Draw the *views* that somebody keeps, and whether the list is still as the one that he chose."""
    view = _chosen(views)
    changed = view is not None and (view.q, view.sort, columns.chosen_in(view.columns)) != (text, str(order), shown)
    label = "Views" if view is None else f"{'Changed from ' if changed else ''}{plain(view.name)}"
    with st.popover(label, icon=":material/bookmark:", type="tertiary", key="views"):
        if visit.principal.person_id is None:
            st.markdown("Views are kept for people who sign in. The address of this list holds all of it: keep that.")
            return
        for one in views:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.button(plain(one.name), key=f"view_{one.id}", type="tertiary", on_click=_show, args=(one,))
                st.button(
                    "Remove", icon=":material/close:", key=f"drop_view_{one.id}", type="tertiary",
                    on_click=_remove, args=(visit, one),
                )  # fmt: skip
        name = st.text_input("Keep this list as", key="view_name", max_chars=LONGEST_NAME)
        if button("Save", key="save_view", missing="" if name.strip() else "A view needs a name."):
            _save(visit, name, text, order, shown)


def _save(visit: Visit, name: str, text: str, order: CallOrder, shown: tuple[str, ...]) -> None:
    try:
        view = visit.runtime.views.save(visit.principal, name, q=text, sort=str(order), columns=",".join(shown))
    except ProctorError as error:
        show_error(error, "The view was not saved.")
        return
    st.query_params[VIEW] = view.id
    flash(f"Kept as {view.name}.")
    st.rerun()


def _remove(visit: Visit, view: SavedView) -> None:
    try:
        visit.runtime.views.remove(visit.principal, view.id)
    except ProctorError as error:
        flash(error.message, ":material/error:")
    if st.query_params.get(VIEW) == view.id:
        st.query_params.pop(VIEW, None)


def _show(view: SavedView) -> None:
    """Let the list be as the view has it."""
    searching.edit(view.q)
    paging.sort(CallOrder.of(view.sort))
    st.query_params.update({VIEW: view.id, COLUMNS: view.columns})


def _chosen(views: Sequence[SavedView]) -> SavedView | None:
    """Return the view that the address names; a link names it to others as well, who do not keep it."""
    named = st.query_params.get(VIEW)
    return next((one for one in views if one.id == named), None)
