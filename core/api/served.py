"""Every address that a server answers, and whom. What is in no list is not there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class To(StrEnum):
    """To whom an address is open. Each kind of answer has its own headers for browsers."""

    PROGRAMS = "programs"
    """Whoever brings a tenant's key."""
    OPERATIONS = "operations"
    """Whoever runs the deployment, without a key."""
    PAGES = "pages"
    """Whoever may use the console: its pages."""
    CONSOLE = "console"
    """The same: what its pages ask for."""
    SIGN_IN = "sign_in"
    """Any browser: our own pages on which one signs in, out, or comes by a link."""
    ASSETS = "assets"
    """Any browser: scripts, fonts and pictures, which tell nothing."""
    NOBODY = "nobody"
    """Nobody: the framework serves it, and it has no use here."""


@dataclass(frozen=True, slots=True)
class ServedAddress:
    """One address; with ``/*`` at its end whatever lies below it, with ``/{}`` whatever is one part below it."""

    path: str
    to: To
    is_socket: bool = False
    methods: frozenset[str] | None = None
    """By which alone it is there; ``None`` leaves that to who answers it."""

    def holds(self, path: str) -> bool:
        """Whether *path*, which begins as this one does, is one of it."""
        below = path[len(self.path.rstrip("*{}")) :]
        return self.path.endswith("*") or (below != "" and "/" not in below)


EXPORTS = (
    ServedAddress("/export", To.CONSOLE, methods=frozenset({"POST"})),
    ServedAddress("/export/{}", To.CONSOLE, methods=frozenset({"GET"})),
)
"""Files that the console's pages offer."""

API = (
    ServedAddress("/health", To.OPERATIONS),
    ServedAddress("/ready", To.OPERATIONS),
    ServedAddress("/metrics", To.OPERATIONS),
    ServedAddress("/v1", To.PROGRAMS),
    ServedAddress("/v1/*", To.PROGRAMS),
)
"""What the API answers, with the console or alone."""


SIGN_IN = (
    ServedAddress("/sign-in", To.SIGN_IN),
    ServedAddress("/sign-out", To.SIGN_IN),
    ServedAddress("/password", To.SIGN_IN),
    ServedAddress("/oidc/*", To.SIGN_IN),
    ServedAddress("/invitation/{}", To.SIGN_IN),
    ServedAddress("/first-owner/{}", To.SIGN_IN),
)
"""What is answered beside the console's pages."""


class Served:
    """A list of them, to be asked by address."""

    def __init__(self, listed: Iterable[ServedAddress]) -> None:
        self._exact: dict[str, ServedAddress] = {}
        self._below: dict[str, ServedAddress] = {}
        for one in listed:
            if one.path.endswith(("/*", "/{}")):
                self._below[one.path.rstrip("*{}")] = one
            else:
                self._exact[one.path] = one
        self._beginnings = tuple(self._below)

    def to(self, path: str, *, is_socket: bool, method: str = "GET") -> To:
        """Return to whom *path* is open by *method*; for an address that is in no list, to nobody."""
        one = self._exact.get(path)
        if one is None and path.startswith(self._beginnings):
            below = (found for beginning, found in self._below.items() if path.startswith(beginning))
            one = next((found for found in below if found.holds(path)), None)
        if one is not None and one.methods is not None and method not in one.methods and not is_socket:
            return To.NOBODY
        if one is None or (is_socket is not one.is_socket and one.to is not To.PROGRAMS):
            return To.NOBODY
        return one.to
