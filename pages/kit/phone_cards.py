"""Lists for who looks at them on a phone: a card for each row, in the place of a table that would be cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import streamlit as st

from pages.kit import cells, formats
from pages.kit.markup import html

if TYPE_CHECKING:
    from pages.kit.links import Destination, Lead

MOST_CARDS = 100
"""Rows beyond these are for wider screens."""
_STYLE = """<style>
@media (max-width:640px){.st-key-GRID{display:none}}
@media (min-width:640.1px){.st-key-GRID_cards{display:none}}
.phone-cards{border:1px solid rgba(128,128,128,.35);border-radius:8px}
.phone-cards>*{display:block;padding:.55rem .7rem;color:inherit;text-decoration:none}
.phone-cards>*+*{border-top:1px solid rgba(128,128,128,.35)}
.phone-cards .line{display:flex;justify-content:space-between;gap:.6rem;white-space:nowrap}
.phone-cards .line span:first-child{overflow:hidden;text-overflow:ellipsis}
.phone-cards .line+.line{opacity:.8;font-size:.86em}
.phone-cards .name{font-weight:600;overflow-wrap:anywhere}
.phone-cards .cells{display:flex;flex-wrap:wrap;gap:.1rem .9rem;font-size:.86em;margin-top:.15rem}
.phone-cards .cells span{overflow-wrap:anywhere}
.phone-cards .cells span span{opacity:.75}
</style>"""


class PhoneCard(NamedTuple):
    """One row in two lines."""

    page: str
    """Where it leads, with …"""
    address: Mapping[str, str]
    lines: tuple[tuple[str, str], tuple[str, str]]
    """What stands left and right, above and below; it may say anything."""


def draw(cards: Iterable[PhoneCard], *, grid: str, label: str) -> None:
    """Draw them; the table is what has the key *grid*, and is what wider screens show."""
    _draw(map(_two_lines, cards), grid, label)


def draw_rows(
    frame: Any,
    columns: Mapping[str, Any],
    *,
    grid: str,
    label: str,
    leads: Mapping[str, Lead],
    opens: Callable[[int], Destination] | None,
) -> None:
    """Draw the rows of a table with its every figure: the first column, then what the others are called and say.

    A card leads where *opens* says, which takes the number of the row, or where the first of its *leads* does.
    """
    drawn_as: dict[str, cells.Looks] = {name: columns.get(name) or {} for name in frame.columns}
    looks = {name: look for name, look in drawn_as.items() if not cells.is_picture(look)}
    names, heads = list(looks), [str(look.get("label") or name) for name, look in looks.items()]
    led = next((name for name in names if name in leads), None)

    def card(place: int, row: Sequence[Any]) -> str:
        said = [cells.told(value, look) for value, look in zip(row, looks.values(), strict=True)]
        goal = opens(place) if opens else None
        if goal is None and led is not None and (name := said[names.index(led)]) != formats.UNKNOWN:
            goal = leads[led](name)
        shown = "".join(
            f"<span><span>{html(head)}</span> {html(told)}</span>"
            for head, told in zip(heads[1:], said[1:], strict=True)
            if told != formats.UNKNOWN
        )
        inner = f'<div class="name">{html(said[0])}</div><div class="cells">{shown}</div>'
        return f"<div>{inner}</div>" if goal is None else _link(goal.page, goal.parameters, inner)

    rows = frame[names].head(MOST_CARDS).itertuples(index=False, name=None)
    drawn = [card(place, row) for place, row in enumerate(rows)]
    if len(frame) > MOST_CARDS:
        drawn.append(f"<div>{formats.count(len(frame) - MOST_CARDS)} more, on a wider screen</div>")
    _draw(drawn, grid, label)


def _draw(cards: Iterable[str], grid: str, label: str) -> None:
    shown = f'<nav class="phone-cards" aria-label="{html(label)}">{"".join(cards)}</nav>'
    with st.container(key=f"{grid}_cards"):
        st.html(_STYLE.replace("GRID", grid) + shown)


def _two_lines(card: PhoneCard) -> str:
    told = "".join(
        f'<div class="line"><span>{html(left)}</span><span>{html(right)}</span></div>' for left, right in card.lines
    )
    return _link(card.page, card.address, told)


def _link(page: str, address: Mapping[str, str], inner: str) -> str:
    query = f"?{escape(urlencode(address))}" if address else ""
    return f'<a href="/{page}{query}" target="_self">{inner}</a>'
