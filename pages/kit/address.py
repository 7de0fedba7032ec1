"""What stands in a page's address: each parameter has one name on all pages, and what cannot be used is told.

A page says what it takes::

    visit = open_page("Spend", "…", needs=…, takes={"tenant": address.TENANT, **ranges.TAKES})

What it does not take, or cannot read, is left out and named in a sentence, so that nobody takes everybody's figures for
those of the one tenant that a link misspelt. Old names go on working.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.clock import EPOCH, iso
from core.reports.ranges import LONGEST, Range, moment
from pages.kit.markup import code

if TYPE_CHECKING:
    from pages.kit.page import Visit

EVERYONE = "All tenants"
OLD_NAMES = {"of": "tenant", "for": "tenant", "last": "range"}
"""What links of earlier releases call a parameter."""
_KEPT = "_address"
_PAGE = "_page_of_{}"
"""Where the state keeps the page on which a parameter was written last."""
_CHOSEN = "_next_{}"
"""Where it keeps what a widget is to be next."""
_LIST = "_list_of_{}"
"""Where it keeps the address of the list from which one was opened."""
_LONGEST_TOLD = 60


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an address."""

    wants: str
    """What it must be, to follow "it is"."""
    is_sound: Callable[[Visit, str], bool]


def _is_tenant(visit: Visit, value: str) -> bool:
    return any(tenant.name == value for tenant in visit.runtime.tenants.list(visit.principal))


def _are_ends() -> bool:
    """Whether the address says from when to when."""
    begins, ends = (moment(st.query_params.get(name, "")) for name in ("from", "to"))
    return Range.between(begins, ends) is not None


def one_of(names: Collection[str], what: str = "") -> Parameter:
    """Return a parameter that is one of *names*; *what* they are, where they are too many to be listed."""
    return Parameter(what or f"one of {', '.join(map(code, names))}", lambda _, value: value in names)


ANY = Parameter("any text", lambda _, __: True)
"""Of which the page says by itself that it finds nothing by it."""
ONE_TENANT = Parameter("the name of a tenant that you may see", _is_tenant)
TENANT = Parameter(ONE_TENANT.wants, lambda visit, value: value == EVERYONE or _is_tenant(visit, value))
SWITCH = Parameter("`true` or `false`", lambda _, value: value.lower() in ("true", "false"))
NUMBER = Parameter("a whole number from 1 on", lambda _, said: said.isdecimal() and len(said) < 10 and int(said) > 0)
BEGIN, END = (
    Parameter(
        f"a time with its offset, such as `2026-11-24T09:00+01:00`, {where}, at most {LONGEST.days} days apart",
        lambda _, __: _are_ends(),
    )
    for where in ("before that of `to`", "behind that of `from`")
)


def _between() -> tuple[datetime, datetime] | None:
    """Return the stretch of time as links of earlier releases have it (``?between=seconds-seconds``)."""
    begins, _, ends = st.query_params.get("between", "").partition("-")
    if not (begins.isdecimal() and ends.isdecimal() and len(begins) < 12 and len(ends) < 12):
        return None
    return EPOCH + timedelta(seconds=int(begins)), EPOCH + timedelta(seconds=int(ends))


def read(visit: Visit, takes: Mapping[str, Parameter]) -> None:
    """Give old names their new ones, take out what the page cannot use and tell of it; before anything is drawn."""
    wrong: list[str] = []
    if "from" in takes and (stretch := _between()):
        st.query_params.update({"from": iso(stretch[0]), "to": iso(stretch[1])})
        take_out("between")
    for name in list(st.query_params):
        now = name if name in takes else OLD_NAMES.get(name, name)
        value = st.query_params[name]
        if now in takes and takes[now].is_sound(visit, value):
            if now != name:
                _renamed(name, now, value)
            continue
        wrong.append(_sentence(name, value, takes.get(now)))
        take_out(name)
    if wrong:
        st.session_state[_KEPT] = (visit.page, wrong)
    _tell(visit.page)


def _sentence(name: str, value: str, parameter: Parameter | None) -> str:
    if parameter is None:
        return f"{code(name[:_LONGEST_TOLD])} is nothing that this page takes."
    return f"{code(f'{name}={value}'[:_LONGEST_TOLD])} is left out: it is not {parameter.wants}."


def is_of(visit: Visit, name: str) -> bool:
    """Whether the parameter *name* was written last on this page: what its widget has is of here."""
    return st.session_state.get(_PAGE.format(name)) == visit.page


def follow(visit: Visit, name: str, usual: str, said: str | None = None) -> None:
    """Let the widget whose key is *name* be as the address says, where that is new; to be called before it is drawn.

    *said* is what it says, where that is not one parameter's value. Pages share a parameter, and link to each other
    with it. Streamlit's own binding cannot do that: of a link it drops what is bound on the page that one comes from.
    """
    said, context = said or st.query_params.get(name), get_script_run_ctx()
    goes_back = context is not None and context.is_history_navigation
    # Else it is what was written here, or older than that: a browser may tell its address a moment late.
    if (chosen := st.session_state.pop(_CHOSEN.format(name), None)) is not None:
        st.session_state[name] = chosen
        return
    # What a page does not draw for once, as a list behind one of its calls, the framework forgets.
    is_new = goes_back or not is_of(visit, name) or name not in st.session_state
    if goes_back:
        st.session_state[name] = said or usual
    elif is_new:  # said to a browser even where it is what it was: it draws the widget of another page anew
        st.session_state[name] = said or st.session_state.get(name, usual)


def write(visit: Visit, name: str, value: str, usual: str) -> None:
    """Let the address say what was chosen; the *usual* needs no word."""
    keep(visit, name, {name: None if value == usual else value})


def keep(visit: Visit, name: str, values: Mapping[str, str | None]) -> None:
    """Let the address say these *values* of what the widget *name* chose; ``None`` needs no word."""
    for parameter, value in values.items():
        if value is None:
            st.query_params.pop(parameter, None)
        elif st.query_params.get(parameter) != value:
            st.query_params[parameter] = value
    st.session_state[_PAGE.format(name)] = visit.page


def enter(name: str, value: str, **more: str) -> None:
    """Open one of a list, whose address is kept: the way back (:func:`leave`) leads to its filters."""
    st.session_state[_LIST.format(name)] = st.query_params.to_dict()
    st.query_params.update({name: value, **more})


def leave(name: str, *more: str) -> None:
    """Go back from one to its list, as that was left; *more* is what else the address says of the one alone."""
    listed: dict[str, str] = st.session_state.pop(_LIST.format(name), {})
    now = {key: value for key, value in st.query_params.to_dict().items() if key not in (name, *more)}
    st.query_params.from_dict({**listed, **now})


def choose(name: str, value: str) -> None:
    """Let the widget whose key is *name* have this value once the page is drawn anew, wherever it has been drawn."""
    st.session_state[_CHOSEN.format(name)] = value


def _renamed(old: str, new: str, value: str) -> None:
    if new not in st.query_params:
        st.query_params[new] = value
    take_out(old)


def take_out(name: str) -> None:
    """Take a parameter out of the address, whoever put it there."""
    with suppress(StreamlitAPIException, KeyError):  # as above: the widget takes out by itself what it cannot use
        del st.query_params[name]


def _tell(page: str) -> None:
    """Say what was wrong in the address, until it is dismissed or another page is opened."""
    of, wrong = st.session_state.get(_KEPT, ("", ()))
    if of != page:
        st.session_state.pop(_KEPT, None)
        return
    with st.container(key="address", horizontal=True, vertical_alignment="center", gap="small"):
        st.warning("  \n".join(wrong), title="The address cannot be read as it is", icon=":material/link_off:")
        st.button("Dismiss", icon=":material/close:", type="tertiary", key="address_read", on_click=_dismissed)


def _dismissed() -> None:
    st.session_state.pop(_KEPT, None)
