"""How often chores and the API ask the database: as often with thirty tenants, schemas and budgets as with three."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from core import runtime as running
from core.api.startup import Startup, serve
from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from core.tables import GenerationRow, Opening, Tenant
from tests.conftest import START
from tests.core.api.conftest import CITY, api_settings
from tests.many_tenants import grow
from tests.statements import Statements, counted
from tests.tills import Till
from tests.wire.server import WireServer

FEW, MANY = 3, 30
EVENTUALLY = timedelta(hours=2)
"""Longer than the period of any chore, and than anybody can be late for an opening."""


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


def at_both_sizes(
    settings: Settings, count: Callable[[Runtime, Statements, Tenant, ManualClock], dict[str, list[int]]]
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Return what *count* counts in a new process, with few and with many of everything."""
    clock, counts = ManualClock(START), list[dict[str, list[int]]]()
    for first, more in ((0, FEW), (FEW, MANY - FEW)):
        maker = running.build(settings, clock)
        made = grow(maker, more, first=first)
        maker.budgets.verify(LOCAL_OPERATOR)  # the first time of all is a whole run
        maker.trail.verify(LOCAL_OPERATOR)
        maker.close()
        with counted() as statements:
            counts.append(count(running.build(settings, clock), statements, made[0], clock))
    return counts[0], counts[1]


# ── Chores ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def chores_done(runtime: Runtime, statements: Statements, _tenant: Tenant, clock: ManualClock) -> dict[str, list[int]]:
    """Do every chore that there is three times, and return how many statements each took."""
    counts: dict[str, list[int]] = {}
    with closing(runtime):
        for wait in (timedelta(), timedelta(minutes=1), EVENTUALLY):  # soon after all was made; later; long after
            clock.advance(wait.total_seconds())
            for one in runtime.chores.status():
                statements.clear()
                one.chore.run()
                counts.setdefault(one.chore.name, []).append(len(statements))
    return counts


def test_no_chore_asks_more_often_for_more_tenants(database_url: str) -> None:
    """Each chore of the catalog, the first time in its process and later, takes as many statements for many.

    But for the outlooks, of which it makes one for each: some tenants at a time, in rounds that end.
    """
    settings = Settings(database_url=database_url, demo=False, local_model="off")
    few, many = at_both_sizes(settings, chores_done)
    assert len(few.pop("outlooks")) == len(many.pop("outlooks"))
    first = [one.pop("rollup proof")[1:] for one in (few, many)]  # of the first time of all there is more to prove
    assert first[0] == first[1]
    assert few == many
    assert few["late calls"][-1] > 0


def late_for_each(runtime: Runtime, statements: Statements, clock: ManualClock, count: int) -> list[str]:
    """Let a call be out in each of some tenants while its budget is changed; return what is asked once all ended."""
    walks: list[Any] = []
    for _ in range(count):
        till = Till(runtime.store, clock, 1000)
        walk = till.begin()
        walks.append((till, walk, walk.cover(100)))
        till.set(1000, period="day")
    runtime.budgets.catch_up_lately()
    for _, walk, call in walks:
        walk.end(call, 70)
        walk.close()
    statements.clear()
    runtime.budgets.catch_up_lately()
    asked = [
        one for one in statements.sent if not one.startswith("INSERT INTO ledger_entry")
    ]  # one per call, its entry
    assert [till.account() for till, _, _ in walks] == [(70, 0)] * count
    assert all(till.is_sound() for till, _, _ in walks[:2])
    return asked


def test_late_calls_are_counted_together(database_url: str) -> None:
    """Those that were late for many budgets are found, carried and forgotten in as few statements as those of a few."""
    clock = ManualClock(START)
    with counted() as statements:
        runtime = running.build(Settings(database_url=database_url, demo=False, local_model="off"), clock)
        with closing(runtime):
            few = late_for_each(runtime, statements, clock, FEW)
            clock.advance(EVENTUALLY.total_seconds())
            runtime.budgets.catch_up_lately()
            many = late_for_each(runtime, statements, clock, MANY)
            clock.advance(EVENTUALLY.total_seconds())
            runtime.budgets.catch_up_lately()
            with runtime.store.reading() as session:
                assert session.exec(select(Opening)).all() == []
    assert len(few) == len(many) < 15


# ── The API ───────────────────────────────────────────────────────────────────────────────────────────────────────────

ENDPOINTS: dict[str, Callable[[TestClient, str], Any]] = {
    "health": lambda client, _: client.get("/health"),
    "ready": lambda client, _: client.get("/ready"),
    "metrics": lambda client, _: client.get("/metrics"),
    "schemas": lambda client, _: client.get("/v1/schemas"),
    "spend": lambda client, _: client.get("/v1/spend"),
    "generation": lambda client, generation_id: client.get(f"/v1/generations/{generation_id}"),
    "generate": lambda client, _: client.post("/v1/generate", json={"schema": "schema_0", "input": "Bern [[ok]]"}),
    "generate inline": lambda client, _: client.post("/v1/generate", json={"schema": CITY, "input": "Bern [[ok]]"}),
}


def answered(runtime: Runtime, statements: Statements, tenant: Tenant, _clock: ManualClock) -> dict[str, list[int]]:
    """Send each request three times, and return how many statements each took: in a new process, and later."""
    secret = runtime.tenants.create_key(LOCAL_OPERATOR, tenant).secret
    with runtime.store.reading() as session:
        newest = select(GenerationRow.id).where(GenerationRow.tenant_id == tenant.id)
        generation_id = session.exec(newest.order_by(col(GenerationRow.id).desc())).first() or ""
    counts: dict[str, list[int]] = {}
    with TestClient(
        serve(Startup(lambda: runtime), runtime.settings), headers={"Authorization": f"Bearer {secret}"}
    ) as client:
        client.get("/v1/openapi.json")  # answered once everything has started
        for _ in range(3):
            for name, ask in ENDPOINTS.items():
                statements.clear()
                response = ask(client, generation_id)
                assert response.status_code == 200, (name, response.text)
                counts.setdefault(name, []).append(len(statements))
                looks = sum("LEFT JOIN tenant_revision o" in one for one in statements.sent)
                assert name != "generate" or looks == 1, "what holds for the key holds for the call"
    return counts


def test_no_endpoint_asks_more_often_for_more_tenants(database_url: str, wire: WireServer) -> None:
    """Each request, the first in its process and later ones, takes as many statements with many as with few."""
    few, many = at_both_sizes(api_settings(database_url, wire), answered)
    assert few == many
    assert [few[name][-1] for name in ("health", "metrics")] == [0, 0], "these ask nothing"
    assert min(few[name][-1] for name in few.keys() - {"health", "metrics"}) > 0
