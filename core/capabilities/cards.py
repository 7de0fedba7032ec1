"""The cards of all models, whoever tells them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.capabilities._cards import ModelCard
from core.capabilities._own import Dated, own_cards
from core.clock import Clock, SystemClock
from core.pricing import PriceBook, Usage, known_context, undated_name
from core.servers import RECIPES, REMOTE, kind_of
from core.settings import Settings

STAYS_FOR = timedelta(days=90)
"""A model that nobody has chosen is not asked in the last of its days."""
_TYPICAL = Usage(input_tokens=3000, output_tokens=1000)
_LIST = Path(__file__).with_name("models.toml")


class Cards:
    """What each model can, as this deployment knows it."""

    def __init__(self, settings: Settings, clock: Clock | None = None, *, knows_lists: bool = True) -> None:
        """Read the operator's own file, if the settings name one; which of its words hold already, *clock* says.

        Without *knows_lists* every model can everything, until somebody tells of it.

        Raises:
            Misconfigured: it cannot be used; the message says why.

        """
        self._settings = settings
        self._knows_lists = knows_lists
        self._clock = clock or SystemClock()
        self._own: Mapping[str, Dated] = own_cards(settings.models_file) if settings.models_file else {}
        self._told: dict[str, Mapping[str, ModelCard]] = {}

    def learn(self, provider: str, told: Mapping[str, ModelCard]) -> None:
        """Take what a vendor tells of its models in the place of what was told before."""
        self._told[provider] = told

    def of(self, provider: str, model: str) -> ModelCard:
        """Return what is known of a model: the list, under what its vendor told, under what the operator says."""
        card = self._listed(provider, model)
        if told := self._told.get(provider, {}).get(model):
            card = card.under(told)
        if own := self._own.get(f"{provider}/{model}"):
            today = self._clock.now().date()
            for begins, said in own:
                card = card.under(said) if begins <= today else card
        return card

    def staying(self, provider: str, usual: str, at: datetime) -> str:
        """Return *usual*, or where it retires within 90 days the cheapest listed one that does everything and stays.

        Where the list has none, it is *usual* all the same.
        """
        stays_until = at.date() + STAYS_FOR
        retires = self.of(provider, usual).retires
        kind = kind_of(provider)
        if kind is None or retires is None or retires > stays_until:
            return usual
        costs: dict[str, int] = {}
        for name in _list().get(kind, {}):
            card, terms = self.of(provider, name), PriceBook().terms(kind, name, at)
            has_left = card.unlisted is not None or (card.retires is not None and card.retires <= stays_until)
            if card.context and card.modes is None and card.parts is None and terms is not None and not has_left:
                costs[name] = terms.cost(_TYPICAL).nano_usd
        return min(costs, key=lambda name: (costs[name], name), default=usual)

    def _listed(self, provider: str, model: str) -> ModelCard:
        """Return what the lists know, which is about a kind's own address: another has anybody's models."""
        kind = kind_of(provider)
        is_set_up = provider in REMOTE or provider in self._settings.providers
        if not self._knows_lists or kind is None or not is_set_up or not RECIPES[kind].address:
            return ModelCard()
        is_own = self._settings.address(provider) == RECIPES[kind].address
        return listed(kind, model.lower()) if is_own else ModelCard()


@lru_cache(maxsize=4096)
def listed(kind: str, model: str) -> ModelCard:
    """Return what the package's lists know of a *kind*'s model, by this very name or else without its date."""
    known = _list().get(kind, {})
    card = known.get(model)
    if card is None:
        found = known.get(undated_name(kind, model), ModelCard())
        card = replace(found, retires=None)  # of each date that is told by itself
    return card if card.context else ModelCard.told("the price list", context=known_context(kind, model)).under(card)


@lru_cache(maxsize=1)
def _list() -> Mapping[str, Mapping[str, ModelCard]]:
    content: dict[str, Any] = tomllib.loads(_LIST.read_text(encoding="utf-8"))
    sources: dict[str, str] = content.pop("sources")
    return {
        kind: {name: ModelCard.read(one, sources) for name, one in models.items()} for kind, models in content.items()
    }
