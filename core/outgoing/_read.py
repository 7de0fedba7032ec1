"""An address of the web, read in the one way in which all readers have it, or not at all."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_PORT = re.compile(r":([0-9]{1,5})\Z")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "ftp": 21}
_LONGEST_HOST = 253


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An address as every reader has it."""

    scheme: str
    """In small letters, as the host is."""
    host: str
    """A name in ASCII, four numbers with dots, or an address of IPv6 in brackets."""
    port: int
    """0 where the scheme has none and none is written."""
    path: str
    """As it is written; it may be empty."""
    query: str = ""
    """With its question mark."""

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be told of it."""
        usual = self.port == _PORTS.get(self.scheme, 0)
        return f"{self.scheme}://{self.host}" + ("" if usual else f":{self.port}")


def read_address(written: str) -> WebAddress:
    """Return the address that is *written*.

    Where browsers, libraries and people may differ (a name before ``@``, a backslash, a percent sign in the host, a
    number as a host) nobody says who is right.

    Raises:
        ValueError: it is none that all read alike; the sentence holds nothing of it.

    """
    match = _ADDRESS.match(written)
    if match is None or "\\" in written or " " in written or not written.isprintable():
        raise ValueError("It is no address with a scheme, // and a host.")
    scheme, authority = match[1].lower(), match[2]
    port = _PORT.search(authority)
    number = int(port[1]) if port else _PORTS.get(scheme, 0)
    if number > 65_535 or "@" in authority or "%" in authority:
        raise ValueError("Its host is written in a way that is read differently.")
    host = _host(authority[: port.start()] if port else authority)
    return WebAddress(scheme, host, number, match[3], match[4] or "")


def _host(written: str) -> str:
    """Return a host in the one way to write it; raises ValueError."""
    if written.startswith("["):
        if not written.endswith("]") or "%" in written:
            raise ValueError("Its host is no address of IPv6.")
        with suppress(AddressValueError):
            return f"[{IPv6Address(written[1:-1])}]"
        raise ValueError("Its host is no address of IPv6.")
    if len(written) > _LONGEST_HOST:
        raise ValueError("Its host is no name.")
    host = unicodedata.normalize("NFC", written.lower())
    if not host.isascii():
        host = _in_ascii(host)
    labels = host.split(".")
    if len(host) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("Its host is no name.")
    if _NUMBER.match(labels[-1]):
        with suppress(AddressValueError):
            return str(IPv4Address(host))
        raise ValueError("Its host is a number, which is read differently.")
    if any(label.startswith("xn--") for label in labels):
        _in_ascii(host)
    return host


def _in_ascii(host: str) -> str:
    """Return an international name in its form of ASCII; raises ValueError."""
    try:
        return idna.encode(idna.decode(host, std3_rules=True), std3_rules=True).decode()
    except ValueError:
        raise ValueError("Its host is no name.") from None
