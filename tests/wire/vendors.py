"""The two vendors behind the wire: they read a request, let the scenario decide, and bill."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from tests.wire import anthropic_messages, openai_chat, openai_responses, scenarios, sending
from tests.wire.caches import Caches, Found
from tests.wire.exchange import Asked, Dialect, Failure, Finish, Said, given_texts
from tests.wire.ledger import Call, Ledger, Tokens, token_count
from tests.wire.objects import broken_text, invalid_text, valid_text
from tests.wire.scenarios import Content, Reply
from tests.wire.sending import Sending
from tests.wire.stored_responses import StoredResponses

_ALL: tuple[Dialect, ...] = (openai_chat, openai_responses, anthropic_messages)
DIALECTS = {dialect.PATH: dialect for dialect in _ALL}

_REASONING_TOKENS = 64
LEAKS = {
    "%token%": "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "%key%": "sk-proj-Zx81kPq0Lm3nVb7cXz92AsDfGh45",
}
"""Words that the model answers with a secret of its own: what a prompt holds is redacted on its way here."""
_REFUSAL = "I'm sorry, but I can't help with that."
_PLAIN = "This is some answer."
_SMALL_OBJECT = '{"answer":"some answer"}'
_MODELS = ("gpt-4o-mini", "gpt-4o", "claude-haiku-4-5", "claude-sonnet-4-5")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, as it came."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    """By name in lower case."""
    body: bytes
    keeps_alive: bool


class Vendors:
    """Everything the fake remembers. Lives on the server's loop."""

    def __init__(self, ledger: Ledger, *, keeps_requests: bool) -> None:
        self._ledger = ledger
        self._keeps_requests = keeps_requests
        self._turns: dict[tuple[str, ...], int] = {}
        self._caches = Caches()
        self._responses = StoredResponses()
        self._count = 0

    def reset(self) -> None:
        """Forget every call, every conversation and every prompt; identifiers go on counting."""
        self._ledger.clear()
        self._caches.clear()
        self._responses.clear()
        self._turns = {}

    def receive(self, request: Request, connection: int) -> Sending:
        """Return how *request* is answered, and enter it in the ledger if it is a call to a model."""
        dialect = DIALECTS.get(request.path)
        if dialect is not None and request.method == "POST":
            return self._call(dialect, request, connection)
        account = key_hash(_key(request.headers))
        if (stored := self._responses.served(request.method, request.path, account)) is not None:
            return stored
        match request.method, request.path:
            case "GET", "/_ledger":
                return sending.document(orjson.dumps({"calls": [call.as_dict() for call in self._ledger.calls()]}))
            case "POST", "/_reset":
                self.reset()
                return sending.document(b"{}")
            case "GET", "/v1/models":
                return sending.document(_models())
            case _:
                return sending.document(b'{"error":{"message":"Unknown path.","type":"not_found"}}', status=404)

    def _call(self, dialect: Dialect, request: Request, connection: int) -> Sending:
        self._count += 1
        key = _key(request.headers)
        call = Call(
            number=self._count,
            request_id=f"req_{self._count:012d}",
            path=request.path,
            model="",
            scenario="",
            turn=0,
            stream=False,
            key_hash=key_hash(key) if key else "",
            connection=connection,
            received_at=time.monotonic(),
        )
        self._ledger.enter(call)
        if not key:
            return sending.failure(dialect, replace(dialect.FAILURES[401], message="No API key."), call, scenarios.OK)
        body = _parsed(request.body)
        if self._keeps_requests:
            call.request = body
        size = len(request.body)
        if dialect is openai_responses:
            expanded = self._responses.expanded(body, call.key_hash)
            if isinstance(expanded, Failure):
                return sending.failure(dialect, expanded, call, scenarios.OK)
            size += len(orjson.dumps(expanded)) - len(orjson.dumps(body))
            body = expanded
        if problem := _problem(dialect, body):
            return sending.failure(dialect, replace(dialect.FAILURES[400], message=problem), call, scenarios.OK)
        return self._played(dialect, body, call, key, size)

    def _played(self, dialect: Dialect, body: dict[str, Any], call: Call, key: str, size: int) -> Sending:
        asked = dialect.asked(body)
        call.model, call.stream = asked.model, asked.stream
        try:
            call.scenario = scenarios.chosen(asked.model, dialect.VENDOR, asked.user_texts)
            replies = scenarios.scenario(call.scenario)
            given = next((found for text in reversed(asked.user_texts) if (found := given_texts(text))), ())
            call.turn = self._turn(call, asked) if max(len(replies), len(given)) > 1 else 0
            reply = replies[min(call.turn, len(replies) - 1)]
            if reply.status != 200:
                return sending.failure(dialect, _failure(dialect, reply, asked, key), call, reply)
            known = dialect.found(body, self._caches, call.key_hash, call.received_at)
            said = _said(reply, asked, given, call, _input(reply, known, token_count(size)))
        except (scenarios.UnknownScenarioError, ValueError) as error:
            message = f"The fake cannot play this: {type(error).__name__}: {error}"
            return sending.failure(dialect, Failure(400, "invalid_request_error", message), call, scenarios.OK)
        if dialect is openai_responses:
            self._responses.keep(body, said, call.key_hash)
        answered = sending.answer(dialect, said, call, reply)
        if answered.status == 200:
            call.usage = said.tokens if not asked.stream else replace(said.tokens, output_tokens=0, reasoning_tokens=0)
        elif answered.status is None:
            # Whoever never answers has read the question; nobody knows more.
            call.usage = replace(said.tokens, output_tokens=0, reasoning_tokens=0)
        return answered

    def _turn(self, call: Call, asked: Asked) -> int:
        """Return how many calls of this conversation came before, and count this one."""
        conversation = (call.path, call.model, call.scenario, asked.user_texts[0] if asked.user_texts else "")
        turn = self._turns.get(conversation, 0)
        self._turns[conversation] = turn + 1
        return turn


def _parsed(body: bytes) -> dict[str, Any]:
    """Return the body of a request; empty if it is no JSON object."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _problem(dialect: Dialect, body: dict[str, Any]) -> str | None:
    if not body:
        return "We could not parse the JSON body of your request."
    if not isinstance(body.get("model"), str):
        return "you must provide a model parameter"
    return dialect.objection(body)


def _failure(dialect: Dialect, reply: Reply, asked: Asked, key: str) -> Failure:
    """Return the vendor's error; it repeats what it was sent, as some servers do: no caller may pass that on."""
    if reply.too_long:
        return dialect.TOO_LONG
    failure = dialect.FAILURES[reply.status]
    if reply.status == 401:
        return replace(failure, message=f"{failure.message} Received {key}")
    if reply.status == 400 and asked.user_texts:
        return replace(failure, message=leaked(f"{failure.message} Received {asked.user_texts[-1][:200]}"))
    return failure


def _input(reply: Reply, known: Found, count: int) -> Tokens:
    """Return the *count* tokens of the input: each was read from the cache, written to it, or neither."""
    if reply.cached:
        return Tokens(input_tokens=count, cached_tokens=count // 2, cache_write_tokens=count // 4)
    cached = min(known.cached_tokens, count - 1)
    return Tokens(
        input_tokens=count, cached_tokens=cached, cache_write_tokens=min(known.written_tokens, count - 1 - cached)
    )


def leaked(text: str) -> str:
    """Return *text* with a secret in the place of each word that stands for one: nobody sent it."""
    for word, secret in LEAKS.items():
        text = text.replace(word, secret)
    return text


def _said(reply: Reply, asked: Asked, given: tuple[str, ...], call: Call, read: Tokens) -> Said:
    text, finish = _text(reply, asked, given, call.turn)
    text = leaked(text)
    reasoning = _REASONING_TOKENS if reply.reasoning else 0
    if finish is Finish.DONE and asked.max_tokens is not None:
        room = max(0, asked.max_tokens - reasoning) * 4
        if len(text.encode()) // 4 * 4 > room:
            text, finish = text.encode()[:room].decode(errors="ignore"), Finish.LENGTH
    return Said(
        asked=asked,
        text=text,
        finish=finish,
        tokens=replace(
            read,
            output_tokens=reasoning + token_count(len(text.encode())),
            reasoning_tokens=reasoning,
        ),
        number=call.number,
        created_at=int(time.time()),
    )


def _text(reply: Reply, asked: Asked, given: tuple[str, ...], turn: int) -> tuple[str, Finish]:
    if reply.content is Content.REFUSED:
        return _REFUSAL, Finish.REFUSED
    if given:
        text = given[min(turn, len(given) - 1)]
    elif asked.schema is not None:
        text = valid_text(asked.schema)
    else:
        text = _SMALL_OBJECT if asked.is_json else _PLAIN
    if text != _PLAIN:
        if reply.content in (Content.INVALID, Content.WORSE):
            text = invalid_text(asked.schema, text, worse=reply.content is Content.WORSE)
        elif reply.content is Content.BROKEN:
            text = broken_text(text)
    if asked.is_fenced and asked.is_json:
        text = f"```json\n{text}\n```"
    if reply.content in (Content.TRUNCATED, Content.FILTERED):
        return text[: len(text) // 2], Finish.LENGTH if reply.content is Content.TRUNCATED else Finish.FILTERED
    return text, Finish.DONE


def _key(headers: dict[bytes, bytes]) -> str:
    return (headers.get(b"x-api-key") or headers.get(b"authorization", b"").removeprefix(b"Bearer ")).decode("latin-1")


@lru_cache(maxsize=1024)
def key_hash(key: str) -> str:
    """Return how the ledger names *key*."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _models() -> bytes:
    """Return a list of models that both SDKs can read."""
    listed = [
        {
            "id": name,
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": "fake",
            "type": "model",
            "display_name": name,
            "created_at": "2023-11-14T22:13:20Z",
        }
        for name in _MODELS
    ]
    return orjson.dumps({"object": "list", "data": listed, "has_more": False, "first_id": None, "last_id": None})
