"""Routes: which models answer, in what order and within which limits; and how each of them fares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.breakers import BreakerView
from core.routes import RouteView
from core.tenants import Permission
from pages.kit import address, formats, layout, links
from pages.kit.frames import pd, table
from pages.kit.markup import plain
from pages.kit.page import Visit, open_page, refusals
from pages.kit.retirements import retirements
from pages.routes import breakers, edit, use, words

ROUTE = address.Parameter(
    "the name of a route",
    lambda visit, name: any(view.terms.name == name for view in visit.runtime.routes.list(visit.principal)),
)


def draw_route(
    visit: Visit, view: RouteView, of_models: Mapping[tuple[str, str], BreakerView], own: Sequence[str]
) -> None:
    """Draw a route: whose *own* it is, its candidates in order with their breakers, its limits, how to change it."""
    terms = view.terms
    source = "from the environment" if view.is_from_environment else f"set by an operator, version {view.version}"
    with layout.card(f"{plain(terms.name)} :gray-badge[{source}]", key=f"route_{terms.name}", stretch=False):
        if view.description:
            st.markdown(plain(view.description))
        if view.schemas:
            st.markdown(f":small[Taken by itself for {', '.join(map(links.schema, view.schemas))}.]")
        if (used := use.of_routes(visit)) is not None:
            st.markdown(f":small[{use.sentence(used.get(terms.name))}]")
        if own:
            named = ", ".join(map(links.tenant, own[:10])) + ("" if len(own) <= 10 else f" and {len(own) - 10} more")
            st.markdown(f":small[Instead of default the route of {named}.]")
        has_own = any(words.own(one) for one in terms.candidates)
        rows = [
            {
                "Order": f"{place}\\. {'Primary' if place == 1 else 'Fallback'}",  # bare, it would be a list
                "Model": links.model(one.name),
                "Mode": one.mode or ":gray[automatic]",
                "Max tokens": formats.count(one.max_tokens),
                "Timeout": f"{one.timeout_seconds:g} s",
                **({"Overrides": words.own(one) or words.NOTHING} if has_own else {}),
                "Provider": ":green[:material/key: set up]"
                if one.provider in visit.runtime.providers
                else ":gray[:material/key_off: not set up]",
                "Breaker": breakers.fares(of_models.get((one.provider, one.model))),
            }
            for place, one in enumerate(terms.candidates, 1)
        ]
        table(pd.DataFrame(rows), alt=f"Candidates of {terms.name}", hides_index=True)
        _tell_retiring(visit, view)
        st.caption(" ".join(words.sentences(view)))
        if view.is_from_environment:
            st.markdown(":small[`MODEL_PRIMARY` and `MODEL_FALLBACK` decide, until an operator edits this route.]")
        if visit.may_over(Permission.ROUTES_WRITE):
            with st.container(horizontal=True, gap="small"):
                if st.button("Edit", icon=":material/edit:", key=f"edit_{terms.name}"):
                    edit.edit(visit, view)
                if not view.is_from_environment and st.button("Remove…", key=f"reset_{terms.name}"):
                    edit.reset(visit, view)


def _tell_retiring(visit: Visit, view: RouteView) -> None:
    for one in retirements(visit.runtime.cards, [view], visit.now.date()):
        [(_, left)] = one.routes
        st.warning(plain(f"{one.sentence} Then {left}."), icon=":material/event_busy:")


def chosen(views: Sequence[RouteView]) -> Sequence[RouteView]:
    """Return the route that the URL names (``?route=cheap``), with a way back to all of them; else all."""
    name = st.query_params.get("route")
    found = [view for view in views if view.terms.name == name]
    if not found:
        return views
    st.button(f"Only route {plain(name)}", icon=":material/close:", key="drop_route", on_click=_all_routes)
    return found


def _all_routes() -> None:
    st.query_params.pop("route", None)


def retiring(visit: Visit, views: Sequence[RouteView]) -> None:
    """Say above all cards which routes a retirement hits, where there are several; each card tells its own."""
    hit: dict[str, list[str]] = {}
    for one in retirements(visit.runtime.cards, views, visit.now.date()):
        hit[f"{one.provider}/{one.model} ({one.day})"] = [route for route, _ in one.routes]
    routes = {route for several in hit.values() for route in several}
    if len(routes) < 2:
        return
    with st.container(key="retiring"):
        st.warning(
            "\n".join(
                f"- {links.model(model)}: {', '.join(map(links.route, several))}" for model, several in hit.items()
            ),
            title=f"Routes that name a model which vendors take away soon: {len(routes):,}",
            icon=":material/event_busy:",
        )


def main() -> None:
    """Draw the page."""
    visit = open_page(
        "Routes",
        "Which models answer, in what order, and how they fare.",
        needs=Permission.ROUTES_READ,
        takes={"route": ROUTE},
    )
    of_models = breakers.of_models(visit)
    with visit.controls:
        if visit.may_over(Permission.ROUTES_WRITE) and st.button("New route", icon=":material/add:", key="new_route"):
            edit.edit(visit, None)
    with refusals("The routes cannot be shown."):
        views = visit.runtime.routes.list(visit.principal)
        retiring(visit, views)
        own = use.owners(visit)
        for view in chosen(views):
            draw_route(visit, view, of_models, own.get(view.terms.name, ()))
    breakers.card(visit)
    st.page_link("providers/page.py", label="Providers: who is set up, and how one is", icon=":material/dns:")


main()
