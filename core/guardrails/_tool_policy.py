"""Which tools may be offered and called, and with what: a rule that judges calls, where the others judge texts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from core.detection.folding import folded, small
from core.guardrails._finds_nothing import FindsNothing
from core.guardrails._places import Field, field_told
from core.outgoing import is_public_host, read_address

_NAMESPACE = re.compile(r"\.|__|/|:")
"""What stands between a tool's name and those of whoever brings it along."""
_NO_LETTER = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a tool may not be offered or called: nothing of what a model wrote is in it."""

    reason: str
    """In a few words that go on a sentence: ``is not one that the rule allows``."""
    path: str = ""
    """Of the argument, as a JSON path."""


@dataclass(frozen=True, slots=True)
class ArgumentRule:
    """What may stand in one argument of a tool."""

    at: Field
    may_be: Callable[[Any], bool] = field(repr=False)
    wanted: str
    """What that is, in a few words: ``one of the values that the rule lists``."""


def not_public_by_text(addresses: Collection[str]) -> Collection[str]:
    """Return those of *addresses* that are no public ``https://`` ones by their text."""
    return frozenset(one for one in addresses if not _is_public(one))


def _is_public(written: str) -> bool:
    try:
        address = read_address(written)
    except ValueError:
        return False
    return address.scheme == "https" and is_public_host(address.host)


@dataclass(frozen=True, slots=True)
class ToolPolicy(FindsNothing):
    """What one rule says of tools. As a search it finds nothing: no text is judged by it."""

    allow: tuple[str, ...] | None = None
    """Names, to the letter, or what they begin with, where a ``*`` stands at the end; ``None`` for all."""
    deny: tuple[str, ...] = ()
    """Names, however they are written and whoever brings the tool along."""
    validate: bool = True
    """Whether arguments have to satisfy the schema that the request declares."""
    arguments: Mapping[str, Sequence[ArgumentRule]] = field(default_factory=dict[str, Sequence[ArgumentRule]])
    vendor_tools: frozenset[str] = frozenset()
    """Types of tools that the provider runs itself."""
    may_be_server: Callable[[str], bool] = field(default=lambda _: False, repr=False)
    """Whether an address is one of a server whose tools a provider may use."""
    notes_changes: bool = True
    """Whether it is a finding that a tool or a schema has another text than in a call before."""
    may_be_inside: bool = False
    """Whether such a server may stand in a network that is not public."""
    not_public: Callable[[Collection[str]], Collection[str]] = field(default=not_public_by_text, repr=False)
    """Which addresses lead inside: what says so by the names' addresses takes the place of what reads them."""

    def about(self, name: str) -> Objection | None:
        """Return why the tool called *name* may neither be offered nor called; ``None`` where it may."""
        if self.deny and not {*map(_plain, self.deny)}.isdisjoint(_readings(name)):
            return Objection("is denied")
        if self.allow is None or any(_holds(one, name) for one in self.allow):
            return None
        return Objection("is not among those that are allowed")

    def about_arguments(self, name: str, arguments: Any) -> Objection | None:
        """Return why the tool called *name* may not be called with *arguments*; ``None`` where it may."""
        for rule in self.arguments.get(name, ()):
            for value in _values_at(rule.at, arguments):
                if not rule.may_be(value):
                    return Objection(f"has an argument that is not {rule.wanted}", field_told(rule.at))
        return None


def texts_within(value: Any) -> Iterator[Any]:
    """Yield what an argument consists of: itself, or what stands in it, names included."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield name
            yield from texts_within(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from texts_within(inner)
    else:
        yield value


def one_of(values: Collection[Any]) -> Callable[[Any], bool]:
    """Return what says whether a value is one of *values*: of the same type, members of objects in any order."""
    known = {_letters(one) for one in values}
    return lambda value: _letters(value) in known


def _letters(value: Any) -> str:
    """Return *value* as JSON, alike for what is alike: a model may write numbers of any size."""
    return json.dumps(value, sort_keys=True)


def _holds(entry: str, name: str) -> bool:
    return name.startswith(entry[:-1]) if entry.endswith("*") else name == entry


def _readings(name: str) -> Iterator[str]:
    """Yield how a *name* may be read: all of it, and without the names of whoever brings the tool along."""
    parts = _NAMESPACE.split(name)
    for at in range(len(parts)):
        yield _plain("_".join(parts[at:]))


def _plain(name: str) -> str:
    return _NO_LETTER.sub("", small(folded(name).text))


def _values_at(path: Field, value: Any) -> Iterator[Any]:
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        for one in members.values() if step is None else (members[step],) if step in members else ():
            yield from _values_at(rest, one)
    elif isinstance(value, list):
        items = cast("list[Any]", value)
        at = range(len(items)) if step is None else (step,)
        for place in at:
            if isinstance(place, int) and place < len(items):
                yield from _values_at(rest, items[place])
