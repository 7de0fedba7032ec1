"""How fast a tenant and its keys may be and are, in words, and the fields in which that is edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.tenants import Tenant
from pages.kit import formats
from pages.kit.page import Visit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.limits import Quota, QuotaUse
    from core.tenants import Key

FIELDS = {
    "rate_limit_per_min": "Generations per minute",
    "tokens_per_min": "Tokens per minute",
    "concurrent_limit": "Generations in flight at once",
}


def sentences(visit: Visit, tenant: Tenant) -> Mapping[str, str]:
    """Return, by id, what is used of the limits of the tenant and of those of its keys that have their own."""
    used = visit.runtime.policies.quota_use(visit.principal, tenant)
    return {one: _sentence(*quota_use) for one, quota_use in used.items()}


def _sentence(quota: Quota, used: QuotaUse) -> str:
    parts: list[str] = []
    if most := quota.requests_per_min:
        parts.append(f"{formats.count(used.requests)} of {formats.plural(most, 'generation')} in the last minute")
    if most := quota.tokens_per_min:
        parts.append(f"{formats.count(used.tokens)} of {formats.plural(most, 'token')}")
    if most := quota.concurrent:
        parts.append(f"{used.concurrent} of {formats.count(most)} in flight")
    return " · ".join(parts)


def ask(owner: Tenant | Key, placeholders: Mapping[str, str]) -> dict[str, int | None]:
    """Draw a field for each limit of *owner*, a tenant or a key; return what stands in them."""
    return {
        field: st.number_input(
            label,
            min_value=1,
            max_value=2**31 - 1,
            value=getattr(owner, field),
            key=f"{'limit' if field == 'rate_limit_per_min' else field}_{owner.id}",
            placeholder=placeholders[field],
            help="Beyond it calls are refused, with the time to come back.",
        )
        for field, label in FIELDS.items()
    }
