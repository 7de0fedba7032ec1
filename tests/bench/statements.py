"""How often each page of the console asks the database, with three tenants and with three hundred, on the driver."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import streamlit as st

from core import runtime
from core.clock import SystemClock
from core.runtime import Runtime
from core.settings import Settings
from core.tables import Tenant
from pages.kit import shared
from tests import builders
from tests.bench.measure import table
from tests.console import console
from tests.many_tenants import grow
from tests.statements import Statements, counted

PAGES_FOLDER = Path(__file__).parents[2] / "pages"
FRAME = PAGES_FOLDER / "_frame.py"
PAGES = sorted(page.parent.name for page in PAGES_FOLDER.glob("*/page.py") if page.parent.name != "kit")
SIZES = (3, 300)


def run(_wire_url: str, folder: Path) -> None:
    """Measure and print, on SQLite: what is asked is the same on both databases."""
    counts = [_counts(f"sqlite:///{folder / f'statements_{size}.db'}", size) for size in SIZES]
    rows = [("one page, opened", *(f"{size} tenants" for size in SIZES))]
    rows += [(name, *(str(one[name]) for one in counts)) for name in counts[0]]
    table("Statements per page", rows)


def _counts(url: str, size: int) -> dict[str, int]:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] pydantic-settings adds the argument
        database_url=url,
        log_level="WARNING",
        local_model="off",
        demo=False,
    )
    with counted() as statements:
        proctor = runtime.build(settings, SystemClock())
        runtime.install(proctor)
        try:
            proctor.store.migrate()  # and no more: chores would be counted, too
            made = grow(proctor, size)
            return _opened(proctor, statements, made[0])
        finally:
            runtime.install(None)
            proctor.close()


def _opened(proctor: Runtime, statements: Statements, tenant: Tenant) -> dict[str, int]:
    call = builders.generation(proctor.clock.now() - timedelta(minutes=1), tenant.id)
    builders.save(proctor.store, call, builders.attempt(call, id=builders.new_id(call.started_at)))
    counts = {name: _statements(statements, name) for name in PAGES}
    counts["home, one tenant"] = _statements(statements, "home", of=tenant.name)
    counts["spend, one tenant"] = _statements(statements, "spend", of=tenant.name)
    counts["tenants, one tenant"] = _statements(statements, "tenants", tenant=tenant.name)
    counts["calls, one call"] = _statements(statements, "calls", call=call.id)
    return counts


def _statements(statements: Statements, name: str, **parameters: str) -> int:
    page = console(name, **parameters)
    st.cache_data.clear()
    shared.forget()
    statements.clear()
    page.run()
    if page.exception:
        raise RuntimeError(f"the page {name} failed: {page.exception[0].message}")
    return len(statements)
