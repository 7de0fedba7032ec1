"""Text that people or programs chose, made safe for Streamlit's Markdown."""

from __future__ import annotations

from core.lines import one_line

_MARKUP = frozenset("\\`*_{}[]()#+-.!|~>$:<&")


def plain(text: object) -> str:
    r"""Return *text* so that Markdown shows it as it is: use it for every name that people or programs chose."""
    return "".join(f"\\{letter}" if letter in _MARKUP else letter for letter in str(text))


def code(text: object) -> str:
    """Return *text* as Markdown code on one line, whatever is in it: an empty line would end the code."""
    return "`" + one_line(str(text)).replace("`", "'") + "`"
