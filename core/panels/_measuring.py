"""Asking a panel some times, and what that took."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from core.errors import ProctorError
from core.panels._asking import PagePanel, onlooker
from core.panels._database_work import database_work, forget_connections
from core.principals import Principal
from core.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelCost:
    """What one panel cost."""

    page: str
    panel: str
    read: int = 0
    """In the unit of the database's work."""
    cold_ms: float = 0
    """The first time, over a new connection. What the operating system keeps of the file is not ours to drop."""
    warm_ms: float = 0
    """The least of the times after that."""
    cpu_ms: float = 0
    """The least that this process used of the processor for one of those."""
    server_cpu_ms: float | None = None
    """The least that the database's own process used; ``None`` where it is this one, or cannot be seen."""
    failed: str = ""
    """Why it could not be asked, if so; all else is 0 then."""


class PanelBench:
    """Asks panels, and tells what each costs on the database of a runtime."""

    def __init__(self, runtime: Runtime, principal: Principal) -> None:
        """Look for what there is to ask about.

        Raises:
            NotFound: there are no calls.

        """
        self.on = onlooker(runtime, principal)
        self._store, self._clock, self._work = runtime.store, runtime.clock, database_work(runtime.store)

    @property
    def database(self) -> str:
        """Which one it is."""
        return "SQLite" if self._store.is_sqlite else "PostgreSQL"

    @property
    def unit(self) -> str:
        """What is counted of what the database read."""
        return self._work.unit

    def costs(self, panels: Sequence[PagePanel], repeat: int) -> Generator[PanelCost]:
        """Ask each panel once cold, *repeat* times warm and once to count, and yield what it cost."""
        for panel in panels:
            try:
                yield self._cost(panel, repeat)
            except ProctorError as error:
                yield PanelCost(page=panel.page, panel=panel.name, failed=error.message)

    def _cost(self, panel: PagePanel, repeat: int) -> PanelCost:
        forget_connections(self._store)
        cold, *_ = self._timed(panel)
        tries = [self._timed(panel) for _ in range(repeat)]
        server = [seconds for *_, seconds in tries if seconds is not None]
        return PanelCost(
            page=panel.page,
            panel=panel.name,
            read=self._work.read(lambda: panel.asks(self.on)),
            cold_ms=_millis(cold),
            warm_ms=_millis(min(wall for wall, *_ in tries)),
            cpu_ms=_millis(min(cpu for _, cpu, _ in tries)),
            server_cpu_ms=_millis(min(server)) if server else None,
        )

    def _timed(self, panel: PagePanel) -> tuple[float, float, float | None]:
        """Ask once; return the seconds on the wall, of this process's processor time, and of the database's."""
        server, cpu, began = self._work.cpu_seconds(), time.process_time(), self._clock.monotonic()
        panel.asks(self.on)
        wall, cpu = self._clock.monotonic() - began, time.process_time() - cpu
        served = self._work.cpu_seconds()
        return wall, cpu, None if server is None or served is None else served - server


def _millis(seconds: float) -> float:
    return round(seconds * 1000, 2)
