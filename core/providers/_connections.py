"""Why a connection to a provider came to nothing, in words that whoever runs this can act on."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Sequence

import aiohttp

_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}


def why_broken(causes: Sequence[BaseException]) -> str:
    """Return what became of a connection, to follow "the connection"; *causes* begin with what was raised."""
    said = [words for words, kinds in _KINDS for one in reversed(causes) if isinstance(one, kinds)]
    if said:
        return said[0]
    if any(isinstance(one, OSError) and one.errno in _NO_WAY for one in causes):
        return "found no way through the network"
    if any(isinstance(one, aiohttp.ClientConnectorError) for one in causes):
        return "could not be made"
    return "broke off"


_KINDS: Sequence[tuple[str, tuple[type[BaseException], ...]]] = (
    ("found no address of that name", (socket.gaierror, aiohttp.ClientConnectorDNSError)),
    ("met a certificate that is not trusted here", (ssl.SSLCertVerificationError,)),
    ("met no TLS that both sides speak", (ssl.SSLError, aiohttp.ClientConnectorSSLError)),
    ("was refused: nobody listens at that address", (ConnectionRefusedError,)),
    ("took too long", (TimeoutError,)),
    ("broke off before the answer was whole", (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)),
    ("broke off", (ConnectionError,)),
)
"""What is true of the innermost cause goes first."""
