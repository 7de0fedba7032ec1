"""A till of a thousand nano-dollars, on both databases."""

from __future__ import annotations

import pytest

from core.clock import ManualClock
from core.store import Store
from core.telemetry import configure_logging
from tests.tills import Till


@pytest.fixture(autouse=True)
def _quiet() -> None:
    configure_logging("ERROR")


@pytest.fixture
def till(store: Store, clock: ManualClock) -> Till:
    """A tenant with a hard monthly budget of 1000 nano-dollars, on both databases."""
    return Till(store, clock, 1000)
