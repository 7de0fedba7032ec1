"""What is said where single calls of the time that is shown have aged out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.kit.markup import plain
from pages.kit.page import Visit

if TYPE_CHECKING:
    from core.reports import Window


def note(visit: Visit, window: Window, tenant_id: str | None) -> None:
    """Say of whom calls are missing here; nothing where all are there."""
    said = visit.runtime.reports.unkept(visit.principal, window, tenant_id)
    if said:
        st.info(plain(said), icon=":material/auto_delete:")
