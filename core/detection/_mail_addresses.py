"""Mail addresses (RFC 5321, 6531): the local part, quoted or not, and a domain with at least one dot, or a literal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.detection import Span

KIND = "an e-mail address"
NOT_LATIN = "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
"""Scripts that are written without blanks: a word of theirs beside an address would be taken into it."""
_AT = re.compile(r"@|%40")
_LONGEST_LOCAL = 64
_LONGEST_QUOTED = 42
_LONGEST_DOMAIN = 253
_LONGEST_LABEL = 63
_LOCAL = re.compile(rf"(?:(?![{NOT_LATIN}])[\w.+'%-]){{1,{_LONGEST_LOCAL}}}")
_QUOTED = re.compile(rf'"[^"\\\n@<>{{}}\[\](),:;=]{{1,{_LONGEST_QUOTED - 2}}}"\Z')
_QUOTE_OPEN = re.compile(rf'"[^"\\\n@<>{{}}\[\](),:;=]{{0,{_LONGEST_QUOTED - 2}}}"?\Z')
_DOMAIN = re.compile(rf"(?:(?![{NOT_LATIN}_])[\w.-]){{1,{_LONGEST_DOMAIN}}}")
_LITERAL = re.compile(r"\[(?:IPv6:)?[0-9A-Fa-f:.]{3,45}\]")
_LITERAL_OPEN = re.compile(r"\[(?:I|IP|IPv|IPv6|IPv6:)?[0-9A-Fa-f:.]{0,45}\Z")
_DOMAIN_OPEN = re.compile(rf"(?:(?![{NOT_LATIN}_])[\w.-]){{0,{_LONGEST_DOMAIN}}}\Z")
_TOP = re.compile(r"[^\W\d_]{2,63}|xn--[A-Za-z0-9-]{2,59}")
_FILES = frozenset(
    {
        *(
            "avif",
            "bmp",
            "css",
            "csv",
            "eot",
            "gif",
            "ico",
            "jpeg",
            "jpg",
            "js",
            "json",
            "jsx",
            "otf",
            "png",
            "svg",
            "tiff",
        ),
        *("ts", "tsx", "ttf", "webp", "woff", "woff2"),
    }
)
"""Endings of files that are no top-level domain: ``icon@2x.png``."""
_REPLACEMENT = re.compile(r"redacted-[a-z0-9]+@example\.invalid", re.IGNORECASE)
"""What stands in the place of an address that was found."""
_TRANSPORTS = frozenset({"git", "hg", "svn"})
"""Whoever is called so is a program: ``git@host:path``."""


def mail_addresses(text: str) -> Iterator[Span]:
    """Find the addresses."""
    done = 0
    for at in _AT.finditer(text):
        start = _local_start(text, at.start())
        if start < done or start == at.start():
            continue
        end = _domain_end(text, at.end())
        if not end or _REPLACEMENT.fullmatch(text, start, end):
            continue
        if not (text[end : end + 1] in {":", "/"} and text[start : at.start()] in _TRANSPORTS):
            yield Span(start, end, KIND)
            done = end


def growing_address(text: str) -> int:
    """Return where the first address begins that what comes may complete or lengthen; the end of *text* without.

    What stands before an ``@`` that has not come is not looked at, but for a part in quotation marks.
    """
    first = len(text)
    if (quoted := _QUOTE_OPEN.search(text, max(len(text) - _LONGEST_QUOTED, 0))) is not None:
        first = quoted.start()
    for at in _AT.finditer(text, max(len(text) - _LONGEST_DOMAIN - 3, 0)):
        if _DOMAIN_OPEN.match(text, at.end()) or _LITERAL_OPEN.match(text, at.end()):
            first = min(first, _local_start(text, at.start()))
    return first


def _local_start(text: str, end: int) -> int:
    """Return where the local part begins that ends at *end*; that place itself, if there is none."""
    if text.startswith('"', end - 1) and end:
        quoted = _QUOTED.search(text, max(end - _LONGEST_QUOTED, 0), end)
        return quoted.start() if quoted else end
    backwards = _LOCAL.match(text[max(end - _LONGEST_LOCAL, 0) : end][::-1])
    return end - len(backwards[0].rstrip(".'%-")) if backwards else end


def _domain_end(text: str, start: int) -> int:
    """Return where the domain ends that begins at *start*; 0, if there is none that an address may have."""
    if literal := _LITERAL.match(text, start):
        return literal.end()
    match = _DOMAIN.match(text, start)
    if match is None:
        return 0
    domain = match[0].rstrip(".-")
    labels = domain.split(".")
    if len(labels) < 2 or not all(0 < len(label) <= _LONGEST_LABEL for label in labels):
        return 0
    if not _TOP.fullmatch(labels[-1]) or labels[-1].lower() in _FILES:
        return 0
    return start + len(domain)
