"""Rules that can probably go: what was forgotten, has ended, or is about what is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.tenants import Tenant
from pages.kit import layout, links
from pages.kit.address import EVERYONE
from pages.kit.frames import pd, table
from pages.kit.markup import code, plain
from pages.kit.page import Visit


def _whom(names: Mapping[str, str], tenant_id: str) -> str:
    return links.tenant(names.get(tenant_id, EVERYONE)) if tenant_id in {*names, ""} else plain(tenant_id)


def card(visit: Visit, tenants: Sequence[Tenant]) -> None:
    """List them, where there are any."""
    found = visit.runtime.flags.stale(visit.principal)
    if not found:
        return
    names = {one.id: one.name for one in tenants}
    with layout.card("Rules that can probably go", key="stale", stretch=False):
        rows = [
            {
                "Flag": code(one.rule.name),
                "Of whom": _whom(names, one.rule.tenant_id),
                "Why": plain(one.why),
            }
            for one in found
        ]
        table(pd.DataFrame(rows), alt="Rules that can probably go", hides_index=True)
