"""Schemas as they are published, read from a folder: ``python -m tests.bench schemas FOLDER``.

Such as ``src/schemas/json`` of https://github.com/SchemaStore/schemastore (Apache-2.0), which is not kept here.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from core.errors import Invalid
from core.given_schemas import read_text, roots
from core.json_schemas import compiled
from core.json_texts import json_in, text_of
from core.schema_forms import MODES, VENDORS, form_for

_SLOW_SECONDS = 1.0
_SHOWN = 160


def run(folder: Path) -> None:
    """Read each JSON file in *folder* as a schema, and form it for each vendor; print how they fare.

    Raises:
        SystemExit: one of them failed otherwise than with a sentence, or took longer than a second.

    """
    count: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    bad: list[str] = []
    slowest = (0.0, "")
    files = sorted(folder.glob("*.json"))
    for file in files:
        began = time.process_time()
        try:
            _read(file, count)
        except Invalid as refusal:
            count["refused"] += 1
            refused[_reason(refusal.message)] += 1
            print(f"  {file.name}: {refusal.message[:_SHOWN]}")
        except Exception as error:  # noqa: BLE001 whatever comes is the finding
            bad.append(f"{file.name}: {type(error).__name__}")
        took = time.process_time() - began
        slowest = max(slowest, (took, file.name))
        if took > _SLOW_SECONDS:
            bad.append(f"{file.name}: {took:.2f} s")
    print(f"{len(files)} files: {dict(count)}; refused: {dict(refused.most_common())}")
    print(f"slowest: {slowest[1]}, {slowest[0] * 1000:.0f} ms of CPU; exceptions and slow ones: {bad or 'none'}")
    if bad:
        raise SystemExit(1)


def _read(file: Path, count: Counter[str]) -> None:
    text = text_of(file)
    several = roots(json_in(text, "The schema"))
    given = read_text(text, "The schema", several[0] if several else None)
    form = compiled(given.schema, "thing")
    count["taken"] += 1
    count["several"] += bool(several)
    for kind in {note.kind for note in given.notes}:
        count[f"with a note: {kind}"] += 1
    for vendor in VENDORS:
        count[f"{vendor} enforced"] += any(form_for(form.wire, vendor, mode).is_enforced for mode in MODES)


def _reason(sentence: str) -> str:
    for reason in (
        "leaves the schema",
        "values; split",
        "larger than",
        "multiply",
        "64 bits",
        "was meant",
        "looks like",
    ):
        if reason in sentence:
            return reason
    return "other"
