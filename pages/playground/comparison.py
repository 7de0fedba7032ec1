"""What the playground shows of several answers: columns beside each other, and runs of the same question."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import streamlit as st

from core.reports import Call
from pages.kit import formats, layout, outcomes
from pages.kit.frames import pd, table
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.playground import answer
from pages.playground.columns import Column
from pages.playground.compared_fields import Agreement, agreements, compared_fields
from pages.playground.runs import Run, Trial

MOST_VALUES = 4
"""How many of the values that differ are written out."""


def draw(visit: Visit, trial: Trial, columns: Sequence[Column]) -> None:
    """Draw a trial of several columns or runs; *columns* is what would be asked now."""
    changed = {what: None for place, runs in enumerate(trial.runs) for what in answer.outdated(runs[0], columns, place)}
    if len(columns) != len(trial.columns):
        changed["choice of columns"] = None
    changed.pop("column", None)
    if changed:
        answer.tell_outdated(list(changed))
    if trial.times > 1:
        _runs(trial)
        return
    runs = [several[0] for several in trial.runs]
    _side_by_side(trial, runs)
    for place, (column, cell) in enumerate(zip(trial.columns, st.columns(len(runs), gap="small"), strict=True)):
        with cell:
            answer.draw_column(visit, runs[place], place + 1, plain(column.label), is_old=bool(changed))


def _side_by_side(trial: Trial, runs: Sequence[Run]) -> None:
    with layout.card("Side by side", key="side_by_side", stretch=False):
        names = [plain(column.label) for column in trial.columns]
        known = [_figures(run) for run in runs]
        shown = pd.DataFrame({name: list(each.values()) for name, each in zip(names, known, strict=True)})
        shown.index = list(known[0])
        table(shown, alt="Outcome, latency, tokens and cost of each column")
        answered = [(name, run.value) for name, run in zip(names, runs, strict=True) if run.is_valid]
        if len(answered) < 2:
            st.caption("Fewer than two columns gave a valid object, so there is nothing to compare field by field.")
            return
        found = compared_fields([value for _, value in answered])
        differing = [each for each in found if not each.is_same]
        if not differing:
            st.markdown(f":green[:material/check_circle: {unchanged(len(found)).capitalize()}.]")
            return
        verb = "differs" if len(differing) == 1 else "differ"
        st.markdown(f"**{len(differing)} of {formats.plural(len(found), 'value')}** {verb}.")
        lines = {name: [plain(each.values[place]) for each in differing] for place, (name, _) in enumerate(answered)}
        table(
            pd.DataFrame({"Field": [plain(each.path) for each in differing], **lines}).set_index("Field"),
            alt="The fields on which the columns differ",
        )


def unchanged(count: int) -> str:
    """Return in words that so many values are the same."""
    return "the one value is the same" if count == 1 else f"all {count} values are the same"


def _figures(run: Run) -> dict[str, str]:
    word = ":green-badge[Valid]" if run.is_valid else f":red-badge[{run.title}]"
    return {"Outcome": word} | figures(run.call)


def figures(call: Call | None) -> dict[str, str]:
    """Return outcome, latency, attempts, tokens and cost of a call in words; no outcome where there is no call."""
    return ({"Outcome": outcomes.badge(call.outcome)} if call else {}) | {
        "Latency": formats.millis(call.duration_ms if call else None),
        "Attempts": formats.count(len(call.attempts) if call else None),
        "Tokens": formats.count(call.input_tokens + call.output_tokens if call else None),
        "Cost": plain(formats.dollars(call.cost_nano_usd)) if call else formats.UNKNOWN,
    }


def _runs(trial: Trial) -> None:
    """Draw how far runs of the same question agree, column by column."""
    for place, (column, runs) in enumerate(zip(trial.columns, trial.runs, strict=True), 1):
        title = plain(column.label) if len(trial.columns) > 1 else f"{trial.times} runs"
        with layout.card(
            title,
            key=f"runs_{place}",
            stretch=False,
            help="How many of the valid objects have the commonest value of each field. Lists are compared by place.",
        ):
            _sums(runs)
            valid = [run.value for run in runs if run.is_valid]
            if len(valid) < 2:
                st.caption("Fewer than two runs gave a valid object, so there is nothing to agree on.")
            else:
                _agreement(agreements(valid))
            _list(runs)


def _sums(runs: Sequence[Run]) -> None:
    calls = [run.call for run in runs if run.call]
    took = [call.duration_ms for call in calls]
    costs = [call.cost_nano_usd for call in calls if call.cost_nano_usd is not None]
    paid = plain(formats.dollars(sum(costs))) if costs or not calls else "unpriced"
    valid = sum(run.is_valid for run in runs)
    with st.grid(4, min_column_width=132, gap="small"):
        st.metric("Valid", f"{valid} of {len(runs)}")
        st.metric("Latency", formats.millis(median(took) if took else None), help="The median of the runs.")
        st.metric("Slowest", formats.millis(max(took, default=None)))
        st.metric("Cost", paid, help="Of all runs together.")


def _agreement(found: Sequence[Agreement]) -> None:
    apart = [each for each in found if each.agreeing < each.runs]
    if not apart:
        st.markdown(f":green[:material/check_circle: All runs agree on {formats.plural(len(found), 'value')}.]")
        return
    st.markdown(f"All runs agree on **{len(found) - len(apart)} of {formats.plural(len(found), 'value')}**.")
    shown = pd.DataFrame(
        {
            "Field": [plain(each.path) for each in apart],
            "Agree": [f"{each.agreeing} of {each.runs} ({formats.percent(each.share, 0)})" for each in apart],
            "Values": [_values(each) for each in apart],
        }
    ).set_index("Field")
    table(shown, alt="How many runs agree on each field, and the values that differ")


def _values(each: Agreement) -> str:
    shown = [f"{plain(value)} :gray[\N{MULTIPLICATION SIGN}{count}]" for value, count in each.values[:MOST_VALUES]]
    rest = len(each.values) - MOST_VALUES
    return "  ·  ".join(shown) + (f"  ·  :gray[and {rest} more]" if rest > 0 else "")


def _list(runs: Sequence[Run]) -> None:
    with st.expander("Each run", icon=":material/list:"):
        for number, run in enumerate(runs, 1):
            known = _figures(run)
            told = " · ".join(known[name] for name in ("Latency", "Tokens", "Cost"))
            st.markdown(f"**{number}** {known['Outcome']} :small[:gray[{told}]]")
            if run.sentence:
                st.caption(plain(run.sentence))
            if run.call_id:
                st.page_link(
                    "calls/page.py",
                    label="Open in Calls",
                    icon=":material/receipt_long:",
                    query_params={"call": run.call_id},
                )
