"""Run every benchmark: ``make bench``, or ``python -m tests.bench generation``, ``walls 1000000``, ``against HASH``.

``schemas FOLDER`` and ``corpus FOLDER`` read what people wrote, and are in none of these.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench import (
    against,
    answers,
    breakers,
    corpus,
    dialects,
    door,
    folding,
    generation,
    guardrails,
    http,
    limits,
    long_answers,
    money,
    partitions,
    reasks,
    relay,
    relayed,
    schemas,
    screening,
    sealing,
    statements,
    stream,
    tabs,
    trips,
    walls,
)
from tests.bench.measure import free_port, wire

BENCHES = {
    "generation": generation.run,
    "money": money.run,
    "folding": folding.run,
    "partitions": partitions.run,
    "http": http.run,
    "door": door.run,
    "dialects": dialects.run,
    "limits": limits.run,
    "breakers": breakers.run,
    "walls": walls.run,
    "answers": answers.run,
    "long": long_answers.run,
    "stream": stream.run,
    "relay": relay.run,
    "relayed": relayed.run,
    "reasks": reasks.run,
    "trips": trips.run,
    "statements": statements.run,
    "tabs": tabs.run,
    "guardrails": guardrails.run,
    "sealing": sealing.run,
    "screening": screening.run,
}

SIZED = ("walls", "relayed", "tabs")
"""Those that a number says how much to do."""
SOAKING = ("relayed",)
"""Those that ``make soak`` runs alone."""


def main() -> None:
    """Run what is named, or all."""
    if sys.argv[1:2] == ["schemas"]:
        schemas.run(Path(sys.argv[2]))
        return
    if sys.argv[1:2] == ["corpus"]:
        corpus.run(Path(sys.argv[2]))
        return
    sizes = [int(one) for one in sys.argv[1:] if one.isdecimal()]
    wanted = [one for one in sys.argv[1:] if not one.isdecimal()] or [one for one in BENCHES if one not in SOAKING]
    with tempfile.TemporaryDirectory() as folder, wire(free_port()) as url:
        if wanted[0] == "against":
            against.run(url, Path(folder), *wanted[1:])
            return
        for name in wanted:
            BENCHES[name](url, Path(folder), *(sizes if name in SIZED else ()))


main()
