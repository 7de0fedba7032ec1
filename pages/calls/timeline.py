"""The attempts of a call along its time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import altair as alt

from core.reports import Call
from pages.kit import charts, formats, marks
from pages.kit.frames import Frame, chart, pd


@lru_cache(maxsize=2)
def _spec() -> dict[str, Any]:
    base = alt.Chart(pd.DataFrame())
    x = alt.X(
        "begins:Q",
        axis=alt.Axis(labelExpr=charts.SECONDS, tickCount=5, labelBound=True, **charts.RULED),
        scale=alt.Scale(zero=True, nice=False),
    )
    y = alt.Y("attempt:N", sort=None, axis=alt.Axis(labelLimit=120, **charts.PLAIN), scale=alt.Scale(padding=0.3))
    bars = base.mark_bar(cornerRadius=3).encode(
        x=x,
        x2="ends:Q",
        y=y,
        color=alt.Color("colour:N", scale=None),
        tooltip=[
            alt.Tooltip("attempt:N", title="Attempt"),
            alt.Tooltip("outcome:N", title="Outcome"),
            alt.Tooltip("took:N", title="Took"),
            alt.Tooltip("first:N", title="First token"),
        ],
    )
    first = (
        base.transform_filter("isValid(datum.token)")
        .mark_tick(thickness=2, color="#FFFFFF", aria=False)
        .encode(x="token:Q", y=y)
    )
    return charts.spec(alt.layer(bars, first))


def draw(call: Call) -> None:
    """Draw when each attempt began, how long it took and when its first token came, from the start of the call."""
    frame: Frame = pd.DataFrame(
        [
            {
                "attempt": f"{attempt.n} {attempt.kind}",
                "begins": attempt.after_ms,
                "ends": attempt.after_ms + attempt.duration_ms,
                "token": None if attempt.ttft_ms is None else attempt.after_ms + attempt.ttft_ms,
                "colour": _colour(attempt.outcome),
                "outcome": attempt.outcome.replace("_", " "),
                "took": formats.millis(attempt.duration_ms),
                "first": formats.millis(attempt.ttft_ms),
            }
            for attempt in call.attempts
        ]
    ).astype({"token": float})
    took = ", ".join(f"{attempt.kind} {formats.millis(attempt.duration_ms)}" for attempt in call.attempts)
    along = f"Attempts along the time of the call: {took}"
    chart(frame, _spec(), height=36 + 26 * len(call.attempts), alt=along)


def _colour(outcome: str) -> str:
    family = charts.FAMILY_OF.get(outcome)
    return charts.FAMILIES[family][0] if family else marks.NEUTRAL
