"""Parts of messages as dialects read them: each with the place in the body where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.dialects._body import Path, is_deep
from core.dialects._stored import KeptState, named_within
from core.errors import Invalid
from core.messages import Leaf, Media, Message, Opaque, leaves

Placed = tuple[Leaf, Path]
"""A leaf, and where its texts stand; an empty path where it has none."""


def opaque(kind: str, value: Any) -> Opaque:
    """Return a part of a kind that is not known.

    Raises:
        Invalid: it nests too deep to be kept.

    """
    if is_deep(value):
        raise Invalid(f"A part of a message ({kind[:40]}) nests too deep to be kept; nest it less.")
    return Opaque(kind[:40], value)


def files_in(messages: Sequence[Message], where: str) -> Iterator[KeptState]:
    """Yield what parts name of files, containers and the like at the vendor's, parts of unknown kinds included."""
    for leaf in leaves(messages):
        if isinstance(leaf, Media) and leaf.file_id:
            yield KeptState(where, "file", leaf.file_id)
        elif isinstance(leaf, Opaque):
            yield from named_within(leaf.value, where)
