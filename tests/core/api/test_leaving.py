"""Clients that leave, servers that stop, and many generations at once: over real sockets."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2
import pytest

from core.reports import Call
from core.settings import Settings
from tests.core.api.conftest import House, eventually

IN_FLIGHT = 200


def leave_in_mid_request(url: str, house: House, body: dict[str, object], *, after: bytes = b"") -> None:
    """Send a request, wait until the provider has it or *after* has come back, and hang up."""
    sent = json.dumps(body).encode()
    head = (
        f"POST /v1/generate HTTP/1.1\r\nHost: proctor\r\nAuthorization: Bearer {house.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 10) as connection:
        connection.sendall(head.encode() + sent)
        came = b""
        while after and after not in came:
            piece = connection.recv(4096)
            assert piece, came
            came += piece
        assert eventually(lambda: house.wire.ledger.open_count == 1), "the provider was never called"


def only_call(house: House) -> Call | None:
    """Return the one generation that was recorded, if it was."""
    with house.runtime.store.snapshot() as connection:
        rows = connection.exec_driver_sql("SELECT id FROM generation").all()
    assert len(rows) <= 1
    return house.runtime.reports.call(rows[0].id) if rows else None


@pytest.mark.parametrize(
    ("scenario", "stream", "after"),
    [("hang", False, b""), ("hang", True, b""), ("stall", True, b"event: partial"), ("slow-stream", True, b"partial")],
)
@pytest.mark.parametrize("model", ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"])
def test_client_leaves(scenario: str, after: bytes, model: str, *, stream: bool, url: str, house: House) -> None:
    """Whoever hangs up ends the provider's call at once; the generation is recorded as cancelled, at an estimate."""
    body = house.ask(scenario, stream=stream, model=model)
    leave_in_mid_request(url, house, body, after=after)
    left_at = time.monotonic()
    assert house.wire.wait_idle(1.0), "the provider's connection stayed open"
    [call] = house.wire.ledger.calls()
    assert call.client_gone
    assert (call.ended_at or 0) - left_at < 0.5
    assert eventually(lambda: only_call(house) is not None)
    recorded = only_call(house)
    assert recorded is not None
    assert (recorded.outcome, recorded.error_code) == ("cancelled", "cancelled")
    [rung] = recorded.rungs
    assert (rung.outcome, rung.estimated) == ("cancelled", True)
    assert recorded.cost_nano_usd


def test_leaving_between_attempts(url: str, house: House) -> None:
    """Whoever hangs up while a retry waits ends the wait: no further call goes out."""
    body = house.ask("throttled-5s", stream=False)
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 10) as connection:
        sent = json.dumps(body).encode()
        head = f"POST /v1/generate HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {house.key}\r\nContent-Length: "
        connection.sendall(f"{head}{len(sent)}\r\n\r\n".encode() + sent)
        assert eventually(lambda: len(house.wire.ledger.calls()) == 1)
        time.sleep(0.2)
    assert eventually(lambda: only_call(house) is not None, 1.0)
    recorded = only_call(house)
    assert recorded is not None
    assert recorded.outcome == "cancelled"
    assert len(house.wire.ledger.calls()) == 1


def test_leaving_while_sending(url: str, house: House) -> None:
    """Whoever hangs up in the middle of the request asks nothing, and the server goes on."""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 10) as connection:
        head = f"POST /v1/generate HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {house.key}\r\nContent-Length: 100"
        connection.sendall(f"{head}\r\n\r\n{{".encode())
        time.sleep(0.1)
    assert httpx2.get(f"{url}/health").status_code == 200
    assert only_call(house) is None


class TestMany:
    """Two hundred at once."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """No limit on the rate, and time enough on a busy machine."""
        return settings.model_copy(
            update={"rate_limit_per_min": 100_000, "attempt_timeout_seconds": 30.0, "deadline_seconds": 60.0}
        )

    @pytest.mark.parametrize("stream", [False, True])
    def test_in_flight(self, *, stream: bool, url: str, house: House) -> None:
        """Two hundred generations against a provider that takes a second each are in flight at once, and all are valid.

        Meanwhile the event loop is free: health answers.
        """
        body = house.ask("slow-1s", stream=stream)
        limits = httpx2.Limits(max_connections=None)
        with httpx2.Client(headers=house.headers, timeout=60, limits=limits) as client:
            with ThreadPoolExecutor(IN_FLIGHT) as threads:
                asked = [threads.submit(client.post, f"{url}/v1/generate", json=body) for _ in range(IN_FLIGHT)]
                assert eventually(lambda: house.wire.ledger.open_count > 0)
                most, slowest = 0, 0.0
                while not all(one.done() for one in asked):
                    most = max(most, house.wire.ledger.open_count)
                    began = time.monotonic()
                    assert httpx2.get(f"{url}/health", timeout=10).status_code == 200
                    slowest = max(slowest, time.monotonic() - began)
                    time.sleep(0.02)
            answers = [one.result() for one in asked]
        assert {answer.status_code for answer in answers} == {200}
        assert all("valid_first_try" in answer.text for answer in answers)
        assert most > IN_FLIGHT * 0.75, f"at most {most} were in flight"
        assert slowest < 5
