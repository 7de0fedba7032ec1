"""What the limits cost a generation, from door to door, counted in memory and in a Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.clock import SystemClock
from core.limits import Limits, Quota, QuotaScope
from core.shared import Shared
from core.telemetry import Metrics
from tests import servers
from tests.bench.measure import in_turns, table

PACES = {
    "requests of a tenant": (Quota(QuotaScope.TENANT, "one", 10**6),),
    "everything of a tenant": (Quota(QuotaScope.TENANT, "all", 10**6, 10**9, 1000),),
    "everything of a tenant and its key": (
        Quota(QuotaScope.TENANT, "both", 10**6, 10**9, 1000),
        Quota(QuotaScope.KEY, "both", 10**6, 10**9, 1000),
    ),
}


def run(_wire_url: str, _folder: Path) -> None:
    """Measure and print."""
    with servers.valkey() as url:
        places = {"in memory": None, "in Redis": url}
        contenders = {
            f"{what}, {where}": _visit(Limits(Shared(place, SystemClock(), Metrics())), quotas)
            for where, place in places.items()
            for what, quotas in PACES.items()
        }
        found = in_turns(contenders)
    rows = [("limits", "CPU µs", "wall µs")]
    rows += [(name, f"{cost.cpu_ms * 1000:.1f}", f"{cost.wall_ms * 1000:.1f}") for name, cost in found.items()]
    table("Limits per generation: in at the door, its true tokens counted, out again", rows)


def _visit(limits: Limits, quotas: tuple[Quota, ...]) -> Callable[[], None]:
    def visit() -> None:
        with limits.admitted(quotas, 100, 60) as ticket:
            ticket.used(300)

    return visit
