"""What a vendor's error means to us: whether it may pass, whether another may do better, and what is to be changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from core.clock import Clock, SystemClock
from core.providers import (
    Answer,
    Broken,
    ContextOverflow,
    Failed,
    Filtered,
    KeyRejected,
    ModelNotFound,
    ProviderError,
    QuotaExhausted,
    Throttled,
    TurnedAway,
)
from core.providers._worded import WireResponse
from core.providers.reading.reasons import ErrorReason, reason_in
from core.providers.reading.waits import wait_in

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
_QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "insufficient_balance",
        "insufficient_credits",
        "insufficient_funds",
        "credit_balance_too_low",
        "payment_required",
    }
)
_QUOTA = re.compile(
    r"your credit balance is too low"  # Anthropic
    r"|you have reached your specified api usage limits"  # Anthropic
    r"|insufficient (?:balance|credits|funds)"  # DeepSeek, OpenRouter
    r"|this request requires more credits"  # OpenRouter
    r"|your account is not active, please check your billing",  # OpenAI
    re.IGNORECASE,
)
_KEY_CODES = frozenset(
    {
        "invalid_api_key",
        "account_deactivated",
        "authentication_error",
        "invalid_authentication",
        "organization_deactivated",
    }
)
_KEY = re.compile(
    r"(?:the|this|your) (?:openai )?(?:account|organization)\b[^.]{0,60} (?:deactivated|disabled|suspended)",
    re.IGNORECASE,
)
_MODEL_CODES = frozenset(
    {"model_not_found", "model_not_available", "deploymentnotfound", "unknown_model", "invalid_model"}
)
_REQUEST_CODES = frozenset(
    {
        "unsupported_parameter",
        "unsupported_value",
        "unknown_parameter",
        "invalid_value",
        "invalid_type",
        "missing_required_parameter",
        "invalid_json_schema",
        "invalid_schema",
    }
)
_BUSY_CODES = frozenset({"rate_limit_exceeded", "rate_limit_error", "too_many_requests", "resource_exhausted"})
_OVERLOAD_CODES = frozenset(
    {"overloaded_error", "server_error", "api_error", "internal_server_error", "server_is_overloaded"}
)

_STATUSES: Mapping[type[ProviderError], int] = {
    Throttled: 429,
    QuotaExhausted: 429,
    KeyRejected: 401,
    ModelNotFound: 404,
    TurnedAway: 400,
    ContextOverflow: 400,
    Filtered: 400,
    Failed: 500,
}
"""The status with which the vendors tell each kind of error; the first that fits."""


def broken_off(name: str, body: Any, answer: Answer, *, hidden: Iterable[str] = ()) -> ProviderError:
    """Return what an error in the middle of a stream that had begun well means."""
    reason = reason_in(body)
    if (known := _known(name, f"{name} broke off with an error", reason, answer, hidden)) is not None:
        known.was_sent = not isinstance(known, ContextOverflow)
        known.told_all = False
        return known
    label = reason.label
    return Broken(f"{name} broke off with an error{label}.", answer=answer, quoting=partial(reason.quoted, hidden))


def error_in_answer(name: str, body: Any, answer: Answer, *, hidden: Iterable[str] = ()) -> ProviderError:
    """Return what an error means that came in the place of an answer, with status 200: whole, or first in a stream.

    It costs what was told, and nothing where no usage was.
    """
    reason = reason_in(body)
    told = f"{name} answered with an error"
    status = reason.status or (429 if reason.words & _BUSY_CODES else 500 if reason.words & _OVERLOAD_CODES else None)
    known = _known(name, told, reason, answer, hidden)
    if known is None and status is not None:
        known = _by_status(status, told + reason.label, answer, None, partial(reason.quoted, hidden))
    if known is None:
        said = partial(reason.quoted, hidden)
        known = Broken(f"{told}{reason.label} instead of an answer.", answer=answer, quoting=said)
    known.was_sent = known.told_all = answer.usage is not None
    return known


def status_error(
    name: str,
    response: WireResponse,
    body: Any,
    answer: Answer,
    *,
    hidden: Iterable[str] = (),
    clock: Clock | None = None,
) -> ProviderError:
    """Return what an answer means that has the status of an error, or whose *body* is one.

    *hidden* is what the call sent that its error must not repeat: the texts of its messages, and the key. What the
    vendor says is not worth asking again (``x-should-retry: false``) is not.
    """
    if response.status_code < 400:
        return broken_off(name, body, answer, hidden=hidden)
    error = _status_error(name, response, body, answer, hidden=hidden, clock=clock or SystemClock())
    if response.headers.get("x-should-retry") == "false":
        error.try_again = False
    return error


def _status_error(
    name: str, response: WireResponse, body: Any, answer: Answer, *, hidden: Iterable[str], clock: Clock
) -> ProviderError:
    status = response.status_code
    reason = reason_in(body)
    told = f"{name} answered {status}"
    wait = wait_in(response.headers, clock.now()) if status in (408, 409, 429) or status >= 500 else None
    if status == 413:
        return _overflow(name, answer, reason, hidden)
    if status == 429 and not _is_out_of_money(reason):
        return _by_status(429, told + reason.label, answer, wait, partial(reason.quoted, hidden))
    known = _known(name, told, reason, answer, hidden)
    return known or _by_status(status, told + reason.label, answer, wait, partial(reason.quoted, hidden))


def status_meant(error: ProviderError, body: Any) -> int:
    """Return the status that an error has which came with status 200: the one its *body* names, or what it means."""
    reason = reason_in(body)
    if reason.status is not None:
        return reason.status
    if "overloaded_error" in reason.words:
        return 529
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 502)


def _known(name: str, told: str, reason: ErrorReason, answer: Answer, hidden: Iterable[str]) -> ProviderError | None:
    """Return what an error means that says what it is, whatever its status."""
    if _is_filtered(reason):
        stopped = Filtered(f"{name}'s content filter stopped the answer{reason.label}.", answer=answer)
        began = (answer.http_status or 0) < 400
        stopped.was_sent = stopped.tells_health = began  # else nothing was written, and nothing is billed
        stopped.told_all = False
        return stopped
    if not _TOO_LONG_CODES.isdisjoint(reason.words) or _TOO_LONG.match(reason.sentence):
        return _overflow(name, answer, reason, hidden)
    said = partial(reason.quoted, hidden)
    labelled = told + reason.label
    if _is_out_of_money(reason):
        advice = "our account there has no money or quota left. Add credit, or raise its limit"
        return QuotaExhausted(f"{labelled}: {advice}.", answer=answer, quoting=said)
    if not _KEY_CODES.isdisjoint(reason.words) or _KEY.search(reason.sentence):
        return _rejected_key(labelled, answer, said)
    if not _MODEL_CODES.isdisjoint(reason.words):
        return _unknown_model(labelled, answer, said)
    if not _REQUEST_CODES.isdisjoint(reason.words):
        return TurnedAway(f"{labelled}: it rejects the request.", answer=answer, quoting=said)
    return None


def _by_status(status: int, told: str, answer: Answer, wait: float | None, said: Callable[[], str]) -> ProviderError:
    """Return what *status* means, where the error does not say what it is."""
    if status == 402:
        advice = "our account there has no money or quota left. Add credit, or raise its limit"
        return QuotaExhausted(f"{told}: {advice}.", answer=answer, quoting=said)
    if status == 429:
        return Throttled(f"{told}: too many requests.", answer=answer, quoting=said, retry_after_seconds=wait)
    if status >= 500:
        return Failed(f"{told}: it failed on its side.", answer=answer, quoting=said, retry_after_seconds=wait)
    if status in (408, 409):
        return Failed(f"{told}: it gave up.", answer=answer, quoting=said, retry_after_seconds=wait)
    if status in (401, 403):
        return _rejected_key(told, answer, said)
    if status == 404:
        return _unknown_model(told, answer, said)
    return TurnedAway(f"{told}: it rejects the request.", answer=answer, quoting=said)


def _rejected_key(told: str, answer: Answer, said: Callable[[], str]) -> KeyRejected:
    return KeyRejected(
        f"{told}: it does not accept the key. Check the key and its rights.", answer=answer, quoting=said
    )


def _unknown_model(told: str, answer: Answer, said: Callable[[], str]) -> ModelNotFound:
    return ModelNotFound(f"{told}: it does not know this model, or the base URL is wrong.", answer=answer, quoting=said)


def _is_filtered(reason: ErrorReason) -> bool:
    """Whether an error is a content filter's. Anthropic has no code for it, only its sentence."""
    # what follows the beginning may quote the prompt
    return "content_filter" in reason.words or reason.sentence.lower().startswith("output blocked by content filter")


def _is_out_of_money(reason: ErrorReason) -> bool:
    """Whether an account has nothing left. A sentence alone does not say so where it may speak of a minute's quota."""
    return not _QUOTA_CODES.isdisjoint(reason.words) or _QUOTA.match(reason.sentence) is not None


def _overflow(name: str, answer: Answer, reason: ErrorReason, hidden: Iterable[str]) -> ContextOverflow:
    told = f"The request is longer than {name} takes for this model{reason.label}."
    return ContextOverflow(told, answer=answer, quoting=partial(reason.quoted, hidden))
