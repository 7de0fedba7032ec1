"""Who waits for money that is only held: calls that are about to end will give back what they do not use.

A line for each budget and process, first come, first served. Only the first of a line tries: when money comes back in
this process, and else some times a second, for it may come back in another one, or an operator may raise the limit. So
however many wait, the database is asked by one of them; and a line has an end, beyond which nobody waits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from core.budgets.terms import BudgetTerms, Mode
from core.clock import Clock
from core.errors import BudgetHeld

LONGEST_LINE = 64
"""So many wait for one budget in one process; who comes then is told at once."""
LOOK_SECONDS = 0.25
"""How often the first of a line looks for money that came back elsewhere."""


class Shortages:
    """The lines of this process."""

    def __init__(self, clock: Clock, wait_seconds: float) -> None:
        """Make ready; nobody waits longer than *wait_seconds*, and with 0 nobody does."""
        self._clock = clock
        self.wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._lines: dict[str, deque[threading.Event]] = {}

    def line_for(self, terms: Iterable[BudgetTerms], model: str) -> BudgetTerms | None:
        """Return the budget for which others wait already that a call to *model* would have to pass; usually none."""
        if not self._lines:
            return None
        hard = (one for one in terms if one.mode is not Mode.SOFT and one.pays_for(model))
        return next((one for one in hard if one.budget_id in self._lines), None)

    def returned(self, terms: Sequence[BudgetTerms]) -> None:
        """Wake whoever is first in line for these budgets: money has come back to them."""
        if not self._lines:
            return
        with self._lock:
            for one in terms:
                line = self._lines.get(one.budget_id)
                if line:
                    line[0].set()

    def wait(
        self, terms: BudgetTerms, hold: Callable[[], None], *, seconds: float, left: threading.Event
    ) -> float | None:
        """Wait in line for the budget *terms* until *hold* holds the money; return for how many seconds.

        *hold* is tried once more before the time is up, and it may be tried at once where there is no time. ``None`` if
        the caller *left* meanwhile.

        Raises:
            BudgetExceeded: the money did not come back in time; or it was spent.

        """
        began, mine = self._clock.monotonic(), threading.Event()
        if not self._join(terms.budget_id, mine):
            hold()
            return 0.0
        try:
            rest = seconds
            while not left.is_set():
                self._clock.wait(mine, min(LOOK_SECONDS, max(rest, 0.0)))
                mine.clear()
                rest = min(rest - LOOK_SECONDS, seconds - (self._clock.monotonic() - began))
                if not self._is_first(terms.budget_id, mine) and rest > 0:
                    continue
                try:
                    hold()
                except BudgetHeld as short:
                    if rest <= 0 or short.about is None or short.about.budget_id != terms.budget_id:
                        raise
                else:
                    return self._clock.monotonic() - began
            return None
        finally:
            self._leave(terms.budget_id, mine)

    def _join(self, budget_id: str, mine: threading.Event) -> bool:
        with self._lock:
            line = self._lines.setdefault(budget_id, deque())
            if len(line) >= LONGEST_LINE:
                return False
            line.append(mine)
            return True

    def _is_first(self, budget_id: str, mine: threading.Event) -> bool:
        with self._lock:
            return self._lines[budget_id][0] is mine

    def _leave(self, budget_id: str, mine: threading.Event) -> None:
        """Go, and let the next one try: there may be money for him as well."""
        with self._lock:
            line = self._lines[budget_id]
            line.remove(mine)
            if line:
                line[0].set()
            else:
                del self._lines[budget_id]
