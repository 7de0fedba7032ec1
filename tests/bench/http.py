"""The HTTP path: CPU per request, memory, start, and two hundred generations in flight, of the whole served process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

from tests.bench.generation import INPUT
from tests.bench.measure import ROOT, cpu_seconds, free_port, resident_mb, serving, table, until_calm

IN_FLIGHT = 200


def run(wire_url: str, folder: Path) -> None:
    """Measure and print."""
    port = free_port()
    environment = {
        "OPENAI_API_KEY": "bench",
        "OPENAI_BASE_URL": f"{wire_url}/v1",
        "MODEL_PRIMARY": "openai/gpt-4o-mini",
        "DATABASE_URL": f"sqlite:///{folder / 'http.db'}",
        "RATE_LIMIT_PER_MIN": "10000000",
        "LOCAL_MODEL": "off",
        "DEMO": "false",
        "PORT": str(port),
        "HOST": "127.0.0.1",
    }
    key = prepared(environment)
    command = [str(ROOT / ".venv/bin/proctor"), "serve"]
    url = f"http://127.0.0.1:{port}"
    with serving(command, environment, f"{url}/health"):
        pass  # the first start compiles and writes caches; the second is what people wait for
    with serving(command, environment, f"{url}/health") as (pid, seconds):
        until_calm(pid)
        rows = [("one served process: console and API", "figure")]
        rows.append(("second start until /health answers", f"{seconds:.2f} s"))
        rows.append(("resident, started", f"{resident_mb(pid):.0f} MB"))
        body = {"schema": "support_ticket", "input": INPUT}
        asyncio.run(_load(url, key, body, requests=100, at_once=1))
        for at_once in (1, 16):
            cpu, wall = cpu_seconds(pid), time.perf_counter()
            asyncio.run(_load(url, key, body, requests=800, at_once=at_once))
            cpu, wall = cpu_seconds(pid) - cpu, time.perf_counter() - wall
            rows.append((f"CPU per request, {at_once} at once", f"{cpu / 800 * 1000:.2f} ms"))
            rows.append((f"requests per second, {at_once} at once", f"{800 / wall:.0f}"))
        slow = {"schema": "support_ticket", "input": f"{INPUT} [[slow-1s]]"}
        asyncio.run(_load(url, key, slow, requests=IN_FLIGHT, at_once=IN_FLIGHT))
        wall = time.perf_counter()
        asyncio.run(_load(url, key, slow, requests=IN_FLIGHT, at_once=IN_FLIGHT))
        rows.append((f"{IN_FLIGHT} generations of 1 s, all in flight", f"{time.perf_counter() - wall:.2f} s"))
        rows.append(("resident, after the load", f"{resident_mb(pid):.0f} MB"))
    table("HTTP: POST /v1/generate, everything recorded", rows)


def prepared(environment: dict[str, str]) -> str:
    """Make a tenant with a budget, and return its key."""

    def proctor(*words: str) -> dict[str, object]:
        command = [str(ROOT / ".venv/bin/proctor"), *words, "--json"]
        done = subprocess.run(command, env={**environment, "PATH": "/usr/bin:/bin"}, capture_output=True, check=True)
        return json.loads(done.stdout)

    proctor("migrate")
    proctor("tenant", "create", "bench")
    proctor("budget", "set", "bench", "1000000")
    return str(proctor("key", "create", "bench")["key"])


async def _load(url: str, key: str, body: dict[str, str], *, requests: int, at_once: int) -> None:
    left = iter(range(requests))
    headers = {"Authorization": f"Bearer {key}"}

    async def one_after_the_other(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(f"{url}/v1/generate", json=body, headers=headers) as response:
                answer = await response.read()
                if response.status != 200:
                    sys.exit(f"the bench got {response.status}: {answer[:300]!r}")

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(one_after_the_other(session) for _ in range(at_once)))
