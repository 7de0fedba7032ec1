"""Where a connection goes: a name is resolved once, each of its addresses judged, and the socket opened to one of them.

The name stays the name: for the ``Host`` header, for TLS, for the certificate. Nothing that resolves it again stands
behind the judgement, so a name that answers otherwise a moment later leads nowhere else.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, ip_address
from ssl import SSLContext
from typing import Any

import httpcore2

from core.clock import SystemClock

_CLOCK = SystemClock()
_MOST_LOOKUPS = 16
"""Names that are resolved at once: one that hangs cannot be ended."""
_looking = threading.BoundedSemaphore(_MOST_LOOKUPS)
ends_at: ContextVar[float] = ContextVar("ends_at")
"""When the fetch of this thread has to have ended, on the clock below."""


class NotAllowed(Exception):
    """A host leads to what is not public; nothing was opened."""


def seconds_until() -> float:
    """Return how long the fetch of this thread may still take; raises ReadTimeout where that is over."""
    left = ends_at.get() - _CLOCK.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout
    return left


def ends_in(seconds: float) -> float:
    """Return the end of what may take so many *seconds* from now on."""
    return _CLOCK.monotonic() + seconds


def resolved(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a *host*; raises OSError."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


class PinnedBackend(httpcore2.NetworkBackend):
    """Opens connections to hosts of which every address passes the *judge*."""

    def __init__(
        self,
        judge: Callable[[IPv4Address | IPv6Address], bool],
        resolve: Callable[[str, int], Sequence[str]] = resolved,
    ) -> None:
        self._judge = judge
        self._resolve = resolve
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Open a connection.

        Raises:
            NotAllowed: one of the host's addresses may not be connected to.
            ConnectError: it has none, or none of them can be connected to.

        """
        del timeout, local_address, socket_options  # the fetch has one end, and takes what the machine has
        for address in self.addresses(host.strip("[]"), port):
            with suppress(httpcore2.ConnectError):
                return _BoundedStream(self._sockets.connect_tcp(address, port, seconds_until()))
        raise httpcore2.ConnectError

    def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses that *host* has now, without its brackets.

        Raises:
            NotAllowed: one of them may not be connected to.
            ConnectError: it has none; ConnectTimeout, if that is not known in time.

        """
        found = self._in_time(host, port)
        try:
            judged = [self._judge(ip_address(one)) for one in found]
        except ValueError:  # with a zone, or nothing that is an address
            raise NotAllowed from None
        if not all(judged):
            raise NotAllowed
        return found

    def _in_time(self, host: str, port: int) -> Sequence[str]:
        """Resolve on a thread of its own, as nothing ends a look-up that hangs."""
        if not _looking.acquire(timeout=seconds_until()):
            raise httpcore2.ConnectTimeout
        found: Future[Sequence[str]] = Future()

        def look() -> None:
            try:
                found.set_result(self._resolve(host, port))
            except Exception as error:  # noqa: BLE001 it is raised where it is waited for
                found.set_exception(error)
            finally:
                _looking.release()

        threading.Thread(target=look, name="outgoing-name", daemon=True).start()
        try:
            return found.result(seconds_until())
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None
        except (OSError, UnicodeError):
            raise httpcore2.ConnectError from None


class _BoundedStream(httpcore2.NetworkStream):
    """A connection of which each read and write takes no longer than the fetch has left: nothing drips for ever."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 the fetch has one end
        return self._stream.read(max_bytes, seconds_until())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 as above
        self._stream.write(buffer, seconds_until())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 as above
    ) -> httpcore2.NetworkStream:
        return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, seconds_until()))
