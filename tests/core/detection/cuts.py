"""The property of every detector: no cut of a text that is still being written changes what is found in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import strategies as st

from core.detection import Detector, Span


def texts(pieces: Sequence[str], letters: str = "abcAB019_-./:=", most: int = 14) -> st.SearchStrategy[str]:
    """Return texts of some of *pieces*, whole or begun, and of chance."""
    begun = st.sampled_from(pieces).flatmap(lambda piece: st.integers(0, len(piece)).map(lambda at: piece[:at]))
    of_chance = st.text(letters, max_size=12)
    return st.lists(st.sampled_from(pieces) | begun | st.sampled_from([" ", "\n", "."]) | of_chance, max_size=most).map(
        "".join
    )


def hold(detector: Detector, text: str, cuts: Sequence[int]) -> None:
    """Assert that what is decided of a beginning is as the whole shows it, and what is forgotten proves nothing."""
    found, last = detector.find(text), 0
    assert all(one.start < one.end for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found)), "in order, apart"
    for cut in sorted(cuts):
        so_far = text[:cut]
        decided, forgettable = detector.decided(so_far), detector.forgettable(so_far)
        assert forgettable <= decided <= cut, (so_far, forgettable, decided)
        assert last <= decided, ("what was decided stays so", so_far, last, decided)
        last = decided
        assert not [span for span in found if span.start < decided < span.end], ("across", so_far, decided)
        before = [span for span in found if span.end <= decided]
        assert [span for span in detector.find(so_far) if span.end <= decided] == before, (so_far, decided)
        rest = detector.find(text[forgettable:])
        behind = [Span(one.start + forgettable, one.end + forgettable, one.kind) for one in rest]
        assert detector.find(text[:forgettable]) + behind == found, (so_far, forgettable)


def marked(detector: Detector, text: str) -> str:
    """Return *text* with a mark for each finding of *detector*."""
    for span in reversed(detector.find(text)):
        text = f"{text[: span.start]}[{span.kind}]{text[span.end :]}"
    return text


def cut_points(data: st.DataObject, text: str) -> list[int]:
    """Draw where *text* is cut."""
    return data.draw(st.lists(st.integers(0, len(text)), min_size=1, max_size=12))
