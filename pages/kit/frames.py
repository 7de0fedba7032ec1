"""Tables and charts as every page draws them: the one place of the console that meets pandas, which ships no types.

Streamlit's signatures for what takes a frame name types of libraries that are not installed; they are given types here.
Each picture has words as well: *alt* is read out where it cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as untyped  # noqa: ICN001 it is pd to the pages  # pyright: ignore[reportMissingTypeStubs]
import pyarrow as untyped_arrow  # noqa: ICN001 as above  # pyright: ignore[reportMissingTypeStubs]
import streamlit as st

from pages.kit import formats, phone_cards

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.elements.lib.column_types import ColumnConfig

    from pages.kit.links import Destination, Lead

Frame: TypeAlias = Any
"""A ``pandas.DataFrame``: what its columns hold is known where it is made."""
Picks: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The fields of what was clicked in a chart, or both ends of what was dragged over, by the chart's parameter."""
pd: Any = untyped
_arrow: Any = untyped_arrow
ROW = 34
"""The height of a row, in pixels."""
HEAD = 31
"""The height of a table's head, as the framework draws it in our size of letters."""
CHART = 286
"""The height of a chart, in pixels."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What of a table's rows a click is about: its place alone says little, where rows have moved since."""

    known: Mapping[str, Sequence[Any]]
    """The cells of the columns by which rows are known, or whose names lead somewhere."""
    places: Sequence[Destination] = ()
    """What each row opens."""


def table(
    frame: Frame | Mapping[str, Any],
    *,
    alt: str | None = None,
    on: DeltaGenerator | None = None,
    hides_index: bool = False,
) -> None:
    """Draw a small table whose cells are Markdown, on the page or *on* a place kept for it."""
    (on or st).table(frame, border="horizontal", alt=alt, hide_index=hides_index or None)  # pyright: ignore[reportUnknownMemberType]


def grid(
    frame: Frame,
    *,
    alt: str,
    key: str,
    columns: Mapping[str, ColumnConfig] | None = None,
    most_rows: int = 10,
    on_pick: Callable[[], None] | None = None,
    picks: str = "",
    opens: Callable[[int], Destination] | None = None,
    leads: Mapping[str, Lead] | None = None,
    sorts: bool = False,
    has_cards: bool = True,
) -> int | None:
    """Draw a table that scrolls beyond *most_rows*; return the row that was clicked, where it *picks*.

    It is known again by what stands in the column that *picks* names: rows may have moved since the one was drawn that
    was clicked, and may be gone. A row *opens* what is behind it. With *on_pick* that is called instead, before the
    page runs anew. *leads* are the columns of names, with where a click on one of them goes. A table that *sorts* is
    one page of a longer one: a click on a head is for *on_pick* too (:func:`picked_head`), since what the browser would
    sort is this page alone.

    On a phone cards stand in its place, unless *has_cards* is false, or rows can be picked there alone.
    """
    is_picked = bool(picks) or (opens is not None and on_pick is None)
    cards = has_cards and (opens is not None or not (is_picked or on_pick))
    with st.container(key=f"{key}_wide") if cards else nullcontext():
        event: Any = st.dataframe(  # pyright: ignore[reportUnknownMemberType]
            _filled(frame, leads or ()),
            hide_index=True,
            height=HEAD + ROW * min(len(frame), most_rows) + 2,
            row_height=ROW,
            key=key,
            on_select=on_pick or ("rerun" if is_picked else "ignore"),
            selection_mode=["single-cell", "single-column"] if sorts else "single-cell",
            placeholder=formats.UNKNOWN,
            alt=alt,
            column_config=_leading(columns or {}, key, leads or ()),
        )
    known = {name: list(frame[name]) for name in {*(leads or ()), *((picks,) if picks else ())}}
    drawn = _Drawn(known, [opens(row) for row in range(len(frame))] if opens and not on_pick else ())
    clicked = _drawn_before(drawn, key)
    _follow(clicked, key, leads or {})
    if cards:
        phone_cards.draw_rows(frame, columns or {}, grid=f"{key}_wide", label=alt, leads=leads or {}, opens=opens)
    cells = event.selection.cells if is_picked else ()
    row = int(cells[0][0]) if cells and cells[0][1] not in (leads or ()) else None
    if row is not None and row < len(clicked.places):
        go(clicked.places[row])
    if row is None or not picks or row >= len(clicked.known[picks]):
        return None
    name = clicked.known[picks][row]
    return drawn.known[picks].index(name) if name in drawn.known[picks] else None


def picked(key: str, leads: Container[str] = ()) -> int | None:
    """Return, to what :func:`grid` calls, the row that was clicked in the table *key*, but for its columns of names."""
    cells: Any = st.session_state[key].selection.cells
    return int(cells[0][0]) if cells and cells[0][1] not in leads else None


def picked_head(key: str) -> str | None:
    """Return, to what :func:`grid` calls, the column whose head was clicked in the table *key*."""
    heads: Any = st.session_state[key].selection.columns
    return str(heads[0]) if heads else None


def _filled(frame: Frame, leads: Container[str]) -> Frame:
    """Return a table in which what is empty shows: an empty text becomes a gap, which has a dash; buttons have none."""
    made = frame.copy()
    for name in frame.columns:
        if name in leads:
            made[name] = [formats.UNKNOWN if pd.isna(cell) or not cell else cell for cell in frame[name]]
        elif any(isinstance(cell, str) and not cell for cell in frame[name]):
            made[name] = [None if isinstance(cell, str) and not cell else cell for cell in frame[name]]
    return made


def _leading(columns: Mapping[str, Any], key: str | None, leads: Iterable[str]) -> dict[str, Any]:
    """Return the columns, those of names as ones whose names can be clicked, with the looks that they were to have."""
    made = dict(columns)
    for name in leads:
        looks: Mapping[str, Any] = columns.get(name) or {}
        kept = {one: looks[one] for one in ("label", "width", "help", "pinned") if looks.get(one) is not None}
        made[name] = st.column_config.ButtonColumn(**kept, type="tertiary", alignment="left", key=f"{key}_{name}")
    return made


def _drawn_before(drawn: _Drawn, key: str) -> _Drawn:
    """Return what the table *key* showed when it was clicked, and remember what it shows from now on."""
    before: _Drawn = st.session_state.get(f"{key}_drawn", drawn)
    st.session_state[f"{key}_drawn"] = drawn
    return before


def _follow(drawn: _Drawn, key: str, leads: Mapping[str, Lead]) -> None:
    """Go where a name leads, if one was clicked."""
    for name, lead in leads.items():
        if clicked := st.session_state.get(f"{key}_{name}"):
            row, names = clicked["row"], drawn.known.get(name, ())
            told = names[row] if row < len(names) else None
            if not told or pd.isna(told) or told == formats.UNKNOWN:
                return  # there is no name
            go(lead(str(told)))


def go(place: Destination) -> None:
    """Open a page at what its address is to hold."""
    st.switch_page(f"{place.page}/page.py", query_params=dict(place.parameters))


def chart(
    frame: Any,
    spec: dict[str, Any],
    *,
    alt: str,
    height: int = CHART,
    key: str | None = None,
    picks: Sequence[str] = (),
) -> Picks:
    """Draw a chart; return, by the chart's parameters that *picks* names, the fields of what was clicked or dragged."""
    event: Any = st.vega_lite_chart(  # pyright: ignore[reportUnknownMemberType]
        frame,
        spec,
        height=height,
        key=key,
        on_select="rerun" if picks else "ignore",
        selection_mode=picks or None,  # what follows the pointer is the browser's own affair
        alt=alt,
    )
    found: Mapping[str, Any] = event.selection if picks and event else {}
    chosen: dict[str, Any] = {name: found[name] for name in picks if found.get(name)}
    # Of what was dragged over it is both ends of each field, of what was clicked a list of rows.
    return {name: one if hasattr(one, "keys") else one[0] for name, one in chosen.items()}


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart with its data in the form in which it goes to the browser: made once, drawn for whoever looks."""

    data: Any
    spec: dict[str, Any]
    alt: str

    @classmethod
    def of(cls, frame: Frame, spec: dict[str, Any], *, alt: str) -> Picture:
        """Return the chart of *frame*; drawing it meets pandas no more."""
        return cls(_arrow.Table.from_pandas(frame), spec, alt)

    def draw(self, *, key: str | None = None, picks: Sequence[str] = (), height: int = CHART) -> Picks:
        """Draw it as :func:`chart` does."""
        return chart(self.data, self.spec, alt=self.alt, key=key, picks=picks, height=height)


def editor(
    frame: Frame,
    *,
    alt: str,
    key: str,
    columns: Mapping[str, ColumnConfig],
    placeholder: str | None = None,
    fixed: Sequence[str] = (),
    grows: bool = False,
    leads: Mapping[str, Lead] | None = None,
) -> Frame:
    """Draw a table that is edited, but for its *fixed* columns, and return it as it is now; new rows if it *grows*.

    *leads* are as of :func:`grid`, among the fixed columns. The limits that its columns name are cosmetic: whoever
    reads it checks again.
    """
    edited: Frame = st.data_editor(  # pyright: ignore[reportUnknownVariableType]
        frame,
        key=key,
        hide_index=True,
        alt=alt,
        placeholder=placeholder,
        disabled=list(fixed),
        num_rows="dynamic" if grows else "fixed",
        column_config=_leading(columns, key, leads or ()),
    )
    _follow(_drawn_before(_Drawn({name: list(frame[name]) for name in leads or ()}), key), key, leads or {})
    return edited  # pyright: ignore[reportUnknownVariableType]
