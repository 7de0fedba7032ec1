"""One of several processes that share a Redis: it takes orders as lines of JSON, and answers each with one."""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Self

from typing_extensions import override

from core.breakers import BreakerChange, Breakers, Rule
from core.clock import SystemClock
from core.shared import Shared
from core.telemetry import Metrics, configure_logging
from tests.forks import Forked


class Process(AbstractContextManager["Process"]):
    """A process, as the test that started it sees it."""

    def __init__(self, redis_url: str, **rule: float) -> None:
        self._child = Forked("-m", "tests.breaker_process", redis_url, json.dumps(rule))

    def __call__(self, order: str, **facts: Any) -> Any:
        """Give an order, and wait for the answer."""
        self.send(order, **facts)
        return self.answer()

    def send(self, order: str, **facts: Any) -> None:
        """Give an order."""
        self._child.stdin.write(json.dumps({"order": order, **facts}) + "\n")
        self._child.stdin.flush()

    def answer(self) -> Any:
        """Wait for an answer."""
        return json.loads(self._child.stdout.readline())

    @override
    def __enter__(self) -> Self:
        self.answer()
        return self

    @override
    def __exit__(self, *_: object) -> None:
        self._child.stdin.close()
        self._child.wait(10)
        self._child.close()


def main(redis_url: str, rule: dict[str, Any]) -> None:
    """Take orders until there are no more."""
    configure_logging("ERROR")
    clock, metrics = SystemClock(), Metrics()
    shared = Shared(redis_url, clock, metrics)
    changes: list[BreakerChange] = []
    breakers = Breakers(clock, changes.append, rule=Rule(**rule), shared=shared)

    def answer(order: str, **facts: Any) -> Any:
        match order:
            case "note":
                began = clock.monotonic()
                for _ in range(facts.pop("times", 1)):
                    breakers.note("openai", "gpt-4o", began=began, **facts)
            case "refusal":
                return breakers.refusal("openai", "gpt-4o", **facts)
            case "admitted":  # by how many of so many callers at once
                threads, ready = facts["threads"], threading.Barrier(facts["threads"])

                def ask(_: int) -> bool:
                    ready.wait()
                    return breakers.refusal("openai", "gpt-4o") is None

                with ThreadPoolExecutor(threads) as pool:
                    return sum(pool.map(ask, range(threads)))
            case "changes":
                return [(change.before.value, change.after.value) for change in changes]
            case "lost":
                return metrics.registry.get_sample_value("proctor_failed_open_total", {"room": "breakers"}) or 0
            case "shared":
                return breakers.is_shared
        return None

    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)
    shared.close()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
