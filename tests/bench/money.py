"""Money and limits: what reserving and settling cost, and what these rooms take of the corridor's time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from typing_extensions import override

from core import runtime
from core.attempts import Candidate
from core.attempts._estimates import UNSEEN_TOKENS, AnswerLengths
from core.attempts._expectation import expectation
from core.budgets import Budgets, BudgetTerms
from core.clock import SystemClock
from core.generation import GenerationRequest
from core.limits import Limits, Quota, QuotaScope
from core.messages import Message
from core.pricing import PriceBook
from core.principals import LOCAL_OPERATOR
from core.providers import Ask, Provider
from core.providers.anthropic import Anthropic
from core.providers.openai import OpenAI
from core.settings import Settings
from core.shared import Shared
from core.statements import Cursor, Sent
from core.store import Store
from core.telemetry import Metrics
from core.tenants import Tenants
from tests import builders, servers
from tests.bench.generation import INPUT, Ticket
from tests.bench.measure import Cost, in_turns, table
from tests.builders import person

MODEL = "openai/gpt-4o-mini"
MUCH = 10**15
SCOPES = (("tenant", ""), ("model", MODEL), ("schema", "ticket"), ("route", "default"))
HELD: Sequence[tuple[str, Provider, dict[str, Any]]] = (
    ("claude-opus-4-8, nothing marked", Anthropic(api_key="k"), {"model": "claude-opus-4-8", "marks_cache": False}),
    ("claude-opus-4-8, the tool marked", Anthropic(api_key="k"), {"model": "claude-opus-4-8"}),
    ("claude-haiku-4-5, the tool marked", Anthropic(api_key="k"), {"model": "claude-haiku-4-5"}),
    ("gpt-5.4, no tier asked for", OpenAI(api_key="k"), {"model": "gpt-5.4"}),
    ("gpt-5.4, service_tier=default", OpenAI(api_key="k"),
     {"model": "gpt-5.4", "parameters": {"service_tier": "default"}}),
)  # fmt: skip
THREADS = (1, 8, 64)
GENERATIONS = 800
"""For each figure of generations per second."""


def run(wire_url: str, folder: Path) -> None:
    """Measure and print."""
    _holds()
    with (
        servers.postgres() as server,
        servers.database(server, "reservations") as reserving,
        servers.database(server, "corridor") as corridor,
    ):
        _rooms({"SQLite": f"sqlite:///{folder / 'reservations.db'}", "PostgreSQL": reserving})
        _generations(wire_url, {"SQLite": f"sqlite:///{folder / 'corridor.db'}", "PostgreSQL": corridor})


# ── What is held ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _holds() -> None:
    """Print what is held for a call by how it may be billed, against what is held where nothing is known of that."""
    clock, prices, lengths = SystemClock(), PriceBook(), AnswerLengths()
    rows = [("held for a call, 2 kB in, 1024 tokens out", "µ$", "of the bound of any billing", "CPU µs", "of that")]
    for name, provider, more in HELD:
        who = (provider.name, more.pop("model"))
        asked = Ask(model=who[1], response_model=Ticket, messages=[Message.of("user", INPUT * 20)], **more)
        conversation, candidate = provider.open(asked), Candidate(provider=who[0], model=who[1])

        def hold(conversation: Any = conversation, candidate: Candidate = candidate) -> int:
            found = expectation(conversation, candidate, schema="s", prices=prices, lengths=lengths, at=clock.now())
            return found.worst_nano_usd or 0

        tokens = conversation.size_bytes + UNSEEN_TOKENS

        def bound(who: tuple[str, str] = who, tokens: int = tokens) -> int:
            return prices.worst_nano_usd(*who, tokens, 1024, clock.now()) or 0

        costs = in_turns({"hold": hold, "bound": bound}, rounds=5, calls=2000)
        micros = [cost.cpu_ms * 1000 for cost in costs.values()]
        share = hold() / bound()
        rows.append((name, f"{hold() / 1000:.0f}", f"{share:.2f}", f"{micros[0]:.1f}", f"{micros[0] / micros[1]:.1f}"))
    table("What is held for a call", rows)


# ── The rooms by themselves ───────────────────────────────────────────────────────────────────────────────────────────


class CountingStore(Store):
    """A store that counts what crosses to the driver on the hot path."""

    transactions = 0
    statements = 0

    @contextmanager
    @override
    def transaction(self, *, pipelined: bool = False, single: bool = False, prepare: Any = None) -> Generator[Cursor]:
        self.transactions += 1
        with super().transaction(pipelined=pipelined, single=single, prepare=prepare) as cursor:
            yield cast("Cursor", _CountingCursor(cursor, self))


class _CountingCursor:
    def __init__(self, cursor: Cursor, store: CountingStore) -> None:
        self._cursor = cursor
        self._store = store
        self.fetchone = cursor.fetchone

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    def execute(self, sql: str, parameters: Mapping[str, Any] = {}) -> Any:
        self._store.statements += 1
        return self._cursor.execute(sql, parameters)

    def send(self, sql: str, parameters: Mapping[str, Any]) -> Sent:
        self._store.statements += 1
        return self._cursor.send(sql, parameters)

    def executemany(self, sql: str, parameters: Sequence[Mapping[str, Any]]) -> Any:
        self._store.statements += 1
        return self._cursor.executemany(sql, parameters)


def _rooms(urls: Mapping[str, str]) -> None:
    rows = [("reserve and settle, one call", "CPU µs", "wall µs", "transactions", "statements")]
    for database, url in urls.items():
        for count in (0, 1, 4):
            name = f"{database}: {count or 'no'} budget{'' if count == 1 else 's'}"
            with _reserving(Store(url), count) as generate:
                cost = in_turns({name: generate}, rounds=5, calls=300)[name]
            counting = CountingStore(url)
            with _reserving(counting, count) as generate:
                generate()  # accounts are found
                before = counting.transactions, counting.statements
                generate()
                transactions, statements = counting.transactions - before[0], counting.statements - before[1]
            rows.append((name, *_micros(cost), str(transactions), str(statements)))
    clock = SystemClock()
    limits = Limits(Shared(None, clock, Metrics()))
    quotas = (Quota(QuotaScope.TENANT, "bench", 10_000_000, 10**12, 1000),)

    def admit() -> None:
        with limits.admitted(quotas, 300, 30.0) as ticket:
            ticket.used(200)

    cost = in_turns({"limits": admit}, rounds=5, calls=300)["limits"]
    rows.append(("limits in the process: requests, tokens, at once", *_micros(cost), "0", "0"))
    table("Money and limits by themselves, one thread: a hold, a charge, a settlement, without the record's rows", rows)


def _micros(cost: Cost) -> tuple[str, str]:
    return f"{cost.cpu_ms * 1000:.0f}", f"{cost.wall_ms * 1000:.0f}"


@contextmanager
def _reserving(store: Store, count: int) -> Generator[Callable[[], None]]:
    """Yield what holds for a call, charges it and settles, in the two transactions of a generation."""
    store.migrate()
    clock = SystemClock()
    budgets, tenants = Budgets(store, clock, owner="bench"), Tenants(store, clock)
    tenant = tenants.create(LOCAL_OPERATOR, f"bench {clock.new_id()}")
    for scope, name in SCOPES[:count]:
        budgets.set(LOCAL_OPERATOR, tenant, MUCH, scope=scope, scope_name=name)
    with store.reading() as session:
        terms: list[BudgetTerms] = [one for one, _ in budgets.terms(session, [tenant]).get(tenant.id, [])]
    generation = builders.generation(clock.now(), tenant.id)
    row, attempt = generation.model_dump(), builders.attempt(generation).model_dump()
    reservations, lasts = budgets.reservations, timedelta(seconds=30)

    def generate() -> None:
        handle = reservations.open(terms, clock.new_id(), tenant.id, clock.now())
        out = attempt | {"id": clock.new_id()}
        with store.transaction(pipelined=True) as cursor:
            transfer = reservations.cover(cursor, handle, MODEL, 600_000, generation=row, attempt=out, lasts=lasts)
            reservations.complete(cursor, handle, transfer)
        reservations.charge(handle, out["id"], 114_000, estimated=False)
        with store.transaction(pipelined=True) as cursor:
            reservations.complete(cursor, handle, reservations.settle(cursor, handle))

    try:
        yield generate
    finally:
        store.close()


# ── The corridor with and without them ────────────────────────────────────────────────────────────────────────────────


def _generations(wire_url: str, urls: Mapping[str, str]) -> None:
    names = [f"{threads} thread{'s' * (threads > 1)}" for threads in THREADS]
    rows = [("whole corridor, all recorded", *names, "CPU ms")]
    for database, url in urls.items():
        with _governed(wire_url, url) as tenants:
            for generate in tenants.values():
                _at_once(generate, 1, 50)
            for name, generate in tenants.items():
                cpu = time.process_time()
                speeds = [f"{GENERATIONS / _at_once(generate, threads, GENERATIONS):.0f}/s" for threads in THREADS]
                cpu = (time.process_time() - cpu) / GENERATIONS / len(THREADS) * 1000
                rows.append((f"{database}: {name}", *speeds, f"{cpu:.2f}"))
    table("Generations per second, and CPU for each", rows)


def _at_once(generate: Callable[[], object], threads: int, count: int) -> float:
    """Return the seconds that *count* generations take from so many threads."""
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda _: generate(), range(count)):
            pass
    return time.perf_counter() - began


@contextmanager
def _governed(wire_url: str, database_url: str) -> Generator[dict[str, Callable[[], object]]]:
    """Yield calls of the real corridor for tenants with as many budgets as their names say."""
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] pydantic-settings adds the argument
        openai_api_key="bench",
        openai_base_url=f"{wire_url}/v1",
        database_url=database_url,
        rate_limit_per_min=10_000_000,
        log_level="WARNING",
        local_model="off",
        demo=False,
    )
    proctor = runtime.build(settings)
    proctor.start()
    try:
        proctor.schemas.add(person("bench"), "ticket", Ticket.model_json_schema())
        calls: dict[str, Callable[[], object]] = {}
        for count in (0, 1, 4):
            tenant = proctor.tenants.create(LOCAL_OPERATOR, f"bench {count}")
            for scope, name in SCOPES[:count]:
                proctor.budgets.set(LOCAL_OPERATOR, tenant, MUCH, scope=scope, scope_name=name)
            principal = proctor.policies.authenticate(proctor.tenants.create_key(LOCAL_OPERATOR, tenant).secret)

            def generate(principal: Any = principal) -> object:
                request = GenerationRequest(schema="ticket", input=INPUT, model=MODEL)
                return proctor.generator.generate(request, principal)

            calls[f"{count or 'no'} budget{'' if count == 1 else 's'}"] = generate
        yield calls
    finally:
        proctor.close()
