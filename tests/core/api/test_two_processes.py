"""Two real processes on one database and one Redis: limits hold across them, and outlive an outage of Redis."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx2

from core.settings import ROOT
from tests.core.api.conftest import CITY, PROVIDER_KEY, api_settings, built, eventually
from tests.servers import free_port, mortal_valkey
from tests.wire.server import WireServer

LIMIT = 12


@contextmanager
def process(database_url: str, redis_url: str, wire: WireServer, key: str) -> Generator[httpx2.Client]:
    """Serve the API alone, as the documentation says; yield a client of it."""
    port = free_port()
    environment = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "OPENAI_API_KEY": PROVIDER_KEY,
        "OPENAI_BASE_URL": wire.openai_url,
        "MODEL_PRIMARY": "openai/gpt-4o-mini",
        "RATE_LIMIT_PER_MIN": str(LIMIT),
        "LOCAL_MODEL": "off",
        "DEMO": "false",
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "uvicorn", "core.api:app", "--port", str(port), "--log-level", "critical"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment) as running:
        try:
            with httpx2.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=30
            ) as client:
                yield client
        finally:
            running.terminate()
            running.wait(20)


def answers(client: httpx2.Client) -> bool:
    """Whether it is ready."""
    try:
        return client.get("/ready").status_code == 200
    except httpx2.TransportError:
        return False


def rush(clients: list[httpx2.Client], each: int) -> Counter[int]:
    """Ask all of them at once; return how often which status came. A refusal says when to come back."""

    def ask(client: httpx2.Client) -> int:
        response = client.post("/v1/generate", json={"schema": CITY, "input": "Bern has inhabitants. [[ok]]"})
        if response.status_code == 429:
            seconds = response.json()["retry_after_seconds"]
            assert 0 < seconds <= 60
            assert response.headers["retry-after"] == str(math.ceil(seconds))
        return response.status_code

    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(ask, clients * each))


def redis_of(client: httpx2.Client) -> str:
    """Return what ``/ready`` says of Redis."""
    return str(client.get("/ready").json()["parts"]["redis"]["status"])


def lost(client: httpx2.Client) -> bool:
    """Whether ``/metrics`` counts decisions that were made without Redis."""
    return 'proctor_failed_open_total{room="limit"}' in client.get("/metrics").text


def test_limits_hold_across_processes_and_an_outage(sqlite_url: str, wire: WireServer) -> None:
    """Together they take the limit; alone, while Redis is stopped, each its own; then together again."""
    with mortal_valkey() as valkey, ExitStack() as stack:
        house = stack.enter_context(built(api_settings(sqlite_url, wire), wire))
        both = [stack.enter_context(process(sqlite_url, valkey.url, wire, house.key)) for _ in range(2)]
        assert all(eventually(lambda client=client: answers(client), 60) for client in both)

        assert rush(both, LIMIT) == {200: LIMIT, 429: LIMIT}
        assert [redis_of(client) for client in both] == ["ok", "ok"]
        assert not any(lost(client) for client in both)

        valkey.stop()
        assert rush(both, LIMIT + 3) == {200: 2 * LIMIT, 429: 6}, "each counts for itself, and nobody fails"
        assert [redis_of(client) for client in both] == ["down", "down"]
        assert all(lost(client) for client in both)

        valkey.start()
        for client in both:
            assert eventually(lambda client=client: redis_of(client) == "ok", 5)
        assert rush(both, LIMIT) == {200: LIMIT, 429: LIMIT}, "by a Redis that begins anew"
