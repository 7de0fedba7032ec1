"""Every way on which a person can name an address: whatever it is called, nothing of this machine is connected to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.errors import ProctorError
from core.principals import LOCAL_OPERATOR
from tests.core.api.conftest import House, eventually

HOSTS = (
    "http://127.0.0.1:{}",
    "https://localhost:{}",
    "http://[::1]:{}",
    "http://2130706433:{}",
    "http://0x7f.1:{}",
    "http://[::ffff:127.0.0.1]:{}",
    "http://0.0.0.0:{}",
)
"""Ways to write one address, each of which leads to the canary for somebody."""
CHAT, RESPONSES, MESSAGES, OURS = "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/generate"


class Canary:
    """A server on every address of this machine that counts who comes."""

    def __init__(self) -> None:
        """Begin to listen."""
        self.visits = 0
        self._socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                visitor, _ = self._socket.accept()
                self.visits += 1
                visitor.close()

    def close(self) -> None:
        """Stop, when who has come is counted."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def canary() -> Iterator[Canary]:
    """A server that nobody is to come to."""
    server = Canary()
    yield server
    server.close()


def chat(*parts: Mapping[str, Any], **more: Any) -> tuple[str, Any]:
    """Return a request of the first dialect."""
    content = [{"type": "text", "text": "Look."}, *parts]
    return CHAT, {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}], **more}


def responses(*parts: Mapping[str, Any], **more: Any) -> tuple[str, Any]:
    """Return a request of the second."""
    content = [{"type": "input_text", "text": "Look."}, *parts]
    return RESPONSES, {"model": "gpt-4o-mini", "input": [{"role": "user", "content": content}], **more}


def messages(*parts: Mapping[str, Any], **more: Any) -> tuple[str, Any]:
    """Return a request of the third."""
    content = [{"type": "text", "text": "Look."}, *parts]
    asked = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": content}]}
    return MESSAGES, asked | more


def asked(house: House, url: str) -> Iterator[tuple[str, Any]]:
    """Yield a request per place of an address: media, files, references of schemas, servers of tools and models."""
    source, reference = {"type": "url", "url": url}, {"$ref": f"{url}/schema.json"}
    of_object = {"type": "object", "properties": {"a": reference}, "required": ["a"]}
    for kind in ("image", "document"):
        part = {"type": kind, "url": url}
        yield OURS, house.ask() | {"input": [{"role": "user", "content": [part]}]}
        yield messages({"type": kind, "source": source})
    yield chat({"type": "image_url", "image_url": {"url": url}})
    yield chat({"type": "file", "file": {"file_id": url, "file_data": url}})
    yield responses({"type": "input_image", "image_url": url})
    yield responses({"type": "input_file", "file_url": url})
    yield responses(tools=[{"type": "mcp", "server_label": "a", "server_url": url}])
    yield messages(mcp_servers=[{"type": "url", "name": "a", "url": url}])
    for at, schema in (("schema", of_object), ("schema", reference)):
        yield OURS, house.ask() | {at: schema}
    yield chat(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": of_object}})
    yield chat(tools=[{"type": "function", "function": {"name": "a", "parameters": of_object}}])
    yield responses(text={"format": {"type": "json_schema", "name": "a", "schema": of_object}})
    yield messages(tools=[{"name": "a", "input_schema": of_object}])
    for name in ("api_base", "base_url", "webhook_url", "callback_url"):
        yield OURS, house.ask() | {name: url}
        yield chat(**{name: url})
        yield messages(**{name: url})
    for check in ("webhook", "moderation"):
        rule = {"name": "a", "check": check, "action": "block", "settings": {"url": url}}
        yield OURS, house.ask() | {"guardrails": [rule]}


def test_nobody_is_connected_to_what_a_person_names(client: TestClient, house: House, canary: Canary) -> None:
    """No request leads to this machine, whole or streamed, nor does a rule, a schema or a header."""
    on = house.runtime
    statuses: set[int] = set()
    for written in HOSTS:
        url = written.format(canary.port)
        for door, body in asked(house, url):
            answer = client.post(door, json=body | {"stream": door != OURS and "image" in json.dumps(body)})
            statuses.add(answer.status_code)
            assert answer.status_code < 500, (door, body, answer.text[:300])
        for header in ("X-Api-Base", "X-Base-Url", "Forwarded", "X-Forwarded-Host", "X-Original-Url", "Origin"):
            client.post(CHAT, json=chat()[1], headers={header: url})
        for check in ("webhook", "moderation"):
            with suppress(ProctorError):
                on.guardrails.set(LOCAL_OPERATOR, "a", house.tenant, check, "block", settings={"url": url})
            client.post(OURS, json=house.ask())
        with suppress(ProctorError):
            on.schemas.add(LOCAL_OPERATOR, "a", {"type": "object", "properties": {"a": {"$ref": f"{url}/a.json"}}})
    assert canary.visits == 0
    assert {200, 422} <= statuses, "some are passed on, some refused"
    socket.create_connection(("127.0.0.1", canary.port)).close()
    assert eventually(lambda: canary.visits, 60), "who comes is seen"
    canary.close()
    assert canary.visits == 1, "visitors are let in one after the other: somebody came before"
