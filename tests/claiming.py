"""A process that takes claims as it is told: for tests of what becomes of a claim whose holder dies or sleeps.

It says ``ready``, then answers each line: ``race N`` takes the claim in N threads at once and tells how each fared,
``finish TEXT`` ends what it holds, ``holds`` tells how many claims those are.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from core.claims import Claims, Done, Lease
from core.clock import SystemClock
from core.store import Store

KIND, KEY = "test", "the one"


def main() -> None:
    """Do as the lines of standard input say."""
    url, lease_seconds = sys.argv[1], float(sys.argv[2])
    store, clock = Store(url), SystemClock()
    claims = Claims(store, clock, lease_seconds=lease_seconds, renew_seconds=lease_seconds / 4)
    held: list[Lease] = []

    def take(gate: threading.Barrier) -> str:
        gate.wait()
        found = claims.claim(KIND, KEY)
        if isinstance(found, Lease):
            held.append(found)
            return "mine"
        return f"done {found.result}" if isinstance(found, Done) else "held"

    def tell(answer: Any) -> None:
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()

    tell("ready")
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "race":
            gate = threading.Barrier(int(rest))
            with ThreadPoolExecutor(int(rest)) as pool:
                tell(sorted(pool.map(take, [gate] * int(rest))))
        elif word == "finish":
            tell(held.pop().finish(rest, clock.now() + timedelta(hours=1)))
        else:
            tell(len(held))
    claims.close()
    store.close()


if __name__ == "__main__":
    main()
