"""One of the processes of the storm: sixty-four threads that ask through the real corridor until the process is killed.

The processes come from a server that has imported everything and forks (``multiprocessing``'s forkserver), so that a
killed one is replaced in a moment.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import ModuleType

from sqlalchemy.exc import SQLAlchemyError

from core import runtime
from core.errors import BudgetExceeded, ProctorError
from core.generation import GenerationRequest
from core.settings import Settings
from core.store import Store
from core.tables import Tenant
from tests.corridor import ANTHROPIC, OPENAI, program

THREADS = 64
ROUTE = "storm"
SCENARIOS = (
    "ok", "ok", "ok", "slow-0.2s", "slow-0.5s", "invalid-once", "invalid-twice", "failed-once", "reset-once",
    "cut-stream-once", "truncated-once", "never-valid", "refused",
)  # fmt: skip
PAUSE_SECONDS = 0.05
"""Of a thread whose call was refused: else the refused alone would fill both cores."""
_PRELOADED = ("tests.storm", "core.demo", "core.providers.openai", "core.providers.anthropic", "core.providers.loop")


class Processes:
    """The processes of the storm."""

    def __init__(self, count: int, settings: Settings, tenant_id: str, seed: int) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(_PRELOADED))
        self._settings = settings.model_dump()
        self._tenant_id = tenant_id
        self._random = random.Random(seed)  # noqa: S311 nothing secret: the same storm every time
        self._count = count
        self._living: list[ForkServerProcess] = []
        self.killed = 0

    def start(self) -> None:
        """Start as many as are missing."""
        while len(self._living) < self._count:
            seed = self._random.getrandbits(32)
            process = self._context.Process(target=ask, args=(self._settings, self._tenant_id, seed), daemon=True)
            with _no_main():
                process.start()
            self._living.append(process)

    def kill_one(self) -> None:
        """End one of them by SIGKILL, whatever it is doing."""
        self._kill(self._living.pop(self._random.randrange(len(self._living))))

    def kill_all(self) -> None:
        """End them all by SIGKILL."""
        while self._living:
            self._kill(self._living.pop())

    def moment(self, most_seconds: float) -> float:
        """Return a random time to wait before the next is killed."""
        return self._random.uniform(0.2, 1) * most_seconds

    def _kill(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it lived until it was killed"
        self.killed += 1


@contextmanager
def _no_main() -> Generator[None]:
    """Hide the main module, which a new process would run: a test of a page may have put its script in its place."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def ask(settings: dict[str, object], tenant_id: str, seed: int) -> None:
    """Build a Proctor as every process does, and ask from sixty-four threads for ever."""
    proctor = runtime.build(Settings(**settings))
    while True:
        try:
            proctor.start()
            with proctor.store.reading() as session:
                tenant = session.get(Tenant, tenant_id)
        except (ProctorError, SQLAlchemyError):  # the database has no place for it yet; a supervisor would try again
            time.sleep(PAUSE_SECONDS)
        else:
            break
    assert tenant is not None
    principal = program(tenant)

    def ask_on(chance: random.Random) -> None:
        while True:
            name = uuid.UUID(int=chance.getrandbits(128)).hex
            request = GenerationRequest(
                schema="person",
                input=f"Make a person, number <{name}>. [[{chance.choice(SCENARIOS)}]]",
                route=ROUTE,
                model=chance.choice((None, OPENAI, ANTHROPIC)),
                request_id=name,
            )
            try:
                if chance.random() < 0.3:
                    for _ in proctor.generator.stream(request, principal):
                        pass
                else:
                    proctor.generator.generate(request, principal)
            except BudgetExceeded:
                time.sleep(PAUSE_SECONDS)
            except ProctorError:
                pass

    chances = [random.Random(f"{seed} {number}") for number in range(THREADS)]  # noqa: S311 as above
    threads = [threading.Thread(target=ask_on, args=(chance,), daemon=True) for chance in chances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Watch:
    """Looks at the accounts all the time, and keeps what it saw."""

    def __init__(self, store: Store, pause_seconds: float) -> None:
        self._store = store
        self._pause = pause_seconds
        self._stopped = threading.Event()
        self._look = store.prepare(
            "SELECT MAX(a.spent_nano_usd + a.held_nano_usd - b.limit_nano_usd), MIN(a.held_nano_usd), "
            "MIN(a.spent_nano_usd), SUM(a.spent_nano_usd) FROM account a JOIN budget b ON b.id = a.budget_id"
        )
        self._thread = threading.Thread(target=self._watch, name="watch")
        self.looks = 0
        self.most_over_nano_usd = -(2**62)
        """By how much spent and held together ever passed a limit; at most 0 in a world that is well."""
        self.least_nano_usd = 0
        """The least that was ever spent or held; never below 0."""

    def look(self) -> tuple[int, int, int, int]:
        """Return the most by which a limit is passed now, the least held, the least spent, and all that is spent."""
        over, held, spent, total = map(int, self._store.read_one(self._look, {}))
        self.looks += 1
        self.most_over_nano_usd = max(self.most_over_nano_usd, over)
        self.least_nano_usd = min(self.least_nano_usd, held, spent)
        return over, held, spent, total

    def _watch(self) -> None:
        while not self._stopped.wait(self._pause):
            self.look()

    @contextmanager
    def watching(self) -> Generator[None]:
        """Look for as long as the block lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join()
