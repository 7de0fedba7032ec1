"""Editing a route: its candidates in fallback order and its limits, then what changes and what follows, then save."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.payload_terms import LONGEST_DAYS
from core.routes import DEFAULT, MODES, MOST_CACHE_SECONDS, MOST_HEDGE_MS, Cause, RouteView
from pages.kit import crossings, formats
from pages.kit.frames import Frame, editor, pd, table
from pages.kit.markup import code, plain
from pages.kit.page import Visit, flash, refusals
from pages.kit.reasons import reason
from pages.routes import use, words

COLUMNS = st.column_config
MOST_SCHEMAS = 5
NOT_SAVED = "The route was not saved."
WHOLE = ("max_tokens", "most_tokens", "max_reasks", "max_retries")


@st.dialog("Route", icon=":material/alt_route:", width="large")
def edit(visit: Visit, view: RouteView | None) -> None:
    """Ask for a route, new where *view* is ``None``; show the difference; save what nobody changed meanwhile."""
    if view:
        name = view.terms.name
        st.markdown(f"**{plain(name)}**")
        st.markdown(f":small[:material/group: {use.affected(visit, name)}]")
    else:
        name = st.text_input("Name", key="route_name", placeholder="cheap", max_chars=63)
    purpose = purpose_of(visit, view)
    st.caption("The order of the rows is the order of asking: the first is the primary, the rest are fallbacks.")
    rows = editor(
        pd.DataFrame(candidates(view) or [dict.fromkeys(("order", *words.COLUMNS))]),
        key=f"candidates_{_key(view)}",
        grows=True,
        placeholder="",
        alt="Candidates of the route",
        columns=_columns(),
    )
    limits = {**purpose, **limits_of(view), **fallback_of(view), **time_of(view), **payloads_of(view)}
    with refusals("This cannot be saved yet."):
        wanted = ordered(rows)
        if not wanted:
            st.caption("Name at least one model.")
        else:  # say what is wrong while it is being typed; saving checks again
            draft = visit.runtime.routes.draft(name or "unnamed", wanted, **limits)
            difference(visit, view, draft)
        why = reason(f"route_reason_{_key(view)}")
        missing = "" if name and wanted else "Name at least one model first." if name else "Give it a name first."
        edited = _edit(visit, view, name, {"candidates": wanted, **limits}, why)
        if crossings.save(edited, "Save route", title=NOT_SAVED, key="confirm_route", missing=missing):
            now = visit.runtime.routes.find(visit.principal, name).terms
            flash(f"Route {name} asks {', then '.join(one.name for one in now.candidates)}.")
            st.rerun()


def _edit(visit: Visit, view: RouteView | None, name: str, typed: dict[str, Any], why: str) -> crossings.Edit:
    """Return what is wanted of a route, said as the audit trail says it where it can be said."""
    wanted: dict[str, Any] = typed
    if typed["candidates"]:
        limits = {field: value for field, value in typed.items() if field != "candidates"}
        wanted = dict(visit.runtime.routes.draft(name or "unnamed", typed["candidates"], **limits).described)

    def save(expected: int, whole: dict[str, Any]) -> None:
        order = whole.pop("candidates")
        visit.runtime.routes.set(visit.principal, name, order, expected_version=expected, reason=why, **whole)

    return crossings.Edit(
        key=f"route_{_key(view)}",
        seen=view.described if view and not view.is_from_environment else None,
        wanted=wanted,
        expected=view.version if view else 0,
        save=save,
    )


def _key(view: RouteView | None) -> str:
    """Tell one route's fields from another's: what was typed for one must not show up in the next."""
    return f"{view.terms.name}_{view.version}" if view else "new"


def _columns() -> dict[str, Any]:
    named = words.COLUMNS
    return {
        "order": COLUMNS.NumberColumn("Order", min_value=1, step=1, width="small"),
        "model": COLUMNS.TextColumn(named["model"], help="provider/name, or a name whose provider is plain."),
        "mode": COLUMNS.SelectboxColumn(
            named["mode"], options=list(MODES), help="Empty: what suits the provider best."
        ),
        "max_tokens": COLUMNS.NumberColumn(named["max_tokens"], min_value=1, step=1),
        "most_tokens": COLUMNS.NumberColumn(
            named["most_tokens"], min_value=1, step=1, help="How far doubling may go. Empty: eight times the limit."
        ),
        "timeout_seconds": COLUMNS.NumberColumn(named["timeout_seconds"], min_value=1),
        "max_reasks": COLUMNS.NumberColumn(
            named["max_reasks"], min_value=0, max_value=10, step=1, help="Empty: as the route says below."
        ),
        "max_retries": COLUMNS.NumberColumn(
            named["max_retries"], min_value=0, max_value=10, step=1, help="Empty: as the route says below."
        ),
        "parameters": COLUMNS.TextColumn(
            named["parameters"],
            help="Such as temperature=0.2, seed=7. Also: top_p, top_k, reasoning_effort, verbosity.",
        ),
    }


def candidates(view: RouteView | None) -> list[dict[str, Any]]:
    """Return a route's candidates as rows."""
    if view is None:
        return []
    return [
        {
            "order": place,
            "model": one.name,
            "mode": one.mode,
            "max_tokens": one.max_tokens,
            "most_tokens": one.most_tokens,
            "timeout_seconds": one.timeout_seconds,
            "max_reasks": one.max_reasks,
            "max_retries": one.max_retries,
            "parameters": words.parameters(one.parameters) or None,
        }
        for place, one in enumerate(view.terms.candidates, 1)
    ]


def ordered(rows: Frame) -> list[dict[str, Any]]:
    """Return the rows that name a model, by their order, without what was left empty."""
    kept: Frame = rows.loc[rows["model"].fillna("").astype(str).str.strip() != ""]
    found: list[dict[str, Any]] = []
    for row in kept.sort_values(by="order", kind="stable").to_dict("records"):
        one = {field: row[field] for field in words.COLUMNS if field in row and not pd.isna(row[field])}
        one |= {field: int(one[field]) for field in WHOLE if field in one}
        if "parameters" in one:
            one["parameters"] = words.read_parameters(str(one["parameters"]))
        found.append(one)
    return found


def purpose_of(visit: Visit, view: RouteView | None) -> dict[str, Any]:
    """Ask what the route is for."""
    about, taken = st.columns(2, gap="small")
    names = [schema.name for schema in visit.runtime.schemas.list(visit.principal)]
    chosen = list(view.schemas) if view else []
    return {
        "description": about.text_input(
            "Description",
            view.description if view else "",
            key=f"description_{_key(view)}",
            max_chars=300,
            placeholder="What it is for",
        ),
        "schemas": taken.multiselect(
            "Schemas that take it by themselves",
            list(dict.fromkeys([*chosen, *names])),
            chosen,
            key=f"schemas_{_key(view)}",
            help="A request that names no route takes the one that lists its schema. One schema is listed once.",
        ),
    }


def limits_of(view: RouteView | None) -> dict[str, Any]:
    """Ask for the limits on attempts and time."""
    terms = view.terms if view else None
    reasks, retries, deadline = st.columns(3, gap="small")
    return {
        "max_reasks": reasks.number_input(
            words.WORDS["max_reasks"],
            0,
            10,
            terms.max_reasks if terms else 2,
            key=f"reasks_{_key(view)}",
            help="How often an invalid answer is asked again, with its errors. Each is paid.",
        ),
        "max_retries": retries.number_input(
            words.WORDS["max_retries"],
            0,
            10,
            terms.max_retries if terms else 1,
            key=f"retries_{_key(view)}",
            help="After a failure that may pass, such as a broken connection; and after an answer that was cut, which "
            "is asked for with twice the tokens.",
        ),
        "deadline_seconds": deadline.number_input(
            words.WORDS["deadline_seconds"],
            1.0,
            600.0,
            float(terms.deadline_seconds if terms else 60),
            key=f"deadline_{_key(view)}",
            help="The longest a generation may take, everything included.",
        ),
    }


def fallback_of(view: RouteView | None) -> dict[str, Any]:
    """Ask on which causes the next model is asked."""
    causes = [cause.value for cause in Cause]
    chosen = st.pills(
        words.WORDS["fallback_on"],
        causes,
        selection_mode="multi",
        default=[cause for cause in causes if view is None or cause in view.terms.fallback_on],
        format_func=words.cause,
        key=f"fallback_{_key(view)}",
        help="Where one of these stops a model, the next is asked. On a cause that is off the generation ends there.",
    )
    return {"fallback_on": list(chosen)}


def time_of(view: RouteView | None) -> dict[str, Any]:
    """Ask for hedging and caching."""
    terms = view.terms if view else None
    hedge, cache, marks = st.columns(3, gap="small", vertical_alignment="bottom")
    return {
        "hedge_after_ms": hedge.number_input(
            words.WORDS["hedge_after_ms"],
            1,
            MOST_HEDGE_MS,
            terms.hedge_after_ms if terms else None,
            key=f"hedge_{_key(view)}",
            placeholder="never",
            help="Hedging: if the first model has not answered by then, the next is asked beside it. The first valid "
            "answer wins, both are paid. For whole answers only: a stream has one model at a time.",
        ),
        "cache_seconds": cache.number_input(
            words.WORDS["cache_seconds"],
            1,
            MOST_CACHE_SECONDS,
            terms.cache_seconds if terms else None,
            key=f"cache_{_key(view)}",
            placeholder="never",
            help="How long the same question of the same tenant gets the same answer, without a call.",
        ),
        "marks_cache": marks.toggle(
            words.WORDS["marks_cache"],
            terms.marks_cache if terms else True,
            key=f"marks_{_key(view)}",
            help="Marks what stays the same in the prompt: the provider's cache charges less for it.",
        ),
    }


def payloads_of(view: RouteView | None) -> dict[str, Any]:
    """Ask how much of prompts and answers is kept at most, whatever a tenant says."""
    terms = view.terms if view else None
    days, percent, _ = st.columns(3, gap="small")
    return {
        "payload_days": days.number_input(
            words.WORDS["payload_days"],
            0,
            LONGEST_DAYS,
            terms.payload_days if terms else None,
            key=f"payload_days_{_key(view)}",
            placeholder="as the tenant",
            help="Prompts and answers of its calls; the fewer days of this and the tenant's hold, 0 keeps none.",
        ),
        "payload_percent": percent.number_input(
            words.WORDS["payload_percent"],
            0,
            100,
            terms.payload_percent if terms else None,
            key=f"payload_percent_{_key(view)}",
            placeholder="as the tenant",
            help="Of a call without a valid answer they are kept in any case; with 0, of such alone.",
        ),
    }


def difference(visit: Visit, view: RouteView | None, draft: RouteView) -> None:
    """Say what would change, and what follows from it."""
    changed = words.difference(view.described if view else None, draft.described)
    if changed:
        table(
            pd.DataFrame.from_dict(
                {plain(what): [plain(side) for side in pair] for what, pair in changed.items()},
                orient="index",
                columns=["Now", "New"],
            ),
            alt="What would change",
        )
    terms = draft.terms
    missing = [one.name for one in terms.candidates if one.provider not in visit.runtime.providers]
    if missing:
        st.warning(
            f"Not set up here, so they would be passed over: {', '.join(map(code, missing))}.",
            icon=":material/key_off:",
        )
    most = sum(
        1
        + (terms.max_reasks if one.max_reasks is None else one.max_reasks)
        + (terms.max_retries if one.max_retries is None else one.max_retries)
        for one in terms.candidates
    )
    st.caption(
        f"It holds from the next generation on, in every process; one may then take up to "
        f"{formats.plural(most, 'paid call')}."
    )
    who_checks(visit, draft)


def who_checks(visit: Visit, draft: RouteView) -> None:
    """Say what each vendor holds its model to while it writes, and what is left to Proctor."""
    with st.expander("Checked by whom", icon=":material/fact_check:"):
        for schema in draft.schemas[:MOST_SCHEMAS] or ("",):
            forms = visit.runtime.schema_forms(visit.principal, schema, draft.terms)
            said = [f"- {code(name)}, {form.mode}: {plain(form.summary)}" for name, form in forms.items()]
            title = f"**{plain(schema)}**" if schema else "**A plain object** (no schema takes this route by itself)"
            st.markdown("\n".join([title, "", *(said or ["No model is set up here."])]))
        if len(draft.schemas) > MOST_SCHEMAS:
            st.caption(f"And {formats.plural(len(draft.schemas) - MOST_SCHEMAS, 'schema')} more.")
        st.caption("Proctor checks the whole schema in every case; no object that breaks it reaches a caller.")


@st.dialog("Remove this route?", icon=":material/alt_route:")
def reset(visit: Visit, view: RouteView) -> None:
    """Say what decides afterwards, then remove."""
    name = view.terms.name
    if name == DEFAULT:
        st.markdown("`MODEL_PRIMARY` and `MODEL_FALLBACK` will decide the default route again.")
    else:
        st.markdown(f"Requests that name the route **{plain(name)}** are refused from then on.")
    if view.schemas:
        st.markdown(f"{plain(', '.join(view.schemas))} will take the default route.")
    why = reason(f"reset_reason_{_key(view)}")

    def take_away(expected: int, _: dict[str, Any]) -> None:
        visit.runtime.routes.reset(visit.principal, name, expected_version=expected, reason=why)

    edited = crossings.Edit(
        key=f"route_{_key(view)}_removed", seen=view.described, wanted=None, expected=view.version, save=take_away
    )
    if crossings.save(edited, "Remove route", title="The route was not removed.", key="confirm_reset"):
        flash(f"Route {name} is removed.")
        st.rerun()
