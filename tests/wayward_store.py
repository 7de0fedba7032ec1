"""A store that can be told to fail: before a transaction, in its midst, or once it was kept, as a lost answer would."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from core.errors import Unavailable
from core.record import Backlog
from core.store import Cursor, Store
from tests.tills import Till

Way = Literal["", "at once", "undone", "kept"]


class WaywardStore(Store):
    """The store, all of it, but for transactions while it is told to fail; those of one statement move no money."""

    def __init__(self, store: Store) -> None:
        self.__dict__ = store.__dict__
        self.fails: Way = ""
        self.left = 0
        """How many more transactions succeed before it fails."""
        self.meanwhile: Callable[[], object] | None = None
        """What happens in the midst of the next transaction that begins, once."""

    @contextmanager
    def transaction(self, *, pipelined: bool = False, single: bool = False, prepare: Any = None) -> Generator[Cursor]:
        """Open a transaction, and fail as told."""
        if single:
            with super().transaction(single=True) as cursor:
                yield cursor
            return
        fails, self.left = self.fails if self.left <= 0 else "", self.left - 1
        if fails == "at once":
            raise Unavailable("The database does not answer.")
        with super().transaction(pipelined=pipelined, prepare=prepare) as cursor:
            if (meanwhile := self.meanwhile) is not None:
                self.meanwhile = None
                meanwhile()
            yield cursor
            if fails == "undone":
                raise Unavailable("The database does not answer.")
        if fails == "kept":
            raise Unavailable("The database does not answer.")


def backlog_of(till: Till, folder: Path, owner: str | None = None, store: Any = None) -> Backlog:
    """Give *till* a backlog that is kept in *folder*, and return it."""
    till.recorder.backlog = Backlog(
        store or till.store,
        till.clock,
        till.journal,
        till.budgets.reservations,
        till.metrics,
        folder=folder,
        owner=owner or till.owner,
    )
    return till.recorder.backlog
