"""The panels of Spend, and where a click on them leads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from core.reports import INTERVAL, LEAST_DAYS, MOST_TESTED, Backtest, Forecast
from core.reports.proven import RollupsProven
from core.reports.ranges import Range
from core.tenants import Tenant
from pages.kit import formats, layout, marks, ranges, zones
from pages.kit.exports import export
from pages.kit.links import Destination
from pages.kit.markup import plain
from pages.spend import charts, files, tables, tiles
from pages.spend.figures import Figures

_METHOD = (
    "Each past day is divided by how busy its weekday usually is. Five hundred possible futures are drawn from these "
    "levels, recent days more often, each coming day as busy as its weekday; the level wanders, as real ones do, and "
    "days before a lasting change of it do not count. The middle is shown, and the interval that holds "
    f"{INTERVAL:.0%} of the futures. What a hard budget would stop is not taken off."
)


def _calls(found: Figures, chosen: Range, **filters: str) -> Destination:
    """Return where the calls behind a figure are: of the same time and tenant, unless *filters* name others."""
    here = ranges.parameters(chosen, found.spend.window.zone) | _whose(found.tenant)
    return Destination("calls", here | filters)


def _download(found: Figures, cut: str, name: str) -> None:
    """Draw the link that saves a table as CSV."""
    wanted = files.SpendTable(cut, found.spend.window, found.tenant.id if found.tenant else None)
    told = "Every column of this table; amounts in whole nano-dollars are exact."
    export("CSV", files.TABLE, wanted, name=f"{name}.csv", is_quiet=True, help=told)


def _whose(tenant: Tenant | None) -> dict[str, str]:
    return {"tenant": tenant.name} if tenant else {}


def over_time(found: Figures, chosen: Range) -> None:
    """Draw the spend over time."""
    with layout.card(
        "Spend over time",
        key="spend_over_time",
        help="Per bar, what the attempts of the calls cost that began in it; what is unpriced is left out. Triangles: "
        "changes; click one to see it.",
    ):
        kinds = [label for label, kind in charts.KINDS.items() if found.tenant is None or kind != "tenant"]
        kind = st.segmented_control(
            "Stacked by",
            kinds,
            default=kinds[0],
            required=True,
            key="stacked",
            bind="query-params",
            label_visibility="collapsed",
        )
        picked = charts.draw_over_time(found.spend, charts.KINDS[kind or kinds[0]], found.changes)
        zone = found.spend.window.zone
        here = ranges.parameters(chosen, zone) | _whose(found.tenant)
        marks.links(found.changes, zone, here)
    marks.follow(picked, here)


def thrown_away(found: Figures) -> None:
    """Draw the cost of invalidity."""
    now = found.spend.total
    with layout.card(
        "Thrown away",
        key="thrown_away",
        help="What attempts cost that gave no caller a valid object, by how they ended. A valid answer counts here "
        "too, if its call ended otherwise, as when a guardrail kept it back.",
    ):
        if not now.discarded_attempts:
            st.caption("Every attempt of this window gave a valid object.")
            return
        st.markdown(
            f"**{plain(formats.dollars(now.discarded))}** of "
            f"{plain(formats.dollars(now.spend))} went to "
            f"{formats.plural(now.discarded_attempts, 'attempt')} that gave nobody a valid object."
        )
        charts.draw_reasons(found.spend)
        _download(found, files.REASONS, "thrown-away")


def breakdown(found: Figures, chosen: Range) -> None:
    """Draw what the money bought."""
    with layout.card(
        "What the money bought",
        key="breakdown_card",
        help="A model's calls are those that asked it, so a call that fell back stands in two rows. Click a row to "
        "see the calls.",
    ):
        kinds = list(tables.KINDS)[found.tenant is not None :]
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            cut = st.segmented_control(
                "Cut",
                kinds,
                default=kinds[0],
                required=True,
                key="cut",
                bind="query-params",
                label_visibility="collapsed",
            )
            kind = tables.KINDS[cut or kinds[0]]
            _download(found, kind, f"spend-by-{kind.rstrip('s')}")
        tables.draw_breakdown(found.spend, kind, lambda name: _calls(found, chosen, **{kind.rstrip("s"): name}))
        total = found.spend.total
        missing = tiles.missing(total)
        st.caption(f"In all {plain(formats.dollars(total.spend))}" + (f" · {plain(missing)}" if missing else ""))


def caches(found: Figures) -> None:
    """Draw what caches saved."""
    with layout.card(
        "Caches",
        key="caches_card",
        help="Prompt caching: providers read a stable beginning of a prompt from a cache and charge less for it. "
        "Cache hits: our own cache answers the very same question, on routes that have a cache TTL; such a call costs "
        "nothing.",
    ):
        tables.draw_caches(found.spend)
        _download(found, "tenants", "caches")


def forecast(found: Figures) -> None:
    """Draw how the month will probably end."""
    picked = None
    with layout.card("Forecast", key="forecast_card", help=_METHOD):
        if not found.forecasts:
            st.caption(
                "There is no forecast yet. It is made in the background, a minute or some after the first call, for "
                "whoever called in the last weeks."
            )
            return
        if found.tenant is not None:
            [coming] = found.forecasts
            st.markdown(_foretold(coming))
            picked = charts.draw_course(coming, found.of_late, found.tenant.timezone)
        else:
            tables.draw_forecasts(found.forecasts)
        made_at = zones.told(min(one.as_of for one in found.forecasts))
        st.caption(f"{_tested(found.backtests)} As of {made_at}; it is made anew every quarter of an hour.")
        _download(found, files.FORECAST, "forecast")
    marks.follow(picked, {"range": "30d"} | _whose(found.tenant))


def _foretold(coming: Forecast) -> str:
    """Return a forecast in sentences, as Markdown."""
    so_far = f"{_money(coming.spent)} in {coming.month} so far."
    if not coming.is_known:
        return f"{so_far} A forecast needs {LEAST_DAYS} whole days of calls; there are {coming.days}."
    said = (
        f"{so_far} Probably **{_money(coming.expected)}** at its end, and with {INTERVAL:.0%} likelihood between "
        f"{_money(coming.low)} and {_money(coming.high)}."
    )
    if coming.budget is None:
        return f"{said} There is no budget."
    limit = f"The budget of {_money(coming.budget.limit_nano_usd)}"
    if coming.is_exhausted:
        return f"{said} {limit} is used up."
    if coming.exhausts_on is None:
        chance = coming.exhausts_chance or 0.0
        return f"{said} {limit} will last" + (f", with {1 - chance:.0%} likelihood." if chance else ".")
    return f"{said} {limit} will probably be used up on **{coming.exhausts_on:%b %d}**."


def _money(nano_usd: int | None) -> str:
    return plain(formats.dollars(nano_usd))


def _tested(backtests: Sequence[Backtest]) -> str:
    """Return how good such forecasts were, in a sentence."""
    told = [
        f"{ahead}, {test.forecasts:,} times: half were less than {formats.percent(test.median_error, 0)} off, the "
        f"mean error was {formats.percent(test.mean_error, 0)}, and the interval held "
        f"{formats.percent(test.coverage, 0)} of what came ({INTERVAL:.0%} would be right)"
        for test, ahead in zip(backtests, ("A week ahead", "To the month's end or last night"), strict=True)
        if test.forecasts
    ]
    if not told:
        return f"How good it is cannot be said yet: that takes {LEAST_DAYS} days and some more to compare with."
    whose = f" of the {MOST_TESTED} tenants that spent most" if backtests[0].tenants == MOST_TESTED else ""
    return f"Asked on every past morning{whose} for what is known by now. {'. '.join(told)}."


def books(found: Figures) -> None:
    """Say whether the ledger explains it all, and lead to the statements."""
    with layout.card("Books", key="books_card", help="'proctor verify' recomputes every balance from the attempts."):
        last = found.verified
        if last is None:
            st.markdown(":gray-badge[:material/help: Never verified] Run `proctor verify` on the server.")
        elif last.ok:
            st.markdown(
                f":green-badge[:material/verified: Adds up] {formats.plural(last.accounts, 'account')} and "
                f"{formats.plural(last.attempts, 'attempt')}, {zones.told(last.at)}."
            )
        else:
            st.markdown(
                f":red-badge[:material/error: Differs] by {_money(last.difference_nano_usd)}, "
                f"{zones.told(last.at)}. Keep the database as it is, and report it."
            )
        if last is not None:
            st.caption(f"{_money(last.held_nano_usd)} was reserved for calls in flight. Run by {plain(last.by)}.")
        _sums(found.proven)
        query = {"tenant": found.tenant.name} if found.tenant else {}
        st.page_link("statement/page.py", label="Monthly statements", icon=":material/description:", query_params=query)


def _sums(proven: RollupsProven | None) -> None:
    """Say whether the sums that figures are read from are what the calls add up to."""
    if proven is None:
        return
    if not proven.differs:
        st.caption(f"Sums of {formats.plural(proven.days, 'day')} agree with the calls, {zones.told(proven.at)}.")
        return
    told = "; ".join(f"{one.day:%Y-%m-%d} {one.told[0]}" for one in proven.differing[:3])
    st.markdown(
        f":red-badge[:material/error: Sums differ] on {formats.plural(proven.differs, 'day')}: {plain(told)}. "
        "Run `proctor verify --rebuild` on the server."
    )


def draw(found: Figures, chosen: Range) -> None:
    """Draw every panel in its place."""
    rows = (
        ([8, 5], (partial(over_time, chosen=chosen), thrown_away)),
        ([1], (partial(breakdown, chosen=chosen),)),
        ([9, 4], (forecast, books)),
    )
    for widths, panels in (*rows, ([1], (caches,))):
        for column, panel in zip(st.columns(widths, gap="small"), panels, strict=True):
            with column:
                panel(found)
