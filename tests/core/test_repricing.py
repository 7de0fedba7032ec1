"""History re-priced: everything moves by the same difference, or nothing does; the old figures stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import delete, select

from core.budgets.verification import Verifier
from core.clock import ManualClock
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.pricing import PriceBook, Prices, Usage
from core.principals import LOCAL_OPERATOR, Principal
from core.repricing import RepricingPreview, Repricings, RepricingScope
from core.store import Store
from core.tables import (
    Account,
    AttemptRow,
    AuditEntry,
    Budget,
    ChangeEvent,
    GenerationRow,
    LedgerEntry,
    LedgerKind,
    Outcome,
    PriceOverride,
    RepricedAttempt,
    Repricing,
    Row,
    Tenant,
    Verification,
)
from tests import builders
from tests.conftest import START
from tests.corridor import rig
from tests.wire.server import WireServer

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAWN = datetime(2025, 1, 1, tzinfo=UTC)
GPT, OWN = ("openai", "gpt-4o-mini"), ("compatible", "own")
TENANTS = ("acme", "globex")
EVERY_TABLE: tuple[type[Row], ...] = (
    RepricedAttempt,
    Repricing,
    LedgerEntry,
    AttemptRow,
    GenerationRow,
    Account,
    Budget,
    Tenant,
    AuditEntry,
    ChangeEvent,
    PriceOverride,
    Verification,
)


class World:
    """Calls of two tenants, charged to their accounts as the corridor would have."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.prices = Prices(store, clock)
        self.repricings = Repricings(store, clock)
        self.accounts: dict[tuple[str, str, str], Account] = {}
        self.rows: list[Row] = [builders.tenant(name.title(), START - 90 * DAY) for name in TENANTS]
        self._calls = 0

    def budget(self, tenant_id: str, scope: str = "tenant", name: str = "", *, at: datetime = START) -> Account:
        """Add a budget with one account of the thirty days around *at*."""
        key = f"{tenant_id}-{scope}-{name}"
        account = Account(
            id=f"account-{key}", budget_id=key, tenant_id=tenant_id, starts_at=at - 15 * DAY, ends_at=at + 15 * DAY
        )
        self.rows.append(
            Budget(
                id=key, tenant_id=tenant_id, scope=scope, scope_name=name, limit_nano_usd=10**12, created_at=at - DAY
            )
        )
        self.rows.append(account)
        self.accounts[tenant_id, scope, name] = account
        return account

    def call(
        self, *usages: Usage, who: tuple[str, str] = GPT, tenant_id: str = "acme", pays: str = "tenant", **more: Any
    ) -> GenerationRow:
        """Add a generation with one attempt per usage: the last is valid, those before it were invalid."""
        self._calls += 1
        at = more.pop("at", START - self._calls * HOUR / 10)
        book = PriceBook()
        made = builders.generation(at, tenant_id, provider=who[0], model=who[1], attempts=len(usages), **more)
        costs = [book.cost(*who, usage, at) for usage in usages]
        spent = [cost.nano_usd for cost in costs if cost]
        made.cost_nano_usd = sum(spent) if len(spent) == len(costs) else None
        made.wasted_nano_usd = sum(cost.nano_usd for cost in costs[:-1] if cost)
        self.rows.append(made)
        for n, (usage, cost) in enumerate(zip(usages, costs, strict=True), 1):
            outcome = Outcome.VALID_FIRST_TRY if n == len(usages) else Outcome.INVALID
            attempt = builders.attempt(
                made,
                n,
                outcome,
                input_tokens=usage.input_tokens,
                cached_tokens=usage.cached_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                output_tokens=usage.output_tokens,
                cost_nano_usd=cost.nano_usd if cost else None,
                price=cost.price.as_dict() if cost else None,
                cache_saved_nano_usd=cost.cache_saved_nano_usd if cost else 0,
            )
            paying = [
                account for (owner, scope, _), account in self.accounts.items() if (owner, scope) == (tenant_id, pays)
            ]
            self.rows.append(attempt)
            for account in paying if cost else ():
                account.spent_nano_usd += attempt.cost_nano_usd or 0
                attempt.charges += 1
                self.rows.append(
                    LedgerEntry(
                        id=f"{account.id}-{attempt.id}",
                        at=at,
                        account_id=account.id,
                        generation_id=made.id,
                        attempt_id=attempt.id,
                        kind=LedgerKind.CHARGE,
                        nano_usd=attempt.cost_nano_usd or 0,
                    )
                )
        return made

    def save(self) -> None:
        """Write everything down."""
        with self.store.writing() as session:
            for table in (Tenant, Budget, Account, Row):  # what others refer to goes first
                session.add_all([row for row in self.rows if isinstance(row, table)])
                session.flush()
        self.rows = []

    def price(self, who: tuple[str, str], usd: str, **more: Any) -> None:
        """Say that *who* has cost so many dollars in and out for a year."""
        rates = {"input_usd_per_mtok": usd, "output_usd_per_mtok": usd}
        more = {"from_at": START - 365 * DAY} | more
        self.prices.set(LOCAL_OPERATOR, *who, rates=rates, **more)

    def scope(self, who: tuple[str, str] = GPT, **more: Any) -> RepricingScope:
        """Return the scope of everything there is of *who*."""
        known: dict[str, Any] = {"starts_at": START - 60 * DAY, "ends_at": START + DAY}
        return RepricingScope(provider=who[0], model=who[1], **(known | more))

    def reprice(self, who: tuple[str, str] = GPT, **more: Any) -> Repricing:
        """Re-price."""
        return self.repricings.reprice(LOCAL_OPERATOR, self.scope(who, **more), "the contract says so")

    def preview(self, who: tuple[str, str] = GPT, **more: Any) -> RepricingPreview:
        """Look before."""
        return self.repricings.preview(LOCAL_OPERATOR, self.scope(who, **more))

    def all(self, table: type[Any]) -> list[Any]:
        """Return every row."""
        with self.store.reading() as session:
            return list(session.exec(select(table)).all())

    def spent(self) -> dict[str, int]:
        """Return what each account has spent."""
        return {account.id: account.spent_nano_usd for account in self.all(Account)}

    def require_proof(self) -> None:
        """Demand what ``proctor verify`` demands, in words of our own and in its."""
        attempts = {one.id: one for one in self.all(AttemptRow)}
        by_pair: dict[tuple[str, str], int] = {}
        by_account: dict[str, int] = {}
        for entry in self.all(LedgerEntry):
            if entry.attempt_id is not None:
                pair = (entry.attempt_id, entry.account_id)
                by_pair[pair] = by_pair.get(pair, 0) + entry.nano_usd
            by_account[entry.account_id] = by_account.get(entry.account_id, 0) + entry.nano_usd
        assert all(total == attempts[attempt_id].cost_nano_usd for (attempt_id, _), total in by_pair.items())
        for attempt in attempts.values():
            assert attempt.charges == sum(attempt_id == attempt.id for attempt_id, _ in by_pair)
        assert all(by_account.get(name, 0) == spent for name, spent in self.spent().items())
        for made in self.all(GenerationRow):
            theirs = [one for one in attempts.values() if one.generation_id == made.id]
            costs = [one.cost_nano_usd for one in theirs]
            assert made.cost_nano_usd == (None if None in costs else sum(costs))
            wasted = sum(one.cost_nano_usd or 0 for one in theirs if one.outcome == Outcome.INVALID)
            assert made.wasted_nano_usd == wasted
        assert Verifier(self.store, self.clock).verify("a test").ok


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def world(store: Store, clock: ManualClock) -> World:
    """Nothing yet but two tenants."""
    return World(store, clock)


def test_a_wrong_price_is_put_right(world: World) -> None:
    """Attempt, generation, ledger and account move by the same difference; what was before stays to be looked up."""
    world.budget("acme")
    made = world.call(Usage(input_tokens=1_000, cached_tokens=400, output_tokens=10), Usage(input_tokens=2_000))
    world.save()
    before = {one.id: one for one in world.all(AttemptRow)}
    world.price(GPT, "1")
    done = world.reprice()
    after = {one.id: one for one in world.all(AttemptRow)}

    assert [one.cost_nano_usd for one in after.values()] == [1_010_000, 2_000_000]
    assert {one.price["source"] for one in after.values()} == {"override: own rates"}
    assert [one.cache_saved_nano_usd for one in after.values()] == [0, 0]
    assert (done.attempts, done.after_nano_usd) == (2, 3_010_000)
    assert done.before_nano_usd == made.cost_nano_usd
    (kept,) = world.all(GenerationRow)
    assert (kept.cost_nano_usd, kept.wasted_nano_usd) == (3_010_000, 1_010_000)
    assert world.spent() == {"account-acme-tenant-": 3_010_000}
    old = list(world.repricings.old_figures(LOCAL_OPERATOR, done.id))
    assert [(one.before_nano_usd, one.price_before) for one in old] == [
        (before[one.attempt_id].cost_nano_usd, before[one.attempt_id].price) for one in old
    ]
    assert [one.generation_id for one in old] == [made.id] * 2
    assert world.repricings.find(LOCAL_OPERATOR, done.id) == done
    assert world.repricings.list(LOCAL_OPERATOR) == [done]
    world.require_proof()


def test_unpriced_calls_are_charged_to_the_accounts_that_cover_them(world: World) -> None:
    """To every account of the tenant around the generation whose budget is for such a call, and to no other."""
    world.budget("acme")
    world.budget("acme", "model", "compatible/own")
    world.budget("acme", "model", "openai/gpt-4o-mini")
    world.budget("acme", "schema", "invoice")
    world.budget("acme", "schema", "another")
    world.budget("acme", "route", "default")
    world.budget("globex")
    world.budget("acme", "route", "fast", at=START - 40 * DAY)
    world.call(Usage(input_tokens=500), Usage(input_tokens=1_000), who=OWN)
    world.save()
    world.price(OWN, "2")
    preview = world.preview(OWN)
    assert (preview.attempts, preview.unpriced, preview.before_nano_usd, preview.after_nano_usd) == (2, 2, 0, 3_000_000)
    world.reprice(OWN)

    assert {name: spent for name, spent in world.spent().items() if spent} == {
        "account-acme-tenant-": 3_000_000,
        "account-acme-model-compatible/own": 3_000_000,
        "account-acme-schema-invoice": 3_000_000,
        "account-acme-route-default": 3_000_000,
    }
    assert [one.charges for one in world.all(AttemptRow)] == [4, 4]
    (made,) = world.all(GenerationRow)
    assert (made.cost_nano_usd, made.wasted_nano_usd) == (3_000_000, 1_000_000)
    assert world.prices.unpriced(LOCAL_OPERATOR) == []
    world.require_proof()


def test_what_an_account_began_with_moves_too(world: World) -> None:
    """An account that was opened within its period carries the cost of earlier calls: that sum follows them."""
    world.call(Usage(input_tokens=1_000))
    world.call(Usage(input_tokens=1_000), who=OWN)
    account = world.budget("acme")
    account.spent_nano_usd = 150_000
    opening = {"account_id": account.id, "generation_id": "", "kind": LedgerKind.OPENING_BALANCE, "nano_usd": 150_000}
    world.rows.append(LedgerEntry(id="carried", at=START, **opening))
    world.call(Usage(input_tokens=1_000))
    world.save()
    world.price(GPT, "1")
    world.price(OWN, "2")
    world.reprice()
    world.reprice(OWN)
    assert world.spent() == {account.id: 4_000_000}
    kinds = {(entry.kind, bool(entry.cause)): entry.nano_usd for entry in world.all(LedgerEntry)}
    assert kinds == {
        ("opening_balance", False): 150_000,
        ("charge", False): 150_000,
        ("opening_balance", True): 850_000,
        ("repricing", True): 2_000_000,
    }
    world.require_proof()


def test_a_call_is_priced_as_of_its_own_time_and_tenant(world: World) -> None:
    """Each attempt takes the price that held when it began, for who called; two prices in the span are two prices."""
    for tenant_id, later in zip(TENANTS, (0 * HOUR, HOUR), strict=True):
        world.call(Usage(input_tokens=1_000), who=OWN, tenant_id=tenant_id, at=START - 10 * DAY + later)
        world.call(Usage(input_tokens=1_000), who=OWN, tenant_id=tenant_id, at=START - 5 * DAY + later)
    world.save()
    acme = next(tenant for tenant in world.all(Tenant) if tenant.id == "acme")
    world.price(OWN, "1", from_at=START - 20 * DAY)
    world.price(OWN, "2", from_at=START - 7 * DAY)
    world.price(OWN, "9", from_at=START - 7 * DAY, tenant=acme)
    world.reprice(OWN)
    costs = {(one.tenant_id, one.started_at): one.cost_nano_usd for one in world.all(AttemptRow)}
    assert costs == {
        ("acme", START - 10 * DAY): 1_000_000,
        ("acme", START - 5 * DAY): 9_000_000,
        ("globex", START - 10 * DAY + HOUR): 1_000_000,
        ("globex", START - 5 * DAY + HOUR): 2_000_000,
    }


def test_only_what_is_in_the_scope_changes(world: World) -> None:
    """Another tenant's, another model's, earlier and later calls keep their figures; the end is not in the span."""
    inside = world.call(Usage(input_tokens=100), at=START - 2 * DAY)
    world.call(Usage(input_tokens=100), at=START - DAY)
    world.call(Usage(input_tokens=100), at=START - 3 * DAY)
    world.call(Usage(input_tokens=100), at=START - 2 * DAY + HOUR, tenant_id="globex")
    world.call(Usage(input_tokens=100), at=START - 2 * DAY + 2 * HOUR, who=("openai", "gpt-4o"))
    world.save()
    world.price(("openai", "*"), "1")
    span = {"starts_at": START - 2 * DAY, "ends_at": START - DAY, "tenant_id": "acme"}
    assert world.reprice(**span).attempts == 1
    (changed,) = world.all(RepricedAttempt)
    assert changed.attempt_id[:-2] == inside.id[:-2]
    assert world.reprice(("openai", "*"), starts_at=START - 2 * DAY, ends_at=START - DAY).attempts == 2
    assert sorted(one.attempts for one in world.repricings.list(LOCAL_OPERATOR)) == [1, 2]


def test_twice_is_once(world: World) -> None:
    """A second run finds nothing to change and says so; a third with another price goes on from there."""
    world.budget("acme")
    world.call(Usage(input_tokens=1_000))
    world.save()
    world.price(GPT, "1")
    world.reprice()
    with pytest.raises(Invalid, match="Nothing would change"):
        world.reprice()
    world.price(GPT, "3", from_at=START - 300 * DAY)
    world.clock.advance(60)
    third = world.reprice()
    assert (third.before_nano_usd, third.after_nano_usd) == (1_000_000, 3_000_000)
    assert world.spent() == {"account-acme-tenant-": 3_000_000}
    world.require_proof()


def test_what_has_no_price_even_now_stays(world: World) -> None:
    """It is counted in the preview and never made unpriced or free."""
    world.call(Usage(input_tokens=10), who=OWN)
    priced = world.call(Usage(input_tokens=10), who=("compatible", "b"))
    world.save()
    world.price(("compatible", "b"), "1")
    preview = world.preview(("compatible", "*"))
    assert (preview.attempts, preview.still_unpriced, preview.unchanged) == (1, 1, 0)
    world.reprice(("compatible", "*"))
    world.prices.withdraw(LOCAL_OPERATOR, world.prices.overrides(LOCAL_OPERATOR)[0].id)
    with pytest.raises(Invalid, match="Nothing would change"):
        world.reprice(("compatible", "*"))
    costs = {one.generation_id: one.cost_nano_usd for one in world.all(AttemptRow)}
    assert costs[priced.id] == 10_000
    assert sorted(costs.values(), key=str) == [10_000, None]


def test_a_call_that_is_still_out_is_left_alone(world: World) -> None:
    """Attempts of a generation that has not ended, or was given up for lost today, may yet be corrected."""
    world.call(Usage(input_tokens=10), error_code="lost", at=START - HOUR)
    world.call(Usage(input_tokens=20), error_code="lost", at=START - 2 * DAY)
    world.call(Usage(input_tokens=30), at=START - 2 * HOUR)
    at = START - 2 * HOUR
    world.rows = [row for row in world.rows if not (isinstance(row, GenerationRow) and row.started_at == at)]
    world.save()
    world.price(GPT, "1")
    assert world.preview().after_nano_usd == 20_000


def test_a_mended_price_of_a_part_leaves_a_sum_unknown(world: World) -> None:
    """A generation with another attempt that is still unpriced stays unpriced itself."""
    made = world.call(Usage(input_tokens=10), Usage(input_tokens=10), who=OWN)
    second = next(row for row in world.rows if isinstance(row, AttemptRow) and row.n == 2)
    second.model = "other"
    world.save()
    world.price(OWN, "1")
    world.reprice(OWN)
    (kept,) = world.all(GenerationRow)
    assert kept.id == made.id
    assert (kept.cost_nano_usd, kept.wasted_nano_usd) == (None, 10_000)


def test_the_preview_is_what_is_done(world: World) -> None:
    """Per tenant, before and after; and if it is no longer so, nothing is done."""
    for tenant_id in TENANTS:
        world.call(Usage(input_tokens=1_000), tenant_id=tenant_id)
    world.save()
    world.price(GPT, "1")
    seen = world.preview()
    assert [(one.tenant, one.attempts, one.before_nano_usd, one.after_nano_usd) for one in seen.tenants] == [
        ("Acme", 1, 150_000, 1_000_000),
        ("Globex", 1, 150_000, 1_000_000),
    ]
    world.call(Usage(input_tokens=1))
    world.save()
    with pytest.raises(Conflict, match="no longer what the preview showed"):
        world.repricings.reprice(LOCAL_OPERATOR, world.scope(), "because", expected=seen)
    assert world.all(Repricing) == []
    done = world.repricings.reprice(LOCAL_OPERATOR, world.scope(), "because", expected=world.preview())
    assert (done.attempts, done.before_nano_usd, done.after_nano_usd) == (3, 300_150, 2_001_000)


def test_it_is_audited(world: World) -> None:
    """Who did it, why, and from what to what; and the charts show that history was changed."""
    world.call(Usage(input_tokens=1_000_000))
    world.save()
    world.price(GPT, "1")
    done = world.reprice()
    entry = next(one for one in world.all(AuditEntry) if one.action == "price.reprice")
    event = next(one for one in world.all(ChangeEvent) if "re-priced" in one.summary)
    assert (entry.actor, entry.subject) == ("local operator", "openai/gpt-4o-mini")
    assert entry.before == {"nano_usd": 150_000_000, "unpriced_attempts": 0}
    assert entry.after == {
        "nano_usd": 1_000_000_000,
        "attempts": 1,
        "repricing_id": done.id,
        "reason": "the contract says so",
    }
    assert event.kind == "price"
    assert event.summary.endswith("were re-priced: $0.15 became $1.")


def test_only_operators_reprice(world: World) -> None:
    """Neither a look nor the deed is for a program of a tenant."""
    program = Principal.of_key("key", "acme", "prk_key")
    deeds: list[Callable[[], Any]] = [
        lambda: world.repricings.preview(program, world.scope()),
        lambda: world.repricings.reprice(program, world.scope(), "because"),
    ]
    for deed in deeds:
        with pytest.raises(Forbidden, match=r"prices\.write"):
            deed()


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({"provider": "nobody"}, "The provider is one of"),
        ({"model": " "}, "Name the model"),
        ({"starts_at": START}, "must end after it begins"),
        ({"starts_at": datetime(2026, 1, 1)}, "with their zones"),  # noqa: DTZ001
    ],
)
def test_a_scope_that_cannot_be_is_said(world: World, scope: dict[str, Any], said: str) -> None:
    """A sentence says what to write instead."""
    known = {"provider": "openai", "model": "*", "starts_at": START - DAY, "ends_at": START}
    with pytest.raises(Invalid, match=said):
        world.repricings.preview(LOCAL_OPERATOR, RepricingScope(**(known | scope)))


def test_too_much_at_once_is_refused(world: World) -> None:
    """One transaction has its bounds; the sentence says to take shorter spans."""
    for _ in range(3):
        world.call(Usage(input_tokens=1_000))
    world.save()
    world.price(GPT, "1")
    repricings = Repricings(world.store, world.clock, most_attempts=2)
    with pytest.raises(Invalid, match=r"more than 2 calls\. Re-price them in shorter spans"):
        repricings.preview(LOCAL_OPERATOR, world.scope())
    enough = Repricings(world.store, world.clock, most_attempts=3)
    assert enough.preview(LOCAL_OPERATOR, world.scope()).attempts == 3


def test_many_calls_go_some_at_a_time_and_what_is_done_is_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut in the middle, the books balance and the re-pricing says how far it came; another one does the rest."""
    monkeypatch.setattr("core.repricing._repricings.AT_ONCE", 2)
    world.budget("acme")
    for _ in range(5):
        world.call(Usage(input_tokens=1_000))
    world.save()
    world.price(GPT, "1")
    rest = world.store.rest

    def killed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world.store, "rest", killed)
    with pytest.raises(KeyboardInterrupt):
        world.reprice()
    [cut] = world.repricings.list(LOCAL_OPERATOR)
    assert cut.attempts == 2
    world.require_proof()

    monkeypatch.setattr(world.store, "rest", rest)
    assert world.reprice().attempts == 3
    assert len(list(world.repricings.old_figures(LOCAL_OPERATOR, cut.id))) == 2
    world.require_proof()


def test_a_reason_is_needed(world: World) -> None:
    """Without one, or with a novel, nothing is done; and an unknown re-pricing is not found."""
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(Invalid, match="has a reason"):
            world.repricings.reprice(LOCAL_OPERATOR, world.scope(), reason)
    with pytest.raises(NotFound):
        world.repricings.find(LOCAL_OPERATOR, "nothing")
    assert not list(world.repricings.old_figures(LOCAL_OPERATOR, "nothing"))


def test_traffic_goes_on_meanwhile(wire: WireServer, database_url: str) -> None:
    """While calls are made and charged, history is re-priced again and again: the books balance all the time."""
    with rig(wire, database_url) as here:
        tenant = here.tenant(10**15)
        scope = RepricingScope(provider="openai", model="*", starts_at=DAWN, ends_at=DAWN + 9_999 * DAY)
        prices, repricings = here.runtime.prices, here.runtime.repricings

        def call(_: int) -> None:
            assert here.ask(tenant).error is None

        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(call, number) for number in range(40)]
            for usd in range(1, 7):
                rates = {"input_usd_per_mtok": str(usd), "output_usd_per_mtok": str(usd)}
                prices.set(LOCAL_OPERATOR, "openai", "*", rates=rates, from_at=DAWN + usd * DAY)
                with suppress(Invalid):  # nothing may have been called since
                    repricings.reprice(LOCAL_OPERATOR, scope, f"round {usd}")
                assert here.runtime.budgets.verify(LOCAL_OPERATOR).ok
            for one in calls:
                one.result()
        with suppress(Invalid):
            repricings.reprice(LOCAL_OPERATOR, scope, "the last word")
        with here.runtime.store.reading() as session:
            attempts = session.exec(select(AttemptRow)).all()
        assert len(attempts) == 40
        assert {one.cost_nano_usd for one in attempts} == {
            6_000 * ((one.input_tokens or 0) + (one.output_tokens or 0)) for one in attempts
        }
        assert sum(account.spent_nano_usd for account in here.accounts(tenant)) == sum(
            one.cost_nano_usd or 0 for one in attempts
        )
        assert here.is_settled()


usages = st.builds(
    Usage,
    input_tokens=st.integers(1_000, 300_000),
    cached_tokens=st.integers(0, 500),
    cache_write_tokens=st.integers(0, 500),
    output_tokens=st.integers(0, 1_000),
)
calls = st.lists(
    st.tuples(
        st.sampled_from([GPT, OWN, ("anthropic", "claude-sonnet-4-5")]),
        st.sampled_from(TENANTS),
        st.lists(usages, min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=6,
)
deeds = st.lists(
    st.tuples(
        st.sampled_from([GPT, OWN, ("openai", "*"), ("anthropic", "claude-sonnet-4-5")]),
        st.decimals("0", "20", places=3).map(str),
        st.sampled_from(["", *TENANTS]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=calls, deeds=deeds, scopes=st.sets(st.sampled_from(["tenant", "model", "schema", "route"])))
def test_the_books_balance_whatever_is_repriced(
    sqlite_store: Store, calls: list[Any], deeds: list[Any], scopes: set[str]
) -> None:
    """After any calls and any re-pricings ledger, accounts, attempts and generations explain each other."""
    with sqlite_store.writing() as session:
        for table in EVERY_TABLE:
            session.exec(delete(table))
    world = World(sqlite_store, ManualClock(START))
    names = {"tenant": "", "model": "compatible/own", "schema": "invoice", "route": "default"}
    for scope in sorted(scopes):
        world.budget("acme", scope, names[scope])
    for who, tenant_id, parts in calls:
        world.call(*parts, who=who, tenant_id=tenant_id)
    world.save()
    for number, (who, usd, tenant_id) in enumerate(deeds):
        world.price(who, usd, from_at=START - (300 - number) * DAY)
        world.clock.advance(1)
        before = world.preview(who, tenant_id=tenant_id)
        if before.attempts:
            done = world.reprice(who, tenant_id=tenant_id)
            assert (done.attempts, done.after_nano_usd) == (before.attempts, before.after_nano_usd)
            old = world.repricings.old_figures(LOCAL_OPERATOR, done.id)
            assert sum(one.before_nano_usd or 0 for one in old) == done.before_nano_usd
        after = world.preview(who, tenant_id=tenant_id)
        assert (after.attempts, after.after_nano_usd) == (0, 0)
        world.require_proof()
