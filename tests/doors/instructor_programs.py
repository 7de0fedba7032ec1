"""Programs that were written for Instructor: its modes, its streams, its hooks, and the re-asks of its own."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import anthropic
import instructor
import openai
from instructor import Mode
from pydantic import BaseModel, field_validator

from tests.doors import answers as said
from tests.doors.answers import Answer
from tests.doors.compared import Clients, Program, plain

_ASKED: Any = {"messages": [{"role": "user", "content": "Ann is 7 years old."}]}


class Person(BaseModel):
    """A person, whose name is not written in small letters."""

    name: str
    age: int

    @field_validator("name")
    @classmethod
    def begins_large(cls, name: str) -> str:
        """Refuse small letters, so that Instructor asks again."""
        if name.islower():
            raise ValueError("The name begins with a large letter.")
        return name


ANN: Any = {"name": "Ann", "age": 7}
BOB: Any = {"name": "Bob", "age": 8}
SMALL: Any = {"name": "ann", "age": 7}
_TEXT = json.dumps(ANN)


def _openai(clients: Clients, mode: Mode) -> Any:
    return instructor.from_openai(clients.openai(), mode=mode, model="gpt-4o-mini")


def _anthropic(clients: Clients, mode: Mode) -> Any:
    return instructor.from_anthropic(clients.anthropic(), mode=mode, model="claude-haiku-4-5", max_tokens=300)


def _made(vendor: str, clients: Clients, mode: Mode) -> Any:
    return (_openai if vendor == "openai" else _anthropic)(clients, mode)


def _quiet(program: Program) -> Program:
    def run(clients: Clients) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Instructor's, about modes that it calls by other names now
            return program.run(clients)

    return replace(program, run=run)


def _created(vendor: str, mode: Mode, **more: Any) -> Any:
    def run(clients: Clients) -> Any:
        return _made(vendor, clients, mode).create(response_model=Person, **{**_ASKED, "max_retries": 2, **more})

    return run


def _parallel(vendor: str, mode: Mode) -> Any:
    def run(clients: Clients) -> list[Any]:
        return list(_made(vendor, clients, mode).create(response_model=Iterable[Person], **_ASKED))

    return run


def _partial(vendor: str, mode: Mode) -> Any:
    def run(clients: Clients) -> None:
        clients.watch(_made(vendor, clients, mode).create_partial(response_model=Person, **_ASKED))

    return run


def _iterable(vendor: str, mode: Mode) -> Any:
    def run(clients: Clients) -> None:
        clients.watch(_made(vendor, clients, mode).create_iterable(response_model=Person, **_ASKED))

    return run


def _with_completion(vendor: str, mode: Mode) -> Any:
    def run(clients: Clients) -> list[Any]:
        client = _made(vendor, clients, mode)
        return list(client.create_with_completion(response_model=Person, max_retries=2, **_ASKED))

    return run


def _hooked(clients: Clients) -> Any:
    """Keep what the hooks are told: of what is asked the messages, of what came its usage."""
    client = _openai(clients, Mode.TOOLS)
    client.on("completion:kwargs", lambda *_, **told: clients.seen.append(len(told["messages"])))
    client.on("completion:response", lambda told: clients.seen.append(plain(told.usage)))
    client.on("parse:error", lambda error: clients.seen.append(type(error).__name__))
    return client.create(response_model=Person, max_retries=2, **_ASKED)


def _openai_async(clients: Clients) -> Any:
    async def work(client: openai.AsyncOpenAI) -> list[Any]:
        made = instructor.from_openai(client, mode=Mode.TOOLS, model="gpt-4o-mini")
        whole = await made.create(response_model=Person, max_retries=2, **_ASKED)
        return [whole, *[one async for one in made.create_partial(response_model=Person, **_ASKED)]]

    return clients.openai_async(work)


def _anthropic_async(clients: Clients) -> Any:
    async def work(client: anthropic.AsyncAnthropic) -> Any:
        made = instructor.from_anthropic(client, mode=Mode.TOOLS, model="claude-haiku-4-5", max_tokens=300)
        return await made.create(response_model=Person, max_retries=2, **_ASKED)

    return clients.anthropic_async(work)


def _chat_called(*values: Any, name: str = "Person") -> Answer:
    return said.chat_tools(*((name, json.dumps(value)) for value in values))


def _used(*values: Any, name: str = "Person") -> Answer:
    return said.message_tools(*((name, value) for value in values))


def _text(value: Any, fence: str = "") -> str:
    return f"Here it is:\n```json\n{json.dumps(value)}\n```" if fence else json.dumps(value)


def _in_text(value: Any) -> Answer:
    return said.message(said.text_block(_text(value)))


_BOTH = {"tasks": [ANN, BOB]}


def _modes() -> list[Program]:
    """Return the modes, each with a valid answer, with one re-ask, and with answers that never become valid."""
    kinds: Any = [
        ("openai", Mode.TOOLS, _chat_called),
        ("openai", Mode.TOOLS_STRICT, _chat_called),
        ("openai", Mode.JSON_SCHEMA, lambda value: said.chat(_text(value))),
        ("openai", Mode.JSON, lambda value: said.chat(_text(value))),
        ("openai", Mode.MD_JSON, lambda value: said.chat(_text(value, "fenced"))),
        ("openai", Mode.RESPONSES_TOOLS, lambda value: said.response(calls=[("Person", json.dumps(value))])),
        ("anthropic", Mode.ANTHROPIC_TOOLS, _used),
        ("anthropic", Mode.ANTHROPIC_JSON, _in_text),
        ("anthropic", Mode.JSON_SCHEMA, _in_text),
    ]
    made: list[Program] = []
    for vendor, mode, answer in kinds:
        name = f"instructor {vendor} {mode.name}"
        made += [
            Program(f"{name}/valid", _created(vendor, mode), [answer(ANN)]),
            Program(f"{name}/asked again", _created(vendor, mode), [answer(SMALL), answer(ANN)]),
            Program(f"{name}/never valid", _created(vendor, mode), [answer(SMALL)]),
        ]
    return made


_ALL: Sequence[Program] = (
    *_modes(),
    Program(
        "instructor openai TOOLS/no call at all", _created("openai", Mode.TOOLS), [said.chat("No."), _chat_called(ANN)]
    ),
    Program(
        "instructor openai TOOLS/cut at the limit",
        _created("openai", Mode.TOOLS),
        [said.chat(calls=[("Person", '{"na')], finish="length")],
    ),
    Program(
        "instructor openai TOOLS/refused by the vendor",
        _created("openai", Mode.TOOLS),
        [said.openai_no(400, "invalid_request_error", "invalid_value")],
    ),
    Program("instructor openai PARALLEL_TOOLS/two", _parallel("openai", Mode.PARALLEL_TOOLS), [_chat_called(ANN, BOB)]),
    Program(
        "instructor anthropic PARALLEL_TOOLS/two",
        _parallel("anthropic", Mode.ANTHROPIC_PARALLEL_TOOLS),
        [_used(ANN, BOB)],
    ),
    Program(
        "instructor openai TOOLS/create_partial",
        _partial("openai", Mode.TOOLS),
        [_chat_called(ANN, name="PartialPerson")],
    ),
    Program("instructor openai JSON/create_partial", _partial("openai", Mode.JSON), [said.chat(_TEXT)]),
    Program(
        "instructor anthropic TOOLS/create_partial",
        _partial("anthropic", Mode.ANTHROPIC_TOOLS),
        [_used(ANN, name="PartialPerson")],
    ),
    Program(
        "instructor openai TOOLS/create_iterable",
        _iterable("openai", Mode.TOOLS),
        [_chat_called(_BOTH, name="IterablePerson")],
    ),
    Program("instructor openai JSON/create_iterable", _iterable("openai", Mode.JSON), [said.chat(json.dumps(_BOTH))]),
    Program(
        "instructor anthropic TOOLS/create_iterable",
        _iterable("anthropic", Mode.ANTHROPIC_TOOLS),
        [_used(_BOTH, name="IterablePerson")],
    ),
    Program(
        "instructor openai TOOLS/create_with_completion, asked again",
        _with_completion("openai", Mode.TOOLS),
        [_chat_called(SMALL), _chat_called(ANN)],
    ),
    Program(
        "instructor anthropic TOOLS/create_with_completion, asked again",
        _with_completion("anthropic", Mode.ANTHROPIC_TOOLS),
        [_used(SMALL), _used(ANN)],
    ),
    Program("instructor openai TOOLS/hooks, asked again", _hooked, [_chat_called(SMALL), _chat_called(ANN)]),
    Program("instructor openai TOOLS/async, asked again", _openai_async, [_chat_called(SMALL), _chat_called(ANN)]),
    Program("instructor anthropic TOOLS/async, asked again", _anthropic_async, [_used(SMALL), _used(ANN)]),
)
PROGRAMS: Sequence[Program] = tuple(map(_quiet, _ALL))
