"""What addresses say: the host of a request, the origin of a page, the networks of proxies. No name is looked up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network
_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
_PATTERN = re.compile(r"(\*|(\*\.)?[a-z0-9._-]+|\[?[0-9a-f:.]+\]?)", re.IGNORECASE)
_USUAL_PORTS = {"http": 80, "https": 443}
_MOST_PORT = 65535


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host and a port, as a ``Host`` header or an origin names them."""

    name: str
    """In small letters, without brackets and without a dot at its end."""
    port: int | None
    """``None`` where none is named."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a page comes from: two pages of one origin trust each other."""

    scheme: str
    name: str
    port: int

    @property
    def host(self) -> str:
        """What stands in the ``Host`` header of a request to it."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == _USUAL_PORTS[self.scheme] else f"{name}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}"


@lru_cache(maxsize=1024)
def host_port(text: str) -> HostPort | None:
    """Return what a ``Host`` header names; ``None`` if that is not a host."""
    found = _HOST.fullmatch(text)
    if found is None or int(found["port"] or 0) > _MOST_PORT:
        return None
    name = found["name"].lower().strip("[]").removesuffix(".")
    return HostPort(name, int(found["port"]) if found["port"] else None) if name else None


@lru_cache(maxsize=1024)
def origin(text: str) -> Origin | None:
    """Return the origin that an ``Origin`` header names; ``None`` for ``null``, and for what is not of the web."""
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    named = host_port(rest)
    if scheme not in _USUAL_PORTS or named is None:
        return None
    return Origin(scheme, named.name, named.port if named.port is not None else _USUAL_PORTS[scheme])


def origin_of(scheme: str, host: HostPort) -> Origin:
    """Return the origin of the pages that are served under *host*; *scheme* is ``http`` or ``https``."""
    return Origin(scheme, host.name, host.port if host.port is not None else _USUAL_PORTS[scheme])


@lru_cache(maxsize=1024)
def is_loopback(name: str) -> bool:
    """Whether *name* is this machine's own loopback address, or a name that browsers resolve to it alone."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = address_in(name)
    return address is not None and address.is_loopback


def address_in(text: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that *text* is, with a port or a zone or without; ``None`` if it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def caller_network(host: str) -> str:
    """Return by what a caller is counted: his address, or of IPv6 the network, for one subscriber has a whole one.

    What is mapped is IPv4: of a socket for both all of it would be one network.
    """
    address = address_in(host)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return host if address is None else str(address)


def lies_in(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether *address* is in one of *networks*."""
    found = address_in(address) if networks else None
    return found is not None and any(found in network for network in networks)


def is_named(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of *patterns* is *name*, or the names below ``*.``, or ``*``."""
    return any(
        pattern in {name, "*"} or (pattern.startswith("*.") and name.endswith(pattern[1:])) for pattern in patterns
    )


def read_hosts(text: str) -> tuple[str, ...]:
    """Return the host names of a list with commas.

    Raises:
        ValueError: one of them is none.

    """
    names = _parts(text)
    for name in names:
        if not _PATTERN.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a host; write names without scheme and port, as api.example")
    return tuple(name.lower().strip("[]").removesuffix(".") for name in names)


def read_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a list with commas; an address is a network of one.

    Raises:
        ValueError: one of them is none, or is everybody.

    """
    found: list[Network] = []
    for part in _parts(text):
        try:
            network = ip_network(part, strict=False)
        except ValueError:
            raise ValueError(f"{part!r} is neither an address nor a network; write 10.0.0.5 or 10.0.0.0/24") from None
        if not network.prefixlen:
            raise ValueError(f"{part!r} is everybody: name addresses or networks of your own")
        found.append(network)
    return tuple(found)


def read_public_url(text: str) -> Origin:
    """Return the origin under which people open the console.

    Raises:
        ValueError: it is no address of that form.

    """
    parts = urlsplit(text)
    found = origin(f"{parts.scheme}://{parts.netloc}")
    if found is None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "it must be a scheme and a host, with a port if it is not the usual one: https://console.example"
        )
    return found


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
