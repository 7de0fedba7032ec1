"""A streamed object: CPU and bytes of the served process by size and kind of partials, and where the time goes."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp

from core.documents import as_json
from core.growing_json import GrowingJson
from core.guardrails import Guardrails
from core.providers.reading.chat_message import ChatMessage
from core.providers.reading.events import Events
from core.response_models import response_model
from tests.bench.http import prepared
from tests.bench.measure import ROOT, cpu_seconds, free_port, serving, table, until_calm
from tests.children import ending_with_parent
from tests.wire.scripted import Scripted, ScriptedServer
from tests.wire.scripted import events as written

SIZES = (20_000, 200_000, 1_000_000)
DELTA = 40
"""Characters in each event of the provider: five thousand events for the middle size."""
SECONDS = 5
"""How long each object takes to come; and once more, as fast as it can."""
_SCHEMA: dict[str, Any] = {
    "title": "rows",
    "type": "object",
    "properties": {
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "note": {"type": "string"},
                    "amount": {"type": "number"},
                },
                "required": ["name", "note", "amount"],
            },
        }
    },
    "required": ["rows"],
}


def run(_wire_url: str, folder: Path) -> None:
    """Measure and print."""
    _print_parts()
    rows = [("one streamed object", "CPU s", "events", "bytes shown", "x its size", "seconds")]
    with playing() as (wire_url, play):
        port = free_port()
        environment = {
            "OPENAI_API_KEY": "bench",
            "OPENAI_BASE_URL": wire_url,
            "MODEL_PRIMARY": "openai/gpt-4o-mini",
            "DATABASE_URL": f"sqlite:///{folder / 'stream.db'}",
            "LOCAL_MODEL": "off",
            "DEMO": "false",
            "PORT": str(port),
            "HOST": "127.0.0.1",
        }
        key = prepared(environment)
        url = f"http://127.0.0.1:{port}"
        with serving([str(ROOT / ".venv/bin/proctor"), "serve"], environment, f"{url}/health") as (pid, _):
            until_calm(pid)
            for seconds in (0, SECONDS):
                for kind in (None, "whole", "patch"):
                    before = 0.0
                    for size in SIZES:
                        text = object_of(size)
                        play((text, seconds))
                        if not before:
                            asyncio.run(_streamed(url, key, kind))  # the first of its kind imports and compiles
                        cpu, wall = cpu_seconds(pid), time.perf_counter()
                        count, shown = asyncio.run(_streamed(url, key, kind))
                        cpu, wall = cpu_seconds(pid) - cpu, time.perf_counter() - wall
                        growth = f" (x {cpu / before:.1f})" if before else ""
                        before = cpu
                        named = f"{len(text):>9,} B, {kind or 'no stream'}, {'at once' if not seconds else 'paced'}"
                        rows.append(
                            (
                                named,
                                f"{cpu:.2f}{growth}",
                                str(count),
                                f"{shown:,}",
                                f"{shown / len(text):.2f}",
                                f"{wall:.1f}",
                            )
                        )
    table(f"POST /v1/generate, {DELTA} characters an event; in brackets: against the size before", rows)


def object_of(size: int) -> str:
    """Return an object of about *size* characters, as JSON."""
    row = {"name": "a name", "note": "It is as it was said to be, or nearly so.", "amount": 12.5}
    return json.dumps({"rows": [row] * (size // len(json.dumps(row)))})


def _chunks(text: str) -> list[bytes]:
    """Return *text* as the events of a chat completion."""
    called = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "rows", "arguments": ""}}

    def chunk(delta: Any, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        told = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "model": "gpt-4o-mini",
            "service_tier": "default",
        }
        return written({**told, "choices": [choice], "usage": None}, done=False)

    pieces = [text[at : at + DELTA] for at in range(0, len(text), DELTA)]
    usage = {"prompt_tokens": 30, "completion_tokens": len(text) // 4, "total_tokens": 30 + len(text) // 4}
    return [
        chunk({"role": "assistant", "content": None, "tool_calls": [called]}),
        *(chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces),
        chunk({}, "stop"),
        written({"model": "gpt-4o-mini", "choices": [], "usage": usage}),
    ]


# ── Where it goes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _print_parts() -> None:
    rows = [("CPU ms in this process, by part", *(f"{size:,} B" for size in SIZES), "growth of the last")]
    costs = [_parts(object_of(size)) for size in SIZES]
    for name in costs[0]:
        found = [cost[name] * 1000 for cost in costs]
        rows.append((name, *(f"{one:.1f}" for one in found), f"x {found[2] / found[1]:.1f}" if found[1] else ""))
    table(f"Where it goes, with {DELTA} characters an event, shown after each 4,000", rows)


def _parts(text: str) -> dict[str, float]:
    """Return what each part costs of a whole stream, in seconds of CPU."""
    guardrails, model, sent = Guardrails(), response_model(_SCHEMA, "rows"), _chunks(text)
    events = Events()
    reading, found = _timed(lambda: [event for piece in sent for event in events.feed(piece)])
    growth = ChatMessage(in_calls=True)
    growing, _ = _timed(lambda: [growth.take(event) for event in found if isinstance(event, dict)])
    ends = [4_000]
    while ends[-1] < len(text):
        ends.append(ends[-1] + max(4_000, ends[-1] // 8))
    parsing, values = _timed(lambda: [model.partial_value(text[:end]) for end in ends])
    screening, screened = _timed(lambda: [guardrails.screen_partial(value) for value in values])
    encoding, _ = _timed(lambda: [as_json({"value": value, "attempt": 1}) for value in screened])
    growing_json = GrowingJson(guardrails.screened_text)
    pieces = [text[at : at + DELTA] for at in range(0, len(text), DELTA)]

    def changes() -> list[Any]:
        told = list[Any]()
        for count, piece in enumerate(pieces):
            growing_json.feed(piece)
            if count % 100 == 99:
                told.append(growing_json.changes())
        return told

    patching, told = _timed(changes)
    telling, _ = _timed(lambda: [as_json({"patch": one, "attempt": 1}) for one in told])
    return {
        "reading events": reading,
        "growing a body": growing,
        "whole: parsing": parsing,
        "whole: screening": screening,
        "whole: encoding": encoding,
        "patch: reading on, screening": patching,
        "patch: encoding": telling,
    }


def _timed(work: Callable[[], list[Any]]) -> tuple[float, list[Any]]:
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


# ── All of it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def playing() -> Generator[tuple[str, Callable[[tuple[str, float]], None]]]:
    """Run a provider in a process of its own; yield its URL, and what tells it what to answer and how slowly."""
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=_provide, args=(theirs,), daemon=True)
    process.start()

    def play(what: tuple[str, float]) -> None:
        ours.send(what)
        ours.recv()

    try:
        yield ours.recv(), play
    finally:
        ours.send(None)
        process.join(10)


def _provide(orders: Connection) -> None:
    if (end := ending_with_parent()) is not None:
        end()  # it has its parent's end of the pipe too, so it would never learn that it is closed
    with ScriptedServer() as server:
        orders.send(server.openai_url)
        while (order := orders.recv()) is not None:
            text, seconds = order
            chunks = _chunks(text)
            cuts, at = list[int](), 0
            for chunk in chunks[:-1]:
                at += len(chunk)
                cuts.append(at)
            whole = Scripted.whole(
                {
                    "model": "gpt-4o-mini",
                    "choices": [
                        {
                            "index": 0,
                            "finish_reason": "stop",
                            "message": {
                                "tool_calls": [{"id": "call_1", "function": {"name": "rows", "arguments": text}}]
                            },
                        }
                    ],
                    "usage": {"prompt_tokens": 30, "completion_tokens": len(text) // 4},
                }
            )
            server.answers = lambda asked, whole=whole, chunks=chunks, cuts=cuts, seconds=seconds: (
                Scripted.streamed(b"".join(chunks), *cuts, pause_seconds=seconds / len(chunks))
                if asked.get("stream")
                else whole
            )
            orders.send("ready")


async def _streamed(url: str, key: str, kind: str | None) -> tuple[int, int]:
    """Ask for the object; return how many partials were shown and their bytes, without the last event."""
    body: dict[str, Any] = {"schema": _SCHEMA, "input": "Say all rows."}
    if kind is not None:
        body |= {"stream": True, "partials": kind}
    async with (
        aiohttp.ClientSession(read_bufsize=2**24) as session,
        session.post(f"{url}/v1/generate", json=body, headers={"Authorization": f"Bearer {key}"}) as response,
    ):
        answer = await response.read()
    if response.status != 200 or b"event: error" in answer:
        raise SystemExit(f"the bench got {response.status}: {answer[-300:]!r}")
    if kind is None:
        return 0, len(answer)
    shown = answer[: answer.index(b"event: final")]
    return shown.count(b"\nevent: ") + shown.startswith(b"event: "), len(shown)
