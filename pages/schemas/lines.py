"""The lines of the list of schemas: which there are, in what order, and what each says. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.pricing import usd
from core.reports import VersionFigures
from core.schemas import SchemaSummary
from pages.kit.frames import Frame, pd

BY_NAME = "Name"
SORTS = (BY_NAME, "Most calls", "Least valid", "Dearest")
Figures = Mapping[tuple[str, int], VersionFigures]


class Listed(NamedTuple):
    """A schema, and those of its versions that are worth a line."""

    summary: SchemaSummary
    versions: Sequence[int]
    """The newest, those with a label and those that were called; the newest first."""


def passing(schemas: Sequence[SchemaSummary], text: str) -> Sequence[SchemaSummary]:
    """Return those whose name or description holds *text*."""
    wanted = text.strip().lower()
    return [one for one in schemas if wanted in f"{one.name} {one.description}".lower()]


def listed(schemas: Sequence[SchemaSummary], found: Figures) -> list[Listed]:
    """Return the schemas with their versions in use."""
    called = _called(found)
    return [
        Listed(one, sorted({one.latest, *one.labels.values(), *called.get(one.name, ())}, reverse=True))
        for one in schemas
    ]


def ordered(schemas: Sequence[SchemaSummary], found: Figures, sort: str) -> list[SchemaSummary]:
    """Return schemas in the order that *sort* names; by name where it does not tell them apart."""
    called = _called(found)

    def weight(schema: SchemaSummary) -> float:
        ours = [found[schema.name, version] for version in called.get(schema.name, ())]
        if sort == SORTS[1]:
            return -sum(one.calls for one in ours)
        if sort == SORTS[2]:
            return min((one.validity for one in ours if one.validity is not None), default=2.0)
        return -max((one.cost_per_valid_nano_usd or 0 for one in ours), default=0)

    by_name = sorted(schemas, key=lambda schema: schema.name)
    return by_name if sort == BY_NAME else sorted(by_name, key=weight)


def _called(found: Figures) -> Mapping[str, Sequence[int]]:
    called: dict[str, list[int]] = {}
    for name, version in found:
        called.setdefault(name, []).append(version)
    return called


def frame(rows: Sequence[Listed], found: Figures, most: int | None = None) -> Frame:
    """Return one row per version, at most so many of a schema: as the grid shows it, and as it is exported."""
    lines: list[dict[str, Any]] = []
    for row in rows:
        for version in row.versions[:most]:
            one = found.get((row.summary.name, version))
            labels = [label for label, number in row.summary.labels.items() if number == version]
            lines.append(
                {
                    "schema": row.summary.name,
                    "version": version,
                    "labels": ", ".join(labels),
                    "calls": one.calls if one else 0,
                    "valid": one.validity if one else None,
                    "cost_per_valid_usd": usd(one.cost_per_valid_nano_usd) if one else None,
                    "unpriced": one.unpriced if one else 0,
                    "versions": row.summary.versions,
                    "description": row.summary.description,
                }
            )
    columns = [
        "schema",
        "version",
        "labels",
        "calls",
        "valid",
        "cost_per_valid_usd",
        "unpriced",
        "versions",
        "description",
    ]
    return pd.DataFrame(lines, columns=columns)
