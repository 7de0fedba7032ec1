"""Instructor asks again by itself, through the front doors: its generations know each other, to the last token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import instructor
import openai
import pytest
from instructor.core.exceptions import InstructorRetryException
from pydantic import BaseModel
from sqlmodel import col, select

from core.servers import named_servers
from core.settings import Settings
from core.tables import AttemptRow, GenerationRow
from tests.core.api.conftest import House, api_settings, eventually
from tests.wire.ledger import NOTHING
from tests.wire.server import WireServer


class City(BaseModel):
    """A city."""

    name: str
    people: int


MODES = {
    "tools": ("chat", instructor.Mode.TOOLS, {}),
    "json schema": ("chat", instructor.Mode.JSON_SCHEMA, {}),
    "anthropic tools": ("messages", instructor.Mode.TOOLS, {"max_tokens": 300}),
    "responses": ("responses", instructor.Mode.RESPONSES_TOOLS, {}),
}
MODELS = {"chat": "gpt-4o-mini", "messages": "claude-haiku-4-5", "responses": "compatible-new/gpt-4o-mini"}


@pytest.fixture
def settings(database_url: str, wire: WireServer) -> Settings:
    """On either database; one server more, which speaks OpenAI's newer dialect."""
    given = {"COMPATIBLE_NEW_BASE_URL": wire.openai_url, "COMPATIBLE_NEW_DIALECT": "responses"}
    patience = {"attempt_timeout_seconds": 300.0, "deadline_seconds": 300.0}
    servers = {"providers": named_servers("compatible-new", given.get)}
    return api_settings(database_url, wire).model_copy(update=servers | patience)


@pytest.fixture
def sdks(house: House, url: str) -> Iterator[dict[str, Any]]:
    """Both SDKs at Proctor."""
    with (
        openai.OpenAI(api_key=house.key, base_url=f"{url}/v1") as first,
        anthropic.Anthropic(api_key=house.key, base_url=url) as second,
    ):
        yield {"chat": first, "responses": first, "messages": second}


def asked(sdks: dict[str, Any], mode: str, scenario: str, **more: Any) -> City:
    """Ask with Instructor."""
    door, how, always = MODES[mode]
    make = instructor.from_anthropic if door == "messages" else instructor.from_openai
    client: Any = make(sdks[door], mode=how)
    return client.chat.completions.create(
        model=MODELS[door],
        response_model=City,
        messages=[{"role": "user", "content": f"Bern has many inhabitants. [[{scenario}]]"}],
        **always,
        **more,
    )


def generations(house: House) -> list[GenerationRow]:
    """Return every generation, in the order in which they began."""
    with house.runtime.store.reading() as session:
        return list(session.exec(select(GenerationRow).order_by(col(GenerationRow.started_at), col(GenerationRow.id))))


def kinds(house: House) -> list[str]:
    """Return the kind of every attempt, in the order in which they began."""
    with house.runtime.store.reading() as session:
        return list(session.exec(select(AttemptRow.kind).order_by(col(AttemptRow.started_at), col(AttemptRow.id))))


@pytest.mark.parametrize("mode", MODES)
def test_what_instructor_asks_again_knows_what_it_asks_again_for(mode: str, sdks: dict[str, Any], house: House) -> None:
    """Two answers are invalid and the third is valid: three generations in a row, paid to the token."""
    assert asked(sdks, mode, "invalid-twice").people
    made = generations(house)
    assert [one.outcome for one in made] == ["invalid", "invalid", "valid_after_reask"]
    assert [one.reask_of for one in made] == [None, made[0].id, made[1].id]
    assert kinds(house) == ["first", "re-ask", "re-ask"]
    billed = sum((one.usage for one in house.wire.ledger.calls()), NOTHING)
    assert sum(one.input_tokens for one in made) == billed.input_tokens
    assert sum(one.output_tokens for one in made) == billed.output_tokens


def test_a_schema_in_words_makes_a_chain_as_well(sdks: dict[str, Any], house: House) -> None:
    """Instructor's modes that show the schema in the system's text: nothing is checked, and yet it is one chain."""
    for door, mode, more in (
        ("chat", instructor.Mode.JSON, {}),
        ("chat", instructor.Mode.MD_JSON, {}),
        ("messages", instructor.Mode.JSON, {"max_tokens": 300}),
    ):
        before = len(generations(house))
        make = instructor.from_anthropic if door == "messages" else instructor.from_openai
        client: Any = make(sdks[door], mode=mode)
        said = [{"role": "user", "content": f"Bern, {mode.name} at {door}. [[invalid-twice]]"}]
        city = client.chat.completions.create(model=MODELS[door], response_model=City, messages=said, **more)
        made = generations(house)[before:]
        assert city.people
        assert [one.reask_of for one in made] == [None, made[0].id, made[1].id], (door, mode)
        assert {one.outcome for one in made} == {"unchecked"}


def test_the_same_asked_anew_begins_anew(sdks: dict[str, Any], house: House) -> None:
    """A program that gave up and asks the same once more makes another row of generations."""
    with pytest.raises(InstructorRetryException):
        asked(sdks, "tools", "invalid", max_retries=1)
    first = generations(house)
    assert [one.reask_of for one in first] == [None, first[0].id]
    with pytest.raises(InstructorRetryException):
        asked(sdks, "tools", "invalid", max_retries=1)
    made = generations(house)
    assert [one.reask_of for one in made] == [None, made[0].id, None, made[2].id]


def test_a_call_says_what_it_asks_again_for(sdks: dict[str, Any], house: House, url: str) -> None:
    """The API tells it, and the trace does."""
    asked(sdks, "tools", "invalid-once")
    first, second = generations(house)
    told = httpx2.get(f"{url}/v1/generations/{second.id}", headers=house.headers, timeout=30).json()
    assert told["reask_of"] == first.id
    assert first.id in json.dumps(told["trace"])
    assert httpx2.get(f"{url}/v1/generations/{first.id}", headers=house.headers, timeout=30).json()["reask_of"] is None


def test_a_stream_is_asked_again_for_as_well(sdks: dict[str, Any], house: House) -> None:
    """Instructor's partial objects end in an error, and it asks again without sending the answer back."""
    client: Any = instructor.from_openai(sdks["chat"], mode=instructor.Mode.TOOLS)
    said = [{"role": "user", "content": "Bern has many inhabitants. [[invalid-once]]"}]
    found = list(client.chat.completions.create_partial(model="gpt-4o-mini", response_model=City, messages=said))
    assert found[-1].people
    assert eventually(lambda: len(generations(house)) == 2, 60)  # a stream's record is written behind its last event
    made = generations(house)
    assert [one.outcome for one in made] == ["invalid", "valid_after_reask"]
    assert [one.reask_of for one in made] == [None, made[0].id]
