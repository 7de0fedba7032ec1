"""Answers as a dialect has them: its shape of our refusals, and the headers that its SDK looks for."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response

from core.api import problems
from core.api.in_flight import Ending
from core.api.problem import Problem
from core.api.response_headers import REQUEST, told_of
from core.dialects import Dialect
from core.errors import Exhausted, ProctorError
from core.limits import Limited
from core.record import Generation

_WORTHWHILE = ("overloaded", "unavailable", "rate_limited", "budget_held", "idempotency_key_in_use")
"""Refusals after which the same request may well be answered a moment later."""
_KEPT = ("www-authenticate", "connection")
"""Headers of a refusal that every dialect has."""


async def in_dialect(dialect: Dialect, request: Request, answer: Awaitable[Response]) -> Response:
    """Return *answer*; what keeps it from being one is told as the dialect does."""
    request_id = request_id_of(request)
    try:
        return await answer
    except ClientDisconnect:
        raise  # nobody is left to be told
    except ProctorError as error:
        refusal = problems.problem(error)
        problems.tell(refusal)
        ending = refused(dialect, refusal, error, request_id)
    except Exception as error:  # noqa: BLE001 whatever it is
        ending = refused(dialect, problems.internal_error(error), None, request_id)
    return answered(dialect, ending, request_id)


def refused(dialect: Dialect, refusal: Problem, error: ProctorError | None, request_id: str) -> Ending:
    """Return a refusal of ours as the dialect has one."""
    facts: Mapping[str, Any] = error.facts if error else {}
    wait = facts.get("retry_after_seconds")
    is_in_vain = wait is None and facts.get("limit") == Limited.TOKENS.value  # it is larger than the whole limit
    param = facts.get("param")
    is_exhausted = isinstance(error, Exhausted) and (error.is_left_to_caller or wait is not None)
    told = dialect.refusal(
        refusal.status_code,
        refusal.code,
        refusal.detail,
        param=param if isinstance(param, str) else None,
        request_id=request_id,
        retry=(refusal.code in _WORTHWHILE and not is_in_vain) or is_exhausted,
        wait_seconds=wait if isinstance(wait, int | float) and math.isfinite(wait) else None,
    )
    kept = {name: refusal.headers[name] for name in _KEPT if name in refusal.headers}
    headers = {**kept, **told.headers, **(told_by(error) if error else {})}
    return Ending(told.status, told.body, headers, streamed=False)


def answered(dialect: Dialect, ending: Ending, request_id: str) -> Response:
    """Return a whole answer: a vendor's, or ours."""
    headers = named(dialect, ending.headers, request_id)
    media = headers.pop("content-type", "application/json")
    return Response(ending.body, ending.status, headers, media)


def named(dialect: Dialect, headers: Mapping[str, str], request_id: str) -> dict[str, str]:
    """Return *headers* with the name of the answer where the SDK looks for it: the vendor's, else ours.

    Ours stands in a header of its own in any case.
    """
    return {dialect.request_id_header: request_id, **headers, REQUEST: request_id}


def request_id_of(request: HTTPConnection) -> str:
    """Return our name of *request*."""
    state: Mapping[str, Any] = request.scope.get("state", {})
    return state.get("request_id", "")


def told_by(error: ProctorError) -> dict[str, str]:
    """Return the headers of the generation that a refusal tells of; none where it tells of none."""
    made = error.facts.get("generation")
    return told_of(made) if isinstance(made, Generation) else {}
