"""The console without a browser: a whole Proctor on a fresh database, and Streamlit's own stand-in for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import streamlit as st
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlmodel import func, select
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.clock import ManualClock
from core.people._passwords import Passwords
from core.runtime import Runtime
from core.settings import Settings
from core.tables import AuditEntry
from pages.kit import shared, visitor
from tests.console import console

NOW = datetime(2026, 3, 4, 12, 7, tzinfo=UTC)
"""When the pages are looked at, unless a test moves the clock: a Wednesday, seven minutes past noon."""

Open = Callable[..., AppTest]
"""``open_page("calls", tenant="Acme")``: run a page of the console with these parameters in its URL."""


@pytest.fixture(autouse=True)
def _looked_for_components(components_known: None) -> None:
    """Each page that is opened would look for components anew."""


@pytest.fixture
def page_clock() -> ManualClock:
    """The time that the pages tell."""
    return ManualClock(NOW)


@pytest.fixture
def proctor(sqlite_url: str, page_clock: ManualClock) -> Iterator[Runtime]:
    """A Proctor with an empty database, without demo world, provider or local model; the pages find it."""
    runtime = running.build(Settings(database_url=sqlite_url, demo=False, local_model="off"), page_clock)
    running.install(runtime)
    st.cache_data.clear()
    shared.forget()
    yield runtime
    running.install(None)
    runtime.close()


@pytest.fixture
def open_page(proctor: Runtime) -> Open:
    """Opens a page by its name, through the frame and its menu as a browser does."""

    def opened(name: str, **parameters: Any) -> AppTest:
        return console(name, **parameters).run()

    return opened


@dataclass
class Tab:
    """Whose cookie a tab brings."""

    token: str = ""


@pytest.fixture
def tab(proctor: Runtime, monkeypatch: pytest.MonkeyPatch) -> Tab:
    """The tab in which pages are opened; passwords are hashed in no time."""
    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    monkeypatch.setattr(proctor.people, "_passwords", Passwords(quick))
    found = Tab()
    monkeypatch.setattr(visitor, "token", lambda: found.token)
    return found


def decisions(proctor: Runtime) -> int:
    """Return how many decisions were written."""
    with proctor.store.reading() as session:
        return session.exec(select(func.count()).select_from(AuditEntry)).one()
