"""Eight days of two tenants, in which one hour goes wrong: most of one's calls get no object, some are saved."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core.store import Store
from core.tables import AttemptKind, AttemptRow, AuditEntry, GenerationRow, Outcome, Row
from tests import builders

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
BEFORE = 3 * HOUR
"""So long before now that hour begins."""
DAYS = 8


def call(at: datetime, outcome: str = Outcome.VALID_FIRST_TRY, of: str = "acme", **more: Any) -> list[Row]:
    """Return a call that openai answered at once, or did not; one that fallback saved with anthropic's answer."""
    row = builders.generation(at, of, outcome, **more)
    if outcome.startswith("blocked"):
        return [row]
    is_saved = outcome == Outcome.VALID_AFTER_FALLBACK
    first = Outcome.PROVIDER_ERROR if is_saved else outcome
    cost = 0 if is_saved else 114_000
    tried = [builders.attempt(row, outcome=first, cost_nano_usd=cost, id=builders.new_id(at))]
    if is_saved:
        how: Any = {"kind": AttemptKind.FALLBACK, "provider": "anthropic", "model": "claude-haiku-4-5"}
        how["id"] = builders.new_id(at)
        tried.append(builders.attempt(row, 2, Outcome.VALID_FIRST_TRY, cost_nano_usd=850_000, **how))
        row.attempts, row.cost_nano_usd = 2, 850_000
    return [row, *tried]


def history(now: datetime) -> list[Row]:
    """Return eight days of two tenants, each with ten calls every third hour, and an hour in which Acme's fail."""
    rows: list[Row] = []
    went_wrong_at = now - BEFORE
    for hour in range(-DAYS * 24, 0, 3):
        at = now + hour * HOUR
        if at == went_wrong_at:
            continue
        for n in range(10):
            lost = Outcome.INVALID if n == 5 and hour % 12 == 6 else Outcome.VALID_FIRST_TRY
            rows += call(at + n * 5 * MINUTE, lost)
            rows += call(at + n * 5 * MINUTE, of="globex")
    for n in range(40):
        at = went_wrong_at + MINUTE + n * MINUTE
        outcome = (Outcome.PROVIDER_ERROR, Outcome.VALID_AFTER_FALLBACK, Outcome.BLOCKED_FLAG)[min(n // 15, 2)]
        rows += call(at, outcome, error_code=None if n // 15 == 1 else "exhausted", schema_version=7)
    return [*rows, *(one for n in range(10) for one in call(went_wrong_at + n * MINUTE, of="globex"))]


def decided(at: datetime, actor: str, *, is_on: bool) -> AuditEntry:
    """Return that somebody turned a flag."""
    return AuditEntry(
        id=builders.new_id(at), at=at, actor=actor, door="console", action="flag.set", kind="flag", tenant_id="acme",
        subject="streaming.enabled", summary="It was turned.", after={"is_on": is_on},
    )  # fmt: skip


def save(store: Store, now: datetime) -> None:
    """Write all of it, *now* being a whole hour."""
    builders.save(store, [builders.tenant(name, now - timedelta(days=30)) for name in ("Acme", "Globex")])
    rows = history(now)
    for kind in (GenerationRow, AttemptRow):
        builders.save(store, [one for one in rows if isinstance(one, kind)])
    went_wrong_at = now - BEFORE
    first = decided(went_wrong_at - 50 * HOUR, "Ben", is_on=True)
    builders.save(store, [first, decided(went_wrong_at - 5 * MINUTE, "Ada", is_on=False)])
