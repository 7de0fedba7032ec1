"""How often each page of the console asks the database: as often with twelve of everything as with three."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
import streamlit as st

from core import runtime as running
from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from pages.kit import shared
from tests import builders
from tests.console import FRAME, console
from tests.grounds import RATES, Ground, ground
from tests.pages.conftest import NOW
from tests.statements import Statements, counted

FEW, MANY = 3, 12
PAGES = sorted(page.parent.name for page in FRAME.parent.glob("*/page.py") if page.parent.name != "kit")
SCHEMA, MODEL = "schema_0", "openai/gpt-4o-mini"


def more(proctor: Runtime, first: int, count: int) -> list[Ground]:
    """Make *count* tenants with one of everything, as many schemas, routes and prices; and give the first as much."""
    who, made = LOCAL_OPERATOR, list[Ground]()
    for number in range(first, first + count):
        new = ground(proctor, f"Tenant {number}", ago=timedelta(minutes=5))
        made.append(new)
        for field in ("first", "second"):
            proctor.schemas.add(who, f"schema_{number}", shape(field))
        proctor.routes.set(who, f"route_{number}", [{"model": MODEL}], schemas=[f"schema_{number}"])
        proctor.prices.set(who, "openai", f"model-{number}", rates=RATES, reason="agreed")
        calls = [builders.generation(NOW - timedelta(minutes=9), new.tenant.id, schema_name=f"schema_{number}")]

        of = proctor.tenants.find(who, "Tenant 0")
        proctor.tenants.create_key(who, of)
        proctor.budgets.set(who, of, 1_000_000, scope="model", scope_name=f"openai/model-{number}")
        proctor.prices.set(who, "openai", f"model-{number}", tenant=of, rates=RATES, reason="agreed")
        version = proctor.schemas.add(who, SCHEMA, shape(f"field_{number}")).version
        calls.append(builders.generation(NOW - timedelta(minutes=8), of.id, schema_name=SCHEMA, schema_version=version))
        builders.save(proctor.store, calls, [builders.attempt(one, id=f"{one.id}-1") for one in calls])
    return made


def shape(field: str) -> dict[str, object]:
    """Return a schema of one field."""
    return {"title": "Shape", "type": "object", "properties": {field: {"type": "string"}}, "required": [field]}


def opened(statements: Statements, name: str, **parameters: str) -> int:
    """Open a page as for the first time; return how many statements that took."""
    page = console(name, **parameters)
    st.cache_data.clear()
    shared.forget()
    statements.clear()
    page.run()
    assert not page.exception, (name, parameters)
    return len(statements)


@pytest.fixture
def statements() -> Iterator[Statements]:
    """What is sent to any database from now on."""
    with counted() as found:
        yield found


def test_no_page_asks_more_often_for_more(sqlite_url: str, statements: Statements) -> None:
    """Each page there is, of all tenants, of one, of one schema and of one call: as many statements with many."""
    counts: list[dict[str, int]] = []
    proctor = running.build(Settings(database_url=sqlite_url, demo=False, local_model="off"), ManualClock(NOW))
    running.install(proctor)
    try:
        with closing(proctor):
            grounds = more(proctor, 0, FEW)
            opened(statements, "home")  # what is asked once in a process
            for count in (0, MANY - FEW):
                more(proctor, FEW, count)
                views = {
                    **{name: opened(statements, name) for name in PAGES},
                    "home of one": opened(statements, "home", of="Tenant 0"),
                    **{
                        f"{name} of one": opened(statements, name, tenant="Tenant 0")
                        for name in (
                            "traffic",
                            "calls",
                            "spend",
                            "statement",
                            "tenants",
                            "flags",
                            "drills",
                            "playground",
                        )
                    },
                    "one call": opened(statements, "calls", call=grounds[0].call_id),
                    "calls of a schema": opened(statements, "calls", schema=SCHEMA),
                    "one schema": opened(statements, "schemas", schema=SCHEMA),
                }
                counts.append(views)
    finally:
        running.install(None)
    few, many = counts
    assert few == many
    assert min(few.values()) > 0, "every page asks something"
