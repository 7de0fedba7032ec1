"""A process whose database goes away as its calls end, and that is killed with their records in its backlog."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from core.clock import SystemClock
from core.store import Store
from tests.tills import Till
from tests.wayward_store import WaywardStore, backlog_of

CALLS, COST = 20, 7


def main() -> None:
    """Spend ``CALLS`` times ``COST`` of a new tenant's money, record none of it, file all of it, and die."""
    url, folder = sys.argv[1:]
    store = WaywardStore(Store(url))
    till = Till(store, SystemClock(), 10_000, owner="the dead")
    backlog = backlog_of(till, Path(folder))
    walks = [till.begin() for _ in range(CALLS)]
    calls = [(walk, walk.cover(100)) for walk in walks]
    store.fails = "at once"
    for walk, call in calls:
        walk.end(call, COST)
        walk.close()
    backlog._spill(0.0)
    print(till.tenant.name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
