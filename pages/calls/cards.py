"""A page of calls for who looks at it on a phone: two lines for each, in the place of a table that would be cut."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.calls.columns import words
from pages.kit import formats, phone_cards
from pages.kit.frames import Frame, pd
from pages.kit.phone_cards import PhoneCard

_STYLE = """<style>
.st-key-calls_grid [data-testid=stElementToolbar],
[data-testid=stDataFrameColumnMenu] [role=menu]>[role=menuitem]:nth-child(-n+3){display:none}
</style>"""


def draw(calls: Frame, zone: str, *, one_tenant: bool) -> None:
    """Draw them; each leads to its call, as a row of the table does. Wider screens show the table.

    Of that the framework's own ways to sort, to search and to save are taken off: they know one page alone.
    """
    here = {name: value for name, value in st.query_params.to_dict().items() if name != "call"}
    st.html(_STYLE)
    cards = (_card(one, zone, here, one_tenant=one_tenant) for one in calls.itertuples())
    phone_cards.draw(cards, grid="calls_grid", label="Calls")


def _card(one: Any, zone: str, here: dict[str, str], *, one_tenant: bool) -> PhoneCard:
    how = ", ".join(words(one.outcome, one.reask_of, one.superseded))
    whose = "" if one_tenant else f" · {one.tenant}"
    cost = formats.UNKNOWN if pd.isna(one.cost_usd) else f"${one.cost_usd:.5f}"
    took = f"{formats.millis(one.duration_ms)} · {cost}"
    what = _told(one.error_code) or _told(one.model) or _told(one.schema) or formats.UNKNOWN
    lines = ((how + whose, formats.moment(one.started_at.to_pydatetime(), zone)), (what, took))
    return PhoneCard("calls", {**here, "call": one.id}, lines)


def _told(value: Any) -> str:
    return value if isinstance(value, str) else ""
