"""Hostile requests of every kind to every operation of the API: no 5xx, no trace, no end of memory."""

from __future__ import annotations

import gzip
import json
import resource
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from core.principals import LOCAL_OPERATOR
from tests.core.api.conftest import House, api_settings, built, served
from tests.wire.server import WireServer

MOST_MEGABYTES = 500
"""By which the process may grow meanwhile."""
DEEP, LONG = 100_000, 1_000_000
SENT = {"input": "x", "schema": "support_ticket", "model": "gpt-4o-mini", "messages": [], "name": "x"}
BODIES: dict[str, bytes] = {
    "deep lists": b"[" * DEEP,
    "deep objects": b'{"input":' * DEEP + b"1" + b"}" * DEEP,
    "closed and deep": b'{"input":' + b"[" * 2_000 + b"]" * 2_000 + b"}",
    "a huge whole number": b'{"max_tokens":' + b"9" * 6_000 + b"}",
    "a huge exponent": b'{"max_tokens":1e999,"amount_usd":-1e308}',
    "no number": b'{"max_tokens":NaN,"temperature":Infinity}',
    "names twice": b'{"input":"a","input":"b","model":"a","model":"b"}',
    "half a letter": b'{"input":"\\ud800","model":"\\udfff","messages":[{"role":"user","content":"\\ud83d"}]}',
    "a zero character": b'{"input":"\\u0000","name":"\\u0000","model":"a\\u0000b"}',
    "no UTF-8": b'{"input":"\xff\xfe\xc0\xaf"}',
    "UTF-16": json.dumps(SENT).encode("utf-16"),
    "a mark of order": b"\xef\xbb\xbf" + json.dumps(SENT).encode(),
    "nothing": b"",
    "null": b"null",
    "a text": b'"text"',
    "wrong types": json.dumps({name: [{"a": [1]}] for name in SENT}).encode(),
    "a long text": json.dumps(SENT | {"input": "a" * LONG}).encode(),
    "many members": json.dumps(SENT | {f"m{number}": number for number in range(20_000)}).encode(),
    "a schema that is itself": json.dumps(SENT | {"schema": {"$ref": "#"}, "body": {"$ref": "#"}}).encode(),
    "a schema elsewhere": json.dumps(SENT | {"schema": {"$ref": "file:///etc/passwd"}}).encode(),
    "a pattern without end": json.dumps(SENT | {"schema": {"type": "string", "pattern": "(a+)+$" * 200}}).encode(),
    "other directions": json.dumps(SENT | {"name": "\u202egnp.exe\u2066", "input": "\u200b" * 999}).encode(),
}
"""What is sent as a body."""
HEADERS: dict[str, dict[str, str]] = {
    "another type": {"Content-Type": "text/xml"},
    "a form": {"Content-Type": "multipart/form-data; boundary=--"},
    "no type": {"Content-Type": ""},
    "another alphabet": {"Content-Type": "application/json; charset=utf-7"},
    "packed otherwise": {"Content-Encoding": "br, gzip, gzip"},
    "said to be packed": {"Content-Encoding": "gzip"},
    "a long id": {"X-Request-ID": "a" * 9_000},
    "a strange key": {"Idempotency-Key": "\xff\xfe" * 99},
    "asks without end": {"X-Proctor-Reask": "99999999999999999999"},
    "matches nothing": {"If-Match": '"' * 999, "If-None-Match": "*, *"},
    "takes nothing": {"Accept": "nothing/at-all; q=NaN", "Accept-Encoding": "a" * 999, "Range": "bytes=9-1,,-"},
    "another method": {"X-HTTP-Method-Override": "DELETE", "Forwarded": "for=127.0.0.1;host=evil.example"},
    "two keys": {"X-API-Key": "prk_other", "Cookie": "proctor_session=" + "a" * 4_000},
    "a reason": {"X-Proctor-Reason": "=1+1\t" * 500 + "x"},
    "a trace": {"traceparent": "00-" + "z" * 32 + "-" + "0" * 16 + "-01", "tracestate": "=" * 600},
}
"""What is sent as headers, with a body that is in order."""
NAMES = {
    "upwards": "..%2f..%2f..%2fetc%2fpasswd",
    "twice encoded": "%252e%252e%252f",
    "a zero": "a%00b",
    "no UTF-8": "%ff%fe",
    "half a letter": "%ed%a0%80",
    "long": "a" * 5_000,
    "other alphabet": "%E2%85%87vil%E3%80%82example",
    "signs": "%7B%7D%5B%5D%22%27%3B%2D%2D%20OR%201=1",
    "lines": "a%0d%0aSet-Cookie:%20x=1",
}
"""What stands in an address where it has a name."""
QUERIES = {
    "numbers": "limit=1e999&page=-1&version=99999999999999999999&month=9999-99",
    "twice": "limit=1&limit=2&after=a&after=b",
    "strange": "tenant=%00&after=%ff&since=%F0%9F%92%A9&until=--&cursor=%0a&schema=..%2f..%2f",
    "many": "&".join(f"a{number}={number}" for number in range(2_000)),
}


@pytest.fixture(scope="module")
def url(
    wire: WireServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, House]]:
    """A Proctor on a socket."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("hostile") / "proctor.db")
    chosen = api_settings(f"sqlite:///{path}", wire).model_copy(update={"rate_limit_per_min": 1_000_000})
    with built(chosen, wire) as house, served(house.app) as address:
        yield address, house


def operations(client: httpx2.Client) -> list[tuple[str, str, bool]]:
    """Return the method, the address and whether a body is taken, of each operation that the document names."""
    document = client.get("/v1/openapi.json").json()
    return [
        (method.upper(), path, "requestBody" in told)
        for path, operations in document["paths"].items()
        for method, told in operations.items()
        if method in {"get", "post", "put", "patch", "delete"}
    ]


def requests_of(all_of_them: list[tuple[str, str, bool]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield what is sent: each kind at several operations, each operation with several kinds, turn by turn."""
    takers = [(method, path) for method, path, takes in all_of_them if takes]
    named = [(method, path) for method, path, _ in all_of_them if "{" in path]
    doors = [one for one in takers if one[1] in {"/generate", "/chat/completions", "/messages", "/responses"}]
    body = json.dumps(SENT).encode()
    for turn, (kind, content) in enumerate(BODIES.items()):
        for method, path in [*doors, *takers[turn % 5 :: 5]]:
            yield f"{kind} to {method} {path}", "x", {"method": method, "url": path, "content": content}
    for turn, (kind, headers) in enumerate(HEADERS.items()):
        for method, path in [*doors, *takers[turn % 6 :: 6]]:
            sent = {"method": method, "url": path, "content": body, "headers": headers}
            yield f"{kind} to {method} {path}", "x", sent
    for turn, (kind, name) in enumerate(NAMES.items()):
        for method, path in named[turn % 4 :: 4]:
            yield f"{kind} in {method} {path}", name, {"method": method, "url": path, "content": body}
    for kind, query in QUERIES.items():
        for method, path, _ in all_of_them:
            if method == "GET":
                yield f"{kind} of {path}", "x", {"method": method, "url": f"{path}?{query}"}


def test_nothing_breaks(url: tuple[str, House]) -> None:
    """Hundreds of them, of a tenant and of the deployment: each is answered with a sentence of ours; it stays small."""
    address, house = url
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    key = house.runtime.tenants.create_key(LOCAL_OPERATOR, None).secret
    broken: list[str] = []
    sent = 0
    with httpx2.Client(base_url=address, timeout=30, follow_redirects=False) as client:
        for what, name, request in requests_of(operations(client)):
            for secret in (key if "/manage" in request["url"] else house.key,):
                headers = {
                    b"Authorization": f"Bearer {secret}".encode(),
                    b"Content-Type": b"application/json",
                    **{one.encode(): value.encode("latin-1") for one, value in request.get("headers", {}).items()},
                }
                path = "/v1" + filled(request["url"], name)
                given = client.request(request["method"], path, content=request.get("content"), headers=headers)
                sent += 1
                if told := wrong(given):
                    broken.append(f"{what}: {told}")
    assert broken == []
    assert sent > 300
    assert client_is_served(address, house)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown) / 1000 < MOST_MEGABYTES


def filled(path: str, name: str) -> str:
    """Return an address with *name* wherever it wants one."""
    while "{" in path:
        before, _, behind = path.partition("{")
        path = before + name + behind.partition("}")[2]
    return path


def wrong(given: httpx2.Response) -> str:
    """Return what is wrong with an answer; the fake providers may not be to blame."""
    if given.status_code >= 500 and '"exhausted"' not in given.text:
        return f"{given.status_code} {given.text[:200]}"
    if any(word in given.text for word in ("Traceback", 'File "', "site-packages", "root:x:")):
        return f"it tells of the inside: {given.text[:200]}"
    if "set-cookie" in given.headers:
        return "it sets a cookie"
    return ""


def client_is_served(address: str, house: House) -> bool:
    """Whether an ordinary request is answered as ever."""
    given = httpx2.post(f"{address}/v1/generate", json=house.ask(), headers=house.headers, timeout=30)
    return given.status_code == 200


def test_a_bomb_is_not_unpacked(url: tuple[str, House]) -> None:
    """A body of some kilobytes that unpacks to a gigabyte is refused before it is."""
    address, house = url
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bomb = gzip.compress(b"[" * 60_000_000)
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    for path in ("generate", "chat/completions", "messages", "responses"):
        given = httpx2.post(f"{address}/v1/{path}", content=bomb, headers=house.headers | packed, timeout=30)
        assert given.status_code in (400, 413, 422), (path, given.status_code, given.text[:200])
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown) / 1000 < MOST_MEGABYTES


POST = b"POST /v1/generate HTTP/1.1\r\nHost: testserver\r\n"
SOCKETS = {
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 9\r\n\r\nabc",
    "length and pieces": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no pieces": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "no host": b"GET /v1/schemas HTTP/1.1\r\n\r\n",
    "a foreign host": "GET /v1/schemas HTTP/1.1\r\nHost: \u2147vil.example\r\n\r\n".encode(),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: testserver\r\n\r\n",
    "many headers": b"GET /v1/schemas HTTP/1.1\r\nHost: testserver\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    "leaves in the middle": POST + b"Content-Length: 999999\r\n\r\n{",
}


@pytest.mark.parametrize("kind", SOCKETS)
def test_what_is_hardly_http_harms_nobody(kind: str, url: tuple[str, House]) -> None:
    """Whoever sends it is told off or left; an ordinary request beside it is answered."""
    address, house = url
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(SOCKETS[kind])
        assert client_is_served(address, house)
        connection.shutdown(socket.SHUT_WR)
        told = connection.recv(65_536)
    assert b"Traceback" not in told
    assert not told or told.split(b" ")[1][:1] == b"4", told[:100]
