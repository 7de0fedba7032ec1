"""Hedging, over real sockets: a second model beside a slow first; the first valid answer wins, and both are paid."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import Cancelled
from core.providers.loop import Cancellation
from core.tables import Outcome, Tenant
from tests.corridor import A_PERSON, ANTHROPIC, OPENAI, Heard, Rig, rig
from tests.wire.ledger import Call
from tests.wire.server import WireServer

HEDGED = {"hedge_after_ms": 150}


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def proctor(wire: WireServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor whose clients are made, which takes longer than the short times below."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("hedging") / "proctor.db")
    with rig(wire, f"sqlite:///{path}") as running:
        tenant = running.tenant()
        for model in (OPENAI, ANTHROPIC):
            running.ask(tenant, route=running.route(model))
        yield running


def asked(
    on: Rig, scenario: str, tenant: Tenant | None = None, *, stream: bool = False, **more: object
) -> tuple[Heard, Sequence[Call]]:
    """Ask on a hedged route; return what was heard and what the fake saw."""
    known = len(on.wire.ledger.calls())
    route = on.route(OPENAI, ANTHROPIC, **HEDGED, **more)
    heard = on.ask(tenant or on.tenant(), scenario, route=route, stream=stream)
    on.wire.wait_idle()
    assert [one.n for one in heard.generation.attempts] == list(range(1, len(heard.generation.attempts) + 1))
    return heard, on.wire.ledger.calls()[known:]


def spelt(heard: Heard) -> str:
    """Return the attempts in short."""
    return ", ".join(f"{one.kind.value} {one.error_code or 'ok'}" for one in heard.generation.attempts)


def verdicts(heard: Heard) -> list[str]:
    """Return the verdicts of the attempt room, in order."""
    return [step["verdict"] for step in heard.generation.trace if step["room"] == "attempt"]


def test_the_second_wins(proctor: Rig) -> None:
    """A first that hangs is left: its connection closes, its cost is estimated, and the second's answer is given."""
    tenant = proctor.tenant()
    began = time.monotonic()
    heard, calls = asked(proctor, "hang@openai", tenant)

    assert 0.15 <= time.monotonic() - began < 20
    assert spelt(heard) == "first cancelled, hedge ok"
    assert (heard.generation.outcome, heard.generation.value) == (Outcome.VALID_AFTER_FALLBACK, A_PERSON)
    assert (heard.generation.provider, heard.generation.model) == ("anthropic", "claude-haiku-4-5")
    assert [(call.model, call.client_gone) for call in calls] == [("gpt-4o-mini", True), ("claude-haiku-4-5", False)]

    loser, winner = heard.generation.attempts
    assert loser.usage
    assert winner.usage
    assert (loser.usage.estimated, winner.usage.estimated) == (True, False)
    assert winner.usage.input_tokens == calls[1].usage.input_tokens
    assert loser.cost
    assert winner.cost
    assert heard.generation.cost_nano_usd == loser.cost.nano_usd + winner.cost.nano_usd
    assert loser.error_detail == f"{ANTHROPIC} had answered first."
    written = proctor.written(heard.generation.id)
    assert {entry.attempt_id: entry.nano_usd for entry in written.entries} == {
        loser.id: loser.cost.nano_usd,
        winner.id: winner.cost.nano_usd,
    }
    assert written.generation.wasted_nano_usd == loser.cost.nano_usd
    assert proctor.is_settled()
    [why] = [step["reason"] for step in heard.generation.trace if step["verdict"] == "hedged"]
    assert why == f"{OPENAI} has not answered after 150 ms, so {ANTHROPIC} is asked beside it."


def test_the_first_may_still_win(proctor: Rig) -> None:
    """A first that answers before its hedge is the answer; the hedge is ended and paid."""
    heard, calls = asked(proctor, "slow-0.4s@openai hang@anthropic")

    assert spelt(heard) == "first ok, hedge cancelled"
    assert (heard.generation.outcome, heard.generation.provider) == (Outcome.VALID_FIRST_TRY, "openai")
    assert [call.client_gone for call in calls] == [False, True]
    assert proctor.is_settled()


def test_who_answers_in_time_is_not_hedged(proctor: Rig) -> None:
    """A quick answer, or a quick failure, asks nobody else beside it."""
    heard, calls = asked(proctor, "ok")
    assert (spelt(heard), len(calls)) == ("first ok", 1)
    heard, _ = asked(proctor, "failed-once@openai")
    assert spelt(heard) == "first server_error, retry ok"


def test_an_invalid_answer_leaves_the_other_running(proctor: Rig) -> None:
    """Whoever answers first but not validly has not won: the other is waited for."""
    heard, calls = asked(proctor, "slow-0.6s@openai never-valid@anthropic")

    assert spelt(heard) == "first ok, hedge invalid"
    assert (heard.generation.outcome, heard.generation.provider) == (Outcome.VALID_FIRST_TRY, "openai")
    assert not any(call.client_gone for call in calls)
    assert verdicts(heard) == ["hedged", "invalid", "valid_first_try"]
    assert heard.generation.cost_nano_usd
    assert proctor.is_settled()


def test_when_both_fail_the_walk_goes_on(proctor: Rig) -> None:
    """After a race in vain each candidate goes on where it stood, in the order of the route."""
    heard, calls = asked(proctor, "hang@openai invalid-twice@anthropic", timeout_seconds=0.6)

    assert spelt(heard) == "first timeout, hedge invalid, re-ask invalid, re-ask ok"
    assert heard.generation.outcome is Outcome.VALID_AFTER_FALLBACK
    assert [call.model for call in calls] == ["gpt-4o-mini", *["claude-haiku-4-5"] * 3]

    heard, _ = asked(proctor, "hang@openai refused@anthropic", timeout_seconds=0.6)
    assert spelt(heard) == "first timeout, hedge refused"
    assert heard.generation.outcome is Outcome.TIMEOUT
    assert proctor.is_settled()


def test_a_budget_that_covers_one_call_refuses_the_other(proctor: Rig) -> None:
    """Without the money for both the first goes on alone, and the trace says why."""
    usual, _ = asked(proctor, "slow-0.4s@openai hang@anthropic")
    assert usual.generation.cost_nano_usd
    tenant = proctor.tenant(2_000_000)
    heard, calls = asked(proctor, "slow-0.4s@openai", tenant)

    assert (spelt(heard), len(calls)) == ("first ok", 1)
    [why] = [step["reason"] for step in heard.generation.trace if step["verdict"] == "not hedged"]
    assert why.startswith(f"{ANTHROPIC} is not asked beside {OPENAI}: The next attempt could cost ")
    assert proctor.is_settled()


def test_a_caller_who_leaves_ends_both(proctor: Rig) -> None:
    """Both connections close, and both calls are recorded and paid."""
    tenant, cancellation = proctor.tenant(), Cancellation()
    known = len(proctor.wire.ledger.calls())
    route = proctor.route(OPENAI, ANTHROPIC, **HEDGED)
    threading.Timer(0.6, cancellation.cancel).start()
    heard = proctor.ask(tenant, "hang", route=route, cancellation=cancellation)
    assert proctor.wire.wait_idle()

    assert isinstance(heard.error, Cancelled)
    assert spelt(heard) == "first cancelled, hedge cancelled"
    assert all(one.usage and one.usage.estimated for one in heard.generation.attempts)
    assert [call.client_gone for call in proctor.wire.ledger.calls()[known:]] == [True, True]
    assert len(proctor.written(heard.generation.id).entries) == 2
    assert proctor.is_settled()


@pytest.mark.parametrize("stops", [False, True])
def test_why_both_were_ended_is_told(proctor: Rig, *, stops: bool) -> None:
    """A caller who leaves and a server that stops are told apart on both calls."""
    tenant, cancellation = proctor.tenant(), Cancellation()
    route = proctor.route(OPENAI, ANTHROPIC, **HEDGED)
    threading.Timer(0.6, cancellation.cancel, kwargs={"server_stops": stops}).start()
    heard = proctor.ask(tenant, "hang", route=route, cancellation=cancellation)

    why = "The server was stopped." if stops else "The caller left."
    assert [one.error_detail for one in heard.generation.attempts] == [why, why]


def test_a_call_is_not_blamed_on_a_caller_who_waits(proctor: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the generation ends by a fault of ours, the call that was still out says so."""
    tenant = proctor.tenant()
    route = proctor.route(OPENAI, ANTHROPIC, **HEDGED)

    def break_down(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("core.providers.anthropic._Conversation._answer", break_down)
    with pytest.raises(ZeroDivisionError):
        proctor.ask(tenant, "hang@openai", route=route)

    written = proctor.last_written(tenant)
    assert (written.generation.outcome, written.generation.error_code) == ("internal_error", "internal_error")
    told = {one.provider: (one.error_code, one.error_detail) for one in written.attempts}
    assert told == {
        "openai": ("cancelled", "The generation had ended without it."),
        "anthropic": ("internal_error", "Proctor itself failed over this call (ZeroDivisionError)."),
    }


def test_streams_are_not_hedged(proctor: Rig) -> None:
    """Of two streams nobody could say early whose object is valid: a stream has one model at a time."""
    heard, calls = asked(proctor, "slow-0.4s@openai", stream=True)
    assert (spelt(heard), len(calls)) == ("first ok", 1)


def test_a_deadline_bounds_both(proctor: Rig) -> None:
    """The hedge has the time that is left, not its own."""
    heard, _ = asked(proctor, "hang", deadline_seconds=0.8)
    assert spelt(heard) == "first timeout, hedge timeout"
    assert heard.generation.outcome is Outcome.TIMEOUT


def test_many_at_once_need_no_more_threads(proctor: Rig) -> None:
    """Races run on the provider loop: a caller's thread is the only one that its generation has."""
    tenant = proctor.tenant()
    route = proctor.route(OPENAI, ANTHROPIC, **HEDGED)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: proctor.ask(tenant, route=route), range(16)))
        before = threading.active_count()
        most: list[int] = []

        def ask(_: int) -> str:
            heard = proctor.ask(tenant, "hang@openai slow-0.3s@anthropic", route=route)
            most.append(threading.active_count())
            return spelt(heard)

        assert set(pool.map(ask, range(16))) == {"first cancelled, hedge ok"}
    assert max(most) <= before
    assert proctor.wire.wait_idle()
    assert proctor.is_settled()
