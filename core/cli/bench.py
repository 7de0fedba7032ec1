"""Benchmarks: a workload to measure a database with."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from core.cli._command import Output, command, proctor, show_progress, table
from core.cli._operator import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.clock import Clock
    from core.panels import PanelCost
    from core.runtime import Runtime


@proctor.group("bench")
def bench() -> None:
    """Measure how this installation fares."""


@command(bench, "fill")
@click.argument("generations", type=int)
@click.option(
    "--tenants",
    type=click.IntRange(1, 1000),
    default=40,
    show_default=True,
    help="How many tenants, the first time.",
)
@click.option("--yes", "beside_own", is_flag=True, help="Also where the database has tenants of its own.")
def fill(runtime: Runtime, *, generations: int, tenants: int, beside_own: bool) -> Output:
    """Write calls of the last ninety days until the database has GENERATIONS of them, to see how it fares with so many.

    They are consistent ('proctor verify' agrees), the same each time, and cannot be taken away again. What was cut off
    goes on where it was, and a greater number adds what is missing.
    """
    from core.workload import Workload  # noqa: PLC0415 so that --help is quick

    workload = Workload(runtime.store, runtime.clock, tenants=tenants)
    rows = workload.fill(generations, beside_own=beside_own, tell=_Progress(runtime.clock, generations).tell)
    if not rows:
        return Output({"written": {}}, f"There were {generations:,} calls or more already; nothing was written.")
    said = ", ".join(f"{count:,} of {table.replace('_', ' ')}" for table, count in rows.items())
    return Output({"written": rows}, f"The database is filled: {said}.")


class _Progress:
    """Says how a fill goes: on a terminal all the time, elsewhere a line for each twentieth."""

    def __init__(self, clock: Clock, goal: int) -> None:
        self._clock, self._goal = clock, goal
        self._began: tuple[float, int] | None = None
        self._told = 0

    def tell(self, count: int) -> None:
        """Hear that so many calls are there."""
        now = self._clock.monotonic()
        if self._began is None:
            self._began = now, count
            return
        seconds, written = now - self._began[0], count - self._began[1]
        a_second = written / seconds if seconds else 0.0
        left = f", {(self._goal - count) / a_second / 60:.0f} minutes left" if a_second else ""
        sentence = f"{count:,} of {self._goal:,} calls, {a_second:,.0f} a second{left}"
        show_progress(sentence)
        if not sys.stderr.isatty() and (twentieth := count * 20 // self._goal) > self._told:
            self._told = twentieth
            click.echo(sentence, err=True)


@command(bench, "panels")
@click.option("--page", "only", help="Only the panels of this page, such as Home.")
@click.option(
    "--repeat", type=click.IntRange(1, 100), default=3, show_default=True, help="How often each is asked warm."
)
def panels(runtime: Runtime, *, only: str | None, repeat: int) -> Output:
    """Ask every question of the console's pages, as at the newest call, and tell what each costs.

    Cold is the first time over a new connection; what the operating system keeps of the database stays. Warm and CPU
    are the least of the times after that. Nothing is written.
    """
    from core.errors import NotFound  # noqa: PLC0415 so that --help is quick
    from core.panels import PANELS, PanelBench  # noqa: PLC0415

    chosen = [one for one in PANELS if only is None or one.page.casefold() == only.casefold()]
    if not chosen:
        raise NotFound(f"There is no page {only!r}. There are: {', '.join(dict.fromkeys(one.page for one in PANELS))}.")
    measuring, found = PanelBench(runtime, OPERATOR), list["PanelCost"]()
    for cost in measuring.costs(chosen, repeat):
        found.append(cost)
        show_progress(f"{len(found)} of {len(chosen)} panels")
    document = {
        "database": measuring.database,
        "as_of": measuring.on.now,
        "read_is": measuring.unit,
        "repeat": repeat,
        "panels": [asdict(one) for one in found],
    }
    aside = f"Read: {measuring.unit}. Times are milliseconds; warm and CPU the least of {repeat}."
    return Output(document, _costs(found), aside)


def _costs(found: Sequence[PanelCost]) -> str:
    """Return the costs as a table; the database's own processor time where it could be seen."""
    served = any(one.server_cpu_ms is not None for one in found)
    heads = ("PAGE", "PANEL", "READ", "COLD", "WARM", "CPU", *(("SERVER CPU",) if served else ()))
    rows: list[Sequence[str]] = []
    for one in found:
        server = "-" if one.server_cpu_ms is None else f"{one.server_cpu_ms:,.1f}"
        told = (f"{one.read:,}", f"{one.cold_ms:,.1f}", f"{one.warm_ms:,.1f}", f"{one.cpu_ms:,.1f}", server)
        rows.append((one.page, one.panel, *(told if not one.failed else (one.failed, "", "", "", "")))[: len(heads)])
    return table(heads, rows)
