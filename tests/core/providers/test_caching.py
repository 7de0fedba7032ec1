"""The vendors' caches: what is stable goes first, is marked where need be, and is billed once, as what it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.pricing import PriceBook, Usage
from core.providers import Answer, Ask, Framed, Provider
from core.providers._messages import in_chat, messages_of
from core.providers.anthropic import Anthropic
from core.providers.loop import Cancellation, Loop
from core.providers.openai import OpenAI
from core.response_models import response_model
from tests.corridor import A_PERSON, PERSON
from tests.messages import as_messages
from tests.wire.caches import LIFETIME_SECONDS, Block, Caches, Found
from tests.wire.ledger import Call, Tokens
from tests.wire.server import WireServer

MODEL = response_model(PERSON, "person")
MODES = ("tools", "json_schema", "json", "md_json")
SONNET, MINI = "claude-sonnet-4-5", "gpt-4o-mini"
DOCUMENT = "".join(f"Clause {n}: whoever reads this is a person of age {n}. " for n in range(200))
"""Long enough for every cache: some 2 600 tokens."""
RULES = "".join(f"Rule {n}: be exact about everything that the document says. " for n in range(100))
PRICES, AT = PriceBook(), datetime(2026, 3, 4, tzinfo=UTC)
_numbers = iter(range(10**6))


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


@pytest.fixture(params=["chat", "responses", "anthropic"])
def provider(
    request: pytest.FixtureRequest, wire: WireServer, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Provider]:
    """OpenAI itself on either wire, as far as our code can tell, or Anthropic; as an account that nobody had before."""
    key = f"sk-caching-{next(_numbers)}"
    made: Provider
    if request.param == "anthropic":
        made = Anthropic(api_key=key, base_url=wire.anthropic_url)
    else:
        monkeypatch.setenv("OPENAI_BASE_URL", wire.openai_url)
        made = OpenAI(api_key=key, responses=request.param == "responses")
    yield made
    loop.run(made.close())


@pytest.fixture
def anthropic(wire: WireServer, loop: Loop) -> Iterator[Anthropic]:
    """Anthropic, as an account that nobody had before."""
    made = Anthropic(api_key=f"sk-caching-{next(_numbers)}", base_url=wire.anthropic_url)
    yield made
    loop.run(made.close())


def ask(provider: Provider, *messages: Mapping[str, Any], **more: Any) -> Ask:
    """Return a question to a model that has a price."""
    model = SONNET if provider.name == "anthropic" else MINI
    return Ask(**{"model": model, "response_model": MODEL, "messages": as_messages(*messages)} | more)


def says(role: str, content: str, *, stable: bool | None = None) -> dict[str, Any]:
    """Return a message."""
    return {"role": role, "content": content} | ({} if stable is None else {"stable": stable})


def send(loop: Loop, conversation: Framed, *, stream: bool = False) -> Answer:
    """Send once."""
    call = loop.call(conversation, 10, Cancellation(), stream=stream)
    while True:
        try:
            next(call)
        except StopIteration as end:
            return end.value


def last(wire: WireServer) -> tuple[Call, dict[str, Any]]:
    """Return the newest call and its body."""
    call = wire.ledger.calls()[-1]
    assert call.request is not None
    return call, call.request


def billed(usage: Usage | None) -> Tokens:
    """Return *usage* as the fake bills it."""
    assert usage is not None
    return Tokens(
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


# ── The order ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("S u d* q", "S d* u q"),
        ("u S d*", "d* u S"),
        ("S1 S2 u", "S1 S2 u"),
        ("S- d* q", "d* S- q"),
        ("u1 a1 u2", "u1 a1 u2"),
        ("u1 d1* a1 d2* u2", "d1* d2* u1 a1 u2"),
        ("d* S* u", "d* S* u"),
        ("S d- u", "S d- u"),
    ],
)
def test_what_is_stable_goes_first(given: str, sent: str) -> None:
    """Marked messages and leading system ones go before the rest; order is kept otherwise, and marks stay here."""
    roles = {"S": "system", "u": "user", "q": "user", "d": "user", "a": "assistant"}
    marks = {"*": {"stable": True}, "-": {"stable": False}}
    messages = [{"role": roles[one[0]], "content": one} | marks.get(one[-1], {}) for one in given.split()]
    asked = Ask(model="m", response_model=MODEL, messages=as_messages(*messages))

    assert [one["content"] for one in messages_of(asked, in_chat)] == sent.split()
    assert {name for one in messages_of(asked, in_chat) for name in one} == {"role", "content"}


@given(marks=st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.none() | st.booleans())))
def test_order_is_kept_on_either_side(marks: Sequence[tuple[str, bool | None]]) -> None:
    """No message is lost or doubled, and neither the stable ones nor the others change places among themselves."""
    messages = [says(role, str(n), stable=stable) for n, (role, stable) in enumerate(marks)]
    sent = [
        int(one["content"])
        for one in messages_of(Ask(model="m", response_model=MODEL, messages=as_messages(*messages)), in_chat)
    ]
    first = len(sent) - len([n for n in sent if marks[n][1] is False or (marks[n][1] is None and not _leads(marks, n))])

    assert sorted(sent) == list(range(len(marks)))
    assert sent == sorted(sent[:first]) + sorted(sent[first:])


def _leads(marks: Sequence[tuple[str, bool | None]], n: int) -> bool:
    return all(role == "system" for role, _ in marks[: n + 1])


# ── The second call ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_the_second_call_reads_from_the_cache(
    *, mode: str, stream: bool, provider: Provider, wire: WireServer, loop: Loop
) -> None:
    """Two questions about one document: the second reads it from the cache, is recorded so, and costs less."""
    usages: list[Usage] = []
    for question in ("Who is young?", "Who is old?"):
        asked = ask(
            provider,
            says("system", "Be exact."),
            says("user", question),
            says("user", DOCUMENT, stable=True),
            mode=mode,
            stream=stream,
            cache_key="tenant and schema",
        )
        conversation = provider.open(asked)
        answer = send(loop, conversation, stream=stream)
        assert conversation.read(answer).model_dump() == A_PERSON
        assert billed(answer.usage) == last(wire)[0].usage, "recorded is what was billed"
        assert answer.usage is not None
        usages.append(answer.usage)
    first, second = usages

    assert first.cached_tokens == 0
    assert second.cached_tokens > 2000
    assert second.cache_write_tokens == 0
    assert (first.cache_write_tokens > 2000) is (provider.name == "anthropic")
    costs = [PRICES.cost(provider.name, asked.model, usage, AT) for usage in usages]
    assert costs[0] is not None
    assert costs[1] is not None
    assert costs[1].nano_usd < 0.7 * costs[0].nano_usd
    assert costs[1].cache_saved_nano_usd > 0
    assert (costs[0].cache_saved_nano_usd < 0) is (provider.name == "anthropic"), "what is written costs more"


@pytest.mark.parametrize("stream", [False, True])
def test_no_token_is_billed_twice(*, stream: bool, provider: Provider, wire: WireServer, loop: Loop) -> None:
    """Input counts every token once, whatever the vendor's wire leaves out: fresh, read and written add up to it."""
    for question in ("A?", "B?"):
        asked = ask(provider, says("user", DOCUMENT, stable=True), says("user", question), stream=stream)
        usage = send(loop, provider.open(asked), stream=stream).usage
    told = last(wire)[0].usage
    assert usage is not None
    terms = PRICES.terms(provider.name, asked.model, AT)
    assert terms is not None
    cost, rates = terms.cost(usage), terms.base

    assert usage.input_tokens == told.input_tokens
    assert usage.cached_tokens == told.cached_tokens > 0
    fresh = told.input_tokens - told.cached_tokens
    by_hand = fresh * rates.fresh + told.cached_tokens * rates.cached + told.output_tokens * rates.output
    assert cost.nano_usd == -(-by_hand // 10**6)
    assert cost.cache_saved_nano_usd == told.cached_tokens * (rates.fresh - rates.cached) // 10**6


@pytest.mark.parametrize("mode", MODES)
def test_a_reask_begins_with_the_same_bytes(mode: str, provider: Provider, wire: WireServer, loop: Loop) -> None:
    """A re-ask only adds at the end, so that the cache knows what was sent before."""
    asked = ask(
        provider,
        says("system", RULES),
        says("user", DOCUMENT, stable=True),
        says("user", "[[invalid-twice]]"),
        mode=mode,
    )
    conversation = provider.open(asked)
    sent: list[list[Any]] = []
    cached: list[int] = []
    for _ in range(3):
        answer = send(loop, conversation)
        _, body = last(wire)
        sent.append([json.dumps(one) for one in body.get("messages") or body["input"]])
        assert answer.usage is not None
        cached.append(answer.usage.cached_tokens)
        try:
            conversation.read(answer)
        except ValidationError as error:
            conversation.ask_again(answer, error)

    assert sent[1][: len(sent[0])] == sent[0]
    assert sent[2][: len(sent[1])] == sent[1]
    assert cached[0] == 0
    assert cached[2] >= cached[1] > 2000


# ── Anthropic's marks ─────────────────────────────────────────────────────────────────────────────────────────────────


def marks(body: Mapping[str, Any]) -> list[str]:
    """Return where the marks of a request stand."""
    found: list[str] = []
    for place, tool in enumerate(body.get("tools") or ()):
        found += [f"tool {place}"] * ("cache_control" in tool)
    for place, block in enumerate(body.get("system") or ()):
        found += [f"system {place}"] * ("cache_control" in block)
    for place, message in enumerate(body["messages"]):
        blocks = message["content"] if isinstance(message["content"], list) else []
        found += [f"message {place}" for block in blocks if "cache_control" in block]
    return found


DOC, Q, SYSTEM = says("user", "doc", stable=True), says("user", "q"), says("system", "s")


@pytest.mark.parametrize(
    ("messages", "mode", "where"),
    [
        ([Q], "tools", ["tool 0"]),
        ([Q], "json_schema", []),
        ([Q], "json", ["system 0"]),
        ([SYSTEM, Q], "tools", ["system 0"]),
        ([SYSTEM, SYSTEM, Q], "json", ["system 2"]),
        ([SYSTEM, Q, DOC, DOC], "tools", ["system 0", "message 1"]),
        ([DOC, Q], "json_schema", ["message 0"]),
        ([Q, SYSTEM, DOC], "tools", ["tool 0"]),
        ([SYSTEM, says("system", "varies", stable=False), DOC, Q], "tools", ["system 0"]),
    ],
)
def test_where_the_marks_stand(  # noqa: PLR0917 three of them are one row
    messages: list[Mapping[str, Any]], mode: str, where: list[str], anthropic: Anthropic, wire: WireServer, loop: Loop
) -> None:
    """Marks stand where what is stable ends: after the system texts or the tool, and after the last stable message."""
    send(loop, anthropic.open(ask(anthropic, *messages, mode=mode)))
    assert marks(last(wire)[1]) == where
    send(loop, anthropic.open(ask(anthropic, *messages, mode=mode, marks_cache=False)))
    assert marks(last(wire)[1]) == []


def test_another_document_finds_the_system_text(anthropic: Anthropic, wire: WireServer, loop: Loop) -> None:
    """A call about another document still reads tool and system text from the cache."""
    for n, document in enumerate((DOCUMENT, f"Other. {DOCUMENT}")):
        asked = ask(anthropic, says("system", RULES), says("user", document, stable=True), says("user", f"{n}?"))
        send(loop, anthropic.open(asked))
    usage = last(wire)[0].usage
    assert 1000 < usage.cached_tokens < 2000
    assert usage.cache_write_tokens > 2000


def test_marks_of_shared_parts_stay_with_their_request(anthropic: Anthropic, wire: WireServer, loop: Loop) -> None:
    """The tool of a schema is prepared once and shared; a mark on it does not stay there."""
    send(loop, anthropic.open(ask(anthropic, Q)))
    send(loop, anthropic.open(ask(anthropic, SYSTEM, Q)))
    assert marks(last(wire)[1]) == ["system 0"]


def test_openai_is_told_whose_calls_begin_alike(provider: Provider, wire: WireServer, loop: Loop) -> None:
    """OpenAI alone gets the word by which it brings calls together; a server that only speaks its dialect does not."""
    send(loop, provider.open(ask(provider, Q, cache_key="word")))
    assert last(wire)[1].get("prompt_cache_key") == (None if provider.name == "anthropic" else "word")
    other = OpenAI(api_key="k", base_url=wire.openai_url)
    send(loop, other.open(ask(other, Q, cache_key="word")))
    loop.run(other.close())
    assert "prompt_cache_key" not in last(wire)[1]


# ── The fake's caches ─────────────────────────────────────────────────────────────────────────────────────────────────


def blocks(*sizes: int, marks: Sequence[int] = ()) -> list[Block]:
    """Return blocks of so many tokens."""
    return [Block(bytes([65 + n]) * size * 4, n in marks) for n, size in enumerate(sizes)]


def test_the_fake_caches_as_openai_does() -> None:
    """From 1 024 tokens on, in steps of 128, the longest common beginning; never across accounts or keys."""
    caches = Caches()
    assert caches.automatic("a", blocks(1023)) == Found()
    assert caches.automatic("a", blocks(1023)) == Found()
    assert caches.automatic("a", blocks(1000, 500)) == Found()
    assert caches.automatic("a", blocks(1000, 400)) == Found(1280)
    assert caches.automatic("b", blocks(1000, 500)) == Found()
    assert caches.automatic("a", [*blocks(1000), Block(b"z" * 9999)]) == Found()


def test_the_fake_caches_as_anthropic_does() -> None:
    """What stands before a mark, if it is long enough; for five minutes from the last use; 20 blocks back at most."""
    caches = Caches()
    assert caches.marked("a", SONNET, blocks(2000), 0) == Found()
    assert caches.marked("a", SONNET, blocks(1000, marks=[0]), 0) == Found()
    assert caches.marked("a", "claude-haiku-4-5", blocks(2000, marks=[0]), 0) == Found()
    assert caches.marked("a", SONNET, blocks(2000, 50, marks=[0]), 0) == Found(0, 2000)
    assert caches.marked("a", SONNET, blocks(2000, 50, marks=[0]), LIFETIME_SECONDS) == Found(2000)
    assert caches.marked("a", SONNET, blocks(2000, 300, marks=[1]), 2 * LIFETIME_SECONDS) == Found(2000, 300)
    assert caches.marked("b", SONNET, blocks(2000, marks=[0]), 2 * LIFETIME_SECONDS) == Found(0, 2000)
    assert caches.marked("a", SONNET, blocks(2000, marks=[0]), 3 * LIFETIME_SECONDS + 1) == Found(0, 2000)
    far = blocks(2000, *[1] * 30, marks=[30])
    assert caches.marked("a", SONNET, far, 3 * LIFETIME_SECONDS + 1) == Found(0, 2030)


def test_five_marks_are_turned_away(wire: WireServer, loop: Loop, anthropic: Anthropic) -> None:
    """Anthropic takes four marks, and so does the fake."""
    conversation: Any = anthropic.open(ask(anthropic, Q))
    marked = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    conversation._messages = [{"role": "user", "content": [marked] * 4}]
    conversation._content = conversation._encode()
    with pytest.raises(Exception, match="it rejects the request"):
        send(loop, conversation)
