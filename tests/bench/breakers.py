"""What the breakers cost a call, from admission to its end, in this process and in a Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.breakers import Breakers
from core.clock import SystemClock
from core.shared import Shared
from core.telemetry import Metrics
from tests import servers
from tests.bench.measure import in_turns, table

SCHEMAS = {"a model": "", "a model and a schema": "invoice@1"}


def run(_wire_url: str, _folder: Path) -> None:
    """Measure and print."""
    with servers.valkey() as url:
        contenders: dict[str, Callable[[], None]] = {}
        for where, place in {"alone": None, "in Redis": url}.items():
            breakers = Breakers(SystemClock(), shared=Shared(place, SystemClock(), Metrics()))
            contenders |= {f"{what}, {where}": _call(breakers, schema) for what, schema in SCHEMAS.items()}
            contenders[f"admission only, {where}"] = _admission(breakers)
        found = in_turns(contenders)
    rows = [("breakers", "CPU µs", "wall µs")]
    rows += [(name, f"{cost.cpu_ms * 1000:.1f}", f"{cost.wall_ms * 1000:.1f}") for name, cost in found.items()]
    table("Breakers per call: let through, its end taken in, given back", rows)


def _call(breakers: Breakers, schema: str) -> Callable[[], None]:
    who = ("openai", "gpt-4o-mini", schema)

    def call() -> None:
        breakers.refusal(*who)
        breakers.note(*who, healthy=True, seconds=1.0, valid=True)
        breakers.release(*who)

    return call


def _admission(breakers: Breakers) -> Callable[[], None]:
    def admission() -> None:
        breakers.refusal("openai", "gpt-4o-mini", "invoice@1")

    return admission
