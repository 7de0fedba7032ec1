"""Servers by name, each against a fake that answers as its maker documents, through the corridor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from core.clock import SystemClock
from core.errors import Invalid
from core.principals import LOCAL_OPERATOR
from core.providers import KeyRejected, QuotaExhausted, Throttled, load
from core.providers._keys import Keyring
from core.servers import named_servers
from core.settings import Settings
from tests.corridor import Rig, rig
from tests.wire.scripted import Scripted, ScriptedServer, events
from tests.wire.server import WireServer

PERSON = {"name": "Zo", "age": 3, "tags": []}
TEXT = orjson.dumps(PERSON).decode()
USAGE = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """Return one chunk of a chat stream; a choice without a delta where it is ``None``."""
    choice = {"index": 0, "finish_reason": finish} | ({} if delta is None else {"delta": delta})
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def call(arguments: str, **more: Any) -> dict[str, Any]:
    """Return a delta that calls the tool."""
    return {"tool_calls": [{"type": "function", "function": {"name": "person", "arguments": arguments}, **more}]}


NO_CHOICE = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}
HALVES = TEXT[:9], TEXT[9:]
STREAMS: dict[str, bytes] = {
    "azure": events(
        NO_CHOICE,
        chunk(call(HALVES[0], index=0, id="a")),
        chunk(None, content_filter_results={}),
        chunk(call(HALVES[1], index=0)),
        chunk({}, "tool_calls"),
        {**NO_CHOICE, "usage": USAGE},
    ),
    "gemini": events(chunk(call(TEXT, id="a"), "stop", usage=USAGE)),
    "vertex": events(chunk(call(TEXT, id="a"), "stop", usage=USAGE)),
    "openrouter": b": OPENROUTER PROCESSING\n\n"
    + events(chunk(call(TEXT, index=0, id="a")), chunk({"content": ""}, "tool_calls"), chunk({}, usage=USAGE)),
    "groq": events(chunk(call(TEXT, index=0, id="a")), chunk({}, "tool_calls", x_groq={"id": "r", "usage": USAGE})),
    "mistral": events(
        chunk({"role": "assistant", "content": ""}), chunk(call(TEXT, id="a1B2c3D4e"), "tool_calls", usage=USAGE)
    ),
    "xai": events(
        chunk({"reasoning_content": "hm"}, usage=USAGE),
        chunk(call(TEXT, index=0, id="a"), usage=USAGE),
        chunk({}, "stop"),
        {**NO_CHOICE, "usage": USAGE},
    ),
    "deepseek": b": keep-alive\n\n"
    + events(
        chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
        chunk(call(TEXT, index=0)),
        chunk({"content": ""}, "tool_calls", usage=USAGE),
    ),
    "vllm": events(
        chunk({"role": "assistant", "reasoning": "Here"}),
        chunk(call(HALVES[0], index=0, id="a"), ""),
        chunk(call(HALVES[1], index=0), ""),
        chunk({}, "tool_calls"),
        {**NO_CHOICE, "usage": USAGE},
    ),
    "ollama": events(
        chunk({"role": "", "content": HALVES[0]}, ""),
        chunk({"content": HALVES[1]}, "stop"),
        {**NO_CHOICE, "usage": USAGE},
    ),
}
"""What each kind streams, with what is its own."""
PATHS = {
    "azure": "/openai/v1/chat/completions",
    "gemini": "/chat/completions",
}


def whole(kind: str) -> dict[str, Any]:
    """Return a whole answer as *kind* gives it."""
    message: dict[str, Any] = {"role": "assistant", "content": None, **call(TEXT, id="a")}
    if kind == "ollama":
        message = {"role": "assistant", "content": TEXT}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE} | {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop" if kind == "gemini" else "tool_calls"}]
    }


def block(**more: Any) -> dict[str, Any]:
    """Return a whole answer of the messages API."""
    content = [{"type": "tool_use", "id": "t", "name": "person", "input": PERSON}]
    usage = {"input_tokens": 20, "output_tokens": 9}
    return {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": content} | {
        "stop_reason": "tool_use",
        "usage": usage,
        **more,
    }


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers that are always there."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """The server that a test names."""
    with ScriptedServer() as running:
        yield running


def house(wire: WireServer, url: str, server: ScriptedServer, **variables: str) -> Any:
    """Return a Proctor with one more server: *variables* are its own, by what follows its name."""
    name = variables.pop("name")
    prefix = name.replace("-", "_").upper()
    there = {f"{prefix}_BASE_URL": server.anthropic_url} | {f"{prefix}_{key}": text for key, text in variables.items()}
    return rig(wire, url, providers=named_servers(name, there.get))


def asked(proctor: Rig, model: str, *, stream: bool = False, **limits: Any) -> Any:
    """Ask a route of this one model for a person."""
    return proctor.ask(proctor.tenant(None), route=proctor.route(model, **limits), stream=stream)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", STREAMS)
def test_a_kind_is_asked_and_read_as_its_maker_documents(
    kind: str, wire: WireServer, sqlite_url: str, server: ScriptedServer, *, stream: bool
) -> None:
    """Through the corridor: its path, its headers, its way to stream; object, usage and provider are recorded."""
    more = {"REGION": "us-east1", "PROJECT": "p"} if kind == "vertex" else {}
    server.plays(Scripted.streamed(STREAMS[kind]) if stream else Scripted.whole(whole(kind)))
    with house(wire, sqlite_url, server, name=f"{kind}-eu", API_KEY="sk-of-our-own", **more) as proctor:
        generation = asked(proctor, f"{kind}-eu/some/model", stream=stream).generation

    [(path, headers)] = server.heard
    [body] = server.asked
    assert generation.value == PERSON
    assert [(one.provider, one.usage.input_tokens, one.usage.output_tokens) for one in generation.attempts] == [
        (f"{kind}-eu", 20, 9)
    ]
    assert path == PATHS.get(kind, "/chat/completions")
    assert body["model"] == "some/model"
    if kind == "azure":
        assert headers["api-key"] == "sk-of-our-own"
        assert "authorization" not in headers
    else:
        assert headers["authorization"] == "Bearer sk-of-our-own"
    assert ("stream_options" in body) is (stream and kind not in ("mistral", "groq"))


def test_azure_s_deployments_may_stand_in_the_path(wire: WireServer, sqlite_url: str, server: ScriptedServer) -> None:
    """With a version of the API each model has a path of its own, and the version goes along."""
    server.plays(Scripted.whole(whole("azure")))
    with house(wire, sqlite_url, server, name="azure", API_KEY="az", API_VERSION="2024-10-21") as proctor:
        for model in ("azure/my dep", "azure/other", "azure/my dep"):
            assert asked(proctor, model).generation.value == PERSON

    paths = [path for path, _ in server.heard]
    mine = "/openai/deployments/my%20dep/chat/completions?api-version=2024-10-21"
    assert paths == [mine, mine.replace("my%20dep", "other"), mine]
    assert {headers["api-key"] for _, headers in server.heard} == {"az"}


def test_a_server_may_speak_the_messages_dialect(wire: WireServer, sqlite_url: str, server: ScriptedServer) -> None:
    """Then it is asked as Anthropic is, with the headers that it wants."""
    server.plays(Scripted.whole(block()))
    given = {"DIALECT": "messages", "API_KEY": "k-own", "HEADERS": '{"x-team": "blue"}'}
    with house(wire, sqlite_url, server, name="compatible-lab", **given) as proctor:
        assert asked(proctor, "compatible-lab/claude").generation.value == PERSON

    [(path, headers)] = server.heard
    assert (path, headers["authorization"], headers["x-team"]) == ("/v1/messages", "Bearer k-own", "blue")


@pytest.mark.parametrize(
    ("kind", "says"), [("openrouter", "bearer"), ("deepseek", "x-api-key"), ("vllm", "bearer"), ("ollama", "bearer")]
)
def test_who_speaks_messages_beside_chat_is_asked_where_its_maker_says(
    kind: str, says: str, wire: WireServer, sqlite_url: str, server: ScriptedServer
) -> None:
    """At an address that may be given with its version or without, by tools, with the key in one header only."""
    server.plays(Scripted.whole(block()))
    given = {"DIALECT": "messages", "API_KEY": "k-of-our-own", "BASE_URL": server.openai_url}
    with house(wire, sqlite_url, server, name=f"{kind}-eu", **given) as proctor:
        assert asked(proctor, f"{kind}-eu/some/model").generation.value == PERSON
        assert proctor.runtime.providers[f"{kind}-eu"].dialects == ("messages",)

    [(path, headers)] = server.heard
    [body] = server.asked
    key = {name: headers[name] for name in ("authorization", "x-api-key") if name in headers}
    assert (path, key) == (
        "/v1/messages",
        {"authorization": "Bearer k-of-our-own"} if says == "bearer" else {"x-api-key": "k-of-our-own"},
    )
    assert body["tool_choice"]["name"]


def test_what_one_address_serves_callers_may_speak_to_it() -> None:
    """Unless the settings say which dialect it is, or an address of its own serves one."""

    def spoken(name: str, **given: str) -> tuple[str, ...]:
        prefix = name.upper()
        there = {f"{prefix}_{key}": text for key, text in ({"API_KEY": "k"} | given).items()}
        found = load(name, Settings(providers=named_servers(name, there.get)))
        return found.dialects

    for name in ("groq", "xai", "openrouter"):
        assert spoken(name) == ("chat", "responses")
        assert spoken(name, DIALECT="chat") == ("chat",)
    assert spoken("azure", BASE_URL="https://x.openai.azure.com") == ("chat", "responses")
    assert spoken("azure", BASE_URL="https://x.openai.azure.com", API_VERSION="2024-10-21") == ("chat",)
    assert spoken("mistral") == spoken("deepseek") == ("chat",)
    deepseek = named_servers("deepseek", {"DEEPSEEK_API_KEY": "k", "DEEPSEEK_DIALECT": "messages"}.get)["deepseek"]
    assert deepseek.address == "https://api.deepseek.com/anthropic"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_claude_on_vertex_is_asked_by_the_sdk_s_own_client(
    wire: WireServer, sqlite_url: str, server: ScriptedServer, *, stream: bool
) -> None:
    """Project, region and model stand in the path, the version in the body, and a token says who we are."""
    start = {"type": "message_start", "message": block(content=[], stop_reason=None)}
    told = [
        start,
        {"type": "content_block_start", "index": 0, "content_block": {**block()["content"][0], "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": TEXT}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]
    server.plays(Scripted.streamed(events(*told, done=False)) if stream else Scripted.whole(block()))
    given = {"REGION": "us-east1", "PROJECT": "p", "API_KEY": "ya29.token"}
    with house(wire, sqlite_url, server, name="vertex-claude", **given) as proctor:
        generation = asked(proctor, "vertex-claude/claude-haiku-4-5@20251001", stream=stream).generation

    [(path, headers)] = server.heard
    [body] = server.asked
    verb = "streamRawPredict" if stream else "rawPredict"
    assert generation.value == PERSON
    assert path.replace("%40", "@") == (
        f"/projects/p/locations/us-east1/publishers/anthropic/models/claude-haiku-4-5@20251001:{verb}"
    )
    assert headers["authorization"] == "Bearer ya29.token"
    assert body["anthropic_version"]
    assert "model" not in body


def test_claude_on_bedrock_is_asked_by_the_sdk_s_own_client(
    wire: WireServer, sqlite_url: str, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model stands in the path, and leaves the body; a key of Bedrock is a bearer's. Streams want AWS' library."""
    monkeypatch.setattr("core.servers._named._is_installed", lambda _: True)
    server.plays(Scripted.whole(block(), x_amzn_requestid="amzn-1"))
    with house(wire, sqlite_url, server, name="bedrock-eu", REGION="eu-west-1", API_KEY="bedrock-key") as proctor:
        generation = asked(proctor, "bedrock-eu/eu.anthropic.claude-haiku-4-5-20251001-v1:0").generation

    [(path, headers)] = server.heard
    [body] = server.asked
    assert generation.value == PERSON
    assert path == "/model/eu.anthropic.claude-haiku-4-5-20251001-v1:0/invoke"
    assert headers["authorization"] == "Bearer bedrock-key"
    assert {"model", "stream"}.isdisjoint(body)
    assert body["anthropic_version"]


# ── Several keys ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_that_is_turned_away_is_passed_over(wire: WireServer, sqlite_url: str, server: ScriptedServer) -> None:
    """One call, one attempt, no token for the two that were turned away; the trace says which key answered."""
    gone = Scripted.whole({"error": {"message": "no", "code": "invalid_api_key"}}, 401)
    poor = Scripted.whole({"error": {"message": "no", "code": "insufficient_quota"}}, 429)
    server.plays(gone, poor, Scripted.whole(whole("groq")))
    with house(wire, sqlite_url, server, name="groq", API_KEY="gsk-first,gsk-second gsk-third") as proctor:
        first, second = (asked(proctor, "groq/llama").generation for _ in range(2))
        resting = proctor.runtime.providers["groq"].resting_keys

    used = [headers["authorization"].removeprefix("Bearer ") for _, headers in server.heard]
    assert used == ["gsk-first", "gsk-second", "gsk-third", "gsk-third"]
    assert [len(one.attempts) for one in (first, second)] == [1, 1]
    [step] = [step for step in first.trace if step["verdict"] == "asked"]
    assert step["reason"] == (
        "groq turned key 1 of 3 away (key_rejected), which rests. "
        "groq turned key 2 of 3 away (quota_exhausted), which rests. groq is asked with key 3 of 3."
    )
    told = [(one.label, one.reason) for one in resting]
    assert told == [
        ("key 1 of 3", "turned away"),
        ("key 2 of 3", "out of quota"),
    ]
    assert "gsk" not in repr((first, second, resting))


class HeldClock(SystemClock):
    """A clock that a test moves."""

    now_seconds = 1000.0

    def monotonic(self) -> float:
        return self.now_seconds


def test_keys_take_turns_rest_and_come_back() -> None:
    """Round robin over the well; a rest doubles with each time, ends by itself, and is forgotten once a key worked."""
    clock = HeldClock()
    ring = Keyring("groq", ("a", "b", "c"), clock)
    assert [ring.take().text for _ in range(4)] == ["a", "b", "c", "a"]
    b = ring.take()
    assert (b.text, (after := ring.after(b, KeyRejected("no"))) and after.text) == ("b", "c")
    assert {ring.take().text for _ in range(6)} == {"a", "c"}
    clock.now_seconds += 301
    assert {ring.take().text for _ in range(6)} == {"a", "b", "c"}
    ring.after(b, KeyRejected("no"))
    assert [round(one.seconds) for one in ring.resting] == [600]
    clock.now_seconds += 601
    ring.worked(b)
    ring.after(b, Throttled("slow", retry_after_seconds=7.0))
    assert [(one.reason, round(one.seconds)) for one in ring.resting] == [("too fast", 7)]


def test_where_all_keys_rest_nobody_is_asked() -> None:
    """The sentence says when the first is tried again; those that were only too fast are asked all the same."""
    ring = Keyring("groq", ("a", "b"), HeldClock())
    assert ring.after(ring.take(), QuotaExhausted("no")) is not None
    assert ring.after(ring.take(), KeyRejected("no")) is None
    with pytest.raises(QuotaExhausted, match=r"^All 2 keys of groq rest, .* key 1 of 2 is tried again in 60 s\."):
        ring.take()

    hasty = Keyring("groq", ("a", "b"), HeldClock())
    hasty.after(hasty.take(), Throttled("slow", retry_after_seconds=9.0))
    hasty.after(hasty.take(), Throttled("slow", retry_after_seconds=3.0))
    assert hasty.take().text == "b"


def test_one_key_never_rests() -> None:
    """The provider's own word is what its callers are told then."""
    ring = Keyring("groq", ("a",), HeldClock())
    for _ in range(3):
        key = ring.take()
        assert (key.label, ring.after(key, KeyRejected("no")), ring.resting) == ("", None, [])


def test_many_threads_share_the_keys_evenly() -> None:
    """No turn is lost or taken twice."""
    ring, taken, lock = Keyring("groq", tuple("abcd")), list[str](), threading.Lock()

    def take() -> None:
        for _ in range(250):
            key = ring.take().text
            with lock:
                taken.append(key)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key: taken.count(key) for key in "abcd"} == dict.fromkeys("abcd", 500)


def test_the_operator_is_told_what_is_set_up(wire: WireServer, sqlite_url: str, server: ScriptedServer) -> None:
    """A route may ask a named server, and the corridor knows which dialects it speaks."""
    with house(wire, sqlite_url, server, name="xai", API_KEY="k", DIALECT="responses") as proctor:
        view = proctor.runtime.routes.find(LOCAL_OPERATOR, proctor.route("xai/grok-4"))
        assert [one.provider for one in view.terms.candidates] == ["xai"]
        assert proctor.runtime.providers["xai"].dialects == ("responses",)


@pytest.mark.parametrize(
    ("model", "more", "sentence"),
    [
        ("groq/llama", {}, "groq/llama can be asked by nobody: groq is not set up here. Add it to PROVIDERS"),
        ("deepseek/deepseek-v4", {}, "deepseek has no model 'deepseek-v4' here; it has deepseek-chat."),
        ("deepseek/deepseek-chat", {"mode": "json_schema"}, "DeepSeek does not know the mode json_schema, which"),
        ("deepseek/deepseek-chat", {"parameters": {"seed": 1}}, "DeepSeek takes no seed, which deepseek/deepseek-chat"),
        ("deepseek/deepseek-chat", {"mode": "json", "parameters": {"top_p": 0.5}}, ""),
    ],
)
def test_a_route_that_cannot_work_is_refused_when_it_is_saved(
    model: str, more: dict[str, Any], sentence: str, wire: WireServer, sqlite_url: str
) -> None:
    """What is known of a server and its kind says so, in a sentence with what would work, and nothing is written."""
    there = {"DEEPSEEK_API_KEY": "k", "DEEPSEEK_MODELS": "deepseek-chat"}
    with rig(wire, sqlite_url, providers=named_servers("deepseek", there.get)) as proctor:
        routes = proctor.runtime.routes
        if not sentence:
            routes.set(LOCAL_OPERATOR, "mine", candidates=[{"model": model, **more}])
            return
        with pytest.raises(Invalid) as refused:
            routes.set(LOCAL_OPERATOR, "mine", candidates=[{"model": model, **more}])
        assert refused.value.message.startswith(sentence)
        assert "mine" not in [view.terms.name for view in routes.list(LOCAL_OPERATOR)]
