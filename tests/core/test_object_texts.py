"""Where an object stands in a text is found alike by the fast way and by counting braces, and in long texts later."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from core import object_texts
from core.object_texts import is_finished, json_texts
from core.providers.reading.growth import contents
from core.workers import Written
from tests.examples import many

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text('a"\\{}[]`\n,: ', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab{", max_size=2), inner, max_size=3),
    max_leaves=8,
)
PIECES = VALUES.map(json.dumps) | st.text('{}[]"\\`a, :\n', max_size=12) | st.sampled_from(["```json\n", "```", "NaN"])
TEXTS = st.lists(PIECES, max_size=6).map("".join)


@settings(max_examples=many(150), deadline=None)
@given(text=TEXTS)
def test_a_decoder_finds_the_ends_that_counting_finds(text: str) -> None:
    """Where JSON begins at a brace, both ways agree on its end; so what is found does not depend on the way."""
    for at, sign in enumerate(text):
        if sign in "{[" and (end := object_texts._end_of_json(text, at)) is not None:
            assert end == object_texts._end(text, at)


@settings(max_examples=many(100), deadline=None)
@given(text=TEXTS)
def test_what_is_found_does_not_depend_on_the_way(text: str) -> None:
    """With and without the decoder the same texts are found, and the same answer counts as cut."""
    fast, finished = list(json_texts(text)), is_finished(text)
    kept, object_texts._MOST_BROKEN = object_texts._MOST_BROKEN, 0
    try:
        assert list(json_texts(text)) == fast
        assert is_finished(text) == finished
    finally:
        object_texts._MOST_BROKEN = kept


@settings(max_examples=many(100), deadline=None)
@given(blocks=st.lists(TEXTS, max_size=3), calls=st.lists(TEXTS, max_size=2))
def test_a_long_answer_is_searched_later_and_alike(blocks: list[str], calls: list[str]) -> None:
    """What is not searched where all calls have one thread is searched by whoever reads it, with the same result."""

    def places(long: int) -> list[str]:
        kept, object_texts.LONG = object_texts.LONG, long
        try:
            read = contents(calls, blocks, said=None, finish_reason=None, is_refused=False)
        finally:
            object_texts.LONG = kept
        assert bool(read.blocks) <= (sum(map(len, blocks)) > long)
        return list(dict.fromkeys(Written(read.texts, read.blocks).places()))

    assert places(5) == places(1_000_000)
