"""In which zone times are told: one choice for every table, axis and sentence of every page.

Usually it is the zone of the tenant that something is about, whose days and budgets follow it; what is about no tenant
has UTC. Who compares with a log chooses UTC for all, who compares with the clock on the wall his own; that stands in
the address by its name, so that whoever opens the link sees the same days.

What is a day in some zone by its meaning (the month of a statement, a price's beginning) is told in that zone, and
names it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from pages.kit import address, formats
from pages.kit.markup import code

if TYPE_CHECKING:
    from pages.kit.page import Visit

ZONE = "zone"
TENANTS, EVERYWHERE, MINE = "tenant", "utc", "mine"
NAMES = {TENANTS: "The tenant's", EVERYWHERE: "UTC", MINE: "Mine"}
TAKEN = {
    ZONE: address.Parameter(
        f"one of {', '.join(map(code, NAMES))}, or the name of a zone such as `Europe/Berlin`",
        lambda _, value: value in NAMES or _known(value) is not None,
    )
}
"""What the address of every page may hold."""
_MINUTE = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d) UTC\b")
"""How every sentence of the core tells a time: ``core.clock.minute``."""


def switch(visit: Visit) -> None:
    """Draw the choice, at the foot of the menu; it stands in the address, and holds on all pages."""
    own, said = _own(), st.query_params.get(ZONE)
    address.follow(visit, ZONE, TENANTS, MINE if own and said == own else said)
    shown_now: str = st.session_state[ZONE]
    mine = f"{NAMES[MINE]}, {name(own or 'which your browser does not tell')}"
    chosen: str = st.sidebar.selectbox(
        "Times",
        [*NAMES, *([] if shown_now in NAMES else [shown_now])],
        format_func=lambda one: mine if one == MINE else NAMES.get(one) or name(one),
        key=ZONE,
        persist_state="session",
        help="The zone in which times are told: that of the tenant they are about (UTC where it is none), UTC "
        "everywhere, or your browser's.",
    )
    address.write(visit, ZONE, own or MINE if chosen == MINE else chosen, TENANTS)


def shown(own: str = "UTC") -> str:
    """Return the IANA name of the zone in which to tell a time that is of the zone *own* by itself."""
    chosen: str = st.session_state.get(ZONE, TENANTS)
    if chosen == EVERYWHERE:
        return "UTC"
    return own if chosen == TENANTS else (_own() if chosen == MINE else _known(chosen)) or own


def name(zone: str) -> str:
    """Return a zone as people read it."""
    return zone.replace("_", " ")


def told(at: datetime | None, own: str = "UTC", *, seconds: bool = False) -> str:
    """Return a time in the zone that is shown, with its name."""
    zone = shown(own)
    return formats.UNKNOWN if at is None else f"{formats.moment(at, zone, seconds=seconds)} {name(zone)}"


def retold(sentence: str, own: str = "UTC") -> str:
    """Return a sentence of the core with its times, which are in UTC, in the zone that is shown."""
    return retold_in(sentence, shown(own))


def retold_in(sentence: str, zone: str) -> str:
    """Return a sentence of the core with its times, which are in UTC, in *zone*."""
    if zone == "UTC":
        return sentence

    def again(found: re.Match[str]) -> str:
        at = datetime.fromisoformat(found[1]).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        return f"{at:%Y-%m-%d %H:%M} {name(zone)}"

    return _MINUTE.sub(again, sentence)


def _own() -> str | None:
    """Return the browser's zone, if it tells one that is known here."""
    return _known(st.context.timezone)


def _known(zone: str | None) -> str | None:
    """Return the name of a zone, if it is one that is known here."""
    try:
        return ZoneInfo(zone).key if zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
