"""Every fault of a provider, at every door, whole and streamed, ends as that dialect's SDK reads it: the fault matrix.

What a vendor says passes with its own status and words. What no SDK would see by itself is told as an error: an answer
that does not come, that is none, or that breaks off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import anthropic
import openai
import pytest

from core.principals import LOCAL_OPERATOR
from tests.core.api.conftest import House, api_settings, built, served
from tests.relayed import house_settings
from tests.wire.scenarios import SCENARIOS
from tests.wire.server import WireServer

MODELS = {
    "chat": "openai/gpt-4o-mini",
    "responses": "openai-responses/gpt-4o-mini",
    "messages": "anthropic/claude-haiku-4-5",
}
End = tuple[str, int | None, str | None]
"""The class that the SDK raises, the status that it has from the wire, and OpenAI's code or Anthropic's type."""
ANSWERED: End = ("answered", None, None)


def told(openais: End, anthropics: End) -> Mapping[str, frozenset[End]]:
    """Return the one end at each door."""
    return {"chat": frozenset({openais}), "responses": frozenset({openais}), "messages": frozenset({anthropics})}


def either(*ends: Mapping[str, frozenset[End]]) -> Mapping[str, frozenset[End]]:
    """Return all *ends*: which of them, depends on whether anything was passed on before."""
    return {door: frozenset().union(*(one[door] for one in ends)) for door in MODELS}


OK = told(ANSWERED, ANSWERED)
THROTTLED = told(("RateLimitError", 429, "rate_limit_exceeded"), ("RateLimitError", 429, "rate_limit_error"))
FAILED = told(("InternalServerError", 500, None), ("InternalServerError", 500, "api_error"))
OVERLOADED = told(("InternalServerError", 503, None), ("OverloadedError", 529, "overloaded_error"))
NO_KEY = told(("AuthenticationError", 401, "invalid_api_key"), ("AuthenticationError", 401, "authentication_error"))
FORBIDDEN = told(
    ("PermissionDeniedError", 403, "model_not_allowed"), ("PermissionDeniedError", 403, "permission_error")
)
BAD = told(("BadRequestError", 400, None), ("BadRequestError", 400, "invalid_request_error"))
TOO_LONG = told(("BadRequestError", 400, "context_length_exceeded"), ("BadRequestError", 400, "invalid_request_error"))
UNKNOWN = told(("NotFoundError", 404, "model_not_found"), ("NotFoundError", 404, "not_found_error"))
FILTERED = told(ANSWERED, ("BadRequestError", 400, "invalid_request_error"))
LATE = told(("InternalServerError", 504, "exhausted"), ("GatewayTimeoutError", 504, "timeout_error"))
NO_ANSWER = told(("InternalServerError", 502, "exhausted"), ("InternalServerError", 502, "api_error"))
LATE_IN_STREAM = told(("APIError", None, "exhausted"), ("APIStatusError", 200, "timeout_error"))
BROKEN = told(("APIError", None, "exhausted"), ("APIStatusError", 200, "api_error"))
TOLD_IN_STREAM = either(
    told(("APIError", None, None), ("APIStatusError", 200, "api_error")),
    told(("APIError", None, "server_error"), ("APIStatusError", 200, "api_error")),
    told(("InternalServerError", 502, None), ("InternalServerError", 502, "api_error")),
    told(("InternalServerError", 502, "server_error"), ("InternalServerError", 502, "api_error")),
)
"""An error within a stream, in the vendor's words; before anything was passed on, with the status that it means."""

MATRIX: Mapping[str, tuple[Mapping[str, frozenset[End]], Mapping[str, frozenset[End]]]] = {
    **dict.fromkeys(("ok", "invalid", "never-valid", "invalid-twice", "broken-json", "truncated", "refused"), (OK, OK)),
    **dict.fromkeys(("slow-stream", "cached", "reasoning"), (OK, OK)),
    "content-filter": (FILTERED, FILTERED),
    "throttled": (THROTTLED, THROTTLED),
    "failed": (FAILED, FAILED),
    "overloaded": (OVERLOADED, OVERLOADED),
    "unauthorized": (NO_KEY, NO_KEY),
    "forbidden": (FORBIDDEN, FORBIDDEN),
    "bad-request": (BAD, BAD),
    "too-long": (TOO_LONG, TOO_LONG),
    "unknown-model": (UNKNOWN, UNKNOWN),
    **dict.fromkeys(("hang", "held", "drip"), (LATE, LATE)),
    "stall": (LATE, either(LATE, LATE_IN_STREAM)),
    **dict.fromkeys(("reset", "html", "empty"), (NO_ANSWER, NO_ANSWER)),
    **dict.fromkeys(("broken-body", "cut-stream", "short-stream"), (NO_ANSWER, either(NO_ANSWER, BROKEN))),
    "error-in-stream": (FAILED, TOLD_IN_STREAM),
}
"""By scenario of the fake vendor: how it ends whole, and how streamed."""
NEVER_WHOLE = ("hang", "held", "drip", "stall")
WAYS = ("whole", "streamed")
CELLS = list(product(MATRIX, MODELS, WAYS))


@pytest.fixture(scope="module")
def ends(wire: WireServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[tuple[str, str, str], End]]:
    """How every cell ends: all are asked at once, and who waits in vain does so for a second."""
    database = f"sqlite:///{tmp_path_factory.mktemp('matrix') / 'proctor.db'}"
    settings = house_settings(api_settings(database, wire), wire.url)
    with built(settings.model_copy(update={"breaker_least_calls": 10**6}), wire) as house, served(house.app) as url:
        for door, model in MODELS.items():
            hurried = [{"model": model, "timeout_seconds": 1}]
            house.runtime.routes.set(LOCAL_OPERATOR, f"hurried-{door}", hurried, max_retries=0)
        with ThreadPoolExecutor(12) as threads:
            found = list(threads.map(lambda cell: ended(house, url, *cell), CELLS))
        yield dict(zip(CELLS, found, strict=True))


def ended(house: House, url: str, scenario: str, door: str, way: str) -> End:
    """Ask once, and return how it ends."""
    asked: Any = {"model": f"hurried-{door}" if scenario in NEVER_WHOLE else MODELS[door], "stream": way == "streamed"}
    text = f"Bern. [[{scenario}]]"
    messages: Any = [{"role": "user", "content": text}]
    try:
        if door == "messages":
            with anthropic.Anthropic(api_key=house.key, base_url=url, max_retries=0) as messenger:
                _read(messenger.messages.create(messages=messages, max_tokens=100, **asked))
        else:
            with openai.OpenAI(api_key=house.key, base_url=f"{url}/v1", max_retries=0) as client:
                if door == "chat":
                    _read(client.chat.completions.create(messages=messages, **asked))
                else:
                    _read(client.responses.create(input=text, store=False, **asked))
    except Exception as error:  # noqa: BLE001 what it raises is compared
        named = "type" if door == "messages" else "code"
        return type(error).__name__, getattr(error, "status_code", None), getattr(error, named, None)
    return ANSWERED


def _read(answer: Any) -> None:
    if isinstance(answer, openai.Stream | anthropic.Stream):
        assert list(answer)


def test_the_matrix_has_every_fault() -> None:
    """Whoever adds one to the fake vendor says here how it ends."""
    assert set(MATRIX) == set(SCENARIOS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("door", list(MODELS))
@pytest.mark.parametrize("scenario", list(MATRIX))
def test_a_fault_ends_as_the_sdk_reads_it(
    scenario: str, door: str, way: str, ends: Mapping[tuple[str, str, str], End]
) -> None:
    """Class, status and code are the dialect's; nothing that broke off ends as an answer."""
    assert ends[scenario, door, way] in MATRIX[scenario][WAYS.index(way)][door]
