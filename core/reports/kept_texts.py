"""The texts of calls that are kept, to try on them what a guardrail would find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import orjson
from sqlalchemy import and_, select
from sqlmodel import col

from core.guardrails import ANSWER
from core.json_leaves import Steps, with_texts
from core.messages.turns import earlier_listed
from core.reports.reading import Reading
from core.sealed_texts import CannotOpen, opened_payload
from core.tables import GenerationRow, Payload
from core.visibility import visible

_NO_TEXTS = frozenset({"role", "type", "id", "data", "media_type", "sha256"})
"""Members of a message that are words of ours, or media."""


_ROLES = {"tool": "tool result", "function": "tool result", "developer": "system text"}
_PARTS = {"reasoning": "reasoning", "tool_call": "tool arguments", "tool_result": "tool result"}
"""The words for the places of parts that are no words of their message."""


@dataclass(frozen=True, slots=True)
class KeptText:
    """A text that is kept, and where it stood."""

    text: str
    place: str
    steps: tuple[str | int, ...] = ()
    """What leads to it in an answer."""
    is_earlier: bool = False
    """Whether it is in a message of a turn that is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTexts:
    """What one call was asked and answered, as it is kept: what a guardrail took out then is not in it."""

    call_id: str
    tenant: str
    at: datetime
    asked: Sequence[KeptText]
    answered: Sequence[KeptText]


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
            *(
                col(name)
                for name in (Payload.generation_id, Payload.n, Payload.asked, Payload.answered, Payload.key_id)
            ),
        )
        .join(Payload, kept)
        .where(col(GenerationRow.id).in_(ids), visible(reading.scope, GenerationRow.tenant_id))
    )
    if route:
        found = found.where(col(GenerationRow.route) == route)
    texts: list[KeptTexts] = []
    for row in reading.ask(found):
        with suppress(CannotOpen):  # the page of the call says why
            asked, answered = opened_payload(reading.own_keys, row.tenant_id, row)
            texts.append(
                KeptTexts(
                    call_id=row.id,
                    tenant=reading.name_of(row.tenant_id),
                    at=row.started_at,
                    asked=messages_texts(asked),
                    answered=answered_texts(value_of(answered)),
                )
            )
    return texts


def messages_texts(messages: Any) -> Sequence[KeptText]:
    """Return the texts of the messages that are kept of a call, and of which of them their turn is over."""
    over = earlier_listed(messages)
    listed = cast("list[Any]", messages) if isinstance(messages, list) else [messages]
    return [replace(text, is_earlier=at in over) for at, one in enumerate(listed) for text in asked_texts(one)]


def asked_texts(value: Any, place: str = "") -> Iterator[KeptText]:
    """Yield the texts in the messages that are kept of a call."""
    if isinstance(value, str):
        yield KeptText(value, place)
    elif isinstance(value, list):
        for part in cast("list[Any]", value):
            yield from asked_texts(part, place)
    elif isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        role, kind = members.get("role"), members.get("type")
        place = _PARTS.get(str(kind)) or (_ROLES.get(str(role), f"{role} text") if role else place)
        for name, part in members.items():
            if not ((role or kind) and name in _NO_TEXTS and isinstance(part, str)):
                yield from asked_texts(part, place)


def answered_texts(value: Any) -> Sequence[KeptText]:
    """Return the texts in an answer, names of members included."""
    found: list[KeptText] = []

    def noted(text: str, steps: Steps, _is_name: bool) -> str:  # noqa: FBT001 as the way calls it
        found.append(KeptText(text, ANSWER, tuple(steps)))
        return text

    with_texts(value, noted)
    return found


def value_of(text: str | None) -> Any:
    """Return what an answer stands for that is kept as JSON; a text that is none is itself."""
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
