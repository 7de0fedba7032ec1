"""How a call was billed, from the provider's answer over HTTP to the attempt's row, the statement, and a re-pricing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.principals import LOCAL_OPERATOR
from core.repricing import RepricingScope
from tests.core.test_answers_read import TEXT, anthropic, block, completion, tenant_of
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.wire.scripted import Scripted, ScriptedServer


@pytest.fixture(scope="module")
def proctor(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor whose providers answer as a test says."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("billed") / "proctor.db")
    with ScriptedServer() as server, rig(server, f"sqlite:///{path}") as running:
        yield running


CHAT = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
CLAUDE = {"input_tokens": 100, "output_tokens": 100, "cache_read_input_tokens": 0}
HOUR = {
    "cache_creation_input_tokens": 1000,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1000},
}
BILLED: dict[str, tuple[str, dict[str, Any], dict[str, Any], int]] = {
    # who is asked, what it answers, what is kept of how that was billed, and the nano-dollars by the published price:
    "a service tier": (
        OPENAI,
        completion({"content": TEXT}, usage=CHAT, service_tier="priority"),
        {"tier": "priority"},
        1000 * 250 + 100 * 1000,
    ),
    "a region": (
        ANTHROPIC,
        anthropic(block(TEXT), usage=CLAUDE | {"inference_geo": "us"}),
        {"geo": "us"},
        100 * 1100 + 100 * 5500,
    ),
    "written to the cache for an hour": (
        ANTHROPIC,
        anthropic(block(TEXT), usage=CLAUDE | HOUR),
        {"cache_write_1h_tokens": 1000},
        100 * 1000 + 1000 * 2000 + 100 * 5000,
    ),
    "searches": (
        ANTHROPIC,
        anthropic(block(TEXT), usage=CLAUDE | {"server_tool_use": {"web_search_requests": 2}}),
        {"tool_uses": {"web_search": 2}},
        100 * 1000 + 100 * 5000 + 2 * 10_000_000,
    ),
    "both": (
        ANTHROPIC,
        anthropic(block(TEXT), usage=CLAUDE | HOUR | {"inference_geo": "us"}),
        {"geo": "us", "cache_write_1h_tokens": 1000},
        100 * 1100 + 1000 * 2200 + 100 * 5500,
    ),
}


@pytest.mark.parametrize("what", BILLED)
def test_what_a_provider_bills_is_what_is_kept(proctor: Rig, what: str) -> None:
    """The row has the dimension and the vendor's price for it, the ledger is charged that, and a re-pricing agrees."""
    model, answer, kept, nano_usd = BILLED[what]
    proctor.wire.plays(Scripted.whole(answer))  # pyright: ignore[reportAttributeAccessIssue] it is the scripted one
    heard = proctor.ask(tenant_of(proctor), route=proctor.route(model, mode="json_schema"))
    written = proctor.written(heard.generation.id)
    [attempt] = written.attempts
    assert attempt.billing == kept
    assert attempt.cost_nano_usd == nano_usd
    assert {name: value for name, value in (attempt.price or {}).items() if name in {"tier", "geo"}} == {
        name: value for name, value in kept.items() if name in {"tier", "geo"}
    }
    assert [entry.nano_usd for entry in written.entries] == [nano_usd]

    provider, _, name = model.partition("/")
    scope = RepricingScope(
        provider=provider,
        model=name,
        starts_at=attempt.started_at - timedelta(seconds=1),
        ends_at=attempt.ended_at + timedelta(seconds=1),
        tenant_id=attempt.tenant_id,
    )
    preview = proctor.runtime.repricings.preview(LOCAL_OPERATOR, scope)
    assert preview.tenants == (), "the same tokens, tier and region at the same price: nothing to do"


def test_the_statement_says_how_it_was_billed(proctor: Rig) -> None:
    """What the calls above were billed for stands in lines of their own, which add up."""
    for what, (model, answer, _, _) in BILLED.items():
        proctor.wire.plays(Scripted.whole(answer))  # pyright: ignore[reportAttributeAccessIssue] as above
        assert proctor.ask(tenant_of(proctor), route=proctor.route(model, mode="json_schema")).error is None, what
    bill = proctor.runtime.reports.statement(LOCAL_OPERATOR, tenant_of(proctor).id)
    assert {line.key for line in bill.tiers} == {"priority", "standard, in us", "standard"}
    assert sum(line.figures.spent for line in bill.tiers) == bill.total.spent
    assert bill.difference_nano_usd == 0
    told = proctor.runtime.metrics.registry.get_sample_value
    by_tier = {
        tier: told("proctor_service_tier_cost_nano_usd_total", {"gen_ai_provider_name": "openai", "service_tier": tier})
        for tier in ("priority", "standard")
    }
    assert by_tier["priority"], "what was served by priority is counted by that"
    assert not by_tier["standard"]
