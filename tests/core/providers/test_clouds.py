"""Clouds: callers' own requests as each cloud takes them, who signs them, and tokens that grow old."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic.lib.aws import _auth as aws_auth
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.testclient import TestClient

from core.principals import LOCAL_OPERATOR
from core.providers import KeyRejected
from core.providers._identities import _Entra, _Google
from core.providers._tokens import EARLY_SECONDS, KeptToken
from core.servers import named_servers
from tests.core.api.conftest import House, api_settings, built
from tests.wire.clouds import TokenServer, amazon_frames, is_signed
from tests.wire.scripted import Scripted, ScriptedServer, events
from tests.wire.server import WireServer

MODEL = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
HELLO = {"role": "user", "content": "Hello"}
USAGE = {"input_tokens": 20, "output_tokens": 9}
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "usage": USAGE} | {
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
}
TOLD = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]
COMPLETION = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"} | {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29},
}


def in_frames(body: bytes, status: int = 200) -> Scripted:
    """Return an answer in Amazon's frames."""
    return Scripted(body, "application/vnd.amazon.eventstream", status=status, cuts=(7, 300))


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """Whoever is asked."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """The key of Google's service account."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def granting(key: rsa.RSAPrivateKey) -> Iterator[TokenServer]:
    """Where tokens are given."""
    with TokenServer(key.public_key()) as running:
        yield running


@pytest.fixture
def tokens(
    granting: TokenServer, key: rsa.RSAPrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TokenServer:
    """The same, known to each cloud's library by the environment, as a cloud sets it."""
    aws_auth._get_session.cache_clear()  # it keeps who we are for the whole process
    granting.granted.clear()
    granting.seconds, granting.is_closed = 3600.0, False
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"type": "service_account", "client_email": "proctor@p.iam", "private_key": pem, "private_key_id": "1"}
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account | {"token_uri": f"{granting.url}/google", "project_id": "p"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{granting.url}/azure")
    monkeypatch.setenv("IDENTITY_HEADER", "a-secret")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{granting.url}/aws")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a-secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return granting


@pytest.fixture
def house(sqlite_url: str, server: ScriptedServer, tokens: TokenServer) -> Iterator[House]:
    """A Proctor that may ask three clouds, each without a key, for whoever it runs as."""
    there = {
        "BEDROCK_REGION": "eu-west-1",
        "BEDROCK_BASE_URL": server.anthropic_url,
        "VERTEX_CLAUDE_REGION": "us-east1",
        "VERTEX_CLAUDE_PROJECT": "p",
        "VERTEX_CLAUDE_BASE_URL": f"{server.anthropic_url}/v1",
        "AZURE_BASE_URL": server.anthropic_url,
        "AZURE_API_VERSION": "2024-10-21",
    }
    with WireServer() as wire:
        named = named_servers("bedrock,vertex-claude,azure", there.get)
        settings = api_settings(sqlite_url, wire).model_copy(
            update={"providers": named, "deadline_seconds": 60.0, "attempt_timeout_seconds": 30.0}
        )
        with built(settings, wire) as house:
            yield house


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    """The API, called as the tenant."""
    with TestClient(house.app, headers=house.headers) as client:
        client.get("/v1/openapi.json")
        yield client


def asked(client: TestClient, model: str, **more: Any) -> Any:
    """Ask for a message, in bytes that no JSON library writes so."""
    body = {"model": model, "max_tokens": 50, "messages": [HELLO]} | more
    content = json.dumps(body, separators=(" ,", " : "))
    return client.post("/v1/messages", content=content, headers={"anthropic-beta": "one-beta,two-beta"})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_caller_s_message_goes_to_bedrock_signed(
    client: TestClient, server: ScriptedServer, tokens: TokenServer, *, stream: bool
) -> None:
    """The model stands in the path, version and betas in the body, every other byte is as it came.

    What comes back in Amazon's frames is passed on as Anthropic's own events. Who we are is looked up once.
    """
    server.plays(in_frames(amazon_frames(*TOLD)) if stream else Scripted.whole(MESSAGE, x_amzn_requestid="amzn-1"))
    for _ in range(2):
        answer = asked(client, f"bedrock/{MODEL}", cache_control={"type": "ephemeral"}, x=(1 << 53) + 1, stream=stream)
        assert answer.status_code == 200, answer.text

    verb = "invoke-with-response-stream" if stream else "invoke"
    path, headers = server.heard[-1]
    assert path == f"/model/{MODEL}/{verb}"
    assert is_signed(
        "POST", f"{server.anthropic_url}{path}", headers, server.bodies[-1], key=tokens.granted[0], region="eu-west-1"
    )
    body = server.bodies[-1].decode()
    assert '"x" : 9007199254740993' in body
    known = json.loads(body)
    assert {"model", "stream", "cache_control"}.isdisjoint(known)
    assert known["anthropic_beta"] == ["one-beta", "two-beta"]
    assert known["anthropic_version"]
    assert tokens.granted == ["aws-1"]
    if stream:
        assert answer.text.encode() == events(*TOLD, done=False)
    else:
        assert answer.json() == MESSAGE
    told = client.get(f"/v1/generations/{answer.headers['x-proctor-generation-id']}").json()
    assert "bedrock does not take cache_control at the top; it is left out." in json.dumps(told["trace"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_caller_s_message_goes_to_vertex(
    client: TestClient, server: ScriptedServer, tokens: TokenServer, *, stream: bool
) -> None:
    """Project, region and model stand in the path; the wish to stream stays in the body; a token says who we are."""
    server.plays(Scripted.streamed(events(*TOLD, done=False)) if stream else Scripted.whole(MESSAGE))
    marked = {"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    for _ in range(2):
        more = {"cache_control": {"type": "ephemeral"}, "system": [marked], "stream": stream}
        answer = asked(client, "vertex-claude/claude-haiku-4-5@20251001", **more)
        assert answer.status_code == 200, answer.text

    verb = "streamRawPredict" if stream else "rawPredict"
    for path, headers in server.heard:
        assert path.replace("%40", "@") == (
            f"/v1/projects/p/locations/us-east1/publishers/anthropic/models/claude-haiku-4-5@20251001:{verb}"
        )
        assert headers["authorization"] == "Bearer google-1"
        assert headers["anthropic-beta"] == "one-beta,two-beta"
    known = json.loads(server.bodies[-1])
    assert {"model", "cache_control"}.isdisjoint(known)
    assert (known["stream"], known["system"]) == (stream, [marked])
    assert known["anthropic_version"]
    assert answer.text.encode() == events(*TOLD, done=False) if stream else answer.json() == MESSAGE


def test_a_caller_s_completion_goes_to_a_deployment_of_azure(
    client: TestClient, server: ScriptedServer, tokens: TokenServer
) -> None:
    """The deployment stands in the path, the version in the query; Entra's token says who we are."""
    server.plays(Scripted.whole(COMPLETION))
    for model in ("my-dep", "other"):
        answer = client.post("/v1/chat/completions", json={"model": f"azure/{model}", "messages": [HELLO]})
        assert answer.json() == COMPLETION, answer.text

    assert [path for path, _ in server.heard] == [
        f"/openai/deployments/{name}/chat/completions?api-version=2024-10-21" for name in ("my-dep", "other")
    ]
    assert {headers["authorization"] for _, headers in server.heard} == {"Bearer azure-1"}
    assert server.asked[0]["max_completion_tokens"] > 0


def test_a_chat_is_translated_for_a_cloud(client: TestClient, server: ScriptedServer) -> None:
    """Who speaks OpenAI's dialect is answered by Claude on Bedrock, streams too."""
    server.plays(in_frames(amazon_frames(*TOLD)))
    answer = client.post(
        "/v1/chat/completions", json={"model": f"bedrock/{MODEL}", "messages": [HELLO], "stream": True}
    )
    assert answer.status_code == 200, answer.text
    assert '"content":"Hi"' in answer.text
    assert answer.text.endswith("data: [DONE]\n\n")


def test_what_breaks_in_amazon_s_frames_is_told_as_anthropic_s_error(
    client: TestClient, server: ScriptedServer
) -> None:
    """An exception among the frames, a frame that was changed on the way, a stream that stops in the middle."""
    changed = bytearray(amazon_frames(*TOLD))
    changed[-30] ^= 1
    for body in (amazon_frames(*TOLD[:3], failing="throttlingException"), bytes(changed), amazon_frames(*TOLD[:4])):
        server.plays(in_frames(body))
        answer = asked(client, f"bedrock/{MODEL}", stream=True)
        assert answer.status_code == 200
        assert answer.text.split("\n\n")[-2].startswith("event: error\ndata: {"), answer.text


def test_who_is_nobody_in_a_cloud_is_told_so(
    house: House, client: TestClient, tokens: TokenServer, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says whose token is lacking and what to do, and names no account."""
    tokens.is_closed = True
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    server.plays(Scripted.whole(MESSAGE))
    for model, cloud in (
        (f"bedrock/{MODEL}", "AWS"),
        ("vertex-claude/claude", "Google Cloud"),
        ("azure/dep", "Microsoft Entra"),
    ):
        route = model.partition("/")[0]
        house.runtime.routes.set(LOCAL_OPERATOR, route, [{"model": model}], max_retries=0)
        answer = asked(client, route)
        assert answer.status_code == 502, answer.text
        assert (
            f"{cloud} gave no token to this process"
            in client.get(f"/v1/generations/{answer.headers['x-proctor-generation-id']}").text
        )
        assert "proctor@p.iam" not in answer.text
    assert server.heard == []


def test_a_token_that_a_cloud_does_not_take_any_more_is_renewed_within_the_call(
    client: TestClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody withdrew it: the call goes out again with a new one, once; a second refusal is the caller's answer."""
    monkeypatch.setattr("core.providers._tokens.AGAIN_SECONDS", 0.0)
    gone = Scripted.whole({"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "no"}}, 401)
    server.plays(Scripted.whole(MESSAGE), gone, Scripted.whole(MESSAGE))
    for _ in range(2):
        assert asked(client, "vertex-claude/claude-haiku-4-5").status_code == 200
    assert [headers["authorization"] for _, headers in server.heard] == [f"Bearer google-{n}" for n in (1, 1, 2)]


class HeldClock:
    """Time that a test moves."""

    at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.mark.parametrize("cloud", [_Entra, _Google])
def test_a_token_is_renewed_before_its_end_by_one_of_many_callers(cloud: Any, tokens: TokenServer) -> None:
    """A hundred callers at once cost one request; near its end one renews it, and all go on with the old one meanwhile.

    Who comes after its end waits for the new one.
    """
    clock: Any = HeldClock()
    name = "azure" if cloud is _Entra else "google"

    async def used(kept: KeptToken, times: int = 100) -> set[str]:
        return set(await asyncio.gather(*(kept.text() for _ in range(times))))

    async def renewed(count: int) -> None:
        assert kept._renewal is not None
        await kept._renewal
        assert len(tokens.granted) == count

    kept = KeptToken(name, cloud(), clock)

    async def lived() -> None:
        tokens.seconds = EARLY_SECONDS  # Azure's library keeps what holds longer, and gives it again
        assert await used(kept) == {f"{name}-1"}
        clock.at += 16
        tokens.gate.clear()
        assert await used(kept) == {f"{name}-1"}
        tokens.gate.set()
        await renewed(2)
        assert await used(kept) == {f"{name}-2"}
        clock.at += EARLY_SECONDS
        assert await used(kept) == {f"{name}-3"}

    asyncio.run(lived())
    assert tokens.granted == [f"{name}-{n}" for n in (1, 2, 3)]


def test_a_renewal_that_fails_is_no_trouble_while_the_old_token_holds(tokens: TokenServer) -> None:
    """It is tried again later; once the old one has ended, callers are told, and the next one asks anew."""
    clock: Any = HeldClock()
    kept = KeptToken("Google Cloud", _Google(), clock)

    async def lived() -> None:
        assert await kept.text() == "google-1"
        tokens.is_closed = True
        clock.at += 3600 - EARLY_SECONDS + 1
        for _ in range(3):
            assert await kept.text() == "google-1"
            await asyncio.sleep(0.02)
        clock.at += EARLY_SECONDS
        with pytest.raises(KeyRejected, match=r"^Google Cloud gave no token to this process \(RefreshError\)"):
            await kept.text()
        tokens.is_closed = False
        assert await kept.text() == "google-2"

    asyncio.run(lived())
