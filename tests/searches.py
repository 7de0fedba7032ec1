"""Guardrails for tests: searches that do one plain thing, and rules of them."""

from __future__ import annotations

from dataclasses import dataclass

from core.detection import Detector, Span
from core.guardrails import Action, Guardrail, Guardrails, Judge, Stage, built_in


@dataclass(frozen=True)
class Word:
    """Finds a word, wherever it stands."""

    word: str
    kind: str = "a word"

    def find(self, text: str) -> list[Span]:
        """Return where it is."""
        found, at = list[Span](), text.find(self.word)
        while at >= 0:
            found.append(Span(at, at + len(self.word), self.kind))
            at = text.find(self.word, at + len(self.word))
        return found

    def decided(self, text: str) -> int:
        """Return where what may become the word begins."""
        found = self.find(text)
        begin = found[-1].end if found else 0
        sizes = range(min(len(self.word) - 1, len(text) - begin), 0, -1)
        return next((len(text) - size for size in sizes if text.endswith(self.word[:size])), len(text))

    forgettable = decided


@dataclass(frozen=True)
class Objecting:
    """Objects to every text that has a word in it."""

    word: str = ""
    sentence: str = "Nothing may go out."

    def objection(self, text: str) -> str:
        """Object."""
        return self.sentence if self.word in text else ""


class Faulty:
    """A search with a fault of its own."""

    def find(self, text: str) -> list[Span]:
        """Fail."""
        raise ZeroDivisionError(text)

    def decided(self, text: str) -> int:
        """Show nothing before it is whole."""
        return 0 * len(text)

    forgettable = decided


def rule(search: Detector | Judge, action: Action, *stages: Stage, name: str = "test") -> Guardrail:
    """Return a rule of *search*, on both sides unless *stages* say another."""
    return Guardrail(name, search, action, frozenset(stages or Stage))


def usual(*more: Guardrail) -> Guardrails:
    """Return what holds for everybody, and *more*."""
    return Guardrails([*built_in(), *more])
