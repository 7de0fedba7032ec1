"""Processes that have imported Proctor before they begin: each is forked from one that did so once.

To start Python and import the core takes a processor a second, which a test of three processes would pay three times.
What is forked is a process like any other, with memory, threads and connections of its own: it may be killed.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import IO, Self

from core.settings import ROOT

_NURSERY = """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads do not survive a fork
import gc, json, runpy, signal, socket, sys, traceback
import alembic.command, alembic.config, genai_prices
import core.providers.anthropic, core.providers.local, core.runtime  # with the SDKs, which are loaded late otherwise
gc.collect()
gc.freeze()  # a collection in a child would copy every page

def run(asked):
    sys.argv = asked[1:]
    if asked[0] == "-m":
        runpy.run_module(asked[1], run_name="__main__", alter_sys=True)
    else:
        exec(compile(asked[1], "<string>", "exec"), {"__name__": "__main__"})

def attend(text, files):
    \"\"\"Fork the process that was asked for, tell its number, and how it ended.\"\"\"
    told = socket.socket(fileno=files.pop())
    if child := os.fork():
        told.sendall(b"%d\\n" % child)
        for file in files:
            os.close(file)
        status = os.waitpid(child, 0)[1]
        told.sendall(b"%d\\n" % os.waitstatus_to_exitcode(status))
        return
    told.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    code = 0
    try:
        run(json.loads(text))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
door = socket.socket(fileno=int(sys.argv[1]))
while True:
    text, files, _, _ = socket.recv_fds(door, 1 << 20, 4)
    if not text:
        break
    if not os.fork():
        door.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        attend(text, files)
        os._exit(0)
    for file in files:
        os.close(file)
"""


class Forked:
    """A process of Python; what tests need of a ``Popen`` it does alike."""

    def __init__(self, *command: str) -> None:
        """Run ``-m MODULE`` or ``-c PROGRAM`` with arguments, in the project's folder."""
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        self._told, told = socket.socketpair()
        socket.send_fds(_door(), [json.dumps(command).encode()], [theirs_in, theirs_out, 2, told.fileno()])
        for file in (theirs_in, theirs_out):
            os.close(file)
        told.close()
        self.stdin: IO[str] = os.fdopen(ours_in, "w")
        self.stdout: IO[str] = os.fdopen(ours_out)
        self._lines = self._told.makefile()
        self.pid = int(self._lines.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return its exit code, negative if a signal ended it.

        Raises:
            TimeoutError: it has not ended within *timeout* seconds.

        """
        if self.returncode is None:
            self._told.settimeout(timeout)
            self.returncode = int(self._lines.readline())
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, if it lives."""
        with suppress(ProcessLookupError):
            self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close what leads to it, and wait for its end."""
        for way in (self.stdin, self.stdout):
            with suppress(BrokenPipeError):
                way.close()
        self.wait()
        self._lines.close()
        self._told.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@functools.cache
def _door() -> socket.socket:
    """Return the way to the process that forks, which is started for the first who asks."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    nursery = subprocess.Popen(
        [sys.executable, "-c", _NURSERY, str(theirs.fileno())],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()

    def end() -> None:
        ours.close()
        nursery.kill()
        nursery.wait()

    atexit.register(end)
    return ours
