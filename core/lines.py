"""A line of text that somebody wrote, as others read it."""

from __future__ import annotations

import re

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, marks that turn the direction of what follows, and halves of letters."""

_BLANKS = re.compile(r"\s+")


def one_line(text: str) -> str:
    """Return *text* on one line, without what no reader sees and what makes him read another order than was written."""
    return unbroken(text).strip()


def unbroken(text: str) -> str:
    """Return *text* as :func:`one_line` does, but with a blank where it begins or ends with one, to be put together."""
    return _BLANKS.sub(" ", _UNSEEN.sub(" ", text))
