"""One provider: why it is asked or not, how it is, what its models cost and until when they live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from core.pricing import as_dollars
from core.servers import Recipe
from core.tenants import Permission
from pages.kit import formats, layout, zones
from pages.kit.frames import Frame, grid, pd
from pages.kit.markup import code, plain
from pages.kit.outcomes import Badge
from pages.kit.page import Visit, name_tab, refusals
from pages.kit.tiles import Tile
from pages.kit.tiles import draw as draw_tiles
from pages.providers import listing, trial
from pages.providers.lines import STATES, ProviderLine, reasons

COLUMNS = st.column_config
MOST_MODELS = 40
MOST_LINKS = 12
_ICONS = {"Set up": ":material/check_circle:", "Not set up": ":material/key_off:", "Starting": ":material/schedule:"}


def choose(lines: Sequence[ProviderLine]) -> ProviderLine:
    """Draw the choice of a provider, which a click on a row sets as well; the first that is set up is the usual one."""
    names = [line.name for line in lines]
    usual = next((place for place, line in enumerate(lines) if line.is_up), 0)
    named = st.query_params.get("provider")
    if named and named not in names and "provider" not in st.session_state:
        st.warning(
            f"There is no provider {code(named[:60])} here; shown is {code(names[usual])}.",
            icon=":material/search_off:",
        )
    name = st.selectbox("Provider", names, usual, key="provider", bind="query-params", width=220)
    return next((line for line in lines if line.name == name), lines[usual])


def draw(visit: Visit, line: ProviderLine) -> None:
    """Draw everything that is known of it."""
    name_tab(visit, line.name)
    with layout.card(f"{plain(line.name)} {badges(line)}", key="one", stretch=False):
        _figures(visit, line)
        left, right = st.columns([7, 5], gap="medium")
        with left:
            st.markdown("**Why it is asked, or not**")
            st.markdown("  \n".join(f"{icon} {said}" for icon, said in reasons(line)))
            _links(visit, line)
        with right:
            _check(visit, line)
            if line.is_up:
                trial.draw(visit, line)
    with layout.card("Models and prices", key="models", stretch=False, help=_MODELS_HELP):
        _models(visit, line)
    with layout.card("Facts", key="facts_card", stretch=False):
        layout.facts(facts(visit, line), key="facts")


_MODELS_HELP = (
    "By the provider's own names: those that routes name, that the settings list, or that were called in the last "
    "day. Dollars per million tokens, for tenants without a price of their own."
)


def badges(line: ProviderLine) -> str:
    """Return its states as Markdown."""
    return " ".join(
        Badge(word, _ICONS.get(word, ":material/warning:"), STATES[word]).markdown  # pyright: ignore[reportArgumentType] a colour
        for word in line.states
    )


def _figures(visit: Visit, line: ProviderLine) -> None:
    """Draw the figures of its calls, or say that there were none."""
    found = line.figures
    if found is None:
        st.caption("It was not called in the last day.")
        return
    last = formats.ago(found.last_at, visit.now)
    draw_tiles(
        [
            Tile(label="Calls", value=formats.count(found.calls), help=f"Attempts of the last day; the last {last}."),
            Tile(
                label="Failed",
                value=formats.percent(found.failing),
                help=f"{found.failed:,} of {found.calls:,}: an error of the provider, or out of time.",
            ),
            Tile(label="p50", value=formats.millis(found.p50_ms), help="Half of the answers took at most this long."),
            Tile(
                label="p95",
                value=formats.millis(listing.p95(found)),
                help="95 % of the answers took at most this long; told from 20 answers on.",
            ),
        ]
    )


def _links(visit: Visit, line: ProviderLine) -> None:
    """Link to its routes and its calls."""
    if line.uses and visit.may(Permission.ROUTES_READ):
        with st.container(horizontal=True, gap="small", key="its_routes"):
            for use in line.uses[:MOST_LINKS]:
                st.page_link(
                    "routes/page.py",
                    label=f"Route {plain(use.route)}",
                    icon=":material/alt_route:",
                    query_params={"route": use.route},
                )
            if len(line.uses) > MOST_LINKS:
                st.page_link("routes/page.py", label="All routes", icon=":material/alt_route:")
    if visit.may(Permission.GENERATIONS_READ):
        here = {"provider": line.name, "range": "24h"}
        with st.container(horizontal=True, gap="small", key="its_calls"):
            st.page_link("calls/page.py", label="Its calls", icon=":material/receipt_long:", query_params=here)
            st.page_link(
                "calls/page.py",
                label="Those that ended in an error",
                icon=":material/error:",
                query_params=here | {"outcome": "Any error"},
            )


def _check(visit: Visit, line: ProviderLine) -> None:
    """Draw the last check and the way to make one."""
    st.markdown("**Last check**")
    if line.name == "local":
        st.markdown(plain(line.phase_sentence))
        return
    if not line.is_up:
        st.caption("There is nothing to check until it is set up.")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        pressed = st.button("Check now", icon=":material/network_check:", key="check_now")
        st.caption("Costs nothing: it asks for the list of models, or only connects. Takes 5 s at most.")
    if pressed:
        with refusals("It was not checked."), st.spinner("Checking …", show_time=True):
            visit.runtime.checks.check(line.name)
        st.rerun()
    if line.check is None:
        st.caption("This process has not checked it yet.")
        return
    sign = ":green[:material/check_circle:]" if line.check.is_well else ":red[:material/error:]"
    at = f"{zones.told(line.check.at, seconds=True)}, {formats.ago(line.check.at, visit.now)}"
    st.markdown(f"{sign} {plain(line.check.sentence)}  \n:small[:gray[{at}, by this process]]")


@st.cache_data(ttl="60s", max_entries=64, show_spinner=False)
def _called(_visit: Visit, view: object, name: str, named: tuple[str, ...]) -> dict[str, int]:  # noqa: ARG001 as on Home
    """Return the models of a provider that were called within a day, and those *named*, with the number of calls."""
    since = _visit.now - timedelta(days=1)
    found = _visit.runtime.prices.in_use(_visit.principal, since, [(name, one) for one in named])
    return {one.model: one.calls for one in found if one.provider == name}


def _models(visit: Visit, line: ProviderLine) -> None:
    """Draw its models: what they cost, how much they take, and when they retire."""
    if not visit.may(Permission.PRICES_READ):
        st.caption("Prices are for those who may read them.")
        return
    server = visit.runtime.settings.providers.get(line.name)
    routed = [one.partition("/")[2] for use in line.uses for one in use.models]
    called = _called(visit, visit.view, line.name, tuple(dict.fromkeys((*routed, *(server.models if server else ())))))
    if not called:
        st.caption("No route names a model of it, none is listed in its settings, and none was called in the last day.")
        return
    grid(
        models_frame(visit, line.name, called),
        key="provider_models",
        alt=f"Models of {line.name}: prices, context, and when they retire",
        columns={
            "model": COLUMNS.TextColumn("Model", pinned=True, width=196),
            "input": COLUMNS.TextColumn("Input", width=64, alignment="right"),
            "cached": COLUMNS.TextColumn("Cached", width=70, alignment="right"),
            "output": COLUMNS.TextColumn("Output", width=64, alignment="right"),
            "retires": COLUMNS.TextColumn("Retires", width=176, help="As far as the vendor or a list tells"),
            "context": COLUMNS.NumberColumn("Context", format="localized", width=84, help="Tokens at most"),
            "calls": COLUMNS.NumberColumn("Calls", format="localized", width=64, help="Of the last day"),
            "source": COLUMNS.TextColumn("Price from", width=190),
        },
    )
    if len(called) > MOST_MODELS:
        st.caption(f"And {formats.plural(len(called) - MOST_MODELS, 'model')} more, which *Prices* lists.")
    st.page_link("prices/page.py", label="All prices", icon=":material/sell:")


def models_frame(visit: Visit, name: str, called: dict[str, int]) -> Frame:
    """Return the models with their prices, and what is known of each."""
    book, today = visit.runtime.prices.book(visit.principal), visit.now.date()
    rows: list[dict[str, object]] = []
    for model, calls in list(called.items())[:MOST_MODELS]:
        terms, card = book.terms(name, model, visit.now), visit.runtime.cards.of(name, model)
        base = terms.base if terms else None
        days = (card.retires - today).days if card.retires else None
        rows.append(
            {
                "model": model,
                "input": as_dollars(base.fresh) if base else None,
                "cached": as_dollars(base.cached) if base else None,
                "output": as_dollars(base.output) if base else None,
                "retires": None if days is None else f"{card.retires} ({_in_days(days)})",
                "context": card.context,
                "calls": calls,
                "source": terms.price.source if terms else "unpriced",
            }
        )
    return pd.DataFrame(rows)


def _in_days(days: int) -> str:
    return "retired" if days <= 0 else f"in {formats.plural(days, 'day')}"


_SHARED = (
    "All tenants share its account: who chooses the same `prompt_cache_key`, `safety_identifier` or `user` is the same "
    "to it, when it blocks somebody and when it finds a prompt in its cache."
)


def _stored(recipe: Recipe | None, address: str) -> str | None:
    """Return what it stores of itself, and how to forbid that, as Markdown; nothing of another's server."""
    if recipe is None or not recipe.stores or (recipe.address and address != recipe.address):
        return None
    titles = {"chat": "chat completions (of newer accounts)", "responses": "responses"}
    return (
        f"{' and '.join(titles[one] for one in recipe.stores)}, for 30 days, unless the request says `store: false`. "
        "A tenant's settings, or `VENDOR_STORAGE` for all, forbid it."
    )


def facts(visit: Visit, line: ProviderLine) -> dict[str, str | None]:
    """Return what is set of it, as Markdown; nothing of a key."""
    settings, recipe = visit.runtime.settings, line.recipe
    server = settings.providers.get(line.name)
    is_remote = line.name in settings.remote_providers
    address = settings.address(line.name) if is_remote else ""
    speaks = ", ".join(visit.runtime.providers[line.name].dialects) if line.is_up else ""
    return {
        "Kind": plain(recipe.title) if recipe else None,
        "Speaks": speaks,
        "Where": code(address) if address else None,
        "Keys": formats.count(line.keys) if is_remote else None,
        "May be asked": ", ".join(map(code, server.models)) if server and server.models else "any model",
        "Stores": _stored(recipe, address),
        "Shared": _SHARED if is_remote else None,
        "To know": plain(recipe.note) if recipe and recipe.note else None,
        "Documentation": recipe.documentation if recipe else None,
    }
