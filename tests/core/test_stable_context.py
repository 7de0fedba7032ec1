"""What is stable, from the door to the record: it is asked for, read from the vendor's cache, and what that saved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.api.bodies import generation_request
from core.cli import main
from core.errors import Invalid
from core.pricing import PriceBook
from core.principals import LOCAL_OPERATOR
from tests.corridor import OPENAI, Rig, rig
from tests.wire.ledger import Call
from tests.wire.server import WireServer

SONNET = "anthropic/claude-sonnet-4-5"
DOCUMENT = "".join(f"Clause {n}: whoever reads this is a person of age {n}. " for n in range(200))


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def proctor(sqlite_template: Path, wire: WireServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("stable") / "proctor.db")
    with rig(wire, f"sqlite:///{path}") as running:
        yield running


def messages(question: str, mark: str = "") -> list[dict[str, Any]]:
    """Return a question about the document, whose mark makes it another document."""
    return [
        {"role": "system", "content": "Be exact."},
        {"role": "user", "content": question},
        {"role": "user", "content": f"{mark} {DOCUMENT}", "stable": True},
    ]


def last(wire: WireServer) -> Call:
    """Return the newest call."""
    return wire.ledger.calls()[-1]


@pytest.mark.parametrize("model", [OPENAI, SONNET])
def test_what_the_cache_saved_is_recorded(model: str, proctor: Rig, wire: WireServer) -> None:
    """The second question about a document costs less, by exactly what its attempt says that the cache saved."""
    tenant, route = proctor.tenant(), proctor.route(model)
    first, second = (
        proctor.ask(tenant, messages=messages(question, model), route=route).generation for question in ("A?", "B?")
    )
    one, two = (proctor.written(made.id).attempts[0] for made in (first, second))
    provider, name = model.split("/")
    terms = PriceBook().terms(provider, name, two.started_at)
    assert terms is not None
    assert two.input_tokens
    assert two.cached_tokens
    assert two.output_tokens
    assert one.cost_nano_usd
    assert two.cost_nano_usd

    assert one.cached_tokens == 0
    assert two.cached_tokens == last(wire).usage.cached_tokens > 2000
    assert two.input_tokens == last(wire).usage.input_tokens
    assert two.cost_nano_usd < one.cost_nano_usd
    plain = (two.input_tokens * terms.base.fresh + two.output_tokens * terms.base.output) / 10**6
    assert two.cost_nano_usd + two.cache_saved_nano_usd == pytest.approx(plain, abs=2)
    assert (one.cache_saved_nano_usd < 0) is (model == SONNET), "writing to Anthropic's cache costs more than reading"
    row = proctor.written(second.id).generation
    assert (row.cached_tokens, row.cost_nano_usd) == (two.cached_tokens, two.cost_nano_usd)


def test_a_reask_reads_what_was_sent_before(proctor: Rig, wire: WireServer) -> None:
    """Within one generation the re-asks read document and schema from the cache."""
    asked = messages("[[invalid-twice]]", "re-asked")
    made = proctor.ask(proctor.tenant(), messages=asked, route=proctor.route(SONNET)).generation
    cached = [attempt.cached_tokens or 0 for attempt in proctor.written(made.id).attempts]
    assert cached[0] == 0
    assert cached[1] == cached[2] > 2000


def test_a_route_may_leave_marks_out(proctor: Rig, wire: WireServer) -> None:
    """Where a route does not mark, what is stable still goes first, and Anthropic neither keeps nor reads it."""
    candidates = [{"model": SONNET}]
    proctor.runtime.routes.set(LOCAL_OPERATOR, "unmarked", candidates, marks_cache=False)
    for question in ("A?", "B?"):
        proctor.ask(proctor.tenant(), messages=messages(question, "unmarked"), route="unmarked")
    call = last(wire)
    assert call.request is not None
    assert "cache_control" not in json.dumps(call.request)
    assert [one["content"] for one in call.request["messages"]] == [f"unmarked {DOCUMENT}", "B?"]
    assert (call.usage.cached_tokens, call.usage.cache_write_tokens) == (0, 0)


def test_the_door_takes_it() -> None:
    """A message over HTTP may say that it is stable, or that it is not; nothing else."""
    body = {"schema": "person", "messages": messages("A?")}
    asked = generation_request(json.dumps(body).encode(), "r").messages
    assert asked is not None
    assert [one.get("stable") for one in asked] == [None, None, True]
    body["messages"][0]["stable"] = "yes"  # pyright: ignore[reportArgumentType] as a caller may
    with pytest.raises(Invalid, match="stable"):
        generation_request(json.dumps(body).encode(), "r")


def test_the_corridor_takes_nothing_else(proctor: Rig) -> None:
    """Whoever calls from within is checked as well."""
    asked: list[dict[str, Any]] = [{"role": "user", "content": "A?", "stable": 1}]
    with pytest.raises(Invalid, match=r"messages\[0\].stable is true or false; this is 1"):
        proctor.ask(proctor.tenant(), messages=asked)


def test_the_command_line_takes_it(
    proctor: Rig, wire: WireServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``proctor generate --context @file`` sends what many inputs share first, and marks it."""
    tenant, document = proctor.tenant(), tmp_path / "document.txt"
    document.write_text("The terms.")
    runtime = proctor.runtime
    for name, value in {
        "DATABASE_URL": runtime.store.url.render_as_string(hide_password=False),
        "LOCAL_MODEL": "off",
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "ANTHROPIC_BASE_URL": wire.anthropic_url,
    }.items():
        monkeypatch.setenv(name, value)
    asked = ["generate", "person", "Who?", "--tenant", tenant.name, "--model", SONNET, "--context", f"@{document}"]
    assert main(asked) == 0
    request = last(wire).request
    assert request is not None
    shared, own = request["messages"]
    assert shared["content"] == [{"type": "text", "text": "The terms.", "cache_control": {"type": "ephemeral"}}]
    assert own["content"] == "Who?"
