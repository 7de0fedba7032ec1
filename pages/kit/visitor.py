"""Who looks at the console: asked of the session's row at every run, of a page and of each of its parts."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, urlsplit

import streamlit as st

from core import runtime as running
from core.api.cookies import token_among
from core.errors import ProctorError
from core.principals import LOCAL_OPERATOR, Principal
from pages.kit.markup import plain

_HERE = replace(LOCAL_OPERATOR, door="the console")
_SESSION = "_session_row"


def token() -> str:
    """Return what the cookie held with which this page's socket was opened; the row decides whether it still counts."""
    return token_among(st.context.cookies.to_dict())


def look() -> Principal | None:
    """Return who is looking: whoever has signed in, or as long as there is nobody who could, who is at this machine.

    ``None`` is nobody: the session is over. Streamlit gives the state of a session to whichever socket asks for it by
    its id. So the state belongs to the row that it began with: where another one comes, all of it is dropped.

    Stops the run if the database does not say who.
    """
    try:
        people = running.current().people
        must_sign_in = people.must_sign_in()
        visitor = people.visitor(token()) if must_sign_in else None
    except ProctorError as error:
        st.error(plain(error.message), title="Proctor cannot work right now.", icon=":material/cloud_off:")
        st.markdown(":small[On the server, `proctor doctor` says what is missing.]")
        st.button("Try again", icon=":material/refresh:", key="try_again")
        st.stop()
    _keep_apart(visitor.session_id if visitor else "")
    if visitor is not None:
        return visitor.principal
    return None if must_sign_in else _HERE


def current_principal() -> Principal:
    """Return who is looking; where that is nobody any more all is drawn anew, which begins with saying so."""
    return look() or st.rerun()


def session_row() -> str:
    """Return the id of the session's row with which this page was begun; empty while nobody has to sign in."""
    return str(st.session_state.get(_SESSION, ""))


def say_over() -> None:
    """Say that one has to sign in."""
    with st.container(border=True, width=420, key="over"):
        st.header("You are signed out", anchor=False)
        st.markdown("Your session is over, or was ended.")
        here = urlsplit(st.context.url or "/")
        wanted = quote(here.path + (f"?{here.query}" if here.query else ""), safe="")
        st.html(f'<a href="/sign-in?next={wanted}" target="_self">Sign in</a>')


def _keep_apart(row: str) -> None:
    """Drop the state of whoever was here before."""
    if st.session_state.get(_SESSION, row) != row:
        st.session_state.clear()
        st.session_state[_SESSION] = row
        st.rerun()
    st.session_state[_SESSION] = row
