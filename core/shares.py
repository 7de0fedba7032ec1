"""What tenants share: so much of something, and the turn in which those get it who wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

SHARE = 4
"""How many times what it leaves free a tenant may hold."""

_Who = TypeVar("_Who")


class Room:
    """So much of something, shared out between tenants."""

    def __init__(self, most: int) -> None:
        """Begin with *most* free."""
        self.free = most
        self._held: dict[str, int] = {}

    def fits(self, tenant: str, wanted: int) -> bool:
        """Whether *tenant* may have so much more."""
        held = self._held.get(tenant, 0)
        left = self.free - wanted
        return left >= 0 and (not held or held + wanted <= SHARE * left)

    def take(self, tenant: str, wanted: int) -> None:
        """Give *tenant* so much more."""
        self._held[tenant] = self._held.get(tenant, 0) + wanted
        self.free -= wanted

    def give_back(self, tenant: str, amount: int) -> None:
        """Take so much back from *tenant*."""
        self.free += amount
        self._held[tenant] -= amount
        if not self._held[tenant]:
            del self._held[tenant]


class Turns(Generic[_Who]):
    """Who waits, by tenant; whose turn is next stands first."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[_Who]] = {}

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._queues.values()))

    def __iter__(self) -> Iterator[_Who]:
        """Yield all who wait."""
        return (who for queue in self._queues.values() for who in queue)

    def join(self, tenant: str, who: _Who) -> None:
        """Let *who* wait behind the others of *tenant*."""
        self._queues.setdefault(tenant, deque()).append(who)

    def leave(self, tenant: str, who: _Who) -> None:
        """Take *who* out, who waits."""
        queue = self._queues[tenant]
        queue.remove(who)
        if not queue:
            del self._queues[tenant]

    def next(self) -> _Who:
        """Take out whose turn it is; the next one is another tenant's, if any waits. Somebody must wait."""
        tenant, queue = next(iter(self._queues.items()))
        del self._queues[tenant]
        who = queue.popleft()
        if queue:
            self._queues[tenant] = queue
        return who
