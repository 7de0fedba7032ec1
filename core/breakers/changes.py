"""A breaker that took another state, and the mark that this leaves on the time axis."""

from __future__ import annotations

from dataclasses import dataclass

from core.breakers.rule import LONGEST_PAUSE, BreakerState, Name, Rule, Trip
from core.clock import Clock
from core.store import Store
from core.tables import ChangeEvent
from core.telemetry import log


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """A breaker that took another state."""

    name: Name
    before: BreakerState
    after: BreakerState
    trip: Trip
    """As it is now; where it closed, as it was before."""
    pause_seconds: float
    """How long it pauses now; 0 where it closed."""

    @property
    def is_news(self) -> bool:
        """Whether people are to be told: a probe that fails when the pause is at its longest changes nothing."""
        return self.before is BreakerState.CLOSED or self.pause_seconds == 0 or self._lengthened

    def summary(self, rule: Rule) -> str:
        """Return one sentence for a mark on the time axis."""
        name, trip = self.name.text, self.trip
        if self.after is BreakerState.CLOSED:
            return f"The breaker of {name} closed: a probe went well."
        if self.before is BreakerState.CLOSED:
            return f"The breaker of {name} opened: {rule.cause(trip)}. A probe goes out after {self.pause_seconds:g} s."
        return (
            f"The breaker of {name} stays open: {trip.probes} failed too. "
            f"The next goes out after {self.pause_seconds:g} s."
        )

    @property
    def _lengthened(self) -> bool:
        return 2**self.trip.failed_probes <= LONGEST_PAUSE


def tell(store: Store, clock: Clock, rule: Rule, change: BreakerChange) -> None:
    """Log a change and annotate the time axis. The breaker itself catches what a database may raise."""
    name = change.name
    log().info(
        "breaker_changed",
        provider=name.provider,
        model=name.model,
        schema=name.schema,
        before=change.before.value,
        after=change.after.value,
        cause=change.trip.reason.value,
        count=change.trip.count,
        ended=change.trip.ended,
        pause_seconds=change.pause_seconds,
    )
    write(store, clock, rule, change)


def write(store: Store, clock: Clock, rule: Rule, change: BreakerChange) -> None:
    """Annotate the time axis with a change. A probe that fails when the pause is at its longest changes nothing."""
    if not change.is_news:
        return
    trip = change.trip
    facts = {"cause": trip.reason.value, "count": trip.count, "ended": trip.ended, "failed_probes": trip.failed_probes}
    with store.writing() as session:
        session.add(
            ChangeEvent(
                id=clock.new_id(),
                at=clock.now(),
                kind="breaker",
                subject=change.name.text,
                summary=change.summary(rule),
                before={"state": change.before.value},
                after={"state": change.after.value, "pause_seconds": change.pause_seconds, **facts},
            )
        )
