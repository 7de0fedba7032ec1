"""What the worst answers cost to be read: of a megabyte each, to schemas of every kind that multiplies.

The claim is less than a second of CPU and less than 200 MB for each. What the other callers of the process notice is
measured beside those that take longest, each read again and again by a thread of its own: in this process, and as a
running Proctor has it read, by a worker.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pydantic

from core.errors import Invalid
from core.response_models import ResponseModel, field_errors, response_model
from core.validation import Effort
from core.workers import TenantWorkers, Unjudged, Workers, Written, first_valid
from tests.bench.generation import governed
from tests.bench.measure import ROOT, table
from tests.core.validation.multiplying import KINDS, Kind, random_kinds

BYTES, BY_CHANCE = 1_000_000, 120
WORST, CALLS, SECONDS = 2, 200, 8.0
MOST_SECONDS, MOST_MEGABYTES = 1.0, 200


def run(wire_url: str, folder: Path) -> None:
    """Measure and print: the fifteen dearest, whether any passed the claim, and what other callers notice."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.bench.answers"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    found = sorted((tuple(json.loads(line)) for line in child.stdout.splitlines()), reverse=True)
    rows = [("schema and answer", "CPU s", "MB more", "told")]
    rows += [(name, f"{seconds:.3f}", f"{megabytes:.0f}", told[:60]) for seconds, megabytes, name, told in found[:15]]
    table("Reading an answer of a megabyte", rows)
    above = [name for seconds, megabytes, name, _ in found if seconds > MOST_SECONDS or megabytes > MOST_MEGABYTES]
    worst = max(megabytes for _, megabytes, _, _ in found)
    print(f"{len(found)} schemas; worst {found[0][0]:.3f} s CPU, {worst:.0f} MB; above the claim: {above or 'none'}")
    _others(wire_url, folder, [name for _, _, name, _ in found[:WORST]])


def _others(wire_url: str, folder: Path, worst: Sequence[str]) -> None:
    """Print how long an ordinary call takes alone, and beside each of the *worst* answers, read here or by a worker."""
    workers = Workers()
    with governed(wire_url, folder / "beside.db") as generate, closing(workers):
        alone = _latencies(generate)
        rows: list[tuple[str, ...]] = [
            ("an ordinary call, ms", "calls", "half", "99 of 100", "x alone: half", "99 of 100"),
            _row("alone", alone, alone),
        ]
        for kind in (each for each in (*KINDS, *random_kinds(BY_CHANCE)) if each.name in worst):
            model, text = response_model(kind.schema, "bench"), kind.answer(BYTES)
            for where, readers in (("here", None), ("by a worker", workers.of(""))):
                over = threading.Event()
                reading = threading.Thread(target=_read_until, args=(over, model, text, readers))
                reading.start()
                beside = _latencies(generate)
                over.set()
                reading.join()
                rows.append(_row(f"beside {kind.name}, read {where}", beside, alone))
    table("Other callers while a worst answer is read without a pause", rows)


def _row(name: str, took: list[float], alone: list[float]) -> tuple[str, ...]:
    shares = [(each[len(each) // 2], each[len(each) * 99 // 100]) for each in (took, alone)]
    times = [mine / its for mine, its in zip(*shares, strict=True)]
    return (name, str(len(took)), *(f"{each:.1f}" for each in (*shares[0], *times)))


def _latencies(generate: Callable[[str], object]) -> list[float]:
    """Return milliseconds of ordinary calls, the shortest first: ``CALLS``, or as many as there is time for."""
    generate("openai/gpt-4o-mini")  # opens the connection
    took: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(took) < CALLS and time.perf_counter() < end:
        began = time.perf_counter()
        generate("openai/gpt-4o-mini")
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took)


def _read_until(over: threading.Event, model: type[ResponseModel], text: str, workers: TenantWorkers | None) -> None:
    while not over.is_set():
        with suppress(pydantic.ValidationError, Unjudged):
            first_valid(model, Written((text,)), Effort(workers=workers))


def _measure_each() -> None:
    """Print a line for each kind, which a process forked for it has measured: so that none has another's memory."""
    for kind in (*KINDS, *random_kinds(BY_CHANCE)):
        process = os.fork()
        if process == 0:
            print(json.dumps(_measure(kind)), flush=True)
            os._exit(0)
        _, status = os.waitpid(process, 0)
        if status:
            print(json.dumps((999.0, 999.0, kind.name, f"ended with {status}")), flush=True)


def _measure(kind: Kind) -> tuple[float, float, str, str]:
    """Return the CPU seconds and megabytes that the answer of *kind* takes, its name, and what is told of it."""
    text = kind.answer(BYTES)
    try:
        model = response_model(kind.schema, "bench")
    except Invalid as error:
        return 0.0, 0.0, kind.name, f"refused: {error}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    try:
        model.model_validate_json(text)
        told = "valid"
    except pydantic.ValidationError as error:
        problem = field_errors(error)[0]
        told = f"{problem.path[-20:]}: {problem.message}"
    seconds = time.process_time() - started
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return seconds, megabytes, kind.name, f"{len(text):_} B, {told}"


if __name__ == "__main__":
    _measure_each()
