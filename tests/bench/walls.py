"""Nothing waits long: what generations wait for the store while budgets are edited, books verified, payloads deleted.

``python -m tests.bench walls 1000000`` fills each database with so many calls first.
"""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core import runtime
from core.budgets import Scope
from core.clock import SystemClock
from core.errors import Conflict
from core.generation import GenerationRequest
from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from core.sqlite import WriterTurns
from core.store import Store
from core.tables import Tenant
from core.workload import Workload
from tests import servers
from tests.bench.generation import INPUT, Ticket
from tests.bench.measure import table
from tests.builders import person

SIZE = 100_000
THREADS = 64
PAUSE_SECONDS = 1.0
"""Between two calls of a thread, give or take a half: so that what is measured is the store, and neither a machine that
has more than it can, nor threads that keep step."""
CHECKPOINT_SECONDS = 2.0
"""How often the chore would copy SQLite's journal."""
LATE_SECONDS = 0.002
"""From here on a sleeper counts as late."""
DUE_PAYLOADS = 100_000
ALONE_SECONDS = 15.0
TENANTS = 8
"""The largest ones; they call, and their budgets are edited."""
MODEL = "openai/gpt-4o-mini"


def run(wire_url: str, folder: Path, size: int = SIZE) -> None:
    """Measure and print, on SQLite and on PostgreSQL."""
    with servers.postgres() as server, servers.database(server, "walls") as postgres:
        for database, url in {"SQLite": f"sqlite:///{folder / 'walls.db'}", "PostgreSQL": postgres}.items():
            _walls(wire_url, database, url, size, folder)


class _Waits:
    """How long the threads of the traffic are in the store, call by call: when each began, and the seconds."""

    def __init__(self, store: Store) -> None:
        self._mine = threading.local()
        self.seen: list[tuple[float, float]] = []
        store.transaction = self._watched(store.transaction)
        store.read_one = self._timed(store.read_one)

    def join(self) -> None:
        """Count the present thread as traffic from now on."""
        self._mine.is_traffic = True

    def _note(self, began: float) -> None:
        if getattr(self._mine, "is_traffic", False):
            self.seen.append((began, time.perf_counter() - began))

    def _watched(self, transaction: Callable[..., Any]) -> Any:
        @contextmanager
        def watched(*arguments: Any, **named: Any) -> Generator[Any]:
            began = time.perf_counter()
            with transaction(*arguments, **named) as cursor:
                yield cursor
            self._note(began)

        return watched

    def _timed(self, read_one: Callable[..., Any]) -> Any:
        def timed(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return read_one(*arguments)
            finally:
                self._note(began)

        return timed


class _Turns:
    """On SQLite, who kept the turn to write, and for how long; each is known by the name of its thread."""

    def __init__(self, turns: WriterTurns) -> None:
        self.seen: list[tuple[str, float, float]] = []
        """Of each turn: whose it was, when it began, and the seconds."""
        self._take = turns.take
        turns.take = self._watched

    @contextmanager
    def _watched(self) -> Generator[Any]:
        with self._take() as turn:
            began = time.perf_counter()
            try:
                yield turn
            finally:
                self.seen.append((threading.current_thread().name, began, time.perf_counter() - began))

    def rows(self, began: float, ended: float) -> Generator[tuple[str, ...]]:
        """Yield, by whose turns they were, how many began between *began* and *ended*, their p99 and the longest."""
        kept: dict[str, list[float]] = {}
        for name, at, seconds in self.seen:
            if began <= at < ended:
                kept.setdefault(name, []).append(seconds)
        for name, several in sorted(kept.items(), key=lambda one: -max(one[1])):
            several.sort()
            share = sum(several) / (ended - began)
            p99 = several[len(several) * 99 // 100]
            yield name, f"{len(several):,}", f"{share:.1%}", f"{p99 * 1000:.1f}", f"{several[-1] * 1000:.1f}"


class _Controls:
    """What this machine makes anybody wait who does nothing but sleep for a millisecond, or let a page reach the disk.

    A thread of this process waits for its turn at the interpreter and at a core, another process for a core alone.
    """

    _SLEEPER = (
        "import time\nwhile True:\n    began = time.perf_counter()\n    time.sleep(0.001)\n"
        "    print(began, time.perf_counter() - began - 0.001, flush=True)"
    )

    def __init__(self, folder: Path) -> None:
        self.seen: dict[str, list[tuple[float, float]]] = {
            "control: a thread that sleeps": [],
            "control: a process that sleeps": [],
            "control: 4 kB that reach the disk": [],
        }
        self._thread, self._process, self._disk = self.seen.values()
        self._stopping = threading.Event()
        self._folder = folder

    @contextmanager
    def running(self) -> Generator[None]:
        """Measure meanwhile."""
        with subprocess.Popen([sys.executable, "-c", self._SLEEPER], stdout=subprocess.PIPE, text=True) as process:
            threads = [
                threading.Thread(target=work, daemon=True)
                for work in (self._sleep, self._write, lambda: self._listen(process))
            ]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                self._stopping.set()
                process.kill()
                for thread in threads:
                    thread.join(5)

    def late(self, began: float, seconds: float) -> float:
        """Return for how much of that time a thread that sleeps was late: it had no turn, as nobody else had."""
        late = 0.0
        for at, over in self._thread:
            if at > began + seconds:
                break
            if over > LATE_SECONDS:
                late += max(0.0, min(began + seconds, at + 0.001 + over) - max(began, at + 0.001))
        return late

    def _sleep(self) -> None:
        while not self._stopping.is_set():
            began = time.perf_counter()
            time.sleep(0.001)
            self._thread.append((began, time.perf_counter() - began - 0.001))

    def _write(self) -> None:
        with (self._folder / "control").open("wb", buffering=0) as file:
            while not self._stopping.wait(0.2):
                began = time.perf_counter()
                file.seek(0)
                file.write(b"x" * 4096)
                os.fsync(file.fileno())
                self._disk.append((began, time.perf_counter() - began))

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            began, over = map(float, line.split())
            self._process.append((began, over))


def _walls(wire_url: str, database: str, url: str, size: int, folder: Path) -> None:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] pydantic-settings adds the argument
        openai_api_key="bench",
        openai_base_url=f"{wire_url}/v1",
        database_url=url,
        rate_limit_per_min=10_000_000,
        log_level="ERROR",
        local_model="off",
        demo=False,
    )
    proctor = runtime.build(settings)
    try:
        proctor.store.migrate()
        began = time.perf_counter()
        share = min(1.0, DUE_PAYLOADS * 1.6 / size)
        rows = Workload(proctor.store, SystemClock(), payload_share=share).fill(size)
        print(f"\n{database}: {sum(rows.values()):,} rows in {time.perf_counter() - began:.0f} s, {dict(rows)}")
        gc.collect()
        gc.freeze()  # as a server does once it has started
        waits, controls = _Waits(proctor.store), _Controls(folder)
        turns = _Turns(proctor.store.turns) if proctor.store.turns is not None else None
        with controls.running(), _traffic(proctor, waits) as tenants:
            time.sleep(5)  # connections, SDK, policies
            began = time.perf_counter()
            time.sleep(ALONE_SECONDS)
            middle = time.perf_counter()
            took = _all_together(proctor, tenants)
            ended = time.perf_counter()
        alone, together = _between(waits.seen, began, middle), _between(waits.seen, middle, ended)
        rows_of = [("what generations wait for the store", "looks", "median ms", "p99 ms", "longest ms", "over 50 ms")]
        rows_of += [_summed("traffic alone", alone), _summed("with everything below", together)]
        # What is left of each wait without the moments in which no thread of this process had its turn.
        rows_of.append(_summed("the same, less what a sleeper was late", _less(together, controls)))
        rows_of += [_summed(name, _between(seen, middle, ended)) for name, seen in controls.seen.items()]
        longest = max(seconds for _, seconds in together) / max(seconds for _, seconds in alone)
        rows_of.append(("longest, together : alone", "", "", "", f"{longest:.1f} x", ""))
        table(f"{database}, {size:,} calls, {THREADS} threads of traffic", rows_of)
        table("Meanwhile", [("what", "seconds", "times", "refused"), *took])
        if turns is not None:
            heads = ("who kept the turn to write", "turns", "share", "p99 ms", "longest ms")
            table("SQLite lets one thread write at a time", [heads, *turns.rows(middle, ended)])
    finally:
        proctor.close()


def _between(seen: list[tuple[float, float]], began: float, ended: float) -> list[tuple[float, float]]:
    return [(at, seconds) for at, seconds in seen if began <= at < ended]


def _less(waits: list[tuple[float, float]], controls: _Controls) -> list[tuple[float, float]]:
    """Return *waits* without what of the long ones was this machine's."""
    return [(at, one - controls.late(at, one) if one > 0.01 else one) for at, one in waits]


def _summed(name: str, waits: list[tuple[float, float]]) -> tuple[str, ...]:
    several = sorted(seconds for _, seconds in waits)
    over = sum(one > 0.05 for one in several) / len(several)
    median, p99 = several[len(several) // 2], several[len(several) * 99 // 100]
    return name, f"{len(several):,}", *(f"{one * 1000:.1f}" for one in (median, p99, several[-1])), f"{over:.2%}"


def _all_together(proctor: runtime.Runtime, tenants: list[Tenant]) -> list[tuple[str, ...]]:
    """Run every long work at once, each in a thread of its own; return how long each took and how often it was done."""
    swept = threading.Event()
    work: dict[str, Callable[[int], object]] = {
        "budget edit": lambda n: _edit(proctor, tenants[n % 2], n),
        "time-zone edit": lambda n: _move(proctor, tenants[2 + n % 2], n),
        "late calls counted": lambda _: proctor.budgets.catch_up_lately(),
        "checkpoint": lambda _: proctor.store.checkpoint(),
        "verify, whole": lambda _: _verified(proctor, whole=True),
        "verify, short": lambda _: _verified(proctor, whole=False),
        "retention": lambda _: _sweep(proctor, swept),
    }
    spans: dict[str, list[float]] = {name: [] for name in work}
    refused = Counter[str]()
    once = {"verify, whole", "retention"}

    def do(name: str) -> None:
        for n in range(1 if name in once else 1000):
            if name == "verify, short":
                whole.wait()
            began = time.perf_counter()
            try:
                work[name](n)
            except Conflict:  # what it had summed moved each time; an operator would be asked to try again
                refused[name] += 1
            spans[name].append(time.perf_counter() - began)
            if name == "verify, whole":
                whole.set()
            if name not in once and whole.is_set() and swept.is_set():
                return
            time.sleep(CHECKPOINT_SECONDS if name == "checkpoint" else 0.5)

    whole = threading.Event()
    threads = [threading.Thread(target=do, args=(name,), name=name) for name in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [
        (name, f"{max(several):.2f} at most", str(len(several)), str(refused[name])) for name, several in spans.items()
    ]


def _edit(proctor: runtime.Runtime, tenant: Tenant, n: int) -> None:
    """Do what one press of *Save* does: another period for the whole tenant, or another limit for a schema."""
    if n // 2 % 2:
        proctor.budgets.set(
            LOCAL_OPERATOR, tenant, 10**15 + n, scope=Scope.SCHEMA, scope_name=f"bench_{n // 4 % 5 + 1}"
        )
    else:
        proctor.budgets.set(LOCAL_OPERATOR, tenant, 10**15 + n, period=("week", "month")[n // 4 % 2])


def _move(proctor: runtime.Runtime, tenant: Tenant, n: int) -> None:
    now = proctor.tenants.find(LOCAL_OPERATOR, tenant.id)
    zone = ("Asia/Kathmandu", "UTC")[n // 2 % 2]
    proctor.tenants.edit(LOCAL_OPERATOR, now.id, now.version, timezone=zone)


def _verified(proctor: runtime.Runtime, *, whole: bool) -> None:
    found = proctor.budgets.verify(LOCAL_OPERATOR, whole=whole)
    if not found.ok:
        raise RuntimeError(f"The books do not add up: {found}")


def _sweep(proctor: runtime.Runtime, swept: threading.Event) -> None:
    count = proctor.journal.forget_payloads(SystemClock().now())
    print(f"  {count:,} payloads were forgotten")
    swept.set()


@contextmanager
def _traffic(proctor: runtime.Runtime, waits: _Waits) -> Generator[list[Tenant]]:
    """Let many threads generate, each a call a second; yield whose calls these are."""
    proctor.schemas.add(person("bench"), "ticket", Ticket.model_json_schema())
    tenants = [tenant for tenant in proctor.tenants.list(LOCAL_OPERATOR) if tenant.name.startswith("Bench")][:TENANTS]
    keys = [proctor.tenants.create_key(LOCAL_OPERATOR, tenant).secret for tenant in tenants]
    principals = [proctor.policies.authenticate(key) for key in keys]
    stopping, failures = threading.Event(), list[BaseException]()
    asked = GenerationRequest(schema="ticket", input=INPUT, model=MODEL)

    def call(number: int) -> None:
        waits.join()
        chance = random.Random(number)  # noqa: S311 no secret
        stopping.wait(PAUSE_SECONDS * number / THREADS)
        while not stopping.wait(PAUSE_SECONDS * (0.5 + chance.random())):
            try:
                proctor.generator.generate(asked, principals[number % len(principals)])
            except Exception as error:  # noqa: BLE001 told at the end
                failures.append(error)

    threads = [threading.Thread(target=call, args=(number,), name="traffic", daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield tenants
    finally:
        stopping.set()
        for thread in threads:
            thread.join(30)
        if failures:
            print(f"  {len(failures)} generations failed, the first: {failures[0]!r}")
