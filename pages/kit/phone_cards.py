"""Lists for who looks at them on a phone: two lines for each row, in the place of a table that would be cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import NamedTuple
from urllib.parse import urlencode

import streamlit as st

_STYLE = """<style>
.phone-cards{display:none}
@media (max-width:640px){
 .st-key-GRID{display:none}
 .phone-cards{display:block;border:1px solid rgba(128,128,128,.35);border-radius:8px}
 .phone-cards a{display:block;padding:.55rem .7rem;color:inherit;text-decoration:none}
 .phone-cards a+a{border-top:1px solid rgba(128,128,128,.35)}
 .phone-cards .line{display:flex;justify-content:space-between;gap:.6rem;white-space:nowrap}
 .phone-cards .line span:first-child{overflow:hidden;text-overflow:ellipsis}
 .phone-cards .line+.line{opacity:.8;font-size:.86em}
}
</style>"""


class PhoneCard(NamedTuple):
    """One row."""

    page: str
    """Where it leads, with …"""
    address: Mapping[str, str]
    lines: tuple[tuple[str, str], tuple[str, str]]
    """What stands left and right, above and below; it may say anything."""


def draw(cards: Iterable[PhoneCard], *, grid: str, label: str) -> None:
    """Draw them; the table is in the container whose key is *grid*, and is what wider screens show."""
    shown = "".join(map(_html, cards))
    st.html(f'{_STYLE.replace("GRID", grid)}<nav class="phone-cards" aria-label="{escape(label)}">{shown}</nav>')


def _html(card: PhoneCard) -> str:
    told = "".join(
        f'<div class="line"><span>{escape(left)}</span><span>{escape(right)}</span></div>' for left, right in card.lines
    )
    return f'<a href="/{card.page}?{escape(urlencode(card.address))}" target="_self">{told}</a>'
