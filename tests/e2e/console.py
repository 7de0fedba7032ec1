"""Proctor as a person starts it: ``make run`` in a process of its own."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.settings import ROOT
from tests import servers

START_SECONDS = 300.0
"""A first start may have to fetch what make run needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """A running Proctor."""

    url: str
    port: int
    log: Path
    """What it wrote to its output."""
    environment: dict[str, str]
    """What it was started with: the command line, given the same, works on the same database."""


@contextmanager
def make_run(folder: Path, **settings: str) -> Iterator[Console]:
    """Start ``make run`` on a free port with its database in *folder*, and end it.

    Raises:
        RuntimeError: it did not come up; the message holds the end of its output.

    """
    port = int(settings.get("PORT") or servers.free_port())
    chosen = {"PORT": str(port), "HOST": "127.0.0.1", "DATABASE_URL": f"sqlite:///{folder / 'proctor.db'}"}
    if (ROOT / ".env").exists():  # a developer's keys stay unused: no test is worth a bill
        chosen |= {"LOCAL_MODEL": "on", "MODEL_PRIMARY": "local/smollm2", "MODEL_FALLBACK": "local/smollm2"}
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment = ours | chosen | settings
    log = folder / f"log-{port}"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # make, its shell and the server are ended as one
        )
    try:
        while not _is_healthy(port):
            if process.poll() is not None or time.monotonic() > began + START_SECONDS:
                raise RuntimeError(f"make run did not come up:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)
        yield Console(
            url=f"http://127.0.0.1:{port}",
            port=port,
            log=log,
            environment=environment,
        )
    finally:
        _end(process)


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
