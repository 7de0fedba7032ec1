"""What it takes to judge an answer ends with the caller's deadline, and is nobody else's affair."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.attempts import _walk
from core.tables import Outcome, Tenant
from core.validation import Effort
from tests.corridor import OPENAI, Rig, rig
from tests.wire.scripted import Scripted, ScriptedServer

DEADLINE = 30
TREE = {"$ref": "#/$defs/tree"}
OPERATIONS = [
    {
        "type": "object",
        "properties": {"op": {"const": operation}, "left": TREE, "right": TREE},
        "required": ["op", "left", "right"],
    }
    for operation in ("add", "sub", "mul", "div")
]
VALUE = {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]}
EXPRESSION: dict[str, Any] = {
    "title": "expression",
    "type": "object",
    "properties": {"e": TREE},
    "required": ["e"],
    "$defs": {"tree": {"anyOf": [*OPERATIONS, VALUE]}},
}
VALID, WRONG = '{"e":{"value":7}}', '{"e":{"value":"7"}}'


def tree(depth: int, leaf: str) -> str:
    """Return an expression of two to the power of *depth* leaves, the last of which is *leaf*."""
    one, other = leaf, '{"value":1}'
    for _ in range(depth):
        one, other = (
            f'{{"op":"mul","left":{other},"right":{one}}}',
            f'{{"op":"mul","left":{other},"right":{other}}}',
        )
    return f'{{"e":{one}}}'


def said(text: str) -> Scripted:
    """Return a completion that says *text*, and what it used; one that goes on behind its objects was cut."""
    ends = "length" if text.endswith("…") else "stop"
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": ends}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return Scripted.whole({"id": "x", "model": "gpt-4o-mini", "choices": [choice], "usage": usage})


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """The provider."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def proctor(server: ScriptedServer, sqlite_template: Path, tmp_path: Path) -> Iterator[Rig]:
    """A Proctor that asks it."""
    path = shutil.copy(sqlite_template, tmp_path / "proctor.db")
    with rig(server, f"sqlite:///{path}") as running:  # pyright: ignore[reportArgumentType] it has the addresses
        yield running


@pytest.fixture
def late(proctor: Rig, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the provider says; while it says it, the deadline passes."""
    said_so, passed, real = [WRONG], threading.Event(), proctor.clock.monotonic

    def answer(_: dict[str, Any]) -> Scripted:
        passed.set()
        return said(said_so[0])

    server.answers = answer
    monkeypatch.setattr(proctor.clock, "monotonic", lambda: real() + passed.is_set() * 2 * DEADLINE)
    yield said_so
    server.answers = None


def ask(proctor: Rig, tenant: Tenant, **more: Any) -> Any:
    """Ask for an expression."""
    route = proctor.route(OPENAI, mode="json_schema", max_reasks=2, max_retries=0, deadline_seconds=DEADLINE)
    return proctor.ask(tenant, schema=EXPRESSION, route=route, **more)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", [WRONG, f"One: {WRONG} Or: {VALID}"])
def test_what_could_not_be_judged_in_time(proctor: Rig, late: list[str], text: str, *, stream: bool) -> None:
    """It ends as a timeout with a sentence of its own, is not asked again, and costs what was told."""
    late[0] = text
    heard = ask(proctor, proctor.tenant(), stream=stream)

    assert heard.error
    assert "the deadline passed before it was found whether it satisfies the schema" in heard.error.message
    assert heard.generation.outcome is Outcome.TIMEOUT
    [attempt] = proctor.written(heard.generation.id).attempts
    assert (attempt.outcome, attempt.error_code) == (Outcome.TIMEOUT, "unjudged")
    assert attempt.output_tokens == 5
    assert heard.generation.trace[-1]["verdict"] == "exhausted"


@pytest.mark.parametrize("stream", [False, True])
def test_a_valid_answer_that_came_in_time_is_given(proctor: Rig, late: list[str], *, stream: bool) -> None:
    """What a verdict costs is bounded beforehand, so it is passed though the deadline is over: it is paid for."""
    late[0] = VALID
    assert ask(proctor, proctor.tenant(), stream=stream).generation.outcome is Outcome.VALID_FIRST_TRY


def test_an_answer_that_was_cut_is_judged_within_the_deadline(proctor: Rig, late: list[str]) -> None:
    """So is what a cut answer holds: behind the deadline no valid object is looked for in its beginning."""
    late[0] = f"{WRONG} {VALID} and …"
    assert ask(proctor, proctor.tenant()).generation.outcome is Outcome.TRUNCATED
    late[0] = f"{VALID} and …"


def test_others_go_on_beside_the_worst_answer(
    proctor: Rig, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a megabyte with one wrong leaf is read, other callers are answered, each with what is theirs."""
    worst, begun = tree(13, '{"value":"7"}'), threading.Event()
    server.answers = lambda asked: said(worst if "worst" in str(asked["messages"][-1]) else VALID)

    def effort(*_: Any, **more: Any) -> Effort:
        if threading.current_thread().name.startswith("worst"):
            begun.set()
        return Effort(**more)

    monkeypatch.setattr(_walk, "Effort", effort)
    tenant, other = proctor.tenant(), proctor.tenant()

    try:
        with ThreadPoolExecutor(1, "worst") as alone, ThreadPoolExecutor(4, "other") as many:
            slow = alone.submit(ask, proctor, tenant, input="the worst")
            assert begun.wait(30)
            others = list(many.map(lambda n: ask(proctor, other, input=f"number {n}"), range(12)))
            heard = slow.result()
    finally:
        server.answers = None
    assert {one.generation.outcome for one in others} == {Outcome.VALID_FIRST_TRY}
    assert all(one.generation.value == {"e": {"value": 7}} for one in others)
    assert heard.generation.outcome is Outcome.VALID_AFTER_REASK
    assert proctor.runtime.workers.pids  # that is who reads it
    problems = proctor.written(heard.generation.id).field_errors
    assert {problem.type for problem in problems} <= {"float_type", "value_error"}  # a busy machine may not find it
    assert problems
