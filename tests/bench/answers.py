"""What the worst answers cost to be read: of a megabyte each, to schemas of every kind that multiplies.

The claim is less than a second of CPU and less than 200 MB for each. A process reads some kinds, one after another.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pydantic

from core.errors import Invalid
from core.response_models import field_errors, response_model
from tests.bench.measure import ROOT, table
from tests.core.validation.multiplying import KINDS, random_kinds

BYTES, BY_CHANCE = 1_000_000, 120
MOST_SECONDS, MOST_MEGABYTES = 1.0, 200


def run(_wire_url: str, _folder: Path) -> None:
    """Measure and print: the ten dearest, and whether any passed the claim."""
    found: list[tuple[float, float, str, str]] = []
    for name in [*(kind.name for kind in KINDS), *(f"by chance {n}" for n in range(BY_CHANCE))]:
        child = subprocess.run(
            [sys.executable, "-m", "tests.bench.answers", name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if child.returncode:
            raise SystemExit(f"{name}: ended with {child.returncode}: {child.stderr[-300:]}")
        seconds, megabytes, told = json.loads(child.stdout)
        found.append((seconds, megabytes, name, told))
    found.sort(reverse=True)
    rows = [("an answer of a megabyte", "CPU s", "MB more", "told")]
    rows += [(name, f"{seconds:.3f}", f"{megabytes:.0f}", told[:60]) for seconds, megabytes, name, told in found[:15]]
    print(table("Reading an answer", rows))
    above = [name for seconds, megabytes, name, _ in found if seconds > MOST_SECONDS or megabytes > MOST_MEGABYTES]
    worst = max(megabytes for _, megabytes, _, _ in found)
    print(f"{len(found)} schemas; worst {found[0][0]:.3f} s CPU, {worst:.0f} MB; above the claim: {above or 'none'}")


def _measure(name: str) -> tuple[float, float, str]:
    """Return the CPU seconds and megabytes that the answer of kind *name* takes, and what is told of it."""
    (kind,) = [each for each in (*KINDS, *random_kinds(BY_CHANCE)) if each.name == name]
    text = kind.answer(BYTES)
    try:
        model = response_model(kind.schema, "bench")
    except Invalid as error:
        return 0.0, 0.0, f"refused: {error}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    try:
        model.model_validate_json(text)
        told = "valid"
    except pydantic.ValidationError as error:
        problem = field_errors(error)[0]
        told = f"{problem.path[-20:]}: {problem.message}"
    seconds = time.process_time() - started
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, f"{len(text):_} {told}"


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1])))
