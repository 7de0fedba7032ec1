"""What is known of each provider at the moment, put together for the page. Knows no Streamlit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from core.breakers import BreakerView
from core.capabilities import ProviderCheck
from core.reports import ProviderDay, ProviderFigures, Rejection
from core.routes import RouteView
from core.servers import PROVIDERS, Recipe, recipe_of
from pages.kit import formats, links, zones
from pages.kit.markup import code, plain
from pages.kit.retirements import Retirement, retirements

if TYPE_CHECKING:
    from pages.kit.page import Visit

STATES = {
    "Turned away": "red",
    "Not asked": "red",
    "Failed check": "red",
    "Failed": "red",
    "Key rests": "orange",
    "Breaker open": "orange",
    "Retiring": "orange",
    "Starting": "blue",
    "Set up": "green",
    "Not set up": "gray",
}
"""The words of the column *State*, the gravest first, and their colours."""
MOST_SHOWN = 5
"""Routes and breakers that are named one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteUse:
    """One route that names a provider."""

    route: str
    models: Sequence[str]
    before: Sequence[str]
    """Whom it asks before, by ``provider/name``."""

    @property
    def sentence(self) -> str:
        """When it is asked by this route, as Markdown."""
        shown = ", then ".join(map(code, self.models))
        if not self.before:
            return f"asks {shown} first"
        return f"asks {shown} where {', '.join(map(code, self.before))} cannot answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLine:
    """One provider as it stands."""

    name: str
    recipe: Recipe | None
    is_up: bool
    uses: Sequence[RouteUse]
    figures: ProviderFigures | None
    check: ProviderCheck | None
    resting: Sequence[tuple[str, datetime]]
    """The keys that rest: which and why, and until when."""
    keys: int
    breakers: Sequence[BreakerView]
    """Those of its models that keep calls from it."""
    rejections: Sequence[Rejection]
    retirements: Sequence[Retirement]
    phase: str = ""
    """How the local model stands, and in words; empty for the others."""
    phase_sentence: str = ""

    @property
    def states(self) -> list[str]:
        """What it is to be called, the gravest first."""
        if not self.is_up:
            return ["Not set up"]
        found = {
            "Turned away": bool(self.rejections),
            "Not asked": bool(self.resting) and len(self.resting) == self.keys,
            "Failed check": self.check is not None and not self.check.is_well,
            "Failed": self.phase == "failed",
            "Key rests": 0 < len(self.resting) < self.keys,
            "Breaker open": bool(self.breakers),
            "Retiring": bool(self.retirements),
            "Starting": self.phase in ("fetching", "starting"),
        }
        return [word for word in STATES if found.get(word)] or ["Set up"]


def lines(
    visit: Visit, day: ProviderDay, rejected: Sequence[Rejection], views: Sequence[RouteView]
) -> list[ProviderLine]:
    """Return every provider: those that are always named, the settings' own, and who else is named by route or call."""
    settings = visit.runtime.settings
    named = [one.provider for view in views for one in view.terms.candidates]
    names = dict.fromkeys((*settings.remote_providers, "local", *named, *day.figures))
    retiring = retirements(visit.runtime.cards, views, visit.now.date())
    kept = _kept_from(visit)
    status = visit.runtime.local_model.status
    found: list[ProviderLine] = []
    for name in names:
        is_up = name in visit.runtime.providers
        resting = visit.runtime.resting_keys(name) if is_up and name != "local" else ()
        found.append(
            ProviderLine(
                name=name,
                recipe=recipe_of(name),
                is_up=is_up,
                uses=_uses(name, views),
                figures=day.figures.get(name),
                check=visit.runtime.checks.last(name),
                resting=[(f"{one.label} was {one.reason}", _after(visit.now, one.seconds)) for one in resting],
                keys=settings.key_count(name) if name in settings.remote_providers else 0,
                breakers=kept.get(name, ()),
                rejections=[one for one in rejected if one.provider == name],
                retirements=[one for one in retiring if one.provider == name],
                phase=status.phase if name == "local" else "",
                phase_sentence=status.sentence if name == "local" else "",
            )
        )
    return found


def _uses(name: str, views: Iterable[RouteView]) -> list[RouteUse]:
    found: list[RouteUse] = []
    for view in views:
        asked = [one.provider for one in view.terms.candidates]
        if name in asked:
            own = [one.name for one in view.terms.candidates if one.provider == name]
            before = [one.name for one in view.terms.candidates[: asked.index(name)]]
            found.append(RouteUse(route=view.terms.name, models=own, before=before))
    return found


def _kept_from(visit: Visit) -> Mapping[str, list[BreakerView]]:
    """Return the breakers of models that do not let calls through, by provider."""
    found: dict[str, list[BreakerView]] = {}
    for one in visit.runtime.breakers.views(visit.runtime.overrides.all(visit.principal)):
        if not one.schema and not one.is_asked:
            found.setdefault(one.provider, []).append(one)
    return found


def _after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=math.ceil(seconds))


def reasons(line: ProviderLine) -> list[tuple[str, str]]:
    """Return why a provider is asked or not, as an icon and Markdown, what keeps calls from it first."""
    against = list(_against(line))
    if not line.is_up:
        return against
    said = [
        (":material/alt_route:", f"Route {links.route(use.route)} {use.sentence}.") for use in line.uses[:MOST_SHOWN]
    ]
    if len(line.uses) > MOST_SHOWN:
        more = formats.plural(len(line.uses) - MOST_SHOWN, "route")
        said.append((":material/alt_route:", f"And {more} more; they are linked below."))
    if not line.uses:
        named = "No route names it, so it is asked only where a request names one of its models."
        said.append((":gray[:material/info:]", named))
    elif not against:
        said.insert(0, (":green[:material/check_circle:]", "Nothing keeps calls from it."))
    return [*against, *said]


_RED, _AMBER = ":red[:material/error:]", ":orange[:material/warning:]"
_REJECTED = {
    "key_rejected": "It accepts no key of ours",
    "quota_exhausted": "It has no money or quota left for us",
}


def _against(line: ProviderLine) -> Iterable[tuple[str, str]]:
    if not line.is_up:
        yield ":gray[:material/key_off:]", f"It is not set up: {_how(line.name)}"
        if line.uses:
            routes = ", ".join(links.route(use.route) for use in line.uses[:MOST_SHOWN])
            yield _AMBER, f"Routes name it all the same, and pass it over: {routes}."
        return
    if line.phase and line.phase != "ready":
        yield _AMBER, plain(line.phase_sentence)
    for one in line.rejections:
        turned = f"it turned away {formats.plural(one.calls, 'call')}, the last at {zones.told(one.last_at)}"
        yield _RED, f"{_REJECTED.get(one.code, 'It turns us away')}: {turned}, and answered none since."
    for label, until in line.resting:
        yield _AMBER, f"{plain(label)}, and rests until {zones.told(until, seconds=True)}."
    if line.resting and len(line.resting) == line.keys:
        yield _RED, "All its keys rest: until one is well, calls go to the next model of their route."
    for one in line.breakers[:MOST_SHOWN]:
        yield _RED, f"{code(f'{one.provider}/{one.model}')} is not asked: {plain(zones.retold(one.why))}"
    if len(line.breakers) > MOST_SHOWN:
        more = formats.plural(len(line.breakers) - MOST_SHOWN, "model")
        yield _RED, f"So it is with {more} more; *Routes* lists their breakers."
    if line.check is not None and not line.check.is_well:
        yield _AMBER, f"The last check failed: {plain(line.check.sentence)}"
    for one in line.retirements:
        yield ":orange[:material/event_busy:]", plain(one.told)


def _how(name: str) -> str:
    listed = PROVIDERS.get(name)
    if listed is not None:
        return f"{code(listed.variable)}{listed.hint}."
    prefix = code(f"{name.upper().replace('-', '_')}_")
    return f"list it in `PROVIDERS`, and say what it is in variables that begin with {prefix}."
