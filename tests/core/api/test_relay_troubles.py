"""Troubles of ours, as a program meets them by its vendor's SDK: a class that it knows, and the right patience."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from core.api.startup import Startup, serve
from core.breakers import BreakerState
from core.faults import Fault
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from tests.core.api.conftest import House, api_settings, eventually, served
from tests.core.api.sdk_programs import RETRIES, Program
from tests.relayed import house_settings
from tests.wire.server import WireServer

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
SERVER_ERRORS = (openai.InternalServerError, anthropic.InternalServerError, anthropic.ServiceUnavailableError)


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer) -> Settings:
    """All three doors have somebody behind them; one call at a time, and one that waits."""
    chosen = house_settings(api_settings(sqlite_url, wire), wire.url)
    return chosen.model_copy(update={"concurrency": 1, "queue": 1})


@pytest.mark.parametrize("door", list(PATHS))
def test_who_comes_too_early_is_served_when_he_asks_again(
    door: str, house: House, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 in the dialect's shape, with the second to wait; the SDK comes again, and by then the server has started."""
    monkeypatch.setattr("core.api.startup.MOST_WAITING", 0)
    may_begin = threading.Event()

    def begin() -> Runtime:
        may_begin.wait(10)
        house.runtime.start()
        return house.runtime

    starting = Startup(begin)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        may_begin.set()
        assert eventually(lambda: starting.runtime is not None, 20)
        monkeypatch.setattr("core.api.startup.MOST_WAITING", 1000)

    for sdk in (openai, anthropic):
        monkeypatch.setattr(f"{sdk.__name__}._base_client.time.sleep", sleep)
    with served(serve(starting, house.runtime.settings)) as url:
        program = Program(door, url, house.key)
        program.ask()
    early, last = program.calls
    assert (early.status_code, last.status_code, slept) == (503, 200, [1.0])
    assert early.headers["x-proctor-request-id"]
    assert early.headers["request-id" if door == "messages" else "x-request-id"]


@pytest.mark.parametrize("door", list(PATHS))
def test_a_server_that_stopped_before_it_had_started(door: str, house: House, slept: list[float]) -> None:
    """The SDK reads the sentence, and tries as often as it does by itself."""
    stopped = Startup(lambda: house.runtime)
    stopped._is_stopping = True  # as a signal says

    async def none(_scope: Any, _receive: Any, _send: Any) -> None:
        """Serve nothing."""

    stopped._begun = lambda: none(None, None, None)  # type: ignore[method-assign] as if it had waited
    with served(serve(stopped, house.runtime.settings)) as url:
        program = Program(door, url, house.key)
        error = program.refused()
        house.runtime.start()  # what the server's end then closes
    assert isinstance(error, SERVER_ERRORS)
    assert "stopping and serves nothing" in str(error)
    assert (len(program.calls), slept) == (1 + RETRIES, [1.0] * RETRIES)


def test_too_many_at_once(program: Program, house: House, slept: list[float]) -> None:
    """503 with Retry-After, which the SDK keeps to; nothing of it is recorded or asked."""
    with ThreadPoolExecutor(2) as threads:
        for number in (1, 2):
            threads.submit(hanging, program)
            assert eventually(lambda: sum(crowd(house)) >= number, 20)  # noqa: B023 it is looked at here
        error = program.refused()
        assert isinstance(error, SERVER_ERRORS)
        assert "Too many requests" in str(error)
        assert len(program.calls) == 1 + RETRIES
        assert all(1 <= seconds <= 30 for seconds in slept)
        house.runtime.admission.close()
        house.runtime.loop.close()
    assert len(house.wire.ledger.calls()) <= 1


def crowd(house: House) -> tuple[int, int]:
    """Return how many run, and how many wait."""
    seen = house.runtime.admission.seen()
    return seen.running, seen.waiting


def hanging(program: Program) -> None:
    """Ask for what never comes, and wait for it."""
    asked: dict[str, Any] = {"model": program.model, "max_tokens": 9}
    asked |= {"messages": [{"role": "user", "content": "[[hang]]"}]}
    if program.door == "responses":
        asked = {"model": program.model, "input": "[[hang]]", "store": False}
    with suppress(httpx2.HTTPError):
        headers = {"Authorization": f"Bearer {program.key}"}
        httpx2.post(program.url + PATHS[program.door], json=asked, headers=headers, timeout=30)


def test_too_many_of_a_tenant_at_once(program: Program, house: House, slept: list[float]) -> None:
    """429 of the limit in flight, with a second to wait."""
    house.runtime.tenants.edit(LOCAL_OPERATOR, house.tenant.id, house.tenant.version, concurrent_limit=1)
    quotas = house.runtime.policies.snapshot(house.tenant.id).quotas(LOCAL_OPERATOR)
    with house.runtime.limits.admitted(quotas, 1, 60):
        error = program.refused()
    assert isinstance(error, openai.RateLimitError | anthropic.RateLimitError)
    assert (len(program.calls), slept) == (1 + RETRIES, [1.0] * RETRIES)
    assert house.wire.ledger.calls() == []


def test_a_database_that_is_away(program: Program, house: House, slept: list[float]) -> None:
    """503 that is asked for again, without a word of the database's."""
    httpx2.get(f"{program.url}/v1/openapi.json", timeout=30)  # answered once everything has started
    with house.runtime.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE revision RENAME TO elsewhere")
    error = program.refused()
    assert isinstance(error, SERVER_ERRORS)
    assert (len(program.calls), len(slept)) == (1 + RETRIES, RETRIES)
    assert "revision" not in str(error)
    assert house.wire.ledger.calls() == []


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.RATE_LIMIT, 429), (Fault.SERVER_ERROR, 500), (Fault.INVALID, 502)]
)
def test_a_fire_drill(fault: Fault, status: int, program: Program, house: House, slept: list[float]) -> None:
    """It has the status that the fault has, and the SDK behaves as it would: that is what is exercised."""
    house.runtime.drills.start(LOCAL_OPERATOR, house.tenant, fault, share=1.0, minutes=5, reason="To see.")
    error = program.refused()
    assert (error.status_code, len(program.calls), len(slept)) == (status, 1 + RETRIES, RETRIES)
    assert "fire drill" in str(error)
    assert house.wire.ledger.calls() == []


def test_a_model_that_an_operator_took_out(program: Program, house: House, slept: list[float]) -> None:
    """Nobody can be asked until an operator lets them: it is told at once, and not asked for again."""
    house.runtime.overrides.set(LOCAL_OPERATOR, program.model, BreakerState.OPEN, "Its answers are odd.")
    error = program.refused()
    assert (error.status_code, len(program.calls), slept) == (502, 1, [])
    assert "No model of this route could be asked" in str(error)
