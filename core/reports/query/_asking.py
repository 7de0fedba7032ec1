"""A question about figures: what may be asked for, and what is refused in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.errors import Invalid
from core.reports.measures import MEASURES, Measure
from core.reports.windows import Window

TIME = "time"
"""By the cells that a window is cut into."""
MOST_GROUPS = 100
"""Groups that are told apart at once; the others are one."""
MOST_CELLS = 1_500
_MOST_FIGURES = 30_000
"""Of all groups and steps together, for one measure."""
_MINUTE = timedelta(minutes=1)
_MOST_DIMENSIONS = 2
"""Beside time and tenants: of more there would be as many groups as calls."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something that calls are told apart by."""

    name: str
    label: str
    fact: str
    """Its value in SQL, of a fact ``d``."""
    of_attempts: bool = False
    """Whether a call can have several: then all figures are of attempts."""
    nothing: str = "none"
    """What is said where a call has none."""


_ALL = (
    Dimension("tenant", "Tenant", "d.tenant_id"),
    Dimension("provider", "Provider", "d.provider", of_attempts=True, nothing="no provider was asked"),
    Dimension("model", "Model", "d.provider || '/' || d.model", of_attempts=True, nothing="no model was asked"),
    Dimension("route", "Route", "d.route"),
    Dimension("schema", "Schema", "d.schema_name", nothing="no schema"),
    Dimension("version", "Schema version", "d.schema_name || '@' || d.schema_version", nothing="no schema"),
    Dimension("key", "Key", "d.key_id", nothing="no key"),
    Dimension("outcome", "Outcome", "d.outcome"),
    Dimension("error", "Error code", "d.error_code", nothing="no error"),
)
DIMENSIONS: Mapping[str, Dimension] = {one.name: one for one in _ALL}
"""All that can be told apart by, beside time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for. Making one raises ``Invalid`` where it makes no sense."""

    window: Window
    measures: Sequence[str]
    """Names of ``core.reports.measures.MEASURES``; by the first the groups are ranked."""
    by: Sequence[str] = ()
    """:data:`TIME`, names of :data:`DIMENSIONS`, or both."""
    q: str = ""
    """A search, of those fields that are dimensions alone: ``tenant:acme -outcome:blocked``."""
    limit: int = 20
    """How many groups are told apart, those that matter most to the first measure."""
    step: timedelta | None = None
    """How wide a cell is: whole minutes; the window's own cells without."""

    def __post_init__(self) -> None:
        """Look whether it can be answered."""
        _of("measure", self.measures, tuple(MEASURES))
        _of("dimension", self.by, (TIME, *DIMENSIONS))
        if not self.measures:
            raise Invalid(f"Ask for a measure at least. There are: {', '.join(MEASURES)}.")
        if len(self.dimensions) - ("tenant" in self.dimensions) > _MOST_DIMENSIONS:
            raise Invalid("Figures are told by time, by tenant and by two more at most. Leave some of them out.")
        if not 1 <= self.limit <= MOST_GROUPS:
            raise Invalid(f"'limit' is a whole number from 1 to {MOST_GROUPS}.")
        if self.step is not None and (self.step < _MINUTE or self.step % _MINUTE):
            raise Invalid("A step is one whole minute or several.")
        if TIME in self.by and self.cells > MOST_CELLS:
            raise Invalid(f"That would be {self.cells:,} steps, and {MOST_CELLS:,} are told at most. Take longer ones.")
        if TIME in self.by and self.dimensions and self.cells * self.limit > _MOST_FIGURES:
            raise Invalid(f"{self.limit} groups in {self.cells:,} steps are too many at once. Take a lower 'limit'.")

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What is told apart by beside time."""
        return tuple(one for one in self.by if one != TIME)

    @property
    def asked(self) -> tuple[Measure, ...]:
        """Return the measures themselves."""
        return tuple(MEASURES[one] for one in self.measures)

    @property
    def cell(self) -> timedelta:
        """How wide a cell is."""
        return self.step or self.window.cell

    @property
    def cells(self) -> int:
        """How many cells the window touches."""
        return self.window.steps(self.cell)


def _of(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise Invalid(f"There is no {what} '{name[:40]}'. There are: {', '.join(known)}.")
    if len(set(names)) < len(names):
        raise Invalid(f"A {what} is named twice.")
