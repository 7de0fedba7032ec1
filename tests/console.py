"""A page of the console as somebody opens it whose link says which, in Streamlit's stand-in for a browser."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

FRAME = Path(__file__).parents[1] / "pages" / "_frame.py"


def console(name: str, **parameters: str) -> AppTest:
    """Return a page by its name, with these parameters in its URL; it is still to be run.

    ``AppTest.switch_page`` would have another page run before it, which is most of what a look at a page takes.
    """
    page = AppTest.from_file(str(FRAME), default_timeout=60)
    if name != "home":
        page._page_hash = calc_hash(name)  # pyright: ignore[reportPrivateUsage]
    for parameter, value in parameters.items():
        page.query_params[parameter] = value
    return page
