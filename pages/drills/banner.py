"""The banner that says on every page which fire drills run."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from core import runtime as running
from core.drills import DrillView
from core.errors import ProctorError
from core.tenants import Permission
from pages.kit import links, page
from pages.kit.markup import plain

_MOST_TOLD = 3


def banner() -> None:
    """Say which drills run, on every page; draw nothing while none does, or while the database is away."""
    principal = page.current_principal()
    if not principal.may(Permission.DRILLS_READ):
        return
    try:
        runtime = running.current()
        drills = runtime.drills.running(principal)
    except ProctorError:
        return  # the page itself says what is wrong
    if not drills:
        return
    now = runtime.clock.now()
    told = [f"{sentence(one)} It ends {left(one.ends_at, now)}." for one in drills[:_MOST_TOLD]]
    if len(drills) > _MOST_TOLD:
        told.append(f"And {len(drills) - _MOST_TOLD} more.")
    title = "A fire drill is running" if len(drills) == 1 else f"{len(drills)} fire drills are running"
    with st.container(key="drill_banner", gap="xsmall"):
        lines = told[0] if len(told) == 1 else "\n".join(f"- {line}" for line in told)
        st.warning(lines, title=title, icon=":material/local_fire_department:")


def sentence(drill: DrillView) -> str:
    """Return what a drill does, as Markdown; the name of its tenant leads to that."""
    place = links.of_tenant(drill.whose)
    return links.within(drill.sentence, drill.whose, place) if drill.tenant_id else plain(drill.sentence)


def left(until: datetime, now: datetime) -> str:
    """Return how long it is until then: ``in 12 min``."""
    seconds = max(0, int((until - now).total_seconds()))
    if seconds < 60:
        return f"in {seconds} s"
    hours, minutes = divmod(-(-seconds // 60), 60)
    shown = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
    return f"in {' '.join(shown)}"
