"""Calls by month, on a PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli._command import Output, command, proctor, show_progress
from core.errors import Invalid

if TYPE_CHECKING:
    from core.runtime import Runtime


@command(proctor, "partition")
@click.option("--check", "only_look", is_flag=True, help="Only say whether they are.")
def partition(runtime: Runtime, *, only_look: bool) -> Output:
    """Keep the calls of a PostgreSQL by months, for databases of many millions of calls.

    Calls go on meanwhile: nobody waits for longer than a moment. What was cut off goes on when it is said again. There
    is no way back but a backup.
    """
    if runtime.store.is_sqlite:
        raise Invalid("Only a PostgreSQL can keep calls by months; this database is an SQLite.")
    if only_look:
        are_used = runtime.store.partitions.are_used()
        return Output({"partitioned": are_used}, f"Calls are {'' if are_used else 'not '}kept by months.")
    done = runtime.store.partitions.convert(
        runtime.clock.now(), lambda table: show_progress(f"Looking through {table} …")
    )
    documents = [
        {"table": one.table, "until": one.until, "tries": one.tries, "held_ms": round(one.held_ms, 1)} for one in done
    ]
    if not done:
        return Output({"tables": documents}, "Calls were kept by months already.")
    said = "\n".join(
        f"{one.table}: what there was until {one.until:%Y-%m-%d} is its first partition; "
        f"others waited for {one.held_ms:.0f} ms at most."
        for one in done
    )
    return Output({"tables": documents}, f"Calls are kept by months now.\n{said}")
