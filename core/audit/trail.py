"""The trail as rooms have it: read, verified and exported by whoever may."""

from __future__ import annotations

from collections.abc import Generator

from core.audit.exports import exported
from core.audit.verification import ChainFinding, Head, verify_chain
from core.clock import Clock
from core.principals import Permission, Principal
from core.store import Store


class Trail:
    """Who changed what, in one database."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def verify(self, principal: Principal, *, whole: bool = True, against: Head | None = None) -> ChainFinding:
        """Follow the chain, all of it or what is new, and through the head of an export if that is given.

        Raises:
            Forbidden: without ``changes.read`` over all tenants.

        """
        principal.require_over(Permission.CHANGES_READ, None)
        return verify_chain(self._store, whole=whole, against=against)

    def export(self, principal: Principal) -> Generator[bytes]:
        """Yield the chain as JSON lines.

        Raises:
            Forbidden: without ``changes.read`` over all tenants; before the first line.

        """
        principal.require_over(Permission.CHANGES_READ, None)
        return exported(self._store)
