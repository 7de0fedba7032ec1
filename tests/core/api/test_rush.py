"""Every place taken by calls that hang, and many more that come: in a real process, over real sockets."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import httpx2

from core import runtime as running
from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from tests.bench.measure import free_port, serving
from tests.rush import rush, statuses
from tests.wire.server import WireServer

PLACES = 20
QUEUE = 10


def test_nobody_waits_for_a_tenant_whose_calls_hang(sqlite_url: str, wire: WireServer, tmp_path: Path) -> None:
    """Wrong keys are refused unread, the tenant's own calls are shed and counted, all others are served.

    The console draws meanwhile, and *Home* says that requests wait or are turned away, which it did not before.
    """
    runtime = running.build(Settings(database_url=sqlite_url, local_model="off", demo=False))
    slow, other = (
        runtime.tenants.create_key(LOCAL_OPERATOR, runtime.tenants.create(LOCAL_OPERATOR, name)).secret
        for name in ("slow", "other")
    )
    runtime.store.close()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "OPENAI_API_KEY": "sk-rush",
        "OPENAI_BASE_URL": wire.openai_url,
        "MODEL_PRIMARY": "openai/gpt-4o-mini",
        "DATABASE_URL": sqlite_url,
        "RATE_LIMIT_PER_MIN": "100000",
        "DEADLINE_SECONDS": "60",
        "ATTEMPT_TIMEOUT_SECONDS": "60",
        "CONCURRENCY": str(PLACES),
        "QUEUE": str(QUEUE),
        "LOCAL_MODEL": "off",
        "DEMO": "false",
    }
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with serving(command, environment, f"{url}/ready") as (pid, _):
        much = {"hanging": 30, "arriving": 200, "per_second": 50, "wrong_bytes": 8_000_000}
        told = asyncio.run(rush(url, pid, slow, other, **much, visits=4))
        metrics = httpx2.get(f"{url}/metrics", timeout=10).text
    assert set(statuses(told.wrong)) == {401, 429}
    assert len(told.wrong) == 100
    assert set(statuses(told.same)) == {503}
    assert set(statuses(told.other)) == set(statuses(told.health)) == {200}
    assert told.grown_mb < 100
    assert told.console, "the console draws"
    assert any(one.tells for one in told.console), "Home says what happens"
    assert not any(one.tells for one in told.idle)
    [shed] = re.findall(r'^proctor_requests_shed_total\{tenant="(\w+)"\} ([0-9.]+)$', metrics, re.MULTILINE)
    assert shed[0] == "slow"
    assert float(shed[1]) >= len(told.same)
