"""In which step of its window a time lies, in SQL."""

from __future__ import annotations

from datetime import timedelta

from core.clock import micros
from core.reports.windows import Window

_MICRO = timedelta(microseconds=1)


def step_of(window: Window, step: timedelta, at: str) -> tuple[str, dict[str, int]]:
    """Return the number of the step that the time *at*, in microseconds, lies in, and what is bound in that."""
    bound = {"origin": micros(window.origin), "step": step // _MICRO}
    shifted = ""
    for number, (since, shift) in enumerate(window.shifts(step)):
        bound |= {f"changed_{number}": micros(since), f"shift_{number}": shift // _MICRO}
        shifted = f"WHEN {at} >= :changed_{number} THEN :shift_{number} {shifted}"
    more = f" + CASE {shifted}ELSE 0 END" if shifted else ""
    return f"({at}{more} - :origin) / :step", bound
