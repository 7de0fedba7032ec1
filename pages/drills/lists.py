"""The drills that run, with the way to stop them, and those that are over."""

from __future__ import annotations

import streamlit as st

from core.drills import DrillView
from core.faults import Fault
from core.tenants import Permission
from pages.drills.banner import left, sentence
from pages.drills.form import EVERY_CALL
from pages.kit import formats, layout, links, zones
from pages.kit.frames import grid, pd
from pages.kit.markup import plain
from pages.kit.outcomes import Badge
from pages.kit.page import Visit, flash, refusals
from pages.kit.reasons import reason

BADGES = {
    Fault.RATE_LIMIT: Badge(Fault.RATE_LIMIT.label, ":material/speed:", "orange"),
    Fault.SERVER_ERROR: Badge(Fault.SERVER_ERROR.label, ":material/error:", "red"),
    Fault.SLOW: Badge(Fault.SLOW.label, ":material/hourglass_top:", "orange"),
    Fault.INVALID: Badge(Fault.INVALID.label, ":material/rule:", "red"),
}


@st.fragment(run_every="5s")
def under_way(visit: Visit) -> None:
    """Draw the drills that run, each with the time that is left and the way to stop it."""
    with layout.card("Running", key="running", stretch=False), refusals("The drills cannot be read."):
        now = visit.runtime.clock.now()
        drills = visit.runtime.drills.running(visit.principal)
        if not drills:
            st.caption("No drill is running: every call goes out as always.")
        for drill in drills:
            with st.container(border=True, gap="xsmall", key=f"drill_{drill.id}"):
                with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                    st.markdown(f"{BADGES[drill.fault].markdown} **ends {left(drill.ends_at, now)}**", width="content")
                    if visit.may_over(Permission.DRILLS_WRITE, drill.tenant_id):
                        _way_to_stop(visit, drill)
                st.progress((now - drill.starts_at) / (drill.ends_at - drill.starts_at))
                st.markdown(sentence(drill))
                since = f"{formats.moment(drill.starts_at, zones.shown())} to {zones.told(drill.ends_at)}"
                st.markdown(
                    f":small[:gray[{since} · started by] {links.actor(drill.actor)} :gray[· {plain(drill.reason)}]]"
                )


def _way_to_stop(visit: Visit, drill: DrillView) -> None:
    """Ask why beside the button: a dialog would close as the list is drawn anew, every few seconds."""
    with st.popover("Stop…", icon=":material/stop_circle:", key=f"way_to_stop_{drill.id}"):
        why = reason(f"stop_reason_{drill.id}")
        if st.button("Stop now", type="primary", icon=":material/stop_circle:", key=f"stop_{drill.id}"):
            stop(visit, drill, why)


def stop(visit: Visit, drill: DrillView, why: str) -> None:
    """End the drill and draw the page anew, or say why not."""
    with refusals("The drill was not stopped."):
        visit.runtime.drills.stop(visit.principal, drill.id, reason=why)
        flash("The drill is stopped: calls go out again as always.")
        st.rerun()


def past(visit: Visit) -> None:
    """Draw the last drills that are over."""
    with layout.card("Past drills", key="over", stretch=False), refusals("The drills cannot be read."):
        drills = [one for one in visit.runtime.drills.list(visit.principal) if not one.is_running(visit.now)]
        if not drills:
            st.caption("There was no drill yet. The first one shows what an outage would do, and who notices.")
            return
        zone = zones.name(zones.shown())
        rows = [
            {
                f"Began, {zone}": formats.moment(one.starts_at, zones.shown()),
                f"Ended, {zone}": formats.moment(one.ended_at or one.ends_at, zones.shown()),
                "End": "stopped" if one.ended_at and one.ended_at < one.ends_at else "by itself",
                "Whose calls": one.whose,
                "Fault": one.fault.label,
                "Share": formats.percent(one.share, 0 if one.share >= 0.01 else 2),
                "To": one.target or EVERY_CALL.lower(),
                "Reason": one.reason,
                "Started by": one.actor,
            }
            for one in drills
        ]
        leads = {"Whose calls": links.of_tenant, "Started by": links.of_actor}
        grid(pd.DataFrame(rows), key="past", leads=leads, alt="The drills that are over")
