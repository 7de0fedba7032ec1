"""A process with one chore that one process of all does: for tests of several on one database.

Each time, it appends ``begin`` and ``end``, with its number and the time, to a file that all of them write.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from datetime import timedelta

from core.chores import Chore, Chores
from core.claims import Claims
from core.clock import SystemClock
from core.store import Store
from core.telemetry import Metrics

EVERY_SECONDS, LASTS_SECONDS, LEASE_SECONDS = 0.5, 0.2, 1.0


def main() -> None:
    """Do the chore until killed."""
    url, path = sys.argv[1:]
    clock = SystemClock()
    claims = Claims(Store(url), clock, lease_seconds=LEASE_SECONDS, renew_seconds=LEASE_SECONDS / 4)
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(what: str) -> None:
        os.write(log, f"{what} {os.getpid()} {time.time()}\n".encode())

    def work() -> None:
        note("begin")
        time.sleep(LASTS_SECONDS)
        note("end")

    chore = Chore(
        name="work",
        every=timedelta(seconds=EVERY_SECONDS),
        first_after=timedelta(),
        one_process=True,
        does="Works.",
        otherwise="No work.",
        run=work,
    )
    chores = Chores([chore], clock=clock, claims=claims, metrics=Metrics(), stopping=threading.Event())
    chores.start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
