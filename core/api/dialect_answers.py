"""Answers as a dialect has them: its shape of our refusals, and the headers that its SDK looks for."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from core.api import problems
from core.api.in_flight import Ending
from core.api.problem import Problem
from core.api.refusals import named, refusal_in, request_id_of
from core.api.response_headers import told_of
from core.dialects import Dialect
from core.errors import ProctorError
from core.record import Generation


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
    """Return a refusal of ours as the dialect has one, with what is told of the generation that it ended."""
    told = refusal_in(dialect, refusal, request_id, error=error)
    headers = {**told.headers, **(told_by(error) if error else {})}
    return Ending(told.status, told.body, headers, streamed=False)


def answered(dialect: Dialect, ending: Ending, request_id: str) -> Response:
    """Return a whole answer: a vendor's, or ours."""
    headers = named(dialect, ending.headers, request_id)
    media = headers.pop("content-type", "application/json")
    return Response(ending.body, ending.status, headers, media)


def told_by(error: ProctorError) -> dict[str, str]:
    """Return the headers of the generation that a refusal tells of; none where it tells of none."""
    made = error.facts.get("generation")
    return told_of(made) if isinstance(made, Generation) else {}
