"""What a call is charged that was cut off: what the wire had told, and a likely rest; never the limit by default.

The ledger of the fake vendors knows what each call was billed, so what was booked can be held against it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import orjson
import pytest
from sqlmodel import col, select

from core import runtime as running
from core.clock import ManualClock
from core.pricing import PriceBook, Usage
from core.principals import LOCAL_OPERATOR
from core.providers.loop import Cancellation
from core.settings import ROOT
from core.tables import AttemptRow, Reservation, Tenant
from tests.core.api.conftest import PROVIDER_KEY, House, api_settings, built, eventually
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.servers import free_port, is_ready
from tests.wire.ledger import Call
from tests.wire.server import WireServer

ITEMS = {
    "title": "order",
    "type": "object",
    "properties": {"number": {"type": "string"}, "lines": {"type": "array", "items": {"type": "string"}}},
    "required": ["number", "lines"],
}
MIX = (("slow-stream", True), ("slow-stream", True), ("drip", False), ("stall", True))
"""How the calls are answered that are out: streams whose pieces keep coming, answers that are nearly there, silence."""
OUT = 24
LEARNED = 8


def order(number: int, scenario: str, *, stream: bool) -> dict[str, object]:
    """Return a request whose answer has 10 to 29 lines, by its number."""
    lines = [f"{place} pieces of article {number * 31 + place}" for place in range(10 + number % 20)]
    told = orjson.dumps({"number": str(number), "lines": lines}).decode()
    asked = f"Read order <{number}>, as it was typed: <<{told}>> [[{scenario}]]"
    model = ANTHROPIC if number % 2 else OPENAI
    return {"schema": ITEMS, "input": asked, "model": model, "stream": stream}


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake vendors."""
    with WireServer() as server:
        yield server


@contextmanager
def serving(house: House) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Serve the API in a process of its own until it has answered; yield it and its URL."""
    port = free_port()
    environment: Mapping[str, str] = {
        "DATABASE_URL": house.runtime.settings.database_url,
        "OPENAI_API_KEY": PROVIDER_KEY,
        "OPENAI_BASE_URL": house.wire.openai_url,
        "ANTHROPIC_API_KEY": PROVIDER_KEY,
        "ANTHROPIC_BASE_URL": house.wire.anthropic_url,
        "MAX_OUTPUT_TOKENS": "4096",
        "LOCAL_MODEL": "off",
        "DEMO": "false",
        "DRAIN_SECONDS": "3",
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "uvicorn", "core.api:app", "--port", str(port), "--log-level", "critical"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            assert eventually(lambda: is_ready(url), 60)
            yield process, url
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("how", "database"), [(signal.SIGTERM, "sqlite_url"), (signal.SIGKILL, "pg_database_url")], ids=["term", "kill"]
)
def test_a_deploy_under_load_is_charged_about_what_it_was_billed(
    how: signal.Signals, database: str, wire: WireServer, request: pytest.FixtureRequest
) -> None:
    """A server that ends with calls out books at least what the vendors told and under three times what they bill."""
    wire.reset()
    with built(api_settings(request.getfixturevalue(database), wire), wire) as house:
        deploy(how, house)


def deploy(how: signal.Signals, house: House) -> None:
    """End a server by *how* while it has calls out, and hold its books against the vendors'."""
    with serving(house) as (process, url), ThreadPoolExecutor(OUT) as threads:

        def ask(number: int, scenario: str, stream: bool) -> int:  # noqa: FBT001 it is mapped over the mix
            try:
                with httpx2.stream(
                    "POST",
                    f"{url}/v1/generate",
                    json=order(number, scenario, stream=stream),
                    headers=house.headers,
                    timeout=60,
                ) as answer:
                    answer.read()
                    return answer.status_code
            except httpx2.TransportError:
                return 0

        learned = [threads.submit(ask, number, "ok", stream=False) for number in range(LEARNED)]
        assert [one.result() for one in learned] == [200] * LEARNED
        house.wire.reset()
        out = [threads.submit(ask, number, *MIX[number % len(MIX)]) for number in range(OUT)]
        assert eventually(lambda: all_under_way(house.wire), 20), house.wire.ledger.calls()
        process.send_signal(how)
        process.wait(60)
        for one in out:
            one.result()

    recovered(house)
    house.wire.wait_idle(10)
    booked, billed = costs(house, house.wire.ledger.calls())
    print(f"\n{how.name}: booked ${booked / 1e9:.6f}, billed ${billed / 1e9:.6f}, {booked / billed:.2f} times")
    assert billed <= booked < 3 * billed


def all_under_way(wire: WireServer) -> bool:
    """Whether every call is out, and those that come in pieces have begun to."""
    calls = wire.ledger.calls()
    return len(calls) == OUT and all(call.usage.output_tokens > 30 for call in calls)


def recovered(house: House) -> None:
    """Let the process be taken for dead, and settle what it left; what the books say then is final."""
    later = running.build(house.runtime.settings, ManualClock(datetime.now(UTC) + timedelta(minutes=1)))
    try:
        later.recovery.run()
        assert later.budgets.verify(LOCAL_OPERATOR).ok
        with later.store.reading() as session:
            assert session.exec(select(Reservation)).all() == []
    finally:
        later.close()


def costs(house: House, calls: Sequence[Call]) -> tuple[int, int]:
    """Return what the calls were booked and what they were billed, in nano-dollars; none is booked less than told."""
    prices, now = PriceBook(), datetime.now(UTC)
    with house.runtime.store.reading() as session:
        rows = session.exec(select(AttemptRow).order_by(col(AttemptRow.id))).all()
    rows = rows[LEARNED:]
    assert len(rows) == len(calls)
    cut = [row for row in rows if row.estimated]
    assert cut
    assert all((row.output_tokens or 0) < 4096 / 4 for row in cut)
    billed = 0
    for call in calls:
        provider, _, model = (OPENAI if "gpt" in call.model else ANTHROPIC).partition("/")
        used = Usage(input_tokens=call.usage.input_tokens, output_tokens=call.usage.output_tokens)
        cost = prices.cost(provider, model, used, now)
        assert cost is not None
        billed += cost.nano_usd
    return sum(row.cost_nano_usd or 0 for row in rows), billed


class TestInTheCorridor:
    """One call after the other, in one process."""

    @pytest.fixture
    def proctor(self, sqlite_url: str, wire: WireServer) -> Iterator[Rig]:
        """A Proctor on the fake vendors."""
        wire.reset()
        with rig(wire, sqlite_url) as proctor:
            yield proctor

    @pytest.mark.parametrize("stream", [False, True])
    def test_it_learns(self, *, stream: bool, proctor: Rig) -> None:
        """Before anything is known a call without an answer is charged 256 tokens; then what such answers have."""
        tenant, corridor = proctor.tenant(), proctor.corridor()
        route = proctor.route(OPENAI, timeout_seconds=0.5, max_tokens=4000, max_retries=0)

        def charged(scenario: str) -> int:
            heard = proctor.ask(tenant, scenario, stream=stream, corridor=corridor, route=route)
            [attempt] = heard.generation.attempts
            assert attempt.usage is not None
            return attempt.usage.output_tokens

        assert charged("hang") == 256
        length = charged("ok")
        assert charged("hang") == length
        assert charged("stall") >= length, "what was seen of it counts too"

    def test_what_is_held_stays_the_most_it_can_cost(self, proctor: Rig) -> None:
        """A call that is out holds its limit, and keeps for its recovery what it is likely to have cost."""
        tenant, corridor, cancellation = proctor.tenant(), proctor.corridor(), Cancellation()
        route = proctor.route(OPENAI, timeout_seconds=20, max_tokens=4000)
        length = proctor.ask(tenant, corridor=corridor, route=route).generation.usage.output_tokens
        asking = threading.Thread(
            target=lambda: proctor.ask(tenant, "hang", corridor=corridor, route=route, cancellation=cancellation)
        )
        asking.start()
        try:
            assert eventually(lambda: bool(reservations(proctor, tenant)))
            [reservation] = reservations(proctor, tenant)
            [kept] = reservation.attempts
            [held] = reservation.holds.values()
        finally:
            cancellation.cancel()
            asking.join()

        assert (kept["output_tokens"], kept["estimated"]) == (length, True)
        assert held > 20 * kept["cost_nano_usd"]
        assert proctor.is_settled()


def reservations(proctor: Rig, tenant: Tenant) -> Sequence[Reservation]:
    """Return what *tenant* holds."""
    with proctor.runtime.store.reading() as session:
        return session.exec(select(Reservation).where(Reservation.tenant_id == tenant.id)).all()


RELAYED_OUT = 12
DOORS = {
    "/v1/chat/completions": {"model": "gpt-4o-mini", "max_completion_tokens": 4000},
    "/v1/messages": {"model": "claude-haiku-4-5", "max_tokens": 4000},
}


def test_relayed_streams_of_a_killed_server_are_charged(pg_database_url: str, wire: WireServer) -> None:
    """A server that is killed in the middle of relayed streams leaves nothing held once it is taken for dead.

    Each of its calls is charged an estimate: all that was sent, and something for the answer, which nobody saw end.
    """
    wire.reset()
    with built(api_settings(pg_database_url, wire), wire) as house:
        with serving(house) as (process, url), ThreadPoolExecutor(RELAYED_OUT) as threads:

            def ask(number: int) -> int:
                path, more = list(DOORS.items())[number % len(DOORS)]
                said = [{"role": "user", "content": f"Say {number}. <<{'It goes on. ' * 40}>> [[stall]]"}]
                try:
                    with httpx2.stream(
                        "POST",
                        f"{url}{path}",
                        json={"messages": said, "stream": True, **more},
                        headers=house.headers,
                        timeout=120,
                    ) as answer:
                        answer.read()
                        return answer.status_code
                except httpx2.TransportError:
                    return 0

            out = [threads.submit(ask, number) for number in range(RELAYED_OUT)]
            assert eventually(lambda: len(streaming(wire)) == RELAYED_OUT, 60), wire.ledger.calls()
            process.send_signal(signal.SIGKILL)
            process.wait(60)
            for one in out:
                one.result()

        recovered(house)
        wire.wait_idle(10)
        with house.runtime.store.reading() as session:
            rows = session.exec(select(AttemptRow)).all()
    assert len(rows) == len(wire.ledger.calls()) == RELAYED_OUT
    assert all(row.estimated and row.mode == "relay" and row.input_tokens and row.output_tokens for row in rows)
    assert all(row.cost_nano_usd for row in rows)


def streaming(wire: WireServer) -> Sequence[Call]:
    """Return the calls of which something has been said."""
    return [call for call in wire.ledger.calls() if call.usage.output_tokens]
