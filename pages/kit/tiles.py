"""The figures at the top of a page: each with its change since the window before, and what limits it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure."""

    label: str
    value: str
    help: str
    delta: str | None = None
    better: Literal["normal", "inverse", "off"] = "off"
    """Whether more is better (normal), worse (inverse) or neither (off)."""
    beside: str | None = None
    """What limits the figure, or what it does not hold, in a few words."""
    trend: Sequence[float | None] = ()


def draw(tiles: Iterable[Tile]) -> None:
    """Draw figures in a row that folds on narrow screens."""
    with st.grid(6, min_column_width=150, gap="small"):
        for tile in tiles:
            flat = tile.delta is not None and tile.delta.startswith("0")
            st.metric(
                tile.label,
                tile.value,
                0 if flat else tile.delta,
                delta_color=tile.better,
                delta_description=tile.beside,
                help=tile.help,
                border=True,
                height="stretch",
                chart_data=tile.trend if len(tile.trend) > 1 else None,
                chart_type="area",
            )
