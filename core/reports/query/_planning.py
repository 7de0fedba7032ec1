"""From what a question is answered: the rollup that holds all it is about, or the calls themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from core.errors import Invalid
from core.reports.query._asking import DIMENSIONS, Query
from core.reports.query._searching import Wanted
from core.reports.reading import Reading
from core.reports.sums import By, SumCondition, SumQuestion
from core.rollups.facets import ALL, ATTEMPTS, CALLS, ERROR, FIELDS, KEY, MODEL, OUTCOME, ROUTE, SCHEMA, Facet
from core.rollups.facts import SUMS_OF_ATTEMPTS
from core.rollups.sums import OF_ATTEMPTS

MOST_READ = 200_000
"""Calls that are added up where no rollup holds an answer."""
REACHED = ("reached", "reached_valid", "reached_checked")
"""Sums that are not kept of attempts, and follow from …"""
REACHED_FROM = ("attempts", "valid", "answers", "unchecked")
"""… these of theirs."""
_Keys = tuple[By, ...]
_KEYS: _Keys = ("value", "detail")


@dataclass(frozen=True, slots=True)
class _Keyed:
    """How a rollup holds a dimension."""

    keys: _Keys
    between: str = ""
    """What parts its two keys in a value."""


_ROLLUPS: Sequence[tuple[Facet, Mapping[str, _Keyed]]] = (
    (ALL, {}),
    (ROUTE, {"route": _Keyed(("value",))}),
    (SCHEMA, {"schema": _Keyed(("value",)), "version": _Keyed(("value", "detail"), "@")}),
    (KEY, {"key": _Keyed(("value",))}),
    (OUTCOME, {"outcome": _Keyed(("value",))}),
    (ERROR, {"error": _Keyed(("value",)), "outcome": _Keyed(("detail",))}),
    (MODEL, {"provider": _Keyed(("value",)), "model": _Keyed(("value", "detail"), "/")}),
)
"""Which dimensions each holds together, beside tenants and time."""
_OF_FACTS = {"model": "d.model", "version": "d.schema_version"}
"""What a search compares, where that is not the dimension's whole value."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a question is asked."""

    question: SumQuestion
    """By :attr:`keys`."""
    dimensions: Sequence[str]
    held: Mapping[str, _Keyed]

    @property
    def keys(self) -> _Keys:
        """What the rows are of, in the order in which they come."""
        return self.question.by

    def values(self, row: Sequence[str]) -> tuple[str | None, ...]:
        """Return the value of each dimension, of a row's keys; ``None`` where a call has none."""
        found = dict(zip(self.keys, row, strict=True))
        return tuple(self._value(self.held[name], found) for name in self.dimensions)

    @staticmethod
    def _value(held: _Keyed, found: Mapping[By, str]) -> str | None:
        return held.between.join(found[key] for key in held.keys).removesuffix(held.between or "\0") or None


def planned(reading: Reading, query: Query, searched: Sequence[Wanted]) -> Plan:
    """Return how *query* is asked.

    Raises:
        Invalid: what it is about has no such figures.

    """
    told = [one for one in query.dimensions if one != "tenant"]
    needed = {*told, *(one.dimension for one in searched)} - {"tenant"}
    has_error = "error" in told or any(
        one.dimension == "error" and not one.is_not and "" not in one.values for one in searched
    )
    held: Mapping[str, _Keyed]
    for facet, held in _ROLLUPS:
        if needed <= held.keys() and (facet is not ERROR or has_error):
            columns = {name: f"{{{one.keys[-1]}}}" for name, one in held.items()}
            break
    else:
        facet, held = _of_calls(told, needed, has_error=has_error)
        columns = {name: _OF_FACTS.get(name, one.fact) for name, one in DIMENSIONS.items()}
    used = {key for name in told for key in held[name].keys}
    own: _Keys = ("tenant_id",) if "tenant" in query.dimensions else ()
    return Plan(
        SumQuestion(
            window=query.window,
            facet=facet,
            by=(*own, *(key for key in _KEYS if key in used)),
            tenants=_tenants(reading, [one for one in searched if one.dimension == "tenant"]),
            conditions=[_condition(one, columns) for one in searched if one.dimension != "tenant"],
            names=_names(query, facet, needed),
        ),
        query.dimensions,
        {"tenant": _Keyed(("tenant_id",)), **held},
    )


def _of_calls(told: Sequence[str], needed: Collection[str], *, has_error: bool) -> tuple[Facet, Mapping[str, _Keyed]]:
    """Return what stands for a rollup where none holds all that is needed."""
    facts = [DIMENSIONS[name].fact for name in told]
    if any(DIMENSIONS[name].of_attempts for name in needed):
        family = f"d.family = {ATTEMPTS}"
    elif {"outcome", "error"}.intersection(needed):
        family = f"d.family = {CALLS}"
    else:
        family = f"d.family <> {FIELDS}"
    facet = Facet(
        name="",
        value=facts[0] if facts else "''",
        detail=facts[1] if len(facts) > 1 else "''",
        where=f"{family} AND d.error_code <> ''" if has_error else family,
        is_apart=any(DIMENSIONS[name].of_attempts for name in needed),
        widths=(),
    )
    return facet, {name: _Keyed((key,)) for name, key in zip(told, _KEYS, strict=False)}


def _condition(one: Wanted, columns: Mapping[str, str]) -> SumCondition:
    text = f"{columns[one.dimension]} IN ({{list}})"
    if one.dimension == "model":
        text = f"({columns['provider']} || '/' || {columns['model']} IN ({{list}}) OR {columns['model']} IN ({{more}}))"
    return SumCondition(f"NOT ({text})" if one.is_not else text, one.values, one.short)


def _tenants(reading: Reading, searched: Sequence[Wanted]) -> Sequence[str] | None:
    """Return the tenants that pass; ``None`` if all do."""
    if not searched:
        return None
    found = set(reading.tenants) if all(one.is_not for one in searched) else set[str]()
    for place, one in enumerate(sorted(searched, key=lambda one: one.is_not)):
        some = set(one.values)
        found = found - some if one.is_not else found & some if place else some
    return sorted(found)


def _names(query: Query, facet: Facet, needed: Collection[str]) -> tuple[str, ...]:
    """Return the sums from which the measures follow, and the order of the groups."""
    # Whoever called has a line, also where nothing else is known of him.
    names: dict[str, None] = dict.fromkeys(("calls", "attempts") if facet.is_apart else ("calls",))
    apart = " and ".join(sorted(needed))
    for measure in query.asked:
        wanted = [*measure.needs, *measure.ranked_by]
        if facet.is_apart and set(wanted) & set(REACHED):
            wanted = [*(one for one in wanted if one not in REACHED), *REACHED_FROM]
        if facet.is_apart:
            missing = [one for one in wanted if one not in SUMS_OF_ATTEMPTS]
        else:
            is_of_calls = facet.where.startswith(f"d.family = {CALLS}")
            missing = [one for one in wanted if is_of_calls and one in OF_ATTEMPTS]
        if missing:
            raise Invalid(f"'{measure.name}' is not known by {apart}. Ask for it by something else, or leave it out.")
        names.update(dict.fromkeys(wanted))
    return tuple(names)
