"""A real browser against the real thing: the console as ``make run`` starts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import browser
from tests.e2e.console import Console, make_run


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here, before -m chooses; skip what needs a browser where there is none, unless one is required."""
    here = Path(__file__).parent
    no_browser = pytest.mark.skip(reason="NO BROWSER: none was found and none could be installed")
    missing = browser.find() is None and not browser.is_required()
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.e2e)
        if missing and "browser_type_launch_args" in getattr(item, "fixturenames", ()):
            item.add_marker(no_browser)
    # what measures a start goes first: the shared console makes its demo world meanwhile, and that takes a core
    items.sort(key=lambda item: "console" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Start the browser that was found, quietly."""
    found = browser.find()
    if found is None:
        pytest.fail("No browser was found and none could be installed; set CHROMIUM to the path of one.")
    return browser_type_launch_args | {
        "executable_path": str(found.path),
        "args": list(found.arguments),
        "env": os.environ | found.environment,
    }


@pytest.fixture
def browser_context_args(base_url: str) -> dict[str, Any]:
    """Show every page the same way on every machine; a module may have a console, and so a ``base_url``, of its own."""
    return {
        "base_url": base_url,
        "viewport": {"width": 1440, "height": 1000},
        "reduced_motion": "reduce",
        "locale": "en-US",
        "timezone_id": "UTC",
    }


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Run ``make run`` on a fresh database and a free port, until the session ends."""
    with make_run(tmp_path_factory.mktemp("console")) as running:
        yield running


@pytest.fixture(scope="session")
def base_url(console: Console) -> str:
    """Let ``page.goto("/")`` mean the running console."""
    return console.url
