"""The body of a request as it came: read once, and changed where it must be without a byte of the rest being moved."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, cast

from core.errors import Invalid
from core.json_texts import blank, entries, strictly
from core.unchanging import unchanging

Path = tuple[str | int, ...]
"""Names and indexes that lead from the body to one of its values."""
_Tree = dict[str | int, "str | _Tree"]
_Cut = tuple[int, int, str]
DEEPEST = 100
"""How deep what is kept of a body may nest."""
_WHAT = "The body"
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_VALUES = json.JSONDecoder()


@unchanging
class Body:
    """A JSON object, as text and as values."""

    text: str = field(repr=False)
    values: Mapping[str, Any] = field(repr=False)
    spans: Mapping[str, tuple[int, int]] = field(repr=False)
    """Where in the text each member's value begins and ends."""

    def source(self, name: str) -> str:
        """Return the text of a member's value; empty where there is no such member."""
        begins, ends = self.spans.get(name, (0, 0))
        return self.text[begins:ends]

    def patched(self, changes: Iterable[tuple[Path, str]], dropped: Collection[str] = ()) -> bytes:
        """Return the body with the JSON text of each change at its path, and without the members that are *dropped*.

        A last name that is not there is added.
        """
        cuts = sorted((*self._cuts(_tree(changes), dropped), *self._gaps(dropped)))
        pieces: list[str] = []
        end = 0
        for begins, ends, source in cuts:
            pieces += (self.text[end:begins], source)
            end = ends
        pieces.append(self.text[end:])
        return "".join(pieces).encode()

    def _gaps(self, dropped: Collection[str]) -> Iterator[_Cut]:
        """Yield where the text is cut for members that are dropped: each goes with the comma that it needs no more."""
        if self.spans.keys().isdisjoint(dropped):
            return
        begins = [begin for _, begin, _ in entries(self.text, blank(self.text, 0))]
        ends = [end for _, end in self.spans.values()]
        kept = -1
        for at, name in enumerate(self.spans):
            if name not in dropped:
                kept = at
            elif at + 1 < len(begins):
                yield begins[at], begins[at + 1], ""
            else:
                if kept >= 0:  # the last that is kept needs no comma then
                    yield ends[kept], begins[kept + 1], ""
                yield begins[at], ends[at], ""

    def _cuts(self, tree: _Tree, dropped: Collection[str]) -> Iterator[_Cut]:
        """Yield where the text is cut, and what is put there; members whose place is known are not looked for."""
        added: dict[str | int, str] = {}
        for name, new in tree.items():
            begins, ends = self.spans.get(cast("str", name), (0, 0))
            if name in dropped:
                continue
            if isinstance(new, str):
                if ends:
                    yield begins, ends, new
                else:
                    added[name] = new
            else:
                yield from self._cuts_within(begins, new)
        if added:
            yield self._added(blank(self.text, 0), added, is_last=self.spans.keys() <= set(dropped))

    def _cuts_within(self, place: int, tree: _Tree) -> Iterator[_Cut]:
        """Yield the cuts in the object or list at *place*, in one pass over it, however many they are."""
        left = dict(tree)
        for name, _, value in entries(self.text, place) if left else ():
            new = left.pop(name, None)
            if isinstance(new, str):
                yield value, _VALUES.raw_decode(self.text, value)[1], new
            elif new is not None:
                yield from self._cuts_within(value, new)
            if not left:
                return
        if left:
            is_empty = self.text[blank(self.text, place + 1)] == "}"
            yield self._added(place, cast("dict[str | int, str]", left), is_last=is_empty)

    def _added(self, place: int, members: Mapping[str | int, str], *, is_last: bool) -> _Cut:
        source = ",".join(f"{json.dumps(name)}:{text}" for name, text in members.items())
        return place + 1, place + 1, source if is_last else f"{source},"


def _tree(changes: Iterable[tuple[Path, str]]) -> _Tree:
    """Return the changes by the steps that lead to them."""
    tree: _Tree = {}
    for path, source in changes:
        branch = tree
        for step in path[:-1]:
            branch = cast("_Tree", branch.setdefault(step, {}))
        branch[path[-1]] = source
    return tree


def read_body(content: bytes) -> Body:
    """Return the JSON object that *content* is.

    Raises:
        Invalid: it is none, or one whose members cannot be told for sure: the sentence says where.

    """
    values: dict[str, Any] = {}
    spans: dict[str, tuple[int, int]] = {}
    with strictly(_WHAT) as decoder:
        text = content.decode()
        if not (at := blank(text, 0)) < len(text):
            raise Invalid(f"{_WHAT} is empty.")
        if text[at] != "{":
            decoder.decode(text)
            raise Invalid(f"{_WHAT} is a JSON object; this is another JSON value.")
        at = blank(text, at + 1)
        while text[at : at + 1] != "}":
            if text[at : at + 1] != '"':
                raise json.JSONDecodeError("Expecting a name in double quotes", text, at)
            name, at = cast("tuple[str, int]", decoder.raw_decode(text, at))
            at = blank(text, at)
            if text[at : at + 1] != ":":
                raise json.JSONDecodeError("Expecting ':'", text, at)
            begins = blank(text, at + 1)
            value, ends = decoder.raw_decode(text, begins)
            if name in values:
                raise Invalid(f"{_WHAT} says {name[:60]!r} twice; leave one of them out.")
            values[name], spans[name] = value, (begins, ends)
            at = blank(text, ends)
            if text[at : at + 1] == ",":
                at = blank(text, at + 1)
                if text[at : at + 1] == "}":
                    raise json.JSONDecodeError("Expecting a name in double quotes", text, at)
            elif text[at : at + 1] != "}":
                raise json.JSONDecodeError("Expecting ',' or '}'", text, at)
        if (rest := blank(text, at + 1)) < len(text):
            raise json.JSONDecodeError("Expecting nothing more", text, rest)
        _require_whole(text, values)
    return Body(text, values, spans)


def _require_whole(text: str, values: Mapping[str, Any]) -> None:
    """Go on only if no text holds half of a character (a surrogate by itself), which no wire can carry."""
    if has_halves(text):
        try:
            json.dumps(values, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Invalid(
                f"{_WHAT} holds half of a character, a surrogate without its other half. Send texts as UTF-8."
            ) from None


def has_halves(text: str) -> bool:
    """Whether JSON in *text* may hold half of a character, written as an escape."""
    return _HALF.search(text) is not None


def is_deep(value: Any) -> bool:
    """Whether *value* nests deeper than what is kept may."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inner(one)]
        if not level:
            return False
    return True


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()
