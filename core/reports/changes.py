"""What was decided and what happened by itself, the newest first: by whom, from where, why, from what to what.

Decisions are read from the audit trail, which is what ``verify`` proves; what nobody decided, such as a breaker that
opened, from the events that mark the charts. Both are read by keyset, so the last page costs what the first one does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from core.clock import from_micros, micros
from core.errors import NotFound
from core.reports.reading import Reading

CHANGES_ON_PAGE = 50
"""Lines on one page."""
MOST_COUNTED = 1_000
"""Up to here changes are counted; above it is said that there are more."""
MOST_CHANGE_CHOICES = 100
"""Kinds, people and doors to choose from."""
_MOST_READ = 1_000
"""Rows that one page is made of at most: what repeats itself is one line, but not without an end."""
_READ_AT_ONCE = 2 * CHANGES_ON_PAGE
_FOLDED_WITHIN = timedelta(hours=1)
PROCTOR = "proctor"
"""Who did what nobody decided."""
_SYSTEMS_DOOR = "Proctor itself"
_COLUMNS = "id, at, kind, subject, tenant_id, summary, before, after"
_DECIDED = f"""
SELECT {", ".join(f"a.{one}" for one in _COLUMNS.split(", "))}, a.action, a.actor, a.door, a.reason, a.undo_of, a.seq
FROM audit_entry a
WHERE {{conditions}} {{tenant}}
"""  # noqa: S608 written above
_HAPPENED = f"""
SELECT {", ".join(f"e.{one}" for one in _COLUMNS.split(", "))}, '' AS action, '{PROCTOR}' AS actor,
    '{_SYSTEMS_DOOR}' AS door, '' AS reason, NULL AS undo_of, NULL AS seq
FROM change_event e
WHERE NOT EXISTS (SELECT 1 FROM audit_entry a WHERE a.id = e.id) AND {{conditions}} {{tenant}}
"""  # noqa: S608 written above
_BOTH = ((_DECIDED, "a"), (_HAPPENED, "e"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFilter:
    """Which changes: all conditions must hold, and ``None`` is none."""

    starts_at: datetime
    """Changes of this time or later …"""
    ends_at: datetime
    """… and before this one."""
    tenant_id: str | None = None
    """Of that tenant, and for whoever sees all tenants of what concerns all of them."""
    kind: str | None = None
    """The family of what was changed, such as ``budget``."""
    actor: str | None = None
    door: str | None = None
    text: str | None = None
    """What stands in the name of what was changed, in the sentence or in the reason, whatever its case."""


class ChangeCursor(NamedTuple):
    """Where a page begins: behind this change."""

    at: datetime
    id: str

    def __str__(self) -> str:
        return f"{micros(self.at)}-{self.id}"

    @classmethod
    def of(cls, text: str) -> ChangeCursor | None:
        """Return what :meth:`__str__` wrote; ``None`` for anything else."""
        at, _, id_ = text.partition("-")
        is_one = at.isascii() and at.isdecimal() and len(at) < 18 and id_.isascii() and id_.isalnum() and len(id_) < 65
        return cls(from_micros(int(at)), id_) if is_one else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChange:
    """One change, or several of the system's own that are told as one."""

    id: str
    at: datetime
    kind: str
    action: str
    """A verb on a noun; empty for what nobody decided."""
    subject: str
    tenant_id: str | None
    tenant: str | None
    """The tenant's name; ``None`` where it concerns all."""
    summary: str
    actor: str
    door: str
    reason: str
    before: Any
    after: Any
    undo_of: str | None
    """The change that this one undid."""
    seq: int | None
    """Its number in the audit trail; ``None`` where it has none."""
    times: int = 1
    """How often it came: more than once only for what the system does by itself."""
    first_at: datetime
    """When it came first."""

    @property
    def is_decided(self) -> bool:
        """Whether somebody decided it."""
        return bool(self.action)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """One page of changes, the newest first."""

    changes: Sequence[RecordedChange]
    older: ChangeCursor | None
    """Where the next page begins; ``None`` on the last one."""
    counted: int
    """How many changes pass the filter, each by itself; at most ``MOST_COUNTED``, which says that there may be more."""


class ChangeChoices(NamedTuple):
    """What occurs among the changes of a stretch of time, to choose from."""

    kinds: Sequence[str]
    actors: Sequence[str]
    doors: Sequence[str]


def change_page(reading: Reading, wanted: ChangeFilter, behind: ChangeCursor | None = None) -> ChangePage:
    """Return one page of what passes *wanted*, from the newest on or what lies *behind* a change."""
    lines: list[RecordedChange] = []
    folds: dict[tuple[Any, ...], int] = {}
    last = older = None
    for taken, row in enumerate(_newest_first(reading, wanted, behind)):
        place = folds.get(_same(row))
        is_repeated = place is not None and not row.is_decided and lines[place].first_at - row.at <= _FOLDED_WITHIN
        if last is not None and (taken == _MOST_READ or (not is_repeated and len(lines) == CHANGES_ON_PAGE)):
            older = ChangeCursor(last.at, last.id)
            break
        if place is not None and is_repeated:
            lines[place] = replace(lines[place], times=lines[place].times + 1, first_at=row.at, before=row.before)
        else:
            folds[_same(row)] = len(lines)
            lines.append(row)
        last = row
    return ChangePage(changes=lines, older=older, counted=_counted(reading, wanted))


def _newest_first(reading: Reading, wanted: ChangeFilter, behind: ChangeCursor | None) -> Iterator[RecordedChange]:
    """Yield what passes *wanted*, read some at a time: only where much repeats itself a page is made of many."""
    while True:
        some = some_changes(reading, wanted, behind, _READ_AT_ONCE)
        yield from some
        if len(some) < _READ_AT_ONCE:
            return
        behind = ChangeCursor(some[-1].at, some[-1].id)


def some_changes(
    reading: Reading, wanted: ChangeFilter, behind: ChangeCursor | None, most: int
) -> list[RecordedChange]:
    """Return the newest of what passes *wanted*, at most so many, each by itself."""
    both: list[Any] = []
    for sql, table in _BOTH:
        some, bound = _conditions(wanted, table)
        if behind is not None:
            some.append(f"({table}.at, {table}.id) < (:behind_at, :behind_id)")
            bound |= {"behind_at": micros(behind.at), "behind_id": behind.id}
        page = f"{sql} ORDER BY {table}.at DESC, {table}.id DESC LIMIT {most}"
        both += _rows(reading, page, table, some, bound)
    both.sort(key=lambda row: (row.at, row.id), reverse=True)
    return [_read(reading, row) for row in both[:most]]


def one_change(reading: Reading, change_id: str) -> RecordedChange:
    """Return one change by its id.

    Raises:
        NotFound: there is none, or none that may be seen.

    """
    for sql, table in _BOTH:
        for row in _rows(reading, sql, table, [f"{table}.id = :id"], {"id": change_id}):
            return _read(reading, row)
    raise NotFound(f"There is no change {change_id!r} that you may see. It may be gone, or the link is not whole.")


def changes_since(reading: Reading, change: RecordedChange, most: int) -> list[RecordedChange]:
    """Return what was decided of the same thing since, the newest first."""
    some = ["a.at >= :at", "a.id <> :id", "a.kind = :kind", "a.subject = :subject"]
    bound = {"at": micros(change.at), "id": change.id, "kind": change.kind, "subject": change.subject}
    if change.tenant_id is not None:
        some.append("a.tenant_id = :tenant_id")
        bound["tenant_id"] = change.tenant_id
    page = f"{_DECIDED} ORDER BY a.at DESC, a.id DESC LIMIT {most}"
    return [_read(reading, row) for row in _rows(reading, page, "a", some, bound)]


def decided_before(reading: Reading, changes: Sequence[RecordedChange]) -> dict[str, RecordedChange]:
    """Return, by the id of each decision, the newest one of the same thing before it; some hundred are looked at."""
    decided = [one for one in changes if one.is_decided][:CHANGES_ON_PAGE]
    if not decided:
        return {}
    pairs = sorted({(one.kind, one.subject) for one in decided})
    bound: dict[str, Any] = {"ends_at": micros(max(one.at for one in decided))}
    of: list[str] = []
    for number, (kind, subject) in enumerate(pairs):
        of.append(f"(a.kind = :kind_{number} AND a.subject = :subject_{number})")
        bound |= {f"kind_{number}": kind, f"subject_{number}": subject}
    newest = f"{_DECIDED} ORDER BY a.at DESC, a.id DESC LIMIT {_READ_AT_ONCE + CHANGES_ON_PAGE}"
    some = ["a.at <= :ends_at", f"({' OR '.join(of)})"]
    rows = [_read(reading, row) for row in _rows(reading, newest, "a", some, bound)]
    found: dict[str, RecordedChange] = {}
    for one in decided:
        earlier = (row for row in rows if (row.at, row.id) < (one.at, one.id) and _same(row) == _same(one))
        if (before := next(earlier, None)) is not None:
            found[one.id] = before
    return found


def change_choices(reading: Reading, starts_at: datetime, ends_at: datetime) -> ChangeChoices:
    """Return what occurs in that time: at most ``MOST_CHANGE_CHOICES`` of a sort."""
    within = ChangeFilter(starts_at=starts_at, ends_at=ends_at)
    seen: list[set[str]] = [set(), set(), set()]
    for sql, table in _BOTH:
        distinct = f"SELECT DISTINCT kind, actor, door FROM ({sql}) found LIMIT {3 * MOST_CHANGE_CHOICES}"  # noqa: S608
        for row in _rows(reading, distinct, table, *_conditions(within, table)):
            for known, value in zip(seen, row, strict=True):
                known.add(value)
    return ChangeChoices(*(sorted(known - {""})[:MOST_CHANGE_CHOICES] for known in seen))


def _counted(reading: Reading, wanted: ChangeFilter) -> int:
    total = 0
    for sql, table in _BOTH:
        count = f"SELECT COUNT(*) FROM ({sql} LIMIT {MOST_COUNTED}) found"  # noqa: S608 of the above
        total += int(_rows(reading, count, table, *_conditions(wanted, table))[0][0])
    return min(total, MOST_COUNTED)


def _conditions(wanted: ChangeFilter, table: str) -> tuple[list[str], dict[str, Any]]:
    """Return what must hold of one of the two tables, and its parameters."""
    some = [f"{table}.at >= :starts_at", f"{table}.at < :ends_at"]
    bound: dict[str, Any] = {"starts_at": micros(wanted.starts_at), "ends_at": micros(wanted.ends_at)}
    if wanted.kind:
        some.append(f"{table}.kind = :kind")
        bound["kind"] = wanted.kind
    for column, value, of_system in (("actor", wanted.actor, PROCTOR), ("door", wanted.door, _SYSTEMS_DOOR)):
        if value and table == "a":
            some.append(f"a.{column} = :{column}")
            bound[column] = value
        elif value and value != of_system:
            some.append("1 = 0")
    if text := (wanted.text or "").strip():
        told = ("subject", "summary", "reason") if table == "a" else ("subject", "summary")
        # SQLite lowers ASCII alone: what has other letters is found as it was typed
        ways = (("LOWER({})", ":lowered"), ("{}", ":text"))
        several = [f"{way.format(f'{table}.{one}')} LIKE {name} ESCAPE '!'" for one in told for way, name in ways]
        some.append(f"({' OR '.join(several)})")
        bound |= {"text": _pattern(text), "lowered": _pattern(text.lower())}
    return some, bound


def _pattern(text: str) -> str:
    return f"%{text.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"


def _rows(reading: Reading, sql: str, table: str, conditions: Sequence[str], bound: dict[str, Any]) -> Sequence[Any]:
    made = sql.replace("{conditions}", " AND ".join(conditions))
    return reading.rows(made, bound, tenant=f"{table}.tenant_id", with_shared=reading.sees_all)


def _read(reading: Reading, row: Any) -> RecordedChange:
    at = from_micros(row.at)
    return RecordedChange(
        id=row.id,
        at=at,
        kind=row.kind,
        action=row.action,
        subject=row.subject,
        tenant_id=row.tenant_id,
        tenant=row.tenant_id and reading.name_of(row.tenant_id),
        summary=row.summary or f"{row.action} of {row.subject}",
        actor=row.actor,
        door=row.door,
        reason=row.reason,
        before=_value(row.before),
        after=_value(row.after),
        undo_of=row.undo_of,
        seq=row.seq,
        first_at=at,
    )


def _value(stored: str | None) -> Any:
    return None if stored is None else orjson.loads(stored)


def _same(row: RecordedChange) -> tuple[Any, ...]:
    return row.is_decided, row.kind, row.subject, row.tenant_id
