"""Whether an address is somebody's in the public network: by more than what the standard library calls global.

An address of IPv6 may carry one of IPv4 in it, to which routers translate it: that one is judged.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from core.addresses import Network

_PRIVATE_NAMES = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".intranet", ".corp", ".home")
_NOBODYS_V4 = (
    IPv4Network("192.0.0.0/24"),  # protocols, and a cloud's metadata
    IPv4Network("192.88.99.0/24"),  # relays to IPv6, which are no more
    IPv4Network("168.63.129.16/32"),  # the host of a cloud's machines
)
_UNICAST = IPv6Network("2000::/3")
_CARRYING = (
    (IPv6Network("::/96"), 0),
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)
"""Where an address of IPv4 stands in one of IPv6, so many bits before its end."""
_NOBODYS_V6 = (
    IPv6Network("64:ff9b:1::/48"),  # translated as a network likes it
    IPv6Network("2001::/32"),  # through tunnels, to whatever their server says
)
_TUNNEL_MARKS = (0x0000_5EFE, 0x0200_5EFE)
"""Before an address of IPv4 at the end of one that leads through a tunnel of a site."""


def is_public(address: IPv4Address | IPv6Address, allowed: tuple[Network, ...] = ()) -> bool:
    """Whether *address* is public, or in one of the networks that are *allowed*."""
    address = _carried(address)
    if any(address in network for network in allowed):
        return True
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in one for one in _NOBODYS_V4)
    if any(address in one for one in _NOBODYS_V6) or address not in _UNICAST:
        return False
    if (int(address) >> 32) & 0xFFFF_FFFF in _TUNNEL_MARKS:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF), allowed)
    return address.is_global


@lru_cache(1024)
def is_public_host(host: str) -> bool:
    """Whether *host*, as ``WebAddress`` has it, is a public address, or a name that may stand for one."""
    try:
        return is_public(ip_address(host.strip("[]")))
    except ValueError:
        return "." in host and not host.endswith(_PRIVATE_NAMES)


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the address of IPv4 that one of IPv6 stands for, else *address*."""
    if isinstance(address, IPv4Address):
        return address
    for network, behind in _CARRYING:
        if address in network and int(address) > 1:  # :: and ::1 are themselves
            return IPv4Address((int(address) >> behind) & 0xFFFF_FFFF)
    return address
