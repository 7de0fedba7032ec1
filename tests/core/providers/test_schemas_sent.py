"""Schemas that went out wrong somewhere in the field, over the real wire: what is sent, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import pytest

from core.providers import Answer, Ask, Framed, Provider
from core.providers._families import wants_completion_tokens
from core.providers.anthropic import Anthropic
from core.providers.loop import Cancellation, Loop
from core.providers.openai import OpenAI
from core.response_models import response_model
from tests.messages import as_messages
from tests.wire.server import WireServer


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers, which keep the vendors' published rules."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """The provider loop."""
    running = Loop()
    yield running
    running.close()


@pytest.fixture(scope="module")
def providers(wire: WireServer, loop: Loop) -> Iterator[dict[str, Provider]]:
    """Each vendor; OpenAI as it is without a base URL, though its calls go to the fake."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", wire.openai_url)  # the SDK's own variable: no setting of ours
        made: dict[str, Provider] = {
            "openai": OpenAI(api_key="k"),
            "responses": OpenAI(api_key="k", responses=True),
            "compatible": OpenAI(name="compatible", api_key="k", base_url=wire.openai_url),
            "anthropic": Anthropic(api_key="k", base_url=wire.anthropic_url),
        }
        for one in made.values():
            opened(one, {"type": "object", "properties": {"a": {"type": "string"}}}, "{}")
        yield made
    for one in made.values():
        loop.run(one.close())


def opened(provider: Provider, schema: dict[str, Any], answer: str, **more: Any) -> Framed:
    """Return a conversation about *schema* in which the model is to answer *answer*."""
    messages = as_messages({"role": "user", "content": f"<<{answer}>>"})
    more = {"model": "m", "mode": "json_schema", **more}
    return provider.open(Ask(response_model=response_model(schema, "thing"), messages=messages, **more))


class Exchange(NamedTuple):
    """What went out, and what came back."""

    sent: dict[str, Any]
    value: Any
    mode: str


def exchanged(loop: Loop, wire: WireServer, conversation: Framed, *, stream: bool = False) -> Exchange:
    """Send once and read the answer."""
    call = loop.call(conversation, 10, Cancellation(), stream=stream)
    while True:
        try:
            next(call)
        except StopIteration as end:
            answer: Answer = end.value
            break
    read: Any = conversation.read(answer)
    request = wire.ledger.calls()[-1].request
    assert request is not None
    return Exchange(request, read.value, conversation.mode)


def schema_of(sent: dict[str, Any]) -> dict[str, Any]:
    """Return the schema in a request, wherever its vendor has it."""
    if tools := sent.get("tools"):
        return tools[0].get("input_schema") or (tools[0].get("function") or tools[0])["parameters"]
    places = (sent.get("response_format", {}).get("json_schema"), sent.get("text", {}).get("format"))
    found = next((one for one in places if one), None) or sent["output_config"]["format"]
    return found["schema"]


def closed(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object that must have just these properties."""
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


EVERYWHERE = ("openai", "responses", "compatible", "anthropic")
ENFORCING = ("openai", "responses", "anthropic")
REFERS = {
    "definitions": {"Who": {"$ref": "#/definitions/Person"}, "Person": closed(name={"type": "string"})},
    **closed(who={"$ref": "#/definitions/Who", "description": "who signed it"}),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", EVERYWHERE)
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (closed(mail={"type": ["string", "null"], "format": "email"}), {"mail": None}),
        (closed(page={"type": "string", "format": "uri"}), {"page": "https://a.b/"}),
        (closed(sum={"type": "string", "pattern": r"^(?!0)\d+$"}), {"sum": "12"}),
        (closed(tags={"type": "object", "additionalProperties": {"type": "string"}}), {"tags": {"a b": "c"}}),
        (closed(rest={"type": "object"}), {"rest": {"any": [1]}}),
        (closed(any={}, listed={"type": "array"}), {"any": {"k": None}, "listed": [1, "a"]}),
        (closed(pair={"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}), {"pair": ["a", 1]}),
        (REFERS, {"who": {"name": "Ann"}}),
        ({"anyOf": [closed(a={"const": 1}), closed(b={"const": 2})]}, {"b": 2}),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "allOf": [{"properties": {"b": {"type": "integer"}}, "required": ["b"]}],
            },
            {"a": "x", "b": 1},
        ),
        (
            {"$ref": "#/$defs/N", "$defs": {"N": closed(next={"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]})}},
            {"next": {"next": None}},
        ),
        (
            {
                "type": "object",
                "properties": {"größe": {"type": "integer"}, "a b": {"type": "string"}},
                "required": ["a b"],
            },
            {"a b": "x", "größe": 3},
        ),
    ],
    ids=lambda one: orjson.dumps(one).decode()[:60] if "properties" in one or "anyOf" in one or "$ref" in one else "",
)
def test_what_the_field_sends_goes_out_and_comes_back(
    *,
    schema: dict[str, Any],
    value: Any,
    name: str,
    stream: bool,
    providers: dict[str, Provider],
    wire: WireServer,
    loop: Loop,
) -> None:
    """Each vendor takes the request in its json_schema mode, and a valid object is what the caller gets."""
    made = opened(providers[name], schema, "{}", stream=stream)
    told = value if schema.get("type") == "object" or "$ref" in schema else {"value": value}
    told = {made.form.names.get(key, key): part for key, part in told.items()}
    asked = opened(providers[name], schema, orjson.dumps(told).decode(), stream=stream)

    assert exchanged(loop, wire, asked, stream=stream).value == value


@pytest.mark.parametrize("name", ENFORCING)
@pytest.mark.parametrize("inner", [{"type": "object", "additionalProperties": {"type": "string"}}, {"type": "object"}])
def test_a_map_can_be_filled(
    *, inner: dict[str, Any], name: str, providers: dict[str, Provider], wire: WireServer, loop: Loop
) -> None:
    """A map is never closed to an empty object: the call is not strict, or goes out as a tool."""
    sent, value, mode = exchanged(loop, wire, opened(providers[name], closed(m=inner), '{"m":{"k":"v"}}'))

    assert schema_of(sent)["properties"]["m"].get("additionalProperties") is not False
    assert value == {"m": {"k": "v"}}
    assert mode == ("tools" if name == "anthropic" else "json_schema")
    assert b'"strict":true' not in orjson.dumps(sent)


@pytest.mark.parametrize("name", ENFORCING)
def test_what_stands_beside_a_reference_reaches_the_model(
    name: str, providers: dict[str, Provider], wire: WireServer, loop: Loop
) -> None:
    """A description beside ``$ref`` is sent, old ``definitions`` lead somewhere, and chains of references are whole."""
    sent = exchanged(loop, wire, opened(providers[name], REFERS, '{"who":{"name":"Ann"}}')).sent

    assert "who signed it" in orjson.dumps(schema_of(sent)).decode()
    assert "#/definitions" not in orjson.dumps(schema_of(sent)).decode()


def test_nulls_behind_a_chain_of_references_come_off(
    providers: dict[str, Provider], wire: WireServer, loop: Loop
) -> None:
    """An absent property comes as null where OpenAI is strict, and is absent again behind two references."""
    inner = {"type": "object", "properties": {"g": {"type": "string"}, "f": {"type": "integer"}}, "required": ["f"]}
    schema = closed(p={"$ref": "#/$defs/Alias"}) | {"$defs": {"Alias": {"$ref": "#/$defs/M"}, "M": inner}}
    sent, value, _ = exchanged(loop, wire, opened(providers["openai"], schema, '{"p":{"g":null,"f":5}}'))

    assert sent["response_format"]["json_schema"]["strict"]
    assert value == {"p": {"f": 5}}


@pytest.mark.parametrize("mode", ["tools", "json_schema"])
@pytest.mark.parametrize("answer", ['{"Account_Number":"1","gro_e":2}', '{"Account Number":"1","größe":2}'])
def test_names_that_anthropic_does_not_take(
    *, answer: str, mode: str, providers: dict[str, Provider], wire: WireServer, loop: Loop
) -> None:
    """They go out under others, and the object comes back under its own, also from a model that wrote those."""
    schema = closed(**{"Account Number": {"type": "string"}, "größe": {"type": "integer"}})
    sent, value, taken = exchanged(loop, wire, opened(providers["anthropic"], schema, answer, mode=mode))

    assert [*schema_of(sent)["properties"]] == ["Account_Number", "gro_e"]
    assert value == {"Account Number": "1", "größe": 2}
    assert taken == mode


@pytest.mark.parametrize("mode", ["json", "md_json"])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_schema_in_a_text_is_whole(
    *, mode: str, name: str, providers: dict[str, Provider], wire: WireServer, loop: Loop
) -> None:
    """Where the schema is only told in words, nothing of it is left out or renamed."""
    schema = closed(**{"a b": {"type": "object", "patternProperties": {"^x": {"type": "string", "format": "uri"}}}})
    sent = exchanged(loop, wire, opened(providers[name], schema, '{"a b":{}}', mode=mode)).sent
    told = orjson.dumps(sent).decode()

    assert all(word in told for word in ("patternProperties", "^x", "uri", "a b"))


@pytest.mark.parametrize(
    ("model", "wants"),
    [
        ("gpt-5", True),
        ("gpt-5-mini", True),
        ("gpt-5.1-codex", True),
        ("openai/gpt-5-mini-2025-08-07", True),
        ("o1", True),
        ("o3-mini", True),
        ("o4-mini-2025-04-16", True),
        ("ft:o4-mini-2025-04-16:acme::1", True),
        ("GPT-5", True),
        ("gpt-4o", False),
        ("gpt-4.1-mini", False),
        ("gpt-3.5-turbo", False),
        ("gpt-oss-120b", False),
        ("ft:gpt-4o-mini:acme::1", False),
        ("llama3:8b", False),
        ("olmo-3", False),
        ("qwen/qwen3-32b", False),
    ],
)
def test_a_limit_goes_out_by_the_name_that_the_model_takes(
    *, model: str, wants: bool, providers: dict[str, Provider], wire: WireServer, loop: Loop
) -> None:
    """Models that reason take ``max_completion_tokens`` only, whoever stands before them; others the old name."""
    assert wants_completion_tokens(model) is wants
    sent = exchanged(
        loop, wire, opened(providers["compatible"], closed(a={"type": "string"}), '{"a":"b"}', model=model)
    ).sent
    assert ("max_completion_tokens" in sent, "max_tokens" in sent) == (wants, not wants)
