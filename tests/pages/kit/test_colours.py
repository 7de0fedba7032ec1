"""One colour for one thing."""

from __future__ import annotations

import pytest

from core.reports import OTHERS
from pages.kit import charts
from pages.kit.colours import _COLOURS, NEUTRAL, colour_of, looks

LIGHT, DARK = "#FFFFFF", "#131E25"
"""The lightest and the lighter of the dark grounds."""


def _light(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG has it."""
    low, high = sorted((_light(one), _light(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_colour_is_seen() -> None:
    """On either ground, three to one at least; no two are the same."""
    outcomes = [colour for colour, _ in charts.FAMILIES.values()]
    for colour in (*_COLOURS, NEUTRAL, *charts.PERCENTILES.values(), *outcomes):
        assert min(contrast(colour, LIGHT), contrast(colour, DARK)) >= 3, colour
    assert len(set(_COLOURS)) == len(_COLOURS)


def test_a_colour_is_its_names() -> None:
    """It stays whatever is beside it and in what order; who has the colour of an earlier one is drawn otherwise."""
    names = [f"tenant {n}" for n in range(40)]
    alone = {name: looks([name])[0].colour for name in names}
    for order in (names, names[::-1], names[7:]):
        found = dict(zip(order, looks(order), strict=True))
        assert {name: look.colour for name, look in found.items()} == {name: alone[name] for name in order}
        firsts = [look.colour for look in found.values() if not look.is_second]
        assert len(set(firsts)) == len(firsts)
    assert colour_of("openai/gpt-4o") == colour_of("gpt-4o")
    assert looks([OTHERS])[0].colour == NEUTRAL


def test_who_has_the_colour_of_an_earlier_one_is_paler() -> None:
    """In stacked bars, each of which has a colour: without one it would not be seen."""

    def paler(*colours: str) -> str:
        return str(charts.bars_spec(1, ("one", "two"), colours, "~s")["layer"][0]["encoding"]["opacity"])

    assert "['two']" in paler("#B04907", "#B04907")
    assert "[]" in paler("#B04907", "#889D37")
    with pytest.raises(ValueError, match="zip"):
        paler()
