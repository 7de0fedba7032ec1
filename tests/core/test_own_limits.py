"""A process without file descriptors: its own trouble, told as its own, and over as soon as there are some again."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.api.operations import _process
from core.errors import Unavailable
from core.own_limits import NO_DESCRIPTORS, NO_MEMORY, descriptors_left, lack_in
from core.providers.loop import Cancellation
from core.tables import Outcome
from tests.core.api.conftest import eventually
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.wire.server import WireServer


@pytest.fixture
def proctor(sqlite_url: str) -> Iterator[Rig]:
    """A Proctor on fake vendors of its own: they live in this process, and so share its descriptors."""
    with WireServer() as wire, rig(wire, sqlite_url) as proctor:
        yield proctor


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let this process open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = [int(one.name) for one in Path("/proc/self/fd").iterdir()]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(used) + 1, hard))
    filling: list[int] = []
    try:
        while True:
            try:
                filling.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in filling:
            os.close(descriptor)


def test_no_descriptor_is_our_own_lack(proctor: Rig) -> None:
    """Calls end as ours, asked of nobody else and not again; no breaker counts them, and then all go out as before."""
    tenant, corridor, cancellation = (
        proctor.tenant(),
        proctor.corridor(breakers=proctor.runtime.breakers),
        Cancellation(),
    )
    route = proctor.route(OPENAI, ANTHROPIC)
    for model in (OPENAI, ANTHROPIC):  # so that everything is loaded
        proctor.ask(tenant, corridor=corridor, model=model)
    hanging = [
        threading.Thread(
            target=lambda model=model: proctor.ask(
                tenant, "hang", corridor=corridor, model=model, cancellation=cancellation
            )
        )
        for model in (OPENAI, ANTHROPIC)
    ]
    for one in hanging:  # they hold the connections that were kept open
        one.start()
    assert eventually(lambda: proctor.wire.ledger.open_count == 2)
    calls = len(proctor.wire.ledger.calls())

    with no_descriptors():
        assert not descriptors_left()
        assert _process()["reason"] == "no_descriptors"
        with capture_logs() as lines:
            heard = [proctor.ask(tenant, corridor=corridor, route=route) for _ in range(8)]

    [told] = [line for line in lines if line["event"] == "own_lack"]  # of those after it the next one tells
    assert (told["count"], told["detail"], told["log_level"]) == (1, NO_DESCRIPTORS, "error")
    assert told["generation_id"] == heard[0].generation.id
    for one in heard:
        assert isinstance(one.error, Unavailable)
        assert one.error.message == NO_DESCRIPTORS
        assert one.generation.outcome is Outcome.INTERNAL_ERROR
        [attempt] = one.generation.attempts
        assert (attempt.error_code, attempt.usage, attempt.cost) == ("own_lack", None, None)
    assert len(proctor.wire.ledger.calls()) == calls
    assert descriptors_left()
    assert _process() == {"status": "ok"}
    again = proctor.ask(tenant, corridor=corridor, route=route).generation
    assert (again.outcome, len(again.attempts)) == (Outcome.VALID_FIRST_TRY, 1)
    cancellation.cancel()
    for one in hanging:
        one.join()
    assert proctor.is_settled()


@pytest.mark.parametrize(
    ("error", "lack"),
    [
        (MemoryError(), NO_MEMORY),
        (RuntimeError("can't start new thread"), NO_MEMORY),
        (OSError(24, "Too many open files"), NO_DESCRIPTORS),
        (RuntimeError("something else"), None),
        (ConnectionResetError(104, "Connection reset by peer"), None),
        (ConnectionRefusedError(111, "Connection refused"), None),
        (OSError(-2, "Name or service not known"), None),
        (ValueError("no"), None),
    ],
)
def test_what_is_our_own(error: Exception, lack: str | None) -> None:
    """Memory, threads and descriptors are ours; names that are not known, and who refuses or resets, are not."""
    assert lack_in(error) == lack
