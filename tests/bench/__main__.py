"""Run every benchmark: ``make bench``, or ``python -m tests.bench generation``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench import breakers, door, generation, http, limits, money
from tests.bench.measure import free_port, wire

BENCHES = {
    "generation": generation.run,
    "money": money.run,
    "http": http.run,
    "door": door.run,
    "limits": limits.run,
    "breakers": breakers.run,
}


def main() -> None:
    """Run what is named, or all."""
    wanted = sys.argv[1:] or list(BENCHES)
    with tempfile.TemporaryDirectory() as folder, wire(free_port()) as url:
        for name in wanted:
            BENCHES[name](url, Path(folder))


main()
