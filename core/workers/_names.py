"""Names of persons, as a pipeline of spaCy's finds them that whoever runs the deployment has installed.

A worker loads it, once; here it is only looked at, which loads nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Places = Sequence[tuple[int, int]]
"""From where up to where names stand in a text."""
Finder = Callable[[str], Places]

_LIBRARY = "spacy"
_PERSONS = frozenset({"PERSON", "PER", "PRS", "persName", "PS"})
"""What spaCy's pipelines call a person, by language."""
_PIECE = 5_000
"""Characters that are read at once: between two pieces it is asked whether anybody still waits."""
_AGAIN = 16
"""Such a part of a piece is read again with the next: a name that a cut goes through stands whole in one of the two."""


def trouble_with(pipeline: str) -> str:
    """Return what is wrong with a *pipeline*, a folder or the name of a package; empty if it looks as if it loads."""
    if find_spec(_LIBRARY) is None:
        return "The library that finds names is not installed here: install proctor[names], and a pipeline of spaCy's."
    folder = _folder(pipeline)
    if folder is None:
        return f"The package {pipeline} is not installed here. Install it beside Proctor."
    try:
        told: Any = json.loads(next(folder.glob("**/meta.json")).read_text(encoding="utf-8"))
        labels = [label for some in told.get("labels", {}).values() for label in some]
    except (OSError, ValueError, StopIteration, AttributeError, TypeError):
        return f"{pipeline} is no pipeline of spaCy's: there is no meta.json in it that can be read."
    if labels and not _PERSONS.intersection(labels):
        return f"{pipeline} finds no persons: of {', '.join(sorted(_PERSONS))} its meta.json has none."
    return ""


def finder(pipeline: str) -> Finder:
    """Return what finds names in a text; raises whatever spaCy does where it does not load."""
    load: Callable[[str], Any] = import_module(_LIBRARY).load
    read = load(pipeline)

    def found(text: str) -> Places:
        return [(one.start_char, one.end_char) for one in read(text).ents if one.label_ in _PERSONS]

    return found


def names_in(texts: Sequence[str], find: Finder, is_late: Callable[[], bool]) -> list[Places] | None:
    """Return where names stand in each of *texts*; ``None`` if it *is_late* before all are read."""
    every: list[Places] = []
    for text in texts:
        places: list[tuple[int, int]] = []
        for begin, piece in _pieces(text):
            if is_late():
                return None
            places += [(begin + start, begin + end) for start, end in find(piece)]
        every.append(_merged(places))
    return every


def _merged(places: Places) -> Places:
    """Return places in order, with those that lie over one another as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _folder(pipeline: str) -> Path | None:
    if pipeline.startswith("/"):
        return Path(pipeline)
    found = find_spec(pipeline)
    return Path(found.origin).parent if found is not None and found.origin else None


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield where each piece of *text* begins, and the piece; none begins or ends within a word, if there are any."""
    plain = text.encode("utf-8", "replace").decode()  # half a letter is one that no pipeline knows
    at = 0
    while at < len(plain):
        end = at + _PIECE
        if end < len(plain):
            half = at + _PIECE // 2
            end = max(plain.rfind("\n", half, end), 0) or max(plain.rfind(" ", half, end), 0) or end
        if any(letter.isalpha() for letter in plain[at:end]):
            yield at, plain[at:end]
        if end >= len(plain):
            return
        again = plain.find(" ", end - _PIECE // _AGAIN, end)
        at = again + 1 if again >= 0 else end
