"""One running fake for the tests of this folder."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.wire.clients import Sdks
from tests.wire.server import WireServer

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    """A running fake."""
    with WireServer() as running:
        yield running


@pytest.fixture(scope="module")
def sdks(server: WireServer) -> Iterator[Sdks]:
    """Both SDKs on it."""
    both = Sdks(server)
    yield both
    both.close()


@pytest.fixture(scope="module")
def impatient(server: WireServer) -> Iterator[Sdks]:
    """Both SDKs on it, waiting a tenth of a second for each read."""
    both = Sdks(server, timeout=0.1)
    yield both
    both.close()


@pytest.fixture
def prompt() -> str:
    """A prompt that no other test uses: scenarios that count go by it."""
    return f"Make a person, number {next(_numbers)}."
