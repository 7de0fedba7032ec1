"""Providers: who can be called, what each speaks, who uses it, and how it fared within a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.reports import ProviderFigures
from core.servers import PROVIDERS, recipe_of
from core.tenants import Permission
from pages.kit import formats, layout
from pages.kit.frames import pd, table
from pages.kit.markup import code, plain
from pages.kit.page import View, Visit, open_page, refusals

UP = ":green-badge[:material/key: Set up]"
DOWN = ":gray-badge[:material/key_off: Not set up]"
RESTS = ":orange-badge[:material/bedtime: {}]"
NOTHING = f":gray[{formats.UNKNOWN}]"
_READABLE = "<style>@media (max-width: 640px) { .st-key-providers table { min-width: 76rem; } }</style>"
"""On a phone the table scrolls instead of breaking every word."""
MOST_NAMED = 3
"""Routes and models of one provider that are named; more are counted."""


def used_by(visit: Visit) -> Mapping[str, list[str]]:
    """Return the names of the routes that may ask each provider."""
    found: dict[str, list[str]] = {}
    for view in visit.runtime.routes.list(visit.principal):
        for name in dict.fromkeys(one.provider for one in view.terms.candidates):
            found.setdefault(name, []).append(view.terms.name)
    return found


@st.cache_data(ttl="60s", max_entries=16, show_spinner=False)
def figures_of(_visit: Visit, view: View) -> Mapping[str, ProviderFigures]:  # noqa: ARG001 as on Home
    """Return how each provider fared: read once in a minute for all who may see the same, as it is a day of calls."""
    return _visit.runtime.reports.providers(_visit.principal)


def named(names: Sequence[str]) -> str:
    """Return the first of *names*, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(map(code, names[:MOST_NAMED])) + (f" and {more:,} more" if more > 0 else "")


def state(visit: Visit, name: str) -> str:
    """Return whether a provider can be called, and which of its keys rest."""
    if name not in visit.runtime.providers:
        return DOWN
    if name == "local":
        return f"{UP} :gray[{plain(visit.runtime.local_model.status.sentence)}]"
    resting = visit.runtime.resting_keys(name)
    told = [RESTS.format(f"{one.label}: {one.reason}, {one.seconds:.0f} s more") for one in resting]
    return " ".join((UP, *told))


def row(visit: Visit, name: str, figures: ProviderFigures | None, routes: list[str]) -> dict[str, Any]:
    """Return one provider's line."""
    recipe, settings = recipe_of(name), visit.runtime.settings
    server = settings.providers.get(name)
    dialects = ", ".join(visit.runtime.providers[name].dialects) if name in visit.runtime.providers else ""
    address = settings.address(name) if name != "local" else ""
    return {
        "Kind": plain(recipe.title) if recipe else NOTHING,
        "State": state(visit, name),
        "Speaks": dialects or NOTHING,
        "Where": code(address) if address else NOTHING,
        "Keys": NOTHING if name == "local" else formats.count(settings.key_count(name)),
        "Models": named(server.models) if server and server.models else "any",
        "Routes": named(routes) or NOTHING,
        "Calls": formats.count(figures.calls) if figures else NOTHING,
        "Failed": formats.percent(figures.failing) if figures else NOTHING,
        "Mean time": formats.millis(figures.mean_ms) if figures else NOTHING,
    }


def main() -> None:
    """Draw the page."""
    visit = open_page("Providers", "Who can be called, who uses it, and how it fares.", needs=Permission.ROUTES_READ)
    names = (*visit.runtime.settings.remote_providers, "local")
    with refusals("The providers cannot be shown."):
        figures = figures_of(visit, visit.view)
        routes = used_by(visit)
        with layout.card(
            "Providers",
            key="providers",
            stretch=False,
            help="Calls of the last 24 hours, as of a minute ago at most; failed is an error of the provider, or a "
            "call that ran out of time. Keys come from the environment and are never stored or shown.",
        ):
            rows = {name: row(visit, name, figures.get(name), routes.get(name, [])) for name in names}
            st.html(_READABLE)
            table(pd.DataFrame.from_dict(rows, orient="index"), alt="Providers, their state and their figures")
    with layout.card("How one is set up", key="how", stretch=False):
        lines = [f"- `{name}`: {code(listed.variable)}{listed.hint}" for name, listed in PROVIDERS.items()]
        more = "- Any number of others: `PROVIDERS` lists their names, such as `groq` or `azure-eu`, and what each of "
        st.markdown("\n".join((*lines, more + "them is stands in variables that begin with its name.")))


main()
