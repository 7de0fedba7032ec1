"""The texts of calls that are kept, to try on them what a guardrail would find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson
from sqlalchemy import and_, select
from sqlmodel import col

from core.reports.reading import Reading
from core.tables import GenerationRow, Payload
from core.visibility import visible

_NO_TEXTS = frozenset({"role", "type", "id", "data", "media_type", "sha256"})
"""Members of a message that are words of ours, or media."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTexts:
    """What one call was asked and answered, as it is kept: what a guardrail took out then is not in it."""

    call_id: str
    tenant: str
    at: datetime
    asked: Sequence[str]
    answered: Sequence[str]


def newest_call_ids(reading: Reading, most: int) -> Sequence[str]:
    """Return the *most* newest calls of the tenants that *reading* sees."""
    newest = select(col(GenerationRow.id)).order_by(col(GenerationRow.started_at).desc()).limit(most)
    return [row.id for row in reading.ask(newest)]


def kept_texts(reading: Reading, ids: Sequence[str], route: str, now: datetime) -> list[KeptTexts]:
    """Return the texts of those calls that are kept; with a *route* of those that went it."""
    kept = and_(col(Payload.generation_id) == col(GenerationRow.id), col(Payload.n) == 0, col(Payload.expires_at) > now)
    found = (
        select(
            col(GenerationRow.id),
            col(GenerationRow.tenant_id),
            col(GenerationRow.started_at),
            col(Payload.asked),
            col(Payload.answered),
        )
        .join(Payload, kept)
        .where(col(GenerationRow.id).in_(ids), visible(reading.scope, GenerationRow.tenant_id))
    )
    if route:
        found = found.where(col(GenerationRow.route) == route)
    return [
        KeptTexts(
            call_id=row.id,
            tenant=reading.name_of(row.tenant_id),
            at=row.started_at,
            asked=list(texts_of(row.asked)),
            answered=list(texts_of(value_of(row.answered))),
        )
        for row in reading.ask(found)
    ]


def texts_of(value: Any) -> Iterator[str]:
    """Yield the texts in what is kept of a call: messages, or an object's values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in cast("list[Any]", value):
            yield from texts_of(part)
    elif isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        is_message = "role" in members or "type" in members
        for name, part in members.items():
            if not (is_message and name in _NO_TEXTS and isinstance(part, str)):
                yield from texts_of(part)


def value_of(text: str | None) -> Any:
    """Return what an answer stands for that is kept as JSON; a text that is none is itself."""
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
