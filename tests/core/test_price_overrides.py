"""Overrides of the price list: who may set one, what one may say, and whose price holds when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy
from sqlmodel import select

from core.clock import ManualClock
from core.errors import Conflict, Forbidden, Invalid, NotFound, ProctorError
from core.pricing import SOURCE, OverridingPrice, PriceBook, Prices, Usage, states
from core.principals import LOCAL_OPERATOR, Principal
from core.store import Store
from core.tables import AuditEntry, ChangeEvent, PriceOverride, Tenant
from tests import builders
from tests.builders import decisions
from tests.conftest import START

DAY = timedelta(days=1)
RATES = {"input_usd_per_mtok": "2", "output_usd_per_mtok": "8"}
MILLION = Usage(input_tokens=1_000_000)
GPT, OWN = ("openai", "gpt-4o-mini"), ("compatible", "own-model")


@pytest.fixture
def prices(store: Store, clock: ManualClock) -> Prices:
    """The prices of an empty database."""
    return Prices(store, clock)


@pytest.fixture
def acme(store: Store) -> Tenant:
    """A tenant."""
    with store.writing() as session:
        session.add(tenant := builders.tenant("Acme", START))
    return tenant


def dollars(book: PriceBook, who: tuple[str, str], at: datetime = START) -> float | None:
    """Return what a million tokens of input cost."""
    cost = book.cost(*who, MILLION, at)
    return None if cost is None else cost.nano_usd / 1e9


def put(prices: Prices, who: tuple[str, str], usd: str | None = None, **more: Any) -> OverridingPrice:
    """Set so many dollars in and out, or what *more* says."""
    if usd is not None:
        more["rates"] = {"input_usd_per_mtok": usd, "output_usd_per_mtok": usd}
    return prices.set(LOCAL_OPERATOR, *who, **more)


def test_an_unknown_model_gets_a_price(prices: Prices) -> None:
    """A model of one's own is unpriced until an operator says what it costs, and is priced from then on."""
    assert dollars(prices.book(LOCAL_OPERATOR), OWN) is None
    made = put(prices, OWN, "0.5")
    assert dollars(prices.book(LOCAL_OPERATOR), OWN) == 0.5
    assert dollars(prices.book(LOCAL_OPERATOR), OWN, START - DAY) is None
    cost = prices.book(LOCAL_OPERATOR).cost(*OWN, MILLION, START + DAY)
    assert cost is not None
    assert cost.price.as_dict() == {
        "provider": "compatible",
        "model": "own-model",
        "input_usd_per_mtok": "0.5",
        "cached_usd_per_mtok": "0.5",
        "cache_write_usd_per_mtok": "0.5",
        "output_usd_per_mtok": "0.5",
        "source": "override: own rates",
        "date": "2026-03-04T12:00:00Z",
        "override_id": made.id,
    }


def test_a_discount_is_off_the_list_price(prices: Prices) -> None:
    """Every rate of the list, tiers included, is so much less; the price says of what it is a part."""
    put(prices, ("anthropic", "claude-sonnet-4-5"), discount_percent="12.5 ".strip())
    for usage in (MILLION, Usage(input_tokens=100, cached_tokens=50, cache_write_tokens=20, output_tokens=10_000)):
        listed = PriceBook().cost("anthropic", "claude-sonnet-4-5", usage, START)
        less = prices.book(LOCAL_OPERATOR).cost("anthropic", "claude-sonnet-4-5", usage, START)
        assert listed is not None
        assert less is not None
        assert less.nano_usd == -(-listed.nano_usd * 875 // 1000)
        assert less.price.source == f"override: 12.5 % off {SOURCE}"
        assert less.price.input_usd_per_mtok == "2.625; 5.25 above 200000 tokens"


def test_the_nearest_word_holds(prices: Prices, acme: Tenant) -> None:
    """The tenant's own goes before what is for all, the model's own before what is for every model."""
    put(prices, ("openai", "*"), "1")
    assert dollars(prices.book(LOCAL_OPERATOR, acme.id), GPT) == 1
    put(prices, GPT, "2")
    assert dollars(prices.book(LOCAL_OPERATOR, acme.id), GPT) == 2
    put(prices, ("openai", "*"), "3", tenant=acme)
    assert dollars(prices.book(LOCAL_OPERATOR, acme.id), GPT) == 3
    put(prices, GPT, "4", tenant=acme)
    assert dollars(prices.book(LOCAL_OPERATOR, acme.id), GPT) == 4
    assert dollars(prices.book(LOCAL_OPERATOR, acme.id), ("openai", "gpt-4o")) == 3
    assert dollars(prices.book(LOCAL_OPERATOR, "another"), GPT) == 2
    assert dollars(prices.book(LOCAL_OPERATOR), ("openai", "gpt-4o")) == 1


def test_a_price_begins_at_its_moment(prices: Prices) -> None:
    """Within one day several prices may hold, each from its own microsecond on, and the list before the first."""
    listed = dollars(PriceBook(), GPT)
    for hour, usd in ((1, "1"), (2, "2"), (30, "3")):
        put(prices, GPT, usd, from_at=START + timedelta(hours=hour))
    put(prices, GPT, back_to_list=True, from_at=START + timedelta(hours=50))
    book = prices.book(LOCAL_OPERATOR)
    moments = [0, 1 - 1e-9, 1, 1.99, 2, 11, 13, 29.99, 30, 40, 49.99, 50, 900]
    found = [dollars(book, GPT, START + timedelta(hours=hour)) for hour in moments]
    assert found == [listed, listed, 1, 1, 2, 2, 2, 2, 3, 3, 3, listed, listed]
    assert [dollars(book, GPT, START + timedelta(hours=hour)) for hour in reversed(moments)] == found[::-1]


def test_a_book_is_frozen(prices: Prices) -> None:
    """What was read stays as it was; the next book has what was decided since."""
    book = prices.book(LOCAL_OPERATOR)
    before = dollars(book, GPT)
    put(prices, GPT, "7")
    assert dollars(book, GPT) == before
    assert dollars(prices.book(LOCAL_OPERATOR), GPT) == 7


def test_to_withdraw_is_to_undo(prices: Prices, clock: ManualClock) -> None:
    """What lies beneath decides again, also for the past; twice is a conflict, and an unknown one is not found."""
    listed = dollars(PriceBook(), GPT)
    made = put(prices, GPT, "7", from_at=START - DAY)
    clock.advance(60)
    assert prices.withdraw(LOCAL_OPERATOR, made.id).withdrawn_at == clock.now()
    assert dollars(prices.book(LOCAL_OPERATOR), GPT) == dollars(prices.book(LOCAL_OPERATOR), GPT, START - DAY) == listed
    with pytest.raises(Conflict, match="withdrawn already"):
        prices.withdraw(LOCAL_OPERATOR, made.id)
    with pytest.raises(NotFound):
        prices.withdraw(LOCAL_OPERATOR, "nothing")
    put(prices, GPT, "8", from_at=START - DAY)
    assert dollars(prices.book(LOCAL_OPERATOR), GPT) == 8


def test_every_override_is_listed_with_its_state(prices: Prices, acme: Tenant, clock: ManualClock) -> None:
    """Those that hold, those that will, those that another followed and those withdrawn; none is ever deleted."""
    past = put(prices, GPT, "1", from_at=START - DAY)
    active = put(prices, GPT, "2", from_at=START - DAY / 2)
    future = put(prices, GPT, "3", from_at=START + DAY)
    theirs = put(prices, GPT, "4", tenant=acme)
    gone = put(prices, GPT, "5", from_at=START - DAY / 4)
    prices.withdraw(LOCAL_OPERATOR, gone.id)
    found = prices.overrides(LOCAL_OPERATOR)
    assert [one.id for one in found] == [future.id, gone.id, active.id, past.id, theirs.id]
    assert states(found, clock.now()) == {
        past.id: "past",
        active.id: "active",
        future.id: "future",
        theirs.id: "active",
        gone.id: "withdrawn",
    }
    assert states(found, START + 2 * DAY)[active.id] == "past"


def test_each_decision_is_audited(prices: Prices, acme: Tenant, store: Store) -> None:
    """Audit entry and change event say what it costs, from when, for whom and why; policies that are kept are stale."""
    with store.snapshot() as connection:
        before = decisions(connection)
    made = put(prices, GPT, "0.1", tenant=acme, reason=" contract 7 ")
    prices.withdraw(LOCAL_OPERATOR, made.id)
    with store.reading() as session:
        entries = session.exec(select(AuditEntry).order_by(AuditEntry.id)).all()
        events = session.exec(select(ChangeEvent).order_by(ChangeEvent.id)).all()
    with store.snapshot() as connection:
        assert decisions(connection) == before + 2
    assert sorted(entry.action for entry in entries) == ["price.set", "price.withdraw"]
    assert {entry.tenant_id for entry in entries} == {acme.id}
    by_action = {entry.action: entry for entry in entries}
    said = {
        "id": made.id,
        "from_at": "2026-03-04T12:00:00+00:00",
        "price": "$0.1 in and $0.1 out per million tokens",
        "reason": "contract 7",
    }
    assert (by_action["price.set"].before, by_action["price.set"].after) == (None, said)
    assert (by_action["price.withdraw"].before, by_action["price.withdraw"].after) == (said, None)
    assert {event.kind for event in events} == {"price"}
    assert (
        "openai/gpt-4o-mini costs $0.1 in and $0.1 out per million tokens from 2026-03-04 12:00 UTC on, for Acme."
        in [event.summary for event in events]
    )


def test_only_operators_decide(prices: Prices) -> None:
    """A program of a tenant neither sets nor withdraws a price."""
    program = Principal.of_key("key", "acme", "prk_key")
    made = put(prices, GPT, "1")
    with pytest.raises(Forbidden, match=r"prices\.write"):
        prices.set(program, *GPT, rates=RATES)
    with pytest.raises(Forbidden, match=r"prices\.write"):
        prices.withdraw(program, made.id)


def test_what_was_seen_must_still_hold(prices: Prices) -> None:
    """Who decided on the sight of another price is told so, and nothing is saved."""
    first = put(prices, GPT, "1", expected="")
    with pytest.raises(Conflict, match="meanwhile"):
        put(prices, GPT, "2", expected="", from_at=START + DAY)
    put(prices, GPT, "2", expected=first.id, from_at=START + DAY)
    assert len(prices.overrides(LOCAL_OPERATOR)) == 2


def test_two_at_the_same_moment(prices: Prices) -> None:
    """Of two overrides of one model and tenant from the same moment on one is saved, whoever else decides beside."""

    def decide(usd: str) -> OverridingPrice | ProctorError:
        try:
            return put(prices, GPT, usd)
        except ProctorError as error:
            return error

    put(prices, OWN, "1")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(decide, ("1", "2", "3", "4")))
    assert sum(isinstance(one, OverridingPrice) for one in results) == 1
    assert all("begins at 2026-03-04 12:00 UTC already" in str(one) for one in results if isinstance(one, Exception))


@pytest.mark.parametrize(
    ("who", "given", "said"),
    [
        (("nobody", "m"), {"rates": RATES}, "The provider is one of"),
        (("openai", " "), {"rates": RATES}, "The model is the name"),
        (("openai", "two words"), {"rates": RATES}, "The model is the name"),
        (("openai", "m" * 201), {"rates": RATES}, "The model is the name"),
        (GPT, {}, "exactly one of the three"),
        (GPT, {"rates": RATES, "discount_percent": "5"}, "exactly one of the three"),
        (GPT, {"rates": RATES, "back_to_list": True}, "exactly one of the three"),
        (GPT, {"rates": {"input_usd_per_mtok": "1"}}, "The output rate is an amount"),
        (GPT, {"rates": RATES | {"input_usd_per_mtok": "-1"}}, "The input rate is an amount"),
        (GPT, {"rates": RATES | {"input_usd_per_mtok": "NaN"}}, "The input rate is an amount"),
        (GPT, {"rates": RATES | {"input_usd_per_mtok": "1e99"}}, "The input rate is an amount"),
        (GPT, {"rates": RATES | {"cached_usd_per_mtok": "a lot"}}, "The cached input rate is an amount"),
        (GPT, {"rates": RATES | {"cache_write_usd_per_mtok": "0.0000000001"}}, "at most 9 decimals"),
        (GPT, {"rates": RATES | {"thinking": "1"}}, "A price has no thinking"),
        (GPT, {"discount_percent": "0"}, "A discount is a percentage"),
        (GPT, {"discount_percent": "100.1"}, "A discount is a percentage"),
        (GPT, {"discount_percent": "1.00001"}, "A discount is a percentage"),
        (GPT, {"discount_percent": "half"}, "A discount is a percentage"),
        (GPT, {"discount_percent": "5", "tiers": [RATES]}, "Tiers belong to rates"),
        (GPT, {"rates": RATES, "tiers": [RATES]}, "A tier begins above"),
        (GPT, {"rates": RATES, "tiers": [RATES | {"from_input_tokens": True}]}, "A tier begins above"),
        (GPT, {"rates": RATES, "tiers": [RATES | {"from_input_tokens": 9}] * 2}, "at least 10"),
        (GPT, {"rates": RATES, "tiers": [{"from_input_tokens": 9}]}, "The input rate above 9 tokens"),
        (GPT, {"rates": RATES, "tiers": [RATES | {"from_input_tokens": n} for n in range(1, 7)]}, "at most 5 tiers"),
        (GPT, {"rates": RATES, "from_at": datetime(2026, 1, 1)}, "A price begins at a time"),  # noqa: DTZ001
        (GPT, {"rates": RATES, "from_at": datetime(1999, 1, 1, tzinfo=UTC)}, "A price begins at a time"),
        (OWN, {"discount_percent": "5"}, "The price list knows no price of compatible/own-model"),
        (OWN, {"back_to_list": True}, "Set rates instead"),
        (("local", "*"), {"discount_percent": "5"}, "The price list knows no price of local/"),
    ],
)
def test_what_cannot_be_a_price_is_said(prices: Prices, who: tuple[str, str], given: dict[str, Any], said: str) -> None:
    """A sentence names the value and how to write it; nothing is saved."""
    with pytest.raises(Invalid, match=said):
        prices.set(LOCAL_OPERATOR, *who, **given)
    assert prices.overrides(LOCAL_OPERATOR) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rates": RATES}, "$2 in and $8 out per million tokens"),
        ({"rates": RATES | {"cached_usd_per_mtok": "$0.50"}}, "$2 in, $0.5 cached and $8 out per million tokens"),
        (
            {"rates": RATES | {"cache_write_usd_per_mtok": "2.5"}, "tiers": [RATES | {"from_input_tokens": 200_000}]},
            "$2 in, $2.5 written to the cache and $8 out per million tokens ($2 and $8 above 200,000)",
        ),
        ({"discount_percent": "20.0%"}, "20 % less than the list price"),
        ({"back_to_list": True}, "the list price"),
        ({"rates": {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}}, "$0 in and $0 out per million tokens"),
    ],
)
def test_an_override_reads_as_a_sentence(prices: Prices, given: dict[str, Any], said: str) -> None:
    """What it costs is said the same way on the page, in the log of changes and on the command line."""
    assert prices.set(LOCAL_OPERATOR, *GPT, **given).sentence == said
    assert prices.overrides(LOCAL_OPERATOR)[0].sentence == said


def test_unpriced_calls_are_work_to_do(prices: Prices, store: Store, acme: Tenant) -> None:
    """By model: how many calls, tokens, since when and whose. Calls that cost nothing or never went out are none."""

    def called(hours: float, tenant_id: str, **more: Any) -> None:
        generation = builders.generation(START - timedelta(hours=hours), tenant_id, provider="compatible", model="own")
        rows.extend([generation, builders.attempt(generation, **({"cost_nano_usd": None, "price": None} | more))])

    rows: list[Any] = []
    called(3, acme.id)
    called(2, acme.id)
    called(1, "gone", input_tokens=1, output_tokens=2)
    called(0, acme.id, model="other")
    called(0.1, acme.id, input_tokens=None)
    called(0.2, acme.id, cost_nano_usd=0)
    with store.writing() as session:
        session.add_all(rows)
    first, second = prices.unpriced(LOCAL_OPERATOR)
    assert (first.provider, first.model, first.calls) == ("compatible", "own", 3)
    assert (first.input_tokens, first.output_tokens) == (801, 182)
    assert (first.first_at, first.last_at) == (START - timedelta(hours=3), START - timedelta(hours=1))
    assert first.tenants == ("Acme", "a tenant that is gone")
    assert (second.model, second.calls) == ("other", 1)
    in_use = prices.in_use(LOCAL_OPERATOR, START - timedelta(hours=2))
    assert [(one.model, one.calls) for one in in_use] == [("own", 4), ("other", 1)]


def test_without_anything_there_is_nothing_to_do(prices: Prices) -> None:
    """On an empty database both lists are empty."""
    assert prices.unpriced(LOCAL_OPERATOR) == []
    assert prices.in_use(LOCAL_OPERATOR, START) == []


def test_the_prices_of_a_tenant_are_found_among_those_of_all(prices: Prices, store: Store) -> None:
    """Of hundreds of tenants' overrides, to read a book or to set a price reads the tenant's and everybody's."""
    tenants = [builders.tenant(f"T{number}", START) for number in range(50)]
    builders.save(store, tenants)
    first = prices.set(LOCAL_OPERATOR, *GPT, tenant=tenants[0], discount_percent="5", from_at=START)
    with store.writing() as session:
        row = session.get_one(PriceOverride, first.id).model_dump()
        own = [row | {"id": f"{number:032x}", "tenant_id": tenants[number % 50].id} for number in range(5_000)]
        session.connection().execute(sqlalchemy.insert(PriceOverride), own)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    plans: list[str] = []
    explain = "EXPLAIN QUERY PLAN" if store.is_sqlite else "EXPLAIN"

    def look(connection: Any, _cursor: Any, sql: str, bound: Any, *_: Any) -> None:
        if sql.startswith("SELECT") and "FROM price_override" in sql:
            plans.append(" ".join(map(str, connection.exec_driver_sql(f"{explain} {sql}", bound).all())))

    sqlalchemy.event.listen(store.engine, "before_cursor_execute", look)
    prices.book(LOCAL_OPERATOR, tenants[7].id)
    prices.set(LOCAL_OPERATOR, "openai", "tool:web_search", tenant=tenants[7], usd_per_1000_uses="4")
    sqlalchemy.event.remove(store.engine, "before_cursor_execute", look)
    assert len(plans) == 2
    assert all("ix_price_override_tenant" in plan for plan in plans), plans
