"""A process that asks one question in several threads at once: for tests of what several processes share.

It says ``ready``, waits for a line, asks, and tells each call's outcome and ``answered_from`` as one line of JSON.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from core import runtime as running
from core.answers import Answers
from core.claims import Claims
from core.clock import SystemClock
from core.errors import ProctorError
from core.generation import GenerationRequest
from core.principals import Principal
from tests.corridor import Rig, settings

LEASE_SECONDS = 2.0


def main() -> None:
    """Do as ordered by the only argument."""
    order = json.loads(sys.argv[1])
    wire: Any = SimpleNamespace(openai_url=order["openai_url"], anthropic_url=order["anthropic_url"])
    clock: Any = SystemClock()
    runtime = running.build(settings(wire, order["database_url"]), clock)
    claims = Claims(runtime.store, clock, lease_seconds=LEASE_SECONDS, renew_seconds=LEASE_SECONDS / 4)
    answers = Answers(runtime.store, clock, claims)
    corridor = Rig(runtime, wire, clock).corridor(answers=answers)
    principal = Principal.of_key("key", order["tenant_id"], "prk_test")
    request = GenerationRequest(schema="person", input=order["input"], route=order["route"])

    def ask(_: int) -> list[str | None]:
        try:
            made = corridor.generate(request, principal)
        except ProctorError as error:
            return [error.code, None]
        return [made.outcome, made.answered_from]

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(order["threads"]) as pool:
        ends = list(pool.map(ask, range(order["threads"])))
    sys.stdout.write(f"{json.dumps(ends)}\n")
    sys.stdout.flush()
    claims.close()
    runtime.close()


if __name__ == "__main__":
    main()
