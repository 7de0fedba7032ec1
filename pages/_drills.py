"""Fire drills in the console: the banner on every page, the form, the drills that run and those that are over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from core import runtime as running
from core.drills import DEMO, LONGEST, MOST_SECONDS, plan
from core.errors import ProctorError
from core.faults import Fault
from core.tenants import Permission
from pages import _formats, _parts

EVERY_CALL = "Every call"
DEMO_TENANTS = "All demo tenants"
LOOKS = {
    Fault.RATE_LIMIT: _parts.Look(Fault.RATE_LIMIT.label, ":material/speed:", "orange"),
    Fault.SERVER_ERROR: _parts.Look(Fault.SERVER_ERROR.label, ":material/error:", "red"),
    Fault.SLOW: _parts.Look(Fault.SLOW.label, ":material/hourglass_top:", "orange"),
    Fault.INVALID: _parts.Look(Fault.INVALID.label, ":material/rule:", "red"),
}
BREAKERS = (
    "Struck calls do not count in breakers: a breaker belongs to a model, and a drill must not send the calls of other "
    "tenants elsewhere. What an open breaker does can be seen by opening it by hand, under Routes."
)
_MOST_TOLD = 3


class Wish(NamedTuple):
    """What the form asks for."""

    tenant: Any
    """``None`` for all demo tenants."""
    fault: Fault
    share: float
    seconds: float
    target: str
    minutes: float
    reason: str

    @property
    def sentence(self) -> str:
        """What it would do."""
        return plan(self.tenant.name if self.tenant else DEMO, self.fault, self.share, self.seconds, self.target)


def banner() -> None:
    """Say which drills run, on every page; draw nothing while none does, or while the database is away."""
    if not _parts.current_principal().may(Permission.DRILLS_READ):
        return
    try:
        runtime = running.current()
        drills = runtime.drills.running()
    except ProctorError:
        return  # the page itself says what is wrong
    if not drills:
        return
    now = runtime.clock.now()
    told = [f"{_parts.plain(one.sentence)} It ends {left(one.ends_at, now)}." for one in drills[:_MOST_TOLD]]
    if len(drills) > _MOST_TOLD:
        told.append(f"And {len(drills) - _MOST_TOLD} more.")
    title = "A fire drill is running" if len(drills) == 1 else f"{len(drills)} fire drills are running"
    with st.container(key="drill_banner", gap="xsmall"):
        lines = told[0] if len(told) == 1 else "\n".join(f"- {line}" for line in told)
        st.warning(lines, title=title, icon=":material/local_fire_department:")


def left(until: datetime, now: datetime) -> str:
    """Return how long it is until then: ``in 12 min``."""
    seconds = max(0, int((until - now).total_seconds()))
    if seconds < 60:
        return f"in {seconds} s"
    hours, minutes = divmod(-(-seconds // 60), 60)
    shown = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
    return f"in {' '.join(shown)}"


def form(visit: _parts.Visit) -> None:
    """Ask for a drill, say what it would do, and start it; with real calls only after a word more."""
    tenants = {tenant.name: tenant for tenant in visit.runtime.tenants.list()}
    with _parts.card("Start a drill", key="start", stretch=False):
        whose = st.selectbox("Whose calls", [DEMO_TENANTS, *tenants], key="whose")
        fault = st.selectbox("Fault", list(Fault), format_func=lambda fault: fault.label, key="fault")
        seconds = 5.0
        if fault is Fault.SLOW:
            seconds = st.number_input("Seconds", 0.1, MOST_SECONDS, seconds, key="seconds")
        share = st.number_input("Share of the calls, %", 0.1, 100.0, 20.0, 5.0, format="%g", key="share") / 100
        target = st.selectbox("To", [EVERY_CALL, *targets(visit)], key="target")
        most = int(LONGEST / timedelta(minutes=1))
        minutes = st.number_input("Ends after, minutes", 1, most, 15, key="minutes", help=f"At most {most}, a day.")
        reason = st.text_input("Reason", key="reason", max_chars=500, placeholder="Does fallback hold?")
        wish = Wish(tenants.get(whose), fault, share, seconds, "" if target == EVERY_CALL else target, minutes, reason)
        st.markdown(f"{_parts.plain(wish.sentence)} {_ends(wish, visit.now)}")
        st.caption(BREAKERS)
        is_real = wish.tenant is not None and not wish.tenant.is_demo
        label = "Start…" if is_real else "Start drill"
        if st.button(label, type="primary", key="start_drill", disabled=not reason.strip()):
            if is_real:
                confirm(visit, wish)
            else:
                begin(visit, wish)


def targets(visit: _parts.Visit) -> list[str]:
    """Return what a drill may be narrowed to: providers that are set up, and the models that routes name."""
    models = {one.name for view in visit.runtime.routes.list() for one in view.terms.candidates}
    return [*visit.runtime.providers, *sorted(models)]


def _ends(wish: Wish, now: datetime) -> str:
    return f"It ends by itself at {_formats.moment(now + timedelta(minutes=wish.minutes))} UTC."


@st.dialog("Start this drill?", icon=":material/local_fire_department:")
def confirm(visit: _parts.Visit, wish: Wish) -> None:
    """Name tenant, share and end; then start."""
    name = _parts.plain(wish.tenant.name)
    st.warning(
        f"**{name} is a real tenant.** {_parts.plain(wish.sentence)} {_ends(wish, visit.now)}",
        icon=":material/warning:",
    )
    st.markdown(f"Reason: {_parts.plain(wish.reason)}")
    st.caption(BREAKERS)
    if st.button(f"Start it for {name}", type="primary", key="confirm_drill"):
        begin(visit, wish)


def begin(visit: _parts.Visit, wish: Wish) -> None:
    """Start the drill and draw the page anew, or say why not."""
    with _parts.refusals("The drill was not started."):
        drill = visit.runtime.drills.start(
            visit.principal,
            wish.tenant,
            wish.fault,
            share=wish.share,
            minutes=wish.minutes,
            reason=wish.reason,
            target=wish.target,
            seconds=wish.seconds,
        )
        _parts.flash(f"The drill runs. {drill.sentence}", icon=":material/local_fire_department:")
        st.rerun()


@st.fragment(run_every="5s")
def under_way(visit: _parts.Visit) -> None:
    """Draw the drills that run, each with the time that is left and the way to stop it."""
    with _parts.card("Running", key="running", stretch=False), _parts.refusals("The drills cannot be read."):
        now = visit.runtime.clock.now()
        drills = visit.runtime.drills.running()
        if not drills:
            st.caption("No drill is running: every call goes out as always.")
        for drill in drills:
            with st.container(border=True, gap="xsmall", key=f"drill_{drill.id}"):
                with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                    st.markdown(f"{LOOKS[drill.fault].badge} **ends {left(drill.ends_at, now)}**", width="content")
                    if visit.may(Permission.DRILLS_WRITE) and st.button(
                        "Stop now", icon=":material/stop_circle:", key=f"stop_{drill.id}"
                    ):
                        stop(visit, drill)
                st.progress((now - drill.starts_at) / (drill.ends_at - drill.starts_at))
                st.markdown(_parts.plain(drill.sentence))
                since = f"{_formats.moment(drill.starts_at)} to {_formats.moment(drill.ends_at)} UTC"
                st.caption(f"{since} · started by {_parts.plain(drill.actor)} · {_parts.plain(drill.reason)}")


def stop(visit: _parts.Visit, drill: Any) -> None:
    """End the drill and draw the page anew, or say why not."""
    with _parts.refusals("The drill was not stopped."):
        visit.runtime.drills.stop(visit.principal, drill.id)
        _parts.flash("The drill is stopped: calls go out again as always.")
        st.rerun()


def past(visit: _parts.Visit) -> None:
    """Draw the last drills that are over."""
    with _parts.card("Over", key="over", stretch=False), _parts.refusals("The drills cannot be read."):
        drills = [one for one in visit.runtime.drills.list() if not one.is_running(visit.now)]
        if not drills:
            st.caption("There was no drill yet. The first one shows what an outage would do, and who notices.")
            return
        rows = [
            {
                "Began, UTC": _formats.moment(one.starts_at),
                "Ended, UTC": _formats.moment(one.ended_at or one.ends_at),
                "End": "stopped" if one.ended_at and one.ended_at < one.ends_at else "by itself",
                "Whose calls": one.whose,
                "Fault": one.fault.label,
                "Share": _formats.percent(one.share, 0 if one.share >= 0.01 else 2),
                "To": one.target or EVERY_CALL.lower(),
                "Reason": one.reason,
                "Started by": one.actor,
            }
            for one in drills
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, row_height=32, key="past", alt="The drills that are over")
