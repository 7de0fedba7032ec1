"""Late calls: those that were out when an account was opened late, and have ended since.

Openings are looked at some hundred at a time, each piece on one snapshot and in a few statements, however many budgets
were changed lately; only what an account really lacks is written. So an opening for which nobody is out any more costs
a row that is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, TypeVar, cast

import sqlalchemy
from sqlalchemy import Connection, String, bindparam, delete
from sqlmodel import Session, col, select

from core.budgets.freezes import Freezes
from core.budgets.openings import LONGEST_CALL, SETTLES_AFTER, SKEW, opening_entry
from core.budgets.terms import SUBJECT_OF_ANY_SQL
from core.clock import Clock, last_id, micros
from core.journal import JournalWriter
from core.statements import json_text
from core.store import AT_ONCE, FOR_CHANGE, Store
from core.tables import Account, Budget, Opening

_T = TypeVar("_T")
_SOON = timedelta(minutes=2)
"""For so long each look goes by time as well as by what was out: it finds who had read the old terms already."""

_UNSETTLED = """SELECT generation_id FROM reservation WHERE generation_id IN :ids
UNION SELECT id FROM generation WHERE id IN :ids AND error_code = 'lost' AND started_at >= :settled"""
_OUT_UNTIL = "SELECT tenant_id, generation_id FROM reservation WHERE generation_id <= :until"
# Attempts that may be late for accounts: what each cost, whether the account paid for it, what was counted of it.
# (Where an index on the account or the period would be the wrong one, an expression keeps it from being used.)
_LATE = """WITH asked({columns}) AS (VALUES {values})
SELECT late.account_id, late.id, late.generation_id, late.cost_nano_usd, late.estimated, late.counted FROM (
    SELECT c.id AS account_id, a.id, a.generation_id, a.cost_nano_usd, a.estimated,
    (SELECT COUNT(*) FROM ledger_entry e WHERE e.attempt_id = a.id AND e.account_id = c.id) AS charges,
    (SELECT CAST(COALESCE(SUM(e.nano_usd), 0) AS BIGINT) FROM ledger_entry e WHERE e.generation_id = g.id
        AND e.account_id || '' = c.id AND e.kind = 'opening_balance' AND e.cause = a.id) AS counted
    FROM asked JOIN account c ON c.id = asked.account_id JOIN budget b ON b.id = c.budget_id {calls}
    WHERE g.started_at + 0 >= c.starts_at AND g.started_at + 0 < c.ends_at AND a.cost_nano_usd IS NOT NULL
    AND (b.scope_name = {subject} OR b.scope = 'model' AND b.scope_name = a.provider || '/' || a.model)
) late WHERE late.charges = 0 AND late.cost_nano_usd <> late.counted""".replace("{subject}", SUBJECT_OF_ANY_SQL)
_BY_ID = (
    ("account_id", "generation_id"),
    "JOIN generation g ON g.id = asked.generation_id JOIN attempt a ON a.generation_id = g.id",
)
_BY_TIME = (
    ("account_id", "since", "until", "ended_since"),
    """JOIN generation g ON g.tenant_id = c.tenant_id AND g.started_at >= asked.since AND g.started_at <= asked.until
    AND g.started_at >= :since AND g.started_at <= :until
    AND g.ended_at >= asked.ended_since JOIN attempt a ON a.generation_id = g.id""",
)  # what all windows lie in is said by itself: of a column of what is asked PostgreSQL assumes half of history
_BY_ATTEMPT = (
    ("account_id", "attempt_id"),
    "JOIN attempt a ON a.id = asked.attempt_id JOIN generation g ON g.id = a.generation_id",
)
_MOVE = """WITH moved(id, spent) AS (VALUES {values})
UPDATE account SET spent_nano_usd = spent_nano_usd + moved.spent, opening_moves = opening_moves + 1
FROM moved WHERE account.id = moved.id"""
_KEEP = """WITH kept(account_id, as_of, still) AS (VALUES {values})
UPDATE opening SET out = kept.still FROM kept
WHERE opening.account_id = kept.account_id AND opening.as_of = kept.as_of"""


@dataclass(frozen=True, slots=True)
class _Look:
    """One opening, and what it is to be looked at for."""

    opening: Opening
    is_gone: bool
    """Whether its account or budget is: both went with a demo world."""
    now: datetime

    @property
    def is_last(self) -> bool:
        """Whether nobody who had read the old terms can begin any more."""
        return not self.is_gone and self.now - self.opening.opened_at >= LONGEST_CALL + SKEW

    @property
    def until(self) -> str:
        """Whoever began by this id knew nothing of the account."""
        return last_id(self.opening.opened_at + SKEW)

    @property
    def window(self) -> tuple[Any, ...] | None:
        """The times by which those are found that nobody knew to be out; ``None`` where there are none to be found."""
        opening, is_last = self.opening, self.is_last
        if self.is_gone or not (is_last or self.now - opening.opened_at <= _SOON):
            return None
        since = opening.as_of - (LONGEST_CALL if is_last else _SOON) - SKEW
        return opening.account_id, micros(since), micros(opening.opened_at + SKEW), micros(opening.as_of - SKEW)

    def lacks(self, late: Any) -> bool:
        """Whether the account lacks something of an attempt that it did not pay for.

        What was counted once stays as it is, unless it was given up for lost then and cost something else after all.
        """
        if late.generation_id in self.opening.counted:
            return False
        return not late.counted or late.generation_id in self.opening.out


class LateCalls:
    """Counts in every account that was opened late what has ended since of the calls that were out."""

    def __init__(self, store: Store, clock: Clock, journal: JournalWriter, freezes: Freezes) -> None:
        self._store = store
        self._clock = clock
        self._journal = journal
        self._freezes = freezes

    def count(self) -> None:
        """Count what has ended since the last time. Any process may do it, at any time; nothing is counted twice."""
        after = ""
        while True:
            now = self._clock.now()
            with self._store.reading() as session:  # whoever is not out any more is recorded in what we see
                looks = _looks(session, after, now)
                connection = session.connection()
                missing = _missing(connection, looks)
                still = _still(connection, looks)
            for number, some in enumerate(_pieces(missing)):
                if number:
                    self._store.rest()
                self._carry(looks, some)
            self._keep(looks, still)
            if len(looks) < AT_ONCE:
                return
            after = next(reversed(looks))

    def _carry(self, looks: Mapping[str, _Look], attempts: Sequence[tuple[str, str]]) -> None:
        """Carry attempts to accounts, each as it is now: another process may have been here before."""
        self._freezes.wait({looks[account_id].opening.tenant_id for account_id, _ in attempts})
        with self._store.writing() as session:
            accounts = sorted({account_id for account_id, _ in attempts})
            mine = select(Account.id).where(col(Account.id).in_(accounts))
            session.exec(mine.order_by(col(Account.id)).with_for_update(**FOR_CHANGE)).all()  # nobody else moves them
            connection = session.connection()
            # One that was opened anew meanwhile began with what has ended, and has other calls that may be late.
            same = select(Opening.account_id, Opening.as_of).where(col(Opening.account_id).in_(accounts))
            opened = dict(session.exec(same).all())
            still = [one for one in attempts if opened.get(one[0]) == looks[one[0]].opening.as_of]
            late = [one for one in _late(connection, _BY_ATTEMPT, still) if looks[one.account_id].lacks(one)]
            if not late:
                return
            entries = [
                opening_entry(self._clock, one.account_id, one.cost_nano_usd - int(one.counted), one) for one in late
            ]
            self._journal.post(self._store.cursor(session), entries)
            spent: Counter[str] = Counter()
            for entry in entries:
                spent[entry["account_id"]] += entry["nano_usd"]
            _run(connection, _MOVE, sorted(spent.items()))

    def _keep(self, looks: Mapping[str, _Look], still: Mapping[str, list[str]]) -> None:
        """Keep with each opening who is out still, and forget those for which nobody can be late any more."""
        over = {_id(one): one.opening for one in looks.values() if one.is_gone or (one.is_last and not still[_id(one)])}
        others = [one.opening for one in looks.values() if _id(one) not in over]
        changed = [one for one in others if still[one.account_id] != sorted(one.out)]
        if not over and not changed:
            return
        touched = [*over, *(one.account_id for one in changed)]
        with self._store.writing() as session:
            mine = select(Opening.account_id).where(col(Opening.account_id).in_(touched))
            session.exec(mine.order_by(col(Opening.account_id)).with_for_update(**FOR_CHANGE)).all()
            # Where the time of its sum is another one, it was opened anew meanwhile.
            if changed:
                rows = [(one.account_id, micros(one.as_of), json_text(still[one.account_id])) for one in changed]
                _run(session.connection(), _KEEP, rows)
            if over:
                key = sqlalchemy.tuple_(col(Opening.account_id), col(Opening.as_of))
                session.connection().execute(
                    delete(Opening).where(key.in_([(one.account_id, one.as_of) for one in over.values()]))
                )


def _looks(session: Session, after: str, now: datetime) -> dict[str, _Look]:
    """Return the next openings behind *after*, by account."""
    pending = (
        select(Opening, Budget)
        .outerjoin(Account, col(Account.id) == col(Opening.account_id))
        .outerjoin(Budget, col(Budget.id) == col(Account.budget_id))
        .where(col(Opening.account_id) > after)
        .order_by(col(Opening.account_id))
        .limit(AT_ONCE)
    )
    found = cast("Sequence[tuple[Opening, Budget | None]]", session.exec(pending).all())
    return {opening.account_id: _Look(opening, budget is None, now) for opening, budget in found}


def _missing(connection: Connection, looks: Mapping[str, _Look]) -> list[tuple[str, str]]:
    """Return account and attempt of all that is lacking, in the order in which everybody moves accounts."""
    known = [(_id(one), each) for one in looks.values() if not one.is_gone for each in one.opening.out]
    windows = sorted((window for one in looks.values() if (window := one.window)), key=itemgetter(1))
    late = [*_late(connection, _BY_ID, known), *_late(connection, _BY_TIME, windows)]
    return sorted({(one.account_id, one.id) for one in late if looks[one.account_id].lacks(one)})


def _still(connection: Connection, looks: Mapping[str, _Look]) -> dict[str, list[str]]:
    """Return by account who of those that were out still is, or was given up for lost and may come back."""
    ids = sorted({each for one in looks.values() if not one.is_gone for each in one.opening.out})
    unsettled: set[str] = set()
    unsettled_sql = sqlalchemy.text(_UNSETTLED).bindparams(bindparam("ids", type_=String, expanding=True))
    for some in _pieces(ids):
        settled = micros(next(iter(looks.values())).now - SETTLES_AFTER)
        unsettled.update(connection.execute(unsettled_sql, {"ids": some, "settled": settled}).scalars())
    still = {_id(one): {each for each in one.opening.out if each in unsettled} for one in looks.values()}
    if last := [one for one in looks.values() if one.is_last]:
        until = max(one.until for one in last)
        for tenant_id, generation_id in connection.execute(sqlalchemy.text(_OUT_UNTIL), {"until": until}):
            for one in last:
                if one.opening.tenant_id == tenant_id and generation_id <= one.until:
                    still[_id(one)].add(generation_id)
    return {account_id: sorted(each) for account_id, each in still.items()}


def _late(connection: Connection, how: tuple[Sequence[str], str], rows: Sequence[Sequence[Any]]) -> list[Any]:
    """Return attempts that were late for accounts, as *rows* ask for them."""
    columns, calls = how
    text = _LATE.replace("{columns}", ", ".join(columns)).replace("{calls}", calls)
    return [one for some in _pieces(rows) for one in _run(connection, text, some, **_span(how, some))]


def _span(how: tuple[Sequence[str], str], rows: Sequence[Sequence[Any]]) -> dict[str, int]:
    """Return in what all windows lie; nothing if *rows* are no windows."""
    return {"since": min(row[1] for row in rows), "until": max(row[2] for row in rows)} if how is _BY_TIME else {}


def _run(connection: Connection, sql: str, rows: Sequence[Sequence[Any]], **more: Any) -> Any:
    """Run one statement that is about many *rows* of values, with what *more* it names."""
    marks = ", ".join(f"({', '.join(f':v{y}_{x}' for x in range(len(row)))})" for y, row in enumerate(rows))
    values = {f"v{y}_{x}": value for y, row in enumerate(rows) for x, value in enumerate(row)}
    return connection.execute(sqlalchemy.text(sql.replace("{values}", marks)), values | more)


def _pieces(many: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(many), AT_ONCE):
        yield many[start : start + AT_ONCE]


def _id(look: _Look) -> str:
    return look.opening.account_id
