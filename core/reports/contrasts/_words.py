"""What stands out, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from core.reports.contrasts._ranking import Reversal, Standout, Trait

_WITHOUT: Mapping[str, str] = {
    "tenant": "calls of no tenant",
    "version": "calls without a registered version of a schema",
    "schema": "calls without a schema",
    "model": "calls that asked no model",
    "provider": "calls that asked no provider",
    "route": "calls without a route",
    "key": "calls without a key",
    "outcome": "calls without an outcome",
    "error": "calls without an error code",
}
_NAMED: Mapping[str, str] = {"version": "schema", "error": "error code"}
_GROUPS: Mapping[str, str] = {"schema": "schemas", "tenant": "tenants"}
Names = Mapping[Trait, str]
"""What people call the values of traits, where that is another."""


def told(trait: Trait, names: Names) -> str:
    """Return a trait in words, such as ``schema invoice v7``."""
    if trait.value is None:
        return _WITHOUT[trait.dimension]
    if trait.dimension == "streamed":
        return "streamed calls" if trait.value == "yes" else "calls that are not streamed"
    return f"{_NAMED.get(trait.dimension, trait.dimension)} {names.get(trait, trait.value)}"


def sentence(found: Standout, selected: int, rest: int, names: Names) -> str:
    """Return what stands out as a sentence without its full stop, with both shares and what takes it back."""
    what = told(found.trait, names)
    verb = "are" if found.trait.value is None or found.trait.dimension == "streamed" else "is"
    shares = f"{found.share:.1%} of these {selected:,} calls, and {found.share_outside:.1%} of the {rest:,} others"
    said = f"{what} {verb} {shares}".replace("%", " %")
    return said if found.reversal is None else f"{said}; but {_reversed(found.reversal)}"


def _reversed(found: Reversal) -> str:
    by = found.dimension
    shares = f"{found.having:.1%} of its calls are selected, and {found.others:.1%} of those without"
    return f"this reverses within {by}: at an equal mix of {_GROUPS[by]} {shares}".replace("%", " %")


def nothing_stands_out(selected: int, rest: int, least: int) -> str:
    """Return why nothing is told of a selection; empty for one that is large enough, and so is the rest."""
    if not selected:
        return "No call is selected."
    if selected < least:
        return f"{selected} {'call' if selected == 1 else 'calls'}: too few to compare."
    if rest < least:
        return f"{rest or 'No'} other {'call' if rest == 1 else 'calls'} to compare with: too few."
    return f"Nothing tells these {selected:,} calls from the {rest:,} others that may not be chance."


def of_how_many(selected: tuple[int, int], rest: tuple[int, int]) -> str | None:
    """Return what was counted of how many, on both sides; ``None`` where it was every call."""
    sides = ((selected, "selected calls"), (rest, "others"))
    some = [f"{counted:,} of {many:,} {which}" for (counted, many), which in sides if counted < many]
    return (
        f"A sample was counted: {' and '.join(some)}, chosen by the microsecond in which they began." if some else None
    )
