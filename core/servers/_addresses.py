"""Whether two addresses are the same one, written differently."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}


def is_same_address(given: str, usual: str) -> bool:
    """Whether *given* is the *usual* address of a kind: neither case, usual port, last dot nor last slash matter.

    Nor does ``/v1``, where the usual address is a host alone: all SDKs but one want it.
    """
    one, other = _parts(given), _parts(usual)
    return one == other or (not other[-1] and one == (*other[:-1], "/v1"))


def _parts(address: str) -> tuple[str, str, int | None, str]:
    split: SplitResult = urlsplit(address.strip())
    try:
        port = split.port
    except ValueError:
        port = -1
    host = (split.hostname or "").rstrip(".")
    return split.scheme, host, port or _PORTS.get(split.scheme), split.path.rstrip("/")
