"""Ten open tabs: what each page costs that renews itself, as a share of one core.

``python -m tests.bench tabs [CALLS] [TABS]`` fills an SQLite, opens that many sessions of each page in one process, and
lets each renew itself a few times, as often as its range says. A session here draws its whole page each time, where a
browser's draws only what renews itself: so it is what an open tab costs at most.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from core import runtime as running
from core.clock import ManualClock, SystemClock
from core.settings import Settings
from core.workload import Workload
from tests.bench.measure import table
from tests.console import console

ROUNDS = 3
VIEWS: dict[str, tuple[str, dict[str, str], float]] = {
    "Home, 1h": ("home", {"range": "1h", "live": "true"}, 15),
    "Home, 24h": ("home", {"range": "24h", "live": "true"}, 30),
    "Traffic, 1h": ("traffic", {"range": "1h", "live": "true"}, 15),
    "Traffic, 24h": ("traffic", {"range": "24h", "live": "true"}, 30),
    "Calls, live": ("calls", {"range": "1h", "tail": "true"}, 3),
}
"""What is opened, and every how many seconds it renews itself."""


def run(_wire_url: str, folder: Path, calls: int = 20_000, tabs: int = 10) -> None:
    """Measure and print."""
    settings = Settings(database_url=f"sqlite:///{folder / 'tabs.db'}", demo=False, local_model="off")
    clock = ManualClock(SystemClock().now())
    with closing(running.build(settings, clock)) as proctor:
        proctor.store.migrate()
        running.install(proctor)
        try:
            Workload(proctor.store, clock).fill(calls)
            rows = [
                (view, f"{every:g} s", *_cost(clock, name, parameters, every, tabs))
                for view, (name, parameters, every) in VIEWS.items()
            ]
        finally:
            running.install(None)
    table(f"{tabs} tabs over {calls:,} calls", [("page", "renewed every", "CPU ms", "share of a core"), *rows])


def _cost(clock: ManualClock, name: str, parameters: dict[str, str], every: float, tabs: int) -> tuple[str, ...]:
    """Open tabs and let them renew themselves; return the CPU of one time for all of them, and its share of a core."""
    sessions = [console(name, **parameters).run() for _ in range(tabs)]
    assert not any(one.exception for one in sessions)
    began = time.process_time()
    for _ in range(ROUNDS):
        clock.advance(every)
        for one in sessions:
            one.run()
    seconds = (time.process_time() - began) / ROUNDS
    return f"{seconds * 1000:.0f}", f"{seconds / every:.1%}"
