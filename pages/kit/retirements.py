"""Models that retire soon, and what that means for each route. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from core.capabilities import Cards
from core.routes import RouteView


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """One model that routes name and whose vendor refuses it soon, or does already."""

    provider: str
    model: str
    day: date
    sentence: str
    """Which, when, and who says so."""
    routes: Sequence[tuple[str, str]]
    """Each route that names it, and what becomes of that."""

    @property
    def told(self) -> str:
        """All of it in sentences."""
        return " ".join((self.sentence, *(f"Route {name}: {what}." for name, what in self.routes)))


def retirements(cards: Cards, views: Iterable[RouteView], today: date) -> list[Retirement]:
    """Return the models of the routes *views* that retire soon, the first to go first."""
    views = list(views)
    named = dict.fromkeys((one.provider, one.model, one.name) for view in views for one in view.terms.candidates)
    found: list[Retirement] = []
    for provider, model, name in named:
        card = cards.of(provider, model)
        if (sentence := card.retiring(name, today)) and card.retires is not None:
            hit = [(view.terms.name, _left(cards, view, name, card.retires)) for view in views if _names(view, name)]
            found.append(Retirement(provider=provider, model=model, day=card.retires, sentence=sentence, routes=hit))
    return sorted(found, key=lambda one: (one.day, one.provider, one.model))


def _names(view: RouteView, name: str) -> bool:
    return any(one.name == name for one in view.terms.candidates)


def _left(cards: Cards, view: RouteView, name: str, day: date) -> str:
    """Return who answers on a route once *name* is gone, of those that are not gone by that *day* as well."""
    others = [one for one in view.terms.candidates if one.name != name]
    left = [one.name for one in others if not cards.of(one.provider, one.model).is_retired(day)]
    if not left:
        return "nobody is left on it, and every call fails"
    is_first = view.terms.candidates[0].name == name
    return f"{left[0]} answers in its place" if is_first else f"{name} falls away as a fallback"
