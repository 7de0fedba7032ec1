"""One model's card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any, Self, cast

SOON = timedelta(days=30)
"""Who retires within this time is warned of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What is known of a model. ``None`` is what nobody tells."""

    context: int | None = None
    """The most tokens of a request and its answer together."""
    output: int | None = None
    """The most tokens of an answer."""
    parts: tuple[str, ...] | None = None
    """What it reads beside text."""
    modes: tuple[str, ...] | None = None
    """The ways in which it may be asked for an object."""
    refuses: tuple[str, ...] | None = None
    """Parameters that it turns away."""
    retires: date | None = None
    """The day from which on its vendor refuses every call."""
    unlisted: date | None = None
    """The day on which its vendor's list first lacked it, though it had been there."""
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    """Who tells each of these, for people, by its name."""

    @classmethod
    def read(cls, given: Mapping[str, Any], sources: Mapping[str, str]) -> Self:
        """Return what *given* says, as it is written in a list; of *sources* it names one, and last one for its end.

        Raises:
            ValueError: it is nothing that a card says; the text names it.

        """
        known: dict[str, Any] = {}
        for name, value in given.items():
            if not _is_sound(name, value):
                raise ValueError(f"{name} = {value!r} is nothing that is known of a model")
            known[name] = tuple(value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType] checked
        named: tuple[str, ...] = known.pop("sources", ()) or ("",)
        told = {name: sources.get(named[-1 if name == "retires" else 0], "") for name in known}
        return cls(**known, sources=told)

    @classmethod
    def told(cls, source: str, **known: Any) -> Self:
        """Return what *source* tells, but for what is ``None``."""
        return cls(**known, sources={name: source for name, value in known.items() if value is not None})

    @classmethod
    def kept(cls, written: Mapping[str, Any], source: str) -> Self:
        """Return the card that :meth:`written` wrote, as *source* tells it; what no card says is left out."""
        given = {name: date.fromisoformat(text) if name in _DAYS else text for name, text in written.items()}
        sound = {name: value for name, value in given.items() if _is_sound(name, value)}
        return cls.told(source, **{name: _held(value) for name, value in sound.items()})

    def written(self) -> dict[str, Any]:
        """Return what it tells, as JSON."""
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "sources"}
        return {
            name: value.isoformat() if isinstance(value, date) else list(value) if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownArgumentType] of words
            for name, value in told.items()
            if value is not None
        }

    def under(self, over: ModelCard) -> ModelCard:
        """Return this card, with whatever *over* tells in its place."""
        told = {one.name: getattr(over, one.name) for one in fields(over) if one.name != "sources"}
        own = {name: value for name, value in told.items() if value is not None}
        return replace(self, **own, sources={**self.sources, **over.sources})

    def says(self, name: str) -> str:
        """Return who tells the field *name*, as the end of a sentence; empty where that is not told."""
        return f", says {self.sources[name]}" if self.sources.get(name) else ""

    def is_retired(self, today: date) -> bool:
        """Whether its vendor refuses every call."""
        return self.retires is not None and self.retires <= today

    def retiring(self, name: str, today: date) -> str:
        """Return a sentence if *name* is retired, will be soon, or has left its vendor's list; else an empty text."""
        if self.retires is None or self.retires > today + SOON:
            if self.unlisted is None:
                return ""
            told = self.says("unlisted")
            return f"{name} has not been listed since {self.unlisted}{told}: it may be gone, or not for this key."
        told = self.says("retires")
        if self.is_retired(today):
            return f"{name} was retired on {self.retires}{told}: every call of it fails. Name another model."
        return f"{name} retires on {self.retires}{told}: from then on every call of it fails. Name another model."


def _held(value: Any) -> Any:
    return tuple(cast("list[str]", value)) if isinstance(value, list) else value


_DAYS = ("retires",)
_WORDS = ("parts", "modes", "refuses", "sources")


def _is_sound(name: str, value: Any) -> bool:
    if name in ("context", "output"):
        return isinstance(value, int) and not isinstance(value, bool) and value > 0
    if name in _WORDS:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)  # pyright: ignore[reportUnknownVariableType] any list
    return name == "retires" and isinstance(value, date) and not isinstance(value, datetime)
