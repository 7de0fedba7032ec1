"""A page of calls for who looks at it on a phone: two lines for each, in the place of a table that would be cut."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from pages.calls.columns import words
from pages.kit import formats
from pages.kit.frames import Frame, pd

_STYLE = """<style>
.st-key-calls_grid [data-testid=stElementToolbar],
[data-testid=stDataFrameColumnMenu] [role=menu]>[role=menuitem]:nth-child(-n+3){display:none}
.call-cards{display:none}
@media (max-width:640px){
 .st-key-calls_grid{display:none}
 .call-cards{display:block;border:1px solid rgba(128,128,128,.35);border-radius:8px}
 .call-cards a{display:block;padding:.55rem .7rem;color:inherit;text-decoration:none}
 .call-cards a+a{border-top:1px solid rgba(128,128,128,.35)}
 .call-cards .line{display:flex;justify-content:space-between;gap:.6rem;white-space:nowrap}
 .call-cards .line span:first-child{overflow:hidden;text-overflow:ellipsis}
 .call-cards .line+.line{opacity:.8;font-size:.86em}
}
</style>"""


def draw(calls: Frame, zone: str, *, one_tenant: bool) -> None:
    """Draw them; each leads to its call, as a row of the table does. Wider screens show the table.

    Of that the framework's own ways to sort, to search and to save are taken off: they know one page alone.
    """
    here = {name: value for name, value in st.query_params.to_dict().items() if name != "call"}
    cards = "".join(_card(one, zone, here, one_tenant=one_tenant) for one in calls.itertuples())
    st.html(f'{_STYLE}<nav class="call-cards" aria-label="Calls">{cards}</nav>')


def _card(one: Any, zone: str, here: dict[str, str], *, one_tenant: bool) -> str:
    how = ", ".join(words(one.outcome, one.reask_of, one.superseded))
    whose = "" if one_tenant else f" · {one.tenant}"
    cost = formats.UNKNOWN if pd.isna(one.cost_usd) else f"${one.cost_usd:.5f}"
    took = f"{formats.millis(one.duration_ms)} · {cost}"
    what = _told(one.error_code) or _told(one.model) or _told(one.schema) or formats.UNKNOWN
    lines = ((how + whose, formats.moment(one.started_at.to_pydatetime(), zone)), (what, took))
    told = "".join(
        f'<div class="line"><span>{escape(left)}</span><span>{escape(right)}</span></div>' for left, right in lines
    )
    return f'<a href="/calls?{escape(urlencode({**here, "call": one.id}))}" target="_self">{told}</a>'


def _told(value: Any) -> str:
    return value if isinstance(value, str) else ""
