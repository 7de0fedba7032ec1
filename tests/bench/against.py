"""The hot path of this tree against that of an older commit: CPU per generation, in turns, in one run.

``python -m tests.bench against COMMIT``. The commit's tree comes from git into a folder of its own; a process of this
interpreter runs the corridor from each, and they take turns, so that a neighbour on the machine adds to both alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import servers
from tests.bench.measure import ROOT, Cost, table

ROUNDS, CALLS, WARM_UP = 9, 200, 60
MODEL = "openai/gpt-4o-mini"
_CHILD = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.bench import generation
from core import runtime
from core.settings import Settings

url, database, model, calls, warm_up = sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6])

class Placed(Settings):
    def __init__(self, **values):
        super().__init__(**values | {"database_url": database})

generation.Settings = Placed
with generation.governed(url, Path("unused")) as generate:
    for _ in range(warm_up):
        generate(model)
    print("ready", flush=True)
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(calls):
            generate(model)
        print((time.process_time() - cpu) / calls * 1000, (time.perf_counter() - wall) / calls * 1000, flush=True)
"""


def run(wire_url: str, folder: Path, commit: str) -> None:
    """Measure and print."""
    with _tree(commit) as old, servers.postgres() as server, ExitStack() as open_:
        rows = [("one generation, all recorded, one budget", f"{commit[:10]} CPU ms", "now CPU ms", "CPU", "wall")]
        for kind in ("SQLite", "PostgreSQL"):
            contenders: dict[str, subprocess.Popen[str]] = {}
            for name, tree in {"old": old, "new": ROOT}.items():
                url = f"sqlite:///{folder / f'{name}.db'}"
                if kind == "PostgreSQL":
                    url = open_.enter_context(servers.database(server, f"against_{name}"))
                contenders[name] = open_.enter_context(_contender(tree, wire_url, url))
            best = {name: _round(one) for name, one in contenders.items()}
            for _ in range(ROUNDS):
                for name, one in contenders.items():
                    cost = _round(one)
                    best[name] = Cost(min(best[name].cpu_ms, cost.cpu_ms), min(best[name].wall_ms, cost.wall_ms))
            old_cost, new_cost = best["old"], best["new"]
            rows.append(
                (
                    kind,
                    f"{old_cost.cpu_ms:.3f}",
                    f"{new_cost.cpu_ms:.3f}",
                    f"x {new_cost.cpu_ms / old_cost.cpu_ms:.2f}",
                    f"x {new_cost.wall_ms / old_cost.wall_ms:.2f}",
                )
            )
    table(f"This tree against {commit}: the least of {ROUNDS} rounds of {CALLS}, in turns", rows)


@contextmanager
def _tree(commit: str) -> Generator[Path]:
    """Yield the files of *commit*, in a folder that goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="against_") as folder:
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        yield Path(folder)


@contextmanager
def _contender(tree: Path, wire_url: str, database_url: str) -> Generator[subprocess.Popen[str]]:
    """Run the corridor of *tree* in a process of its own; a line on its input is a round."""
    command = [sys.executable, "-c", _CHILD, str(tree), wire_url, database_url, MODEL, str(CALLS), str(WARM_UP)]
    process = subprocess.Popen(
        command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the corridor of {tree} did not start")
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def _round(process: subprocess.Popen[str]) -> Cost:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    cpu, wall = map(float, process.stdout.readline().split())
    return Cost(cpu, wall)
