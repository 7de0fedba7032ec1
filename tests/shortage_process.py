"""One of several processes that draw on one budget: it takes orders as lines of JSON, and answers each with one."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from core import runtime
from core.errors import ProctorError
from core.settings import Settings
from core.tables import Tenant
from tests.corridor import program, question
from tests.forks import Forked


class Process:
    """A process, as the test that started it sees it."""

    def __init__(self, child: Forked) -> None:
        self._child = child

    def send(self, **order: Any) -> None:
        """Let it ask: ``tenant route scenario count``."""
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()

    def answer(self) -> list[dict[str, Any]]:
        """Wait until all that it asked has ended; return ``outcome code attempts waited`` of each."""
        return json.loads(self._child.stdout.readline())


@contextmanager
def processes(count: int, settings: Mapping[str, Any]) -> Generator[Sequence[Process]]:
    """Start so many with the same settings, and wait until they are ready."""
    children = [Forked("-m", "tests.shortage_process", json.dumps(settings)) for _ in range(count)]
    try:
        started = [Process(child) for child in children]
        for one in started:
            one.answer()
        yield started
    finally:
        for child in children:
            child.kill()
            child.close()


def main() -> None:
    """Ask through the real corridor as ordered, until nobody orders any more."""
    proctor = runtime.build(Settings(**json.loads(sys.argv[1])))
    proctor.start()
    print("[]", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        with proctor.store.reading() as session:
            tenant = session.get(Tenant, order["tenant"])
        assert tenant is not None
        principal = program(tenant)

        def ask(_: int, principal: Any = principal, order: Mapping[str, Any] = order) -> dict[str, Any]:
            code, request = None, question(order["scenario"], route=order["route"])
            try:
                made = proctor.generator.generate(request, principal)
            except ProctorError as error:
                code, made = error.code, error.facts["generation"]
            waited = any(step["verdict"] == "waited" for step in made.trace)
            return {"outcome": made.outcome, "code": code, "attempts": len(made.attempts), "waited": waited}

        with ThreadPoolExecutor(order["count"]) as threads:
            print(json.dumps(list(threads.map(ask, range(order["count"])))), flush=True)


if __name__ == "__main__":
    main()
