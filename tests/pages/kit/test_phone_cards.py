"""On a phone a card stands for each row of a table, with the same figures and the same way on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.kit import cells
from tests.pages.test_foreign_text import HOSTILE

_C: Any = st.column_config


@pytest.mark.parametrize(
    ("value", "looks", "said"),
    [
        (12_345, _C.NumberColumn(format="localized"), "12,345"),
        (0.5, _C.NumberColumn(format="localized"), "0.5"),
        (97.84, _C.NumberColumn(format="%.1f%%"), "97.8%"),
        (1234.5, _C.NumberColumn(format="$%,.2f"), "$1,234.50"),
        (7.0, _C.NumberColumn(format="%d"), "7"),
        (1_240_000, _C.NumberColumn(format="compact"), "1.24M"),
        (float("nan"), _C.NumberColumn(format="%.2f s"), "\N{EN DASH}"),
        (None, {}, "\N{EN DASH}"),
        ("", {}, "\N{EN DASH}"),
        ([], {}, "\N{EN DASH}"),
        (["Failing", "Few calls"], _C.MultiselectColumn(options=[]), "Failing, Few calls"),
        (
            datetime(2026, 11, 30, 23, 5, 9, tzinfo=UTC),
            _C.DatetimeColumn(format="MMM D, HH:mm:ss", timezone="Asia/Kathmandu"),
            "Dec 01, 04:50:09",
        ),
        (True, {}, "yes"),
        ("openai/gpt-4o", {}, "openai/gpt-4o"),
    ],
)
def test_a_cell_says_what_its_table_draws(value: object, looks: dict[str, Any], said: str) -> None:
    """Numbers in the format of their column, times in its zone, a dash where there is nothing."""
    assert cells.told(value, looks) == said


def _page() -> None:
    import streamlit as st

    from pages.kit import links
    from pages.kit.frames import grid, pd

    hostile = st.session_state["hostile"]
    frame = pd.DataFrame({"name": [hostile, ""], "calls": [3, 0], "trend": [[1, 2], [3, 4]]})
    looks = {"name": st.column_config.TextColumn("Tenant"), "trend": st.column_config.AreaChartColumn("Over time")}
    grid(frame, key="led", alt="Led", columns=looks, leads={"name": links.of_tenant})
    grid(frame, key="opened", alt="Opened", columns=looks, opens=lambda row: links.of_route(f"r{row}"))
    grid(frame, key="picked", alt="Picked", columns=looks, picks="name")
    long = pd.DataFrame({"name": [f"n{place}" for place in range(130)]})
    grid(long, key="long", alt="Long")


def test_cards_stand_for_the_rows_of_a_table() -> None:
    """Foreign text is text; a card leads where its row or its name does; a table whose rows are picked has none."""
    page = AppTest.from_function(_page)
    page.session_state["hostile"] = HOSTILE
    page.run()
    assert not page.exception
    led, opened, long = (one.proto.body for one in page.get("html"))
    for body in (led, opened):
        assert "<script" not in body
        assert "<img" not in body
        assert "\u202e" not in body
        assert "Over time" not in body, "a picture is not read"
        assert "<span><span>calls</span> 3</span>" in body
    assert led.count('<a href="/tenants?tenant=') == 1, "a row without a name leads nowhere"
    assert [opened.count(f'<a href="/routes?route=r{row}"') for row in (0, 1)] == [1, 1]
    assert ">n99<" in long
    assert ">n100<" not in long
    assert "30 more, on a wider screen" in long
