"""One colour for one thing: on every page, whatever else is shown, and in every range.

A colour follows from the name alone, so that it stays when the order changes, or what is shown beside it. With so few
colours that people can tell apart two names may have the same one: the later one of a chart is then drawn otherwise
(:class:`Look`). Each holds on white and on near-black, 3 : 1 at least.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from core.reports import OTHERS

NEUTRAL = "#7F8C94"
"""What is no single thing: all others, changes."""
_COLOURS = (
    "#D16E8F", "#B04907", "#889D37", "#077D7D", "#738DE2", "#8D4DA8", "#D67161", "#926209", "#4CA463", "#0F7898",
    "#9F7ED6", "#A74281", "#CB7D34", "#787000", "#0CA592", "#246DC1", "#BE73B8", "#B33F50", "#B18E15", "#437F0E",
    "#01A0B5", "#675CBF", "#359BD9", "#0B815D",
)  # fmt: skip


class Look(NamedTuple):
    """How something is drawn."""

    colour: str
    is_second: bool
    """Whether something before it in the same chart has the same colour: dashed, or paler."""


def colour_of(name: str) -> str:
    """Return the colour of a name; of a model it is the same with its provider and without."""
    if name == OTHERS:
        return NEUTRAL
    return _COLOURS[zlib.crc32(name.rpartition("/")[2].encode("utf-8", "replace")) % len(_COLOURS)]


def looks(names: Iterable[str], known: Mapping[str, str] | None = None) -> list[Look]:
    """Return how each of several names is drawn in one chart; some have a colour that is *known* otherwise."""
    taken: set[str] = set()
    found: list[Look] = []
    for name in names:
        colour = (known or {}).get(name) or colour_of(name)
        found.append(Look(colour, colour in taken))
        taken.add(colour)
    return found
