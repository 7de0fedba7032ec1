"""Lines that people wrote: what a reader does not see is not in them."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from core.lines import one_line


@given(st.text(st.characters(exclude_categories=())))
def test_a_line_is_what_is_seen(text: str) -> None:
    """No control character, no half of a letter, nothing that turns what follows; and what is one line stays so."""
    line = one_line(text)
    assert all(unicodedata.category(one) not in {"Cc", "Cs"} for one in line)
    assert all(
        unicodedata.bidirectional(one) not in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        for one in line
    )
    assert one_line(line) == line
    assert "  " not in line


def test_letters_stay() -> None:
    """Of every script, with what joins them."""
    for text in ("Weil das Ende näher rückt 🚀", "مرحبا بالعالم", "👩\u200d💻 ok", "=1+1"):
        assert one_line(f"  {text}\n") == text
    assert one_line("to\u202egnp.exe\x1b[31m") == "to gnp.exe [31m"
