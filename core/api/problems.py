"""How Proctor says no over HTTP: problem+json (RFC 9457), with a stable code and one status for each class of error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from core.api.bodies import sentence
from core.api.problem import Problem
from core.clock import whole_seconds
from core.documents import paid
from core.errors import (
    Answering,
    BadHeader,
    BudgetExceeded,
    BudgetHeld,
    Cancelled,
    Conflict,
    Crossed,
    Denied,
    Exhausted,
    FeatureDisabled,
    Forbidden,
    GuardrailBlocked,
    GuardrailUnavailable,
    Invalid,
    Misconfigured,
    NotAsSeen,
    NotFound,
    NotRepeatable,
    OtherRequest,
    Overloaded,
    ProctorError,
    RateLimited,
    Rejected,
    Stopped,
    TooManyWrongKeys,
    Unauthenticated,
    Unavailable,
    Unbudgeted,
    Unpriced,
    UnseenChange,
)
from core.telemetry import log, place

STATUSES: Mapping[type[ProctorError], tuple[int, str]] = {
    ProctorError: (500, "Proctor failed"),
    Denied: (403, "Denied"),
    Unauthenticated: (401, "A key is needed"),
    TooManyWrongKeys: (429, "Too many wrong keys"),
    Forbidden: (403, "Not allowed"),
    Invalid: (422, "The request cannot be used"),
    NotFound: (404, "Not found"),
    Conflict: (409, "Changed meanwhile"),
    Crossed: (409, "Changed meanwhile"),
    NotAsSeen: (412, "Not as you have seen it"),
    UnseenChange: (428, "Say what you have seen"),
    BadHeader: (400, "A header cannot be used"),
    Answering: (409, "Not answered yet"),
    OtherRequest: (422, "The key of another request"),
    NotRepeatable: (409, "The answer is not kept"),
    Rejected: (403, "Refused by policy"),
    FeatureDisabled: (403, "Switched off"),
    RateLimited: (429, "Too fast"),
    BudgetExceeded: (402, "The budget is used up"),
    BudgetHeld: (402, "The budget is held by calls that are out"),
    Unbudgeted: (402, "No budget"),
    Unpriced: (402, "Without a price"),
    GuardrailBlocked: (422, "Blocked by a guardrail"),
    GuardrailUnavailable: (503, "A guardrail does not answer"),
    Exhausted: (502, "No valid object"),
    Cancelled: (499, "The caller left"),
    Stopped: (503, "Not available"),
    Unavailable: (503, "Not available"),
    Overloaded: (503, "Too many at once"),
    Misconfigured: (503, "Not available"),
}
"""Status and title of every class of error."""
_TOLD_APART = ("generation", "generation_id", "outcome", "trace")


def problem(error: ProctorError) -> Problem:
    """Return *error* as the caller reads it."""
    status, title = _status(error)
    facts = {name: value for name, value in error.facts.items() if name not in _TOLD_APART and _is_json(value)}
    if (generation := error.facts.get("generation")) is not None:
        facts |= paid(generation)
    for name in ("generation_id", "outcome", "trace"):
        if name in error.facts:
            facts[name] = error.facts[name]
    return Problem(status=status, code=error.code, title=title, detail=error.message, headers=_headers(error), **facts)


def internal_error(error: Exception) -> Problem:
    """Log what kind of error it was and where, never what it says; return what the caller reads."""
    log().error("internal_error", error=type(error).__name__, where=place(error))
    return Problem(
        status=500,
        code="internal_error",
        title="Proctor failed",
        detail="Proctor itself failed; what happened stands in its log under this answer's X-Request-ID.",
    )


def too_large(most: int) -> Problem:
    """Return the problem of a body that is longer than *most* bytes."""
    return Problem(
        status=413,
        code="too_large",
        title="The body is too large",
        detail=f"The body has more than {most} bytes. Send a shorter input.",
    )


def too_slow(seconds: float) -> Problem:
    """Return the problem of a body that has not come within *seconds*."""
    return Problem(
        status=408,
        code="too_slow",
        title="The body is too slow",
        detail=f"The body did not come within {seconds:g} s. Send it again, faster.",
        headers={"Connection": "close"},
    )


def install(api: FastAPI) -> None:
    """Make *api* say no in this way, whatever the reason."""
    api.add_exception_handler(ProctorError, _proctor_error)
    api.add_exception_handler(RequestValidationError, _invalid_request)


def _proctor_error(_request: Request, error: Exception) -> Response:
    refusal = problem(cast("ProctorError", error))
    tell(refusal)
    return refusal


def _invalid_request(_request: Request, error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()
    refusal = problem(Invalid(sentence([{**one, "loc": one["loc"][1:]} for one in found])))
    tell(refusal)
    return refusal


def nothing_here(served: str) -> Problem:
    """Return the problem of an address where nothing is; *served* is a sentence of what there is."""
    return Problem(
        status=404,
        code="not_found",
        title="Not found",
        detail=f"There is nothing at this address.{served} GET /v1/openapi.json says what there is.",
    )


def not_taken(method: str, allowed: str) -> Problem:
    """Return the problem of an address that takes other methods than this one."""
    return Problem(
        status=405,
        code="method_not_allowed",
        title="Method not allowed",
        detail=f"This address does not take {method}; it takes {allowed}.",
        headers={"Allow": allowed},
    )


def no_websocket() -> Problem:
    """Return the problem of a websocket at an address that takes requests."""
    return Problem(
        status=426,
        code="upgrade_required",
        title="No websockets",
        detail="Websockets are not served here. Send an ordinary HTTP request; with 'stream' it is answered in events.",
        headers={"Upgrade": "HTTP/1.1"},
    )


def http_problem(failure: HTTPException) -> Problem:
    """Return the problem of anything else that the framework found."""
    detail, code = str(failure.detail), f"http_{failure.status_code}"
    return Problem(
        status=failure.status_code, code=code, title=detail, detail=f"{detail}.", headers=failure.headers or {}
    )


def tell(refusal: Problem) -> None:
    """Log a refusal that no record tells of."""
    log().info("request_refused", code=refusal.code, status=refusal.status_code)


def _status(error: ProctorError) -> tuple[int, str]:
    if isinstance(error, Exhausted) and error.facts.get("outcome") == "timeout":
        return 504, "No answer in time"
    if isinstance(error, Exhausted) and "retry_after_seconds" in error.facts:
        return 503, "Not available"
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def _headers(error: ProctorError) -> Mapping[str, str]:
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="proctor"'}
    seconds = error.facts.get("retry_after_seconds")
    headers = {"Retry-After": str(max(1, whole_seconds(seconds)))} if seconds is not None else {}
    if isinstance(error, NotAsSeen) and "etag" in error.facts:
        headers["ETag"] = error.facts["etag"]
    if isinstance(error, NotRepeatable):
        headers["X-Should-Retry"] = "false"  # else SDKs ask for it twice more
    if isinstance(error, TooManyWrongKeys):
        headers["Connection"] = "close"  # what it still sends need not even be read
    return headers


def _is_json(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True
