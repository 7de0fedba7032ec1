"""A line of text that somebody wrote, as others read it."""

from __future__ import annotations

import re

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, marks that turn the direction of what follows, and halves of letters."""


def one_line(text: str) -> str:
    """Return *text* on one line, without what no reader sees and what makes him read another order than was written."""
    return " ".join(_UNSEEN.sub(" ", text).split())
