"""Models without a price: called and marked, or refused; and a price that an operator sets holds with the next call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy

from core.clock import ManualClock
from core.errors import Unpriced
from core.pricing import UNPRICED_DAYS, Prices
from core.principals import LOCAL_OPERATOR
from core.store import Store
from core.tables import AttemptKind, AttemptRow, Outcome, Tenant
from tests import builders
from tests.conftest import START
from tests.corridor import ANTHROPIC, OPENAI, Heard, Rig, rig
from tests.wire.server import WireServer

NOBODYS = "openai/a-model-that-no-list-knows"
RATES = {"input_usd_per_mtok": "2", "output_usd_per_mtok": "8"}


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def here(wire: WireServer, database_url: str) -> Iterator[Rig]:
    """A Proctor, on either database."""
    with rig(wire, database_url) as running:
        yield running


def price(here: Rig, model: str, **more: Any) -> None:
    """Set a price."""
    provider, _, name = model.partition("/")
    here.runtime.prices.set(LOCAL_OPERATOR, provider, name, **({"rates": RATES} | more))


def refuse(here: Rig, tenant: Tenant, rule: str = "refuse") -> None:
    """Let a tenant call only what has a price."""
    here.runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, tenant.version, without_price=rule)


def reasons(heard: Heard) -> list[str]:
    """Return the sentences of the decision trace."""
    return [step["reason"] for step in heard.generation.trace]


def hard(here: Rig, how: str, **more: Any) -> Tenant:
    """Return a tenant with one budget of a dollar, which ends as *how* says."""
    tenant = here.tenant(None)
    here.runtime.budgets.set(LOCAL_OPERATOR, tenant, 1_000_000_000, mode=how, **more)
    return tenant


@pytest.mark.parametrize("how", ["hard", "degrade"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_hard_budget_does_not_pay_for_what_nobody_can_count(here: Rig, how: str, *, stream: bool) -> None:
    """By default a model without a price is not asked where it would; the sentence says whose budget and what to do."""
    tenant, sent = hard(here, how), len(here.wire.ledger.calls())
    heard = here.ask(tenant, route=here.route(NOBODYS), stream=stream)
    assert isinstance(heard.error, Unpriced)
    assert heard.error.facts["models"] == [NOBODYS]
    for words in (f"this month's budget of {tenant.name}", f"price set {NOBODYS}", "--without-price allow"):
        assert words in heard.error.message
    assert heard.generation.outcome is Outcome.BLOCKED_BUDGET
    assert len(here.wire.ledger.calls()) == sent
    assert here.written(heard.generation.id).attempts == []


def test_the_default_asks_whoever_has_a_price(here: Rig) -> None:
    """It is decided for each candidate: another that has a price is asked, and the trace says why the first was not."""
    heard = here.ask(hard(here, "hard"), route=here.route(NOBODYS, ANTHROPIC))
    assert [attempt.provider for attempt in heard.generation.attempts] == ["anthropic"]
    assert any("it has no price, and this month's budget of" in reason for reason in reasons(heard))


def test_the_default_lets_through_what_no_hard_budget_covers(here: Rig) -> None:
    """A soft budget only tells, one for another model does not pay, and a tenant may say that it allows such calls."""
    soft, other, lenient = hard(here, "soft"), hard(here, "hard", scope="model", scope_name=OPENAI), hard(here, "hard")
    refuse(here, lenient, "allow")
    route = here.route(NOBODYS)
    for tenant in (soft, other, lenient, here.tenant(None)):
        heard = here.ask(tenant, route=route)
        assert heard.error is None
        assert heard.generation.cost_nano_usd is None


@pytest.mark.parametrize("scope", ["model", "schema", "route"])
def test_any_hard_budget_that_covers_the_call_asks_for_a_price(here: Rig, scope: str) -> None:
    """Also one for this model, this schema or this route."""
    route = here.route(NOBODYS)
    named = {"model": NOBODYS, "schema": "person", "route": route}[scope]
    heard = here.ask(hard(here, "hard", scope=scope, scope_name=named), route=route)
    assert isinstance(heard.error, Unpriced)


def test_a_price_of_nothing_is_a_price(here: Rig) -> None:
    """A server of one's own costs 0 when an operator says so, and a hard budget pays for that."""
    price(here, NOBODYS, rates={"input_usd_per_mtok": "0", "output_usd_per_mtok": "0"})
    heard = here.ask(hard(here, "hard"), route=here.route(NOBODYS))
    assert heard.error is None
    assert heard.generation.cost_nano_usd == 0


def test_without_a_hard_budget_an_unpriced_model_answers(here: Rig) -> None:
    """It is let through, its cost is unknown and not 0, and no budget is charged."""
    tenant = hard(here, "soft")
    heard = here.ask(tenant, route=here.route(NOBODYS))
    assert heard.generation.outcome is Outcome.VALID_FIRST_TRY
    assert heard.generation.cost_nano_usd is None
    assert here.written(heard.generation.id).entries == []
    assert [one.model for one in here.runtime.prices.unpriced(LOCAL_OPERATOR)] == ["a-model-that-no-list-knows"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_without_a_price_is_refused(here: Rig, *, stream: bool) -> None:
    """Nobody is asked, the sentence names the model and what to do, and the refusal is recorded."""
    tenant = here.tenant()
    refuse(here, tenant)
    heard = here.ask(tenant, route=here.route(NOBODYS), stream=stream)
    assert isinstance(heard.error, Unpriced)
    assert heard.error.facts["models"] == [NOBODYS]
    assert (heard.error.code, heard.generation.outcome) == ("no_price", Outcome.BLOCKED_BUDGET)
    assert NOBODYS in heard.error.message
    assert any("it has no price" in reason for reason in reasons(heard))
    written = here.written(heard.generation.id)
    assert (written.generation.error_code, written.attempts) == ("no_price", [])
    assert written.generation.trace[-1]["room"] == "reserve"
    assert written.policy is not None
    assert written.policy["without_price"] == "refuse"


def test_the_next_candidate_with_a_price_answers(here: Rig) -> None:
    """A candidate without a price is skipped, which the trace says; the one after it is a fallback all the same."""
    tenant = here.tenant()
    refuse(here, tenant)
    heard = here.ask(tenant, route=here.route(NOBODYS, ANTHROPIC))
    assert heard.error is None
    assert heard.generation.outcome is Outcome.VALID_AFTER_FALLBACK
    assert [attempt.provider for attempt in heard.generation.attempts] == ["anthropic"]
    assert any(reason.startswith(f"{NOBODYS}: it has no price") for reason in reasons(heard))


def test_the_deployment_decides_where_the_tenant_does_not(wire: WireServer, database_url: str) -> None:
    """``WITHOUT_PRICE=refuse`` holds for all tenants but those that say otherwise."""
    with rig(wire, database_url, without_price="refuse") as here:
        strict, lenient = here.tenant(), here.tenant()
        refuse(here, lenient, "allow")
        route = here.route(NOBODYS)
        assert isinstance(here.ask(strict, route=route).error, Unpriced)
        assert here.ask(lenient, route=route).error is None


def test_a_price_holds_with_the_next_call(here: Rig) -> None:
    """As soon as an operator has set it, the call is let through, charged it, and keeps it with its source."""
    tenant = here.tenant()
    refuse(here, tenant)
    route = here.route(NOBODYS)
    assert isinstance(here.ask(tenant, route=route).error, Unpriced)
    price(here, NOBODYS)
    first = here.ask(tenant, route=route).generation
    price(here, NOBODYS, rates={"input_usd_per_mtok": "20", "output_usd_per_mtok": "80"})
    second = here.ask(tenant, route=route).generation
    costs: list[int] = []
    for made, factor in ((first, 1), (second, 10)):
        (attempt,) = here.written(made.id).attempts
        usage = (attempt.input_tokens or 0) * 2_000 + (attempt.output_tokens or 0) * 8_000
        assert attempt.cost_nano_usd == made.cost_nano_usd == usage * factor
        assert attempt.price is not None
        assert attempt.price["source"] == "override: own rates"
        assert attempt.charges == len(here.written(made.id).entries) == 1
        costs.append(attempt.cost_nano_usd or 0)
    (account,) = here.accounts(tenant)
    assert account.spent_nano_usd == sum(costs)
    assert here.is_settled()


def test_a_tenant_s_own_price_is_its_own(here: Rig) -> None:
    """Two tenants ask the same model and pay different prices; a budget reserves by them too."""
    dear, usual = here.tenant(), here.tenant()
    price(here, OPENAI, tenant=dear)
    costs = [here.ask(tenant).generation.attempts[0].cost for tenant in (dear, usual)]
    assert [cost.price.source.split()[0] for cost in costs if cost] == ["override:", "genai-prices"]
    price(here, OPENAI, tenant=dear, rates={"input_usd_per_mtok": "100000", "output_usd_per_mtok": "100000"})
    heard = here.ask(dear)
    assert heard.error is not None
    assert heard.error.code == "budget_exceeded"
    assert here.ask(usual).error is None


def test_what_the_cache_took_off_is_recorded(here: Rig) -> None:
    """Each attempt keeps what reading from the provider's cache saved it, or what writing to it cost more."""
    tenant = here.tenant()
    heard = here.ask(tenant, "cached")
    (attempt,) = here.written(heard.generation.id).attempts
    assert attempt.cached_tokens
    assert attempt.cache_saved_nano_usd == attempt.cached_tokens * 75
    (plain,) = here.written(here.ask(tenant).generation.id).attempts
    assert plain.cache_saved_nano_usd == 0


def calls(count: int, **more: Any) -> list[AttemptRow]:
    """Return so many calls, an hour between two, of which every tenth has no price."""
    usual: dict[str, Any] = {"tenant_id": "acme", "kind": AttemptKind.FIRST, "mode": "tools", "duration_ms": 1.0}
    usual |= {"provider": "compatible", "model": "own", "outcome": Outcome.VALID_FIRST_TRY, "ended_at": START}
    usual |= {"n": 1, "input_tokens": 100, "output_tokens": 10} | more
    return [
        AttemptRow(
            id=str(n),
            generation_id=str(n),
            started_at=START - n * timedelta(hours=1),
            cost_nano_usd=None if n % 10 == 0 else 5,
            **usual,
        )
        for n in range(count)
    ]


def test_the_work_to_do_is_that_of_a_stretch_of_time(store: Store) -> None:
    """Calls without a price are listed for a quarter of a year; a look at them has an end, whatever the past holds."""
    builders.save(store, builders.tenant("Acme", START), calls(24 * (UNPRICED_DAYS + 30)))
    [one] = Prices(store, ManualClock(START)).unpriced(LOCAL_OPERATOR)
    assert (one.subject, one.tenants, one.last_at) == ("compatible/own", ("Acme",), START)
    assert one.calls == 24 * UNPRICED_DAYS // 10 + 1
    assert (one.input_tokens, one.output_tokens) == (100 * one.calls, 10 * one.calls)
    assert START - timedelta(days=UNPRICED_DAYS) <= one.first_at


def test_an_index_alone_tells_what_has_no_price(store: Store) -> None:
    """Among some thousand calls those without a price are added up from their index; no row of theirs is read."""
    builders.save(store, builders.tenant("Acme", START), calls(6_000))
    asked: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, sql: str, bound: Any, *_: Any) -> None:
        if "attempt" in sql:
            asked.append((sql, bound))

    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if store.is_sqlite else "VACUUM ANALYZE attempt")
    sqlalchemy.event.listen(store.engine, "before_cursor_execute", keep)
    Prices(store, ManualClock(START)).unpriced(LOCAL_OPERATOR)
    sqlalchemy.event.remove(store.engine, "before_cursor_execute", keep)
    [(sql, bound)] = asked
    explain = "EXPLAIN QUERY PLAN" if store.is_sqlite else "EXPLAIN"
    with store.scanning() as session:
        plan = " ".join(map(str, session.connection().exec_driver_sql(f"{explain} {sql}", bound).all()))
    how = "COVERING INDEX ix_attempt_unpriced" if store.is_sqlite else "Index Only Scan using ix_attempt_unpriced"
    assert how in plan
