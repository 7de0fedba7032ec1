"""A search as conditions of sums: those terms that are about what figures are kept by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_
from sqlmodel import col, select

from core.call_search import (
    OUTCOME_GROUPS,
    SUPERSEDED_CALLS,
    Either,
    FieldMatch,
    FieldRange,
    Negation,
    Term,
    parts,
    printed,
    read_search,
)
from core.errors import Invalid
from core.reports.query._asking import DIMENSIONS
from core.reports.reading import Reading
from core.small_letters import small
from core.tables import BLOCKED, ERRORS, VALID, ApiKey, ModelListing

_GROUPS = dict(zip(OUTCOME_GROUPS, (VALID, ERRORS, BLOCKED), strict=True))
_MOST_VALUES = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which values of a dimension are counted, or which are not."""

    dimension: str
    values: tuple[str, ...]
    """Exactly these; an empty text where a call has none. Of a version its number, of a model ``provider/name`` …"""
    is_not: bool = False
    short: tuple[str, ...] = ()
    """… or a name, whoever provides it."""


def wanted(reading: Reading, q: str) -> list[Wanted]:
    """Return what a search asks of figures, all of which must hold.

    Raises:
        Invalid: it cannot be read, or is about something that figures are not kept by.

    """
    return [_wanted(reading, term) for term in parts(read_search(q).term)]


def _wanted(reading: Reading, term: Term) -> Wanted:
    is_not = isinstance(term, Negation)
    inner = term.of if isinstance(term, Negation) else term
    alternatives = inner.of if isinstance(inner, Either) else (inner,)
    fields = {one.field for one in alternatives if isinstance(one, FieldMatch | FieldRange)}
    if len(fields) > 1:
        raise Invalid(f"'{printed(term)[:80]}' is about several fields at once. Figures know 'OR' within one field.")
    values = tuple(dict.fromkeys(value for one in alternatives for value in _values(reading, one, term)))
    if len(values) > _MOST_VALUES:
        raise Invalid(f"'{printed(term)[:80]}' stands for {len(values):,} values, and {_MOST_VALUES} are compared.")
    [field] = fields
    if field != "model":
        return Wanted(field, values, is_not)
    listed = set(reading.session.exec(select(ModelListing.provider)))  # which are nobody's alone
    short = tuple(one for one in values if one.partition("/")[0] not in listed)
    return Wanted(field, tuple(one or "/" for one in values), is_not, short)


def _values(reading: Reading, term: Term, whole: Term) -> Sequence[str]:
    if isinstance(term, FieldRange) and term.field == "version" and term.low == term.high and term.low is not None:
        return (str(term.low.value),)
    if not isinstance(term, FieldMatch) or term.field not in DIMENSIONS:
        raise Invalid(_not_kept(whole))
    if None in term.pattern:
        raise Invalid(f"'{printed(whole)[:80]}': figures are asked for by whole values, without '*'.")
    value = "".join(part or "" for part in term.pattern)
    return _NAMED[term.field](reading, value) if term.field in _NAMED else (value,)


def _not_kept(term: Term) -> str:
    return (
        f"No figures are kept by '{printed(term)[:80]}'. They are by {', '.join(DIMENSIONS)}; "
        "look for single calls on the page Calls."
    )


def _tenants(reading: Reading, value: str) -> Sequence[str]:
    alike = [one for one, facts in reading.tenants.items() if small(facts.name) == small(value)]
    return sorted({*alike, value})


def _keys(reading: Reading, value: str) -> Sequence[str]:
    if not value:
        return ("",)
    shown = value.removesuffix("…")
    named = or_(*(col(name) == shown for name in (ApiKey.name, ApiKey.prefix, ApiKey.old_prefix)))
    found = reading.ask(select(col(ApiKey.id)).where(named).limit(_MOST_VALUES + 1), ApiKey.tenant_id)
    return sorted({value, *(row[0] for row in found)})


def _outcomes(_: Reading, value: str) -> Sequence[str]:
    if value == SUPERSEDED_CALLS:
        raise Invalid("Calls that their client asked again for count with the one that did, so there are no figures.")
    return sorted(_GROUPS[value]) if value in _GROUPS else (value,)


_NAMED = {"tenant": _tenants, "key": _keys, "outcome": _outcomes}
