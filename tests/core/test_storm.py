"""The storm: on one small budget, four processes of sixty-four threads, killed at random, never overspend.

Everything is real but the vendors: the corridor, the SDKs, both databases, SIGKILL, and the time that must pass until
a process is taken for dead.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlmodel import select

from core.journal import LOST
from core.principals import LOCAL_OPERATOR
from core.tables import Account, AttemptRow, ChangeEvent, GenerationRow, Outcome, Reservation, Tenant
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig, settings
from tests.storm import ROUTE, Processes, Watch
from tests.wire.ledger import Call
from tests.wire.server import WireServer

PROCESSES = 4
LEAST_KILLS = 6
MOST_SECONDS = 600.0
"""When a storm is given up that spends nothing. One that goes well takes ten seconds, on a busy machine many more."""
CALM_SECONDS = 120.0
"""After the storm nothing may be held any more."""
LIMIT, LIMIT_OF_ONE_MODEL = 40_000_000, 14_000_000
ONE_CALL = 2_000_000
"""More than the dearest call can cost, all in nano-dollars."""
_NAME = re.compile(r"number <([0-9a-f]{32})>")


def test_a_storm_never_overspends(database_url: str, tmp_path: Path) -> None:
    """Whoever is killed: spent and held never pass the limit, what was billed is in the books, soon nothing is held."""
    with WireServer() as wire, rig(wire, database_url) as proctor:
        candidates = [{"model": model, "max_tokens": 200, "timeout_seconds": 10} for model in (OPENAI, ANTHROPIC)]
        proctor.runtime.routes.set(LOCAL_OPERATOR, ROUTE, candidates, max_reasks=2)
        tenant = proctor.tenant(LIMIT)
        narrow = {"scope": "model", "scope_name": ANTHROPIC, "mode": "degrade"}
        proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, LIMIT_OF_ONE_MODEL, **narrow)
        blind = settings(wire, database_url, breaker_least_calls=1_000_000)  # breakers would keep it off the money
        processes = Processes(PROCESSES, blind, tenant.id, seed=20261123)
        watch = Watch(proctor.runtime.store, pause_seconds=0.01)

        processes.start()
        with watch.watching():
            try:
                storm_seconds = rage(proctor, tenant, processes)
            finally:
                processes.kill_all()
            calm_seconds = wait_until_calm(proctor, tenant)

        assert watch.looks > 100
        assert -ONE_CALL < watch.most_over_nano_usd <= 0, "it was looked at when nothing was left, and never below"
        assert watch.least_nano_usd == 0
        found = proctor.runtime.budgets.verify(LOCAL_OPERATOR)
        assert (found.ok, found.difference_nano_usd, found.held_nano_usd) == (True, 0, 0)
        exit_code, answer = verified(database_url, tmp_path)
        assert (exit_code, answer["ok"], answer["difference_nano_usd"], answer["held_nano_usd"]) == (0, True, 0, 0)
        wire.wait_idle()
        print(f"\n{storm_seconds:.0f} s of storm, {processes.killed} killed, calm after {calm_seconds:.0f} s")
        check_the_books(proctor, wire.ledger.calls())


def rage(proctor: Rig, tenant: Tenant, processes: Processes) -> float:
    """Kill processes at random and start others until half of the budget is spent; return the seconds it took."""
    budgets, started = proctor.runtime.budgets, time.monotonic()
    while budgets.show(LOCAL_OPERATOR, tenant).held_nano_usd == 0:
        assert time.monotonic() - started < MOST_SECONDS, "no process ever sent a call"
        time.sleep(0.1)  # until the first call is out: what they import takes longer than the storm
    began = time.monotonic()
    while True:
        time.sleep(processes.moment(3))
        processes.kill_one()
        spent, seconds = budgets.show(LOCAL_OPERATOR, tenant).spent_nano_usd, time.monotonic() - began
        if processes.killed >= LEAST_KILLS and spent > LIMIT // 2:  # most of the rest is held for the dead
            return seconds
        assert seconds < MOST_SECONDS, f"only {spent} of {LIMIT} was spent"
        processes.start()


def wait_until_calm(proctor: Rig, tenant: Tenant) -> float:
    """Sweep as every living process does until nothing is held, and return the seconds that took."""
    budgets, recovery, began = proctor.runtime.budgets, proctor.runtime.recovery, time.monotonic()
    while True:
        recovery.heartbeat()
        recovery.run()
        seconds = time.monotonic() - began
        if not any(state.held_nano_usd for state in budgets.all(LOCAL_OPERATOR, [tenant])[tenant.id]):
            return seconds
        assert seconds < CALM_SECONDS, "something is still held"
        time.sleep(0.5)


def check_the_books(proctor: Rig, calls: Sequence[Call]) -> None:
    """Accounts are what their attempts cost, and every call that was billed is an attempt."""
    with proctor.runtime.store.reading() as session:
        accounts = sorted(one.spent_nano_usd for one in session.exec(select(Account)))
        attempts = session.exec(select(AttemptRow)).all()
        generations = {one.id: one for one in session.exec(select(GenerationRow))}
        events = [one.after for one in session.exec(select(ChangeEvent)) if one.kind == "budget" and one.after]
        assert session.exec(select(Reservation)).all() == []
    cost: Counter[str] = Counter()
    for attempt in attempts:
        cost[f"{attempt.provider}/{attempt.model}"] += attempt.cost_nano_usd or 0
    lost = [one for one in attempts if one.error_code == LOST]
    outcomes = Counter(one.outcome for one in generations.values())
    told = sorted(one["percent"] for one in events if "percent" in one)
    billed = [call for call in calls if call.billed]
    print(
        f"{len(generations)} generations, {len(attempts)} attempts, {len(lost)} of them lost; {len(billed)} calls were "
        f"billed; {cost.total()} of {LIMIT} is spent, {cost[ANTHROPIC]} of {LIMIT_OF_ONE_MODEL}; told {told}; "
        f"{dict(outcomes)}"
    )
    assert accounts == sorted([cost.total(), cost[ANTHROPIC]])
    assert LIMIT // 2 < cost.total() <= LIMIT
    assert cost[ANTHROPIC] <= LIMIT_OF_ONE_MODEL
    assert all(one.estimated for one in lost)
    assert len(lost) >= PROCESSES
    assert outcomes[Outcome.BLOCKED_BUDGET] > 0
    assert 80 in told or cost.total() < LIMIT * 0.8

    # To the token where the answer came; where it never did there is an estimate for each call.
    heard = {one.provider_request_id: one for one in attempts if one.provider_request_id}
    estimates = Counter(
        generations[one.generation_id].request_id for one in attempts if one.estimated and not one.provider_request_id
    )
    unheard: dict[str, int] = defaultdict(int)
    for call in billed:
        attempt = heard.get(call.request_id)
        if attempt is None:
            name = _NAME.search(orjson.dumps(call.request).decode())
            assert name is not None
            unheard[name[1]] += 1
        elif not attempt.estimated:
            expected = call.usage.input_tokens, call.usage.output_tokens
            assert (attempt.input_tokens, attempt.output_tokens) == expected
    assert all(count <= estimates[name] for name, count in unheard.items())


def verified(database_url: str, folder: Path) -> tuple[int, dict[str, Any]]:
    """Return exit code and answer of ``proctor verify --json``."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "LOCAL_MODEL": "off", "DEMO": "false"}
    command = [str(Path(sys.executable).with_name("proctor")), "verify", "--json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)
