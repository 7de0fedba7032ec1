"""What Home says first, in one sentence: how many got what they asked for, who did not, and what it cost."""

from __future__ import annotations

from typing import Any

from core.reports import ENOUGH, Overview
from core.schemas import version_name
from pages.kit import formats, links, outcomes
from pages.kit.frames import pd
from pages.kit.markup import code, plain

_MOSTLY = 0.5
"""Of what is lost, what one has to have a part in to be named for it."""
_WORTH_TELLING = 3


def sentence(overview: Overview, before_that: str) -> str:
    """Return the sentence as Markdown; the names in it lead to what they name."""
    now, before = overview.totals, overview.previous
    said = f"**{formats.plural(now.calls, 'call')}**, **{formats.percent(now.got_object, 1)} got an object**"
    if min(now.asked, before.asked) >= ENOUGH and (change := formats.points(now.got_object, before.got_object)):
        said += f" ({change} against {plain(before_that)})"
    if now.lost >= _WORTH_TELLING and (why := _why(overview)):
        said += f"; {formats.count(now.lost)} did not, {why}"
    cost = f"**{formats.dollars(now.spend)}**"
    if now.discarded:
        cost += f", of which {formats.dollars(now.discarded)} was thrown away"
    return f"{said}. {cost}."


def _why(overview: Overview) -> str:
    """Return how most of them ended, whose they are and, of invalid answers, which field failed most."""
    lost, parts = overview.totals.lost, list[str]()
    ended: Any = overview.outcomes
    counts = ended[ended["outcome"].isin(outcomes.LOST)].groupby("outcome")["calls"].sum()
    how = str(counts.idxmax()) if len(counts) and counts.max() >= _MOSTLY * lost else ""
    if how:
        parts.append(outcomes.word(how).lower())
    tenants: Any = overview.tenants.sort_values("lost", ascending=False)
    if len(tenants) > 1 and tenants["lost"].iloc[0] >= _MOSTLY * lost:
        name = str(tenants["tenant"].iloc[0])
        parts.append(f"of {links.to(name, links.of_tenant(name))}")
    fields: Any = overview.fields
    if how == "invalid" and len(fields):
        first = next(fields.itertuples())
        schema = version_name(first.schema, None if pd.isna(first.version) else int(first.version))
        parts.append(f"{code(first.path)} of {links.to(schema, links.of_schema(schema))} fails most")
    return f"mostly {', '.join(parts)}" if parts else ""
