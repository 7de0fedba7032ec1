"""What a vendor's error means to us. Its text is read and never shown: it may quote the key, or the prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

import httpx2

from core.providers import (
    Answer,
    Broken,
    ContextOverflow,
    Failed,
    Filtered,
    ProviderError,
    Throttled,
    TurnedAway,
)

_SAFE_CODE = re.compile(r"[a-z][a-z0-9_.]{1,63}")
LIKE_A_KEY = re.compile(r"(?<![A-Za-z0-9])(?:sk|pk|rk|prk)[-_]")
"""A server that answers with the key that it was sent, in a header or in place of a code, is not quoted."""
_TOO_LONG_CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "request_too_large", "string_above_max_length"}
)
_TOO_LONG_SENTENCES = (
    r"prompt is too long",  # Anthropic
    r"input length and `?max_tokens`? exceed context limit",  # Anthropic
    r"your input exceeds the context window",  # OpenAI, Responses
    r"(?:'max_\w+'[^.]{0,60} is too large: \d+\. )?(?:this|the) (?:model|endpoint)'s maximum context length is",
    r"you passed \d+ input tokens and requested \d+ output tokens",  # vLLM
    r"the request exceeds the available context size",  # llama.cpp
    r"input validation error: `inputs`",  # Text Generation Inference
)
"""How a sentence begins that says so, where there is no code for it: what follows may quote the prompt."""
_TOO_LONG = re.compile("|".join(_TOO_LONG_SENTENCES), re.IGNORECASE)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def broken_off(name: str, body: Any, answer: Answer) -> ProviderError:
    """Return what an error in the middle of a stream that had begun well means."""
    if _is_too_long(body):
        return _overflow(name, answer)
    reason = _reason(body)
    return Broken(f"{name} broke off with an error" + (f" ({reason})." if reason else "."), answer=answer)


def status_error(name: str, response: httpx2.Response, body: Any, answer: Answer) -> ProviderError:
    """Return what an answer means that has the status of an error, or whose *body* is one."""
    status = response.status_code
    reason = _reason(body)
    if _is_filtered(body):
        stopped = Filtered(f"{name}'s content filter stopped the answer.", answer=answer)
        stopped.was_sent = stopped.tells_health = status < 400  # else nothing was written, and nothing is billed
        stopped.told_all = False
        return stopped
    told = f"{name} answered {status}" + (f" ({reason})" if reason else "")
    if status < 400:
        return broken_off(name, body, answer)
    if status == 429:
        return Throttled(f"{told}: too many requests.", answer=answer, retry_after_seconds=_retry_after(response))
    if status == 413 or _is_too_long(body):
        return _overflow(name, answer)
    if status >= 500:
        wait = _retry_after(response)
        return Failed(f"{told}: it failed on its side.", answer=answer, retry_after_seconds=wait)
    if status in (408, 409):
        return Failed(f"{told}: it gave up.", answer=answer)
    return _turned_away(status, told, answer)


def _turned_away(status: int, told: str, answer: Answer) -> TurnedAway:
    if status in (401, 403):
        return TurnedAway(f"{told}: it does not accept the key. Check the key and its rights.", answer=answer)
    if status == 404:
        return TurnedAway(f"{told}: it does not know this model, or the base URL is wrong.", answer=answer)
    return TurnedAway(f"{told}: it rejects the request.", answer=answer)


def _reason(body: Any) -> str:
    """Return the error's code or type if it is a plain word; free text might quote a key or a prompt."""
    error = _error_in(body)
    words = (error.get(name) for name in ("code", "type"))
    return next((word for word in words if isinstance(word, str) and _is_safe_code(word)), "")


def _is_safe_code(text: str) -> bool:
    return _SAFE_CODE.fullmatch(text) is not None and not LIKE_A_KEY.search(text)


def _error_in(body: Any) -> Mapping[str, Any]:
    """Return the error object of a body: its member ``error``, or itself, or nothing."""
    if not isinstance(body, dict):
        return _NOTHING
    whole = cast("dict[str, Any]", body)
    inner = whole.get("error")
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else whole


def _is_filtered(body: Any) -> bool:
    """Whether an error is a content filter's. Anthropic has no code for it, only its sentence."""
    told = _error_in(body)
    sentence = str(told.get("message")).lower()  # what follows its beginning may quote the prompt
    return told.get("code") == "content_filter" or sentence.startswith("output blocked by content filter")


def _is_too_long(body: Any) -> bool:
    """Whether an error says that the request is longer than the model's context."""
    told = _error_in(body)
    if not _TOO_LONG_CODES.isdisjoint(word for word in (told.get("code"), told.get("type")) if isinstance(word, str)):
        return True
    return _TOO_LONG.match(str(told.get("message"))) is not None


def _overflow(name: str, answer: Answer) -> ContextOverflow:
    return ContextOverflow(f"The request is longer than {name} takes for this model.", answer=answer)


def _retry_after(response: httpx2.Response) -> float | None:
    for header, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(response.headers[header]) * scale)
        except (KeyError, ValueError):
            continue
    return None
