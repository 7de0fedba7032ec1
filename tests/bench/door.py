"""The front door under a rush: every place taken by calls that hang, and two thousand more that come."""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from tests.bench.console import Drawn
from tests.bench.measure import ROOT, free_port, serving, table
from tests.rush import Told, rush, statuses

HANGING = 300
"""More than one tenant may have in flight; the rest of them wait."""
ARRIVING = 2000
PER_SECOND = 200
WRONG_BYTES = 8_000_000
VISITS = 60
"""Of the console before the rush; half of them are measured."""


def run(wire_url: str, folder: Path) -> None:
    """Measure and print."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))  # two thousand connections, at both ends
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "OPENAI_API_KEY": "bench",
        "OPENAI_BASE_URL": f"{wire_url}/v1",
        "MODEL_PRIMARY": "openai/gpt-4o-mini",
        "DATABASE_URL": f"sqlite:///{folder / 'door.db'}",
        "RATE_LIMIT_PER_MIN": "10000000",
        "DEADLINE_SECONDS": "120",
        "ATTEMPT_TIMEOUT_SECONDS": "120",
        "LOCAL_MODEL": "off",
        "DEMO": "false",
        "PORT": str(port),
        "HOST": "127.0.0.1",
    }
    slow, other = _keys(environment)

    def rushed(**how: Any) -> tuple[Told, list[str]]:
        with serving([str(ROOT / ".venv/bin/proctor"), "serve"], environment, f"{url}/ready") as (pid, _):
            much = {"hanging": HANGING, "arriving": ARRIVING, "per_second": PER_SECOND, "wrong_bytes": WRONG_BYTES}
            told = asyncio.run(rush(url, pid, slow, other, **much, **how))
            with urllib.request.urlopen(f"{url}/metrics") as response:  # noqa: S310 our own server
                return told, response.read().decode().splitlines()

    told, lines = rushed(visits=VISITS)
    cold, _ = rushed()
    counted = [line for line in lines if line.startswith("proctor_requests_shed_")]
    rows = [
        (f"{HANGING} hang, {ARRIVING} come at {PER_SECOND}/s", "answers by status", "median ms", "p90 ms", "worst ms"),
        *(
            (name, str(statuses(answers)), *_in_ms([seconds for _, seconds in answers]))
            for name, answers in (
                (f"wrong keys, {WRONG_BYTES / 1e6:.0f} MB each", told.wrong),
                ("the same tenant", told.same),
                ("another tenant", told.other),
                ("/health", told.health),
            )
        ),
        *(
            (f"Home in the console, {when}", f"{len(draws)} visits", *_in_ms([getattr(one, what) for one in draws]))
            for when, what, draws in (
                ("its menu, idle", "first", told.idle),
                ("its menu, in the rush", "first", told.console),
                ("all of it, idle", "whole", told.idle),
                ("all of it, in the rush", "whole", told.console),
            )
        ),
        ("Home says in the rush that requests wait or are turned away", _how_many(told.console), "", "", ""),
        ("the same, idle", _how_many(told.idle), "", "", ""),
        ("memory of a server that had drawn the console grew by", f"{told.grown_mb:.0f} MB", "", "", ""),
        ("memory of one that had served nobody grew by", f"{cold.grown_mb:.0f} MB", "", "", ""),
        ("counted as turned away", " ".join(counted), "", "", ""),
    ]
    table("The front door: every place taken", rows)


def _how_many(draws: list[Drawn]) -> str:
    return f"{sum(one.tells for one in draws)} of {len(draws)} visits"


def _in_ms(seconds: list[float]) -> tuple[str, str, str]:
    """Return the median, the 90th percentile and the worst, in milliseconds."""
    several = sorted(one * 1000 for one in seconds)
    return f"{statistics.median(several):.1f}", f"{several[len(several) * 9 // 10]:.1f}", f"{several[-1]:.0f}"


def _keys(environment: dict[str, str]) -> list[str]:
    """Make two tenants, and return a key of each."""

    def proctor(*words: str) -> dict[str, object]:
        command = [str(ROOT / ".venv/bin/proctor"), *words, "--json"]
        done = subprocess.run(command, env={**environment, "PATH": "/usr/bin:/bin"}, capture_output=True, check=True)
        return json.loads(done.stdout)

    proctor("migrate")
    for name in ("slow", "other"):
        proctor("tenant", "create", name)
    return [str(proctor("key", "create", name)["key"]) for name in ("slow", "other")]
