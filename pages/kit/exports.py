"""Files to take away: a link to an address of ours that asks anew who comes, drawn as the buttons beside it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from core.api.exports import OFFERS, OfferedFile, new_token
from pages.kit.visitor import current_principal, session_row

CSV = "text/csv; charset=utf-8"
_TOKENS = "_exports"


def export(
    label: str,
    make: Callable[[], bytes],
    *,
    name: str,
    key: str,
    media_type: str = CSV,
    help: str = "",  # noqa: A002 as the framework's own buttons call it
    is_quiet: bool = False,
    holds: int = 0,
) -> None:
    """Draw a link with which somebody takes away what *make* makes, called *name*.

    *make* runs beside the page, when somebody comes for the file, and asks nothing of the page; who comes is asked
    before it. *holds* is how many bytes it keeps, if it keeps the file.
    """
    tokens: dict[str, str] = st.session_state.setdefault(_TOKENS, {})
    token = tokens.setdefault(key, new_token())
    offer = OfferedFile(
        session_id=session_row(),
        grants=current_principal().grants,
        name=name,
        media_type=media_type,
        make=make,
        holds=holds,
    )
    OFFERS.put(token, offer)
    kind = "export quiet" if is_quiet else "export"
    st.html(
        f'<a class="{kind}" href="/export/{token}" download="{escape(name)}" target="_self" title="{escape(help)}">'
        f"{escape(label)}</a>",
        width="content",
    )
