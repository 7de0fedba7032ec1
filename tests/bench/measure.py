"""How things are measured: CPU and memory of a process, rounds that take turns, tables of the results."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.children import ending_with_parent

ROOT = Path(__file__).resolve().parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call of something costs."""

    cpu_ms: float
    wall_ms: float


def in_turns(contenders: Mapping[str, Callable[[], object]], *, rounds: int = 7, calls: int = 150) -> dict[str, Cost]:
    """Return each contender's cost per call: the least of *rounds*, in which they take turns.

    The least, because a neighbour on the machine can only add; in turns, so that it adds to all alike.
    """
    best: dict[str, Cost] = {}
    for contender in contenders.values():
        for _ in range(30):
            contender()
    for _ in range(rounds):
        for name, contender in contenders.items():
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(calls):
                contender()
            cost = Cost((time.process_time() - cpu) / calls * 1000, (time.perf_counter() - wall) / calls * 1000)
            known = best.get(name, cost)
            best[name] = Cost(min(known.cpu_ms, cost.cpu_ms), min(known.wall_ms, cost.wall_ms))
    return best


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used so far, all its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def until_calm(pid: int) -> None:
    """Wait until the start's background work is done: until a second passes with little CPU."""
    for _ in range(60):
        before = cpu_seconds(pid)
        time.sleep(1)
        if cpu_seconds(pid) - before < 0.1:
            return


def resident_mb(pid: int) -> float:
    """Return the memory that a process holds now, in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], environment: Mapping[str, str], ready: str) -> Generator[tuple[int, float]]:
    """Run *command* until the URL *ready* answers; yield its process id and the seconds that took."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=ending_with_parent(),  # noqa: PLW1509 it takes no lock
    )
    try:
        while True:
            try:
                with urllib.request.urlopen(ready, timeout=1):  # noqa: S310 our own server
                    break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended with {process.returncode} before it answered") from None
                time.sleep(0.02)
        yield process.pid, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def wire(port: int) -> Generator[str]:
    """Run the fake providers as a process of their own, so that their CPU is not ours; yield their base URL."""
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.wire.server", "--port", str(port)]
    with serving(command, {}, f"{url}/_ledger"):
        yield url


def table(title: str, rows: list[tuple[str, ...]]) -> None:
    """Print rows under a title, the first row as its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print(f"\n{title}")
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "   ".join(cells))
        if number == 0:
            print("  " + "   ".join("─" * width for width in widths))
