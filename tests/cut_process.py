"""A process that does long work some calls at a time, and is killed on the way."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy
from sqlalchemy import event

from core.clock import ManualClock
from core.demo import Demo, _removal
from core.principals import LOCAL_OPERATOR
from core.repricing import Repricings, RepricingScope, _repricings
from core.settings import Settings
from core.store import Store
from tests.conftest import START

AT_ONCE = 10
"""How many calls are in one transaction."""
_INSIDE = 3
"""Where in a transaction it dies, in statements."""


def reprice(store: Store) -> None:
    """Re-price all calls of one model."""
    day = timedelta(days=1)
    scope = RepricingScope(provider="openai", model="gpt-4o-mini", starts_at=START - 60 * day, ends_at=START + day)
    Repricings(store, ManualClock(START + day)).reprice(LOCAL_OPERATOR, scope, "the contract says so")


def remove(store: Store) -> None:
    """Remove the demo world."""
    Demo(Settings(), store, ManualClock(START)).remove(LOCAL_OPERATOR)


DEEDS: Mapping[str, Callable[[Store], None]] = {"reprice": reprice, "remove": remove}


def main() -> None:
    """Do the deed; die after so many transactions, ``between`` that one and the next or ``inside`` the next."""
    url, deed, pieces, where = sys.argv[1:]
    left, statements = int(pieces), 0
    _repricings.AT_ONCE = _removal.AT_ONCE = AT_ONCE

    def rest() -> None:
        nonlocal left
        left -= 1
        if not left and where == "between":
            os.kill(os.getpid(), signal.SIGKILL)

    def executed(*_: Any) -> None:
        nonlocal statements
        statements += not left
        if statements >= _INSIDE:
            os.kill(os.getpid(), signal.SIGKILL)

    store = Store(url)
    store.rest = rest
    event.listen(sqlalchemy.Engine, "after_cursor_execute", executed)
    DEEDS[deed](store)


if __name__ == "__main__":
    main()
