"""Sums of calls over a window, from rollups, from what is not folded yet and, at its edges, from the calls.

What no rollup holds is read from the facts of an analytics store, where the question may be put to one, and from what
is on its way there (``fact_sums``).
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from core.analytics import FactLook
from core.clock import from_micros, micros, minute
from core.errors import Invalid
from core.payload_terms import LEAST_CALL_DAYS
from core.reports.cells import step_of
from core.reports.fact_sums import DIVIDED, fact_rows, merged, ranked
from core.reports.measures import CallFigures
from core.reports.pieces import CALLS, FACTS, Cuts, Section, pieces
from core.reports.reading import Reading
from core.reports.unbuilt import require_built
from core.reports.windows import Window
from core.rollups.expanding import signed, slot_family
from core.rollups.facets import ALL, Facet
from core.rollups.facts import facts
from core.rollups.sums import NAMES

By = Literal["cell", "tenant_id", "value", "detail"]
Kind = Literal["duration", "ttft"]
_MICRO = timedelta(microseconds=1)
_ALWAYS_KEPT = timedelta(days=LEAST_CALL_DAYS) // _MICRO
# Each tenant of whom there are calls, by a look per tenant instead of one at each row.
_TENANTS = """seen(id) AS (
    SELECT MIN(r.tenant_id) FROM rollup r WHERE r.facet = 'all' AND r.minutes = 1440 AND r.tenant_id > ''
    UNION ALL
    SELECT (SELECT MIN(r.tenant_id) FROM rollup r
        WHERE r.facet = 'all' AND r.minutes = 1440 AND r.tenant_id > seen.id)
    FROM seen WHERE seen.id IS NOT NULL
)"""


@dataclass(frozen=True, slots=True)
class SumCondition:
    """What must be so of the calls that are added up."""

    text: str
    """In SQL, of a facet's ``{value}`` and ``{detail}`` or, where nothing but calls is read, of a fact ``d``.

    ``{list}`` stands for the values, and ``{more}`` for others.
    """
    values: tuple[str, ...]
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SumQuestion:
    """What is to be added up, and by what."""

    window: Window
    facet: Facet = ALL
    by: tuple[By, ...]
    """``cell`` counts from the window's ``origin``, in steps of :attr:`step`."""
    step: int = 0
    """In microseconds."""
    spans: Sequence[tuple[datetime, datetime]] = ()
    """Of the window these alone, which do not overlap: ``cell`` counts which of them it is, from 0."""
    tenants: Sequence[str] | None = None
    """Of those that may be seen, these alone."""
    conditions: Sequence[SumCondition] = ()
    values: Sequence[str] | None = None
    details: Sequence[str] | None = None
    """Of a facet whose details callers may invent, such as models, those that are told apart; of all others it is
    empty, so that there are never as many rows as names."""
    names: tuple[str, ...] = NAMES
    """Which sums."""
    facts: FactLook | None = None
    """Where what no rollup holds is read from, instead of the calls."""


def all_kept_from(reading: Reading, window: Window, tenants: Sequence[str] | None, now: int) -> int:
    """Return since when calls are there of all who are asked about; 0 where that is since before *window*.

    Who asks about lately needs no look at that.
    """
    since = micros(window.starts_at)
    raw_from = 0 if since >= now - _ALWAYS_KEPT else reading.raw_from(tenants)
    return raw_from if since < raw_from else 0


def unkept_figures(raw_from: datetime) -> str:
    """Return why a question about calls that are gone has no answer, and what to ask instead."""
    return (
        f"Calls that began before {minute(raw_from)} are not kept any more: their figures are known by quarters of an "
        "hour, for one thing at a time. Choose a later time, or ask for less at once."
    )


def sums(reading: Reading, question: SumQuestion, now: int) -> list[tuple[Any, ...]]:
    """Return a row for each that occurs: the keys in the order of ``by``, then the sums; none of zeros alone.

    Raises:
        Invalid: too many of the calls are in no sums yet; so it is with all that is asked here.

    """
    return _Statement(reading, question, now).sums()


def slots(reading: Reading, question: SumQuestion, now: int, kind: Kind = "duration") -> list[tuple[Any, ...]]:
    """Return rows of the keys, a slot of ``core.rollups.slots.COARSE`` an octave, and how many lie in it."""
    return _Statement(reading, question, now).slots(kind)


def leading(
    reading: Reading, question: SumQuestion, now: int, most: int, ranked_by: Sequence[str]
) -> tuple[list[tuple[Any, ...]], int]:
    """Return the rows of :func:`sums` of which *ranked_by* add up to most, and how many rows there would be in all."""
    rows = _Statement(reading, question, now).leading(most, ranked_by)
    return [row[:-1] for row in rows], rows[0][-1] if rows else 0


def figures_by(reading: Reading, question: SumQuestion, now: int) -> dict[Any, CallFigures]:
    """Return figures by what *question* adds up by: one key alone, or a tuple of several."""
    width = len(question.by)
    found: dict[Any, CallFigures] = {}
    for row in sums(reading, question, now):
        key = row[0] if width == 1 else row[:width]
        found[key] = CallFigures(**dict(zip(question.names, row[width:], strict=True)))
    return found


def dearest(
    reading: Reading, question: SumQuestion, now: int, most: int, known: Sequence[str] = ()
) -> tuple[dict[tuple[str, str], CallFigures], CallFigures, int]:
    """Return figures by value and detail: of those *known* (``value/detail``), and of the *most* that cost most.

    And those of all others together, and how many those are. Callers may invent names, so there may be as many as
    calls; what is returned is few in any case.
    """
    found: dict[tuple[str, str], CallFigures] = {}
    others, count = CallFigures(), 0
    for value, detail, folded, *row in _Statement(reading, question, now).dearest(most, known):
        figures = CallFigures(**dict(zip(question.names, row, strict=True)))
        if folded:
            others, count = figures, folded
        else:
            found[value, detail] = figures
    return found, others, count


class _Statement:
    """One statement over all pieces of a window, so that it is of one moment."""

    def __init__(self, reading: Reading, asked: SumQuestion, now: int) -> None:
        self._reading = reading
        self._asked = asked
        self._now = now
        ids = reading.scope.ids if asked.tenants is None else [one for one in asked.tenants if reading.scope.holds(one)]
        self._each = asked.facet.with_all is False or "tenant_id" in asked.by
        self._bound: dict[str, Any] = {}
        self._ids = None if ids is None else self._list("of", sorted(ids))
        self._values = "" if asked.values is None else f" AND {{value}} IN ({self._list('value', asked.values)})"
        for number, one in enumerate(asked.conditions):
            text = one.text.replace("{list}", self._list(f"with_{number}", one.values))
            self._values += " AND " + text.replace("{more}", self._list(f"more_{number}", one.more))
        self._details = None if asked.details is None else self._list("detail", sorted(asked.details))
        self._cell, self._fact_cell, bound = "0", "0", dict[str, int]()
        if "cell" in asked.by and not asked.spans:
            self._cell, bound = step_of(asked.window, asked.step * _MICRO, "{alias}.at")
            self._fact_cell, _ = step_of(asked.window, asked.step * _MICRO, "{alias}.at", DIVIDED)
        self._bound |= bound

    def _list(self, name: str, several: Sequence[str]) -> str:
        bound = {f"{name}_{place}": one for place, one in enumerate(several)}
        self._bound |= bound
        return ", ".join(f":{one}" for one in bound) or "SELECT '' WHERE 1 = 0"  # in it is nothing, and 'not' is all

    def _pieces(self, widths: Sequence[int]) -> list[tuple[str, list[Section]]]:
        """Return what the window is read from: of each of its spans, with what its cells are in SQL."""
        window, step = self._asked.window, self._asked.step
        is_cut = "cell" in self._asked.by and not self._asked.spans
        cuts = Cuts(step, micros(window.origin), self._shifts) if is_cut else None
        built_from, others = self._reading.rolled_from, self._asked.facts
        if others is not None and not any(cuts is None or cuts.are_cuts_of(one) for one in widths):
            widths, built_from = (FACTS,), others.built_from
        raw_from = all_kept_from(self._reading, window, self._asked.tenants, self._now)
        found: list[tuple[str, list[Section]]] = []
        for number, (starts_at, ends_at) in enumerate(self._asked.spans or [(window.starts_at, window.ends_at)]):
            require_built(self._reading, micros(starts_at), min(micros(ends_at), built_from), self._now)
            made = pieces(
                micros(starts_at),
                micros(ends_at),
                widths,
                built_from=built_from,
                now=self._now,
                cuts=cuts,
                raw_from=raw_from,
            )
            if any(one.minutes in {CALLS, FACTS} and one.since < raw_from for one in made):
                raise Invalid(unkept_figures(from_micros(raw_from)))
            is_told = "cell" in self._asked.by and bool(self._asked.spans)
            found.append((str(number) if is_told else self._cell, made))
        return found

    @property
    def _shifts(self) -> Sequence[tuple[int, int]]:
        shifts = self._asked.window.shifts(self._asked.step * _MICRO)
        return [(micros(since), shift // _MICRO) for since, shift in shifts]

    @property
    def _is_empty(self) -> bool:
        """Whether there is nothing to be asked of, as of yesterday's part of today at midnight."""
        return self._asked.window.starts_at >= self._asked.window.ends_at

    @property
    def _with_tenants(self) -> bool:
        return self._each and self._ids is None

    def sums(self) -> list[tuple[Any, ...]]:
        if self._is_empty:
            return []
        with_tenants = f"WITH RECURSIVE {_TENANTS} " if self._with_tenants else ""
        found = self._reading.rows(with_tenants + self._sums_sql(), self._bound, tenant="x.tenant_id")
        columns, chosen, some = self._summed
        return self._with_facts(found, self._asked.facet.widths, self._asked.facet.where, columns, (chosen, "", some))

    def leading(self, most: int, ranked_by: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return rows like those of :meth:`sums`, and behind each how many there would be without a limit."""
        if self._is_empty:
            return []
        if self._asked.facts is not None:
            return ranked(self.sums(), len(self._asked.by), self._asked.names, ranked_by, most)
        self._bound["most"] = most
        rank = " + ".join(f"SUM(x.{name})" for name in ranked_by)
        keys = ", ".join(f"x.{name}" for name in self._asked.by)
        with_tenants = f"WITH RECURSIVE {_TENANTS} " if self._with_tenants else ""
        sql = f"{with_tenants}{self._sums_sql(', COUNT(*) OVER ()')} ORDER BY {rank} DESC, {keys} LIMIT :most"
        return [tuple(row) for row in self._reading.rows(sql, self._bound, tenant="x.tenant_id")]

    def _sums_sql(self, more: str = "") -> str:
        names, facet = self._asked.names, self._asked.facet
        found = self._pieces(facet.widths)
        arms = [
            self._rolled("rollup", f"{span}_{number}", cell, piece, [f"r.{name}" for name in names])
            for span, (cell, some) in enumerate(found)
            for number, piece in enumerate(some)
            if piece.minutes not in {CALLS, FACTS}
        ]
        columns, chosen, some = self._summed
        arms += self._others(found, columns, facet.where)
        return self._grouped(arms, chosen + more, "", some)

    @property
    def _summed(self) -> tuple[Sequence[str], str, str]:
        """Return what each arm gives, what is made of that, and which groups are told."""
        names = self._asked.names
        columns = [f"{signed(self._asked.facet, name)} AS {name}" for name in names]
        chosen = ", ".join(f"CAST(SUM(x.{name}) AS BIGINT)" for name in names)
        return columns, chosen, " OR ".join(f"SUM(x.{name}) <> 0" for name in names)

    def dearest(self, most: int, known: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return rows of value, detail, how many names are folded into the row (0: it is one), and the sums."""
        if self._is_empty:
            return []
        of = "CASE WHEN s.value || '/' || s.detail IN (" + self._list("known", known) + ") THEN 1 ELSE 0 END"
        self._bound["most"] = most
        shown = "(n.is_known = 1 OR n.place <= :most)"
        summed = ", ".join(f"CAST(SUM(n.{name}) AS BIGINT)" for name in self._asked.names)
        sql = self._sums_sql()
        named = ", ".join(("value", "detail", *self._asked.names))
        seen = "WITH RECURSIVE " + (f"{_TENANTS}, " if self._with_tenants else "")
        text = f"""{seen}s({named}) AS ({sql}),
n AS (SELECT s.*, {of} AS is_known, ROW_NUMBER() OVER (
    PARTITION BY {of} ORDER BY s.spent DESC, s.calls DESC, s.value || '/' || s.detail) AS place FROM s)
SELECT CASE WHEN {shown} THEN n.value ELSE '' END, CASE WHEN {shown} THEN n.detail ELSE '' END,
    SUM(CASE WHEN {shown} THEN 0 ELSE 1 END), {summed}
FROM n GROUP BY 1, 2, {shown}"""
        return [tuple(row) for row in self._reading.rows(text, self._bound, tenant="x.tenant_id")]

    def slots(self, kind: Kind) -> list[tuple[Any, ...]]:
        if self._is_empty:
            return []
        facet = self._asked.facet
        found = self._pieces(facet.slot_widths)
        arms: list[str] = []
        for span, (cell, some) in enumerate(found):
            for number, piece in enumerate(some):
                if piece.minutes not in {CALLS, FACTS}:
                    name = f"{span}_{number}"
                    arms.append(self._rolled("rollup_slot", name, cell, piece, ["r.slot", "r.n"], kind))
        column = "slot" if kind == "duration" else "ttft_slot"
        where = f"{facet.where} AND d.family = {slot_family(facet)} AND d.{column} IS NOT NULL"
        columns, told = [f"d.{column} AS slot", "d.n AS n"], ("CAST(SUM(x.n) AS BIGINT)", "x.slot", "SUM(x.n) <> 0")
        arms += self._others(found, columns, where)
        with_tenants = f"WITH RECURSIVE {_TENANTS} " if self._with_tenants else ""
        rows = self._reading.rows(with_tenants + self._grouped(arms, *told), self._bound, tenant="x.tenant_id")
        return self._with_facts(rows, facet.slot_widths, where, columns, told)

    def _with_facts(
        self,
        rows: Sequence[Any],
        widths: Sequence[int],
        where: str,
        columns: Sequence[str],
        told: tuple[str, str, str],
    ) -> list[tuple[Any, ...]]:
        """Add what the facts say to *rows* of the database, where anything is read from them."""
        asked, [(_, some)] = self._asked, self._pieces(widths)[:1]
        section = next((one for one in some if one.minutes == FACTS), None)
        if asked.facts is None or section is None:
            return [tuple(row) for row in rows]
        keys = self._keys("d", self._fact_cell, asked.facet.value, asked.facet.detail, own="d.tenant_id")
        within = "" if self._ids is None else f" AND d.tenant_id IN ({self._ids})"
        arm = (
            f"SELECT {keys}, {', '.join(columns)} FROM {asked.facts.source} AND {where} "
            f"AND d.at >= :since AND d.at < :until{within}"
            f"{self._values.format(value=asked.facet.value, detail=asked.facet.detail)}"
        )
        bound = self._bound | {"since": section.since, "until": section.until}
        more = fact_rows(asked.facts, self._grouped([arm], *told).replace("{tenant}", ""), bound)
        return merged(len(asked.by) + bool(told[1]), rows, more)

    def _rolled(  # noqa: PLR0917 what an arm is made of
        self, table: str, name: str, cell: str, piece: Section, columns: Sequence[str], kind: str = ""
    ) -> str:
        self._bound |= {f"since_{name}": piece.since, f"until_{name}": piece.until}
        source, tenants = f"{table} r", "r.tenant_id = ''"
        if self._ids is not None:
            tenants = f"r.tenant_id IN ({self._ids})"
        elif self._each:
            source, tenants = f"seen t CROSS JOIN {table} r", "r.tenant_id = t.id"
        kinds = f"AND r.kind = '{kind}' " if kind else ""
        values = self._values.format(value="r.value", detail="r.detail")
        return (
            f"SELECT {self._keys('r', cell, 'r.value', 'r.detail', own='r.tenant_id')}, "
            f"{', '.join(columns)} FROM {source} "
            f"WHERE r.facet = '{self._asked.facet.name}' AND r.minutes = {piece.minutes} {kinds}AND {tenants} "
            f"AND r.at >= :since_{name} AND r.at < :until_{name}{values}"
        )

    def _others(self, found: Sequence[tuple[str, Sequence[Section]]], columns: Sequence[str], where: str) -> list[str]:
        """Return the arms of what is not folded yet, and of what is read from the calls."""
        facet = self._asked.facet
        own = "d.tenant_id" if self._each or self._ids is not None else "''"
        tail = f" WHERE {where}{self._values.format(value=facet.value, detail=facet.detail)}"
        of = "" if self._ids is None else f" AND {{alias}}.tenant_id IN ({self._ids})"
        arms: list[str] = []
        for span, (cell, some) in enumerate(found):
            head = f"SELECT {self._keys('d', cell, facet.value, facet.detail, own=own)}, {', '.join(columns)} FROM "
            if rolled := [piece for piece in some if piece.minutes != CALLS]:
                self._bound |= {f"since_{span}": rolled[0].since, f"until_{span}": rolled[-1].until}
                range_ = f" AND d.at >= :since_{span} AND d.at < :until_{span}{of.format(alias='d')}"
                arms.append(f"{head}rollup_delta d{tail}{range_}")
                if rolled[0].minutes == FACTS and (facts_ := self._asked.facts) is not None:
                    self._bound["shipped"] = facts_.shipped
                    arms.append(f"{head}analytics_outbox d{tail}{range_} AND d.batch > :shipped")
            for number, piece in enumerate(some):
                if piece.minutes == CALLS:
                    name = f"{span}_{number}"
                    self._bound |= {f"since_{name}": piece.since, f"until_{name}": piece.until}
                    within = f"g.started_at >= :since_{name} AND g.started_at < :until_{name}{of.format(alias='g')}"
                    arms.append(f"{head}(SELECT f.*, {piece.sign} AS n FROM ({facts(within)}) AS f) d{tail}")
        return arms

    def _keys(self, alias: str, cell: str, value: str, detail: str, *, own: str) -> str:
        if self._details is not None:
            detail = f"CASE WHEN {detail} IN ({self._details}) THEN {detail} ELSE '' END"
        told = cell.replace("{alias}", alias)
        return f"{told} AS cell, {own} AS tenant_id, {value} AS value, {detail} AS detail"

    def _grouped(self, arms: Sequence[str], chosen: str, more: str, some: str) -> str:
        keys = ", ".join([*(f"x.{name}" for name in self._asked.by), *([more] if more else [])])
        shown = f"{keys}, " if keys else ""
        keys = keys or "x.cell"  # of which there is one: without a group a row of nulls would stand for nothing
        return (
            f"SELECT {shown}{chosen} FROM ({' UNION ALL '.join(arms)}) AS x WHERE 1 = 1 {{tenant}} "
            f"GROUP BY {keys} HAVING {some}"
        )
