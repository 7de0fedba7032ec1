"""What an operator knows better of models, from a file of his own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

from core.capabilities._cards import ModelCard
from core.errors import Misconfigured
from core.servers import EVERY_MODE, EVERY_PART, recipe_of

Dated = Sequence[tuple[date, ModelCard]]
"""What holds of a model from each day on, the earliest first: a later one goes before it for what it tells."""
_WORDS = {"modes": EVERY_MODE, "parts": EVERY_PART}
_SAYS = "it says context, output, parts, modes, refuses, retires, and from which day"


def own_cards(path: Path) -> Mapping[str, Dated]:
    """Return the cards of an operator's file: a table of the name ``provider/model``, or one for each day.

    Raises:
        Misconfigured: it cannot be read, or says what no card says.

    """
    try:
        content: dict[str, Any] = tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"MODELS_FILE names {str(path)!r}, which cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise Misconfigured(f"MODELS_FILE is no TOML: {error}.") from None
    cards: dict[str, Dated] = {}
    for name, told in content.items():
        try:
            cards[name] = _dated(name, told)
        except ValueError as error:
            raise Misconfigured(f"MODELS_FILE, {name[:80]!r}: {error}.") from None
    return cards


def _dated(name: str, told: Any) -> Dated:
    provider, slash, model = name.partition("/")
    tables = cast("list[Any]", told if isinstance(told, list) else [told])
    if not (slash and model) or not all(isinstance(one, dict) for one in tables):
        raise ValueError("a table is named after a model, as provider/name")
    if recipe_of(provider) is None:
        raise ValueError(f"there is no provider {provider[:40]!r}; a name begins with that of a kind, as groq-eu")
    cards: dict[date, ModelCard] = {}
    for one in cast("list[dict[str, Any]]", tables):
        given = dict(one)
        begins = given.pop("from", date.min)
        if not isinstance(begins, date) or isinstance(begins, datetime):
            raise ValueError(f"from = {begins!r} is no day; write one such as 2027-01-31, without quotes")  # noqa: TRY004
        if begins in cards:
            when = "without a day" if begins == date.min else f"from {begins} on"
            raise ValueError(f"what holds {when} is said twice; write one table of both")
        cards[begins] = _card(given)
    return sorted(cards.items())


def _card(given: dict[str, Any]) -> ModelCard:
    if not given:
        raise ValueError(f"a table says nothing; {_SAYS}")
    try:
        card = ModelCard.read({**given, "sources": ["own"]}, {"own": "MODELS_FILE"})
    except ValueError as error:
        raise ValueError(f"{error}; {_SAYS}") from None
    for field, known in _WORDS.items():
        if unknown := sorted(set(given.get(field, ())) - set(known)):
            raise ValueError(f"{field} has no {unknown[0][:40]!r}; there are {', '.join(known)}")
    return card
