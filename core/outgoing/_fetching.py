"""Fetching: within a time and a size, over connections that are pinned, and with nothing that the environment adds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import MappingProxyType

import httpcore2
import httpx2

from core.addresses import Network
from core.outgoing._connecting import NotAllowed, PinnedBackend, ends_at, ends_in, resolved
from core.outgoing._judged import is_public, is_public_host
from core.outgoing._read import WebAddress, read_address

_MOST_CONNECTIONS = 100
_KEPT_SECONDS = 60.0
"""How long an idle connection is kept: a name is resolved and judged anew for the next."""
_LONGEST_ADDRESS = 2_048


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered, whatever its status; a redirect is not followed."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """By their names in small letters."""
    body: bytes = field(repr=False)


class NotFetched(Exception):
    """Nothing was fetched. Its sentence says no more than whoever entered the address may know."""

    def __init__(self, reason: str) -> None:
        super().__init__(_SENTENCES.get(reason, _FAILED))
        self.reason = reason
        """For the log: ``malformed``, ``not_allowed``, ``timeout``, ``unreachable``, ``too_large`` or ``odd``."""


_NOT_ALLOWED = (
    "The address is not allowed: it has to be https:// with a public host. "
    "Whoever runs this deployment can allow a network with OUTGOING_NETWORKS."
)
_FAILED = "The address could not be fetched. The log of the deployment says more."
_SENTENCES = {"not_allowed": _NOT_ALLOWED, "malformed": _NOT_ALLOWED}


class Outgoing:
    """The one way to what people name."""

    def __init__(
        self,
        networks: tuple[Network, ...] = (),
        *,
        proxy: str | None = None,
        resolve: Callable[[str, int], Sequence[str]] = resolved,
    ) -> None:
        """Allow what is public and what lies in *networks*; through a *proxy*, which resolves for us, public names."""
        self._networks = networks
        self._proxy = proxy
        self._resolve = resolve
        self._lock = threading.Lock()
        self._pools: dict[str, httpcore2.ConnectionPool] = {}
        """By scheme; those to what is trusted apart."""

    def require_allowed(self, written: str) -> WebAddress:
        """Return the address that is *written*, if it may be fetched as far as its text says; nothing is looked up.

        Raises:
            NotFetched: it may not.

        """
        try:
            address = read_address(written if len(written) <= _LONGEST_ADDRESS else "")
        except ValueError:
            raise NotFetched("malformed") from None
        is_inside = bool(self._networks) and self._proxy is None
        known = address.scheme == "https" or (address.scheme == "http" and is_inside)
        if not known or not address.port or not self._may_lead_somewhere(address.host, is_inside=is_inside):
            raise NotFetched("not_allowed")
        return address

    def _may_lead_somewhere(self, host: str, *, is_inside: bool) -> bool:
        try:
            return is_public(ip_address(host.strip("[]")), self._networks)
        except ValueError:  # of a name it is judged once it is known
            return is_inside or is_public_host(host)

    def fetch(
        self,
        address: WebAddress,
        *,
        method: str = "GET",
        headers: Mapping[str, str] = MappingProxyType({}),
        body: bytes = b"",
        seconds: float,
        most_bytes: int,
        is_trusted: bool = False,
    ) -> Fetched:
        """Return what *address*, which :meth:`require_allowed` gave, answers within so many *seconds*, all included.

        One that *is_trusted* has been named by who runs the deployment, and may lead anywhere.

        Raises:
            NotFetched: it leads to what is not public, does not answer in time, or with more than *most_bytes*.

        """
        sent: dict[str | bytes, str | bytes] = {
            "Host": address.origin.partition("://")[2],
            "Accept-Encoding": "identity",
            "Content-Length": str(len(body)),
            **headers,
        }
        target = httpcore2.URL(
            scheme=address.scheme.encode(),
            host=address.host.encode(),
            port=address.port,
            target=httpx2.URL(f"{address.origin}{address.path or '/'}{address.query}").raw_path,
        )
        since = ends_at.set(ends_in(seconds))
        try:
            with self._pool("trusted" if is_trusted else address.scheme).stream(
                method, target, headers=sent, content=body, extensions={"timeout": {"pool": seconds}}
            ) as answer:
                told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
                if told.get("content-encoding", "identity") != "identity":  # what it becomes has no bound
                    raise NotFetched("odd")
                pieces, size = list[bytes](), 0
                for piece in answer.iter_stream():
                    pieces.append(piece)
                    size += len(piece)
                    if size > most_bytes:
                        raise NotFetched("too_large")
                return Fetched(answer.status, told, b"".join(pieces))
        except NotAllowed:
            raise NotFetched("not_allowed") from None
        except httpcore2.TimeoutException:
            raise NotFetched("timeout") from None
        except (httpcore2.NetworkError, httpcore2.ProxyError):
            raise NotFetched("unreachable") from None
        except (httpcore2.ProtocolError, httpcore2.UnsupportedProtocol):
            raise NotFetched("odd") from None
        finally:
            ends_at.reset(since)

    def not_public(self, written: Collection[str], seconds: float = 2.0) -> frozenset[str]:
        """Return those addresses, of which others are going to fetch what is there, that may not be had.

        Their text is judged as :meth:`require_allowed` does, and then what their names resolve to here, all within so
        many *seconds*: what is not known by then, or leads nowhere, may not. Where they lead for others nobody knows.
        """
        refused: set[str] = set()
        since = ends_at.set(ends_in(seconds))
        try:
            for one in dict.fromkeys(written):
                try:
                    address = self.require_allowed(one)
                    if self._proxy is None:
                        backend = PinnedBackend(self._judge(address.scheme), self._resolve)
                        backend.addresses(address.host.strip("[]"), address.port)
                except (NotFetched, NotAllowed, httpcore2.NetworkError, httpcore2.TimeoutException):
                    refused.add(one)
        finally:
            ends_at.reset(since)
        return frozenset(refused)

    def close(self) -> None:
        """Close connections that are idle."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def _pool(self, scheme: str) -> httpcore2.ConnectionPool:
        """Return the connections of a kind, made by the first use: to read who is trusted takes long."""
        with self._lock:
            if scheme not in self._pools:
                self._pools[scheme] = self._made(scheme)
            return self._pools[scheme]

    def _made(self, scheme: str) -> httpcore2.ConnectionPool:
        if self._proxy is not None:
            return httpcore2.HTTPProxy(
                self._proxy,
                ssl_context=httpx2.create_ssl_context(),
                max_connections=_MOST_CONNECTIONS,
                keepalive_expiry=_KEPT_SECONDS,
                network_backend=PinnedBackend(_anywhere, self._resolve),
            )
        return httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=_MOST_CONNECTIONS,
            keepalive_expiry=_KEPT_SECONDS,
            network_backend=PinnedBackend(self._judge(scheme), self._resolve),
        )

    def _judge(self, scheme: str) -> Callable[[IPv4Address | IPv6Address], bool]:
        return {"trusted": _anywhere, "https": self._is_open_to_all, "http": self._is_inside}[scheme]

    def _is_open_to_all(self, address: IPv4Address | IPv6Address) -> bool:
        return is_public(address, self._networks)

    def _is_inside(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether what is not encrypted may go to *address*: in a network that the deployment has named."""
        return is_public(address, self._networks) and not is_public(address)


def _anywhere(_: IPv4Address | IPv6Address) -> bool:
    return True
