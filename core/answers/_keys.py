"""The key of an answer in the cache, what is cached under it, and what a hit gives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from core.attempts import RouteTerms
from core.json_values import JsonValue

FORMAT = 1
"""Goes up when the same would be asked in another way: answers from before are then not found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerKey:
    """Names what is asked, as far as its answer depends on it."""

    digest: str
    """A hash of all of it: tenant, schema, messages, candidates, example, guardrails, our own format."""
    tenant_id: str
    generation_id: str
    """Who asks."""
    lasts: timedelta
    """How long the answer may be cached."""


def answer_key(
    *,
    tenant_id: str,
    generation_id: str,
    schema: str,
    messages: Sequence[Mapping[str, Any]],
    route: RouteTerms,
    example: Any,
    guardrails: str,
    retention: timedelta,
) -> AnswerKey | None:
    """Return the key to look an answer up by; ``None`` where none may be cached.

    That is for the *route* to say, and nothing is kept for longer than the tenant's *retention* of prompts and answers.
    *schema* names the schema and its content, *messages* are as they were screened, *guardrails* names the checks.
    """
    lasts = min(timedelta(seconds=route.cache_seconds or 0), retention)
    if not lasts:
        return None
    told = [
        FORMAT,
        tenant_id,
        schema,
        messages,
        [(one.name, one.mode, one.max_tokens, one.most_tokens, one.parameters) for one in route.candidates],
        example,
        guardrails,
    ]
    digest = hashlib.sha256(orjson.dumps(told, default=dict, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return AnswerKey(digest=digest, tenant_id=tenant_id, generation_id=generation_id, lasts=lasts)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheHit:
    """An answer from the cache."""

    value: Any
    generation_id: str
    """Who got it first."""
    provider: str
    model: str
    cost_nano_usd: int | None
    """What it cost then; ``None`` where the model was unpriced."""
    made_at: datetime


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer that was just made, and is to be cached."""

    value: Any
    provider: str
    model: str
    cost_nano_usd: int | None

    def document(self) -> dict[str, Any]:
        """Return it as it is cached, by the names of its fields; the value is not copied."""
        return {
            "value": self.value.fragment if isinstance(self.value, JsonValue) else self.value,
            "provider": self.provider,
            "model": self.model,
            "cost_nano_usd": self.cost_nano_usd,
        }
