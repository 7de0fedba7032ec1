"""What the page Prices asks: what a model costs, what is taken back, what of history is re-priced."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import streamlit as st

from core.pricing import OF_A_TOOL, OverrideKind, OverridingPrice, described, is_tool
from core.principals import Permission
from core.repricing import RepricingPreview, RepricingScope
from core.tenants import Tenant
from pages.kit import crossings, formats
from pages.kit.buttons import button
from pages.kit.choices import about
from pages.kit.frames import Frame, editor, pd, table
from pages.kit.markup import plain
from pages.kit.page import Visit, flash, refusals
from pages.kit.reasons import reason
from pages.prices import tables

KINDS = {
    OverrideKind.RATES: "Own rates",
    OverrideKind.DISCOUNT: "Discount",
    OverrideKind.LIST: "List price again",
    OverrideKind.FEE: "By the use",
}
RATES = {
    "input_usd_per_mtok": "Input",
    "output_usd_per_mtok": "Output",
    "cached_usd_per_mtok": "Cached input",
    "cache_write_usd_per_mtok": "Cache write",
}
_SEEN = "price_seen"
_PREVIEW = "repricing_preview"


@st.dialog("Set a price", icon=":material/sell:", width="medium")
def set_price(visit: Visit, model: tuple[str, str] | None = None, from_at: datetime | None = None) -> None:
    """Ask what a model costs from a time on, and say what follows."""
    left, right = st.columns([1, 2], gap="small")
    settings = visit.runtime.settings
    there = (*settings.remote_providers, "local")
    known = [model[0], *(one for one in there if one != model[0])] if model else list(there)
    provider = left.selectbox("Provider", known, key="price_provider")
    name = right.text_input(
        "Model",
        model[1] if model else "",
        key="price_model",
        placeholder="gpt-4o-mini",
        help="Its name at the provider, or * for every model of the provider that has no price of its own here; "
        f"{OF_A_TOOL}web_search or the like for a tool that the provider runs.",
    ).strip()
    left, right = st.columns([1, 2], gap="small")
    tenants = about(visit, Permission.PRICES_WRITE)
    whose = left.selectbox("For", list(tenants), key="price_for")
    with right:
        begins = _begins(visit, from_at)
    kinds = [OverrideKind.FEE, OverrideKind.LIST] if is_tool(name) else list(KINDS)[:3]
    key = "price_kind_of_tool" if is_tool(name) else "price_kind"
    kind = st.segmented_control("Price", kinds, format_func=KINDS.__getitem__, default=kinds[0], required=True, key=key)
    said = _said(kind)
    why = reason("price_reason", placeholder="contract 7")
    tenant = tenants[whose]
    moment = begins or visit.now
    seen: tuple[Any, OverridingPrice | None] | None = st.session_state.get(_SEEN)
    holding: OverridingPrice | None = None
    if name:
        holding = _consequence(visit, provider, name, tenant, moment)
    looked_at = (provider, name, whose, begins)
    opened = seen[1] if seen and seen[0] == looked_at else holding
    st.session_state[_SEEN] = (looked_at, opened)
    made: list[OverridingPrice] = []

    def save(expected: str, _: dict[str, Any]) -> None:
        made.append(
            visit.runtime.prices.set(
                visit.principal, provider, name, tenant=tenant, from_at=begins, reason=why, expected=expected, **said
            )
        )

    edited = crossings.Edit(
        key="price",
        seen=described(opened) if opened else None,
        wanted={"price": _worded(said), "reason": why},
        expected=opened.id if opened else "",
        save=save,
    )
    if crossings.save(edited, "Set price", title="The price was not set.", key="confirm_price"):
        st.session_state.pop(_SEEN, None)
        flash(f"{made[0].subject} costs {made[0].sentence}.")
        st.rerun()


def _worded(said: dict[str, Any]) -> str:
    """Return what was typed as a price, before anybody has checked it."""
    if said.get("back_to_list"):
        return "the list price"
    if percent := said.get("discount_percent"):
        return f"{percent} % off the list price"
    if fee := said.get("usd_per_1000_uses"):
        return f"${fee} per 1,000 uses"
    rates = said.get("rates", {})
    return ", ".join(f"{RATES[field].lower()} ${value}" for field, value in rates.items()) or "nothing yet"


def _begins(visit: Visit, from_at: datetime | None) -> datetime | None:
    """Ask from when on; ``None`` is now."""
    given = from_at or visit.now
    choices = ["Now", "At a time"]
    how = st.segmented_control(
        "Begins", choices, default=choices[from_at is not None], required=True, key="price_begins"
    )
    if how == "Now":
        return None
    left, right = st.columns(2, gap="small")
    day: date | None = left.date_input("Day", given.date(), key="price_day")
    hour: time | None = right.time_input("Time, UTC", time(given.hour, given.minute), key="price_time", step=900)
    return datetime.combine(day or given.date(), hour or time(), UTC)


def _said(kind: OverrideKind | None) -> dict[str, Any]:
    """Ask what it costs, in the way of *kind*; return it as the core takes it."""
    if kind is OverrideKind.LIST:
        st.caption("The price list of this release holds again, for calls that begin from then on.")
        return {"back_to_list": True}
    if kind is OverrideKind.FEE:
        return {"usd_per_1000_uses": st.text_input("Dollars per 1,000 uses", key="price_uses", placeholder="10")}
    if kind is OverrideKind.DISCOUNT:
        percent = st.text_input("Percent off the list price", key="price_percent", placeholder="12.5")
        return {"discount_percent": percent}
    st.caption("Dollars per million tokens. Caching that is left empty costs as input.")
    places = st.grid(4, min_column_width=120, gap="small")
    rates: dict[str, Any] = {}
    for field, label in RATES.items():
        with places:
            rates[field] = st.text_input(label, key=f"price_{field}")
    with st.expander("Long contexts", icon=":material/expand:"):
        st.caption("A tier prices every token of a call whose input is larger than that.")
        columns = ["from_input_tokens", *RATES]
        edited = editor(
            pd.DataFrame({name: pd.Series(dtype="str") for name in columns}),
            key="price_tiers",
            grows=True,
            alt="Long-context tiers",
            columns={
                "from_input_tokens": st.column_config.TextColumn("Above tokens"),
                **{field: st.column_config.TextColumn(label) for field, label in RATES.items()},
            },
        )
    return {"rates": {name: value for name, value in rates.items() if value}, "tiers": tiers(edited)}


def tiers(table: Frame) -> list[dict[str, Any]]:
    """Return the rows of the editor as tiers, empty ones left out; the core says what cannot be."""
    found: list[dict[str, Any]] = []
    for row in table.to_dict("records"):
        given = {str(name): str(value).strip() for name, value in row.items() if not pd.isna(value) and str(value)}
        if given:
            above = given.pop("from_input_tokens", "").replace(",", "")
            is_whole = above.isascii() and above.isdecimal()
            found.append({"from_input_tokens": int(above) if is_whole else above, **given})
    return found


def _consequence(
    visit: Visit, provider: str, name: str, tenant: Tenant | None, moment: datetime
) -> OverridingPrice | None:
    """Say what holds at that moment and what will; return the override that holds, if one does."""
    book = visit.runtime.prices.book(visit.principal, tenant.id if tenant else "")
    holding = book.override(provider, name, moment)
    terms = None if name == "*" or is_tool(name) else book.terms(provider, name, moment)
    fee = book.fee(provider, "", name.removeprefix(OF_A_TOOL), moment) if is_tool(name) else None
    if holding is not None:
        now = plain(f"{holding.sentence}, by an override that {holding.actor} set")
    elif fee is not None:
        now = plain(f"{fee.sentence} uses, by {fee.source}")
    elif terms is not None:
        now = f"\\${terms.price.input_usd_per_mtok} in and \\${terms.price.output_usd_per_mtok} out, by the price list"
    else:
        now = "what the price list says" if name == "*" else "unpriced"
    st.markdown(f":small[Without this, **{plain(f'{provider}/{name}')}** costs then: {now}.]")
    whose = plain(tenant.name) if tenant else "every tenant without a price of its own"
    sentence = f"Calls of {whose} that begin from {formats.moment(moment)} UTC on are charged the new price."
    if moment < visit.now - timedelta(minutes=1):
        sentence += " Those recorded since keep theirs, until you reprice them."
    st.info(sentence, icon=":material/info:")
    return holding


@st.dialog("Withdraw this price?", icon=":material/undo:")
def withdraw(visit: Visit, override: OverridingPrice, whom: str) -> None:
    """Ask once, and say what will hold instead."""
    subject = plain(override.subject)
    st.markdown(
        f"**{subject}** for {plain(whom)}: {plain(override.sentence)}, from {formats.moment(override.from_at)} UTC on."
    )
    st.warning(
        "It is taken back as if it had never been set, from the next call on: what lies beneath decides again. Calls "
        "that were recorded keep the price they were charged. To end it at a time, set the list price from then on "
        "instead.",
        icon=":material/warning:",
    )
    why = reason("withdraw_price_reason")
    if st.button("Withdraw price", type="primary", key="confirm_withdraw"):
        with refusals("The price was not withdrawn."):
            visit.runtime.prices.withdraw(visit.principal, override.id, reason=why)
            flash(f"The price of {override.subject} is withdrawn.")
            st.rerun()


def reprice(visit: Visit, scope: RepricingScope) -> None:
    """Look at what would change now, and open the dialog that shows it."""
    st.session_state.pop(_PREVIEW, None)
    _reprice(visit, scope)


@st.dialog("Reprice history?", icon=":material/history:", width="medium")
def _reprice(visit: Visit, scope: RepricingScope) -> None:
    """Show what would change, ask why, and do exactly that."""
    with refusals("History cannot be repriced."):
        if _PREVIEW not in st.session_state:
            st.session_state[_PREVIEW] = visit.runtime.repricings.preview(visit.principal, scope)
        preview: RepricingPreview = st.session_state[_PREVIEW]
        span = f"{formats.moment(scope.starts_at)} to {formats.moment(scope.ends_at)} UTC"
        st.markdown(f"**{plain(scope.subject)}**, {span}")
        if preview.gone:
            st.caption(
                f"{formats.plural(preview.gone, 'attempt')} of this span are not kept any more: they stay as they were."
            )
        if not preview.attempts:
            found = preview.unchanged or not preview.still_unpriced
            same = f" {formats.plural(preview.unchanged, 'attempt')} cost what is recorded." if found else ""
            none = preview.still_unpriced
            without = f" {formats.plural(none, 'attempt')} without a price: set one first." if none else ""
            st.info(f"Nothing would change.{same}{without}", icon=":material/info:")
            return
        table(tables.differences(preview), alt="What changes, by tenant")
        left = [
            f"{preview.unchanged:,} cost the same" if preview.unchanged else "",
            f"{preview.still_unpriced:,} have no price even now and stay as they are" if preview.still_unpriced else "",
        ]
        if any(left):
            st.caption(f"Of the others in this span {' and '.join(filter(None, left))}.")
        before, after = (formats.dollars(nano) for nano in (preview.before_nano_usd, preview.after_nano_usd))
        without = f", {preview.unpriced:,} of them without a price until now," if preview.unpriced else ""
        st.warning(
            f"{formats.plural(preview.attempts, 'attempt')}{without} will have cost {after} instead of {before}: in "
            "calls, reports and statements, and in the budgets that cover them. A budget of the present period may be "
            "used up by it. The old figures are kept.".replace("$", "\\$"),
            icon=":material/warning:",
        )
        why = reason("reprice_reason", placeholder="the invoice of October")
        missing = "" if why else "Say why first: whoever reads an old bill will ask."
        if button("Reprice", missing=missing, type="primary", key="confirm_reprice"):
            with refusals("Nothing was repriced."):
                done = visit.runtime.repricings.reprice(visit.principal, scope, why, expected=preview)
                flash(f"{formats.plural(done.attempts, 'attempt')} of {scope.subject} were repriced.")
                st.rerun()
