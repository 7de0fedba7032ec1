"""One number: Home, Tenants, Calls, Spend, the statement, the API, every export and the ledger name the same spend.

The calls are made by the real corridor on the fake providers, with all that peers' pages disagree on among them:
re-asks, fallbacks, models without a price, estimated usage, a caller who leaves, failures that are paid.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from sqlmodel import select
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.api import create_api
from core.cli import main
from core.cli._figures import usd
from core.outlooks import Outlooks
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter, Window, csv
from core.reports.measures import MEASURES
from core.tables import Account, AttemptRow, GenerationRow, LedgerEntry, Tenant
from pages.kit import formats, shared
from tests.console import console
from tests.corridor import ANTHROPIC, OPENAI, Rig, program, question, rig
from tests.wire.server import WireServer

MYSTERY = "openai/mystery-model"
"""A model that no price list knows."""


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def on(wire: WireServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A whole Proctor, which the pages find as well."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("one") / "proctor.db")
    with rig(wire, f"sqlite:///{path}") as built:
        running.install(built.runtime)
        st.cache_data.clear()
        shared.forget()
        yield built
        running.install(None)


@pytest.fixture(scope="module")
def tenant(on: Rig) -> Tenant:
    """A tenant that made every kind of call."""
    tenant = on.tenant()
    on.runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, tenant.version, without_price="allow")
    plain, falling = on.route(OPENAI), on.route(OPENAI, ANTHROPIC)
    for scenario in ("ok", "invalid-once", "invalid-twice", "never-valid", "refused", "truncated", "failed", "cached"):
        on.ask(tenant, scenario, route=plain)
    on.ask(tenant, "never-valid@openai", route=falling)
    on.ask(tenant, "ok", route=on.route(MYSTERY))
    on.ask(tenant, "never-valid@openai", route=on.route(OPENAI, "anthropic/mystery-model"))
    on.ask(tenant, "never-valid@openai", route=on.route(MYSTERY, ANTHROPIC))
    on.ask(tenant, "short-stream", route=plain, stream=True)
    leaving: Any = on.corridor().stream(question("slow-stream", route=plain), program(tenant))
    next(leaving)
    leaving.close()
    assert on.wire.wait_idle()
    # another tenant's money is nobody else's
    on.ask(on.tenant(), "invalid-once", route=plain)
    return tenant


@pytest.fixture(scope="module")
def paid(on: Rig, tenant: Tenant) -> int:
    """What the attempts cost, added up by hand."""
    with on.runtime.store.reading() as session:
        attempts = session.exec(select(AttemptRow).where(AttemptRow.tenant_id == tenant.id)).all()
        calls = session.exec(select(GenerationRow).where(GenerationRow.tenant_id == tenant.id)).all()
    kinds = {attempt.kind for attempt in attempts}
    assert {"first", "re-ask", "fallback"} <= kinds
    assert any(attempt.cost_nano_usd is None and attempt.input_tokens for attempt in attempts), "some are unpriced"
    assert any(attempt.estimated for attempt in attempts), "some are estimated"
    assert {"cancelled", "invalid", "valid_after_fallback"} <= {call.outcome for call in calls}
    assert any(call.cost_nano_usd is None and call.outcome.startswith("valid") for call in calls)
    return sum(attempt.cost_nano_usd or 0 for attempt in attempts)


def opened(name: str, **parameters: str) -> AppTest:
    """Open a page of the console with these parameters in its URL; what Home has chosen before is chosen anew."""
    page = console(name, **parameters)
    page.run()
    if "tenant" in parameters:
        page.selectbox(key="tenant").select(parameters["tenant"]).run()
    assert not page.exception
    return page


def test_ledger_and_account(on: Rig, tenant: Tenant, paid: int) -> None:
    """The ledger's entries, the account and the budget's state say what the attempts cost."""
    with on.runtime.store.reading() as session:
        accounts = session.exec(select(Account).where(Account.tenant_id == tenant.id)).all()
        ids = [account.id for account in accounts]
        entries = [entry for entry in session.exec(select(LedgerEntry)).all() if entry.account_id in ids]
    assert sum(account.spent_nano_usd for account in accounts) == paid
    assert sum(entry.nano_usd for entry in entries) == paid
    assert on.runtime.budgets.show(LOCAL_OPERATOR, tenant).spent_nano_usd == paid


def test_reports(on: Rig, tenant: Tenant, paid: int) -> None:
    """Every report of the window says it: overview, spend in all its cuts, sums of calls, statement, forecast."""
    reports, now = on.runtime.reports, on.runtime.clock.now()
    window = Window.last(timedelta(days=1), now)
    overview, spend = (
        reports.overview(LOCAL_OPERATOR, window, tenant.id),
        reports.spend(LOCAL_OPERATOR, window, tenant.id),
    )
    wanted = CallFilter(starts_at=window.starts_at, ends_at=window.ends_at, tenant_id=tenant.id)
    bill = reports.statement(LOCAL_OPERATOR, tenant.id)
    sums = reports.summary(LOCAL_OPERATOR, wanted)
    assert overview.totals.spend == spend.total.spend == sums.spend_nano_usd == paid
    for cut in (spend.tenants, spend.models, spend.schemas):
        assert sum(line.figures.spent for line in cut) == paid
    assert (bill.total.spent, bill.charged_nano_usd, bill.outside_nano_usd, bill.difference_nano_usd) == (
        paid,
        paid,
        0,
        0,
    )
    Outlooks(on.runtime.store, on.runtime.clock).make()
    coming = reports.forecast(LOCAL_OPERATOR, tenant.id)
    assert coming is not None
    assert coming.spent == paid
    assert spend.total.discarded == overview.totals.discarded == sum(one.nano_usd for one in spend.reasons)
    assert spend.total.cost_per_valid == overview.totals.cost_per_valid
    assert spend.total.unpriced_calls == overview.totals.unpriced_calls == sums.unpriced == 3
    assert spend.total.estimated_calls == overview.totals.estimated_calls == sums.estimated


def test_exports(on: Rig, tenant: Tenant, paid: int) -> None:
    """Every CSV adds up to it exactly: the calls, each cut of the spend, the statement, what was thrown away."""
    reports, now = on.runtime.reports, on.runtime.clock.now()
    window = Window.last(timedelta(days=1), now)
    spend, bill = reports.spend(LOCAL_OPERATOR, window, tenant.id), reports.statement(LOCAL_OPERATOR, tenant.id)
    wanted = CallFilter(starts_at=window.starts_at, ends_at=window.ends_at, tenant_id=tenant.id)

    def read(frame: Any) -> Any:
        return pd.read_csv(io.BytesIO(csv(frame)))

    assert read(next(reports.calls_frames(LOCAL_OPERATOR, wanted)))["cost_nano_usd"].sum() == paid
    for kind in ("tenants", "models", "schemas"):
        assert read(spend.frame(kind))["spend_nano_usd"].sum() == paid
    assert read(spend.reasons_frame())["nano_usd"].sum() == spend.total.discarded
    parts = read(bill.frame()).groupby("part")["spend_nano_usd"].sum()
    assert parts.to_dict() == {"total": paid, "model": paid, "schema": paid}


def test_pages(on: Rig, tenant: Tenant, paid: int) -> None:
    """Home's tile, Spend's tile, the table of tenants, the line under Calls and the statement show it alike."""
    shown = formats.dollars(paid)
    home = opened("home", tenant=tenant.name)
    assert next(tile.value for tile in home.metric if tile.label == "Spend") == shown
    spend = opened("spend", tenant=tenant.name)
    assert next(tile.value for tile in spend.metric if tile.label == "Spend") == shown
    budgets = opened("tenants").dataframe[0].value
    assert budgets.set_index("tenant").loc[tenant.name, "spent"] == shown
    calls = opened("calls", tenant=tenant.name)
    assert any(f"· {shown} (3 unpriced" in line.value.replace("\\", "") for line in calls.caption)
    paper = opened("statement", tenant=tenant.name)
    assert any(f"<strong>{shown}</strong>" in part.proto.body for part in paper.get("html"))


def test_api_and_command_line(on: Rig, tenant: Tenant, paid: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The API answers it to the nano-dollar, and people read it on the command line as in the console."""
    key = on.runtime.tenants.create_key(LOCAL_OPERATOR, tenant).secret
    client = TestClient(create_api(on.runtime), headers={"Authorization": f"Bearer {key}"})
    answer = client.get("/spend").json()
    assert answer["spend_nano_usd"] == paid
    assert answer["unpriced_calls"] == 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", str(on.runtime.store.url))
        patch.setenv("LOCAL_MODEL", "off")
        assert main(["spend", "show", tenant.name]) == 0
    assert f": {formats.dollars(paid)} for " in capsys.readouterr().out


def test_any_figure_is_the_one_of_home(on: Rig, tenant: Tenant, paid: int) -> None:
    """Whatever is asked for, by whatever calls are told apart: the whole is Home's, and so are the parts together."""
    key = on.runtime.tenants.create_key(LOCAL_OPERATOR, tenant).secret
    client = TestClient(create_api(on.runtime), headers={"Authorization": f"Bearer {key}"})
    window = Window.last(timedelta(days=1), on.runtime.clock.now())
    totals = on.runtime.reports.overview(LOCAL_OPERATOR, window, tenant.id).totals
    measures = [name for name, one in MEASURES.items() if one.percent is None]
    told = client.get("/query", params={"measures": ",".join(measures)}).json()["total"]["figures"]
    assert told == {name: MEASURES[name].of(totals) for name in measures}
    for by in ("time", "tenant", "route", "schema", "version", "key", "outcome", "model", "provider", "route,model"):
        answer = client.get("/query", params={"measures": "spend,discarded" if "," in by else "spend", "by": by}).json()
        assert answer["total"]["figures"]["spend"] == paid, by
        assert by == "time" or sum(one["figures"]["spend"] or 0 for one in answer["groups"]) == paid, by


@pytest.mark.parametrize(
    "nano_usd", [None, 0, 1, 7, 99, 1234, 999_999, 9_999_999, 10_000_000, 123_456_789, 999_999_999, 10**9, -5 * 10**8]
)
def test_one_way_to_write_money(nano_usd: int | None) -> None:
    """The command line writes an amount as the console does."""
    assert usd(nano_usd) == formats.dollars(nano_usd)
