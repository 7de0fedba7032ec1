"""A workload of any size, as if some tenants had called for three months: for benchmarks, and to try a database out.

Operators' decisions are made by the real commands; what happened is written in bulk, consistent to the nano-dollar, and
the same for the same seed. Nothing of it is marked as demo, and it is not meant to be taken away again.

A fill writes a thousand calls at a time, in the order of their times, and with them how far it has come. So one that
was cut off goes on, and one up to more calls adds what is missing, over the ninety days once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta

from sqlmodel import col, select

from core.clock import Clock, ManualClock
from core.errors import Conflict, Invalid
from core.journal import JournalWriter
from core.pricing import Prices, Usage
from core.principals import LOCAL_OPERATOR
from core.rollups import Folding
from core.store import Cursor, Store
from core.tables import Tenant
from core.workload._calls import PlayedCalls
from core.workload._operators import IS_OWN, Operators
from core.workload._progress import FillProgress, FillStretch
from core.workload._rows import DrawnCall, TransactionRows

MOST_GENERATIONS = 50_000_000
DAYS = 90
_AT_ONCE = 1000
"""Generations per transaction."""
_FOLDED_AFTER = 20
"""Transactions after which the rollups take in what they were told: what waits for that stays bounded."""
_DECIDED_BEFORE = timedelta(days=40)
_MODELS = (
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4.1-mini"),
    ("openai", "gpt-4.1"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("compatible", "house-model"),  # nobody knows its price
)
_MODEL_WEIGHTS = (40, 20, 10, 20, 9, 1)
_CALLS = 24
"""How many different calls to each model there are."""
_SPENT_MORE = "UPDATE account SET spent_nano_usd = spent_nano_usd + :spent WHERE id = :id"


class Workload:
    """Fills a database."""

    def __init__(self, store: Store, clock: Clock, *, tenants: int = 40, payload_share: float = 0.15) -> None:
        """*payload_share* is the share of generations that keep prompt and answer, for thirty days.

        *tenants* is how many call; where a workload was begun already, those of it do.
        """
        self._store = store
        self._now = clock.now()
        self._tenants = tenants
        self._payload_share = payload_share
        self._journal = JournalWriter(store)
        self._progress = FillProgress(store)
        self._folding = Folding(store)
        self._spend = store.prepare(_SPENT_MORE)

    def fill(
        self, generations: int, *, beside_own: bool = False, tell: Callable[[int], None] = lambda _: None
    ) -> Mapping[str, int]:
        """Write calls until there are so many *generations*; return how many rows of each table that took.

        *tell* hears how many there are, the first time before the first of them is written.

        Raises:
            Invalid: fewer than one, or more than a benchmark needs.
            Conflict: the database has tenants of its own, and the workload is not wanted *beside* them; another fill is
                under way, or was begun up to more calls and is not done.

        """
        if not 1 <= generations <= MOST_GENERATIONS:
            raise Invalid(f"A workload has from 1 to {MOST_GENERATIONS:,} generations.")
        if not beside_own:
            self._require_empty()
        counts: Counter[str] = Counter()
        known = self._progress.read()
        tell(known.done if known else 0)
        while (stretch := self._next(known, generations)) is not None:
            known = self._write_all(known, stretch, counts, tell)
        return counts

    def _require_empty(self) -> None:
        own = select(Tenant.name).where(~col(Tenant.is_demo), ~IS_OWN)
        with self._store.reading() as session:
            name = session.exec(own.limit(1)).first()
        if name is not None:
            raise Conflict(
                f"This database has tenants of its own, such as {name}; a workload cannot be taken away again. "
                "Use another database, or say --yes."
            )

    def _next(self, known: FillStretch | None, generations: int) -> FillStretch | None:
        """Return what is to be written now: the rest of what was begun, then what is missing."""
        if known is not None and not known.is_done:
            if known.goal > generations:
                raise Conflict(
                    f"A fill up to {known.goal:,} calls was begun and stands at {known.done:,}: it has to end first."
                )
            return known
        there = known.done if known else 0
        if there >= generations:
            return None
        begins = self._now - timedelta(days=DAYS)
        return FillStretch(begins=begins, ends=self._now, first=there, goal=generations, done=there)

    def _write_all(
        self, known: FillStretch | None, stretch: FillStretch, counts: Counter[str], tell: Callable[[int], None]
    ) -> FillStretch:
        """Write the rest of a stretch, a thousand calls at a time; return it as it stands then."""
        operators = Operators(self._store, stretch.begins - _DECIDED_BEFORE, stretch.ends)
        decided = operators.decide(self._tenants, stretch.begins)
        calls = PlayedCalls(stretch, decided, self._drawn(stretch), self._payload_share)
        while not stretch.is_done:
            first = stretch.done
            reached = stretch.come_to(min(first + _AT_ONCE, stretch.goal))
            rows = calls.some(first, reached.done)
            with self._store.transaction() as cursor:
                self._progress.write(cursor, known, reached)
                self._write(cursor, rows)
            known = stretch = reached
            counts.update(rows.counts())
            if stretch.is_done or stretch.done // _AT_ONCE % _FOLDED_AFTER == 0:
                self._folding.run()
            tell(stretch.done)
        return stretch

    def _write(self, cursor: Cursor, rows: TransactionRows) -> None:
        self._journal.post(cursor, rows.entries)
        self._journal.attempts(cursor, rows.attempts)
        self._journal.field_errors(cursor, rows.errors)
        self._journal.generations(cursor, rows.generations, is_late=True)
        self._journal.findings(cursor, rows.findings)
        self._journal.payloads(cursor, rows.payloads)
        for account_id, spent in sorted(rows.spent.items()):
            cursor.execute(self._spend, {"id": account_id, "spent": spent})

    def _drawn(self, stretch: FillStretch) -> list[DrawnCall]:
        """Return calls to draw from, each model as often as it is asked."""
        clock = ManualClock(stretch.ends, seed=7)
        book = Prices(self._store, clock).book(LOCAL_OPERATOR)
        found: list[DrawnCall] = []
        for (provider, model), weight in zip(_MODELS, _MODEL_WEIGHTS, strict=True):
            several: list[DrawnCall] = []
            for _ in range(_CALLS):
                usage = Usage(
                    input_tokens=200 + int(clock.chance() * 3800),
                    output_tokens=50 + int(clock.chance() * 750),
                    cached_tokens=(0, 0, 128)[int(clock.chance() * 3)],
                )
                several.append(DrawnCall(provider, model, usage, book.cost(provider, model, usage, stretch.ends)))
            found += [several[int(clock.chance() * _CALLS)] for _ in range(weight * 10)]
        return found
