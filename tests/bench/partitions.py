"""What it costs that the tables of calls are cut by months: the same asked of two years of months and of one table."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.chores import Chores
from core.clock import SystemClock
from core.generation import GenerationRequest
from core.partitions import months
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter, Window
from core.runtime import Runtime
from core.store import Store
from core.workload import Workload
from tests import servers
from tests.bench.folding import cpu_of
from tests.bench.generation import INPUT, MODELS, proctor_for
from tests.bench.measure import table

MONTHS = 24
_CALLS = 6_000
_ROUNDS = 7
_QUIET = (
    "ANALYZE",
    "ALTER ROLE CURRENT_USER SET max_parallel_workers_per_gather = 0",  # else who works comes and goes uncounted
    *(f"ALTER TABLE {one} SET (autovacuum_enabled = off)" for one in ("rollup_delta", "account", "reservation")),
)


def run(wire_url: str, _folder: Path) -> None:
    """Measure and print."""
    with (
        servers.postgres() as postgres,
        servers.database(postgres, "whole") as whole,
        servers.database(postgres, "cut") as cut,
    ):
        for url in (whole, cut):
            _fill(url, is_cut=url == cut)
        with (
            _without_chores(),
            proctor_for(wire_url, whole) as (one, key),
            proctor_for(wire_url, cut) as (other, other_key),
        ):
            ways = {"whole": _questions(one, key), "cut": _questions(other, other_key)}
            rows = [_measured(name, ways, cpu_of(postgres)) for name in ways["whole"]]
    heads = ("CPU ms of this process and the database", "one table", f"{MONTHS} months", "ratio")
    table("Calls by month", [heads, *rows])


@contextmanager
def _without_chores() -> Generator[None]:
    """Let nothing else be done meanwhile, whose cost would count as that of a question."""
    usual, Chores.start = Chores.start, lambda self: None
    try:
        yield
    finally:
        Chores.start = usual


def _fill(url: str, *, is_cut: bool) -> None:
    store, now = Store(url), datetime.now(UTC)
    store.migrate()
    if is_cut:
        long_ago = now - timedelta(days=31 * (MONTHS - 3))
        store.partitions.convert(long_ago)
        store.partitions.make(months(long_ago, MONTHS))
    Workload(store, SystemClock(), tenants=40).fill(_CALLS)
    with store.engine.begin() as connection:
        for one in _QUIET:
            connection.exec_driver_sql(one)
    store.close()


def _questions(proctor: Runtime, key: Any) -> Mapping[str, tuple[int, Callable[[], object]]]:
    """Return what is asked, and how often at once."""
    request = GenerationRequest(schema="ticket", input=INPUT, model=f"openai/{MODELS['openai']}")
    now = datetime.now(UTC)
    reports, store = proctor.reports, proctor.store
    some = CallFilter(starts_at=now - timedelta(days=7), ends_at=now)
    page = reports.calls(LOCAL_OPERATOR, some)
    call_id = str(page.calls["id"][0])
    by_id = store.prepare("SELECT attempts FROM generation WHERE id = :id")
    edges = Window.last(timedelta(minutes=7), now)
    return {
        "record a generation": (100, lambda: proctor.generator.generate(request, key)),
        "a look by id, prepared": (500, lambda: store.read_one(by_id, {"id": call_id})),
        "one call, told whole": (10, lambda: reports.call(LOCAL_OPERATOR, call_id)),
        "a page of Calls": (10, lambda: reports.calls(LOCAL_OPERATOR, some)),
        "the next page": (10, lambda: reports.calls(LOCAL_OPERATOR, some, cursor=page.after)),
        "the edges of a window": (10, lambda: reports.overview(LOCAL_OPERATOR, edges)),
    }


def _measured(
    name: str, ways: Mapping[str, Mapping[str, tuple[int, Callable[[], object]]]], cpu: Callable[[], float]
) -> tuple[str, ...]:
    """Ask in turns; return the least of each, and the ratio."""
    least: dict[str, float] = {}
    for _ in range(_ROUNDS):
        for way, questions in ways.items():
            count, ask = questions[name]
            began = cpu()
            for _ in range(count):
                ask()
            found = (cpu() - began) / count * 1000
            least[way] = min(least.get(way, found), found)
    return name, f"{least['whole']:.3f}", f"{least['cut']:.3f}", f"{least['cut'] / least['whole']:.2f}"
