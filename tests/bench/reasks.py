"""What it costs to look whether a client asks again: beside the look that every request makes for its policy."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from core.audit import REVISIONS
from core.clock import SystemClock
from core.reasks import Conversation, Reasks
from core.store import Store
from tests import servers
from tests.bench.measure import in_turns, table
from tests.reasking import TENANT, request, said

OPEN = 2_000
"""Answers of others that are open beside: some hundred a minute."""


def run(wire_url: str, folder: Path) -> None:
    """Measure and print, on either database."""
    with servers.postgres() as server, servers.database(server, "reasks") as postgres:
        for kind, url in {"SQLite": f"sqlite:///{folder / 'reasks.db'}", "PostgreSQL": postgres}.items():
            store = Store(url)
            store.migrate()
            _measure(kind, store)
            store.close()


def _measure(kind: str, store: Store) -> None:
    reasks, ids = Reasks(store, SystemClock()), (f"{number:032x}" for number in itertools.count())
    revisions = store.prepare(REVISIONS)

    def left_open(question: str) -> None:
        asked = request(question, 0)
        body = {"choices": [{"message": said(f"call_{question}_0")}]}
        conversation = Conversation(asked, tenant_id=TENANT, asker="k1")
        reasks.leave_open(conversation, asked.dialect, body, generation_id=next(ids), tenant_id=TENANT)

    def looked(asked: Any) -> str | None:
        conversation = Conversation(asked, tenant_id=TENANT, asker="k1")
        return reasks.taken(conversation, generation_id=next(ids), tenant_id=TENANT, is_resent=False)

    def found() -> None:
        question = f"own {next(ids)}"
        left_open(question)
        if looked(request(question, 1)) is None:
            raise SystemExit("the bench found no answer that it had left open")

    for number in range(OPEN):
        left_open(f"q {number}")
    first, later, long = request("first", 0), request("nobody's", 1), request("nobody's", 20)
    costs = in_turns(
        {
            "the look for its policy": lambda: store.read_one(revisions, {"tenant_id": TENANT}),
            "a first request": lambda: looked(first),
            "one that goes on from nothing": lambda: looked(later),
            "one that goes on, of 41 messages": lambda: looked(long),
            "an answer left open, and asked again for": found,
        }
    )
    own = costs["the look for its policy"].wall_ms
    rows = [("a request, as to re-asks", "wall ms", "CPU ms", "of the look for its policy")]
    rows += [
        (name, f"{cost.wall_ms:.3f}", f"{cost.cpu_ms:.3f}", f"x {cost.wall_ms / own:.1f}")
        for name, cost in costs.items()
    ]
    table(f"{kind}: {OPEN:,} answers of others are open", rows)
