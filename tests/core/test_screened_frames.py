"""Frames of a stream are passed on one by one, in order, as far as what they write is clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dialects import DIALECTS, DialectName
from core.errors import GuardrailBlocked
from core.guardrails import Guardrails
from core.screened_frames import ScreenedFrames
from tests.examples import many

SECRET = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
GUARDRAILS = Guardrails()
PLACES = DIALECTS[DialectName.CHAT].places


@dataclass(frozen=True)
class Event:
    """A frame as a dialect reads it."""

    event: dict[str, Any]
    raw: bytes = b""


def frame(text: str, choice: int = 0) -> Event:
    """Return what writes *text* to a choice."""
    return Event({"choices": [{"index": choice, "delta": {"content": text}}]})


def text_of(frames: tuple[Event, ...]) -> str:
    """Return what *frames* write."""
    return "".join(one.event["choices"][0]["delta"]["content"] for one in frames)


@settings(max_examples=many(300), deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "The ",
                "inv",
                "oice",
                " of the",
                " sk",
                "-",
                "y",
                ", 12",
                ". ",
                "key",
                ": x\n",
                "https",
                "://",
                "a:b",
                "Q~",
                "8",
            ]
        ),
        max_size=30,
    )
)
def test_what_is_clear_waits_for_one_word_at_most(pieces: list[str]) -> None:
    """Of harmless text no more is held than its last word and what proves something in sight; all of it comes."""
    screening, passed = ScreenedFrames(GUARDRAILS, PLACES), ()
    frames = tuple(frame(piece) for piece in pieces)
    for one in frames:
        passed += screening.of((one,))
        assert passed == frames[: len(passed)], "in order"
    assert passed + screening.rest() == frames


def test_a_frame_is_passed_on_as_soon_as_it_is_clear() -> None:
    """What may become a key holds its own frame, and the next one sets it free; another choice's word holds nothing."""
    screening = ScreenedFrames(GUARDRAILS, PLACES)
    first, second, third = frame("The disk s"), frame("pins. ", 0), frame("Done. ", 1)
    assert screening.of((first,)) == ()
    assert screening.of((second,)) == (first, second)
    assert screening.of((third,)) == (third,)


@settings(max_examples=many(200), deadline=None)
@given(st.integers(0, len(SECRET)), st.integers(1, 12), st.booleans())
def test_no_beginning_of_a_secret_is_passed_on(end: int, size: int, is_whole: bool) -> None:  # noqa: FBT001
    """However it comes, and also where the stream breaks in the middle of it: fewer than eight of its characters."""
    text = f"My token is {SECRET[: None if is_whole else end]}"
    screening, passed = ScreenedFrames(GUARDRAILS, PLACES), ""
    for at in range(0, len(text), size):
        passed += text_of(screening.of((frame(text[at : at + size]),)))
    if is_whole:
        with pytest.raises(GuardrailBlocked, match="Ask for it in one piece"):
            screening.rest()
        screening = ScreenedFrames(GUARDRAILS, PLACES)
    passed += text_of(screening.broken_off())
    assert len(passed) <= len("My token is ") + 7
