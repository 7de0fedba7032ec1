"""``.env.example`` tells the truth about every setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.settings import ROOT, Settings, load

EXAMPLE = ROOT / ".env.example"
SHOWN = re.compile(r"^#([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
DOCUMENTED = dict(SHOWN.findall(EXAMPLE.read_text()))


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented(field: str) -> None:
    """Each variable that Proctor reads stands in the example once, below a comment."""
    lines = EXAMPLE.read_text().splitlines()
    places = [number for number, line in enumerate(lines) if line.startswith(f"#{field.upper()}=")]
    assert len(places) == 1
    above = lines[places[0] - 1]
    assert above.startswith("# ") or SHOWN.match(above), "a setting needs a comment, its own or its group's"


def test_nothing_is_documented_that_is_not_read() -> None:
    """The example holds no variable that Proctor ignores."""
    assert {name.lower() for name in DOCUMENTED} == set(Settings.model_fields)


def test_the_example_changes_nothing(tmp_path: Path) -> None:
    """The values shown are the defaults: the file with every # taken off behaves as no file at all."""
    everything = tmp_path / ".env"
    everything.write_text(SHOWN.sub(r"\1=\2", EXAMPLE.read_text()))
    assert load(everything) == load(None)


def test_the_example_as_it_stands_is_a_usable_env_file() -> None:
    """Copied as it is, the example starts Proctor."""
    assert load(EXAMPLE) == load(None)
