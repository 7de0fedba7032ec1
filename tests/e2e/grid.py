"""Streamlit draws its tables on a canvas; inside it the same stands as a table for screen readers, to be read."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.e2e.screen import PATIENCE_MS


class Grid:
    """The table inside the card with that key, small enough to show all its rows."""

    def __init__(self, page: Page, card: str) -> None:
        self._page = page
        self._frame = page.locator(f".st-key-{card}").get_by_test_id("stDataFrame").first

    @property
    def names(self) -> list[str]:
        """What the first cells read, in order."""
        first = self._frame.locator("tbody [role=gridcell][aria-colindex='1']")
        expect(first.first).to_be_attached(timeout=PATIENCE_MS)
        return [text.strip() for text in first.all_text_contents()]

    def row(self, name: str) -> Locator:
        """Return the row whose first cell reads *name*."""
        first = self._page.locator("[role=gridcell][aria-colindex='1']").get_by_text(name, exact=True)
        return self._frame.locator("tbody tr", has=first)

    def cell(self, name: str, column: str) -> Locator:
        """Return the cell of the row *name* under the head *column*."""
        head = self._frame.locator("th[role=columnheader]", has_text=column)
        expect(head).to_have_count(1)
        return self.row(name).locator(f"[aria-colindex='{head.get_attribute('aria-colindex')}']")

    def open(self, name: str) -> None:
        """Click the row *name* in its last cell: a name in the first leads to what it names."""
        self.click(name, from_right=40)

    def click(self, name: str, *, from_right: int = 0) -> None:
        """Click the first cell of the row *name*, or so many pixels from its right end."""
        row = self.row(name)
        expect(row).to_have_count(1)
        head_is_one = int(row.get_attribute("aria-rowindex") or "")
        drawn = self._frame.locator(".dvn-scroller")  # it lies over the canvas and takes the mouse
        box = drawn.bounding_box()
        assert box is not None
        row_height = box["height"] / self._frame.locator("tr").count()
        drawn.click(
            position={"x": box["width"] - from_right if from_right else 40, "y": (head_is_one - 0.5) * row_height}
        )

    def type(self, name: str, column: str, text: str) -> None:
        """Write *text* into a cell, from the keyboard."""
        self.click(name, from_right=40)  # a name in the first cell leads to what it names
        wanted = int(self.cell(name, column).get_attribute("aria-colindex") or "")
        for number in range(self._frame.locator("th[role=columnheader]").count(), wanted - 1, -1):
            expect(self.row(name).locator(f"[aria-colindex='{number}']")).to_be_focused()
            if number > wanted:
                self._page.keyboard.press("ArrowLeft")
        self._page.keyboard.press("Enter")
        box = self._page.locator("#portal input")
        expect(box).to_be_editable()
        box.fill(text)
        self._page.keyboard.press("Enter")
        expect(box).to_have_count(0)
