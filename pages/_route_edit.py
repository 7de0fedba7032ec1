"""Editing a route: its candidates in fallback order and its limits, then what changes and what follows, then save."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.routes import DEFAULT, MODES
from pages import _parts

COLUMNS = st.column_config
FIELDS = {"model": "Model", "mode": "Mode", "max_tokens": "Most tokens", "timeout_seconds": "Timeout, s"}


@st.dialog("Route", icon=":material/alt_route:", width="large")
def edit(visit: _parts.Visit, view: Any) -> None:
    """Ask for a route, new where *view* is ``None``; show the difference; save what nobody changed meanwhile."""
    if view:
        name = view.terms.name
        st.markdown(f"**{_parts.plain(name)}**")
    else:
        name = st.text_input("Name", key="route_name", placeholder="cheap", max_chars=63)
    now = candidates(view)
    st.caption("The order of the rows is the order of asking: the first is the primary, the rest are fallbacks.")
    rows = st.data_editor(
        pd.DataFrame(now or [dict.fromkeys(("order", *FIELDS))]),
        key=f"candidates_{_key(view)}",
        num_rows="dynamic",
        hide_index=True,
        placeholder="",
        alt="Candidates of the route",
        column_config={
            "order": COLUMNS.NumberColumn("Order", min_value=1, step=1, width="small"),
            "model": COLUMNS.TextColumn("Model", help="provider/name, or a name whose provider is plain."),
            "mode": COLUMNS.SelectboxColumn("Mode", options=list(MODES), help="Empty: what suits the provider best."),
            "max_tokens": COLUMNS.NumberColumn("Most tokens", min_value=1, step=1),
            "timeout_seconds": COLUMNS.NumberColumn("Timeout, s", min_value=1),
        },
    )
    limits = limits_of(view)
    wanted = ordered(rows)
    with _parts.refusals("This cannot be saved yet."):
        for one in wanted:  # say what is wrong while it is being typed; saving checks again
            visit.runtime.routes.candidate(one)
        difference(visit, view, wanted, limits)
        if st.button("Save route", type="primary", key="confirm_route", disabled=not (name and wanted)):
            saved = visit.runtime.routes.set(
                visit.principal, name, wanted, **limits, expected_version=view.version if view else 0
            )
            _parts.flash(f"Route {saved.terms.name} asks {', then '.join(one.name for one in saved.terms.candidates)}.")
            st.rerun()


def _key(view: Any) -> str:
    """Tell one route's fields from another's: what was typed for one must not show up in the next."""
    return f"{view.terms.name}_{view.version}" if view else "new"


def candidates(view: Any) -> list[dict[str, Any]]:
    """Return a route's candidates as rows."""
    if view is None:
        return []
    return [
        {
            "order": place,
            "model": one.name,
            "mode": one.mode,
            "max_tokens": one.max_tokens,
            "timeout_seconds": one.timeout_seconds,
        }
        for place, one in enumerate(view.terms.candidates, 1)
    ]


def ordered(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows that name a model, by their order, without what was left empty."""
    kept: pd.DataFrame = rows.loc[rows["model"].fillna("").astype(str).str.strip() != ""]
    found: list[dict[str, Any]] = []
    for row in kept.sort_values(by="order", kind="stable").to_dict("records"):
        one = {field: row[field] for field in FIELDS if not pd.isna(row[field])}
        if "max_tokens" in one:
            one["max_tokens"] = int(one["max_tokens"])
        found.append(one)
    return found


def limits_of(view: Any) -> dict[str, Any]:
    """Ask for the limits on attempts and time."""
    terms = view.terms if view else None
    reasks, retries, deadline = st.columns(3, gap="small")
    return {
        "max_reasks": reasks.number_input(
            "Re-asks per model",
            0,
            10,
            terms.max_reasks if terms else 2,
            key=f"reasks_{_key(view)}",
            help="How often an invalid answer is asked again, with its errors. Each is paid.",
        ),
        "max_retries": retries.number_input(
            "Retries per model",
            0,
            10,
            terms.max_retries if terms else 1,
            key=f"retries_{_key(view)}",
            help="After a failure that may pass, such as a broken connection.",
        ),
        "deadline_seconds": deadline.number_input(
            "Deadline, s",
            1.0,
            600.0,
            float(terms.deadline_seconds if terms else 60),
            key=f"deadline_{_key(view)}",
            help="The longest a generation may take, everything included.",
        ),
    }


def difference(visit: _parts.Visit, view: Any, wanted: list[dict[str, Any]], limits: dict[str, Any]) -> None:
    """Say what would change, and what follows from it."""
    before = [one.name for one in view.terms.candidates] if view else []
    after = [visit.runtime.routes.candidate(one).name for one in wanted]
    lines = {"Asked in turn": (", then ".join(before) or "nobody", ", then ".join(after) or "nobody")}
    if view:
        lines |= {
            name.replace("_", " ").capitalize(): (f"{getattr(view.terms, name):g}", f"{value:g}")
            for name, value in limits.items()
        }
    changed = {name: pair for name, pair in lines.items() if pair[0] != pair[1]}
    if changed:
        st.table(pd.DataFrame.from_dict(changed, orient="index", columns=["Now", "New"]), border="horizontal")
    missing = [name for name in after if name.partition("/")[0] not in visit.runtime.providers]
    if missing:
        st.warning(
            f"Not set up here, so they would be passed over: {', '.join(f'`{name}`' for name in missing)}.",
            icon=":material/key_off:",
        )
    if not after:
        st.caption("Name at least one model.")
        return
    most = len(after) * (1 + limits["max_reasks"] + limits["max_retries"])
    st.caption(f"It holds from the next generation on, in every process; one may then take up to {most} paid calls.")


@st.dialog("Remove this route?", icon=":material/alt_route:")
def reset(visit: _parts.Visit, view: Any) -> None:
    """Say what decides afterwards, then remove."""
    name = view.terms.name
    if name == DEFAULT:
        st.markdown("`MODEL_PRIMARY` and `MODEL_FALLBACK` will decide the default route again.")
    else:
        st.markdown(f"Requests that name the route **{_parts.plain(name)}** are refused from then on.")
    if st.button("Remove route", type="primary", key="confirm_reset"):
        with _parts.refusals("The route was not removed."):
            visit.runtime.routes.reset(visit.principal, name)
            _parts.flash(f"Route {name} is removed.")
            st.rerun()
