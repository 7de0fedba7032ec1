"""Runs what the documentation shows: the commands of a page, in order, against a Proctor of its own.

Fenced blocks of ``sh`` and ``python`` are run, those of ``console`` are run and compared with what they show, and those
of ``json`` are compared with what the command above them answered. A comment above a block says otherwise:
``<!-- not run: why -->``, or ``<!-- stays running -->`` for a server, which is ended with its page.

The commands see a folder that looks like a checkout: ``.venv/bin``, ``data/proctor.db``. Port 8501 stands for the
page's own server, with the fake providers behind it. ``proctor`` is the real command line in a process of its own, but
one that is forked from a process that has imported everything: starting Python forty times would cost minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.settings import ROOT
from tests.servers import free_port

README = ROOT / "README.md"
GUIDES = [README, *(ROOT / "docs" / f"{name}.md" for name in ("operate", "administer", "build", "api", "run"))]
PRIVACY = ROOT / "docs" / "privacy.md"
PAGES = [*GUIDES, PRIVACY, ROOT / "docs" / "incidents.md", ROOT / "CHANGELOG.md"]
OPERATE, ADMINISTER, BUILD, API, RUNNING = (path.read_text(encoding="utf-8") for path in GUIDES[1:])
ALL = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
START_SECONDS = 60.0
PAGE_SECONDS = 120.0
RUN = ("sh", "console", "python")
SHOWN_PORTS = (8501, 8502)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--\s*((?:(?!-->).)*?)\s*-->\s*\Z", re.DOTALL)
_NOT_RUN = re.compile(r"not run: \S+")
_STAYS = "stays running"
_WARM = """
import json, os, signal, socket, sys, threading
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads do not survive a fork
import gc, alembic.command, alembic.config, genai_prices, uvicorn
import core.api.assembly, core.cli, core.demo, core.reports, core.runtime
import core.providers.anthropic, core.providers.local
gc.collect()
gc.freeze()  # a collection in a child would copy every page
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with socket.socket(socket.AF_UNIX) as door:
    door.bind(sys.argv[1])
    door.listen()
    while True:
        caller, _ = door.accept()
        if os.fork():
            caller.close()
            continue
        text, files, _, _ = socket.recv_fds(caller, 1 << 20, 3)
        for number, file in enumerate(files):
            os.dup2(file, number)
        program, folder, variables = json.loads(text)
        threading.Thread(target=lambda: caller.recv(1) or os.kill(os.getpid(), signal.SIGTERM), daemon=True).start()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        sys.argv = program
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            code = (core.cli if program[0] == "proctor" else uvicorn).main()
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        caller.sendall(str(code or 0).encode())
        os._exit(0)  # the thread above only waits for a caller that was killed
"""
_CALL = """#!{python} -SEs
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as door:
    door.connect({door!r})
    asked = json.dumps([[{program!r}, *sys.argv[1:]], os.getcwd(), dict(os.environ)])
    socket.send_fds(door, [asked.encode()], [0, 1, 2])
    sys.exit(int(door.recv(8) or b"70"))
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    comment: str
    """The HTML comment right above it."""

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Whether the page's commands hold it."""
        return self.language in RUN and not _NOT_RUN.match(self.comment)

    @property
    def commands(self) -> list[tuple[str, str | None]]:
        """Its commands, each with what it is to print; ``None`` where the block does not show that."""
        match self.language:
            case "sh":
                return [(self.text, None)]
            case "python":
                return [(f".venv/bin/python - <<'PYTHON'\n{self.text}PYTHON", None)]
            case _:
                parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
                return [_told(part) for part in parts]


def _told(part: str) -> tuple[str, str]:
    """Split what follows a prompt into the command, with its continued lines, and the output."""
    lines = part.splitlines()
    end = next(number for number, line in enumerate(lines) if not line.endswith("\\")) + 1
    return "\n".join(lines[:end]), "\n".join(lines[end:])


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = path.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in _FENCE.finditer(text):
        comment = _COMMENT.search(text[: match.start()])
        line = text.count("\n", 0, match.start()) + 1
        page = str(path.relative_to(ROOT))
        found.append(Block(page, line, match[1], match[2], comment[1] if comment else ""))
    return found


@dataclass(frozen=True, slots=True)
class Ran:
    """One command of a page, and what came of it."""

    place: str
    command: str
    expected: str | None
    output: str
    code: int


@dataclass(slots=True)
class Deployment:
    """A folder that looks like a checkout, and the servers of one page in it."""

    folder: Path
    environment: dict[str, str]
    ports: dict[int, int] = field(default_factory=lambda: {shown: free_port() for shown in SHOWN_PORTS})
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    @property
    def log(self) -> Path:
        """What the page's own server wrote."""
        return self.folder / "log"

    def serve(self) -> None:
        """Start the API on the port that stands for 8501."""
        port = SHOWN_PORTS[0]
        self.start(f".venv/bin/uvicorn core.api:app --port {port} --no-access-log --log-level warning", self.log)

    def start(self, command: str, log: Path) -> None:
        """Start a server that the page's end ends, and wait until it is ready.

        Raises:
            RuntimeError: it does not become ready.

        """
        shown = next(port for port in SHOWN_PORTS if str(port) in command)
        with log.open("wb") as output:
            server = subprocess.Popen(
                ["bash", "-c", self.here(command)],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.servers.append(server)
        deadline = time.monotonic() + START_SECONDS
        while not _is_ready(self.ports[shown]):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} did not come up:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the page's servers."""
        for server in self.servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()

    def here(self, text: str) -> str:
        """Return a page's text with its ports as they are here."""
        for shown, port in self.ports.items():
            text = text.replace(f"localhost:{shown}", f"127.0.0.1:{port}").replace(str(shown), str(port))
        return text

    def play(self, page: list[Block]) -> list[Ran]:
        """Run the commands of a page in one shell, in order, and return what came of each."""
        asked: list[tuple[Block, str, str | None]] = []
        for block in page:
            if not block.is_run:
                continue
            if block.comment == _STAYS:
                self.start(block.text, self.folder / f"log-{block.line}")
                continue
            asked += [(block, self.here(command), expected) for command, expected in block.commands]
        mark = "@@@"
        script = "".join(
            f"printf '{mark}begin\\n'\n{{ {command}\n}} 2>&1\nprintf '\\n{mark}end %d\\n' $?\n"
            for _, command, _ in asked
        )
        shell = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PAGE_SECONDS,
            check=False,
        )
        found = re.findall(rf"^{mark}begin\n(.*?)\n?^{mark}end (\d+)$", shell.stdout, re.DOTALL | re.MULTILINE)
        if len(found) != len(asked):
            raise RuntimeError(f"The page's commands ended early: {shell.stdout[-2000:]}{shell.stderr[-2000:]}")
        return [
            Ran(block.place, command, None if expected is None else self.here(expected), output, int(code))
            for (block, command, expected), (output, code) in zip(asked, found, strict=True)
        ]


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.HTTPError):
        return False


@contextlib.contextmanager
def warm(folder: Path) -> Iterator[Path]:
    """Keep a process that has imported Proctor; yield the folder of the programs that it runs."""
    door, bin_ = folder / "door", folder / "bin"
    bin_.mkdir()
    process = subprocess.Popen([sys.executable, "-c", _WARM, str(door)], cwd=ROOT, env=_environment())
    for program in ("proctor", "uvicorn"):
        path = bin_ / program
        path.write_text(_CALL.format(python=Path(sys.executable).resolve(), door=str(door), program=program))
        path.chmod(0o755)
    python = bin_ / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    deadline = time.monotonic() + START_SECONDS
    while not door.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("The process that runs the commands did not start.")
        time.sleep(0.02)
    try:
        yield bin_
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def deployment(folder: Path, programs: Path, **settings: str) -> Iterator[Deployment]:
    """Make the folder that the commands of one page see, and end what they started."""
    (folder / "data").mkdir()
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(programs)
    (folder / "data" / "schemas").symlink_to(ROOT / "data" / "schemas")
    (folder / ".env.example").symlink_to(ROOT / ".env.example")
    url = f"sqlite:///{folder / 'data' / 'proctor.db'}"
    made = Deployment(folder, _environment() | {"DATABASE_URL": url, "PYTHONUNBUFFERED": "1"} | settings)
    try:
        yield made
    finally:
        made.stop()


def _environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPYCACHEPREFIX")
    return {name: value for name, value in os.environ.items() if name in kept}


# ── Comparing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def matches(shown: str, actual: str) -> bool:
    """Whether *actual* is what the page shows: ``…`` stands for anything in a line, a line of it for any lines."""
    if not shown.strip():
        return not actual.strip()
    pattern = ""
    for line in shown.strip("\n").splitlines():
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part.rstrip()) for part in line.split("…")) + r"[ \t]*\n"
    return re.fullmatch(pattern, actual.strip("\n") + "\n") is not None


PROMISED = frozenset({"outcome", "code", "status", "title", "type", "detail", "kind", "verdict", "room", "schema"})
"""Members whose texts a page may not make up."""


def differences(shown: Any, actual: Any, path: str = "$") -> list[str]:
    """Return where a shown document is not of the form of the actual one; values count for promised members only.

    A member ``"…"`` says that there are more than are shown; a list shows its first elements.
    """
    if shown is None or actual is None or shown == "…":
        return []
    if isinstance(shown, dict) and isinstance(actual, dict):
        found = [f"{path} has no {name!r}" for name in shown if name not in actual and name != "…"]
        if "…" not in shown:
            found += [f"{path} does not show {name!r}" for name in actual if name not in shown]
        for name in shown.keys() & actual.keys():
            found += differences(shown[name], actual[name], f"{path}.{name}")
            if name in PROMISED and isinstance(shown[name], str) and not matches(shown[name], str(actual[name])):
                found.append(f"{path}.{name} is {actual[name]!r}, not {shown[name]!r}")
        return found
    if isinstance(shown, list) and isinstance(actual, list):
        if len(shown) > len(actual):
            return [f"{path} has {len(actual)} elements only"]
        pairs = zip(shown, actual, strict=False)
        return [one for number, pair in enumerate(pairs) for one in differences(*pair, f"{path}[{number}]")]
    both_numbers = isinstance(shown, int | float) and isinstance(actual, int | float)
    if type(shown) is not type(actual) and not both_numbers:
        return [f"{path} is {type(actual).__name__}, not {type(shown).__name__}"]
    return []


def document(output: str) -> Any:
    """Return the JSON document that a command printed, after any headers."""
    start = min((place for place in (output.find("{"), output.find("[")) if place >= 0), default=0)
    return json.JSONDecoder().raw_decode(output[start:])[0]
