"""Generations that programs ask for in the vendors' own dialects, with every fault mixed in; always the same.

They go through the three doors over real sockets: whole and streamed, read at once or slowly, left before, while and
after the answer comes; some of ``/v1/generate`` beside them, sent more than once under one key. What the fake vendors
billed is what must stand in the books.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, cast
from urllib.parse import urlsplit

from sqlmodel import select

from core.breakers import BreakerState
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.servers import named_servers
from core.settings import Settings
from core.store import Store
from core.tables import Account, AttemptRow, GenerationRow, LedgerEntry, Reservation
from tests.faulty_generations import FAULTS, SEED
from tests.wire.ledger import NOTHING, Call, Tokens
from tests.wire.scenarios import chosen

DOORS: Mapping[str, str] = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
MODELS: Mapping[str, tuple[str, str]] = {
    "chat": ("openai/gpt-4o-mini", "openai/gpt-4o"),
    "responses": ("openai-responses/gpt-4o-mini", "openai-responses/gpt-4o"),
    "messages": ("anthropic/claude-haiku-4-5", "anthropic/claude-sonnet-4-5"),
}
"""Of each door: who is asked, and who is asked next."""
IN_VAIN = ("hang", "stall", "drip")
WITH_FALLBACK = (
    "failed@{}", "unauthorized@{}", "reset@{}", "cut-stream@{}", "refused@{}", "throttled-30s@{}", "html@{}",
)  # fmt: skip
LEAVES = ("before", "while", "after")
TENANTS = 4
"""The last has a budget that runs out on the way."""
DOLLAR = 1_000_000_000
SMALL_BUDGET = DOLLAR // 160_000
"""For each question that is asked in all; it is spent before they are."""
THREADS = 16
ASKED_TOKENS = 16
"""What the fake counts for the wish to be told the usage, which no model reads."""
MANY = 5_000
"""Among so many questions is every fault, at every door and either way."""
IN_VAIN_SECONDS = 1.5
WATCHED_SECONDS = 60.0
LARGE_LINES = 1_500
"""Of an answer that no buffer between the vendor and its reader takes whole."""
CITY: Mapping[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
}
How = Literal["reads", "slowly", "before", "while", "after", "repeats"]


class Question(NamedTuple):
    """One request, and how it is sent and read."""

    number: int
    door: str
    tenant: int
    model: str
    scenario: str
    stream: bool
    how: How
    shape: Literal["text", "format", "tool"]
    is_limited: bool
    """Whether it says how long its answer may be."""
    wants_usage: bool

    @property
    def text(self) -> str:
        """The prompt, which no other has."""
        marks = " ".join(f"[[{mark}]]" for mark in self.scenario.split())
        large = "<<" + json.dumps({"name": "Bern " * LARGE_LINES, "people": 1}) + ">>" if self.how == "slowly" else ""
        return f"Which city is number {self.number}? {marks} {large}"

    @property
    def request_id(self) -> str:
        """Under which its generation is recorded."""
        return f"r-{self.number}"

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        messages = [{"role": "user", "content": self.text}]
        limit = 8_000 if self.how == "slowly" else 200
        schema = dict(CITY)
        body: dict[str, Any] = {"model": self.model, "stream": self.stream}
        if self.door == "generate":
            return {"schema": schema, "input": self.text, "model": self.model}
        if self.door == "chat":
            body |= {"messages": messages}
            if self.is_limited:
                body["max_completion_tokens"] = limit
            if self.stream and self.wants_usage:
                body["stream_options"] = {"include_usage": True}
            if self.shape == "format":
                body["response_format"] = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
            elif self.shape == "tool":
                body["tools"] = [{"type": "function", "function": {"name": "city", "parameters": schema}}]
                body["tool_choice"] = {"type": "function", "function": {"name": "city"}}
        elif self.door == "responses":
            body |= {"input": messages, "store": False}
            if self.is_limited:
                body["max_output_tokens"] = limit
            if self.shape == "format":
                body["text"] = {"format": {"type": "json_schema", "name": "city", "schema": schema}}
            elif self.shape == "tool":
                body["tools"] = [{"type": "function", "name": "city", "parameters": schema}]
                body["tool_choice"] = {"type": "function", "name": "city"}
        else:
            body |= {"messages": messages, "max_tokens": limit}
            if self.shape != "text":
                body["tools"] = [{"name": "city", "input_schema": schema}]
                body["tool_choice"] = {"type": "tool", "name": "city"}
        return body


def questions(count: int) -> Iterator[Question]:
    """Yield *count* questions: two in five meet no fault, one in ten is left, some are read slowly or sent again."""
    lots = random.Random(SEED)  # noqa: S311 it is to be foreseen
    for number in range(count):
        door = lots.choice(list(DOORS))
        tenant, stream, lot = lots.randrange(TENANTS), lots.random() < 0.6, lots.random()
        shape: Any = lots.choice(("text", "format", "tool"))
        model, scenario, how = MODELS[door][0], "ok", cast("How", "reads")
        is_limited, wants_usage = lots.random() < 0.8, lots.random() < 0.5
        if lot < 0.30:
            pass
        elif lot < 0.62:
            scenario = lots.choice(FAULTS)
        elif lot < 0.76:
            scenario, model = lots.choice(WITH_FALLBACK).format(model.partition("/")[2]), f"pair-{door}"
        elif lot < 0.80:
            scenario, model = lots.choice(IN_VAIN), f"hurried-{door}"
        elif lot < 0.90:
            how = cast("How", LEAVES[number % 3])
            scenario = ("hang", "slow-stream", "ok")[number % 3]
            stream = stream or how == "while"
        elif lot < 0.92:
            how, stream, tenant, is_limited = "slowly", True, 0, True
            shape = "format" if door != "messages" else "tool"
        else:
            how, door, stream, model = "repeats", "generate", False, MODELS[door][0]
        yield Question(number, door, tenant, model, scenario, stream, how, shape, is_limited, wants_usage)


# ── Asking ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Told:
    """What one caller was told."""

    number: int
    status: int
    """0 where he had left before."""
    body: bytes
    headers: Mapping[str, str]


def house_settings(settings: Settings, url: str) -> Settings:
    """Return *settings* of a Proctor at whose doors the questions can be asked; the fake vendors are at *url*."""
    there = {"OPENAI_RESPONSES_BASE_URL": f"{url}/v1", "OPENAI_RESPONSES_API_KEY": "sk-r"}
    there["OPENAI_RESPONSES_DIALECT"] = "responses"
    return settings.model_copy(
        update={
            "providers": named_servers("openai-responses", there.get),
            "log_level": "ERROR",
            "rate_limit_per_min": 10_000_000,
            "attempt_timeout_seconds": 120.0,
            "relay_seconds": 120.0,
            "deadline_seconds": 240.0,
        }
    )


def furnished(runtime: Runtime, count: int) -> Sequence[str]:
    """Make the tenants, their budgets and the routes for *count* questions; return the tenants' keys."""
    keys: list[str] = []
    for number in range(TENANTS):
        tenant = runtime.tenants.create(LOCAL_OPERATOR, f"Relayed {number}")
        runtime.budgets.set(LOCAL_OPERATOR, tenant, SMALL_BUDGET * count if number == TENANTS - 1 else DOLLAR * 1000)
        keys.append(runtime.tenants.create_key(LOCAL_OPERATOR, tenant).secret)
    for door, models in MODELS.items():
        for model in models:  # else the faults would open the breakers, and little would go out
            runtime.overrides.set(LOCAL_OPERATOR, model, BreakerState.CLOSED, "Every call is to go out.")
        hurried = [{"model": models[0], "timeout_seconds": IN_VAIN_SECONDS}]
        runtime.routes.set(LOCAL_OPERATOR, f"hurried-{door}", hurried, max_retries=0)
        runtime.routes.set(LOCAL_OPERATOR, f"pair-{door}", [{"model": model} for model in models], max_retries=0)
    return keys


def asked(url: str, keys: Sequence[str], which: Iterable[Question]) -> Sequence[Told]:
    """Send *which* to the Proctor at *url* from several threads; return all that was told."""

    def one(question: Question) -> list[Told]:
        times = 2 + question.number % 2 if question.how == "repeats" else 1
        with ThreadPoolExecutor(times) as at_once:
            return list(at_once.map(lambda _: _asked(url, keys[question.tenant], question), range(times)))

    with ThreadPoolExecutor(THREADS) as pool:
        return [told for many in pool.map(one, which) for told in many]


def _asked(url: str, key: str, question: Question) -> Told:
    path = DOORS.get(question.door, "/v1/generate")
    content = json.dumps(question.body).encode()
    there = urlsplit(url)
    headers = {
        "Host": there.netloc,
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "X-Request-Id": question.request_id,
        "Connection": "close",
    }
    if question.how == "repeats":
        headers["Idempotency-Key"] = f"once-{question.number}"
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.socket() as connection:
        if question.how == "slowly":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(WATCHED_SECONDS * 4)
        connection.connect((there.hostname, there.port))
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content)
        return _read(connection, question)


_LEFT_AT: Mapping[str, Sequence[bytes]] = {
    "while": (b"data: ",),
    "after": (b"data: [DONE]", b"message_stop", b"response.completed"),
}
"""What has come when a caller leaves."""


def _read(connection: socket.socket, question: Question) -> Told:
    came, pauses = bytearray(), 40
    pausing = threading.Event()
    if question.how == "before":
        pausing.wait(0.2)
        _reset(connection)
        return Told(question.number, 0, b"", {})
    while piece := connection.recv(2048 if question.how == "slowly" else 65536):
        came += piece
        if question.how == "slowly" and pauses:
            pauses -= 1
            pausing.wait(0.02)
        elif any(mark in came for mark in _LEFT_AT.get(question.how, ())):
            _reset(connection)
            return Told(question.number, 0, b"", {})
    head, _, body = bytes(came).partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(_chunks(body))
    return Told(question.number, int(status.split()[1]), body, headers)


def _chunks(body: bytes) -> Iterator[bytes]:
    while body:
        size, _, body = body.partition(b"\r\n")
        yield body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]


def _reset(connection: socket.socket) -> None:
    """Leave without a word more."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# ── What must be true of it ───────────────────────────────────────────────────────────────────────────────────────────


class Kind(NamedTuple):
    """What one call was like."""

    path: str
    scenario: str
    stream: bool


@dataclass(frozen=True)
class Books:
    """What the database and the fake hold, and what the callers were told."""

    questions: Mapping[str, Question]
    """By request id."""
    told: Sequence[Told]
    verified: Any
    generations: Sequence[GenerationRow]
    attempts: Sequence[AttemptRow]
    entries: Sequence[LedgerEntry]
    accounts: Sequence[Account]
    reservations: Sequence[Reservation]
    calls: Sequence[Call]
    """The fake's own."""

    @cached_property
    def asked(self) -> Mapping[str, Question]:
        """What was asked, by the id of the generation that came of it."""
        return {one.id: self.questions[one.request_id] for one in self.generations}

    @cached_property
    def known(self) -> Sequence[tuple[AttemptRow, Call]]:
        """The attempts that have an id of the vendor's, each with its call."""
        calls = {call.request_id: call for call in self.calls}
        return [(one, calls[one.provider_request_id]) for one in self.attempts if one.provider_request_id]

    def kind(self, attempt: AttemptRow) -> Kind:
        """Return the wire, the scenario and the way of an attempt."""
        question = self.asked[attempt.generation_id]
        door = {"openai": "chat", "openai-responses": "responses", "anthropic": "messages"}[attempt.provider]
        vendor = "anthropic" if door == "messages" else "openai"
        return Kind(DOORS[door], chosen(attempt.model, vendor, [question.text]), question.stream)


def books(runtime: Runtime, told: Sequence[Told], which: Iterable[Question], calls: Sequence[Call]) -> Books:
    """Return what is in the books of *runtime*, which has nothing under way any more."""
    found: dict[Any, list[Any]] = {}
    with runtime.store.reading() as session:
        for table in (GenerationRow, AttemptRow, LedgerEntry, Account, Reservation):
            found[table] = list(session.exec(select(table)).all())
    return Books(
        {one.request_id: one for one in which},
        told,
        runtime.budgets.verify(LOCAL_OPERATOR),
        found[GenerationRow],
        found[AttemptRow],
        found[LedgerEntry],
        found[Account],
        found[Reservation],
        calls,
    )


def open_reservations(store: Store) -> int:
    """Return for how many generations money is held."""
    with store.reading() as session:
        return len(session.exec(select(Reservation)).all())


def tokens(counted: Any) -> Tokens:
    """Return the tokens of a row; none where it has none."""
    kinds = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    return Tokens(**{kind: getattr(counted, kind) or 0 for kind in kinds})


def every_question_is_one_generation(books: Books) -> None:
    """None is lost and none is there twice, however often it was sent; who left at once may have asked nothing.

    What was refused before anybody was asked may be asked anew under its key.
    """
    refused = {one.request_id for one in books.generations if one.outcome == "blocked_budget"}
    found = Counter(one.request_id for one in books.generations if one.outcome != "blocked_budget")
    assert set(found.values()) == {1}
    found.update(refused)
    missing = {one.request_id for one in books.questions.values() if one.how != "before"} - set(found)
    assert not missing, sorted(missing)[:10]


def tokens_are_those_that_were_billed(books: Books) -> None:
    """What the wire told is recorded to the token; what cost nothing has none; all else is marked as an estimate."""
    for attempt, call in books.known:
        assert attempt.http_status == call.status
        if not call.billed:
            assert attempt.input_tokens is attempt.output_tokens is attempt.cost_nano_usd is None, (attempt, call)
        elif not attempt.estimated:
            assert tokens(attempt) == call.usage, (attempt, call)
            assert call.told
        else:
            is_heard = call.told and attempt.error_code not in ("cancelled", "timeout")
            assert not is_heard, (attempt, call)


def every_attempt_is_one_call(books: Books) -> None:
    """There are as many attempts as the fake saw calls, of each wire and kind."""
    ids = [one.provider_request_id for one in books.attempts if one.provider_request_id]
    assert len(set(ids)) == len(ids)
    apart = Counter(map(books.kind, books.attempts))
    apart.subtract(Counter(Kind(one.path, one.scenario, one.stream) for one in books.calls))
    off = {kind: count for kind, count in apart.items() if count}
    # Who leaves at once may be charged for a call that was about to go out and never came.
    assert all(count > 0 and kind.scenario in IN_VAIN for kind, count in off.items()), off


def an_estimate_is_never_too_low(books: Books) -> None:
    """All that was sent is covered, and something is charged for the answer that nobody has told the length of."""
    for attempt, call in books.known:
        if attempt.estimated:
            assert (attempt.input_tokens or 0) + ASKED_TOKENS >= call.usage.input_tokens, (attempt, call)
            assert attempt.output_tokens, (attempt, call)


def generations_are_the_sums_of_their_attempts(books: Books) -> None:
    """Tokens, cost and the mark of an estimate of each generation follow from its attempts."""
    mine: dict[str, list[AttemptRow]] = defaultdict(list)
    for attempt in books.attempts:
        mine[attempt.generation_id].append(attempt)
    for generation in books.generations:
        attempts = mine[generation.id]
        assert generation.attempts == len(attempts)
        assert tokens(generation) == sum(map(tokens, attempts), NOTHING)
        assert generation.estimated is any(one.estimated for one in attempts)
        assert generation.cost_nano_usd == sum(one.cost_nano_usd or 0 for one in attempts)


def every_nano_dollar_is_explained(books: Books) -> None:
    """Verify finds no difference and nothing held; accounts are what the attempts cost; no budget is overspent."""
    assert (books.verified.ok, books.verified.held_nano_usd, list(books.reservations)) == (True, 0, [])
    charged: dict[str, int] = defaultdict(int)
    for entry in books.entries:
        charged[entry.account_id] += entry.nano_usd
    cost: dict[str, int] = defaultdict(int)
    for attempt in books.attempts:
        cost[attempt.tenant_id] += attempt.cost_nano_usd or 0
    assert {one.id: one.spent_nano_usd for one in books.accounts if one.spent_nano_usd} == charged
    assert {one.tenant_id: one.spent_nano_usd for one in books.accounts} == {
        one.tenant_id: cost[one.tenant_id] for one in books.accounts
    }
    stopped = {one.tenant_id for one in books.generations if one.outcome == "blocked_budget"}
    assert all(cost[tenant] <= SMALL_BUDGET * len(books.questions) for tenant in stopped)


def what_was_told_is_what_is_recorded(books: Books) -> None:
    """A whole answer's usage is that of its attempt, and a stream that ended well was recorded so."""
    by_request = {one.request_id: one for one in books.generations}
    for told in books.told:
        question = books.questions[f"r-{told.number}"]
        if question.door == "generate" or not told.status:
            continue
        made = by_request[question.request_id]
        is_well = told.status == 200 and b'"error":{' not in told.body
        if is_well:
            assert made.error_code is None, (question, made, told.body[-300:])
        else:
            assert made.error_code, (question, made, told.body[-300:])
        if is_well and not question.stream:
            usage = json.loads(told.body)["usage"]
            said = [usage.get("completion_tokens"), usage.get("output_tokens")]
            last = max((one for one in books.attempts if one.generation_id == made.id), key=lambda one: one.n)
            assert last.output_tokens in said, (question, usage)


def answers_are_judged_by_what_was_asked(books: Books) -> None:
    """A city that is one is valid, whole and streamed, at each door; of a text nobody says so."""
    for generation in books.generations:
        question = books.asked[generation.id]
        if question.scenario == "ok" and question.how in ("reads", "slowly") and generation.error_code is None:
            expected = "unchecked" if question.shape == "text" else "valid_first_try"
            assert generation.outcome == expected, (question, generation)


def the_mix_holds_every_way_a_generation_can_go(books: Books) -> None:
    """Each way to end came about; of many questions each fault was met at each door, whole and streamed."""
    assert {one.outcome for one in books.generations} >= {
        "valid_first_try",
        "valid_after_fallback",
        "invalid",
        "truncated",
        "refused",
        "provider_error",
        "timeout",
        "cancelled",
        "unchecked",
        "blocked_budget",
    }
    met = {(call.scenario, call.path, call.stream) for call in books.calls}
    wanted = {(fault, path, stream) for fault in FAULTS for path in DOORS.values() for stream in (False, True)}
    assert len(books.questions) < MANY or wanted <= met, sorted(wanted - met)


def what_was_sent_again_was_paid_once(books: Books) -> None:
    """Of requests under one key all get the same answer, or are told that it is on its way; one call goes out."""
    mine: dict[int, list[Told]] = defaultdict(list)
    for told in books.told:
        if books.questions[f"r-{told.number}"].how == "repeats":
            mine[told.number].append(told)
    for number, same in mine.items():
        bodies = {one.body for one in same if one.status == 200}
        assert len(bodies) <= 1, number
        assert {one.status for one in same} <= {200, 402, 409}, (number, [one.status for one in same])


Claim = Callable[[Books], None]
CLAIMS: Sequence[Claim] = (
    the_mix_holds_every_way_a_generation_can_go,
    every_question_is_one_generation,
    every_attempt_is_one_call,
    tokens_are_those_that_were_billed,
    an_estimate_is_never_too_low,
    generations_are_the_sums_of_their_attempts,
    every_nano_dollar_is_explained,
    what_was_told_is_what_is_recorded,
    answers_are_judged_by_what_was_asked,
    what_was_sent_again_was_paid_once,
)
