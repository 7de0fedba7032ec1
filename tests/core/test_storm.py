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
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlmodel import col, select

from core.budgets.lapses import LOST
from core.principals import LOCAL_OPERATOR
from core.settings import ROOT
from core.tables import Account, Attempt, ChangeEvent, Generation, Outcome, Reservation
from tests.corridor import ANTHROPIC, OPENAI, rig, settings
from tests.storm import ROUTE, Processes, Watch
from tests.wire.ledger import Call
from tests.wire.server import WireServer

PROCESSES = 4
LEAST_KILLS = 6
MOST_SECONDS = 40.0
"""How long to wait until half of the budget is spent; most of the rest is held for the dead."""
CALM_SECONDS = 60.0
"""After the storm nothing may be held any more."""
LIMIT, LIMIT_OF_ONE_MODEL = 60_000_000, 20_000_000
ONE_CALL = 2_000_000
"""More than the dearest call can cost, all in nano-dollars."""
_NAME = re.compile(r"number <([0-9a-f]{32})>")


def calls_by_request(calls: list[Call]) -> dict[str, list[Call]]:
    """Return the calls that were billed, by the request they belong to."""
    found: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.billed:
            match = _NAME.search(orjson.dumps(call.request).decode())
            assert match is not None
            found[match[1]].append(call)
    return found


def verified(database_url: str, folder: Path) -> tuple[int, dict[str, Any]]:
    """Return exit code and answer of ``proctor verify --json``."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "LOCAL_MODEL": "off", "DEMO": "false"}
    command = [str(Path(sys.executable).with_name("proctor")), "verify", "--json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def test_a_storm_never_overspends(database_url: str, tmp_path: Path) -> None:
    """Whoever is killed, spent and held never pass the limit, every billed call is in the books, and soon none is held."""
    with WireServer() as wire, rig(wire, database_url) as proctor:
        store, budgets = proctor.runtime.store, proctor.runtime.budgets
        candidates = [{"model": model, "max_tokens": 200, "timeout_seconds": 10} for model in (OPENAI, ANTHROPIC)]
        proctor.runtime.routes.set(LOCAL_OPERATOR, ROUTE, candidates, max_reasks=2)
        tenant = proctor.tenant(LIMIT)
        budgets.set(LOCAL_OPERATOR, tenant, LIMIT_OF_ONE_MODEL, scope="model", scope_name=ANTHROPIC, mode="degrade")
        # Without breakers: they would keep the storm away from the money.
        blind = settings(wire, database_url, breaker_least_calls=1_000_000)
        processes = Processes(PROCESSES, blind, tenant.id, seed=20261123)
        watch = Watch(store, pause_seconds=0.01)
        processes.start()
        with watch.watching():
            while budgets.show(tenant).held_nano_usd == 0:
                time.sleep(0.1)  # until the first call is out: what they import takes longer than the storm
            began = time.monotonic()
            try:
                while True:
                    processes.start()
                    time.sleep(processes.moment(3))
                    processes.kill_one()
                    spent, seconds = budgets.show(tenant).spent_nano_usd, time.monotonic() - began
                    if (processes.killed >= LEAST_KILLS and spent > LIMIT // 2) or seconds > MOST_SECONDS:
                        break
            finally:
                processes.kill_all()
            ended = time.monotonic()
            while True:
                budgets.lapses.show_life()
                budgets.sweep()
                if not (held := budgets.show(tenant).held_nano_usd) or time.monotonic() - ended > CALM_SECONDS:
                    break
                time.sleep(0.5)
        seconds = time.monotonic() - ended

        # Not one nano-dollar more than there was, at any time; and it was looked at when there was none left.
        assert watch.looks > 100
        assert -ONE_CALL < watch.most_over_nano_usd <= 0
        assert watch.least_nano_usd == 0
        # Nothing is held, and all of it adds up.
        assert held == 0, f"still held after {seconds:.0f} s"
        found = budgets.verify()
        assert (found.ok, found.difference_nano_usd, found.held_nano_usd) == (True, 0, 0)
        exit_code, answer = verified(database_url, tmp_path)
        assert (exit_code, answer["ok"], answer["difference_nano_usd"], answer["held_nano_usd"]) == (0, True, 0, 0)

        with store.reading() as session:
            accounts = session.exec(select(Account)).all()
            attempts = session.exec(select(Attempt)).all()
            generations = {one.id: one for one in session.exec(select(Generation))}
            crossings = session.exec(select(ChangeEvent).where(ChangeEvent.kind == "budget")).all()
            assert session.exec(select(Reservation)).all() == []
        by_model: Counter[str] = Counter()
        for one in attempts:
            by_model[f"{one.provider}/{one.model}"] += one.cost_nano_usd or 0
        assert sorted(one.spent_nano_usd for one in accounts) == sorted([by_model.total(), by_model[ANTHROPIC]])
        assert by_model.total() <= LIMIT
        assert by_model[ANTHROPIC] <= LIMIT_OF_ONE_MODEL

        # Every call that was billed is in the attempts: to the token where its answer came, estimated where not.
        wire.wait_idle()
        known = {one.provider_request_id: one for one in attempts if one.provider_request_id}
        unknown: Counter[str] = Counter(
            generations[one.generation_id].request_id
            for one in attempts
            if one.estimated and not one.provider_request_id
        )
        billed = calls_by_request(wire.ledger.calls())
        for name, calls in billed.items():
            unheard = 0
            for call in calls:
                if (attempt := known.get(call.request_id)) is None:
                    unheard += 1
                elif not attempt.estimated:
                    usage = call.usage
                    assert (attempt.input_tokens, attempt.output_tokens) == (usage.input_tokens, usage.output_tokens)
            assert unheard <= unknown[name]
        lost = [one for one in attempts if one.error_code == LOST]
        assert all(one.estimated for one in lost)
        outcomes = Counter(one.outcome for one in generations.values())
        codes = Counter(one.error_code for one in generations.values() if one.outcome == Outcome.PROVIDER_ERROR)
        told = sorted(one.after["percent"] for one in crossings if one.after and "percent" in one.after)
        print(
            f"{store.url.get_backend_name()}: {ended - began:.0f} s of storm, {seconds:.0f} s until calm; "
            f"{processes.killed} killed, {len(generations)} generations, {len(attempts)} attempts, {len(lost)} lost, "
            f"{sum(map(len, billed.values()))} billed; spent {by_model.total()} of {LIMIT}, {by_model[ANTHROPIC]} of "
            f"{LIMIT_OF_ONE_MODEL}; {watch.looks} looks; thresholds {told}; {dict(outcomes)}; provider errors {dict(codes)}"
        )
        assert 80 in told or by_model.total() < LIMIT * 0.8
        assert len(lost) >= PROCESSES
        assert outcomes[Outcome.BLOCKED_BUDGET] > 0
        assert by_model.total() > LIMIT // 2
