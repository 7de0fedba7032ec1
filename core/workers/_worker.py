"""One worker, seen from the process that started it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.json_schemas import canonical
from core.response_models import ResponseModel
from core.settings import environment
from core.validation import Effort
from core.workers._order import (
    HEAD_BYTES,
    LATE,
    GivenDocument,
    GivenText,
    GivenTexts,
    Order,
    WorkerReply,
    lengths,
    packed,
    unpacked,
)

_ROOT = Path(__file__).resolve().parents[2]
_TICK_MS = 50
"""How often it is asked whether the deadline has passed."""
_TICKS_LATE = 100
"""So many ticks behind the deadline it is ended: five seconds, for a verdict that takes a fifth of one."""
_TICKS_LATE_WITH_A_DOCUMENT = 10
"""The same where one was to be read: a worker looks at the time between two pages."""
_TICKS_AT_ALL = 600
"""So many ticks without a word it is ended in any case: what it may do takes a second of its own."""
_TICKS_TO_LOAD = 2_400
"""The same while it loads a pipeline."""
_PASSED_ON = frozenset(
    "PATH HOME LANG LC_ALL TMPDIR LD_LIBRARY_PATH DYLD_LIBRARY_PATH PYTHONHOME PYTHONPATH".split()  # noqa: SIM905 nine quotes tell less
)
"""What it is told of the environment: no key, and no address."""
_PIECE = 1_000_000


class WorkerLost(Exception):
    """It ended before it replied."""


class WorkerSilent(Exception):
    """It was ended, as it did not reply in time."""


class Worker:
    """A process that reads answers; one with a pipeline finds names of persons."""

    def __init__(self, pipeline: str = "") -> None:
        """Start it, to load the *pipeline* of spaCy's if there is one.

        Raises:
            OSError: the system does not let it.

        """
        self._known: set[tuple[str, str]] = set()
        self.is_ready = False
        """Whether it has ever been ready to read."""
        self._ticks_to_start = _TICKS_TO_LOAD if pipeline else _TICKS_AT_ALL
        self._process = subprocess.Popen(  # noqa: S603 a pipeline is named by whoever runs the deployment
            [sys.executable, "-m", "core.workers._process", *filter(None, [pipeline])],
            cwd=_ROOT,
            env={name: value for name, value in environment().items() if name in _PASSED_ON},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # an error's text could hold a piece of an answer
            start_new_session=True,  # Ctrl-C is for us; it ends when we do
        )
        assert self._process.stdin is not None  # noqa: S101 it was started with pipes
        assert self._process.stdout is not None  # noqa: S101 as above
        self._orders, self._replies = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._orders, False)
        os.set_blocking(self._replies, False)

    @property
    def pid(self) -> int:
        """Its number as a process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with; ``None`` while it lives."""
        return self._process.poll()

    def read(
        self, model: type[ResponseModel] | None, order: Order | GivenText | GivenDocument | GivenTexts, effort: Effort
    ) -> WorkerReply:
        """Return what it finds in *order*, of which an answer has a *model*.

        Raises:
            WorkerLost: it ended meanwhile.
            WorkerSilent: it had to be ended.

        """
        self.wait_until_ready(effort.is_late)
        if isinstance(order, GivenText):
            text = order.text.encode("utf-8", "surrogatepass")
            return self._reply({"given": order.what}, text, effort)
        if isinstance(order, GivenDocument):
            if effort.is_late():
                return WorkerReply("unjudged")
            return self._reply({"document": order.pages}, order.content, effort, _TICKS_LATE_WITH_A_DOCUMENT)
        if isinstance(order, GivenTexts):
            texts = [text.encode("utf-8", "surrogatepass") for text in order.texts]
            return self._reply({"names": list(map(len, texts))}, b"".join(texts), effort)
        assert model is not None  # noqa: S101 an answer has one
        key = model.schema_hash, model.__name__
        reply = self._asked(model, order, effort, is_known=key in self._known)
        if reply.found == "unknown":
            reply = self._asked(model, order, effort, is_known=False)
        self._known.add(key)
        return reply

    def wait_until_ready(self, is_late: Callable[[], bool] = lambda: False) -> None:
        """Wait until it is ready to read; raises as :meth:`read`."""
        if not self.is_ready:
            self._exchange(b"", is_late, is_starting=True)
            self.is_ready = True

    def end(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """End it and wait until it is gone. Nobody may be using it."""
        self.end()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _asked(self, model: type[ResponseModel], order: Order, effort: Effort, *, is_known: bool) -> WorkerReply:
        written = order.written
        places = written.texts[:-1] if written.blocks else written.texts  # the last one is the blocks
        texts = [text.encode("utf-8", "surrogatepass") for text in (*places, *written.blocks)]
        head = {
            "schema": model.schema_hash,
            "name": model.__name__,
            "form": order.form,
            "is_bare": order.is_bare,
            "is_cut": written.is_cut,
            "blocks": len(written.blocks),
            "lengths": list(map(len, texts)),
            "seconds": effort.left,
        }
        if not is_known:
            head["source"] = canonical(model.body)
        return self._reply(head, b"".join(texts), effort)

    def _reply(self, head: dict[str, Any], body: bytes, effort: Effort, ticks_late: int = 0) -> WorkerReply:
        told, text = unpacked(self._exchange(packed(head, body), effort.is_late, ticks_late))
        return WorkerReply(told["found"], told.get("seconds", 0.0), text, told.get("problems", []))

    def _exchange(
        self, frame: bytes, is_late: Callable[[], bool], ticks_late: int = 0, *, is_starting: bool = False
    ) -> bytes:
        """Send *frame* and return the one that comes back; it is told once the deadline has passed.

        So many *ticks_late* behind that it is ended, as many as usual with 0.
        """
        left, came = memoryview(frame), bytearray()
        wanted, silent, late, is_told = HEAD_BYTES, 0, 0, False
        poll = select.poll()
        poll.register(self._replies, select.POLLIN)
        if left:
            poll.register(self._orders, select.POLLOUT)
        while len(came) < wanted:
            ready = dict(poll.poll(_TICK_MS))
            silent = 0 if ready else silent + 1
            try:
                if self._orders in ready:
                    left = left[os.write(self._orders, left[:_PIECE]) :]
                    if not left:
                        poll.unregister(self._orders)
                if self._replies in ready:
                    came += self._come()
                if len(came) >= HEAD_BYTES:
                    wanted = HEAD_BYTES + sum(lengths(bytes(came[:HEAD_BYTES])))
                if not is_starting and is_late():
                    late += not ready
                    if not (left or is_told):  # not into the middle of an order
                        is_told = bool(os.write(self._orders, LATE))
            except BlockingIOError:
                continue
            except OSError:
                raise WorkerLost from None
            if late > (ticks_late or _TICKS_LATE) or silent > (self._ticks_to_start if is_starting else _TICKS_AT_ALL):
                self.end()
                raise WorkerSilent
        return bytes(came)

    def _come(self) -> bytes:
        piece = os.read(self._replies, _PIECE)
        if not piece:
            raise OSError("it has ended")
        return piece
