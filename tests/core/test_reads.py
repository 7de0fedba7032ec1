"""Who asks sees its own tenants only, and asks few statements."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import Any

import pytest

from core import runtime as running
from core.clock import ManualClock
from core.errors import NotFound
from core.flags import Flag
from core.principals import LOCAL_OPERATOR, Principal, Role
from core.reports import CallFilter, ChangeFilter, Query, Window
from core.runtime import Runtime
from core.settings import Settings
from core.tables import Tenant
from tests import servers
from tests.builders import person
from tests.conftest import START
from tests.many_tenants import grow
from tests.statements import counted


def built(url: str, tenants: int) -> tuple[Runtime, list[Tenant]]:
    """Return a Proctor with so many tenants, each with a budget and a key."""
    runtime = running.build(Settings(database_url=url, demo=False, local_model="off"), ManualClock(START))
    made = [runtime.tenants.create(LOCAL_OPERATOR, f"Tenant {number}") for number in range(tenants)]
    for tenant in made:
        runtime.budgets.set(LOCAL_OPERATOR, tenant, 1_000_000)
        runtime.tenants.create_key(LOCAL_OPERATOR, tenant)
    return runtime, made


WINDOW = Window.last(timedelta(days=1), START)
BY_TENANT = Query(window=WINDOW, measures=["calls", "p95"], by=["time", "tenant", "key"], q="-key:nobody", limit=2)
LATER = START + timedelta(days=1)
EVERY = CallFilter(starts_at=WINDOW.starts_at, ends_at=WINDOW.ends_at)
READS: dict[str, Callable[[Runtime, Principal, Tenant], Any]] = {
    "tenants": lambda on, who, _: [one.id for one in on.tenants.list(who)],
    "budgets": lambda on, who, _: list(on.budgets.all(who, on.tenants.list(LOCAL_OPERATOR))),
    "overview": lambda on, who, _: on.reports.overview(who, WINDOW).tenants["tenant_id"].tolist(),
    "keys": lambda on, who, tenant: [one.tenant_id for one in on.tenants.keys(who, tenant)],
    "troubles": lambda on, who, _: [one.tenant_id for one in on.reports.troubles(who)],
    "spend": lambda on, who, tenant: [line.key for line in on.reports.spend(who, WINDOW, tenant.id).tenants],
    "calls": lambda on, who, tenant: (
        on.reports.calls(who, CallFilter(starts_at=WINDOW.starts_at, ends_at=WINDOW.ends_at, tenant_id=tenant.id))
        .calls["tenant"]
        .tolist()
    ),
    "changes": lambda on, who, _: [
        one.tenant_id
        for one in on.reports.changes(who, ChangeFilter(starts_at=WINDOW.starts_at, ends_at=LATER)).changes
    ],
}


GROWING: dict[str, Callable[[Runtime, Principal, Tenant], Any]] = READS | {
    "query": lambda on, who, _: on.reports.query(who, BY_TENANT),
    "caught": lambda on, who, _: on.reports.caught(who, WINDOW),
    "clusters": lambda on, who, _: on.reports.clusters(who, WINDOW),
    "incident": lambda on, who, _: on.reports.incident(who, WINDOW),
    "decided before": lambda on, who, _: on.reports.decided_before(
        who, on.reports.changes(who, ChangeFilter(starts_at=WINDOW.starts_at, ends_at=LATER)).changes
    ),
    "route use": lambda on, who, _: on.reports.route_use(who),
    "contrast": lambda on, who, _: on.reports.contrast(who, EVERY, dataclasses.replace(EVERY, outcome="any_error")),
    "flag met": lambda on, who, _: on.reports.flag_met(who, "route:default"),
    "stale flags": lambda on, who, _: on.flags.stale(who),
    "schemas": lambda on, who, _: on.schemas.list(who),
    "catalogue": lambda on, who, _: on.schemas.catalogue(who),
    "versions": lambda on, who, _: on.schemas.versions(who, "schema_0"),
    "budgets of one": lambda on, who, tenant: on.budgets.show(who, tenant),
    "forecasts": lambda on, who, _: on.reports.forecasts(who),
    "statement": lambda on, who, tenant: on.reports.statement(who, tenant.id),
    "choices of changes": lambda on, who, _: on.reports.change_choices(who, WINDOW.starts_at, LATER),
}


Grown = tuple[str, Tenant]
"""The URL of a database, and one of its tenants."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def few_and_many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Grown]]:
    """Two databases of one kind: with three tenants, and with thirty; made once, as reads change nothing."""
    with ExitStack() as stack:
        yield [_grown(stack, request, tmp_path_factory, tenants) for tenants in (3, 30)]


def _grown(stack: ExitStack, request: pytest.FixtureRequest, folders: pytest.TempPathFactory, tenants: int) -> Grown:
    if request.param == "sqlite":
        copy = shutil.copy(request.getfixturevalue("sqlite_template"), folders.mktemp("reads") / "proctor.db")
        url = f"sqlite:///{copy}"
    else:
        server, template = request.getfixturevalue("pg_url"), request.getfixturevalue("pg_template")
        url = stack.enter_context(servers.database(server, f"reads_of_{tenants}", template))
    with closing(running.build(_settings(url), ManualClock(START))) as maker:
        return url, grow(maker, tenants)[0]


def _settings(url: str) -> Settings:
    return Settings(database_url=url, demo=False, local_model="off")


@pytest.mark.parametrize("what", GROWING)
def test_the_number_of_statements_does_not_grow(what: str, few_and_many: Sequence[Grown]) -> None:
    """With thirty tenants, their budgets, raises, keys and schemas, a read asks as often as with three.

    That holds of the first time in a process, and of the next, when what is read once and kept is kept.
    """
    numbers = list[list[int]]()
    for url, tenant in few_and_many:
        with counted() as statements, closing(running.build(_settings(url), ManualClock(START))) as runtime:
            numbers.append([])
            for _ in range(2):
                statements.clear()
                GROWING[what](runtime, LOCAL_OPERATOR, tenant)
                numbers[-1].append(len(statements))
    assert numbers[0] == numbers[1]
    assert numbers[0][-1] > 0


def test_another_tenant_is_as_if_it_were_not_there(sqlite_url: str) -> None:
    """Whoever is limited to one tenant finds nothing of another, in lists and by name, and is told as of nothing."""
    runtime, (mine, other) = built(sqlite_url, 2)
    who = person("limited", Role.OWNER, mine.id)
    try:
        for what, read in READS.items():
            assert set(read(runtime, who, other)) <= {mine.id}, what
        for ask in (
            lambda: runtime.tenants.find(who, other.name),
            lambda: runtime.tenants.find(who, other.id),
            lambda: runtime.reports.statement(who, other.id),
            lambda: runtime.reports.forecast(who, other.id),
            lambda: runtime.reports.spend_history(who, other.id),
            lambda: runtime.budgets.show(who, other),
            lambda: runtime.flags.evaluate(who, Flag.STREAMING, other.id),
            lambda: runtime.prices.book(who, other.id),
            lambda: runtime.tenants.revoke_key(who, runtime.tenants.keys(LOCAL_OPERATOR, other)[0].id),
        ):
            with pytest.raises(NotFound):
                ask()
    finally:
        runtime.close()
