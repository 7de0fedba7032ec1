"""Links in a text, judged against those that are allowed: by scheme, host, port and path.

An address is read here as every standard reads it, or it is not allowed: where browsers, libraries and people may
differ (a name before ``@``, a backslash, a percent sign in the host, a number as a host) nobody says who is right.
Nothing is looked up: whether a name leads to a machine of one's own is the business of whoever opens the connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.detection import Span
from core.detection.folding import folded
from core.detection.paths import parts_of, word_start
from core.outgoing import read_address

_BREAKS = "\\s\"'`<>"
_LINK = re.compile(
    rf"""(?:(?<![a-z0-9+.-])(?:(?:https?|wss?|ftps?):(?=[/\\]*[\w\[%@.-])|[a-z][a-z0-9+.-]{{1,30}}:[/\\]{{2}}(?=[/\\]*[\w\[%@])
        |(?:javascript|vbscript|blob|view-source):(?=[^\s,.])|file:(?=[/\\])|data:(?=[\w.+/-]{{0,40}}[;,]\S))
        |(?<![^\s"'`(\[=<,;])[/\\]{{2}}(?=[^\s/\\.]{{1,63}}\.[^\s.])|(?<![\w.@/-])www\.(?=\w))[^{_BREAKS}]+""",
    re.VERBOSE | re.IGNORECASE,
)
_CLOSING = ".,:;!?*_~|\\"
_PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Address:
    """An address as every reader has it."""

    scheme: str
    host: str
    """In small letters; an international name in its form of ASCII."""
    port: int
    """0 where the scheme has none and none is written."""
    path: tuple[str, ...] | None
    """Its names; none, where they can be read in more than one way."""


@dataclass(frozen=True, slots=True)
class AllowedLink:
    """What addresses may begin with."""

    address: Address
    with_subdomains: bool
    """Of the host only what is below it is meant."""

    def holds(self, address: Address) -> bool:
        """Whether *address* is one of those."""
        mine = self.address
        is_host = address.host.endswith(f".{mine.host}") if self.with_subdomains else address.host == mine.host
        is_same = (address.scheme, address.port) == (mine.scheme, mine.port)
        return is_host and is_same and (not mine.path or (address.path or ())[: len(mine.path)] == mine.path)


class LinkDetector:
    """Finds links that are not allowed."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Allow what begins with one of *allowed*, such as ``https://example.com/docs`` or ``https://*.example.com``.

        Raises:
            ValueError: one of them is no such beginning; the sentence says which.

        """
        self._allowed = [_allowed(entry, number) for number, entry in enumerate(allowed, 1)]

    def find(self, text: str) -> list[Span]:
        """Return the links in *text* that are not allowed, each without what ends its sentence."""
        return [Span(*place, "a link that is not allowed") for place in self._links(text)]

    def decided(self, text: str) -> int:
        """Return where the last word of *text* begins, which may become a link or another one."""
        return word_start(text)

    def forgettable(self, text: str) -> int:
        """Return the same place: nothing before a blank makes a link of what stands behind it."""
        return word_start(text)

    def may_find(self, text: str) -> bool:
        """Whether a part of *text* may have a link that is not allowed."""
        return _may_link(text) and bool(self.find(text))

    def allows(self, address: str) -> bool:
        """Whether *address*, which is all of a text, is one that is allowed."""
        try:
            read = address_of(address)
        except ValueError:
            return False
        return any(one.holds(read) for one in self._allowed)

    def _links(self, text: str) -> Iterator[tuple[int, int]]:
        if not _may_link(text):
            return
        view = folded(text)
        for match in _LINK.finditer(view.text):
            start, end = match.start(), _end(view.text, *match.span())
            place = view.start(start), view.end(end)
            if not self.allows(text[place[0] : place[1]]):
                yield place


def address_of(written: str) -> Address:
    """Return the address that is *written*.

    Raises:
        ValueError: it is none that all read alike; the sentence holds nothing of it.

    """
    read = read_address(written)
    names = parts_of(read.path)
    names = None if names and {".", ".."} & set(names) else names
    return Address(read.scheme, read.host, read.port, names)


def _allowed(entry: str, number: int) -> AllowedLink:
    scheme, slashes, rest = entry.strip().partition("://")
    with_subdomains = rest.startswith("*.")
    try:
        address = address_of(f"{scheme}{slashes}{rest[2:] if with_subdomains else rest}")
    except ValueError:
        raise ValueError(
            f"Entry {number} of the list is no beginning of a link: write it as https://example.com/docs, "
            "or https://*.example.com for all below a host."
        ) from None
    if "?" in rest or "#" in rest or address.path is None:
        raise ValueError(
            f"Entry {number} of the list has a path that cannot be compared: end it with plain names, without ? and #."
        )
    return AllowedLink(address, with_subdomains)


def _may_link(text: str) -> bool:
    return ":" in text or "//" in text or "\\" in text or "www." in text.lower() or not text.isascii()


def _end(text: str, start: int, end: int) -> int:
    """Return where the link from *start* to *end* ends without what belongs to the sentence around it."""
    unopened = {one: text.count(one, start, end) - text.count(other, start, end) for one, other in _PAIRS.items()}
    while end > start + 1:
        last = text[end - 1]
        if unopened.get(last, 0) > 0:
            unopened[last] -= 1
        elif last not in _CLOSING:
            break
        end -= 1
    return end
