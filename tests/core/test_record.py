"""The record: what a generation writes down, whatever ends it."""

from __future__ import annotations

import pytest
from sqlmodel import select

from core.attempts import Attempt
from core.budgets import Budgets, BudgetTerms
from core.clock import ManualClock
from core.errors import BudgetExceeded
from core.flags import evaluate_all
from core.policy import TenantTerms
from core.pricing import Cost, Price, Usage
from core.principals import LOCAL_OPERATOR
from core.providers import Answer
from core.record import Recorder
from core.store import Store
from core.tables import Attempt as AttemptRow
from core.tables import AttemptKind, LedgerEntry, Outcome, Payload
from core.tables import Generation as GenerationRow
from core.telemetry import Metrics
from tests import builders

PRICE = Price(
    provider="openai",
    model="gpt-4o",
    input_usd_per_mtok="2.5",
    cached_usd_per_mtok="1.25",
    output_usd_per_mtok="10",
    source="test prices",
)


def test_an_attempt_outlives_a_budget_that_ends_before_the_next(store: Store, clock: ManualClock) -> None:
    """Where the budget does not cover a re-ask, the attempt before it is still written down, beside its charge.

    So it is even if the model wrote a NUL, which PostgreSQL keeps in no text.
    """
    acme = builders.tenant("Acme", clock.now())
    builders.save(store, acme, *builders.budget(acme, limit_nano_usd=100, spent_nano_usd=0, now=clock.now())[:1])
    budgets = Budgets(store, clock, owner="test")
    recorder = Recorder(store=store, clock=clock, budgets=budgets, metrics=Metrics())
    terms = TenantTerms(
        id=acme.id,
        name=acme.name,
        timezone="UTC",
        rate_limit_per_min=60,
        payload_retention_days=30,
        budget=BudgetTerms(budget_id=f"budget-{acme.id}", tenant_id=acme.id, limit_nano_usd=100, timezone="UTC"),
        flags=evaluate_all([], acme.id),
    )
    first = Attempt(
        id=clock.new_id(),
        n=1,
        kind=AttemptKind.FIRST,
        provider="openai",
        model="gpt-4o",
        mode="tools",
        started_at=clock.now(),
        ended_at=clock.now(),
        duration_ms=1.0,
        outcome=Outcome.INVALID,
        error_code="invalid",
        error_detail="$.total Input should be a valid number",
        answer=Answer(text="{\0", http_status=200),
        usage=Usage(input_tokens=10, output_tokens=5),
        cost=Cost(50, PRICE),
    )
    record = recorder.open(
        tenant=terms,
        principal=LOCAL_OPERATOR,
        request_id="r-1",
        route="default",
        schema="invoice",
        streamed=False,
        user=None,
        metadata=None,
    )
    with pytest.raises(BudgetExceeded), record:  # noqa: PT012 the record's block is what is tested
        record.pays_from(terms.budget)
        record.cover(60)
        record.ended(first)
        record.cover(60)
    with store.reading() as session:
        assert session.exec(select(AttemptRow.id)).all() == [first.id]
        assert session.exec(select(Payload.answered)).all() == ["{\N{REPLACEMENT CHARACTER}"]
        assert session.exec(select(LedgerEntry.attempt_id, LedgerEntry.nano_usd)).all() == [(first.id, 50)]
        assert session.exec(select(GenerationRow.outcome, GenerationRow.attempts)).all() == [("blocked_budget", 1)]
    found = budgets.verify()
    assert (found.ok, found.held_nano_usd) == (True, 0)
