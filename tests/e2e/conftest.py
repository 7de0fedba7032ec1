"""A real browser against the real thing: the console as ``make run`` starts it."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.settings import ROOT
from tests import servers
from tests.e2e import browser

START_SECONDS = 300.0
"""A first start may have to fetch what make run needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """A running Proctor with a database of its own."""

    url: str
    log: Path
    """What it wrote to its output."""
    environment: dict[str, str]
    """What it was started with: the command line, given the same, works on the same database."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here; skip it where there is no browser, unless one is required."""
    here = Path(__file__).parent
    missing = browser.find() is None and not browser.is_required()
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if missing:
                item.add_marker(pytest.mark.skip(reason="NO BROWSER: none was found and none could be installed"))


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


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Show every page the same way on every machine."""
    return browser_context_args | {
        "viewport": {"width": 1440, "height": 1000},
        "reduced_motion": "reduce",
        "locale": "en-US",
        "timezone_id": "UTC",
    }


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Start ``make run`` on a fresh database and a free port; end it with the session."""
    folder = tmp_path_factory.mktemp("console")
    port = servers.free_port()
    chosen = {"PORT": str(port), "HOST": "127.0.0.1", "DATABASE_URL": f"sqlite:///{folder / 'proctor.db'}"}
    if (ROOT / ".env").exists():  # a developer's keys stay unused: no test is worth a bill
        chosen |= {"LOCAL_MODEL": "on", "MODEL_PRIMARY": "local/smollm2", "MODEL_FALLBACK": "local/smollm2"}
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    started = Console(url=f"http://127.0.0.1:{port}", log=folder / "log", environment=ours | chosen)
    with started.log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=ROOT,
            env=started.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # make, its shell and the server are ended as one
        )
    try:
        _wait_until_healthy(port, process, started.log)
        yield started
    finally:
        _end(process)


@pytest.fixture(scope="session")
def base_url(console: Console) -> str:
    """Let ``page.goto("/")`` mean the running console."""
    return console.url


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_healthy(port):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"make run did not come up:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.1)


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(20)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return
