"""Long work that is cut in the middle by kill -9: the books balance, and whoever is next finishes it."""

from __future__ import annotations

import pytest
from sqlmodel import col, select

from core.clock import ManualClock
from core.demo import Demo
from core.pricing import Usage
from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from core.store import Store
from core.tables import Account, GenerationRow, LedgerEntry, Tenant
from tests import cut_process
from tests.conftest import START
from tests.core.test_repricing import DAY, TENANTS, World
from tests.forks import Forked

CALLS = 6 * cut_process.AT_ONCE


@pytest.fixture
def world(store: Store) -> World:
    """Two tenants, of which the first has many calls."""
    world = World(store, ManualClock(START + 2 * DAY))
    for tenant_id in TENANTS:
        world.budget(tenant_id)
    for _ in range(CALLS):
        world.call(Usage(input_tokens=1_000, output_tokens=10))
    world.call(Usage(input_tokens=2_000, output_tokens=20), who=("anthropic", "claude-sonnet-4-5"), tenant_id="globex")
    world.save()
    return world


def cut(url: str, deed: str, pieces: int, where: str) -> None:
    """Let another process begin the work, and be killed."""
    with Forked("-m", "tests.cut_process", url, deed, str(pieces), where) as process:
        assert process.wait(60) == -9, "what went wrong stands above, on standard error"


@pytest.mark.parametrize("where", ["between", "inside"])
@pytest.mark.parametrize("pieces", [1, 4])
def test_a_repricing_that_is_killed(world: World, database_url: str, pieces: int, where: str) -> None:
    """What is done is whole and says how far it came; another one does the rest, and no call is re-priced twice."""
    world.price(("openai", "gpt-4o-mini"), "7")
    before = world.preview()
    cut(database_url, "reprice", pieces, where)

    [begun] = world.repricings.list(LOCAL_OPERATOR)
    assert begun.attempts == pieces * cut_process.AT_ONCE
    world.require_proof()

    done = world.reprice()
    assert begun.attempts + done.attempts == before.attempts == CALLS
    assert begun.after_nano_usd + done.after_nano_usd == before.after_nano_usd
    assert world.preview().attempts == 0
    world.require_proof()


@pytest.mark.parametrize("where", ["between", "inside"])
@pytest.mark.parametrize("pieces", [1, 4])
def test_a_removal_that_is_killed(world: World, database_url: str, pieces: int, where: str) -> None:
    """A smaller demo world is left, whose books balance; the next removal takes it, and nothing of anybody else's."""
    store = world.store
    with store.writing() as session:
        session.get_one(Tenant, "acme").is_demo = True
    cut(database_url, "remove", pieces, where)

    assert len(of_acme(store)) == CALLS - pieces * cut_process.AT_ONCE
    world.require_proof()

    counts = Demo(Settings(), store, world.clock).remove(LOCAL_OPERATOR)
    assert counts["generation"] == CALLS - pieces * cut_process.AT_ONCE
    assert of_acme(store) == []
    world.require_proof()
    with store.reading() as session:
        assert [one.id for one in session.exec(select(Tenant))] == ["globex"]
        assert [one.id for one in session.exec(select(Account))] == ["account-globex-tenant-"]
        assert {one.account_id for one in session.exec(select(LedgerEntry))} == {"account-globex-tenant-"}


def of_acme(store: Store) -> list[GenerationRow]:
    """Return the demo tenant's generations."""
    with store.reading() as session:
        return list(session.exec(select(GenerationRow).where(col(GenerationRow.tenant_id) == "acme")))
