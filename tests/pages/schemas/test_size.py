"""Schemas with three names and with three hundred: as many statements, and no more rows than a page has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from streamlit import cache_data

from core import runtime as running
from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.schemas import PRODUCTION
from core.settings import Settings
from core.tables import Schema, SchemaLabel, SchemaVersion
from pages.schemas import listing
from tests import builders
from tests.pages.conftest import NOW, Open
from tests.statements import Statements, counted

FEW, MANY = 3, 300
VIEWS: dict[str, dict[str, str]] = {
    "the list": {},
    "its last page": {"page": "12"},
    "those that cost most": {"sort": "Dearest"},
    "some of them": {"text": "form_1"},
    "one schema": {"schema": "form_1", "version": "2", "against": "1"},
}


@pytest.fixture
def statements() -> Iterator[Statements]:
    """What is asked of the database."""
    with counted() as found:
        yield found


@pytest.fixture
def proctor(statements: Statements, sqlite_url: str, page_clock: ManualClock) -> Iterator[Runtime]:
    """A Proctor whose statements are counted; the pages find it."""
    runtime = running.build(Settings(database_url=sqlite_url, demo=False, local_model="off"), page_clock)
    running.install(runtime)
    yield runtime
    running.install(None)
    runtime.close()


def _add(proctor: Runtime, first: int, last: int) -> None:
    """Write down schemas, each with ten versions that were called; one after the other takes many times as long."""
    tenant = proctor.tenants.create(LOCAL_OPERATOR, f"Team {first}")
    schemas: list[Schema] = []
    versions: list[SchemaVersion] = []
    labels: list[SchemaLabel] = []
    calls: list[Any] = []
    for number in range(first, last):
        name = f"form_{number}"
        schemas.append(Schema(id=name, name=name, created_at=NOW))
        for version in range(1, 11):
            at = NOW - timedelta(minutes=version)
            body = {"type": "object", "properties": {f"field_{version}": {"type": "string"}}}
            versions.append(
                SchemaVersion(
                    id=f"{name}@{version}", schema_id=name, version=version, hash=f"{version}", body=body, created_at=at
                )
            )
            calls.append(builders.generation(at, tenant.id, schema_name=name, schema_version=version))
        labels.append(SchemaLabel(schema_id=name, label=PRODUCTION, version_id=f"{name}@1", moved_at=NOW))
    builders.save(proctor.store, schemas, versions, labels, calls)


def _asked(open_page: Open, statements: Statements) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, parameters in VIEWS.items():
        cache_data.clear()
        statements.clear()
        page = open_page("schemas", **parameters)
        assert not page.exception
        assert not page.error
        counts[name] = len(statements)
        if "schema" not in parameters:
            assert len(page.dataframe[0].value) <= listing.PER_PAGE * listing.MOST_VERSIONS
    return counts


def test_many_schemas_take_as_many_statements_as_few(open_page: Open, proctor: Runtime, statements: Statements) -> None:
    """The list, a page of it, sorted and searched, and one schema ask no more often where there are a hundredfold."""
    _add(proctor, 0, FEW)
    open_page("schemas")  # whether anybody signs in is asked once in a second
    few = _asked(open_page, statements)
    _add(proctor, FEW, MANY)
    many = _asked(open_page, statements)
    assert many == few
    assert max(few.values()) < 50


def test_the_figures_of_a_page_are_those_of_all(open_page: Open, proctor: Runtime) -> None:
    """Sorted by name, where only the page is asked for, a schema has the figures that it has sorted by them."""
    _add(proctor, 0, 30)
    shown = [open_page("schemas", sort=sort).dataframe[0].value for sort in ("Name", "Most calls")]
    assert shown[0].equals(shown[1])
    assert list(shown[0]["calls"]) == [1] * listing.PER_PAGE * listing.MOST_VERSIONS
