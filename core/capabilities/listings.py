"""How the providers were found when they were checked last, and what their lists of models told: for all processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Boolean, text
from sqlmodel import Session

from core.capabilities._cards import ModelCard
from core.capabilities.cards import Cards
from core.clock import Clock
from core.store import Store
from core.tables import ModelListing, UtcTime

_HEADS = text("SELECT provider, asked_at, is_well, sentence, told_at FROM model_listing").columns(
    asked_at=UtcTime, told_at=UtcTime, is_well=Boolean
)
MOST_GONE = 500
"""Models of one provider that are known to be listed no more: the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCheck:
    """What one check found."""

    at: datetime
    is_well: bool
    """Whether it answered and, where that can be told for nothing, accepts our key."""
    sentence: str
    """What it found; no text of ours and no key is in it."""


class Listings:
    """What was found, and the cards that are made of it. A row per provider; each process reads what has changed."""

    def __init__(self, store: Store, clock: Clock, cards: Cards) -> None:
        self._store = store
        self._clock = clock
        self._cards = cards
        self._taken: dict[str, datetime | None] = {}
        self._checks: Mapping[str, ProviderCheck] = {}

    def last(self, provider: str) -> ProviderCheck | None:
        """Return what the last check of *provider* found, by whatever process, a minute ago at most."""
        return self._checks.get(provider)

    def keep(
        self, provider: str, check: ProviderCheck, told: Mapping[str, ModelCard] | None, *, is_whole: bool = True
    ) -> None:
        """Write down what a check found, and the list that was *told*; ``None``: the last one stays.

        What a list names no more, though it did, is gone; unless it is not the *whole* list.

        Raises:
            Unavailable: the database does not answer.

        """
        with self._store.writing() as session:
            row = session.get(ModelListing, provider) or ModelListing(provider=provider, asked_at=check.at)
            row.asked_at, row.is_well, row.sentence = check.at, check.is_well, check.sentence
            if told is not None:
                row.gone = _gone(row, told, check.at.date() if is_whole else None)
                written = {name: card.written() for name, card in told.items()}
                row.told_at, row.models = check.at, written if is_whole else {**row.models, **written}
            session.add(row)
        self.take_in()

    def take_in(self) -> None:
        """Take in all checks, and make cards of the lists that have changed since; raises Unavailable."""
        with self._store.reading() as session:
            heads: list[Any] = list(session.connection().execute(_HEADS).all())
            changed: list[str] = [name for name, *_, at in heads if at is not None and self._taken.get(name) != at]
            rows = _rows(session, changed)
        self._checks = {head[0]: ProviderCheck(at=head[1], is_well=head[2], sentence=head[3]) for head in heads}
        for row in rows:
            self._cards.learn(row.provider, _cards(row))
            self._taken[row.provider] = row.told_at


def _rows(session: Session, names: list[str]) -> list[ModelListing]:
    return [row for name in names if (row := session.get(ModelListing, name)) is not None]


def _gone(row: ModelListing, told: Mapping[str, ModelCard], today: date | None) -> dict[str, str]:
    """Return what has left the list, with the day on which that was found first."""
    known: dict[str, Any] = row.models
    gone: dict[str, str] = {name: day for name, day in row.gone.items() if name not in told}
    if today is not None:
        gone |= {name: today.isoformat() for name in known if name not in told}
    return dict(sorted(gone.items(), key=lambda one: one[1])[-MOST_GONE:])


def _cards(row: ModelListing) -> dict[str, ModelCard]:
    models: dict[str, dict[str, Any]] = row.models
    source = f"{row.provider}'s own list of {row.told_at:%Y-%m-%d}"
    cards = {name: ModelCard.kept(one, source) for name, one in models.items()}
    unlisted = {name: ModelCard.told(source, unlisted=date.fromisoformat(day)) for name, day in row.gone.items()}
    return {**cards, **unlisted}
