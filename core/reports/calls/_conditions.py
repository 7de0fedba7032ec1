"""A search of calls as a condition of SQL, which each of its terms has its part of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, false, literal_column, not_, or_, select, true
from sqlmodel import col

from core.call_search import (
    OUTCOME_GROUPS,
    SUPERSEDED_CALLS,
    WORDS,
    Either,
    Every,
    FieldMatch,
    FieldRange,
    Negation,
    Pattern,
    Term,
)
from core.errors import Invalid
from core.reports.calls._columns import COST, FULL_MODEL, IS_SUPERSEDED, IS_UNPRICED, TOKENS, wide
from core.reports.calls._filters import CallFilter
from core.reports.calls._patterns import PatternSql
from core.reports.calls._texts import IS_FAILED, CallTexts
from core.reports.reading import Reading
from core.small_letters import small
from core.tables import (
    BLOCKED,
    ERRORS,
    VALID,
    ApiKey,
    AttemptRow,
    FieldError,
    FindingRow,
    GenerationRow,
    ModelListing,
    Outcome,
    UtcTime,
)

_MOST_TENANTS = 2_000
"""In so many tenants a user is looked for: each hashes him in its own way."""
_MEMBERS = {"any_valid": VALID, "any_error": ERRORS, "any_blocked": BLOCKED}
GROUPS = {name: tuple(sorted(one.value for one in _MEMBERS[name])) for name in OUTCOME_GROUPS}
_COLUMNS: Mapping[str, Any] = {
    "error": col(GenerationRow.error_code),
    "schema": col(GenerationRow.schema_name),
    "route": col(GenerationRow.route),
}
_NUMBERS: Mapping[str, Any] = {
    "version": wide(col(GenerationRow.schema_version)),
    "latency": col(GenerationRow.duration_ms),
    "ttft": col(GenerationRow.ttft_ms),
    "cost": COST,
    "wasted": col(GenerationRow.wasted_nano_usd),
    "tokens": TOKENS,
    "input_tokens": wide(col(GenerationRow.input_tokens)),
    "output_tokens": wide(col(GenerationRow.output_tokens)),
    "attempts": wide(col(GenerationRow.attempts)),
}
_FLOATS = {"latency", "ttft"}
_FARTHEST = 2**63 - 1
_TELLING = 16
"""So many letters of an id are more than its time."""
_SWITCHES: Mapping[str, ColumnElement[bool]] = {
    "streamed": col(GenerationRow.streamed).is_(true()),
    "estimated": col(GenerationRow.estimated).is_(true()),
    "unpriced": IS_UNPRICED,
    "reask": col(GenerationRow.reask_of).is_not(None),
}


def condition(reading: Reading, wanted: CallFilter, now: datetime | None = None) -> ColumnElement[bool]:
    """Return what holds of the calls that pass *wanted*, but for the tenants that may be seen.

    Raises:
        Invalid: its search cannot be read, or cannot be asked.

    """
    term = wanted.term
    made = _CallConditions(reading, wanted, now)
    if term is None:
        return within(wanted)
    found = made.of(term)
    if isinstance(term, FieldMatch) and term.field == WORDS:  # a whole id is found whenever it was
        whole = col(GenerationRow.id) == "".join(part or "*" for part in term.pattern)
        return or_(and_(within(wanted), found), whole)
    return and_(within(wanted, by_index=not made.is_narrow(term)), found)


def within(wanted: CallFilter, *, by_index: bool = True) -> ColumnElement[bool]:
    """Return the condition that a call began in the time; not *by_index* where few calls are named otherwise."""
    at: Any = col(GenerationRow.started_at)
    if by_index:
        return and_(at >= wanted.starts_at, at < wanted.ends_at)
    plain: ColumnElement[Any] = literal_column("(generation.started_at + 0)", UtcTime)
    begins, ends = (bindparam(None, at, UtcTime) for at in (wanted.starts_at, wanted.ends_at))
    return and_(plain >= begins, plain < ends)


class _CallConditions:
    """Makes the parts of one condition."""

    def __init__(self, reading: Reading, wanted: CallFilter, now: datetime | None) -> None:
        self._reading, self._wanted = reading, wanted
        self._like = PatternSql(is_sqlite=reading.is_sqlite)
        self._texts = CallTexts(reading, wanted.starts_at, wanted.ends_at, now or wanted.ends_at)
        self._special: Mapping[str, Callable[[Pattern], ColumnElement[bool]]] = {
            "tenant": self._tenant,
            "key": self._key,
            "user": self._user,
            "outcome": self._outcome,
            "model": self._model,
            "provider": self._provider,
            "field": self._field,
            "guardrail": lambda pattern: self._finding(pattern, None),
            "found": lambda pattern: self._finding(None, pattern),
            "id": self._texts.id_like,
            "request": self._texts.request_like,
            "detail": self._texts.in_detail,
            WORDS: self._texts.words,
        }

    def of(self, term: Term, beside: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
        """Return what holds where *term* does; *beside* is what must hold as well, for what looks at few calls."""
        match term:
            case Negation():
                return self.of(term.of).is_not(true())
            case Either():
                return or_(*map(self.of, term.of))
            case Every():
                return self._every(term)
            case FieldRange():
                return self._range(term)
            case FieldMatch():
                return self._match(term, beside)

    def is_narrow(self, term: Term) -> bool:
        """Whether it names few calls by itself, so that those are read instead of all of the time."""
        some = term.of if isinstance(term, Every) else (term,)
        named = [one for one in some if isinstance(one, FieldMatch) and one.field in {WORDS, "id", "request"}]
        return any(_is_name(one) for one in named)

    def _every(self, term: Every) -> ColumnElement[bool]:
        """Return it for terms that hold together: what was found where is about one and the same finding."""
        found = {one.field: one.pattern for one in term.of if isinstance(one, FieldMatch) and one.pattern}
        guardrail, kind = found.get("guardrail"), found.get("found")
        parts: list[ColumnElement[bool]] = []
        late: list[FieldMatch] = []
        for one in term.of:
            if isinstance(one, FieldMatch) and one.field in {"prompt", "answer"} and one.pattern:
                late.append(one)
            elif guardrail and kind and one == FieldMatch("found", kind):
                continue
            elif guardrail and kind and one == FieldMatch("guardrail", guardrail):
                parts.append(self._finding(guardrail, kind))
            else:
                parts.append(self.of(one))
        for one in late:
            parts.append(self.of(one, and_(*parts) if parts else None))
        return and_(*parts)

    def _range(self, term: FieldRange) -> ColumnElement[bool]:
        column = _NUMBERS[term.field]
        kind = float if term.field in _FLOATS else _whole
        parts: list[ColumnElement[bool]] = []
        if low := term.low:
            parts.append(column >= kind(low.value) if low.is_within else column > kind(low.value))
        if high := term.high:
            parts.append(column <= kind(high.value) if high.is_within else column < kind(high.value))
        return and_(*parts)

    def _match(self, term: FieldMatch, beside: ColumnElement[bool] | None) -> ColumnElement[bool]:
        name, pattern = term.field, term.pattern
        if name in _NUMBERS:
            return _NUMBERS[name].is_not(None) if pattern else _NUMBERS[name].is_(None)
        if name in _SWITCHES:
            return _switch(_SWITCHES[name], pattern)
        if name == "error" and pattern:
            return and_(IS_FAILED, self._like.name(col(GenerationRow.error_code), pattern))
        if name in _COLUMNS:
            return self._like.name(_COLUMNS[name], pattern)
        if name == "metadata":
            return self._texts.noted(term.key, pattern)
        if name in {"prompt", "answer"}:
            return self._texts.kept(name, pattern, beside)
        return self._special[name](pattern)

    def _tenant(self, pattern: Pattern) -> ColumnElement[bool]:
        if not pattern:
            return col(GenerationRow.tenant_id) == ""
        wanted = tuple(small(part) for part in pattern)
        found = [one for one, facts in self._reading.tenants.items() if _is_like(small(facts.name) or "", wanted)]
        by_id = self._like.name(col(GenerationRow.tenant_id), pattern)
        return or_(col(GenerationRow.tenant_id).in_(sorted(found)), by_id) if found else by_id

    def _key(self, pattern: Pattern) -> ColumnElement[bool]:
        column = col(GenerationRow.key_id)
        if not pattern:
            return self._like.name(column, pattern)
        names = (ApiKey.name, ApiKey.prefix, ApiKey.old_prefix)
        shown = tuple(part and part.removesuffix("…") for part in pattern)
        known = select(col(ApiKey.id)).where(or_(*(self._like.name(col(name), shown) for name in names)))
        return or_(column.in_(known), self._like.name(column, pattern))

    def _user(self, pattern: Pattern) -> ColumnElement[bool]:
        column = col(GenerationRow.user_hash)
        if pattern in ((), (None,)):
            return self._like.name(column, pattern)
        if None in pattern:
            raise Invalid("Of users a hash is kept, so a part of a name finds none. Write all of it, without stars.")
        tenants = [one for one in self._reading.tenants if self._reading.scope.holds(one)]
        if len(tenants) > _MOST_TENANTS:
            raise Invalid(f"A user is looked for in {_MOST_TENANTS:,} tenants at most. Choose the tenant beside it.")
        name = "".join(part or "" for part in pattern)
        hashes = {one for tenant_id in tenants for one in self._reading.own_keys.user_hashes(tenant_id, name)}
        return column.in_(sorted(hashes | {name}))

    def _outcome(self, pattern: Pattern) -> ColumnElement[bool]:
        column = col(GenerationRow.outcome)
        if pattern == (SUPERSEDED_CALLS,):
            return IS_SUPERSEDED
        if len(pattern) == 1 and pattern[0] in GROUPS:
            one_of = column.in_(GROUPS[pattern[0]])
            if pattern[0] == "any_valid":
                return one_of
            return (
                and_(IS_FAILED, one_of, not_(IS_SUPERSEDED)) if pattern[0] == "any_error" else and_(IS_FAILED, one_of)
            )
        found = self._like.name(column, pattern)
        is_other = len(pattern) == 1 and pattern[0] not in (None, Outcome.VALID_FIRST_TRY)
        return and_(IS_FAILED, found) if is_other else found

    def _model(self, pattern: Pattern) -> ColumnElement[bool]:
        column = col(GenerationRow.model)
        if len(pattern) == 1 and pattern[0] and "/" in pattern[0]:
            provider, _, name = pattern[0].partition("/")
            whole = and_(col(GenerationRow.provider) == provider, column == name)
            is_provider = select(col(ModelListing.provider)).where(col(ModelListing.provider) == provider).exists()
            return or_(whole, and_(column == pattern[0], not_(is_provider)))  # names of some begin with a vendor's
        if pattern in ((), (None,)):
            return self._like.name(column, pattern)
        by_name = self._like.name(column, pattern)
        return or_(by_name, self._like.name(FULL_MODEL, pattern)) if None in pattern else by_name

    def _provider(self, pattern: Pattern) -> ColumnElement[bool]:
        """Return the condition that it was asked; who was asked once only is told by the call itself."""
        asked = self._like.name(col(GenerationRow.provider), pattern)
        if not pattern:
            return asked
        attempt = select(col(AttemptRow.id)).where(
            col(AttemptRow.generation_id) == col(GenerationRow.id),
            self._like.name(col(AttemptRow.provider), pattern),
        )
        return or_(asked, and_(col(GenerationRow.attempts) > 1, attempt.exists()))

    def _field(self, pattern: Pattern) -> ColumnElement[bool]:
        failed = select(col(FieldError.id)).where(col(FieldError.generation_id) == col(GenerationRow.id))
        if not pattern:
            return not_(failed.exists())
        is_path = pattern[0] is None or pattern[0].startswith("$")
        path = pattern if is_path else (None, f".{pattern[0]}", *pattern[1:])
        return failed.where(self._like.name(col(FieldError.path), path)).exists()

    def _finding(self, guardrail: Pattern | None, kind: Pattern | None) -> ColumnElement[bool]:
        """Return the condition that it was found; the calls are looked for among the findings, which are fewer."""
        wanted, parts = self._wanted, list[ColumnElement[bool]]()
        if wanted.tenant_id:
            parts.append(col(FindingRow.tenant_id) == wanted.tenant_id)
        for column, pattern in ((FindingRow.guardrail, guardrail), (FindingRow.kind, kind)):
            if pattern:
                parts.append(self._like.name(col(column), pattern))
        at: Any = col(FindingRow.at)
        some = select(col(FindingRow.generation_id)).where(at >= wanted.starts_at, at < wanted.ends_at, *parts)
        found = col(GenerationRow.id).in_(some)
        return not_(found) if () in (guardrail, kind) else found


def _is_name(term: FieldMatch) -> bool:
    """Whether it is a whole name, or begins as few do: ids begin with the time, and a word may be their beginning."""
    first = term.pattern[0] if term.pattern else None
    is_whole = len(term.pattern) == 1 and term.field != WORDS
    return first is not None and (is_whole or len(first) >= _TELLING)


def _whole(value: Decimal) -> int:
    """Return a number as both databases take it: what is beyond is beyond all that they hold."""
    return max(-_FARTHEST, min(_FARTHEST, int(value)))


def _switch(column: ColumnElement[bool], pattern: Pattern) -> ColumnElement[bool]:
    if not pattern:
        return false()
    return column.is_not(true()) if pattern == ("no",) else column.is_(true())


def _is_like(text: str, pattern: tuple[str | None, ...]) -> bool:
    """Whether a text is like a pattern, as the databases would say."""
    place = 0
    for number, part in enumerate(pattern):
        if part is None:
            continue
        is_last, is_free = number == len(pattern) - 1, number > 0
        at = text.rfind(part) if is_last and is_free else text.find(part, place)
        if at < place or (not is_free and at != 0) or (is_last and at + len(part) != len(text)):
            return False
        place = at + len(part)
    return True
