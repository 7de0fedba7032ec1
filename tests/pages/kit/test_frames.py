"""A click in a table is about the row that was drawn there, wherever that row is now."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from pages.kit import frames
from pages.kit.links import Destination


class Browser:
    """A browser that shows what was drawn last, and somebody who clicks in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state: dict[str, object] = {}
        self.cells: list[tuple[int, str]] = []
        self.went: list[Destination] = []
        monkeypatch.setattr("streamlit.session_state", self.state)
        monkeypatch.setattr("streamlit.dataframe", self.drawn)
        monkeypatch.setattr(frames, "go", self.went.append)

    def drawn(self, *_: object, **__: object) -> object:
        """Return what was clicked, by its place."""
        return SimpleNamespace(selection=SimpleNamespace(cells=self.cells))

    def picked(self, names: list[str]) -> int | None:
        """Return the row of *names* that is picked."""
        return frames.grid(pd.DataFrame({"name": names, "n": 1}), alt="", key="t", picks="name", has_cards=False)


def test_a_click_is_about_the_row_that_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that moved while it was on its way are found by what they are known by; those that went are nobody."""
    browser = Browser(monkeypatch)
    assert browser.picked(["a", "b", "c"]) is None
    browser.cells = [(1, "n")]
    assert browser.picked(["new", "a", "b", "c"]) == 2
    assert browser.picked(["b"]) is None, "what was drawn at that place in the meantime is a"
    assert browser.picked(["b"]) is None, "there is no such row"


@pytest.mark.parametrize("column", ["name", "n"])
def test_a_row_opens_what_it_opened_when_it_was_drawn(monkeypatch: pytest.MonkeyPatch, column: str) -> None:
    """So does a name lead where the name led that was clicked."""
    browser = Browser(monkeypatch)

    def draw(names: list[str]) -> None:
        frames.grid(
            pd.DataFrame({"name": names, "n": 1}),
            alt="",
            key="t",
            opens=lambda row: Destination("calls", {"call": names[row]}),
            leads={"name": lambda name: Destination("calls", {"call": name})},
            has_cards=False,
        )

    draw(["a", "b"])
    browser.cells = [(0, column)]
    browser.state["t_name"] = {"row": 0} if column == "name" else None
    draw(["new", "a", "b"])
    assert browser.went == [Destination("calls", {"call": "a"})]
