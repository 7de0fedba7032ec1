"""Routes on the command line: seen, made, changed by parts, and given back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from core.cli import main


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What standard output holds, as JSON."""
        return json.loads(self.out)


Run = Callable[..., Ended]


@pytest.fixture
def route(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sqlite_url: str) -> Run:
    """Run ``proctor route`` on a migrated database of the test's own."""
    settings = {"DATABASE_URL": sqlite_url, "LOCAL_MODEL": "off", "MODEL_PRIMARY": "gpt-4o-mini"}
    settings |= {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}  # a server whose models no vendor retires
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = main(["route", *arguments])
        return Ended(code, *capsys.readouterr())

    return run


def test_the_default_route_is_shown(route: Run) -> None:
    """Before anybody made one there is the environment's."""
    [only] = route("list", "--json").document["routes"]
    assert (only["name"], only["version"], only["is_from_environment"]) == ("default", 0, True)
    assert "MODEL_PRIMARY and MODEL_FALLBACK decide" in route("show", "default").out
    assert "openai/gpt-4o-mini" in route("list").out


def test_a_route_is_made_and_changed_by_parts(route: Run) -> None:
    """What is not given stays as it is, of a model too that is named again; 0, none and '' take away."""
    made = route(
        *("set", "fast", "--model", "gpt-4o", "--model", "claude-haiku-4-5", "--reasks", "1", "--retries", "3"),
        *("--deadline", "9", "--fallback-on", "outage", "--fallback-on", "timeout", "--hedge-after-ms", "500"),
        *("--cache-seconds", "60", "--no-mark-cache", "--description", "Quick ones.", "--json"),
    ).document
    assert [one["model"] for one in made["candidates"]] == ["openai/gpt-4o", "anthropic/claude-haiku-4-5"]
    said = {"max_reasks": 1, "max_retries": 3, "deadline_seconds": 9, "fallback_on": ["outage", "timeout"]}
    said |= {"hedge_after_ms": 500, "cache_seconds": 60, "marks_cache": False, "description": "Quick ones."}
    assert {name: made[name] for name in said} == said

    changed = route("set", "fast", "--deadline", "8", "--hedge-after-ms", "0", "--json").document
    differs = {name for name in made if made[name] != changed[name]}
    assert differs == {"version", "deadline_seconds", "hedge_after_ms"}
    assert changed["hedge_after_ms"] is None
    assert route("set", "fast", "--fallback-on", "none", "--json").document["fallback_on"] == []
    assert "No fallback on outage, timeout" in route("show", "fast").out
    assert route("show", "fast", "--json").document["version"] == 3


def test_candidates_come_from_a_file(route: Run, tmp_path: Path) -> None:
    """A file says everything of each candidate; naming a model again keeps what it has."""
    file = tmp_path / "candidates.json"
    file.write_text('[{"model": "gpt-4o", "parameters": {"temperature": 0.5}}, {"model": "gpt-4.1"}]', encoding="utf-8")
    made = route("set", "fast", "--candidates", str(file), "--json").document
    assert made["candidates"][0]["parameters"] == {"temperature": 0.5}
    turned = route("set", "fast", "--model", "gpt-4.1", "--model", "gpt-4o", "--json").document
    assert [one.get("parameters") for one in turned["candidates"]] == [None, {"temperature": 0.5}]

    for text, sentence in (("{", "is not JSON"), ("[1]", "is no list of candidates"), ("{}", "is no list of")):
        file.write_text(text, encoding="utf-8")
        ended = route("set", "fast", "--candidates", str(file))
        assert (ended.code, sentence in ended.err) == (1, True)


def test_a_schema_takes_a_route_by_itself(route: Run) -> None:
    """Schemas are listed by name, and taken away by an empty one."""
    main(["migrate"])  # it adds the samples
    made = route("set", "small", "--model", "gpt-4o-mini", "--schema", "invoice", "--schema", "resume", "--json")
    assert made.document["schemas"] == ["invoice", "resume"]
    assert "Taken by itself for invoice, resume." in route("show", "small").out
    assert route("set", "small", "--schema", "", "--json").document["schemas"] == []


def test_a_route_is_given_back(route: Run) -> None:
    """The default follows the environment again, another is gone."""
    route("set", "default", "--model", "gpt-4.1")
    assert route("reset", "default", "--json").document["is_from_environment"]
    route("set", "fast", "--model", "gpt-4.1")
    assert route("reset", "fast", "--json").document == {"name": "fast", "removed": True}
    assert route("show", "fast").err.startswith("There is no route 'fast'. There are: default.")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["new"], "There is no route 'new' yet; say who answers on it"),
        (["new", "--model", "gpt-4o", "--fallback-on", "rain"], "'rain' is none of them"),
        (["new", "--model", "gpt-4o", "--fallback-on", "none", "--fallback-on", "outage"], "stands alone"),
        (["new", "--model", "gpt-4o", "--reasks", "11"], "max_reasks lies between 0 and 10"),
        (["new", "--model", "llama"], "does not name a provider"),
        (["new", "--model", "gpt-4o", "--candidates", __file__], "Give either --model or --candidates"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(given: list[str], sentence: str, route: Run) -> None:
    """Nothing is saved, and the sentence says what is wrong."""
    ended = route("set", *given)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 1)
    assert sentence in ended.err
    assert [one["name"] for one in route("list", "--json").document["routes"]] == ["default"]
