"""An answer that grows, event by event, into the body that it would have been in one piece: one reader has both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from core.object_texts import is_long, is_object, looks_bare, of_blocks
from core.providers.reading.parts import text
from core.unchanging import unchanging


@unchanging
class Grown:
    """What one event added."""

    written: str = ""
    """What the model wrote in it, whatever of."""
    shown: str = ""
    """What of that belongs to the object's JSON text."""


class Growth(Protocol):
    """A body that grows."""

    @property
    def model(self) -> str | None:
        """Who says that it answered."""
        ...

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped, as far as that was told."""
        ...

    @property
    def usage(self) -> dict[str, Any]:
        """What was told of it, in the vendor's names."""
        ...

    @property
    def is_ended(self) -> bool:
        """Whether the answer told its end."""
        ...

    @property
    def is_usage_final(self) -> bool:
        """Whether the usage is the whole call's, once the answer has told its end."""
        ...

    def take(self, event: Mapping[str, Any]) -> Grown:
        """Take in *event*; return what it added."""
        ...

    def body(self) -> dict[str, Any]:
        """Return the body so far."""
        ...


class GrowingText:
    """A text that comes in pieces: they are joined when it is read, since to join them as they come is quadratic."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __str__(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def add(self, piece: str) -> None:
        """Go on with *piece*."""
        if piece:
            self._pieces.append(piece)


class GrowingMembers:
    """The texts in the JSON objects of a body that grow: each comes to stand in its object when they are written in."""

    def __init__(self) -> None:
        self._grown: dict[tuple[int, str], tuple[dict[str, Any], list[str]]] = {}

    def add(self, node: dict[str, Any], name: str, piece: str) -> None:
        """Let the text *name* of *node* go on with *piece*."""
        known = self._grown.get((id(node), name))
        if known is None:
            known = self._grown[id(node), name] = node, [text(node, name)]
        known[1].append(piece)

    def write_in(self) -> None:
        """Make the objects hold what has come."""
        for (_, name), (node, pieces) in self._grown.items():
            node[name] = "".join(pieces)
        self._grown.clear()


@unchanging
class Contents:
    """What a body says."""

    texts: tuple[str, ...]
    """Where the object may stand, the likeliest first; never empty."""
    blocks: tuple[str, ...] = ()
    """What the last of them is made of, where it is long and has not been searched."""
    said: Any = None
    """The message, as it is sent back to be asked about again."""
    finish_reason: str | None = None
    is_refused: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the likeliest text is an object from beginning to end, and short enough to find that out at once."""
        return not self.is_long and is_object(self.texts[0])

    @property
    def is_long(self) -> bool:
        """Whether it takes long to find out whether there is an object."""
        return is_long(self.texts[:1])


def called_first(calls: Iterable[tuple[str, str]], name: str) -> list[int]:
    """Return the places of *calls*, each a name and its arguments: those of the tool *name* first, in their order."""
    named = [one for one, _ in calls]
    return sorted(range(len(named)), key=lambda place: named[place] != name)


def contents(
    calls: Sequence[str], blocks: Sequence[str], *, said: Any, finish_reason: str | None, is_refused: bool
) -> Contents:
    """Return what a body says in the arguments of *calls*, and in *blocks* of text beside them.

    Long texts are not searched here, where all calls of this process have one thread.
    """
    beside = tuple(block for block in blocks if block.strip())
    if not (is_long(beside) and (len({*beside}) > 1 or not looks_bare(beside[0]))):
        found = of_blocks(blocks) if beside or not calls else ()
        return Contents(tuple(dict.fromkeys((*calls, *found))), (), said, finish_reason, is_refused)
    return Contents((*calls, "".join(blocks)), tuple(blocks), said, finish_reason, is_refused)
