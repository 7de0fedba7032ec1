"""Files to take away: a link to an address of ours that says what is to be made, drawn as the buttons beside it."""

from __future__ import annotations

from html import escape
from typing import TypeVar

import streamlit as st

from core import runtime as running
from core.api.export_links import ExportLink, sealed
from core.api.exports import MOST_SENT, Export
from pages.kit import visitor

T = TypeVar("T")


def export(
    label: str,
    what: Export[T],
    asked: T,
    *,
    name: str,
    help: str = "",  # noqa: A002 as the framework's own buttons call it
    is_quiet: bool = False,
) -> None:
    """Draw a link with which somebody takes away *what* is made of the things *asked*, called *name*.

    It is made when he comes for it, in whatever process, with the right that he has then.
    """
    link = ExportLink(what.kind, what.told(asked), name)
    token = visitor.token() if visitor.session_row() else ""
    kind = "export quiet" if is_quiet else "export"
    st.html(
        f'<a class="{kind}" href="/export/{sealed(link, token, running.current().clock.now())}" '
        f'download="{escape(name)}" target="_self" title="{escape(help)}">{escape(label)}</a>',
        width="content",
    )


def export_text(label: str, text: str, *, name: str) -> None:
    """Draw a button with which somebody takes away a *text* of JSON that is kept nowhere but in this page."""
    if len(text.encode()) > MOST_SENT:
        return
    st.html(
        f'<form action="/export" method="post"><input type="hidden" name="file_name" value="{escape(name)}">'
        f'<input type="hidden" name="file_text" value="{escape(text)}">'
        f'<button class="export" type="submit">{escape(label)}</button></form>',
        width="content",
    )
