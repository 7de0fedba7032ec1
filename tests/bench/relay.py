"""What a relay costs, beside proxies that govern nothing: CPU per request, in turns, everything on.

``python -m tests.bench relay``. Another gateway is measured beside them where ``BENCH_LITELLM`` is the path of its
command in an environment of its own (``uv venv``, ``uv pip install 'litellm[proxy]'``).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests import servers
from tests.bench.generation import INPUT, Ticket
from tests.bench.http import prepared
from tests.bench.measure import ROOT, cpu_seconds, free_port, serving, table, until_calm
from tests.bench.stream import object_of, playing

IN_FLIGHT = (1, 16, 64)
REQUESTS = 192
"""Of each round."""
ROUNDS = 4
LONG = 200_000
"""Characters of the long stream's object."""
BARE = "bare proxy, Starlette and httpx2"
ANSWER = {
    "category": "billing question",
    "summary": "Since this morning one seat is charged twice, and somebody is to look at it soon. " * 2,
    "priority": 2,
    "tags": ["billing", "seats", "urgent", "duplicate charge", "refund"],
    "customer": {"name": "Jo", "company": "Acme"},
}


@dataclass(frozen=True, slots=True)
class Arm:
    """One server that is measured."""

    pid: int
    url: str
    key: str


def run(wire_url: str, folder: Path) -> None:
    """Measure and print."""
    with ExitStack() as stack:
        postgres = stack.enter_context(servers.database(stack.enter_context(servers.postgres()), "relay"))
        arms = _arms(stack, wire_url, {"SQLite": f"sqlite:///{folder / 'relay.db'}", "PostgreSQL": postgres})
        _short(arms)
    with ExitStack() as stack:
        postgres = stack.enter_context(servers.database(stack.enter_context(servers.postgres()), "relay_long"))
        vendor, play = stack.enter_context(playing())
        databases = {"SQLite": f"sqlite:///{folder / 'long.db'}", "PostgreSQL": postgres}
        arms = _arms(stack, vendor.removesuffix("/v1"), databases)
        del arms[INSTRUCTOR]  # its partial objects are another stream
        play((object_of(LONG), 0.0))
        _long(arms)


INSTRUCTOR = "FastAPI with Instructor"


def _arms(stack: ExitStack, vendor: str, databases: Mapping[str, str]) -> dict[str, Arm]:
    """Start every server."""
    arms: dict[str, Arm] = {}
    for name, app in {BARE: "bare", INSTRUCTOR: "with_instructor"}.items():
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", f"tests.bench.proxies:{app}", "--port", str(port)]
        command += ["--log-level", "warning", "--no-access-log"]
        url = f"http://127.0.0.1:{port}"
        pid, _ = stack.enter_context(serving(command, {"BENCH_VENDOR_URL": vendor}, f"{url}/health"))
        arms[name] = Arm(pid, url, "any")
    if litellm := os.environ.get("BENCH_LITELLM"):
        arms["LiteLLM's proxy"] = _litellm(stack, litellm, vendor)
    for kind, database in databases.items():
        port = free_port()
        environment = {
            "OPENAI_API_KEY": "bench",
            "OPENAI_BASE_URL": f"{vendor}/v1",
            "MODEL_PRIMARY": "openai/gpt-4o-mini",
            "DATABASE_URL": database,
            "RATE_LIMIT_PER_MIN": "10000000",
            "LOCAL_MODEL": "off",
            "DEMO": "false",
            "PORT": str(port),
            "HOST": "127.0.0.1",
        }
        key = prepared(environment)
        url = f"http://127.0.0.1:{port}"
        pid, _ = stack.enter_context(serving([str(ROOT / ".venv/bin/proctor"), "serve"], environment, f"{url}/health"))
        arms[f"Proctor, {kind}"] = Arm(pid, url, key)
        until_calm(pid)
    return arms


_APART = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""What the other gateway is told: else it asks the network for prices, for a minute where there is none."""


def _litellm(stack: ExitStack, command: str, vendor: str) -> Arm:
    port = free_port()
    given = {"model": "openai/gpt-4o-mini", "api_base": f"{vendor}/v1", "api_key": "bench"}
    config = {
        "model_list": [{"model_name": "gpt-4o-mini", "litellm_params": given}],
        "general_settings": {"master_key": "sk-bench"},
    }
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "litellm.yaml"
    path.write_text(json.dumps(config))
    url = f"http://127.0.0.1:{port}"
    words = [command, "--config", str(path), "--port", str(port), "--host", "127.0.0.1"]
    pid, _ = stack.enter_context(serving(words, _APART, f"{url}/health/liveliness"))
    return Arm(pid, url, "sk-bench")


# ── Short answers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _body(*, stream: bool) -> dict[str, Any]:
    schema = {"name": "ticket", "schema": Ticket.model_json_schema()}
    return {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": f"{INPUT} <<{json.dumps(ANSWER)}>>"}],
        "max_tokens": 500,
        "response_format": {"type": "json_schema", "json_schema": schema},
        "stream": stream,
    }


def _short(arms: Mapping[str, Arm]) -> None:
    for stream in (False, True):
        best: dict[tuple[str, int], float] = {}
        body = _body(stream=stream)
        for arm in arms.values():
            asyncio.run(_load(arm, body, requests=100, at_once=8))
        for _ in range(ROUNDS):
            for at_once in IN_FLIGHT:
                for name, arm in arms.items():
                    cpu = cpu_seconds(arm.pid)
                    asyncio.run(_load(arm, body, requests=REQUESTS, at_once=at_once))
                    cost = (cpu_seconds(arm.pid) - cpu) / REQUESTS * 1000
                    best[name, at_once] = min(cost, best.get((name, at_once), cost))
        rows = [("CPU ms per request", *(f"{one} in flight" for one in IN_FLIGHT), "of the bare proxy")]
        for name in arms:
            found = [best[name, at_once] for at_once in IN_FLIGHT]
            shares = [f"{one / best[BARE, at_once]:.1f}" for one, at_once in zip(found, IN_FLIGHT, strict=True)]
            rows.append((name, *(f"{one:.2f}" for one in found), f"x {' '.join(shares)}"))
        kind = "a stream" if stream else "whole"
        table(f"POST /v1/chat/completions, {kind}: the least of {ROUNDS} rounds of {REQUESTS}, in turns", rows)


async def _load(arm: Arm, body: Mapping[str, Any], *, requests: int, at_once: int) -> None:
    left = iter(range(requests))

    async def one_after_the_other(session: aiohttp.ClientSession) -> None:
        for _ in left:
            await _asked(session, arm, body)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), read_bufsize=2**20) as session:
        await asyncio.gather(*(one_after_the_other(session) for _ in range(at_once)))


async def _asked(session: aiohttp.ClientSession, arm: Arm, body: Mapping[str, Any]) -> bytes:
    headers = {"Authorization": f"Bearer {arm.key}"}
    async with session.post(f"{arm.url}/v1/chat/completions", json=body, headers=headers) as response:
        try:
            answer = await response.read()
        except aiohttp.ClientPayloadError as error:
            raise SystemExit(f"{arm.url} broke off in an answer: {error}") from None
    if response.status != 200 or b'"error"' in answer:
        raise SystemExit(f"the bench got {response.status}: {answer[-300:]!r}")
    return answer


# ── A long stream ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _long(arms: Mapping[str, Arm]) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say all rows."}], "stream": True}
    best: dict[str, tuple[float, int, float]] = {}

    async def read(arm: Arm) -> int:
        async with aiohttp.ClientSession(read_bufsize=2**24) as session:
            return len(await _asked(session, arm, body))

    for turn in range(ROUNDS + 1):
        for name, arm in arms.items():
            cpu, wall = cpu_seconds(arm.pid), time.perf_counter()
            size = asyncio.run(read(arm))
            found = (cpu_seconds(arm.pid) - cpu, size, time.perf_counter() - wall)
            if turn:  # the first imports and compiles
                best[name] = min(found, best.get(name, found))
    rows = [("one stream", "CPU s", "of the bare proxy", "bytes", "of the bare proxy's", "seconds")]
    for name, (cpu, size, wall) in best.items():
        own = best[BARE]
        shares = f"x {cpu / max(own[0], 0.01):.1f}", f"x {size / own[1]:.2f}"
        rows.append((name, f"{cpu:.2f}", shares[0], f"{size:,}", shares[1], f"{wall:.2f}"))
    table(f"An object of {LONG:,} characters in 40 an event, as fast as it can: the least of {ROUNDS}, in turns", rows)
