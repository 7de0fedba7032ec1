"""How often a generation waits for PostgreSQL, counted on the wire by a proxy, and what that comes to at 3 ms each."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core import runtime
from core.generation import GenerationRequest
from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from tests import servers
from tests.bench.generation import INPUT, Ticket
from tests.bench.measure import table
from tests.counting_proxy import counting

MODEL = "openai/gpt-4o-mini"
SCOPES = (("tenant", ""), ("model", MODEL), ("schema", "ticket"), ("route", "default"))
CACHED = "cached"
_numbers = itertools.count(1)
TIMES, THREADS, AWAY_SECONDS = 20, 16, 0.003


def run(wire_url: str, _folder: Path) -> None:
    """Measure and print."""
    rows = [
        ("PostgreSQL 3 ms away, one JSON answer", "round trips", "ms, one thread", f"per second, {THREADS} threads")
    ]
    with (
        servers.postgres() as server,
        servers.database(server, "trips") as database,
        counting(database, AWAY_SECONDS) as (proxy, url),
    ):
        settings = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue] pydantic-settings adds the argument
            openai_api_key="bench",
            openai_base_url=f"{wire_url}/v1",
            database_url=url,
            rate_limit_per_min=10_000_000,
            log_level="WARNING",
            local_model="off",
            demo=False,
        )
        proctor = runtime.build(settings)
        proctor.store.migrate()  # and no more: chores would be counted, too
        try:
            proctor.schemas.add(LOCAL_OPERATOR, "ticket", Ticket.model_json_schema())
            proctor.routes.set(LOCAL_OPERATOR, CACHED, [{"model": MODEL, "timeout_seconds": 20}], cache_seconds=3600)
            for count, route in ((0, ""), (1, ""), (4, ""), (1, CACHED)):
                tenant = proctor.tenants.create(LOCAL_OPERATOR, f"bench {count} {route}".strip())
                for scope, name in SCOPES[:count]:
                    proctor.budgets.set(LOCAL_OPERATOR, tenant, 10**15, scope=scope, scope_name=name)
                principal = proctor.policies.authenticate(proctor.tenants.create_key(LOCAL_OPERATOR, tenant).secret)

                def generate(_: int = 0, principal: object = principal, route: str = route) -> object:
                    request = GenerationRequest(schema="ticket", input=INPUT, model=MODEL)
                    if route:  # a new input each time, else it would be answered from the cache
                        request = GenerationRequest(schema="ticket", input=f"{INPUT} {next(_numbers)}", route=route)
                    return proctor.generator.generate(request, principal)  # pyright: ignore[reportArgumentType]

                generate()
                generate()
                before, began = proxy.trips, time.perf_counter()
                for _ in range(TIMES):
                    generate()
                trips, seconds = (proxy.trips - before) / TIMES, (time.perf_counter() - began) / TIMES
                with ThreadPoolExecutor(THREADS) as pool:
                    list(pool.map(generate, range(THREADS * 2)))
                    began = time.perf_counter()
                    list(pool.map(generate, range(THREADS * TIMES)))
                    speed = THREADS * TIMES / (time.perf_counter() - began)
                name = f"{count or 'no'} budget{'' if count == 1 else 's'}, one tenant"
                if route:
                    name += ", a miss of the cache"
                rows.append((name, f"{trips:.1f}", f"{seconds * 1000:.1f}", f"{speed:.0f}"))
        finally:
            proctor.close()
    table("Round trips per generation", rows)
