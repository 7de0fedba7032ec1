"""What was spent over time, stacked three ways: by tenant, by schema and by model; each is all of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.pricing import usd
from core.reports.frames import OTHERS, Frame, frame
from core.reports.measures import CallFigures
from core.reports.reading import Reading
from core.reports.sums import SumQuestion, figures_by
from core.reports.windows import Window
from core.rollups.facets import MODEL, SCHEMA

MOST_STACKED = 8
"""Of each kind as many are told of one by one."""
COLUMNS = ("at", "kind", "name", "useful", "discarded", "usd")
_SUMS = ("spent", "discarded")
_Cells = Mapping[tuple[int, str], CallFigures]
Named = Mapping[tuple[str, str], str]
"""What a facet's values and details are called, of those that are told of."""


def over_time(
    reading: Reading, window: Window, now: int, *, tenants: Sequence[str], schemas: Named, models: Named
) -> Frame:
    """Return useful and discarded dollars per cell of the tenants, schemas and models named, and of the others."""
    step = window.cell // timedelta(microseconds=1)
    asked = SumQuestion(window=window, by=("cell",), step=step, names=_SUMS)
    whole = figures_by(reading, asked, now)
    by_tenant = figures_by(reading, replace(asked, by=("cell", "tenant_id"), tenants=tenants), now)
    parts: dict[str, _Cells] = {
        "tenant": {(cell, reading.name_of(tenant)): figures for (cell, tenant), figures in by_tenant.items()}
    }
    for kind, facet, named in (("schema", SCHEMA, schemas), ("model", MODEL, models)):
        parts[kind] = _named(reading, replace(asked, facet=facet, by=("cell", "value", "detail")), named, now)
    rows = [row for kind, cells in parts.items() for row in _rows(window, kind, cells, whole)]
    return frame(COLUMNS, sorted(rows))


def _named(reading: Reading, question: SumQuestion, named: Named, now: int) -> _Cells:
    values, details = ({key[place] for key in named} for place in (0, 1))
    asked = replace(question, values=sorted(values), details=sorted(details))
    found: defaultdict[tuple[int, str], CallFigures] = defaultdict(CallFigures)
    for (cell, *key), figures in figures_by(reading, asked, now).items():
        if (name := named.get((key[0], key[1]))) is not None:
            found[cell, name].count_in(figures)
    return found


def _rows(window: Window, kind: str, cells: _Cells, whole: Mapping[int, CallFigures]) -> Iterable[tuple[Any, ...]]:
    left = {cell: [figures.useful, figures.discarded] for cell, figures in whole.items()}
    for (cell, name), figures in cells.items():
        yield (window.cell_at(cell), kind, name, *_dollars(figures.useful, figures.discarded))
        rest = left.setdefault(cell, [0, 0])
        rest[0] -= figures.useful
        rest[1] -= figures.discarded
    for cell, (useful, discarded) in left.items():
        if useful or discarded:
            yield (window.cell_at(cell), kind, OTHERS, *_dollars(useful, discarded))


def _dollars(useful: int, discarded: int) -> tuple[Any, ...]:
    return usd(useful), usd(discarded), usd(useful + discarded)
