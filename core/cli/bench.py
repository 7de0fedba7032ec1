"""Benchmarks: a workload to measure a database with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli._command import Output, command, proctor, show_progress

if TYPE_CHECKING:
    from core.runtime import Runtime


@proctor.group("bench")
def bench() -> None:
    """Measure how this installation fares."""


@command(bench, "fill")
@click.argument("generations", type=int)
@click.option("--tenants", type=click.IntRange(1, 1000), default=40, show_default=True, help="How many tenants call.")
@click.option("--yes", "beside_own", is_flag=True, help="Also where the database has tenants of its own.")
def fill(runtime: Runtime, *, generations: int, tenants: int, beside_own: bool) -> Output:
    """Write GENERATIONS calls of the last ninety days into the database, to see how it fares with so many.

    They are consistent ('proctor verify' agrees), the same each time, and cannot be taken away again.
    """
    from core.workload import Workload  # noqa: PLC0415 so that --help is quick

    workload = Workload(runtime.store, runtime.clock, tenants=tenants)
    rows = workload.fill(
        generations, beside_own=beside_own, tell=lambda count: show_progress(f"{count:,} of {generations:,} calls")
    )
    said = ", ".join(f"{count:,} of {table.replace('_', ' ')}" for table, count in rows.items())
    return Output({"written": rows}, f"The database is filled: {said}.")
