"""The page Statement: a tenant's month as a sheet, whatever there is of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.pricing import NANO
from core.runtime import Runtime
from core.tables import Tenant
from core.tenants import LOCAL_OPERATOR
from tests import builders
from tests.pages.conftest import NOW, Open


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """A tenant in Berlin, forty days old."""
    tenant = builders.tenant("Acme", NOW - timedelta(days=40), "Europe/Berlin")
    builders.save(proctor.store, tenant)
    return proctor.tenants.find(LOCAL_OPERATOR, "Acme")


def calls(proctor: Runtime, tenant: Tenant, count: int, **attempt: Any) -> None:
    """Make *count* valid calls of today at a dollar each, whose attempts have these values."""
    for number in range(count):
        call = builders.generation(NOW - timedelta(minutes=number + 1), tenant.id, cost_nano_usd=NANO)
        paid = builders.attempt(call, id=f"{call.id}-1", cost_nano_usd=NANO, **attempt)
        builders.save(proctor.store, call, paid)


def sheet(page: AppTest) -> str:
    """Return the sheet's markup; a page that failed has none."""
    assert not page.exception
    parts = [str(one.proto.body) for one in page.get("html")]
    return " ".join(part for part in parts if "<style" not in part and "<script" not in part)


def test_without_a_tenant_the_page_says_what_to_do(open_page: Open) -> None:
    """An empty deployment has no sheet, and a sentence that says why."""
    page = open_page("statement")

    assert sheet(page) == ""
    assert "No statements yet" in [header.value for header in page.header]


def test_a_month_is_summed_up_by_model_and_schema(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """The sheet names the tenant and its month, and has its calls by model and by schema with what they cost."""
    calls(proctor, acme, 3)
    page = open_page("statement", **{"for": "Acme"})

    shown = sheet(page)
    for word in ("Acme", "Europe/Berlin", "2026-03", "openai/gpt-4o-mini", "invoice", "3.00"):
        assert word in shown, word
    assert "standard" not in shown, "nothing was billed beside the usual"
    assert [str(one.proto.body).count('href="/export/') for one in page.get("html")].count(1) == 1


def test_a_month_without_calls_is_a_sheet_of_nothing(open_page: Open, acme: Tenant) -> None:
    """A quiet month has its sheet, with nothing due; the months go back to the tenant's first."""
    del acme
    page = open_page("statement", **{"for": "Acme"})

    assert "Acme" in sheet(page)
    assert "0.00" in sheet(page)
    assert page.selectbox(key="month").options == ["2026-03", "2026-02", "2026-01"]


@pytest.mark.parametrize("month", ["2026-13", "yesterday", "<b>2026</b>"])
def test_a_month_that_is_none_is_refused_in_a_sentence(open_page: Open, acme: Tenant, month: str) -> None:
    """A link with a month that cannot be read shows no sheet, and says what a month looks like."""
    del acme
    page = open_page("statement", **{"for": "Acme", "month": month})

    assert sheet(page) == ""
    said = " ".join(str(one.value) for one in (*page.error, *page.warning))
    assert "is no month; write it like 2026-11." in said.replace("\\", "")


def test_what_was_served_otherwise_has_a_table_of_its_own(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Where a provider billed another tier or a region, the sheet cuts the month by them, the usual among them."""
    calls(proctor, acme, 1)
    calls(proctor, acme, 2, billing={"tier": "priority", "geo": "eu"})

    shown = sheet(open_page("statement", **{"for": "Acme"}))

    assert "priority" in shown
    assert "eu" in shown
    assert "standard" in shown
