"""People's patterns are looked for in time that grows with the text; what cannot be looked for is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detection import Span
from core.detection.patterns import PatternDetector
from tests.core.detection.cuts import cut_points, hold, marked, texts
from tests.examples import many


@pytest.mark.parametrize(
    ("pattern", "text", "right"),
    [
        (r"ORD-\d{4}", "ord-1234, \uff2fRD-\u0661\u0662\u0663\u0664 ORD-12", "[p], [p] ORD-12"),
        (r"\bfoo\b", "foo foobar (foo)", "[p] foobar ([p])"),
        ("(?i)stra\u00dfe", "STRA\u00dfE", "[p]"),
        (r"a(?:bc)?", "abcab", "[p][p]b"),
        (r"x{3,}", "axxxxb", "a[p]b"),
        (r"secret", "s\u200becret \ud800", "[p] \ud800"),
        (r"^a|b$", "aab", "[p]a[p]"),
    ],
)
def test_matches(pattern: str, text: str, right: str) -> None:
    """From the left, without overlaps, in any case, whatever is hidden in between."""
    assert marked(PatternDetector(pattern, "p"), text) == right


def test_case_by_choice() -> None:
    """A pattern may ask for its own case."""
    assert marked(PatternDetector("Ab", "p", is_cased=True), "Ab ab") == "[p] ab"


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(?<=x)y", r"at character 1 a look behind"),
        ("a(?=x)", r"at character 2 a look ahead"),
        (r"(a)\1", "at character 4 a reference to a group"),
        ("(?P<n>a)(?P=n)", "at character 9 a reference to a group"),
        ("a{1,2000}", "at character 2 a repetition of more than 1,000"),
        ("a++", "at character 2 a possessive quantifier"),
        ("(?>a)b", "at character 1 an atomic group"),
        (r"a\Z", r"at character 2 \\Z, which this engine does not know: write \\z"),
        (r"\h+", r"at character 1 \\h"),
        (r"\u0041", r"at character 1 \\u"),
        ("(?#x)a", "at character 1 a comment"),
        ("", "matches every text"),
        ("a*", "matches every text"),
        (".*", "matches every text"),
        (".", "matches every text"),
        ("a)(b", "cannot be read: unexpected"),
        ("(a", "cannot be read: missing"),
        ("a**", "cannot be read: bad repetition"),
        ("((a{100}){100}){100}", "cannot be read: invalid repetition"),
        ("\ud800", "half of a character"),
        ("a" * 2_001, "over 2,000 characters"),
    ],
)
def test_what_cannot_be_looked_for_is_told(pattern: str, says: str, capfd: pytest.CaptureFixture[str]) -> None:
    """One sentence names the construct and its place; the engine prints nothing."""
    with pytest.raises(ValueError, match=says):
        PatternDetector(pattern)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "pattern", [r"a\++", "[(?=]+b", r"[\]+]+x", "(?P<n>a)b", r"[[:alpha:]+]+9", "a{1000}", r"\(\?=a"]
)
def test_what_only_looks_like_that(pattern: str) -> None:
    """Within a class or escaped it is text."""
    PatternDetector(pattern)


def test_a_match_of_any_length_goes_in_parts() -> None:
    """What is longer than a match may be is found all the same."""
    found = PatternDetector("x[ab]+", "p", longest=10).find("--x" + "ab" * 4 + "a" * 20 + "--")
    assert [(span.start, span.end) for span in found] == [(2, 12)]
    found = PatternDetector("[ab]+", "p", longest=10).find("a" * 25)
    assert [(span.start, span.end) for span in found] == [(0, 10), (10, 20), (20, 25)]


class Counted(PatternDetector):
    """Counts what is searched more closely."""

    read = 0

    def _next(self, text: str, at: int) -> int | None:
        self.read += 2 * self._longest
        return super()._next(text, at)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", r"^([a-z0-9])(([\-.]|[_]+)?([a-z0-9]+))*(@){1}[a-z0-9]+$", "(?:a?){50}b"]
)
def test_nested_quantifiers_cost_nothing(pattern: str) -> None:
    """What takes others for ever is one pass."""
    counted = Counted(pattern, "p")
    assert counted.find("a" * 100_000 + "!") == []
    assert counted.read <= 2 * 100_100


def test_what_takes_too_many_searches_is_found_as_a_whole() -> None:
    """Each search goes to the end of what a match may have; of a text with too many of them the rest is never clean."""
    counted, text = Counted("a*b|a", "p"), "a" * 1_000_000
    assert counted.find(text)[-2:] == [Span(999, 1_000, "p"), Span(1_000, len(text), "a text with too much to search")]
    assert counted.read < len(text)
    assert counted.decided(text) == 1_000


PATTERNS = [
    PatternDetector(r"ab+|a.{6}c", longest=8), PatternDetector(r"\b[a-c]{2,4}\b", longest=5),
    PatternDetector("(?m)^ab|b$", longest=4), PatternDetector(r"[ab]+", longest=6),
    PatternDetector(r"a\W*\b", longest=6), PatternDetector(r"b\B.|\s\b", longest=3),
    PatternDetector(r"^,|\.$", longest=3),
    PatternDetector("a??b?c", longest=4),
]  # fmt: skip


@pytest.mark.parametrize("detector", PATTERNS)
@settings(max_examples=many(400), deadline=None)
@given(
    texts(["ab", "abc", "  ", "\n", "a" * 9, "\u0430b", "\u200b", "\ud800", "\u4e2d\u4e2d", ", "], "abc .,\n-_"),
    st.data(),
)
def test_no_cut_changes_what_is_found(detector: PatternDetector, text: str, data: st.DataObject) -> None:
    """Borders see one character more, and a match as many as it has at most."""
    hold(detector, text, cut_points(data, text))
