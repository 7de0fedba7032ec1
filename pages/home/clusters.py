"""What stands out of the time that Home shows: the worst stretches of it, each with its incident behind it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.reports import Cluster, Window
from core.reports.ranges import Range
from core.tenants import Tenant
from pages.kit import formats, incidents, links, ranges
from pages.kit.links import Destination

MOST = 3


def draw(found: Sequence[Cluster], chosen: Range, window: Window, tenant: Tenant | None) -> None:
    """Draw up to three stretches, the worst first, and where the others are; nothing where nothing stands out."""
    if not found:
        return
    name = tenant.name if tenant else None
    told = [incidents.told(one, window.zone, name) for one in found[:MOST]]
    left = len(found) - MOST
    if left > 0:
        here = ranges.parameters(chosen, window.zone) | ({"tenant": name} if name else {})
        told.append(f"and {links.to(formats.count(left), Destination('incident', here))} more")
    with st.container(key="clusters", gap="xsmall"):
        st.markdown("\n".join([":material/emergency_home: **Out of the ordinary**\n", *(f"- {one}" for one in told)]))
