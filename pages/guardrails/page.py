"""Guardrails: what is looked for in texts and for whom, what was found, and what it would make of a text."""

from __future__ import annotations

import streamlit as st

from core.tenants import Permission
from pages.guardrails import caught, examine, rules
from pages.kit import address, kept, ranges, zones
from pages.kit.choices import tenant_choice
from pages.kit.page import open_page, refusals

TAKES = {"tenant": address.TENANT, **ranges.TAKES}

visit = open_page(
    "Guardrails",
    "What is looked for in texts, what was found, and what became of it.",
    needs=Permission.GUARDRAILS_READ,
    takes=TAKES,
)
with visit.controls:
    tenant = tenant_choice(visit)
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    chosen = ranges.choice(visit, zone)
if visit.may(Permission.GENERATIONS_READ, tenant.id if tenant else None):
    with refusals("What was caught cannot be read."):
        kept.note(visit, chosen.window(visit.now, zone), tenant.id if tenant else None)
        caught.draw(visit, tenant, chosen, zone)
wide, narrow = st.columns([7, 5], gap="small")
with wide, refusals("The rules cannot be read."):
    rules.draw(visit, tenant)
with narrow, refusals("The text was not tried."):
    examine.draw(visit, tenant)
