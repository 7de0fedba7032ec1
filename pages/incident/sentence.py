"""What the page says first: how many, how many more than usual, mostly why, what was decided, and what it cost."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from core.reports.incidents import LOST_CALLS, OneCall
from core.schemas import version_name
from pages.incident.opened import OpenedIncident
from pages.kit import formats, incidents, links, outcomes, zones
from pages.kit.links import Destination
from pages.kit.markup import code, plain

_MOSTLY = 0.5
"""Of what was lost, what one tenant or one way to end has to have a part in to be named for it."""
_EFFECTS = {"outcome", "error", "streamed"}
"""What calls that took long have in common, and is not why."""
AGAIN, SAVED, WASTED = "attempts:>1", "outcome:valid_after_fallback", "wasted:>0"
"""Searches that find the calls behind a figure."""


def sentence(shown: OpenedIncident) -> str:
    """Return the sentences as Markdown; every number leads to its calls, every name to what it names."""
    ways = {"lost": _lost, "asked again": _asked_again, "slow": _slow}
    told = [ways[kind](shown) for kind in shown.incident.kinds] or [_ordinary(shown)]
    window = shown.window
    when = plain(f"{incidents.when(window.starts_at, window.ends_at, shown.zone)} {zones.name(shown.zone)}")
    return " ".join(part for part in (f"{when}:", *told, _decision(shown), _cost(shown)) if part)


def _whose(shown: OpenedIncident) -> str:
    return f" of {links.tenant(shown.tenant.name)}" if shown.tenant else ""


def _more(beyond: float | None) -> str:
    if beyond is None:
        return ""
    return f", {formats.count(round(beyond))} more than usual" if beyond > 0 else ", no more than usual"


def _lost(shown: OpenedIncident) -> str:
    one, figures = shown.incident, shown.incident.figures
    lost = shown.calls(formats.count(figures.lost), LOST_CALLS)
    every = shown.calls(formats.plural(figures.calls, "call"))
    said = f"**{lost} of {every}**{_whose(shown)} **got no object**{_more(one.lost_beyond)}"
    why = [part for part in (_of_whom(shown), _how(shown), _field(shown)) if part]
    said += f": {', '.join(why)}." if why else "."
    if one.first and one.last and one.first.id != one.last.id:
        days = _are_days_apart(one.first, one.last, shown.zone)
        first, last = (_call(call, shown.zone, whole=days) for call in (one.first, one.last))
        said += f" The first began at {first}, the last at {last}."
    return said


def _of_whom(shown: OpenedIncident) -> str:
    """Return whose most of them are, where it is of all tenants."""
    hit = [one for one in shown.incident.hit if one.tenant_id and one.figures.lost]
    if not hit or hit[0].figures.lost < _MOSTLY * shown.incident.figures.lost:
        return ""
    whole = len(hit) == 1 and hit[0].figures.lost == shown.incident.figures.lost
    return f"{'all' if whole else 'most'} of {links.tenant(hit[0].tenant)}"


def _how(shown: OpenedIncident) -> str:
    most = shown.most
    return f"mostly {plain(outcomes.word(most).lower())}" if most else ""


def _field(shown: OpenedIncident) -> str:
    """Return which field failed most, where answers were invalid."""
    one = shown.incident
    if not one.fields or shown.most != "invalid":
        return ""
    field = one.fields[0]
    name = version_name(field.schema, field.version)
    return f"{code(field.path)} of {links.to(name, links.of_schema(name))} fails most"


def _asked_again(shown: OpenedIncident) -> str:
    one = shown.incident
    again = shown.calls(formats.plural(one.figures.reasks, "answer"), AGAIN)
    said = f"**{again}**{_whose(shown)} **had to be asked for again**{_more(one.beyond('reasks'))}"
    field = _field(shown)
    return f"{said}: {field}." if field and "lost" not in one.kinds else f"{said}."


def _slow(shown: OpenedIncident) -> str:
    one = shown.incident
    limit = one.usual.latency.p95 or 0
    slow = shown.calls(formats.millis(one.latency.p95), f"latency:>{round(limit)}ms", sort="-latency")
    usual = plain(formats.millis(limit))
    whose = "" if set(one.kinds) - {"slow"} else _whose(shown)
    said = f"Calls{whose} took long: **p95 was {slow}**, where {usual} is usual"
    apart = next((told.contrast for told in one.told_apart if told.kind == "slow"), None)
    told = [found for found in apart.standouts if found.trait.dimension not in _EFFECTS] if apart else []
    first = next((found for found in told if found.reversal is None), None)
    if apart is None or first is None or "lost" in one.kinds:
        return f"{said}."
    name = apart.names.get(first.trait, first.trait.value or "")
    return f"{said}, mostly of {plain(f'{first.trait.dimension} {name}')}."


def _ordinary(shown: OpenedIncident) -> str:
    one, figures = shown.incident, shown.incident.figures
    lost = shown.calls(formats.count(figures.lost), LOST_CALLS)
    every = shown.calls(formats.plural(figures.calls, "call"))
    counts = f"{lost} of {every}{_whose(shown)} got no object{_more(one.lost_beyond)}"
    if not one.usual.spans:
        return f"{counts}. Fewer than three of the days before have calls, so nothing is called usual yet."
    return f"**nothing is out of the ordinary.** {counts[0].upper()}{counts[1:]}."


def _decision(shown: OpenedIncident) -> str:
    cause = shown.cause
    if cause is None or not shown.incident.kinds:
        return ""
    what = zones.retold_in(cause.summary, shown.zone).rstrip(".")
    told = links.to(what, Destination("changes", {"change": cause.id}))
    at, why = plain(formats.moment(cause.at, shown.zone)), f" ({plain(cause.reason)})" if cause.reason else ""
    return f"Before that, {at}: {told}, by {links.actor(cause.actor)}{why}."


def _cost(shown: OpenedIncident) -> str:
    one, figures = shown.incident, shown.incident.figures
    if not figures.calls:
        return ""
    spent = shown.calls(formats.dollars(figures.spend), "cost:>0", sort="-cost")
    said = f"It cost **{spent}**{_money(one.beyond('spent'))}"
    if figures.discarded:
        wasted = shown.calls(formats.dollars(figures.discarded), WASTED, sort="-wasted")
        said += f"; {wasted} was thrown away{_money(one.beyond('discarded'))}"
    return f"{said}.{_saved(shown)}"


def _money(beyond: int | None) -> str:
    """Return by how much it is more than usual, or less."""
    if beyond is None:
        return ""
    if not beyond:
        return ", as usual"
    return f", {plain(formats.dollars(abs(beyond)))} {'more' if beyond > 0 else 'less'} than usual"


def _saved(shown: OpenedIncident) -> str:
    one = shown.incident
    if not one.saved.calls:
        return ""
    saved = shown.calls(formats.plural(one.saved.calls, "call"), SAVED)
    return f" Fallback saved **{saved}**, {premium(shown)}."


def premium(shown: OpenedIncident) -> str:
    """Return what fallback cost beyond the first models, as Markdown to stand in a sentence."""
    found = shown.incident.premium
    if found.nano_usd is None:
        return "at what premium no price tells"
    amount = plain(formats.dollars(abs(found.nano_usd)))
    less = "less" if found.nano_usd < 0 else "more"
    known = "" if found.known == shown.incident.saved.calls else f" (of {formats.plural(found.known, 'call')})"
    return f"for {amount} {less} than the models asked first would have cost{known}"


def _are_days_apart(first: OneCall, last: OneCall, zone: str) -> bool:
    """Whether the two were on different days."""
    return len({f"{one.at.astimezone(ZoneInfo(zone)):%F}" for one in (first, last)}) > 1


def _call(call: OneCall, zone: str, *, whole: bool) -> str:
    told = formats.moment(call.at, zone) if whole else clock(call.at, zone)
    return links.to(told, Destination("calls", {"call": call.id}))


def clock(at: datetime, zone: str) -> str:
    """Return the time of day."""
    return f"{at.astimezone(ZoneInfo(zone)):%H:%M}"
