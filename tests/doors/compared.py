"""One program run twice, straight at the vendor and through Proctor: what was asked, what came of it, what differs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anthropic
import openai
from pydantic import BaseModel

from tests.doors.answers import Answer
from tests.wire.scripted import Scripted, ScriptedServer

ASPECTS = ("calls", "values", "error")
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_VENDORS = ("anthropic-", "openai-")
_AS_WHOM = ("openai-organization", "openai-project", "anthropic-user-profile-id", "anthropic-workspace-id")
"""Headers that say as whom is asked stay with Proctor, which asks as itself."""


class Clients:
    """The SDKs' clients at one address. They are closed when the program has ended."""

    def __init__(self, key: str, openai_url: str, anthropic_url: str) -> None:
        self.seen: list[Any] = []
        """What the program has seen so far, should it fail later."""
        self.has_seen = threading.Event()
        """Set once it has seen something: what the vendor says then waits for that."""
        self.key = key
        self.openai_url = openai_url
        self.anthropic_url = anthropic_url
        self._open: list[Any] = []

    def openai(self, *, max_retries: int = 0, **settings: Any) -> openai.OpenAI:
        """Return OpenAI's client."""
        return self._kept(openai.OpenAI, self.openai_url, max_retries=max_retries, **settings)

    def anthropic(self, *, max_retries: int = 0, **settings: Any) -> anthropic.Anthropic:
        """Return Anthropic's client."""
        return self._kept(anthropic.Anthropic, self.anthropic_url, max_retries=max_retries, **settings)

    def openai_async(self, work: Callable[[openai.AsyncOpenAI], Coroutine[Any, Any, Any]]) -> Any:
        """Return what *work* makes of OpenAI's other client."""

        async def run() -> Any:
            async with openai.AsyncOpenAI(api_key=self.key, base_url=self.openai_url, max_retries=0) as client:
                return await work(client)

        return asyncio.run(run())

    def anthropic_async(self, work: Callable[[anthropic.AsyncAnthropic], Coroutine[Any, Any, Any]]) -> Any:
        """Return what *work* makes of Anthropic's other client."""

        async def run() -> Any:
            async with anthropic.AsyncAnthropic(api_key=self.key, base_url=self.anthropic_url, max_retries=0) as client:
                return await work(client)

        return asyncio.run(run())

    def watch(self, stream: Iterable[Any]) -> None:
        """See every event of *stream*."""
        for event in stream:
            self.seen.append(event)
            self.has_seen.set()

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            self._open.pop().close()

    def _kept(self, kind: Any, url: str, **settings: Any) -> Any:
        client = kind(api_key=self.key, base_url=url, **settings)
        self._open.append(client)
        return client


@dataclass(frozen=True)
class Program:
    """What somebody wrote for a vendor, and what the vendor says to it."""

    name: str
    """Kind and case, as ``chat/tools``; the last answer comes again."""
    run: Callable[[Clients], Any]
    answers: Sequence[Answer]
    differs: Mapping[str, str] = field(default_factory=dict[str, str])
    """Which aspects differ, each with its reason. What is named must differ."""


@dataclass(frozen=True)
class Run:
    """One run of a program."""

    calls: Sequence[Any]
    """Of each request to the vendor its path, the headers that pass, and its body, in order, figures as they stand."""
    values: Any
    """What the program saw and returned."""
    error: Mapping[str, Any] | None
    """What it raised: class, status, code, type and sentence."""


@dataclass(frozen=True)
class Row:
    """What came of comparing."""

    program: Program
    straight: Run
    through: Run

    def differing(self) -> list[str]:
        """Return the aspects that differ."""
        return [one for one in ASPECTS if getattr(self.straight, one) != getattr(self.through, one)]

    def unnamed(self) -> list[str]:
        """Return the aspects that differ without a reason, or do not though one is named.

        Two runs in which nobody was asked are no proof: their calls count as differing.
        """
        nobody = set[str]() if self.straight.calls else {"calls"}
        return sorted(set(self.differing()) ^ set(self.program.differs) | nobody)


def compared(program: Program, vendor: ScriptedServer, proctor: Clients) -> Row:
    """Run *program* straight at *vendor* and through Proctor, which asks the same vendor."""
    straight = Clients("sk-any", vendor.openai_url, vendor.anthropic_url)
    runs = [_ran(program, vendor, clients) for clients in (straight, proctor)]
    calls = [without_patches(call, by) for call, by in zip(runs[1].calls, runs[0].calls, strict=False)]
    calls += runs[1].calls[len(calls) :]
    return Row(program, runs[0], Run(calls, runs[1].values, runs[1].error))


def _ran(program: Program, vendor: ScriptedServer, clients: Clients) -> Run:
    vendor.plays()
    vendor.answers = _playing(program, vendor, clients)
    clients.seen, clients.has_seen = [], threading.Event()
    made, error = None, None
    try:
        made = program.run(clients)
    except Exception as raised:  # noqa: BLE001 what it raises is compared
        error = error_of(raised)
    finally:
        clients.close()
    return Run(heard_calls(vendor), plain([*clients.seen, made]), error)


def heard_calls(vendor: ScriptedServer) -> list[Any]:
    """Return of each request to *vendor* its path, the headers that pass, and its body, figures as they stand."""
    read = {"object_pairs_hook": list, "parse_int": str, "parse_float": str}
    bodies = [json.loads(body or b"{}", **read) for body in vendor.bodies]
    heads = [
        (path, {name: told[name] for name in sorted(told) if name.startswith(_VENDORS) and name not in _AS_WHOM})
        for path, told in vendor.heard
    ]
    return [[*head, body] for head, body in zip(heads, bodies, strict=True)]


def _playing(program: Program, vendor: ScriptedServer, clients: Clients) -> Callable[[dict[str, Any]], Scripted]:
    def play(body: dict[str, Any]) -> Scripted:
        answer = program.answers[min(len(vendor.asked), len(program.answers)) - 1](body)
        return replace(answer, gate=clients.has_seen) if answer.gate is not None else answer

    return play


def error_of(raised: BaseException) -> dict[str, Any]:
    """Return what a program can tell of an error."""
    names = ("status_code", "code", "type", "param", "request_id")
    told = {name: getattr(raised, name, None) for name in names}
    body = getattr(raised, "body", None)
    return {"class": type(raised).__name__, "sentence": str(raised), **told, "body": plain(body)}


def without_patches(call: Any, by: Any) -> Any:
    """Return a call's body without what Proctor may patch in: a limit, and the usage at a stream's end."""
    path, headers, body = call
    given = dict(by[2])
    kept: list[Any] = []
    for name, value in body:
        if name in _LIMITS and not any(limit in given for limit in _LIMITS):
            continue
        if name != "stream_options":
            kept.append((name, value))
            continue
        asked = [pair for pair in given.get(name, ()) if pair[0] == "include_usage"]
        options = [asked[0] if pair[0] == "include_usage" and asked else pair for pair in value]
        if name in given or value != [("include_usage", True)]:
            kept.append((name, [pair for pair in options if pair[0] != "include_usage" or asked]))
    return [path, headers, kept]


def plain(value: Any) -> Any:
    """Return *value* as JSON would have it, with the names of its classes."""
    match value:
        case BaseModel():
            return {"class": type(value).__name__, **plain(value.model_dump(mode="json", warnings=False))}
        case dict():
            return {str(name): plain(one) for name, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.decode()
        case _:
            return repr(value)


def table(rows: Sequence[Row]) -> str:
    """Return a line for each program: its calls, what it raises straight, what is the same, and why what is not."""
    width = max(len(row.program.name) for row in rows)
    lines = [f"{'program':{width}}  asked  {'raises':28}  {'  '.join(ASPECTS)}  differs because"]
    for row in rows:
        differing, unnamed = row.differing(), row.unnamed()
        marks = ["DEFECT" if one in unnamed else "named" if one in differing else "same" for one in ASPECTS]
        cells = "  ".join(f"{mark:{len(one)}}" for mark, one in zip(marks, ASPECTS, strict=True))
        calls = f"{len(row.straight.calls)}/{len(row.through.calls)}"
        raises = (row.straight.error or {}).get("class", "-")
        why = "; ".join(dict.fromkeys(row.program.differs.values()))
        lines.append(f"{row.program.name:{width}}  {calls:5}  {raises:28}  {cells}  {why}".rstrip())
    named = sum(bool(row.program.differs) for row in rows)
    bad = sum(bool(row.unnamed()) for row in rows)
    lines.append(
        f"{len(rows)} programs, {len(rows) - named - bad} the same, {named} with a named difference, {bad} defects"
    )
    return "\n".join(lines)
