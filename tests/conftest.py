"""What every test may ask for: a clock that stands still, a fresh database of either kind, a Redis."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples

from core.clock import ManualClock
from core.settings import Settings
from core.store import Store
from tests import compiled_once, offline, one_trust, one_writer, servers
from tests.examples import IS_SOAK, many

START = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
"""When tests begin: a Wednesday noon, far from any midnight, month's end or change of clocks."""

LONGEST = frozenset(
    {
        "test_canary.py",
        "test_demo.py",
        "test_faulty_generations.py",
        "test_relayed_money.py",
        "test_rush.py",
        "test_statement_counts.py",
        "test_storm.py",
        "test_verification.py",
    }
)
"""Files whose tests take longest, to begin with: at the end one of the workers would wait for the other's."""

_numbers = itertools.count(1)

# How long an example takes says how busy the machine is, and nothing about the code.
examples.register_profile(
    "any machine",
    max_examples=many(100),
    derandomize=not IS_SOAK,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
examples.load_profile("any machine")


def pytest_configure() -> None:
    """Take the developer's own settings out of the environment, close the network, keep temporary files in memory.

    A disk takes milliseconds to promise that it has kept something, and nothing here is worth a promise.
    """
    for field in Settings.model_fields:
        for name in (field.upper(), f"{field.upper()}_FILE"):
            os.environ.pop(name, None)
    if folder := servers.memory():
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    offline.watch()
    one_writer.watch()
    compiled_once.watch()
    one_trust.watch()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; all else stays in its order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what is collected here: a million objects that live to the end, and no garbage.

    What is loaded later it would look through as often as a little has been made; so it waits for more.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 10, 10)
        gc.enable()


@pytest.fixture(autouse=True)
def _stays_on_this_machine() -> Iterator[None]:
    offline.strays.clear()
    yield
    if offline.strays:
        pytest.fail(f"This test tried to reach {', '.join(sorted(set(offline.strays)))}.")


@pytest.fixture(autouse=True)
def _what_happened_has_one_writer() -> Iterator[None]:
    one_writer.strays.clear()
    yield
    if one_writer.strays:
        pytest.fail(f"Only core/journal.py writes what happened; here did {', '.join(sorted(set(one_writer.strays)))}.")


@pytest.fixture
def clock() -> ManualClock:
    """Time that stands still at ``START``; chance with a fixed seed."""
    return ManualClock(START)


@pytest.fixture(scope="session")
def components_known() -> Iterator[None]:
    """Streamlit's components that are installed, looked for once.

    A server does so as it starts, and to Streamlit a page that is opened in a test is a server: each would read what
    all packages say of themselves, which was two thirds of what such a test took.
    """
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def pg_url() -> Iterator[str]:
    """The URL of a running PostgreSQL, with the empty database ``postgres``."""
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a running Valkey. Its keys outlive a test: name them for the test."""
    with servers.valkey() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database at the newest schema, to copy."""
    path = tmp_path_factory.mktemp("template") / "proctor.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def pg_template(pg_url: str) -> Iterator[str]:
    """The name of a PostgreSQL database at the newest schema, to copy."""
    with servers.database(pg_url, "template_proctor") as url:
        _migrate(url)
        yield "template_proctor"


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of this test's own SQLite database, empty, at the newest schema."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'proctor.db')}"


@pytest.fixture
def pg_database_url(pg_url: str, pg_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of this test's own PostgreSQL database, empty, at the newest schema.

    Records that it does not take wait in a folder of the test, as beside an SQLite, and not in the work tree.
    """
    monkeypatch.setenv("BACKLOG_DIR", str(tmp_path / "backlog"))
    with servers.database(pg_url, f"test_{next(_numbers)}", pg_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of this test's own database, empty, at the newest schema: the test runs once on each kind."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "pg_database_url")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """This test's own store: the test runs once on SQLite and once on PostgreSQL."""
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    """This test's own store on SQLite, for what does not depend on the database."""
    store = Store(sqlite_url)
    yield store
    store.close()


def _migrate(url: str) -> None:
    store = Store(url)
    store.migrate()
    store.close()
