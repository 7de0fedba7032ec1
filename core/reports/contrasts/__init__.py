"""What is different about some calls: what they have more often in common than all others of the same time.

Both halves are counted from the calls themselves, in one look, so that the selected ones are no part of what they are
held against. Of very many a sample is counted, which is said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, func, literal_column, select
from sqlmodel import col

from core.call_search import fields_of, parts
from core.reports.calls._conditions import condition
from core.reports.calls._filters import CallFilter
from core.reports.contrasts._ranking import DIMENSIONS, LEAST_COMPARED, Alike, ranked, some_of
from core.reports.contrasts._ranking import Standout as Standout
from core.reports.contrasts._ranking import Trait as Trait
from core.reports.contrasts._words import nothing_stands_out, of_how_many, sentence
from core.reports.contrasts._words import told as told
from core.reports.reading import Reading
from core.reports.value_names import value_names
from core.tables import GenerationRow

MOST_COMPARED = 50_000
"""Calls on either side that are counted; of more it is a sample of about so many."""
_PARTS = 65_536
_PART = literal_column("(generation.started_at % 1000003) * 7919 % 65536", BigInteger)
"""Which of so many parts a call is in, by the microsecond in which it began: that has nothing to do with how it went,
and the index of calls by time has it, while their ids would be read from the table."""
_CHOSEN_BY = {"field": "outcome", "attempts": "outcome"}
"""By which dimension a term chooses, where it is not called as that. An error in a field makes an answer invalid, and
several attempts make it valid after something."""
_CALL = GenerationRow
_COLUMNS: tuple[Any, ...] = (
    _CALL.tenant_id,
    _CALL.schema_name,
    _CALL.schema_version,
    _CALL.provider,
    _CALL.model,
    _CALL.route,
    _CALL.key_id,
    _CALL.outcome,
    _CALL.error_code,
    _CALL.streamed,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """What is different about the selected calls."""

    selected: int
    """Selected calls that were counted …"""
    rest: int
    """… and others of the same time."""
    standouts: Sequence[Standout]
    """The most telling first; those that reverse within groups last."""
    sentences: Sequence[str]
    """What each of them says, or in one sentence why there are none."""
    names: Mapping[Trait, str]
    """What people call the values of their traits, where that is another."""
    examples: Sequence[str]
    """Ids of up to three of the selected calls, the newest first."""
    sample: str | None
    """What was counted, in a sentence, where it was not every call."""


def contrast(reading: Reading, within: CallFilter, selected: CallFilter) -> Contrast:
    """Return what tells the calls that pass *selected* from the others that pass *within*.

    Who passes *selected* alone, as it began at another time, is on neither side.
    """
    every, is_selected = condition(reading, within), condition(reading, selected)
    if selected.tenant_id:
        is_selected = and_(is_selected, col(_CALL.tenant_id) == selected.tenant_id)
    counted = select(func.count(), func.count(case((is_selected, 1)))).select_from(_CALL).where(every)
    [(calls, inside)] = reading.ask(counted)
    looked_at = _of_both(every, is_selected, inside, calls - inside)
    alike = [_read(*row) for row in reading.ask(_counted(looked_at, is_selected))]
    chosen, rest = sum(one.inside for one in alike), sum(one.outside for one in alike)
    stands_for = (inside / chosen if chosen else 1.0, (calls - inside) / rest if rest else 1.0)
    standouts = ranked(alike, chosen_by(within, selected), stands_for)
    names = _names(reading, [trait for one in standouts for trait in (one.trait, *one.also)])
    said = [sentence(one, chosen, rest, names) for one in standouts]
    return Contrast(
        selected=chosen,
        rest=rest,
        standouts=standouts,
        sentences=said or [nothing_stands_out(chosen, rest, LEAST_COMPARED)],
        names=names,
        examples=some_of(alike),
        sample=of_how_many((chosen, inside), (rest, calls - inside)),
    )


def chosen_by(within: CallFilter, selected: CallFilter) -> Collection[str]:
    """Return the dimensions by which a filter chooses among the calls of another: of these nothing is told."""
    known = parts(within.term)
    given = {name for one in parts(selected.term) if one not in known for name in fields_of(one)}
    if selected.tenant_id not in (None, within.tenant_id):
        given.add("tenant")
    return {_CHOSEN_BY.get(name, name) for name in given}


def _of_both(every: ColumnElement[bool], is_selected: ColumnElement[bool], inside: int, outside: int) -> Any:
    """Return the condition of the calls that are counted: of more than are compared at most a sample, side by side."""
    # Out of the parts into which calls fall by chance, as many as come to the number that is compared.
    some, others = (min(_PARTS, max(1, MOST_COMPARED * _PARTS // max(1, many))) for many in (inside, outside))
    if some == others == _PARTS:
        return every
    return and_(every, case((is_selected, some), else_=others) > _PART)


def _counted(looked_at: ColumnElement[bool], is_selected: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the question how many calls are alike, selected and not, with the ids of some that are selected."""
    call_id = col(_CALL.id)
    counts = (
        func.count(case((is_selected, 1))),
        func.count(case((is_selected, None), else_=1)),
        func.max(case((is_selected, call_id))),
        func.max(case((and_(is_selected, func.substr(call_id, 32) < "8"), call_id))),
        func.min(case((is_selected, call_id))),
    )
    return select(*_COLUMNS, *counts).where(looked_at).group_by(*_COLUMNS)


def _read(*row: Any) -> Alike:
    tenant, schema, version, provider, model, route, key, outcome, error, streamed, inside, outside, *some = row
    values = {
        "tenant": tenant,
        "version": None if version is None else f"{schema}@{version}",
        "schema": schema,
        "model": None if model is None else f"{provider}/{model}",
        "provider": provider,
        "route": route,
        "key": key,
        "outcome": outcome,
        "error": error,
        "streamed": "yes" if streamed else "no",
    }
    traits = tuple(Trait(dimension, values[dimension] or None) for dimension in DIMENSIONS)
    return Alike(traits=traits, inside=inside, outside=outside, examples=tuple({one for one in some if one}))


def _names(reading: Reading, traits: Sequence[Trait]) -> Mapping[Trait, str]:
    """Return what people call tenants, keys, versions and outcomes that have other values."""
    found = value_names(reading, [(trait.dimension, trait.value) for trait in traits])
    return {Trait(dimension, value): name for (dimension, value), name in found.items()}
