"""``/health``, ``/ready`` and ``/metrics``: for whoever runs the deployment, without a key."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from core.api.reachability import EVERY_SECONDS, HOLDS_SECONDS, Reachability
from core.api.startup import Startup, serve
from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from core.telemetry import configure_logging
from tests.core.api.conftest import House, api_settings, built, eventually, served
from tests.servers import Valkey, mortal_valkey
from tests.wire.server import WireServer


def parts(client: TestClient, status: int) -> dict[str, Any]:
    """Ask whether it is ready, and return the parts."""
    response = client.get("/ready")
    assert response.status_code == status, response.text
    assert response.headers["cache-control"] == "no-store"
    return response.json()["parts"]


def test_health(client: TestClient) -> None:
    """A process that is alive says so, to everybody."""
    response = client.get("/health", headers={"Authorization": ""})
    assert (response.status_code, response.json()["status"]) == (200, "ok")


def test_ready(client: TestClient) -> None:
    """All is well: each part says so; the providers are looked at behind the answer."""
    first = parts(client, 200)
    assert (first["store"], first["migrations"]) == ({"status": "ok"}, {"status": "ok"})
    assert first["limits"] == {"status": "ok", "shared": False}
    assert first["redis"] == {"status": "not_set", "down_since": None}
    assert set(first["providers"]) == {"openai", "anthropic"}
    assert eventually(lambda: all(one["status"] == "reachable" for one in parts(client, 200)["providers"].values()))


def test_a_chore_that_fails_is_told(client: TestClient, house: House) -> None:
    """What is done in the background says how it stands, why it failed and what that means; it serves all the same."""
    chores = house.runtime.chores
    assert parts(client, 200)["chores"].keys() == {one.chore.name for one in chores.status()}
    chores.do("retention")
    fine = parts(client, 200)["chores"]["retention"]
    assert (fine["status"], fine["failures"], fine["trouble"]) == ("ok", 0, None)
    assert 0 <= fine["duration_seconds"] < 60
    assert fine["last_success_at"].endswith("Z")
    with house.runtime.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE payload RENAME TO elsewhere")
        connection.exec_driver_sql("DELETE FROM claim WHERE kind = 'chore'")
    chores.do("retention")
    told = parts(client, 200)["chores"]["retention"]
    assert (told["status"], told["failures"], told["last_success_at"]) == ("failing", 1, fine["last_success_at"])
    assert told["duration_seconds"] != fine["duration_seconds"]
    assert told["trouble"].startswith("It failed once: ")
    assert told["trouble"].endswith("Prompts and answers past their time are still stored.")


def test_behind(client: TestClient, house: House) -> None:
    """A database of another shape than this release needs is not ready."""
    with house.runtime.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    found = parts(client, 503)
    assert (found["store"]["status"], found["migrations"]["status"]) == ("ok", "behind")


def test_another_shape_is_logged_once(client: TestClient, house: House) -> None:
    """The log says once that the tables have become another release's, and once that they are ours again."""
    ours = house.runtime.store.revision()
    with capture_logs() as lines:
        for revision, status in (("9999", 503), (ours, 200)):
            with house.runtime.store.engine.begin() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": revision})
            for _ in range(3):
                parts(client, status)
    told = [line for line in lines if line["event"].startswith("database_")]
    assert [(line["event"], line.get("reason")) for line in told] == [
        ("database_fault", "newer"),
        ("database_recovered", None),
    ]
    assert told[0]["detail"].startswith("The database is newer than this release.")


def test_who_came_before_the_start_is_counted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is told to come back, as too many wait for the start, counts once there are metrics."""
    monkeypatch.setattr("core.api.startup.MOST_WAITING", 0)
    may_begin = threading.Event()

    def begin() -> Runtime:
        may_begin.wait(10)
        house.runtime.start()
        return house.runtime

    with served(serve(Startup(begin), house.runtime.settings)) as url:
        for _ in range(3):
            refused = httpx2.get(f"{url}/v1/schemas", headers=house.headers)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        may_begin.set()
        assert eventually(lambda: 'proctor_requests_shed_total{tenant=""} 3.0' in httpx2.get(f"{url}/metrics").text, 10)


def test_database_down(pg_database_url: str, pg_url: str, wire: WireServer) -> None:
    """A database that no longer answers makes it not ready, within seconds; health stays; and it heals."""
    name = pg_database_url.partition("?")[0].rpartition("/")[2]
    lock = (
        f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false',
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608 our own name
    )
    with (
        built(api_settings(pg_database_url, wire), wire) as house,
        TestClient(house.app) as client,
        psycopg.connect(pg_url.replace("+psycopg", ""), autocommit=True) as admin,
    ):
        assert eventually(lambda: client.get("/ready").status_code == 200)
        for statement in lock:
            admin.execute(statement)
        try:
            assert parts(client, 503)["store"]["status"] == "down"
            assert client.get("/health").status_code == 200
            response = client.get("/v1/schemas", headers=house.headers)
            assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert parts(client, 200)["store"]["status"] == "ok"


class TestLimitsDown:
    """With a Redis that is not there."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Share the limits through a socket that nobody listens on."""
        return settings.model_copy(update={"redis_url": "unix:///nowhere/redis"})

    def test_limits_down(self, client: TestClient, house: House) -> None:
        """Limits fail open: it is said, and it stays ready; generations go on."""
        assert parts(client, 200)["limits"] == {"status": "down", "shared": True}
        assert client.post("/v1/generate", json=house.ask()).status_code == 200


class TestRedisStops:
    """With a Redis that stops in mid-run and is started again at the same place."""

    @pytest.fixture
    def valkey(self) -> Iterator[Valkey]:
        """A Redis to stop."""
        with mortal_valkey() as server:
            yield server

    @pytest.fixture
    def settings(self, settings: Settings, valkey: Valkey) -> Settings:
        """Share the limits through it."""
        return settings.model_copy(update={"redis_url": valkey.url, "rate_limit_per_min": 3})

    def test_redis_stops(self, client: TestClient, house: House, valkey: Valkey) -> None:
        """Traffic goes on under the process's own counts, the loss is shown and counted; then all is as it was."""
        statuses = [client.post("/v1/generate", json=house.ask()).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert parts(client, 200)["redis"] == {"status": "ok", "down_since": None}

        valkey.stop()
        statuses = [client.post("/v1/generate", json=house.ask()).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        down = parts(client, 200)
        assert (down["limits"]["status"], down["redis"]["status"]) == ("down", "down")
        assert down["redis"]["down_since"].endswith("Z")
        metrics = client.get("/metrics").text
        assert "proctor_shared_up 0.0" in metrics
        assert 'proctor_failed_open_total{room="limit"} 4.0' in metrics

        valkey.start()
        assert eventually(lambda: parts(client, 200)["redis"] == {"status": "ok", "down_since": None})
        assert "proctor_shared_up 1.0" in client.get("/metrics").text
        assert client.post("/v1/generate", json=house.ask()).status_code == 200
        assert house.runtime.shared.is_up


class TestTooFast:
    """With narrow limits."""

    @pytest.mark.parametrize(
        ("limits", "facts"),
        [
            ({"rate_limit_per_min": 1}, {"limit": "requests", "limit_per_min": 1}),
            ({"tokens_per_min": 60}, {"limit": "tokens", "limit_per_min": 60}),
        ],
    )
    def test_too_fast(self, client: TestClient, house: House, limits: dict[str, int], facts: dict[str, Any]) -> None:
        """A refusal is a 429 that names the limit, with whole seconds to wait, rounded up."""
        house.runtime.tenants.edit(LOCAL_OPERATOR, house.tenant.id, 1, **limits)
        assert client.post("/v1/generate", json=house.ask()).status_code == 200
        refusal = client.post("/v1/generate", json=house.ask())

        assert refusal.status_code == 429, refusal.text
        told = refusal.json()
        assert told["code"] == "rate_limited"
        assert facts.items() <= told.items()
        assert told["scope"] == "tenant"
        assert refusal.headers["retry-after"] == str(math.ceil(told["retry_after_seconds"]))

    def test_too_many_at_once(self, client: TestClient, house: House) -> None:
        """A key with one place in flight; who comes meanwhile is told to come back soon."""
        key = house.runtime.tenants.keys(LOCAL_OPERATOR, house.tenant)[0]
        house.runtime.tenants.edit_key(LOCAL_OPERATOR, key.id, concurrent_limit=1)
        policies = house.runtime.policies
        quotas = policies.snapshot(house.tenant.id).quotas(policies.authenticate(house.key))
        with house.runtime.limits.admitted(quotas, 1, 60):
            refusal = client.post("/v1/generate", json=house.ask())
        assert (refusal.status_code, refusal.headers["retry-after"]) == (429, "1")
        facts = {"limit": "concurrency", "scope": "key", "limit_concurrent": 1}
        assert facts.items() <= refusal.json().items()
        assert client.post("/v1/generate", json=house.ask()).status_code == 200

    def test_too_much_for_ever(self, client: TestClient, house: House) -> None:
        """What its limit never has room for is told no time: waiting would not help."""
        house.runtime.tenants.edit(LOCAL_OPERATOR, house.tenant.id, 1, tokens_per_min=1)
        refusal = client.post("/v1/generate", json=house.ask())
        assert refusal.status_code == 429
        assert "retry-after" not in refusal.headers
        assert refusal.json()["retry_after_seconds"] is None


class TestProvidersDown:
    """With a provider that is not there."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Ask OpenAI where nobody listens."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            return settings.model_copy(update={"openai_base_url": f"http://127.0.0.1:{closed.getsockname()[1]}/v1"})

    def test_providers_down(self, client: TestClient) -> None:
        """A provider that cannot be reached is named; it does not make the deployment not ready."""
        expected = {"openai": "unreachable", "anthropic": "reachable"}
        assert eventually(
            lambda: {name: one["status"] for name, one in parts(client, 200)["providers"].items()} == expected
        )


@pytest.fixture
def door() -> Iterator[tuple[str, list[int]]]:
    """A server that only counts who knocks."""
    knocks: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def count() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                knocks.append(1)
                connection.close()

        threading.Thread(target=count, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", knocks
        server.shutdown(socket.SHUT_RDWR)


def test_probed_twice_a_minute(door: tuple[str, list[int]], clock: ManualClock) -> None:
    """However many ask, a provider is knocked at twice a minute, and an answer never waits for it."""
    url, knocks = door
    settings = Settings(compatible_base_url=url)

    async def ask() -> None:
        """Ask often, a minute apart at the end."""
        reachability = Reachability(settings, clock)
        assert reachability.now()["compatible"].status == "unknown"
        for _ in range(20):
            await reachability.wait()
            assert reachability.now()["compatible"].status == "reachable"
        clock.advance(HOLDS_SECONDS + 1)
        old = reachability.now()["compatible"]
        assert (old.status, old.checked_at is not None) == ("unknown", True), "what is older than a minute is not known"
        await reachability.wait()
        clock.advance(EVERY_SECONDS)
        reachability.now()
        await reachability.wait()

    asyncio.run(ask())
    assert eventually(lambda: len(knocks) == 3)
    assert not eventually(lambda: len(knocks) > 3, 0.2)


def test_metrics(client: TestClient, house: House) -> None:
    """Prometheus reads what the corridor counted."""
    client.post("/v1/generate", json=house.ask("invalid-once"))
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'proctor_generations_total{outcome="valid_after_reask",route="default",tenant="Acme"} 1.0' in response.text


def test_metrics_with_a_token(settings: Settings, wire: WireServer) -> None:
    """Where there is a token, whoever does not bring it is told which setting has it, and reads nothing."""
    asked = settings.model_copy(update={"metrics_token": SecretStr("let-me-read")})
    with built(asked, wire) as house, TestClient(house.app) as client:
        assert eventually(lambda: client.get("/ready").status_code == 200)
        for sent in ("", "Bearer", "Bearer let-me-rea", "Basic let-me-read", "let-me-read"):
            refused = client.get("/metrics", headers={"Authorization": sent})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert "METRICS_TOKEN" in refused.json()["detail"]
            assert "proctor_" not in refused.text
        for scheme in ("Bearer", "bearer"):
            read = client.get("/metrics", headers={"Authorization": f"{scheme} let-me-read"})
            assert (read.status_code, "proctor_generations" in read.text) == (200, True)
        assert client.get("/health").status_code == 200


def test_a_console_that_is_open_to_a_network_is_told(settings: Settings, wire: WireServer) -> None:
    """The log says so once, as the server starts."""
    with built(settings.model_copy(update={"without_sign_in": "network"}), wire) as house:
        configure_logging("WARNING")
        with capture_logs() as log, TestClient(house.app) as client:
            assert eventually(lambda: client.get("/ready").status_code == 200)
        assert [line["event"] for line in log].count("console_open") == 1


def test_starting(house: House) -> None:
    """While the rest is still loading, health answers, ready says that it starts, and a request waits for its turn."""
    may_begin = threading.Event()

    def begin() -> Runtime:
        may_begin.wait(10)
        house.runtime.start()
        return house.runtime

    with served(serve(Startup(begin), house.runtime.settings)) as url:
        assert httpx2.get(f"{url}/health").status_code == 200
        ready = httpx2.get(f"{url}/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "starting")
        assert httpx2.get(f"{url}/metrics").status_code == 503
        answers: list[httpx2.Response] = []

        def ask() -> None:
            answers.append(httpx2.get(f"{url}/v1/schemas", headers=house.headers, timeout=10))

        asking = threading.Thread(target=ask)
        asking.start()
        may_begin.set()
        asking.join()
        assert answers[0].status_code == 200
        assert httpx2.get(f"{url}/ready").status_code == 200
