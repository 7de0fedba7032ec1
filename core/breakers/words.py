"""What a breaker does and why, in plain sentences, and as a mark on the time axis."""

from __future__ import annotations

import math

from core.breakers.rule import BreakerState, Change, Fault, Rule, Trip
from core.clock import Clock
from core.store import Store
from core.tables import ChangeEvent


def cause(rule: Rule, trip: Trip) -> str:
    """Return what opened a breaker, with its figures."""
    match trip.fault:
        case Fault.FAILED:
            return f"{trip.count} of {trip.ended} calls in the last minute failed"
        case Fault.SLOW:
            return f"{trip.count} of {trip.ended} calls in the last minute took {rule.slow_seconds:g} s or longer"
        case Fault.INVALID:
            return f"{trip.count} of {trip.ended} answers in the last minute did not satisfy the schema"


def refusal(rule: Rule, schema: str, trip: Trip, now: float) -> str:
    """Return why nobody is asked at *now*, and until when: the step of a decision trace."""
    which = f"its breaker for {schema}" if schema else "its breaker"
    probes = f", and so did {_probes(trip.failed_probes)} since" if trip.failed_probes else ""
    if trip.state is BreakerState.HALF_OPEN:
        then = "a probe is out and will decide"
    else:
        then = f"it tries again in {math.ceil(max(0.0, trip.until - now))} s"
    return f"{which} is {trip.state} since {trip.since:%H:%M} UTC: {cause(rule, trip)}{probes}; {then}."


def summary(rule: Rule, change: Change) -> str:
    """Return one sentence for a mark on the time axis."""
    name, trip = change.name.text, change.trip
    if change.after is BreakerState.CLOSED:
        return f"The breaker of {name} closed: a probe went well."
    if change.before is BreakerState.CLOSED:
        return f"The breaker of {name} opened: {cause(rule, trip)}. A probe goes out after {change.pause_seconds:g} s."
    return (
        f"The breaker of {name} stays open: {_probes(trip.failed_probes)} failed too. "
        f"The next goes out after {change.pause_seconds:g} s."
    )


def write(store: Store, clock: Clock, rule: Rule, change: Change) -> None:
    """Annotate the time axis with a change. A probe that fails when the pause is at its longest changes nothing."""
    if not change.is_news:
        return
    trip = change.trip
    facts = {"cause": trip.fault.value, "count": trip.count, "ended": trip.ended, "failed_probes": trip.failed_probes}
    with store.writing() as session:
        session.add(
            ChangeEvent(
                id=clock.new_id(),
                at=clock.now(),
                kind="breaker",
                subject=change.name.text,
                summary=summary(rule, change),
                before={"state": change.before.value},
                after={"state": change.after.value, "pause_seconds": change.pause_seconds, **facts},
            )
        )


def _probes(count: int) -> str:
    return "a probe" if count == 1 else f"{count} probes"
