"""No test may leave this machine: a connection to anything but loopback or a unix socket fails it.

An audit hook sees every connection of this process, whichever library makes it. It raises, so that nothing is sent, and
it remembers, so that a library that swallows the error cannot hide it from the test.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

strays: list[str] = []
"""Where this process tried to go since the last look."""


class StrayConnection(RuntimeError):
    """A test tried to reach the network."""


def watch() -> None:
    """Watch this process from now on; an audit hook can never be taken off."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        peer, address = arguments
        if peer.family in (socket.AF_INET, socket.AF_INET6):
            _allow(address[0])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _allow(arguments[0])


def _allow(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        if ipaddress.ip_address(str(name)).is_loopback:
            return
    except ValueError:
        pass  # a name: only a resolver knows where it leads
    strays.append(str(name))
    raise StrayConnection(f"A test tried to reach {name!r}; tests stay on this machine.")
