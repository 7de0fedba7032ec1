"""The local model: a small one, fetched once and served by a child process, for whoever has no key yet.

A crash in llama.cpp is a crash of the child: it is started again, and the console never notices more than a delay.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import secrets
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from core.clock import Clock
from core.errors import ProctorError, Unavailable
from core.providers.weights import SMOLLM2, WAYS_OUT, Weights, without_keys
from core.settings import Settings, environment

CONTEXT_TOKENS = 4096
_SERVER = Path(__file__).with_name("_llama_server.py")
_START_SECONDS = 120.0
_HEALTHY_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 1.0
_LAST_PAUSE_SECONDS = 120.0

Phase = Literal["off", "fetching", "starting", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class LocalStatus:
    """How the local model stands."""

    phase: Phase
    sentence: str
    """What to tell a person."""
    fraction: float | None = None
    """How much of the fetching is done, from 0 to 1; ``None`` in every other phase."""


_OFF = LocalStatus("off", "The local model is off.")
_STARTING = LocalStatus("starting", "The local model is starting.")
_READY = LocalStatus("ready", "The local model is ready. It is small: its answers are of demo quality.")


class LocalModel:
    """The local model's life, in a thread of its own. Every method may be called from any thread."""

    def __init__(self, settings: Settings, clock: Clock, weights: Weights = SMOLLM2) -> None:
        self._small = weights
        self._wanted = settings.runs_local_model
        self._own = None if settings.local_model in ("auto", "on", "off") else Path(settings.local_model).expanduser()
        self._folder = settings.local_model_dir.expanduser()
        self._clock = clock
        self._api_key = secrets.token_urlsafe(32)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._status = _STARTING if self._wanted else _OFF
        self._url: str | None = None
        self._port = 0
        self._child: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> LocalStatus:
        """How it stands now."""
        return self._status

    @property
    def base_url(self) -> str:
        """Where it answers in OpenAI's dialect, ``/v1`` included. It may change when it had to be started again.

        Raises:
            Unavailable: it does not answer now; the message says why.

        """
        with self._changed:
            if self._url is None:
                raise Unavailable(self._status.sentence)
            return f"{self._url}/v1"

    @property
    def api_key(self) -> str:
        """The key that opens it: made up for this process, never written down."""
        return self._api_key

    def start_in_background(self) -> None:
        """Fetch it if need be, start it, and keep it running. Does nothing where it is off or already started."""
        with self._changed:
            if not self._wanted or self._thread is not None or self._stopping.is_set():
                return
            self._thread = threading.Thread(target=self._live, name="local-model", daemon=True)
            self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until it is ready, has failed or is off, at most *timeout* real seconds; return whether it is ready."""
        with self._changed:
            self._changed.wait_for(lambda: self._status.phase in ("ready", "failed", "off"), timeout)
            return self._status.phase == "ready"

    def stop(self) -> None:
        """End it, for good."""
        with self._changed:
            self._stopping.set()
            if self._child is not None:
                self._child.kill()
        if self._thread is not None:
            self._thread.join()
        self._tell(_OFF)

    def _live(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            born = self._clock.monotonic()
            try:
                self._serve(self._find_weights())
            except ProctorError as error:
                self._tell(LocalStatus("failed", error.message))
            if self._clock.monotonic() - born > _HEALTHY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self._clock.wait(self._stopping, pause)
            pause = min(pause * 2, _LAST_PAUSE_SECONDS)

    def _find_weights(self) -> Path:
        if importlib.util.find_spec("xllamacpp") is None:
            raise Unavailable(f"The local model does not run on this kind of machine. {WAYS_OUT}")
        if self._own is not None:
            if not self._own.is_file():
                raise Unavailable(f"LOCAL_MODEL names {str(self._own)!r}, and there is no such file.")
            return self._own
        whole = self._small.present_in(self._folder)
        if whole is None:
            self._report(0, self._small.file_bytes)
            whole = self._small.fetch_into(self._folder, self._report, self._adopt)
        return whole

    def _report(self, done: int, total: int) -> None:
        sentence = f"The local model is being fetched: {done / 1e6:.0f} of {total / 1e6:.0f} MB."
        self._tell(LocalStatus("fetching", sentence, done / total if total else 0.0))

    def _adopt(self, child: subprocess.Popen[str]) -> None:
        """Take note of the child that :meth:`stop` must end."""
        with self._changed:
            self._child = child
            if self._stopping.is_set():
                child.kill()

    def _serve(self, weights: Path) -> None:
        """Run the server until it ends.

        Raises:
            Unavailable: it did not start.

        """
        child = subprocess.Popen(  # noqa: S603 our own file, run by our own interpreter
            [sys.executable, "-I", _SERVER],
            env=without_keys(environment()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # llama.cpp's own words could hold a piece of a prompt
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for us; the child ends when we do
        )
        self._adopt(child)
        self._tell(_STARTING)
        impatient = threading.Timer(_START_SECONDS, child.kill)
        impatient.daemon = True
        impatient.start()
        try:
            url = self._order(child, weights)
            impatient.cancel()
            self._tell(_READY, url)
            child.wait()
        finally:
            impatient.cancel()
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
            self._tell(_STARTING)

    def _order(self, child: subprocess.Popen[str], weights: Path) -> str:
        """Tell the child what to serve and return where it answers, once it does."""
        if child.stdin is None or child.stdout is None:
            raise AssertionError("the child was started with pipes")
        order = {
            "path": str(weights),
            "name": "smollm2" if self._own is None else self._own.stem,
            "api_key": self._api_key,
            "port": self._port,
            "threads": _threads(),
            "context_tokens": CONTEXT_TOKENS,
        }
        reply: dict[str, Any] = {}
        try:
            child.stdin.write(json.dumps(order) + "\n")
            child.stdin.flush()
            reply = json.loads(child.stdout.readline() or "{}")
        except (OSError, ValueError):
            pass  # it died before it answered
        url = str(reply.get("url", ""))
        if not url or not _healthy(url):
            self._port = 0  # it may have been taken meanwhile
            raise Unavailable(f"The local model did not start from {weights}. {WAYS_OUT}")
        self._port = urlsplit(url).port or 0
        return url

    def _tell(self, status: LocalStatus, url: str | None = None) -> None:
        with self._changed:
            self._status, self._url = status, url
            self._changed.notify_all()


def _threads() -> int:
    """All cores but one: llama.cpp spins while it waits, and the console lives here too."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


def _healthy(url: str) -> bool:
    """Ask the server whether it takes requests."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=10)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
