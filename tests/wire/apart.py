"""The fake as a process of its own: its CPU is not ours, and its ledger is read over the wire."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import orjson

from core.settings import ROOT
from tests.wire.ledger import Call, Tokens

_SECONDS_TO_STOP = 10


@dataclass(frozen=True, slots=True)
class Apart:
    """A fake in another process."""

    url: str

    @property
    def openai_url(self) -> str:
        """What OpenAI's SDK takes as ``base_url``."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """What Anthropic's SDK takes as ``base_url``."""
        return self.url

    def calls(self) -> list[Call]:
        """Return its ledger."""
        with urlopen(f"{self.url}/_ledger") as answer:  # noqa: S310 our own server
            told: list[dict[str, Any]] = orjson.loads(answer.read())["calls"]
        return [Call(**{**call, "usage": Tokens(**call["usage"])}) for call in told]

    def settled(self, seconds: float = 10.0) -> list[Call]:
        """Return its ledger once no call is under way any more.

        Raises:
            TimeoutError: one still is.

        """
        until = time.monotonic() + seconds
        while True:
            calls = self.calls()
            if all(call.ended_at is not None for call in calls):
                return calls
            if time.monotonic() > until:
                raise TimeoutError("The fake is still answering somebody.")
            time.sleep(0.1)


@contextmanager
def apart() -> Generator[Apart]:
    """Run the fake in a process of its own on a free port, and end it."""
    command = [sys.executable, "-m", "tests.wire.server"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        with process.stdout:
            line = process.stdout.readline()
        yield Apart(line.split()[-1])
    finally:
        process.terminate()
        process.wait(_SECONDS_TO_STOP)
