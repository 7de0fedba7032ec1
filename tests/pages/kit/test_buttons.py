"""What cannot be pressed says why."""

from __future__ import annotations

import ast

from streamlit.testing.v1 import AppTest

from core.settings import ROOT

ONLY = {"buttons.py", "frames.py"}
"""The one way to draw a grey button; and the editor, whose columns are fixed by the same word."""


def test_no_page_draws_a_grey_button_by_itself() -> None:
    """Each goes through the one function that says what is missing."""
    found = {
        path.name
        for path in (ROOT / "pages").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "disabled"
    }
    assert found == ONLY


def test_what_is_missing_is_said_under_it() -> None:
    """Once, where several miss the same; nothing is said where nothing is missing."""

    def script() -> None:
        from pages.kit.buttons import button

        button("Start", key="start", missing="Say why first.")
        button("Often", key="often", missing="Say why first.", is_told=False)
        button("Go", key="go")

    page = AppTest.from_function(script).run()
    assert [one.disabled for one in page.button] == [True, True, False]
    assert [one.value for one in page.caption] == [":material/info: Say why first."]
