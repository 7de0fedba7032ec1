"""Several detectors are one: what any of them finds, cut as all of them may be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detection import Detector, Span
from core.detection.encoded import EncodedDetector
from core.detection.personal import PersonalDetector
from core.detection.secrets import SecretDetector
from core.detection.together import Together
from core.detection.words import WordDetector
from tests.core.detection.cuts import cut_points, hold, texts
from tests.examples import many

KEY = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
PLAIN = Together([PersonalDetector(), SecretDetector(), WordDetector(["cobra", "acme"], "a word")])
ENCODED = EncodedDetector(PLAIN)
PIECES = [
    KEY, "bob@acme.com", "bob&#64;acme.com", "YXNrIGJvYkBhY21lLmNvbQ==", "4111 1111 ", "1111 1111",
    "DE89 3704 0044 0532 0130 00", "tel +49 30 901820", "ssn 536-90-4399", "password is ",
    "cobra", "c%6fbra", "%", "\\n", "\u200b",
]  # fmt: skip


def test_what_overlaps_is_one() -> None:
    """The longest names it."""
    assert PLAIN.find("bob@acme.com, cobra") == [Span(0, 12, "an e-mail address"), Span(14, 19, "a word")]
    assert PLAIN.may_find("a cobra")
    assert not PLAIN.may_find("nothing")


@pytest.mark.parametrize("detector", [PLAIN, ENCODED])
@settings(max_examples=many(300), deadline=None)
@given(texts(PIECES, "ab1@.%&\\#; ", most=7), st.data())
def test_no_cut_changes_what_is_found(detector: Detector, text: str, data: st.DataObject) -> None:
    """What one of them holds is held by all, and what one of them cannot forget is not forgotten."""
    hold(detector, text, cut_points(data, text))
