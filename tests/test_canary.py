"""Canaries: keys and texts that can be recognised, sent through everything, and looked for everywhere.

The fake providers help: their 401 echoes the key, their 400 the prompt.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.cli import main
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter, Window, csv
from core.runtime import Runtime
from core.settings import ROOT, Settings
from core.telemetry import configure_logging
from tests import servers
from tests.console import console
from tests.corridor import DOLLAR
from tests.servers import free_port
from tests.wire.server import WireServer

OPENAI_KEY = "sk-proj-canary0openai0key0abcdefghijklmnop"
ANTHROPIC_KEY = "sk-ant-canary0anthropic0key0abcdefghijk"
PROMPT = "canary-prompt-hummingbird"
ANSWER = "canary-answer-nightingale"
USER = "canary.user@example.com"
MAIL, CARD = "jane.canary@example.org", "4111 1111 1111 1111"
PERSONAL = (MAIL, CARD, CARD.replace(" ", ""))
"""What a rule redacts, on the way in and on the way out: it is nowhere at all."""
SCHEMA = {
    "title": "bird",
    "type": "object",
    "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
    "required": ["name", "size"],
}
PROCTOR = str(Path(sys.executable).with_name("proctor"))
SCENARIOS = (
    "ok",
    "invalid-once",
    "never-valid",
    "broken-json",
    "refused",
    "truncated",
    "unauthorized",
    "bad-request",
    "failed",
    "throttled",
    "html",
    "reset",
    "content-filter",
    "error-in-stream",
    "cut-stream",
)


@dataclass(frozen=True)
class Sung:
    """What was left behind when all canaries had flown through."""

    tenant_key: str
    answers: list[str]
    """Every body that the API gave."""
    metrics: str
    log: str
    url: str
    """Of the database."""
    said: str
    """All that the command line printed, but for the one showing of the key."""

    @property
    def keys(self) -> tuple[str, ...]:
        """What must be nowhere: the keys, and enough of each to be one."""
        whole = (OPENAI_KEY, ANTHROPIC_KEY, self.tenant_key)
        return (*whole, *(key[12:] for key in whole))

    def tables(self) -> dict[str, str]:
        """Return every table's content as text."""
        with opened(self.url) as on, on.store.snapshot() as connection:
            return {
                name: str(connection.exec_driver_sql(f'SELECT * FROM "{name}"').fetchall())  # noqa: S608
                for name in sqlalchemy.inspect(connection).get_table_names()
            }


@contextmanager
def opened(url: str) -> Iterator[Runtime]:
    """Yield a Proctor on a database, which the pages find."""
    with closing(running.build(Settings(database_url=url, demo=False, local_model="off"))) as house:
        running.install(house)
        try:
            yield house
        finally:
            running.install(None)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def sung(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sung]:
    """Send the canaries through a Proctor on either database."""
    folder = tmp_path_factory.mktemp("canary")
    if request.param == "sqlite":
        yield _sung(folder, f"sqlite:///{folder / 'proctor.db'}")
        return
    with servers.database(request.getfixturevalue("pg_url"), "canaries") as url:
        yield _sung(folder, url, is_spoken=False)


def _sung(folder: Path, database_url: str, *, is_spoken: bool = True) -> Sung:
    """Serve Proctor as ``proctor serve`` does, logging all it can, and send every canary through every way there is.

    The command line says the same of either database: it speaks of one. What asks a provider is a process, with all
    that it loads; what only reads is run here.
    """
    log, port = folder / "log", free_port()
    with WireServer() as wire:
        environment = {
            "PATH": os.environ["PATH"],
            "OPENAI_API_KEY": OPENAI_KEY,
            "OPENAI_BASE_URL": wire.openai_url,
            "ANTHROPIC_API_KEY": ANTHROPIC_KEY,
            "ANTHROPIC_BASE_URL": wire.anthropic_url,
            "MODEL_PRIMARY": "openai/gpt-4o-mini",
            "MODEL_FALLBACK": "anthropic/claude-haiku-4-5",
            "MAX_RETRIES": "1",
            "DATABASE_URL": database_url,
            "LOCAL_MODEL": "off",
            "DEMO": "false",
            "LOG_LEVEL": "DEBUG",
            "HOST": "127.0.0.1",
            "PORT": str(port),
        }

        def read(*words: str) -> str:
            said = io.TextIOWrapper(io.BytesIO(), write_through=True)  # the log writes bytes
            with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
                for name, value in environment.items():
                    patch.setenv(name, value)
                main(words)
            configure_logging("ERROR")
            return said.buffer.getvalue().decode()

        def proctor(*words: str) -> str:
            done = subprocess.run(
                [PROCTOR, *words], check=False, env=environment, cwd=ROOT, capture_output=True, text=True
            )
            return done.stdout + done.stderr

        settings = Settings(database_url=environment["DATABASE_URL"], local_model="off", demo=False)
        with closing(running.build(settings)) as house:
            house.store.migrate()
            tenant = house.tenants.create(LOCAL_OPERATOR, "Acme")
            house.budgets.set(LOCAL_OPERATOR, tenant, 5 * DOLLAR)
            house.guardrails.set(LOCAL_OPERATOR, "people", tenant, "personal", "redact")
            key = house.tenants.create_key(LOCAL_OPERATOR, tenant).secret
        said = read("doctor") + read("doctor", "--json") + read("tenant", "list") if is_spoken else ""
        with log.open("wb") as written:
            process = subprocess.Popen([PROCTOR, "serve"], env=environment, cwd=ROOT, stdout=written, stderr=written)
            try:
                answers, metrics = _fly(f"http://127.0.0.1:{port}", key)
                if is_spoken:
                    said += proctor("generate", "support_ticket", f"{PROMPT} [[unauthorized]]", "--tenant", "Acme")
                    said += read("verify", "--json")
            finally:
                process.terminate()
                process.wait(30)
    return Sung(key, answers, metrics, log.read_text(errors="replace"), database_url, said)


def _fly(url: str, key: str) -> tuple[list[str], str]:
    """Send everything; return every body and the metrics."""
    headers = {"Authorization": f"Bearer {key}", "X-Request-ID": "canary-request"}
    with httpx2.Client(base_url=url, timeout=60) as client:
        for _ in range(600):
            try:
                if client.get("/ready").status_code == 200:
                    break
            except httpx2.TransportError:
                pass
            time.sleep(0.1)
        people = [  # first: what follows opens breakers
            client.post("/v1/generate", json=_asked_of_people(way), headers=headers).text for way in (False, True)
        ]
        for _ in range(3):
            _left(client, headers)
        with ThreadPoolExecutor(10) as pool:  # together, for most of their time is waiting
            flights = itertools.product(SCENARIOS, (False, True))
            posts = [pool.submit(client.post, "/v1/generate", json=_asked(*way), headers=headers) for way in flights]
            answers = [post.result().text for post in posts]
        answers.append(
            client.post("/v1/generate", json={"schema": SCHEMA, "input": f"my key: {OPENAI_KEY}"}, headers=headers).text
        )
        answers.append(client.post("/v1/generate", content=b"{" + PROMPT.encode(), headers=headers).text)
        answers.append(client.get("/v1/schemas", headers={"Authorization": f"Bearer {key}x"}).text)
        answers += people
        answers += [client.get(path, headers=headers).text for path in (*_recorded(answers), "/v1/spend", "/v1/models")]
        answers.append(client.get("/ready").text)
        return answers, client.get("/metrics").text


def _recorded(answers: Sequence[str]) -> list[str]:
    """Return where each call that was answered in one piece is read again."""
    told = [json.loads(answer) for answer in answers if answer.startswith("{")]
    return [f"/v1/generations/{one['generation_id']}" for one in told if "generation_id" in one]


def _asked(scenario: str, stream: bool) -> dict[str, Any]:  # noqa: FBT001 a product of two lists
    given = json.dumps({"name": ANSWER, "size": 3})
    text = f"{PROMPT}, streamed: {stream} [[{scenario}]]" + (f" <<{given}>>" if scenario == "ok" else "")
    return {"schema": SCHEMA, "input": text, "user": USER, "stream": stream}


def _asked_of_people(stream: bool) -> dict[str, Any]:  # noqa: FBT001 as above
    """Return a request in which personal data go out, come back, and stand in what is sent beside."""
    given = json.dumps({"name": f"write to {MAIL}", "size": 3})
    text = f"{PROMPT} of {MAIL}, card {CARD} [[ok]] <<{given}>>"
    return {"schema": SCHEMA, "input": text, "user": USER, "metadata": {"of": MAIL, MAIL: "x"}, "stream": stream}


def _left(client: httpx2.Client, headers: dict[str, str]) -> None:
    """Ask for a slow stream, and leave in the middle of it."""
    asked = _asked_of_people(stream=True) | {"input": f"{PROMPT} of {MAIL} [[slow-stream]]"}
    with client.stream("POST", "/v1/generate", json=asked, headers=headers) as answer:
        for _ in zip(answer.iter_raw(), range(2), strict=False):
            pass


def test_personal_data_are_nowhere(sung: Sung) -> None:
    """What a rule redacts stands in no answer, line of the log, metric, row, and in no freed page of the file."""
    assert any("[redacted: " in answer for answer in sung.answers)
    for datum in PERSONAL:
        assert datum not in sung.log + sung.metrics + sung.said
        assert not [answer[:300] for answer in sung.answers if datum in answer]
        assert not [table for table, content in sung.tables().items() if datum in content]
        assert datum.encode() not in _bytes_of(sung.url)


def _bytes_of(url: str) -> bytes:
    """Return what an SQLite's files hold; of another database nothing."""
    path = Path(url.removeprefix("sqlite:///"))
    return b"".join(one.read_bytes() for one in path.parent.glob("proctor.db*")) if path.name == "proctor.db" else b""


def test_files_are_discreet(sung: Sung) -> None:
    """No CSV has a key, a prompt, an answer, a user or what was redacted; an export of a user no key nor that."""
    with opened(sung.url) as on:
        now = on.clock.now()
        window = Window.last(timedelta(days=2), now)
        wanted = CallFilter(starts_at=window.starts_at, ends_at=now)
        frames = [*on.reports.calls_frames(LOCAL_OPERATOR, wanted), on.reports.caught(LOCAL_OPERATOR, window).lines]
        written = b"".join(map(csv, frames)).decode()
        kept = on.user_exports.user(LOCAL_OPERATOR, USER, on.tenants.find(LOCAL_OPERATOR, "Acme"))
        exported = b"".join(on.user_exports.export(LOCAL_OPERATOR, kept).lines).decode()
    assert PROMPT in exported
    assert ANSWER in exported, "what the user may have is given"
    assert not [canary for canary in (*sung.keys, *PERSONAL) if canary in exported]
    assert written.count("\n") > len(SCENARIOS)
    assert not [canary for canary in (*sung.keys, PROMPT, ANSWER, USER, *PERSONAL) if canary in written]


def test_the_canaries_flew(sung: Sung) -> None:
    """Every scenario reached the providers, or the rest of this file would prove nothing."""
    outcomes = {str(json.loads(answer).get("outcome")) for answer in sung.answers if answer.startswith("{")}
    assert {"valid_after_reask", "valid_first_try", "invalid", "refused", "provider_error"} <= outcomes
    assert any(ANSWER in answer for answer in sung.answers)
    assert PROMPT in sung.tables()["payload"]


def test_no_answer_holds_a_key(sung: Sung) -> None:
    """The API never answers with a provider's key or the tenant's own, whatever the provider said."""
    for answer in sung.answers:
        assert not [key for key in sung.keys if key in answer], answer[:300]


def test_no_problem_holds_a_prompt(sung: Sung) -> None:
    """A refusal quotes nothing of what was asked."""
    problems = [answer for answer in sung.answers if '"code"' in answer and '"status"' in answer]
    assert len(problems) > 10
    assert not [problem for problem in problems if PROMPT in problem]


def test_the_log_is_discreet(sung: Sung) -> None:
    """At DEBUG, no line holds a key, a prompt, an answer or a user's id."""
    assert '"event":"generation"' in sung.log
    for canary in (*sung.keys, PROMPT, ANSWER, USER):
        assert canary not in sung.log


def test_metrics_are_discreet(sung: Sung) -> None:
    """No label holds a canary."""
    assert "proctor_generations_total" in sung.metrics
    for canary in (*sung.keys, PROMPT, ANSWER, USER):
        assert canary not in sung.metrics


def test_the_command_line_is_discreet(sung: Sung) -> None:
    """Doctor, generate and verify print no key and nothing of a prompt."""
    if sung.said:
        assert all(word in sung.said for word in ("Every one can be used", "Acme", '"sentence": ""'))
    for canary in (*sung.keys, PROMPT):
        assert canary not in sung.said


def test_no_row_holds_a_key(sung: Sung) -> None:
    """No table has a key, nor has the file between its rows; prompts and answers stand in their own table alone."""
    for table, content in sung.tables().items():
        assert not [key for key in sung.keys if key in content], table
        if table != "payload":
            assert not [canary for canary in (PROMPT, ANSWER, USER) if canary in content], table
    assert not [key for key in sung.keys if key.encode() in _bytes_of(sung.url)]


@pytest.mark.usefixtures("components_known")
@pytest.mark.parametrize("sung", ["sqlite"], indirect=True)
def test_no_page_holds_a_key(sung: Sung) -> None:
    """No page of the console shows a key, nor does any call's."""
    with opened(sung.url) as on:
        wanted = CallFilter(starts_at=on.clock.now() - timedelta(days=2), ends_at=on.clock.now())
        calls: list[str] = sorted(on.reports.calls(LOCAL_OPERATOR, wanted).calls["id"])
        pages: list[str] = []
        for name, parameters in [
            *((path.parent.name, {}) for path in sorted(ROOT.glob("pages/*/page.py")) if path.parent.name != "kit"),
            *(("calls", {"call": call}) for call in calls[::4]),
        ]:
            page = _opened(name, parameters)
            shown = "".join(str(node.proto) for part in (page.main, page.sidebar) for node in part if node.proto)
            pages.append(shown)
            assert not page.exception
            assert not [canary for canary in (*sung.keys, *PERSONAL) if canary in shown], (name, parameters)
        assert any("answered 401" in shown for shown in pages), "what a page shows is seen here"


def _opened(name: str, parameters: dict[str, str]) -> AppTest:
    return console(name, **parameters).run()
