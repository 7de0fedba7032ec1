"""Statement: a tenant's bill of one month, as a sheet that prints. Its tenant and its month stand in the URL."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from core.reports import month_around
from core.tenants import Permission, Tenant
from pages.kit import address, formats, layout
from pages.kit.choices import tenant_choice, without_tenants
from pages.kit.exports import export
from pages.kit.page import open_page, refusals
from pages.statement import files, paper

MOST_MONTHS = 36


def months(tenant: Tenant, now: datetime) -> list[str]:
    """Return the months that can be chosen, the newest first: from the one under way to the tenant's first."""
    found: list[str] = []
    at = now
    while len(found) < MOST_MONTHS:
        starts_at, ends_at = month_around(tenant.timezone, None, at)
        found.append(formats.month((starts_at + (ends_at - starts_at) / 2), tenant.timezone))
        if starts_at <= tenant.created_at:
            break
        at = starts_at - timedelta(days=1)
    return found


def advise() -> None:
    """Say what a statement is of, where there is no tenant."""
    layout.empty(
        "No statements yet", "A statement is a tenant's month. Create a tenant first.", icon=":material/description:"
    )


def main() -> None:
    """Draw the page."""
    with st.container(key="unprinted_head"):
        takes = {"tenant": address.ONE_TENANT, "month": address.ANY}
        visit = open_page("Statement", "A tenant's bill of one month.", needs=Permission.BUDGETS_READ, takes=takes)
    with visit.controls:
        tenant = tenant_choice(visit, everyone=None)
    if tenant is None:
        without_tenants(visit, advise)
        return
    offered = months(tenant, visit.now)
    asked = st.query_params.get("month")
    if asked and asked not in offered:
        offered.append(asked)  # a link to an older month; one that is none is refused below
    with visit.controls:
        month = st.selectbox(
            "Month", offered, key="month", bind="query-params", label_visibility="collapsed", width=120
        )
    with refusals("There is no such statement."):
        bill = visit.runtime.reports.statement(visit.principal, tenant.id, month)
        st.html(paper.STYLE)
        st.html(paper.paper(bill))
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="unprinted"):
            export(
                "CSV",
                files.LINES,
                files.TenantMonth(tenant.id, bill.month),
                name=f"statement-{tenant.name}-{bill.month}.csv".replace(" ", "-"),
                help="Every line; amounts in whole nano-dollars are exact.",
            )
            st.page_link(
                "spend/page.py", label="Spend", icon=":material/payments:", query_params={"tenant": tenant.name}
            )
            st.caption("To print it, or to save it as PDF, use the browser's own Print: only the sheet is printed.")


main()
