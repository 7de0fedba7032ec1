"""Text that people or programs chose, made safe for Streamlit's Markdown.

Whatever such a text holds, a page shows its characters: no link, picture, icon, formula, colour or HTML is made of it.
"""

from __future__ import annotations

import re
from html import escape

from core.lines import one_line, unbroken

_MARKUP = frozenset("\\`*_{}[]()#+-.!|~>$:<&")
_JOINER = "\N{WORD JOINER}"
"""Nobody sees it. It stands where a backslash is in vain, in what is looked for once all backslashes are gone."""
_MADE_LATER = re.compile(
    r"(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=www)(?=\.)|(?=@[-\w]+\.)|(?<=:)(?=material[_/]|streamlit:)"
    r"|(?:(?<=^[-<>~])|(?<=\s[-<>~]))(?=[-=>]+(?:\s|$))",
    re.IGNORECASE,
)
"""Where links, addresses, icons and arrows are made of what reads like them."""
_ICON = re.compile(r"(?<=:)(?=material/)")


def plain(text: object) -> str:
    r"""Return *text* so that Markdown shows it as it is, on one line: use it for whatever people or programs wrote."""
    told = _MADE_LATER.sub(_JOINER, unbroken(str(text)))
    return "".join(f"\\{letter}" if letter in _MARKUP else letter for letter in told)


def code(text: object) -> str:
    """Return *text* as Markdown code on one line, whatever is in it: an empty line would end the code."""
    return "`" + _ICON.sub(_JOINER, one_line(str(text)).replace("`", "'")) + "`"


def html(text: object) -> str:
    """Return *text* as HTML that shows it as it is, on one line, in the direction of what stands around it."""
    return escape(unbroken(str(text)))
