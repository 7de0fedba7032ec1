"""A real server that is told to stop, with calls in every phase: each is told so, and each is paid for what it cost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
from sqlmodel import select

from core import runtime as running
from core.clock import SystemClock
from core.principals import LOCAL_OPERATOR
from core.settings import ROOT
from core.tables import AttemptRow, GenerationRow, Reservation
from tests.core.api.conftest import PROVIDER_KEY, House, api_settings, built, eventually
from tests.core.api.test_door import connected, head, status
from tests.servers import free_port, is_ready
from tests.wire.server import WireServer

PLACES = 8
FEW = 200
"""Files and connections that the shell lets a process open here."""


@pytest.fixture
def house(sqlite_url: str, wire: WireServer) -> Generator[House]:
    """A tenant with a budget, whose calls another process serves."""
    wire.reset()
    with built(api_settings(sqlite_url, wire), wire) as house:
        house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, 10**12)
        yield house


@contextmanager
def server(house: House, **settings: str) -> Generator[tuple[subprocess.Popen[bytes], str]]:
    """Serve the API in a process that may open few files, until it is ready; yield it and its URL."""
    port = free_port()
    environment = {
        "DATABASE_URL": house.runtime.settings.database_url,
        "OPENAI_API_KEY": PROVIDER_KEY,
        "OPENAI_BASE_URL": house.wire.openai_url,
        "MODEL_PRIMARY": "openai/gpt-4o-mini",
        "LOCAL_MODEL": "off",
        "DEMO": "false",
        "LOG_LEVEL": "ERROR",
        "ATTEMPT_TIMEOUT_SECONDS": "60",
        "DEADLINE_SECONDS": "60",
    }
    serve = f"ulimit -Sn {FEW} && exec {sys.executable} -m uvicorn core.api:app --port {port} --log-level critical"
    command = ["/bin/sh", "-c", serve]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment | settings) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            assert eventually(lambda: is_ready(url), 60)
            yield process, url
        finally:
            process.kill()


@pytest.mark.parametrize(("seconds", "signals"), [("0", 1), ("50", 2)])
def test_whoever_is_where_in_a_call_is_told_and_paid(seconds: str, signals: int, house: House) -> None:
    """Queued, half sent, out or in a stream: all are answered, what was out is charged, and nothing stays held.

    A second signal ends the wait for them, and loses nothing either; the process ends as one that did what it was told.
    """
    settings = {"DRAIN_SECONDS": seconds, "CONCURRENCY": str(PLACES)}
    with server(house, **settings) as (process, url), ExitStack() as open_, ThreadPoolExecutor(20) as threads:
        assert _most_files(process.pid) == resource.getrlimit(resource.RLIMIT_NOFILE)[1]

        def ask(scenario: str, *, stream: bool = False) -> tuple[int, bytes]:
            body = house.ask(scenario, stream=stream)
            answer = httpx2.post(f"{url}/v1/generate", json=body, headers=house.headers, timeout=60)
            return answer.status_code, answer.content

        streams = [threads.submit(ask, "stall", stream=True) for _ in range(2)]
        calls = [threads.submit(ask, "hang") for _ in range(3)]
        assert eventually(lambda: house.wire.ledger.open_count == 5, 20)
        large = open_.enter_context(connected(url))
        large.sendall(head(house.key, 1_000_000) + b"{")
        small = open_.enter_context(connected(url))
        small.sendall(head(house.key, 100) + b"{")
        assert _waiting(url) == 0, "by now the large body has a place, as the calls do"
        queued = [threads.submit(ask, "hang") for _ in range(3)]
        assert eventually(lambda: _waiting(url) == 3, 20)

        for number in range(signals):
            process.send_signal(signal.SIGTERM)
            if number + 1 < signals:
                assert {one.result()[0] for one in queued} == {503}
                assert process.poll() is None, "it waits for the calls that are out"
        told = [one.result() for one in (*calls, *queued)]
        assert {code for code, _ in told} == {503}
        assert all(b"stopping" in text for _, text in told)
        assert all(b"event: error" in one.result()[1] for one in streams)
        assert [status(small), status(large)] == [503, 503]
        assert process.wait(40) == 0

    later = running.build(house.runtime.settings, SystemClock())
    try:
        assert later.recovery.run() == 0, "there is nothing left to be recovered"
        assert later.budgets.verify(LOCAL_OPERATOR).ok
        with later.store.reading() as session:
            assert session.exec(select(Reservation)).all() == []
            ends = Counter((one.outcome, one.error_code) for one in session.exec(select(GenerationRow)))
            assert ends == {("cancelled", "stopped"): 5}
            attempts = session.exec(select(AttemptRow)).all()
            assert len(attempts) == 5
            assert all(one.estimated and one.cost_nano_usd and one.charges == 1 for one in attempts)
    finally:
        later.close()


def _most_files(pid: int) -> int:
    """Return how many files a process may open."""
    [line] = [one for one in Path(f"/proc/{pid}/limits").read_text().splitlines() if one.startswith("Max open files")]
    return int(line.split()[3])


def _waiting(url: str) -> int:
    name = 'proctor_requests_waiting{kind="generate"} '
    lines = httpx2.get(f"{url}/metrics", timeout=20).text.splitlines()
    return next(int(float(line.removeprefix(name))) for line in lines if line.startswith(name))
