"""What one tenant does to itself must not befall the others: breakers are everybody's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.breakers import Breakers, Rule
from core.tables import Outcome
from tests.corridor import A_PERSON, OPENAI, Rig, rig
from tests.wire.server import WireServer

CALLS = 12
"""More than a breaker needs."""


@pytest.fixture(scope="module")
def proctor(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor on the fake providers."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("neighbours") / "proctor.db")
    with WireServer() as wire, rig(wire, f"sqlite:///{path}") as running:
        yield running


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_without_time_opens_no_breaker(proctor: Rig, *, stream: bool) -> None:
    """A program that gives each call 20 ms hears of timeouts, and the next tenant's calls go out as always."""
    corridor = proctor.corridor(breakers=Breakers(proctor.clock, rule=Rule(least_calls=5)))
    hurried, other, route = proctor.tenant(), proctor.tenant(), proctor.route(OPENAI)
    for _ in range(CALLS):
        heard = proctor.ask(hurried, "slow-0.3s", corridor=corridor, route=route, timeout_seconds=0.02, stream=stream)
        assert heard.generation.outcome is Outcome.TIMEOUT

    assert proctor.ask(other, corridor=corridor, route=route).generation.value == A_PERSON


def test_a_provider_that_takes_longer_than_its_route_allows_opens_its_breaker(proctor: Rig) -> None:
    """Time that runs out by the route's own terms speaks against the provider, whoever asks and however hurried."""
    corridor = proctor.corridor(breakers=Breakers(proctor.clock, rule=Rule(least_calls=5)))
    tenant, route = proctor.tenant(), proctor.route(OPENAI, timeout_seconds=0.05)
    for _ in range(CALLS):
        proctor.ask(tenant, "slow-0.3s", corridor=corridor, route=route, timeout_seconds=5)

    heard = proctor.ask(tenant, corridor=corridor, route=route)
    assert heard.error
    assert heard.generation.attempts == ()
