"""The whole, as ``proctor serve`` starts it: console and API in one process, from its first moment to its last."""

from __future__ import annotations

import ast
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest
from streamlit.web.server.app_discovery import discover_asgi_app

from core import runtime as running
from core.principals import LOCAL_OPERATOR
from core.settings import ROOT, Settings
from tests import servers
from tests.wire.server import WireServer

START_SECONDS = 120.0
AT_ONCE = 90
CITY = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
SERVE = [str(Path(sys.executable).with_name("proctor")), "serve"]


@dataclass(frozen=True)
class Served:
    """A running process."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str, **more: str) -> httpx2.Response:
        """Ask for *path*."""
        return httpx2.get(self.url + path, timeout=30, headers=more)


@dataclass(frozen=True)
class World:
    """A database with a tenant, the tenant's key, and what a process needs to serve it."""

    key: str
    environment: Mapping[str, str]
    wire: WireServer
    settings: Settings

    @property
    def headers(self) -> dict[str, str]:
        """What the tenant's program sends."""
        return {"Authorization": f"Bearer {self.key}"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Proctor of its own beside a fake OpenAI."""
    url = f"sqlite:///{tmp_path_factory.mktemp('app') / 'proctor.db'}"
    with WireServer() as wire:
        settings = Settings(
            openai_base_url=wire.openai_url,
            openai_api_key="sk-app-canary-0815",
            model_primary="openai/gpt-4o-mini",
            database_url=url,
            local_model="off",
            demo=False,
        )
        runtime = running.build(settings)
        runtime.store.migrate()
        tenant = runtime.tenants.create(LOCAL_OPERATOR, "Acme")
        key = runtime.tenants.create_key(LOCAL_OPERATOR, tenant).secret
        runtime.store.close()
        environment = {
            "OPENAI_BASE_URL": wire.openai_url,
            "OPENAI_API_KEY": "sk-app-canary-0815",
            "MODEL_PRIMARY": "openai/gpt-4o-mini",
            "DATABASE_URL": url,
            "LOCAL_MODEL": "off",
            "DEMO": "false",
            "HOST": "127.0.0.1",
        }
        yield World(key, environment, wire, settings)


@contextmanager
def serving(world: World, log: Path, command: list[str] = SERVE) -> Generator[Served]:
    """Run *command* until it answers, and end it."""
    port = servers.free_port()
    command = [word.replace("{port}", str(port)) for word in command]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **world.environment, "PORT": str(port), "DRAIN_SECONDS": "3"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    served = Served(f"http://127.0.0.1:{port}", process, log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(served):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"It did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)
        yield served
    finally:
        process.kill()
        process.wait()


def _answers(served: Served) -> bool:
    try:
        return served.get("/health").status_code == 200
    except httpx2.TransportError:
        return False


OPENING = {
    "FORWARDED_ALLOW_IPS": "*",
    "STREAMLIT_CLIENT_ALLOWED_ORIGINS": "*",
    "STREAMLIT_SERVER_ALLOWED_HOSTS": "*",
    "STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS": "*",
    "STREAMLIT_SERVER_ENABLE_AGENT_API": "true",
    "STREAMLIT_SERVER_ENABLE_CORS": "false",
    "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false",
    "STREAMLIT_SERVER_SCRIPT_HEALTH_CHECK_ENABLED": "true",
    "STREAMLIT_SERVER_UNSAFE_METRICS_USER_ATTRIBUTES": "email",
}
"""An environment that opens all that the frameworks can open."""


@pytest.fixture(scope="module")
def served(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The app, in an environment that would open it wide."""
    opened = replace(world, environment={**world.environment, **OPENING, "WRONG_KEYS_PER_MIN": "5"})
    with serving(opened, tmp_path_factory.mktemp("served") / "log") as served:
        yield served


def test_found_by_streamlit() -> None:
    """Streamlit finds the application in the source, and nothing else that it could take for one."""
    found = discover_asgi_app(ROOT / "app.py")
    assert (found.is_asgi_app, found.import_string) == (True, "app:app")
    tree = ast.parse((ROOT / "app.py").read_text())
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert calls.count("st.App") == 1
    assert not {"FastAPI", "Starlette", "create_api"} & set(calls)


def test_everything_is_served(served: Served, world: World) -> None:
    """Console, API and operations answer from one process, each in its own way."""
    assert served.get("/health").json()["status"] == "ok"
    assert served.get("/v1/openapi.json").json()["servers"] == [{"url": "/v1"}]
    assert served.get("/ready").json()["status"] == "ready"
    assert "proctor_generations_in_flight" in served.get("/metrics").text
    console = served.get("/")
    assert (console.status_code, console.headers["content-type"].partition(";")[0]) == (200, "text/html")
    assert console.headers["x-request-id"]
    response = served.get("/v1/schemas", **world.headers)
    assert {"invoice", "support_ticket"} <= {schema["name"] for schema in response.json()["schemas"]}
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v1/generations"])
def test_unknown_under_v1(path: str, served: Served) -> None:
    """Below /v1 nothing is ever the console's page."""
    response = served.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/.env", "/.git/config", "/.well-known/security.txt"])
def test_what_scanners_try_is_not_there(path: str, served: Served) -> None:
    """What many servers have and this one does not is not answered with the console's page."""
    response = served.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_stcore/agent/interact"),
        ("POST", "/_stcore/agent/mcp"),
        ("GET", "/_stcore/agent/openapi.json"),
        ("GET", "/_stcore/metrics"),
        ("GET", "/_stcore/script-health-check"),
        ("GET", "/auth/login"),
    ],
)
def test_the_environment_opens_nothing(method: str, path: str, served: Served) -> None:
    """What drives pages, tells of sessions or signs in is not there, whatever the framework's own options say."""
    ours = {"Origin": served.url}
    response = httpx2.request(method, served.url + path, headers=ours, json={} if method == "POST" else None)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("http://127.0.0.1:{port}", "127.0.0.1:{port}", 101),
        ("http://localhost:{port}", "localhost:{port}", 101),
        ("http://127.0.0.1:3000", "127.0.0.1:{port}", 403),
        ("http://localhost:3000", "localhost:{port}", 403),
        ("https://evil.example", "127.0.0.1:{port}", 403),
        ("http://evil.example:{port}", "evil.example:{port}", 421),
        ("null", "127.0.0.1:{port}", 403),
        (None, "127.0.0.1:{port}", 403),
    ],
)
def test_who_may_open_a_socket(origin: str | None, host: str, status: int, served: Served) -> None:
    """A socket is for the console's own pages; any other page is turned away before there is a session."""
    port = served.url.rpartition(":")[2]
    lines = ["GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    lines += [] if origin is None else [f"Origin: {origin}"]
    with socket.create_connection(("127.0.0.1", int(port)), 30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).replace("{port}", port).encode())
        assert connection.recv(4096).split(b" ", 2)[1] == str(status).encode()


def test_nobody_is_believed_who_is_not_named(served: Served) -> None:
    """Wrong keys count for the address of the socket, whatever its requests say that the server would believe."""
    found = [
        served.get("/v1/schemas", Authorization="Bearer prk_no", **{"X-Forwarded-For": f"203.0.113.{number}"})
        for number in range(7)
    ]
    assert [response.status_code for response in found] == [401] * 5 + [429] * 2


def test_generate(served: Served, world: World) -> None:
    """A program with a key gets its object, and reads it again."""
    body = {"schema": CITY, "input": "Bern."}
    answer = httpx2.post(f"{served.url}/v1/generate", json=body, headers=world.headers, timeout=30)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "valid_first_try")
    again = served.get(f"/v1/generations/{answer.json()['id']}", **world.headers)
    assert again.json() == answer.json()


def test_events_come_as_they_are_made(served: Served, world: World) -> None:
    """Nothing between the API and its caller holds events back, not even for a caller who takes them compressed."""
    body = {"schema": "support_ticket", "input": "My seat is charged twice. [[stall]]", "stream": True}
    with httpx2.stream(
        "POST", f"{served.url}/v1/generate", json=body, headers=world.headers | {"Accept-Encoding": "gzip"}, timeout=60
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()  # kept: one that nobody holds any more hangs up
        assert next(line for line in lines if line.startswith("event: ")) == "event: partial"
        assert world.wire.ledger.open_count == 1, "it came when the provider had ended"
    assert world.wire.wait_idle(60)


def test_stopping(world: World, tmp_path: Path) -> None:
    """Told to stop, it ends what is still out after a moment, tells the caller, records it, and leaves in order."""
    with serving(world, tmp_path / "log") as served:
        served.get("/v1/openapi.json")
        answers: list[httpx2.Response] = []
        body = {"schema": CITY, "input": "Bern. [[hang]]"}

        def ask() -> None:
            answers.append(httpx2.post(f"{served.url}/v1/generate", json=body, headers=world.headers, timeout=60))

        before = len(world.wire.ledger.calls())
        asking = threading.Thread(target=ask)
        asking.start()
        while len(world.wire.ledger.calls()) == before:
            time.sleep(0.02)
        served.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = served.process.wait(30)
        seconds = time.monotonic() - began
        asking.join()
        log = served.log.read_text()
    [answer] = answers
    assert (answer.status_code, answer.json()["code"], answer.json()["outcome"]) == (503, "unavailable", "cancelled")
    assert world.wire.wait_idle()
    assert code in (0, -signal.SIGTERM)
    assert seconds < 25, "it ends by itself"
    assert "Traceback" not in log
    for secret in (world.key, "sk-app-canary-0815"):
        assert secret not in log
    runtime = running.build(world.settings)
    recorded = runtime.reports.call(LOCAL_OPERATOR, answer.json()["generation_id"])
    runtime.store.close()
    assert (recorded.outcome, recorded.error_code) == ("cancelled", "stopped")
    assert recorded.error_detail == "The server was stopped before the answer came."
    assert [attempt.error_detail for attempt in recorded.attempts] == ["The server was stopped."]


def test_stopping_at_once(world: World, tmp_path: Path) -> None:
    """Told to stop while it still starts, with many who have just connected, it hangs up on none of them."""
    body = json.dumps({"schema": CITY, "input": "Bern."}).encode()
    head = f"POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {world.key}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with serving(world, tmp_path / "log") as served, ExitStack() as connections:
        port = int(served.url.rpartition(":")[2])
        callers = [connections.enter_context(socket.create_connection(("127.0.0.1", port), 30)) for _ in range(AT_ONCE)]
        for caller in callers:
            caller.sendall(request)
        served.process.send_signal(signal.SIGTERM)
        answers = [caller.recv(65536) for caller in callers]
        assert served.process.wait(30) in (0, -signal.SIGTERM)
    assert {answer.split(b" ", 2)[1] for answer in answers} <= {b"200", b"503"}
    assert len(answers) == AT_ONCE


@pytest.mark.parametrize(
    ("command", "setting", "is_made"),
    [(SERVE, {}, False), ([*SERVE, "--demo"], {}, True), ([*SERVE, "--demo"], {"DEMO": "false"}, False)],
    ids=["not asked", "asked", "asked, and refused by the setting"],
)
def test_a_first_start_makes_a_demo_world_only_where_it_is_asked_to(
    command: list[str], setting: dict[str, str], world: World, tmp_path: Path, *, is_made: bool
) -> None:
    """On an empty database ``proctor serve`` makes no tenant of its own; with ``--demo`` it begins the demo world."""
    url = f"sqlite:///{tmp_path / 'proctor.db'}"
    environment = {name: value for name, value in world.environment.items() if name != "DEMO"}
    fresh = replace(world, environment={**environment, "DATABASE_URL": url, **setting})
    with serving(fresh, tmp_path / "log", command) as served:
        deadline = time.monotonic() + START_SECONDS
        while served.get("/ready").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        runtime = running.build(Settings(database_url=url, local_model="off"))
        try:
            deadline = time.monotonic() + (START_SECONDS if is_made else 3.0)
            while not (is_there := runtime.demo.exists()) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert is_there is is_made
            assert is_made or runtime.tenants.list(LOCAL_OPERATOR) == []
        finally:
            runtime.close()


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"MAX_RETRIES": "99"}, "MAX_RETRIES is not usable"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL is not usable"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}, "The database does not answer"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "app.py",
            "--server.port",
            "{port}",
            "--server.address",
            "127.0.0.1",
        ],
        [sys.executable, "-m", "uvicorn", "core.api:app", "--port", "{port}", "--log-level", "critical"],
    ],
    ids=["console", "api"],
)
def test_a_start_that_cannot_be(command: list[str], setting: dict[str, str], says: str, world: World) -> None:
    """A bad setting, or a database that does not answer, ends the start; the last line says why in a sentence."""
    port = str(servers.free_port())
    done = subprocess.run(
        [word.replace("{port}", port) for word in command],
        cwd=ROOT,
        env={**os.environ, **world.environment, **setting},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith(says)  # the log may have told of it before
    assert all(line.startswith('{"') for line in done.stderr.splitlines()[:-1])


def test_the_api_alone(world: World, tmp_path: Path) -> None:
    """Without the console the API runs in several processes, with its operations, and nothing else is served."""
    command = [sys.executable, "-m", "uvicorn", "core.api:app", "--workers", "2", "--port", "{port}"]
    with serving(world, tmp_path / "log", command) as served:
        body = {"schema": CITY, "input": "Bern."}
        for _ in range(4):
            answer = httpx2.post(f"{served.url}/v1/generate", json=body, headers=world.headers, timeout=60)
            assert (answer.status_code, answer.json()["outcome"]) == (200, "valid_first_try")
        assert served.get("/").status_code == 404
        assert served.get("/metrics").status_code == 200
        served.process.terminate()
        assert served.process.wait(30) in (0, -signal.SIGTERM)
        assert "Traceback" not in served.log.read_text()
