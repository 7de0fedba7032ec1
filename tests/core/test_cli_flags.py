"""Flags on the command line: turned for all or for one, for a share and for a while, told with why, and cleared."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.cli import main

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def flag(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sqlite_url: str) -> Run:
    """Run ``proctor flag`` on a migrated database with one tenant; give code, document and what was complained of."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("LOCAL_MODEL", "off")
    assert main(["tenant", "create", "Acme", "--timezone", "Europe/Berlin"]) == 0

    def run(*arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main(["flag", *arguments, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return run


def test_a_flag_is_turned_told_and_cleared(flag: Run) -> None:
    """What is set is told with whoever's rule it is, and what lies beneath holds once it is cleared."""
    terms = ("--percent", "40", "--until", "2099-03-28T02:30", "--reason", "They asked.")
    code, rule, _ = flag("set", "model:openai/gpt-4o", "off", "--tenant", "Acme", *terms)
    assert code == 0
    assert (rule["is_on"], rule["percent"], rule["ends"], rule["zone"]) == (
        False,
        40,
        "2099-03-28T02:30",
        "Europe/Berlin",
    )

    held = {one["flag"]: one for one in flag("list", "--tenant", "Acme")[1]["flags"]}
    assert held["model:openai/gpt-4o"]["rule"]["reason"] == "They asked."
    assert held["streaming.enabled"]["reason"] == "DEFAULT"
    assert "model:openai/gpt-4o" not in {one["flag"] for one in flag("list")[1]["flags"]}

    assert flag("clear", "model:openai/gpt-4o", "--tenant", "Acme")[0] == 0
    assert "model:openai/gpt-4o" not in {one["flag"] for one in flag("list", "--tenant", "Acme")[1]["flags"]}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("set", "streaming", "off"), "There is no flag"),
        (("set", "streaming.enabled", "off", "--until", "soon"), "is no time"),
        (("set", "streaming.enabled", "off", "--tenant", "Nobody"), "no tenant"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(arguments: tuple[str, ...], sentence: str, flag: Run) -> None:
    """And nothing is set."""
    code, _, said = flag(*arguments)
    assert code == 1
    assert sentence in said
    assert all(one["rule"] is None for one in flag("list")[1]["flags"])
