"""Addresses of machines that may be somebody's: public ones. Versions, sections, times and code look like them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from core.detection import Span
from core.detection._engines import compiled
from core.detection._numbers_in_text import SearchedText, is_glued

KIND = "an IP address"
WORDS = (
    *("ip", "ips", "ipv4", "ip address", "address", "addr", "host", "client", "server", "peer", "remote", "login"),
    *("from", "adresse", "ip-adresse", "dirección", "adresse ip", "indirizzo", "アドレス", "地址"),
)
VERSIONS = (
    *("version", "versions", "ver", "v", "rev", "revision", "release", "build", "firmware", "driver", "patch"),
    *("update", "section", "sections", "sec", "§", "§§", "chapter", "clause", "article", "paragraph", "para", "room"),
    *("raum", "zimmer", "abschnitt", "kapitel", "ziffer", "absatz", "artikel", "versión", "sección", "artículo"),
    *("salle", "article", "chapitre", "バージョン", "版本"),
)
_V4 = compiled(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_V6 = compiled(
    r"(?i)(?:[23][0-9a-f]{3}|fe[89ab][0-9a-f]|(?:0{0,4}:){1,6}ffff|64:ff9b(?::1)?):[0-9a-f:.]{2,41}(?:%[0-9a-z_]{1,15})?"
)
_SMALL = 32
"""Of four numbers below it one address in five thousand is made, and nearly every version."""
_BESIDE = re.compile(r"[\s:=.\"'#]{0,3}")
_REPLACEMENTS = IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8::/64")
"""What stands in the place of an address that was found."""
_SAMPLES = IPv4Network("198.51.100.0/24"), IPv4Network("203.0.113.0/24")
"""What documentation writes, and so do people who mean a real one."""
_TRANSLATED = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")
_GLOBAL = IPv6Network("2000::/3")


def machine_addresses(seen: SearchedText) -> Iterator[Span]:
    """Find the addresses."""
    text = seen.text
    for start, end in (match.span() for match in _V4.finditer(text)):
        if (
            not _is_part(text, start, end)
            and _is_somebodys(text[start:end])
            and not _is_version(seen, start, text[start:end])
        ):
            yield Span(start, end, KIND)
    if ":" not in text:
        return
    for start, end in (match.span() for match in _V6.finditer(text)):
        written = text[start:end] if "%" in text[start:end] else _trimmed(text[start:end])
        if not _touches(text, start - 1, ".:") and not is_glued(text, end) and _is_somebodys(written):
            yield Span(start, start + len(written), KIND)


def may_begin(text: str) -> bool:
    """Whether *text* has four numbers with dots, or what an address of six begins with."""
    return any(True for _ in _V4.finditer(text)) or (":" in text and any(True for _ in _V6.finditer(text)))


def _is_part(text: str, start: int, end: int) -> bool:
    """Whether four numbers are the middle of something longer."""
    if _touches(text, start - 1, ".") or is_glued(text, end):
        return True
    return text[end : end + 1] == "." and is_glued(text, end + 1)


def _touches(text: str, at: int, more: str) -> bool:
    """Whether what stands *at* is a letter, a digit or one of *more*: what begins behind it is the middle of a word."""
    return at >= 0 and (is_glued(text, at) or text[at] == "_" or text[at] in more)


def _trimmed(written: str) -> str:
    """Return *written* without what closes a sentence."""
    shorter = written.rstrip(".")
    return shorter[:-1] if shorter.endswith(":") and not shorter.endswith("::") else shorter


def _is_version(seen: SearchedText, start: int, written: str) -> bool:
    """Whether it is a version or a section: a word says so, or its parts are small and none says what it is."""
    if "version" in seen.directly(start, _BESIDE):
        return True
    return all(int(part) < _SMALL for part in written.split(".")) and "address" not in seen.said(start)


def _is_somebodys(written: str) -> bool:
    try:
        if ":" not in written:
            return _is_public(IPv4Address(written))
        address = IPv6Address(written)
    except ValueError:
        return False
    if address.ipv4_mapped is not None:
        return _is_public(address.ipv4_mapped)
    if any(address in network for network in _TRANSLATED):
        return _is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address.is_link_local or (address in _GLOBAL and address not in _REPLACEMENTS[1])


def _is_public(address: IPv4Address) -> bool:
    if any(address in network for network in _SAMPLES):
        return True
    return address.is_global and not address.is_multicast
