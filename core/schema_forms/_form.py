"""What a schema becomes on the wire of one vendor in one mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of the schema that is not sent, so that only Proctor checks it."""

    path: str
    """Where it stands in an answer: ``$.lines[].amount``."""
    keyword: str
    """The keyword of JSON Schema."""
    why: str
    """One plain sentence."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SchemaForm:
    """A schema as it is sent, who holds the model to it, and the way back from its answers."""

    vendor: str
    asked: str
    """The mode that was asked for."""
    mode: str
    """The mode that is taken."""
    named_vendor: str = ""
    """Whose form it is, as ``form_for`` is told; so it can be worked out again elsewhere. Empty where nobody said."""
    body: Mapping[str, Any]
    """The schema as it is sent. Not to be changed."""
    is_enforced: bool = False
    """Whether the vendor holds the model to the body while it writes. Proctor checks the whole schema in any case."""
    relaxed: str = ""
    """Why the mode is not taken as it was asked for, as a sentence; empty where it is."""
    left_out: tuple[LeftOut, ...] = ()
    """What only Proctor checks although the vendor enforces the rest."""
    unchecked: tuple[str, ...] = ()
    """What nobody checks, Proctor neither: formats that only tell the model what is meant, and where."""
    closed: tuple[str, ...] = ()
    """Where it is sent with objects that have no further properties, of which the schema itself does not speak."""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    """The property names that had to be sent differently: the name that is sent, by the author's."""
    way_back: tuple[Callable[[Any], Any], ...] = ()
    """What leads an answer back to what the author means, in order."""

    @property
    def summary(self) -> str:
        """Who checks what, in a sentence or three; fit for a page, a terminal and the decision trace."""
        if self.is_enforced:
            said = f"{self.vendor} holds the model to the schema while it writes"
            said += f", but for {self._named()}, which Proctor alone checks." if self.left_out else "."
        else:
            said = f"Proctor alone checks the answer; {self.vendor} only shows the schema to the model."
        if self.relaxed:
            taken = f"mode {self.mode} is taken" if self.mode != self.asked else "the mode is not strict"
            said = f"{self.relaxed} So {taken}. {said}"
        if self.unchecked:
            said += f" Nobody checks what only tells the model what is meant: {_first(self.unchecked)}."
        if self.closed:
            told = "Objects that do not say whether they have further properties are sent as having none"
            said += f" {told}: {_first(self.closed)}."
        if self.names:
            said += f" Property names are sent as {self.vendor} takes them: {self._renamed()}."
        return said

    @property
    def verdict(self) -> str:
        """Whether an answer is checked while it is written, for a cell of a table."""
        said = "yes" if self.is_enforced else "no"
        said += f", sent as {self.mode}" if self.mode != self.asked and self.relaxed else ""
        said += f", but for {self._named()}" if self.left_out else ""
        said += ", without further properties" if self.closed else ""
        said += f": {self.relaxed.removesuffix('.')}" if self.relaxed else ""
        return said + (f"; named {self._renamed()}" if self.names else "")

    def _renamed(self) -> str:
        shown = ", ".join(f"{own[:60]!r} as {name!r}" for own, name in list(self.names.items())[:_MOST_NAMED])
        more = len(self.names) - _MOST_NAMED
        return shown + (f" and {more} more" if more > 0 else "")

    @property
    def is_worth_telling(self) -> bool:
        """Whether it is not just what the mode promises."""
        return bool(self.relaxed or self.left_out or self.unchecked or self.closed or self.names)

    def restored(self, text: str) -> str:
        """Return the JSON *text* of an answer as the author means it.

        Text that is no JSON, or nests too deep, comes back as it was: reading it is for validation.
        """
        if not self.way_back or not (self.names or "null" in text):
            return text
        try:
            return orjson.dumps(self.meant(orjson.loads(text))).decode()
        except (ValueError, TypeError):  # orjson says TypeError of what nests too deep to be written
            return text

    def meant(self, value: Any) -> Any:
        """Return the JSON *value* of an answer, or of its beginning, as the author means it."""
        led = value
        try:
            for step in self.way_back:
                led = step(led)
        except RecursionError:  # it nests too deep: the validation says so
            return value
        return led

    def _named(self) -> str:
        return _first([f"{one.keyword} of {one.path}" for one in self.left_out])


def _first(named: Sequence[str]) -> str:
    more = len(named) - _MOST_NAMED
    return ", ".join(named[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
