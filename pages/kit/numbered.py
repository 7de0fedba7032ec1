"""A field for text that has lines, such as a schema: each has its number, and the one that is wrong is marked.

The numbers are a picture behind the field's text, which scrolls with it: no script, nothing to fetch, the same in light
and dark, and on any width. Those of lines that are being written are there already, pale until the text is taken over.
"""

from __future__ import annotations

import html
import re
from typing import Literal
from urllib.parse import quote

import streamlit as st

AROUND = 4
"""How many lines are shown on either side of the wrong one."""
ROW, TOP, GUTTER = 20, 12, 48
"""In pixels: the height of a line, what is above the first, what is left of each."""
SPARE = 30
MOST_NUMBERED = 3_000
"""Lines beyond have no number: the picture would be larger than the text."""
_LINE = re.compile(r"\bLine (\d{1,6})\b")
_FONT = "font-family: 'JetBrains Mono', ui-monospace, monospace; font-size: 0.8125rem; tab-size: 4;"
_EXCERPT = f"""<style>
.lines {{
  {_FONT} line-height: 1.7; overflow-x: auto; border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 8px;
}}
.lines div {{ white-space: pre; padding: 0 0.75rem; border-left: 3px solid transparent; }}
.lines .wrong {{ background: rgba(220, 38, 38, 0.14); border-left-color: rgb(220, 38, 38); font-weight: 600; }}
.lines .number {{ display: inline-block; min-width: 3rem; user-select: none; }}
</style>"""


def area(
    label: str,
    sample: str,
    *,
    key: str,
    height: int,
    hides_label: bool = False,
    help: str | None = None,  # noqa: A002 as Streamlit calls it
    kept: Literal["session"] | None = None,
) -> str:
    """Draw the field and return its text; :func:`number` numbers its lines, once it is known what is wrong."""
    text = st.text_area(
        label,
        sample,
        height=height,
        key=key,
        label_visibility="collapsed" if hides_label else "visible",
        help=help,
        persist_state=kept,
    )
    return text or ""


def number(key: str, text: str, wrong: int | None = None) -> None:
    """Number the lines of the *text* in the field with that *key*; mark the *wrong* one, and show what is around it."""
    st.html(f"<style>{look(key, text, wrong)}</style>")
    if wrong is not None:
        st.html(_EXCERPT + excerpt(text, wrong))


def wrong_line(sentence: str) -> int | None:
    """Return the line that *sentence* speaks of, counted from 1."""
    found = _LINE.search(sentence)
    return int(found[1]) if found else None


def look(key: str, text: str, wrong: int | None) -> str:
    """Return the CSS of the field."""
    count = min(text.count("\n") + 1, MOST_NUMBERED)
    rows = "".join(_row(line, is_wrong=line == wrong, is_pale=line > count) for line in range(1, count + SPARE + 1))
    height = (count + SPARE) * ROW
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{GUTTER}" height="{height}" font-family="monospace" '
        f'font-size="12" text-anchor="end" fill="#748091">{rows}</svg>'
    )
    images = [f'url("data:image/svg+xml,{quote(picture, safe=" =:/")}") 0 {TOP}px / {GUTTER}px {height}px']
    if wrong is not None:
        at = TOP + (min(wrong, count) - 1) * ROW
        images.append(f"linear-gradient(rgba(220,38,38,.16), rgba(220,38,38,.16)) 0 {at}px / 100% {ROW}px")
    return (
        f".st-key-{key} textarea {{ {_FONT} line-height: {ROW}px; white-space: pre; overflow-x: auto; "
        f"padding: {TOP}px {TOP}px {TOP}px {GUTTER + 8}px; "
        f"background: {', '.join(f'{image} no-repeat local' for image in images)}; }}"
    )


def _row(line: int, *, is_wrong: bool, is_pale: bool) -> str:
    """Return the number of one line; the wrong one has a sign beside its colour."""
    look = ' fill="#dc2626" font-weight="bold"' if is_wrong else ' opacity=".45"' if is_pale else ""
    return f'<text x="{GUTTER - 6}" y="{line * ROW - 6}"{look}>{"▸" if is_wrong else ""}{line}</text>'


def excerpt(text: str, wrong: int) -> str:
    """Return the lines around the *wrong* one as HTML, each with its number, that one marked."""
    every = text.split("\n")
    wrong = min(max(wrong, 1), len(every))
    shown = range(max(1, wrong - AROUND), min(len(every), wrong + AROUND) + 1)
    rows: list[str] = []
    for line in shown:
        mark, sign = (" class=wrong", " ▸") if line == wrong else ("", "")
        rows.append(f'<div{mark}><span class="number">{line}{sign}</span>{html.escape(every[line - 1][:400])} </div>')
    return f'<div class="lines" role="img" aria-label="Line {wrong} is wrong">{"".join(rows)}</div>'
