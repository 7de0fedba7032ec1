"""Breakers on a clock that stands still, alone or over a real Redis that lives on the same clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from typing_extensions import override

from core.breakers import BreakerChange, Breakers, BreakerState, BreakerView, Rule
from core.clock import ManualClock, micros
from core.shared import Shared
from core.telemetry import Metrics
from tests.conftest import START

CLOSED, OPEN, HALF_OPEN = BreakerState
WHO = ("openai", "gpt-4o-mini")
SERVER_TIME = "tonumber(redis.call('GET', 'test:breakers:now'))"
"""What the scripts take for the present here: what the clock below says."""


class SharedClock(ManualClock):
    """A manual clock that a Redis follows."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(START)
        self._redis = redis
        self.advance(0)

    @override
    def advance(self, seconds: float) -> None:
        """Move forward, here and there."""
        super().advance(seconds)
        self._redis.set("test:breakers:now", micros(self.now()) // 1000)


@dataclass
class Watched:
    """The breakers of one process, and every change that it told."""

    clock: ManualClock
    shared: Shared | None = None
    rule: Rule = field(default_factory=Rule)
    changes: list[BreakerChange] = field(default_factory=list[BreakerChange])

    def __post_init__(self) -> None:
        self.breakers = Breakers(
            self.clock, self.changes.append, rule=self.rule, shared=self.shared, server_time=SERVER_TIME
        )

    def call(self, *outcomes: bool | None, **facts: Any) -> None:
        """Let calls end, healthy or not; with ``None`` they say nothing of that."""
        for healthy in outcomes:
            self.breakers.note(*WHO, healthy=healthy, **facts)

    def answer(self, *validities: bool | None, schema: str = "ticket@1") -> None:
        """Let calls end well, with answers that are valid or not."""
        for valid in validities:
            self.breakers.note(*WHO, schema, healthy=True, valid=valid)

    def view(self, schema: str = "") -> BreakerView | None:
        """The breaker as people see it."""
        return next((one for one in self.breakers.views() if one.schema == schema), None)

    @property
    def state(self) -> BreakerState:
        """The state of the model's breaker; one that has seen no call is closed."""
        view = self.view()
        return view.state if view else CLOSED

    def admits(self, schema: str = "") -> bool:
        """Whether a call may go out now."""
        return self.breakers.refusal(*WHO, schema) is None

    def close(self) -> None:
        """Close the connections."""
        if self.shared:
            self.shared.close()

    @property
    def told(self) -> list[tuple[str, BreakerState, BreakerState]]:
        """Every change so far, by schema."""
        return [(change.name.schema, change.before, change.after) for change in self.changes]


def fresh(redis_url: str) -> Redis:
    """Return a client of a Redis that knows no breaker."""
    redis = Redis.from_url(redis_url)
    redis.delete(*[f"proctor:{{breakers}}:{name}" for name in ("trips", "windows", "swept")])
    return redis


def watched(kind: str, redis_url: str, rule: Rule | None = None) -> Watched:
    """Return breakers that have seen nothing: ``alone``, or ``together`` with whoever shares the Redis."""
    if kind == "alone":
        return Watched(ManualClock(START), rule=rule or Rule())
    clock = SharedClock(fresh(redis_url))
    return Watched(clock, Shared(redis_url, clock, Metrics()), rule or Rule())
