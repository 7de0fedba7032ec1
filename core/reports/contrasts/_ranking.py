"""Which traits tell a selection of calls from all others, most telling first: counts in, a ranking out.

A trait is ranked by the difference of its shares inside and outside, not by their ratio, which has no end where nothing
is outside. It must be no chance, among all traits that were looked at (:mod:`core.reports.contrasts._odds`), and be had
by some calls. What says the same of the same calls is told once. What is the other way round at an equal mix of
schemas, or of tenants, says so and stands behind all others: the mix makes the difference then, not the trait.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from core.reports.contrasts._odds import fisher, standing

DIMENSIONS = ("tenant", "version", "schema", "model", "provider", "route", "key", "outcome", "error", "streamed")
"""What is looked at. Of two that say the same, the earlier one is told."""
IMPLIED: Mapping[str, Collection[str]] = {
    "tenant": ("tenant", "key"),
    "key": ("key", "tenant"),
    "version": ("version", "schema"),
    "schema": ("schema", "version"),
    "model": ("model", "provider"),
    "provider": ("provider", "model"),
    "route": ("route",),
    "outcome": ("outcome", "error"),
    "error": ("error", "outcome"),
    "streamed": ("streamed",),
}
"""What follows from a choice by one dimension: that all calls so chosen have it says nothing."""
LEAST_COMPARED = 5
"""Of fewer calls on either side nothing is said: three of three look like a cause, and are none."""
LEAST_CALLS = 3
LEAST_SHARE = 0.05
"""A trait is had by so many selected calls, or by such a share of them."""
MOST_TOLD = 10
SAME_CALLS = 0.95
"""Two traits say the same when so large a share of the calls that have one has both."""
MIXED_BY = ("schema", "tenant")
_SEEN_TRAITS = 0.5
"""An equal mix is spoken of where such a share of the calls that have a trait is in groups that have others as well."""


class Trait(NamedTuple):
    """One value of one dimension; ``None`` where calls have none."""

    dimension: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Calls that are the same in every dimension."""

    traits: tuple[Trait, ...]
    inside: int
    outside: int
    examples: tuple[str, ...] = ()
    """Ids of some that are inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """A trait that speaks the other way once groups are compared each for itself."""

    dimension: str
    """By which they are grouped."""
    having: float
    """The share of calls with the trait that is selected, at an equal mix of the groups."""
    others: float
    """The same of those without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standout:
    """A trait that tells the selected calls from the others."""

    trait: Trait
    also: Sequence[Trait]
    """Others that the same calls have."""
    inside: int
    """Selected calls that have it …"""
    outside: int
    """… and others."""
    share: float
    """Of the selected calls."""
    share_outside: float
    likelihood: float
    """That chance alone sets the shares as far apart."""
    reversal: Reversal | None
    examples: tuple[str, ...]
    """Ids of up to three selected calls that have it, the newest first."""

    @property
    def difference(self) -> float:
        """How far apart the shares are."""
        return self.share - self.share_outside


def ranked(
    calls: Sequence[Alike], chosen_by: Collection[str] = (), stands_for: tuple[float, float] = (1.0, 1.0)
) -> list[Standout]:
    """Return what tells those inside from those outside; *chosen_by* are dimensions by which they were chosen.

    Of a sample, *stands_for* says how many calls one inside stands for, and one outside.
    """
    selected, rest = sum(one.inside for one in calls), sum(one.outside for one in calls)
    if min(selected, rest) < LEAST_COMPARED:
        return []
    implied = {*chain.from_iterable(IMPLIED.get(one, (one,)) for one in chosen_by)}
    having = _by_trait(calls, implied)
    inside = {trait: sum(calls[place].inside for place in places) for trait, places in having.items()}
    outside = {trait: sum(calls[place].outside for place in places) for trait, places in having.items()}
    frequent = [
        trait
        for trait, count in inside.items()
        if (count >= LEAST_CALLS or count >= LEAST_SHARE * selected) and count * rest > outside[trait] * selected
    ]
    likelihoods = {trait: fisher(inside[trait], selected, outside[trait], rest) for trait in frequent}
    untold = [1.0] * (len(having) - len(frequent))
    stands = standing([*likelihoods.values(), *untold])
    told = [trait for trait, does in zip(frequent, stands, strict=False) if does]
    told.sort(key=lambda one: (outside[one] / rest - inside[one] / selected, -inside[one], _place(one)))
    found: list[Standout] = []
    for trait, *also in _said_once(told, having, calls):
        known = implied | {*chain.from_iterable(IMPLIED[one.dimension] for one in also)} | {trait.dimension}
        reversals = (_reversal(calls, having[trait], by, stands_for) for by in MIXED_BY if by not in known)
        found.append(
            Standout(
                trait=trait,
                also=also,
                inside=inside[trait],
                outside=outside[trait],
                share=inside[trait] / selected,
                share_outside=outside[trait] / rest,
                likelihood=likelihoods[trait],
                reversal=next((one for one in reversals if one), None),
                examples=some_of(calls[place] for place in having[trait]),
            )
        )
    return sorted(found, key=lambda one: one.reversal is not None)[:MOST_TOLD]


def some_of(calls: Iterable[Alike]) -> tuple[str, ...]:
    """Return the ids of three of *calls* that are inside, the newest first."""
    return tuple(sorted({*chain.from_iterable(one.examples for one in calls)}, reverse=True)[:3])


def _place(trait: Trait) -> tuple[int, str]:
    return DIMENSIONS.index(trait.dimension), trait.value or ""


def _by_trait(calls: Sequence[Alike], implied: Collection[str]) -> Mapping[Trait, set[int]]:
    """Return the places of the calls that have each trait."""
    having: defaultdict[Trait, set[int]] = defaultdict(set)
    for place, one in enumerate(calls):
        for trait in one.traits:
            if trait.dimension not in implied:
                having[trait].add(place)
    return having


def _said_once(
    told: Sequence[Trait], having: Mapping[Trait, set[int]], calls: Sequence[Alike]
) -> Iterable[Sequence[Trait]]:
    """Return *told* in groups that say the same of the same calls, each with its most telling trait first."""
    counts = {trait: _counted(having[trait], calls) for trait in told}
    groups: list[list[Trait]] = []
    for trait in told:
        for group in groups:
            first = group[0]
            fewer, more = sorted((counts[trait], counts[first]))
            if fewer < SAME_CALLS * more:
                continue
            both = _counted(having[trait] & having[first], calls)
            if both >= SAME_CALLS * (fewer + more - both):
                group.append(trait)
                break
        else:
            groups.append([trait])
    return groups


def _counted(places: Iterable[int], calls: Sequence[Alike]) -> int:
    return sum(calls[place].inside + calls[place].outside for place in places)


def _reversal(
    calls: Sequence[Alike], having: Collection[int], by: str, stands_for: tuple[float, float]
) -> Reversal | None:
    """Return how the trait that some calls are *having* speaks where groups *by* something are mixed equally.

    Groups in which all calls have it, or none, say nothing of it. ``None`` where it speaks as it does altogether, or
    where most calls that have it are in such groups.
    """
    groups: defaultdict[Trait | None, list[float]] = defaultdict(lambda: [0, 0, 0, 0])
    inside, outside = stands_for
    for place, one in enumerate(calls):
        group = groups[next((trait for trait in one.traits if trait.dimension == by), None)]
        at = 0 if place in having else 2
        group[at] += one.inside * inside
        group[at + 1] += one.inside * inside + one.outside * outside
    told = [group for group in groups.values() if group[1] and group[3]]
    if sum(group[1] for group in told) < _SEEN_TRAITS * sum(group[1] for group in groups.values()):
        return None
    every = sum(group[1] + group[3] for group in told)
    with_it = sum(group[0] / group[1] * (group[1] + group[3]) for group in told) / every
    without = sum(group[2] / group[3] * (group[1] + group[3]) for group in told) / every
    return Reversal(dimension=by, having=with_it, others=without) if with_it <= without else None
