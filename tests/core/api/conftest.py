"""A whole Proctor behind its own HTTP, with the fake providers behind it."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
import structlog
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core import runtime as running
from core.api import assembly
from core.api.startup import Startup, serve
from core.clock import SystemClock
from core.principals import LOCAL_OPERATOR, SYSTEM
from core.runtime import Runtime
from core.schemas import Schemas
from core.settings import Settings
from core.store import Store
from core.tables import Tenant
from tests import servers
from tests.core.api.sdk_programs import Program
from tests.wire.server import WireServer

PROVIDER_KEY = "sk-provider-canary-4711"
CITY = {
    "title": "city",
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
}


@dataclass(frozen=True)
class House:
    """One Proctor, one tenant in it, and its key."""

    runtime: Runtime
    app: Starlette
    tenant: Tenant
    key: str
    wire: WireServer

    @property
    def headers(self) -> dict[str, str]:
        """What the tenant's program sends."""
        return {"Authorization": f"Bearer {self.key}"}

    def ask(self, scenario: str = "ok", **more: Any) -> dict[str, Any]:
        """Return a request that meets *scenario* at the provider."""
        return {"schema": CITY, "input": f"Bern has many inhabitants. [[{scenario}]]"} | more


@pytest.fixture(scope="session")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database as every start but the first finds it: the sample schemas are there."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("furnished") / "proctor.db")
    _furnish(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def pg_template(pg_url: str, pg_template: str) -> Iterator[str]:
    """The name of a PostgreSQL database as every start but the first finds it."""
    with servers.database(pg_url, "template_furnished", pg_template) as url:
        _furnish(url)
        yield "template_furnished"


def _furnish(url: str) -> None:
    store = Store(url)
    Schemas(store, SystemClock()).load_samples(SYSTEM)
    store.close()


@pytest.fixture(scope="session", autouse=True)
def _one_document() -> Iterator[None]:
    """Let what describes the API be made once, for the first of these houses: it is the same for each."""
    with pytest.MonkeyPatch.context() as patch:
        made, documents = assembly._document, list[dict[str, Any]]()

        def document(api: FastAPI) -> dict[str, Any]:
            if not documents:
                documents.append(made(api))
            return documents[0]

        patch.setattr(assembly, "_document", document)
        yield


def api_settings(database_url: str, wire: WireServer) -> Settings:
    """Return settings that ask the fake providers: OpenAI first, no local model, no demo, little patience."""
    return Settings(
        openai_api_key=PROVIDER_KEY,
        openai_base_url=wire.openai_url,
        anthropic_api_key=PROVIDER_KEY,
        anthropic_base_url=wire.anthropic_url,
        model_primary="openai/gpt-4o-mini",
        database_url=database_url,
        local_model="off",
        demo=False,
        attempt_timeout_seconds=2,
        relay_seconds=2,
        deadline_seconds=10,
        allowed_hosts=("testserver",),
    )


@contextmanager
def built(settings: Settings, wire: WireServer, standing: tuple[Tenant, str] | None = None) -> Generator[House]:
    """Build a Proctor with one tenant; whoever serves its app starts and closes it.

    One that is *standing* in its database already is that tenant, with its key.
    """
    runtime = running.build(settings, SystemClock())
    runtime.store.migrate()
    if standing is None:
        tenant = runtime.tenants.create(LOCAL_OPERATOR, "Acme")
        standing = tenant, runtime.tenants.create_key(LOCAL_OPERATOR, tenant).secret

    def begin() -> Runtime:
        runtime.start()
        return runtime

    yield House(runtime, serve(Startup(begin), settings), *standing, wire)
    runtime.store.close()


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer) -> Settings:
    """What the house is built from; a test may override this fixture."""
    return api_settings(sqlite_url, wire)


@pytest.fixture
def house(settings: Settings, wire: WireServer) -> Iterator[House]:
    """A Proctor that is built and migrated, with a fresh ledger at the providers."""
    wire.reset()
    with built(settings, wire) as house:
        yield house


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    """The API in this process, without a socket, called as the tenant."""
    with TestClient(house.app, headers=house.headers) as client:
        client.get("/v1/openapi.json")  # answered once everything has started
        yield client


@pytest.fixture
def logged(house: House, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """What Proctor has logged so far, as it would stand on standard error."""
    path, before = tmp_path / "log", structlog.get_config()["logger_factory"]
    with path.open("wb", buffering=0) as file:
        structlog.configure(logger_factory=structlog.BytesLoggerFactory(file))
        try:
            yield path.read_text
        finally:
            structlog.configure(logger_factory=before)  # or the next test would write to a closed file


@pytest.fixture
def url(house: House) -> Iterator[str]:
    """The URL of the API, served on a real socket."""
    with served(house.app) as url:
        yield url


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that SDKs would have slept, which nobody does."""
    sleeps: list[float] = []
    for sdk in (openai, anthropic):
        monkeypatch.setattr(f"{sdk.__name__}._base_client.time.sleep", sleeps.append)
    return sleeps


@pytest.fixture(params=["chat", "responses", "messages"])
def program(request: pytest.FixtureRequest, house: House, url: str) -> Program:
    """A program at each door in turn."""
    return Program(request.param, url, house.key)


@contextmanager
def served(app: Starlette) -> Generator[str]:
    """Serve *app* as uvicorn does, in a thread; yield its URL."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(512)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"


def events(response: httpx2.Response) -> list[tuple[str, dict[str, Any]]]:
    """Return the server-sent events of a whole response: name and document."""
    found: list[tuple[str, dict[str, Any]]] = []
    for block in response.text.split("\n\n"):
        if not block or block.startswith(":"):
            continue
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def eventually(check: Callable[[], bool], seconds: float = 3.0) -> bool:
    """Return whether *check* comes true within *seconds*."""
    waiting = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if check():
            return True
        waiting.wait(0.01)
    return check()
