"""What rollups cost: of each generation that is recorded, and to fold what 2,000 a second leave, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from core import workload
from core.clock import SystemClock
from core.rollups import Folding, mismatches
from core.store import Store
from core.workload import Workload
from tests import servers
from tests.bench.generation import INPUT, MODELS, proctor_for
from tests.bench.measure import table

_A_SECOND = 2_000
_CALLS = 20_000
"""Ten seconds of them, which is what one round of the chore meets."""
_ROUNDS, _RECORDED = 9, 100
_DENSITIES = {"within ten seconds": 10 / 86_400, "over ninety days": 90.0}


def run(wire_url: str, folder: Path) -> None:
    """Measure and print."""
    recording = [("recorded generation", "CPU ms", "without rollups", "rollups add")]
    folding = [("20,000 calls of 40 tenants", "deltas", "us CPU each", "calls a second", "x 2,000", "lost")]
    with servers.postgres() as postgres:
        for name, url in (("SQLite", f"sqlite:///{folder / 'recorded.db'}"), ("PostgreSQL", postgres)):
            recording += [(name, *_recording(wire_url, url, cpu_of(url)))]
        for density, days in _DENSITIES.items():
            with servers.database(postgres, f"folding_{int(days)}") as url:
                for name, one in (("SQLite", f"sqlite:///{folder / f'folding_{int(days)}.db'}"), ("PostgreSQL", url)):
                    folding += [(f"{name}, {density}", *_folding(one, days, cpu_of(one)))]
    table("CPU of a generation, of this process and of the database's (budget, limits, guardrails, record)", recording)
    table("Folding what was recorded", folding)


def _recording(wire_url: str, url: str, cpu: Callable[[], float]) -> tuple[str, ...]:
    """Record with and without rollups, in turns; return the least of each, and by how much the first is more."""
    from core.generation import GenerationRequest

    with proctor_for(wire_url, url) as (proctor, principal):
        request = GenerationRequest(schema="ticket", input=INPUT, model=f"openai/{MODELS['openai']}")
        deltas: Any = proctor.generator._recorder.journal._deltas  # pyright: ignore[reportPrivateUsage]
        ways = {"with": deltas.come, "without": lambda _cursor, _rows, write, **_: write()}
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(_ROUNDS):
            for name, come in ways.items():
                deltas.come = come
                began = cpu()
                for _ in range(_RECORDED):
                    proctor.generator.generate(request, principal)
                found[name].append((cpu() - began) / _RECORDED * 1000)
    both, alone = min(found["with"]), min(found["without"])
    return f"{both:.3f}", f"{alone:.3f}", f"{both / alone - 1:.1%}"


def _folding(url: str, days: float, cpu: Callable[[], float]) -> tuple[str, ...]:
    """Fill a database with calls of the last *days*, fold them, and prove that nothing is lost."""
    store, clock = Store(url), SystemClock()
    store.migrate()
    with _days(days):
        filling: Any = Workload(store, clock, tenants=40)
        filling._folding = _Nobody()
        now = clock.now()
        filling.fill(_CALLS)
    began = cpu()
    count = Folding(store).run()
    seconds = cpu() - began
    with store.snapshot() as connection:
        first = now.replace(hour=0, minute=0, second=0, microsecond=0)
        some = [first - timedelta(days=one) for one in range(0, int(days) + 1, 10)]
        lost = sum(abs(one.by) for day in some for one in mismatches(store, connection, day))
    store.close()
    a_second = _CALLS / seconds
    each = seconds / count * 1_000_000
    return f"{count:,}", f"{each:.0f}", f"{a_second:,.0f}", f"{a_second / _A_SECOND:.1f}", str(lost)


class _Nobody:
    """Folds nothing."""

    def run(self) -> int:
        """Do nothing."""
        return 0


@contextmanager
def _days(days: float) -> Generator[None]:
    """Let workloads be of so many days."""
    usual, workload.DAYS = workload.DAYS, days  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        workload.DAYS = usual


def cpu_of(url: str) -> Callable[[], float]:
    """Return what tells the CPU time of this process, and of all of a PostgreSQL's."""
    if url.startswith("sqlite"):
        return time.process_time
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        [folder] = connection.execute("SHOW data_directory").fetchone() or [""]
    first = int(Path(folder, "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])

    nanos: dict[int, int] = {}

    def used() -> float:
        for pid in servers.children(first):
            with suppress(OSError):  # it has ended meanwhile: what it had used by then counts
                nanos[pid] = int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])
        return time.process_time() + sum(nanos.values()) / 1e9

    return used
