"""What a request may carry beside its messages, sending it again with more room, and a request that is too long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from core.providers import (
    PARAMETERS,
    Answer,
    Ask,
    Broken,
    ContextOverflow,
    Failed,
    Provider,
    Throttled,
    Truncated,
    TurnedAway,
    parameters,
)
from core.providers._failures import broken_off, status_error
from core.providers.anthropic import Anthropic
from core.providers.loop import Cancellation, Loop
from core.providers.openai import OpenAI
from core.response_models import response_model
from core.tables import Outcome
from tests.corridor import A_PERSON, PERSON
from tests.messages import as_messages
from tests.wire.server import WireServer

MODEL = response_model(PERSON, "person")
WIRES = ("chat", "responses", "anthropic")
EVERYTHING = {
    "temperature": 0.3,
    "top_p": 0.9,
    "top_k": 5,
    "seed": 7,
    "reasoning_effort": "minimal",
    "verbosity": "low",
    "service_tier": "flex",
}


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """The provider loop."""
    running = Loop()
    yield running
    running.close()


@pytest.fixture(scope="module", params=WIRES)
def provider(request: pytest.FixtureRequest, wire: WireServer, loop: Loop) -> Iterator[Provider]:
    """Each wire."""
    made: Provider
    if request.param == "anthropic":
        made = Anthropic(api_key="k", base_url=wire.anthropic_url)
    else:
        made = OpenAI(api_key="k", base_url=wire.openai_url, responses=request.param == "responses")
    yield made
    loop.run(made.close())


def ask(text: str = "Make a person.", **more: Any) -> Ask:
    """Return a question."""
    return Ask(model="m", response_model=MODEL, messages=as_messages({"role": "user", "content": text}), **more)


def send(loop: Loop, conversation: Any, *, stream: bool = False) -> Answer:
    """Send once."""
    call = loop.call(conversation, 10, Cancellation(), stream=stream)
    while True:
        try:
            next(call)
        except StopIteration as end:
            return end.value


def last(wire: WireServer) -> dict[str, Any]:
    """Return the newest request."""
    request = wire.ledger.calls()[-1].request
    assert request is not None
    return request


# ── Parameters ────────────────────────────────────────────────────────────────────────────────────────────────────────

SENT: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "temperature": 0.3,
        "top_p": 0.9,
        "seed": 7,
        "reasoning_effort": "minimal",
        "verbosity": "low",
        "service_tier": "flex",
    },
    "/v1/responses": {
        "temperature": 0.3,
        "top_p": 0.9,
        "reasoning": {"effort": "minimal"},
        "text": {"verbosity": "low"},
        "service_tier": "flex",
    },
    "/v1/messages": {"temperature": 0.3, "top_p": 0.9, "top_k": 5, "output_config": {"effort": "low"}},
}


@pytest.mark.parametrize("stream", [False, True])
def test_parameters_go_out_under_the_vendors_names(
    *, stream: bool, provider: Provider, wire: WireServer, loop: Loop
) -> None:
    """Each wire gets the parameters that it knows, by its own names, and nothing of them where none is set."""
    plain = provider.open(ask(stream=stream))
    send(loop, plain, stream=stream)
    without = last(wire)
    set_ = provider.open(ask(stream=stream, parameters=EVERYTHING))
    assert set_.read(send(loop, set_, stream=stream)).model_dump() == A_PERSON
    request = last(wire)

    assert {name: part for name, part in request.items() if name not in without} == SENT[wire.ledger.calls()[-1].path]


def test_a_format_and_its_parameters_share_a_place(provider: Provider, wire: WireServer, loop: Loop) -> None:
    """Where schema and parameter go into the same member, both are there."""
    conversation = provider.open(ask(mode="json_schema", parameters=EVERYTHING))
    assert conversation.read(send(loop, conversation)).model_dump() == A_PERSON
    request = last(wire)
    shared = request.get("output_config") or request.get("text")
    if shared is not None:
        assert shared["format"]["type"] == "json_schema"
        assert len(shared) == 2


def test_no_reasoning_at_all(wire: WireServer, loop: Loop) -> None:
    """Anthropic has no effort of none; there thinking is switched off."""
    provider = Anthropic(api_key="k", base_url=wire.anthropic_url)
    send(loop, provider.open(ask(parameters={"reasoning_effort": "none"})))
    loop.run(provider.close())
    assert last(wire)["thinking"] == {"type": "disabled"}
    assert "output_config" not in last(wire)


def test_parameters_are_checked() -> None:
    """What says nothing is left out, the order is always the same, and whole numbers are whole."""
    assert parameters({"seed": 3.0, "temperature": 0, "top_p": None, "verbosity": ""}) == {"temperature": 0, "seed": 3}
    assert list(parameters(dict(reversed(EVERYTHING.items())))) == list(PARAMETERS)
    assert parameters(EVERYTHING) == EVERYTHING


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"heat": 1}, "'heat' is no parameter; there are temperature, top_p"),
        ({"temperature": 2.1}, "temperature lies between 0 and 2; this is 2.1"),
        ({"temperature": True}, "temperature lies between 0 and 2; this is True"),
        ({"temperature": float("nan")}, "temperature lies between"),
        ({"top_p": "1"}, "top_p lies between 0 and 1; this is '1'"),
        ({"seed": 1.5}, "seed is a whole number from 0 on; this is 1.5"),
        ({"seed": float("nan")}, "seed is a whole number"),
        ({"seed": float("inf")}, "seed is a whole number"),
        ({"top_k": -1}, "top_k is a whole number from 0 on; this is -1"),
        ({"reasoning_effort": "huge"}, "reasoning_effort is one of none, minimal, low, medium, high, xhigh, max"),
        ({"verbosity": ["low"]}, "verbosity is one of low, medium, high"),
    ],
)
def test_a_parameter_that_cannot_be(given: dict[str, Any], sentence: str) -> None:
    """A wrong parameter is named, with what it may be."""
    with pytest.raises(ValueError, match=r"^" + sentence.replace("(", r"\(")):
        parameters(given)


# ── More room ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_answer_is_asked_for_with_more_room(
    *, stream: bool, provider: Provider, wire: WireServer, loop: Loop
) -> None:
    """The same conversation goes out again, alike but for its limit, and then its answer is whole."""
    conversation = provider.open(ask(max_tokens=4, stream=stream))
    with pytest.raises(Truncated, match="limit of 4 tokens"):
        send(loop, conversation, stream=stream)
    first = last(wire)
    conversation.allow(400)
    assert conversation.read(send(loop, conversation, stream=stream)).model_dump() == A_PERSON
    second = last(wire)

    assert {name: (part, second[name]) for name, part in first.items() if part != second[name]} in [
        {name: (4, 400)} for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")
    ]


# ── Too long ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_is_too_long(*, stream: bool, provider: Provider, loop: Loop) -> None:
    """Every vendor's word for it is one to us: nobody's fault, not paid for, and another model may have the room."""
    with pytest.raises(ContextOverflow) as found:
        send(loop, provider.open(ask("[[too-long]]", stream=stream)), stream=stream)
    error = found.value
    assert (error.code, error.outcome) == ("context_overflow", Outcome.PROVIDER_ERROR)
    assert (error.try_again, error.trips_breaker, error.was_sent) == (False, False, False)
    assert error.message.startswith(f"The request is longer than {provider.name} takes for this model (")
    assert error.answer.http_status == 400


SENTENCES = [
    "prompt is too long: 205668 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 184915 + 20000 > 204648, decrease input length",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
    "This endpoint's maximum context length is 32768 tokens. However, you requested about 42832 tokens",
    "'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 8192 tokens",
    "You passed 1015 input tokens and requested 10 output tokens. However, the model's context length is only 1024",
    "the request exceeds the available context size, try increasing it",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
]


def meaning(status: int, body: Any) -> Any:
    """Return what an answer with that status and body means."""
    return status_error("x", httpx2.Response(status), body, Answer())


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_that_say_too_long(sentence: str) -> None:
    """Servers without a code for it say so in words, with whatever status, whole or in a stream."""
    for body in ({"error": {"message": sentence, "code": 400}}, {"message": sentence, "type": "BadRequestError"}):
        for status in (200, 400, 422, 500):
            assert isinstance(meaning(status, body), ContextOverflow)
        assert isinstance(broken_off("x", body, Answer()), ContextOverflow)
    quoted = {"error": {"message": f"The request is invalid. Received {sentence}"}}
    assert isinstance(meaning(400, quoted), TurnedAway), "a prompt that says so does not"


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (413, {}, ContextOverflow),
        (413, {"type": "request_too_large"}, ContextOverflow),
        (400, {"code": "context_length_exceeded"}, ContextOverflow),
        (400, {"type": "exceed_context_size_error"}, ContextOverflow),
        (400, {"code": "string_above_max_length"}, ContextOverflow),
        (400, {"code": ["context_length_exceeded"]}, TurnedAway),
        (429, {"code": "context_length_exceeded"}, Throttled),
        (500, {"code": "server_error"}, Failed),
        (200, {"code": "server_error"}, Broken),
    ],
)
def test_codes_that_say_too_long(status: int, told: dict[str, Any], kind: type[Exception]) -> None:
    """A code says it without words; a rate limit stays one, whatever its code."""
    assert type(meaning(status, {"error": told})) is kind
