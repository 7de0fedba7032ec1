"""Providers: who can be called and who uses it, how it fares, and why one is asked or not."""

from __future__ import annotations

import streamlit as st

from core.servers import PROVIDERS
from core.tenants import Permission
from pages.kit import address, layout
from pages.kit.markup import code
from pages.kit.page import open_page, refusals
from pages.providers import listing, one
from pages.providers.lines import lines


def how_to() -> None:
    """Say how a provider is set up."""
    with layout.card("How one is set up", key="how", stretch=False):
        said = [f"- `{name}`: {code(listed.variable)}{listed.hint}" for name, listed in PROVIDERS.items()]
        more = "- Any number of others: `PROVIDERS` lists their names, such as `groq` or `azure-eu`, and what each of "
        st.markdown("\n".join((*said, more + "them is stands in variables that begin with its name.")))
        st.caption("Keys come from the environment, or from files that it names; they are never stored or shown.")


def main() -> None:
    """Draw the page."""
    visit = open_page(
        "Providers",
        "Who can be called, who uses it, and how it fares.",
        needs=Permission.ROUTES_READ,
        takes={"provider": address.ANY, "tenant": address.ONE_TENANT},
    )
    with refusals("The providers cannot be shown."):
        day, rejected = listing.day_of(visit)
        found = lines(visit, day, rejected, visit.runtime.routes.list(visit.principal))
        if not visit.runtime.providers:
            st.warning(
                "Nobody can answer: set the key of a provider, or `LOCAL_MODEL=on` to run the small local model.",
                title="No provider is set up",
                icon=":material/key_off:",
            )
        listing.draw(visit, found, day)
        one.draw(visit, one.choose(found))
    how_to()


main()
