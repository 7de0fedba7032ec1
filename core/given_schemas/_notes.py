"""What was done to a schema so that it could be read, and what of it nobody will check: told, never silent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.json_schemas import json_path

Steps = tuple[int | str, ...]
"""Where something stands in what was given, from its outermost value on."""
MOST_NOTES = 40
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class SchemaNote:
    """One thing to know about how a schema was read."""

    kind: str
    """``envelope``, ``dialect`` (said in other words, meant the same), ``impossible`` (a part that no value satisfies)
    or ``unchecked`` (a word that says nothing)."""
    path: str
    """Where it is met first in what was given, as a JSON path."""
    what: str
    """What became of it, beginning with a verb, such as ``is read as 'prefixItems'``."""
    further: int = 0
    """How many times it is met besides."""

    @property
    def sentence(self) -> str:
        """The whole, as one sentence."""
        more = f" (and {self.further} more like it)" if self.further else ""
        return f"{self.path}{more} {self.what}."


class Notes:
    """Notes as they are made; what is met again is counted."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], SchemaNote] = {}

    def add(self, kind: str, steps: Steps, what: str) -> None:
        """Note *what* became of that which stands at *steps*."""
        word = str(steps[-1]) if steps else ""
        key = (kind, word, what)
        known = self._found.get(key)
        if known is not None:
            self._found[key] = replace(known, further=known.further + 1)
        elif len(self._found) < MOST_NOTES:
            self._found[key] = SchemaNote(kind, json_path(steps), what)

    def all(self) -> tuple[SchemaNote, ...]:
        """Return them, those that change nothing last."""
        return tuple(sorted(self._found.values(), key=lambda note: note.kind == "unchecked"))


def told(notes: Iterable[SchemaNote]) -> str:
    """Return *notes* as one text; nothing where there are none."""
    return " ".join(note.sentence for note in notes)


class Refusal(Exception):
    """What was given is no schema: the sentence's end, and where. The sentence begins with the path."""

    def __init__(self, steps: Steps, what: str) -> None:
        super().__init__(what)
        self.steps = steps
        self.what = what


def shown(word: str) -> str:
    """Return *word* as a sentence shows it."""
    return repr(word if len(word) <= _SHOWN else f"{word[: _SHOWN - 1]}…")
