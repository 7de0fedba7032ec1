"""docs/providers.md: every recipe makes the server that it promises, and the file of models is one that can be used."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from core.capabilities import Cards
from core.capabilities._own import own_cards
from core.clock import ManualClock
from core.servers import RECIPES, kind_of, named_servers, provider_of
from core.settings import Settings

TEXT = Path("docs/providers.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:-1] for line in TEXT.splitlines() if line.startswith("| ") and "`" in line]
ALONE = {"bedrock", "compatible", "local"}
"""Described in words, or elsewhere."""


def given(row: list[str]) -> dict[str, str]:
    """Return the variables of a row, with those of the row before it where it says so."""
    own = dict(one.split("=", 1) for one in re.findall(r"`([A-Z_]+=[^`]*)`", row[1]))
    return (given(ROWS[ROWS.index(row) - 1]) if "the same" in row[1] else {}) | {
        name: value.replace("…", "x") for name, value in own.items()
    }


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip() for row in ROWS])
def test_a_recipe_is_enough(row: list[str]) -> None:
    """With these variables alone a server of that kind is set up, and its model is named so."""
    [model] = re.findall(r"`([^`]+)`", row[2])
    name, _ = provider_of(model)
    there = given(row)
    if name in ("openai", "anthropic"):
        assert there == {f"{name.upper()}_API_KEY": there[f"{name.upper()}_API_KEY"]}
        return
    server = named_servers(there["PROVIDERS"], there.get)[name]
    assert server.address.startswith("http")
    assert (kind_of(name), server.recipe) == (name, RECIPES[name])


def test_every_kind_has_a_recipe() -> None:
    """But for those that are described in words."""
    named = {provider_of(re.findall(r"`([^`]+)`", row[2])[0])[0] for row in ROWS}
    assert named == set(RECIPES) - ALONE


def test_the_file_of_models_can_be_used(tmp_path: Path) -> None:
    """As it stands there."""
    [block] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / "models.toml"
    path.write_text(block)
    cards = own_cards(path)
    now, later = cards["vllm/Qwen/Qwen3-8B"]
    assert (now[0], now[1].parts, now[1].context, later[1].context) == (date.min, (), 32768, 131072)
    assert cards["openai/gpt-4o"][0][1].retires
    clock = ManualClock(datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    known = Cards(Settings(models_file=path), clock)
    assert known.of("vllm", "Qwen/Qwen3-8B").context == 32768
    clock.advance(60)
    assert known.of("vllm", "Qwen/Qwen3-8B").context == 131072
    assert known.of("vllm", "Qwen/Qwen3-8B").output == 8192, "what a later table does not tell stays"
