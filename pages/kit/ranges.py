"""The choice of a range of time: on every page the same, it stands in the address, and other pages go on with it.

A range that has a name stands there by it (``?range=yesterday``), and is tomorrow what its name says then. One from a
time to another stands there with both and their offsets (``?from=2026-11-24T09:00+01:00&to=…``): whoever opens the link
sees the same calls. A page that was opened by such a link does not carry it on to the next one; what somebody chose he
keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from core.reports import Window
from core.reports.ranges import HOURS, LONGEST, NAMED, Range, moment
from pages.kit import address, formats, zones
from pages.kit.page import Visit, name_tab

RANGE, BEGIN, END = "range", "from", "to"
TAKES = {RANGE: address.one_of([*HOURS, *NAMED]), BEGIN: address.BEGIN, END: address.END}
"""What the address of a page with such a choice may hold."""
USUAL = "24h"
_LASTING = "_range_kept"
"""Where the state keeps what was chosen last, by whoever looks or by its name in a link."""
_MORE, _CUSTOM = "more_ranges", "custom"
_LAST = {"1h": "hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
_NAMES = {
    "today": "Today",
    "yesterday": "Yesterday",
    "this-week": "This week",
    "last-week": "Last week",
    "this-month": "This month",
    "last-month": "Last month",
    "last-monday": "Last Monday",
    "last-tuesday": "Last Tuesday",
    "last-wednesday": "Last Wednesday",
    "last-thursday": "Last Thursday",
    "last-friday": "Last Friday",
    "last-saturday": "Last Saturday",
    "last-sunday": "Last Sunday",
    _CUSTOM: "From … to …",
}
_BEFORE = {
    "today": "yesterday up to the same time",
    "yesterday": "the day before",
    "this-week": "last week up to the same time",
    "last-week": "the week before",
    "this-month": "last month up to the same time",
    "last-month": "the month before",
}


def choice(visit: Visit, zone: str, on_change: Callable[[], None] | None = None) -> Range:
    """Draw the choice, whose days are those of *zone*; return what is chosen."""
    said = _said()
    if said is None and not address.is_of(visit, RANGE):
        st.session_state[RANGE] = st.session_state.get(_LASTING, USUAL)
    address.follow(visit, RANGE, USUAL, said)
    shown = Range.read(st.session_state[RANGE]) or Range(USUAL)
    st.session_state[RANGE] = str(shown)
    options = [*HOURS] if shown.name in HOURS else [*HOURS, str(shown)]
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content", key="ranges"):
        taken = st.segmented_control(
            "Time range",
            options,
            format_func=lambda one: _label(one, zone),
            required=True,
            key=RANGE,
            persist_state="session",
            label_visibility="collapsed",
            wrap=True,
            on_change=on_change or "rerun",
        )
        asked = st.menu_button(
            "",
            [*NAMED, _CUSTOM],
            format_func=lambda one: _NAMES[one],
            icon=":material/calendar_month:",
            help="Days, weeks and months, and from any time to any other",
            key=_MORE,
            on_click=_named,
            args=(on_change,),
        )
    chosen = Range.read(taken or USUAL) or Range(USUAL)
    if chosen.name:
        st.session_state[_LASTING] = chosen.name
    if chosen.name != USUAL:
        name_tab(visit, _LAST.get(chosen.name) or _label(str(chosen), zone))
    address.keep(visit, RANGE, _in_address(chosen, zone))
    if asked == _CUSTOM:
        from_to(chosen.window(visit.now, zone), zone, on_change)
    return chosen


def zoom(chosen: Range) -> None:
    """Choose *chosen*, as one does by hand, once the page is drawn anew."""
    st.session_state[_LASTING] = str(chosen)
    address.choose(RANGE, str(chosen))


def within(chosen: Range, zone: str) -> str:
    """Return when it is, to follow what happened: ``in the last 7 days``, ``yesterday``."""
    if chosen.span is not None:
        begins, ends = (formats.moment(at, zone) for at in chosen.span)
        return f"from {begins} to {ends}"
    return f"in the last {_LAST[chosen.name]}" if chosen.name in HOURS else _words(chosen.name)


def before(chosen: Range) -> str:
    """Return what it is compared with."""
    if chosen.name in HOURS:
        return f"the {_LAST[chosen.name]} before"
    if chosen.name in NAMED:
        return _BEFORE.get(chosen.name) or f"the {_words(chosen.name).removeprefix('last ')} before"
    return "as much time before"


def told(window: Window, chosen: Range) -> str:
    """Return from when on the calls of *window* began, and until when where that is over."""
    begins, ends = (formats.moment(at, window.zone) for at in (window.starts_at, window.ends_at))
    return f"from {begins} on" if chosen.ends_now else f"from {begins} to {ends}"


def parameters(chosen: Range, zone: str) -> dict[str, str]:
    """Return it as the address of any page with such a choice holds it."""
    return {name: value for name, value in _written(chosen, zone).items() if value is not None}


def _said() -> str | None:
    """Return what the address says."""
    begins, ends = (st.query_params.get(name, "") for name in (BEGIN, END))
    found = Range.between(moment(begins), moment(ends)) if begins and ends else None
    return str(found) if found else st.query_params.get(RANGE)


def _written(chosen: Range, zone: str) -> dict[str, str | None]:
    if chosen.span is None:
        return {RANGE: chosen.name, BEGIN: None, END: None}
    local = (at.astimezone(ZoneInfo(zone)) for at in chosen.span)
    begins, ends = (at.isoformat(timespec="auto" if at.second or at.microsecond else "minutes") for at in local)
    return {RANGE: None, BEGIN: begins, END: ends}


def _in_address(chosen: Range, zone: str) -> Mapping[str, str | None]:
    """Return what the address is to say: the usual needs no word, and a time stays as it was written."""
    if chosen.span is not None and _said() == str(chosen):
        return {RANGE: None}
    return {**_written(chosen, zone)} | ({RANGE: None} if chosen.name == USUAL else {})


def _words(name: str) -> str:
    """Return the name of a range as it stands in a sentence: ``last Monday``."""
    return _NAMES[name][0].lower() + _NAMES[name][1:]


def _label(token: str, zone: str) -> str:
    asked = Range.read(token)
    if asked is None or asked.span is None:
        return _NAMES.get(token, token)
    begins, ends = (at.astimezone(ZoneInfo(zone)) for at in asked.span)
    if begins.time() == ends.time() == time():  # whole days, of which the last is told that is in it
        last = ends - timedelta(days=1)
        return " \N{EN DASH} ".join(dict.fromkeys(f"{day:%b %d}" for day in (begins, last)))
    until = f"{ends:%H:%M}" if begins.date() == ends.date() else formats.moment(ends, zone)
    return f"{formats.moment(begins, zone)} \N{EN DASH} {until}"


def _named(on_change: Callable[[], None] | None) -> None:
    """Take the range whose name was clicked."""
    name = st.session_state[_MORE]
    if name in NAMED:
        address.choose(RANGE, name)
        if on_change:
            on_change()


@st.dialog("From a time to another", icon=":material/calendar_month:")
def from_to(shown: Window, zone: str, on_change: Callable[[], None] | None) -> None:
    """Ask for both times, in *zone*."""
    ends_of = (shown.starts_at, shown.ends_at)
    naive = [at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0) for at in ends_of]
    left, right = st.columns(2)
    begins: datetime | None = left.datetime_input("From", naive[0], key="range_from", step=60, format="YYYY-MM-DD")
    ends: datetime | None = right.datetime_input(
        "To, not included", naive[1], key="range_to", step=60, format="YYYY-MM-DD"
    )
    st.caption(f"Times in {zones.name(zone)}.")
    if not st.button("Show it", type="primary", key="range_show"):
        return
    # As moments: between two times of one zone a clock may have been changed.
    here = [at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) if at else None for at in (begins, ends)]
    chosen = Range.between(here[0], here[1])
    if chosen is None:
        st.error(
            f"The second time is to lie behind the first, at most {LONGEST.days} days. Change one of the two.",
            icon=":material/error:",
        )
        return
    zoom(chosen)
    if on_change:
        on_change()
    st.rerun()
