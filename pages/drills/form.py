"""Fire drills in the console: the banner on every page, the form, the drills that run and those that are over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import streamlit as st

from core.drills import DEMO, LONGEST, MOST_SECONDS, plan
from core.faults import Fault
from core.principals import Permission
from core.tenants import Tenant
from pages.kit import layout, zones
from pages.kit.buttons import button
from pages.kit.choices import about
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals
from pages.kit.reasons import reason

EVERY_CALL = "Every call"
DEMO_TENANTS = "All demo tenants"
BREAKERS = (
    "Affected calls do not count in breakers: a breaker belongs to a model, and a drill must not send the calls of "
    "other tenants elsewhere. What an open breaker does can be seen by opening it by hand, under Routes."
)


class Draft(NamedTuple):
    """What the form asks for."""

    tenant: Tenant | None
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


def form(visit: Visit) -> None:
    """Ask for a drill, say what it would do, and start it; with real calls only after a word more."""
    tenants = about(visit, Permission.DRILLS_WRITE, everyone=DEMO_TENANTS)
    with layout.card("Start a drill", key="start", stretch=False):
        whose = st.selectbox("Whose calls", list(tenants), key="whose")
        fault = st.selectbox("Fault", list(Fault), format_func=lambda fault: fault.label, key="fault")
        seconds = 5.0
        if fault is Fault.SLOW:
            seconds = st.number_input("Seconds", 0.1, MOST_SECONDS, seconds, key="seconds")
        share = st.number_input("Share of the calls, %", 0.1, 100.0, 20.0, 5.0, format="%g", key="share") / 100
        target = st.selectbox("To", [EVERY_CALL, *targets(visit)], key="target")
        most = int(LONGEST / timedelta(minutes=1))
        minutes = st.number_input("Ends after, minutes", 1, most, 15, key="minutes", help=f"At most {most}, a day.")
        why = reason("reason", placeholder="Does fallback hold?")
        draft = Draft(tenants[whose], fault, share, seconds, "" if target == EVERY_CALL else target, minutes, why)
        st.markdown(f"{plain(draft.sentence)} {_ends(draft, visit.now)}")
        st.caption(BREAKERS)
        is_real = draft.tenant is not None and not draft.tenant.is_demo
        label = "Start…" if is_real else "Start drill"
        missing = "" if why else "Say why first: whoever meets the drill reads it."
        if button(label, missing=missing, type="primary", key="start_drill"):
            if is_real:
                confirm(visit, draft)
            else:
                begin(visit, draft)


def targets(visit: Visit) -> list[str]:
    """Return what a drill may be narrowed to: providers that are set up, and the models that routes name."""
    models = {one.name for view in visit.runtime.routes.list(visit.principal) for one in view.terms.candidates}
    return [*visit.runtime.providers, *sorted(models)]


def _ends(draft: Draft, now: datetime) -> str:
    return f"It ends by itself at {zones.told(now + timedelta(minutes=draft.minutes))}."


@st.dialog("Start this drill?", icon=":material/local_fire_department:")
def confirm(visit: Visit, draft: Draft) -> None:
    """Name tenant, share and end; then start."""
    name = plain(draft.tenant.name if draft.tenant else DEMO_TENANTS)
    st.warning(
        f"**{name} is a real tenant.** {plain(draft.sentence)} {_ends(draft, visit.now)}",
        icon=":material/warning:",
    )
    st.markdown(f"Reason: {plain(draft.reason)}")
    st.caption(BREAKERS)
    if st.button(f"Start it for {name}", type="primary", key="confirm_drill"):
        begin(visit, draft)


def begin(visit: Visit, draft: Draft) -> None:
    """Start the drill and draw the page anew, or say why not."""
    with refusals("The drill was not started."):
        drill = visit.runtime.drills.start(
            visit.principal,
            draft.tenant,
            draft.fault,
            share=draft.share,
            minutes=draft.minutes,
            reason=draft.reason,
            target=draft.target,
            seconds=draft.seconds,
        )
        flash(f"The drill runs. {drill.sentence}", icon=":material/local_fire_department:")
        st.rerun()
