"""What other callers notice while answers of a megabyte are read, whole and streamed: an ordinary call beside each.

Everything is done that a generation takes: the wire, the search for the object, verdict, guardrails, record. A thread
and a task on the provider loop that sleep a millisecond at a time tell how long they were kept beyond that.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from core import runtime
from core.errors import ProctorError
from core.generation import GenerationRequest
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from tests.bench.generation import INPUT, Ticket
from tests.bench.measure import table
from tests.builders import person
from tests.wire.scripted import Scripted, ScriptedServer, events

BYTES, PIECE, SECONDS, TICK = 1_000_000, 4_000, 6.0, 0.001
ORDINARY = "anthropic/claude-haiku-4-5"
_ROWS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "ok": {"type": "boolean"}},
                "required": ["name", "age", "ok"],
            },
        }
    },
    "required": ["rows"],
}


def _object(size: int, *, last: Any = 7) -> str:
    row = '{"name":"Person of this list","age":41,"ok":true}'
    return (
        f'{{"rows":[{",".join([row] * (size // (len(row) + 1)))},{{"name":"x","age":{json.dumps(last)},"ok":true}}]}}'
    )


def _kinds() -> dict[str, tuple[str, list[str]]]:
    """Return mode and contents of each kind of answer: the text, or the arguments of several calls."""
    valid, text = _object(BYTES), "This is what the text says, as I understand it, in {braces} and [brackets].\n"
    return {
        "valid object": ("json_schema", [valid]),
        "one wrong leaf": ("json_schema", [_object(BYTES, last="7")]),
        "prose and object": ("json", [f"{text}{valid}\nThat is all."]),
        "a fence": ("json", [f"So:\n```json\n{valid}\n```\n"]),
        "prose without object": ("json", [text * (BYTES // len(text))]),
        "several calls": (
            "tools",
            [_object(BYTES // 3, last="7"), _object(BYTES // 3, last=None), _object(BYTES // 3)],
        ),
    }


def run(wire_url: str, folder: Path) -> None:
    """Measure and print."""
    with _playing() as (long_url, play), _governed(wire_url, long_url, folder / "long.db") as (proctor, ask):
        alone, _, held = _beside(proctor, ask, None)
        rows: list[tuple[str, ...]] = [
            (
                "an ordinary call beside",
                "calls",
                "half, ms",
                "99 of 100",
                "x alone: half",
                "99 of 100",
                "lock, ms",
                "loop",
            ),
            _row("nothing", alone, alone, held),
        ]
        for (name, (mode, contents)), stream in itertools.product(_kinds().items(), (False, True)):
            play((mode, contents))
            took, count, held = _beside(proctor, ask, (mode, stream))
            rows.append(_row(f"{name}, {'streamed' if stream else 'whole'} ({count} read)", took, alone, held))
    table("Ordinary calls while answers of a megabyte are read without a pause", rows)


def _row(name: str, took: list[float], alone: list[float], held: tuple[float, float]) -> tuple[str, ...]:
    shares = [(each[len(each) // 2], each[len(each) * 99 // 100]) for each in (took, alone)]
    times = [mine / its for mine, its in zip(*shares, strict=True)]
    return (name, str(len(took)), *(f"{each:.1f}" for each in (*shares[0], *times, *held)))


Ask = Callable[[str, str, str | None, bool], None]


def _beside(proctor: Runtime, ask: Ask, long: tuple[str, bool] | None) -> tuple[list[float], int, tuple[float, float]]:
    """Return milliseconds of ordinary calls, how many long answers were read, how long lock and loop were kept."""
    over, read = threading.Event(), [0]
    lock: list[float] = [0.0]
    loop: list[float] = [0.0]

    def reading() -> None:
        while long is not None and not over.is_set():
            with suppress(ProctorError):
                ask("rows", "openai/gpt-4o-mini", *long)
            read[0] += 1

    def waiting() -> None:
        while not over.is_set():
            began = time.perf_counter()
            time.sleep(TICK)
            lock.append((time.perf_counter() - began - TICK) * 1000)

    async def ticking() -> None:
        while not over.is_set():
            began = time.perf_counter()
            await asyncio.sleep(TICK)
            loop.append((time.perf_counter() - began - TICK) * 1000)

    threads = [threading.Thread(target=one) for one in (reading, waiting, lambda: proctor.loop.run(ticking()))]
    for one in threads:
        one.start()
    took: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        ask("ticket", ORDINARY, None, False)
        took.append((time.perf_counter() - began) * 1000)
    over.set()
    for one in threads:
        one.join()
    lock.sort()
    loop.sort()
    return sorted(took), read[0], (lock[len(lock) * 99 // 100], loop[len(loop) * 99 // 100])


@contextmanager
def _governed(wire_url: str, long_url: str, database: Path) -> Generator[tuple[Runtime, Ask]]:
    """Yield a Proctor whose OpenAI gives long answers, and what asks it."""
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] pydantic-settings adds the argument
        openai_api_key="bench",
        openai_base_url=long_url,
        anthropic_api_key="bench",
        anthropic_base_url=wire_url,
        database_url=f"sqlite:///{database}",
        rate_limit_per_min=10_000_000,
        log_level="ERROR",
        local_model="off",
        breaker_least_calls=1_000_000,
    )
    proctor = runtime.build(settings)
    proctor.start()
    try:
        tenant = proctor.tenants.create(LOCAL_OPERATOR, "bench")
        proctor.budgets.set(LOCAL_OPERATOR, tenant, 10**15)
        proctor.schemas.add(person("bench"), "ticket", Ticket.model_json_schema())
        proctor.schemas.add(person("bench"), "rows", _ROWS)
        for mode in ("json_schema", "json", "tools"):
            asked = [{"model": "openai/gpt-4o-mini", "mode": mode}]
            proctor.routes.set(LOCAL_OPERATOR, mode, asked, max_reasks=0, max_retries=0)
        principal = proctor.policies.authenticate(proctor.tenants.create_key(LOCAL_OPERATOR, tenant).secret)

        def ask(schema: str, model: str, route: str | None, stream: bool) -> None:  # noqa: FBT001 as its type says
            request = GenerationRequest(schema=schema, input=INPUT, model=None if route else model, route=route)
            if not stream:
                proctor.generator.generate(request, principal)
                return
            for _ in proctor.generator.stream(request, principal):
                pass

        ask("ticket", ORDINARY, None, False)
        yield proctor, ask
    finally:
        proctor.close()


@contextmanager
def _playing() -> Generator[tuple[str, Callable[[tuple[str, list[str]]], None]]]:
    """Run a provider in a process of its own; yield its URL, and what tells it how to answer."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_provide, args=(theirs,), daemon=True)
    process.start()

    def play(what: tuple[str, list[str]]) -> None:
        ours.send(what)
        ours.recv()

    try:
        yield ours.recv(), play
    finally:
        process.terminate()
        process.join()


def _provide(orders: Connection) -> None:
    with ScriptedServer() as server:
        orders.send(server.openai_url)
        while True:
            mode, contents = orders.recv()
            whole, streamed = _whole(mode, contents), _streamed(mode, contents)
            server.answers = lambda asked, whole=whole, streamed=streamed: streamed if asked.get("stream") else whole
            server.plays()
            orders.send("plays")


_USAGE = {"prompt_tokens": 100, "completion_tokens": 250_000, "total_tokens": 250_100}


def _whole(mode: str, contents: list[str]) -> Scripted:
    message: dict[str, Any] = {"role": "assistant", "content": contents[0]}
    if mode == "tools":
        calls = [{"id": f"c{n}", "function": {"name": "rows", "arguments": one}} for n, one in enumerate(contents)]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return Scripted.whole({"id": "x", "model": "gpt-4o-mini", "choices": choices, "usage": _USAGE})


def _streamed(mode: str, contents: list[str]) -> Scripted:
    deltas: list[dict[str, Any]] = []
    for n, text in enumerate(contents):
        if mode == "tools":
            deltas.append({"tool_calls": [{"index": n, "id": f"c{n}", "function": {"name": "rows", "arguments": ""}}]})
        for at in range(0, len(text), PIECE):
            piece = text[at : at + PIECE]
            call = {"tool_calls": [{"index": n, "function": {"arguments": piece}}]}
            deltas.append(call if mode == "tools" else {"content": piece})
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": one}]} for one in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = events(*chunks, {"choices": [], "usage": _USAGE})
    return Scripted.streamed(body, *range(0, len(body), 16_000))
