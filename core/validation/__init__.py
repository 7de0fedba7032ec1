"""Whether a value satisfies a schema, and what is wrong where it does not; both within bounds, whatever the value.

The verdict is jsonschema-rs' own: it looks at each place once for each subschema, also through recursion. What could
make it slow all the same is known from the schema alone, as a cost per place and per byte. The library's list of errors
has no bound: it holds the errors of every alternative, to any depth, before the first one is handed out. So what is
wrong is found by a walk of our own, which looks only where somebody asks.
"""

from __future__ import annotations

from core.validation._cost import MOST_VISITS, Extent, PlaceCost
from core.validation._effort import Effort, EffortSpent, OtherProcesses
from core.validation._formats import CHECKED_FORMATS
from core.validation._patterns import TOO_SLOW, is_pattern, size_of, watched
from core.validation._pointers import resolve, steps_of
from core.validation._validator import Validator
from core.validation._violations import (
    Alternatives,
    Branch,
    Loc,
    Missing,
    Several,
    Unexpected,
    Violation,
    WrongName,
)

__all__ = [
    "CHECKED_FORMATS",
    "MOST_VISITS",
    "TOO_SLOW",
    "Alternatives",
    "Branch",
    "Effort",
    "EffortSpent",
    "Extent",
    "Loc",
    "Missing",
    "OtherProcesses",
    "PlaceCost",
    "Several",
    "Unexpected",
    "Validator",
    "Violation",
    "WrongName",
    "is_pattern",
    "resolve",
    "size_of",
    "steps_of",
    "watched",
]
