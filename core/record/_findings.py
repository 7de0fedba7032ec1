"""What guardrails found in one generation, counted as it is kept: without a word of what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from core.clock import Clock
from core.errors import GuardrailBlocked
from core.guardrails import NOT_JUDGED, Action, Finding, Stage
from core.telemetry import Metrics

_MOST_ROWS = 50
"""Whoever finds more kinds in more places of one call is told enough by those that it found most often."""
_ROOMS = {Stage.INPUT: "screen in", Stage.OUTPUT: "screen out"}


class _Key(NamedTuple):
    """What is counted together."""

    stage: str
    guardrail: str
    rule_id: str | None
    place: str
    kind: str
    action: str


class Findings:
    """Takes in what each look at the texts of a generation finds.

    One look at the texts of a stage counts all that it finds. Of several looks at the same, as at an answer that grows
    or is asked for again, the one that found most counts: a finding is one however often it is seen.
    """

    def __init__(self, clock: Clock, step: Callable[[str, str, str], None]) -> None:
        """*step* adds to the trace."""
        self._clock = clock
        self._step = step
        self._seconds = 0.0
        self._has_looked = False
        self._counts: Counter[_Key] = Counter()
        self._shapes: dict[_Key, str] = {}
        """Of what was found for each, one example: what may be told of it."""

    @property
    def milliseconds(self) -> float | None:
        """How long all looks took; ``None`` where there was none."""
        return self._seconds * 1000 if self._has_looked else None

    @property
    def not_judged(self) -> Sequence[str]:
        """The rules by which something went on without a verdict, each once."""
        let_go = (key for key in self._counts if key.kind == NOT_JUDGED and key.action != Action.BLOCK)
        return sorted({key.guardrail for key in let_go})

    @contextmanager
    def looking(self, stage: Stage) -> Generator[list[Finding]]:
        """Time one look at the texts of *stage*, and take in what it adds to the list, also where that blocks."""
        found: list[Finding] = []
        began = self._clock.monotonic()
        try:
            yield found
        finally:
            self._seconds += self._clock.monotonic() - began
            self._has_looked = True
            if found:
                self._take(found, stage)

    def _take(self, found: Sequence[Finding], stage: Stage) -> None:
        # that it blocks is the last step, as it ends all
        told = [one for one in found if one.action is not Action.BLOCK or one.shape]
        for one in told[:_MOST_ROWS]:
            self._step(_ROOMS[stage], one.action.value, one.reason)
        if len(told) > _MOST_ROWS:
            self._step(_ROOMS[stage], "and more", f"Something was found in {len(told) - _MOST_ROWS:,} more places.")
        self._count(found)

    def blocked(self, error: GuardrailBlocked) -> None:
        """Take in that a guardrail ended the generation, wherever that came up: in a stream nobody else tells."""
        self._count(error.findings)
        stage = str(error.facts.get("stage") or Stage.OUTPUT)
        if not any(key.stage == stage and key.action == Action.BLOCK for key in self._counts):
            guardrail = str(error.facts.get("guardrail") or "")
            self._counts[_Key(stage, guardrail, None, "", "", Action.BLOCK.value)] = 1

    def _count(self, found: Sequence[Finding]) -> None:
        self._counts |= _counted(found)
        for one in found:
            if one.shape:
                self._shapes.setdefault(_key(one), one.shape)

    def tell(self, metrics: Metrics) -> None:
        """Tell the metrics what was found in this generation, and how long it took to look."""
        if self._has_looked:
            metrics.guardrail_seconds.observe(self._seconds)
        for key, count in self._counts.items():
            if key.kind == NOT_JUDGED and key.action != Action.BLOCK:
                metrics.failed_open.labels("guardrails").inc(count)
            metrics.of(metrics.findings, key.guardrail, key.stage, key.action).inc(count)

    def rows(self, generation_id: str, tenant_id: str, at: datetime) -> list[dict[str, Any]]:
        """Return what is written of them, by *at*, when the generation began."""
        if not self._counts:
            return []
        kept = sorted(self._counts.most_common(_MOST_ROWS), key=lambda one: tuple(map(str, one[0])))
        return [
            {
                "generation_id": generation_id,
                "n": n,
                "tenant_id": tenant_id,
                "at": at,
                "count": count,
                "shape": self._shapes.get(key, ""),
                **key._asdict(),
            }
            for n, (key, count) in enumerate(kept, start=1)
        ]


def _counted(found: Iterable[Finding]) -> Counter[_Key]:
    counts: Counter[_Key] = Counter()
    for one in found:
        counts[_key(one)] += one.count
    return counts


def _key(one: Finding) -> _Key:
    return _Key(one.stage.value, one.guardrail, one.rule_id or None, one.place, one.kind, one.action.value)
