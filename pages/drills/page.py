"""Fire drills: faults on purpose, for a share of some tenants' calls and a while, to see what would happen."""

from __future__ import annotations

import streamlit as st

from core.tenants import Permission
from pages.drills import form, lists
from pages.kit import layout
from pages.kit.page import open_page


def main() -> None:
    """Draw the page."""
    visit = open_page(
        "Fire drills",
        "Faults on purpose: does the fallback answer, and who notices?",
        needs=Permission.DRILLS_READ,
    )
    wide, narrow = st.columns([7, 4], gap="small")
    with wide:
        lists.under_way(visit)
        lists.past(visit)
    with narrow:
        if visit.may(Permission.DRILLS_WRITE):
            form.form(visit)
        with layout.card("What a drill does", key="what", stretch=False):
            st.markdown(
                "- An affected call never reaches the provider and costs nothing. A slow one waits, goes out, and "
                "costs what it costs.\n"
                "- All else is true: re-asks, retries, fallback, what is recorded, and what that costs.\n"
                "- It ends by itself, in every process, at the time that you name.\n"
                "- Its attempts are marked in *Calls*, and left out of no figure."
            )


main()
