"""In which step of its window a time lies, in SQL."""

from __future__ import annotations

from datetime import timedelta

from core.clock import micros
from core.reports.windows import Window

_MICRO = timedelta(microseconds=1)


def step_of(
    window: Window, step: timedelta, at: str, divided: tuple[str, str, str] = ("", " / ", "")
) -> tuple[str, dict[str, int]]:
    """Return the number of the step that the time *at*, in microseconds, lies in, and what is bound in that.

    *divided* is what stands around two whole numbers, and between them, to divide them as whole numbers.
    """
    bound = {"origin": micros(window.origin), "step": step // _MICRO}
    shifted = ""
    for number, (since, shift) in enumerate(window.shifts(step)):
        bound |= {f"changed_{number}": micros(since), f"shift_{number}": shift // _MICRO}
        shifted = f"WHEN {at} >= :changed_{number} THEN :shift_{number} {shifted}"
    more = f" + CASE {shifted}ELSE 0 END" if shifted else ""
    before, between, behind = divided
    return f"{before}({at}{more} - :origin){between}:step{behind}", bound
