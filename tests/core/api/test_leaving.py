"""Clients that leave, servers that stop, and many generations at once: over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import httpx2
import pytest

from core.api.in_flight import Ending, InFlightRequest, InFlightRequests
from core.clock import SystemClock
from core.principals import LOCAL_OPERATOR
from core.reports import Call
from core.settings import Settings
from tests.core.api.conftest import House, eventually

IN_FLIGHT = 200
AT_ONCE = 300
"""So many small answers of the same server are a moment, on a busy machine as on an idle one."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Nothing ends a call but its caller: it has more time than any test."""
    return settings.model_copy(
        update={"rate_limit_per_min": 100_000, "attempt_timeout_seconds": 600.0, "deadline_seconds": 600.0}
    )


def at_once(url: str, check: Callable[[], bool]) -> bool:
    """Return whether *check* comes true while the server answers ``AT_ONCE`` others."""
    with httpx2.Client(timeout=60) as client:
        for _ in range(AT_ONCE):
            if check():
                return True
            client.get(f"{url}/health")
    return check()


def send(url: str, house: House, body: dict[str, object]) -> socket.socket:
    """Send a request and return the open connection."""
    sent = json.dumps(body).encode()
    head = (
        f"POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {house.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    connection = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 10)
    connection.sendall(head.encode() + sent)
    return connection


def only_call(house: House) -> Call | None:
    """Return the one generation that was recorded, if it was."""
    with house.runtime.store.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT id FROM generation").all()
    assert len(rows) <= 1
    return house.runtime.reports.call(LOCAL_OPERATOR, rows[0].id) if rows else None


@pytest.mark.parametrize(
    ("scenario", "stream", "after"),
    [("hang", False, b""), ("hang", True, b""), ("stall", True, b"event: partial"), ("slow-stream", True, b"partial")],
)
@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"])
def test_client_leaves(scenario: str, after: bytes, model: str, *, stream: bool, url: str, house: House) -> None:
    """Whoever hangs up ends the provider's call at once; the generation is recorded as cancelled, at an estimate."""
    body = house.ask(scenario, stream=stream, model=model)
    with send(url, house, body) as connection:
        connection.settimeout(60)
        came = b""
        while after not in came:
            piece = connection.recv(4096)
            assert piece, f"the answer ended before anybody left: {came!r}"
            came += piece
        assert eventually(lambda: house.wire.ledger.open_count == 1, 60), "the provider was never called"
    assert at_once(url, lambda: house.wire.ledger.open_count == 0), "the provider's connection stayed open"
    [call] = house.wire.ledger.calls()
    assert call.client_gone
    assert eventually(lambda: only_call(house) is not None, 60)
    recorded = only_call(house)
    assert recorded is not None
    assert (recorded.outcome, recorded.error_code) == ("cancelled", "cancelled")
    [attempt] = recorded.attempts
    assert (attempt.outcome, attempt.estimated) == ("cancelled", True)
    assert recorded.cost_nano_usd


def test_leaving_between_attempts(url: str, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hangs up while a retry waits ends the wait: no further call goes out."""
    waits, wait = threading.Event(), SystemClock.wait

    def noted(clock: SystemClock, woken: threading.Event, seconds: float) -> bool:
        if seconds == 300:
            waits.set()
        return wait(clock, woken, seconds)

    monkeypatch.setattr(SystemClock, "wait", noted)
    with send(url, house, house.ask("throttled-300s", model="openai/gpt-4o-mini")):
        assert waits.wait(60), "no retry was waited for"
    assert at_once(url, lambda: only_call(house) is not None)
    recorded = only_call(house)
    assert recorded is not None
    assert recorded.outcome == "cancelled"
    assert len(house.wire.ledger.calls()) == 1


def test_leaving_while_sending(url: str, house: House) -> None:
    """Whoever hangs up in the middle of the request asks nothing, and the server goes on."""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 10) as connection:
        head = (
            f"POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {house.key}\r\nContent-Length: 100"
        )
        connection.sendall(f"{head}\r\n\r\n{{".encode())
        time.sleep(0.1)
    assert httpx2.get(f"{url}/health").status_code == 200
    assert only_call(house) is None


def test_drain() -> None:
    """Told to stop, requests get their moment to end by themselves; then all are ended, and later ones never begin."""

    def until_ended(call: InFlightRequest) -> Ending:
        was_ended = call.cancellation.requested.wait(600)
        return Ending(503 if was_ended else 200, b"", {}, streamed=False)

    def until(told: threading.Event, _: InFlightRequest) -> Ending:
        told.wait(600)
        return Ending(200, b"", {}, streamed=False)

    async def ends_by_itself() -> None:
        requests, told = InFlightRequests(1), threading.Event()
        call = requests.open()
        requests.begin(call, partial(until, told))
        draining = asyncio.create_task(requests.drain(600))
        await asyncio.sleep(0)
        assert requests.is_draining
        told.set()
        end = await call.next()
        await draining
        assert isinstance(end, Ending)
        assert (end.status, call.cancellation.requested.is_set()) == (200, False)
        call.close()
        requests.close()

    async def is_ended() -> None:
        requests = InFlightRequests(2)
        long, late = requests.open(), requests.open()
        requests.begin(long, until_ended)
        await requests.drain(0.1)
        requests.begin(late, until_ended)
        ends = [await call.next() for call in (long, late)]
        assert [end.status for end in ends if isinstance(end, Ending)] == [503, 503]
        assert [call.cancellation.sentence for call in (long, late)] == ["The server was stopped."] * 2
        for call in (long, late):
            call.close()
        requests.close()

    asyncio.run(ends_by_itself())
    asyncio.run(is_ended())


class TestMany:
    """Two hundred at once."""

    @pytest.mark.parametrize("stream", [False, True])
    def test_answered(self, *, stream: bool, url: str, house: House) -> None:
        """Two hundred callers at once all get their object from a provider that takes a second; health answers too."""
        body = house.ask("slow-1s", stream=stream)
        limits = httpx2.Limits(max_connections=None)
        with (
            httpx2.Client(headers=house.headers, timeout=300, limits=limits) as client,
            ThreadPoolExecutor(IN_FLIGHT) as threads,
        ):
            asked = [threads.submit(client.post, f"{url}/v1/generate", json=body) for _ in range(IN_FLIGHT)]
            while not all(one.done() for one in asked):
                assert httpx2.get(f"{url}/health", timeout=60).status_code == 200
                time.sleep(0.05)
        answers = [one.result() for one in asked]
        assert {answer.status_code for answer in answers} == {200}
        assert all("valid_first_try" in answer.text for answer in answers)
        assert len(house.wire.ledger.calls()) == IN_FLIGHT

    def test_in_flight(self, url: str, house: House) -> None:
        """Two hundred generations are at the provider in the same moment; when their callers leave, all of them end."""
        connections = [send(url, house, house.ask("hang")) for _ in range(IN_FLIGHT)]
        assert eventually(lambda: house.wire.ledger.open_count == IN_FLIGHT, 60), house.wire.ledger.open_count
        assert httpx2.get(f"{url}/health", timeout=60).status_code == 200
        for connection in connections:
            connection.close()
        assert house.wire.wait_idle(60)
        assert all(call.client_gone for call in house.wire.ledger.calls())
        recorded = "SELECT count(*) FROM generation WHERE outcome = 'cancelled'"

        def count() -> int:
            with house.runtime.store.engine.connect() as connection:
                return connection.exec_driver_sql(recorded).scalar() or 0

        assert eventually(lambda: count() == IN_FLIGHT, 60), count()
