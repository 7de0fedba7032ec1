"""The language in which calls are looked for: read, refused, written again and edited; it asks no database."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.call_search import (
    FIELDS,
    METADATA,
    WORDS,
    FieldMatch,
    FieldRange,
    Limit,
    Negation,
    Pattern,
    Term,
    either,
    every,
    exactly,
    printed,
    read_search,
    with_term,
    without,
)
from core.errors import Invalid
from tests.examples import many

READ = [
    ("", ""),
    ("   ", ""),
    ("tenant:acme outcome:invalid", "tenant:acme outcome:invalid"),
    ("outcome:Valid", "outcome:any_valid"),
    ("outcome:(invalid OR timeout) route:a", "(outcome:invalid OR outcome:timeout) route:a"),
    ("a OR b c", "a OR (b c)"),
    ("a AND NOT b", "a -b"),
    ("latency:>2s", "latency:>2000ms"),
    ("duration:>=2000ms", "latency:>=2000ms"),
    ("latency:1.5s..2s", "latency:1500ms..2000ms"),
    ("cost:>0.01", "cost:>0.01"),
    ("cost:<=$2", "cost:<=2"),
    ("tokens:1k..", "tokens:>=1000"),
    ("tokens:..2K", "tokens:<=2000"),
    ("version:3", "version:3"),
    ('-text:"gpu::"', '-"gpu::"'),
    ('tenant:""', 'tenant:""'),
    ("model:*", "model:*"),
    ("key:user01*", "key:user01*"),
    ("field:$.lines[*].amount", "field:$.lines[*].amount"),
    ('model:"gpt 4"*', 'model:"gpt 4"*'),
    ('model:"*"', 'model:"*"'),
    ("https://codecov.io/bash", '"https://codecov.io/bash"'),
    ("12:30 timeout", '"12:30" timeout'),
    ('"C:\\tmp"', '"C:\\\\tmp"'),
    ('a" b"', '"a b"'),
    ("metadata.team:core", "metadata.team:core"),
    ("--a", "--a"),
]
REFUSED = [
    ("tenat:acme", 0, "Did you mean 'tenant'?"),
    ("verison:3", 0, "Did you mean 'version'?"),
    ("gpu:x", 0, "Put it in quotes"),
    ("route:a latency:fast", 16, "'fast' is no time"),
    ("latency:>2", 8, "'2' of what? Write 2s or 2ms"),
    ("tokens:5s", 7, "a unit that 'tokens' does not know"),
    ("tokens:1.5", 7, "no whole number"),
    ("tokens:9..2", 7, "is empty"),
    ("tokens:..", 7, "at least one end"),
    ("cost:>0.0000000001", 5, "no amount"),
    ('tokens:"5"', 7, "without quotes"),
    ("outcome:invlid", 8, "Did you mean 'invalid'?"),
    ("streamed:maybe", 9, "There are: false, no, true, yes"),
    ('a "open', 2, "not closed"),
    ("-", 0, "Nothing follows this minus"),
    ("a - b", 2, "without a blank"),
    ("tenant:", 7, 'tenant:""'),
    ("tenant: acme", 7, "Nothing follows"),
    ("metadata:x", 0, "metadata.team:core"),
    ("(a", 0, "not closed"),
    ("a )", 2, "closes none"),
    ("a OR", 4, "does not end so"),
    ("OR a", 0, "missing before"),
    ("outcome:(invalid timeout)", 17, "stands OR"),
    ("f(x)", 1, "inside of a text"),
    ("a\0b", 1, "in no text"),
    ("(" * 20 + "a" + ")" * 20, 12, "nested too deeply"),
    ("a " * 61, 120, "at most 60 terms"),
    ("a" * 2001, 2000, "at most 2,000 characters"),
]


@pytest.mark.parametrize(("text", "told"), READ)
def test_what_is_typed_is_read(text: str, told: str) -> None:
    """Each form means what it says, and is written again so that it is read as the same."""
    found = read_search(text)
    assert printed(found.term) == told
    assert read_search(told).term == found.term
    assert found.text == text


@pytest.mark.parametrize(("text", "at", "said"), REFUSED)
def test_what_cannot_be_read_is_refused_where_it_stands(text: str, at: int, said: str) -> None:
    """A misspelt field, a half-typed text and a number without a unit are told by place and with what to do."""
    with pytest.raises(Invalid) as refused:
        read_search(text)
    assert said in refused.value.message
    assert refused.value.facts["at"] == at
    assert f"At character {at + 1} " in refused.value.message


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6)
TEXTS |= st.sampled_from(["OR", "AND", "NOT", "-", "a:b", "*", '"', "\\", "a b", "http://x", "tenant:", "(", "'"])


def patterns(texts: st.SearchStrategy[str] = TEXTS) -> st.SearchStrategy[Pattern]:
    """Return patterns without two neighbours of one sort, as those that are read have none."""
    parts = st.lists(texts, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        parts.map(lambda some: tuple(one for text in some for one in (text, None))),
        parts.map(lambda some: tuple(one for text in some for one in (None, text))),
        texts.map(exactly),
    )


def numbers(name: str) -> st.SearchStrategy[Term]:
    """Return ranges of a field."""
    whole = st.integers(0, 10**9).map(Decimal)
    ends = st.builds(Limit, whole.map(Decimal.normalize), st.booleans())
    both = st.tuples(whole, whole).map(lambda two: (min(two).normalize(), max(two).normalize()))
    return st.one_of(
        ends.map(lambda end: FieldRange(name, low=end)),
        ends.map(lambda end: FieldRange(name, high=end)),
        both.map(lambda two: FieldRange(name, Limit(two[0]), Limit(two[1]))),
    )


NAMED = [one.name for one in FIELDS.values() if one.name not in {WORDS, METADATA} and not one.values]
LEAVES: st.SearchStrategy[Term] = st.one_of(
    st.sampled_from([one for one in NAMED if not FIELDS[one].kind.is_number]).flatmap(
        lambda name: (patterns() | st.just(())).map(lambda pattern: FieldMatch(name, pattern))
    ),
    st.sampled_from([one for one in NAMED if FIELDS[one].kind.is_number]).flatmap(numbers),
    st.sampled_from(["invalid", "any_error"]).map(lambda one: FieldMatch("outcome", (one,))),
    patterns().map(lambda pattern: FieldMatch(WORDS, pattern)),
    patterns().map(lambda pattern: FieldMatch(METADATA, pattern, "team")),
)
TERMS = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        below.map(Negation),
        st.lists(below, min_size=2, max_size=3).map(lambda some: every(*some) or some[0]),
        st.lists(below, min_size=2, max_size=3).map(lambda some: either(*some)),
    ),
    max_leaves=6,
)


@given(TERMS)
@settings(max_examples=many(500), deadline=None)
def test_what_is_written_is_read_as_the_same(term: Term) -> None:
    """Whatever stands in its texts, quotes, stars and words of the language included."""
    assert read_search(printed(term)).term == term


@given(st.text(st.sampled_from('ab:"*()-. \\ORtenant:>2s'), max_size=30))
@settings(max_examples=many(500), deadline=None)
def test_nothing_that_is_typed_breaks_the_reader(text: str) -> None:
    """It is read, and its terms stand where they are said to, or refused with a place in the text."""
    try:
        found = read_search(text)
    except Invalid as error:
        refused = error
    else:
        assert every(*(read_search(text[one.begins : one.ends]).term for one in found.placed)) == found.term
        return
    assert 0 <= refused.facts["at"] <= len(text)


def test_a_term_is_added_and_taken_out_and_the_rest_stays_as_typed() -> None:
    """A click on a chip edits the text that somebody wrote; an alternative is put in brackets first."""
    invalid = FieldMatch("outcome", ("invalid",))
    assert with_term("latency:>2s  a", invalid) == "latency:>2s  a outcome:invalid"
    assert with_term("outcome:invalid a", invalid) == "outcome:invalid a"
    assert with_term("a OR b", invalid) == "(a OR b) outcome:invalid"
    assert with_term("", FieldMatch("model", ("a b",))) == 'model:"a b"'
    text = "a  latency:>2s -(b OR c)"
    assert [without(text, one) for one in read_search(text).placed] == [
        "latency:>2s -(b OR c)",
        "a -(b OR c)",
        "a  latency:>2s",
    ]
    for text, left in (
        ("a AND outcome:invalid", ["outcome:invalid", "a"]),
        ("a AND (b OR c) AND d", ["(b OR c) AND d", "a AND d", "a AND (b OR c)"]),
        ("  schema:invoice version:1", ["version:1", "  schema:invoice"]),
        ("STRAND ANDY", ["ANDY", "STRAND"]),
    ):
        assert [without(text, one) for one in read_search(text).placed] == left


def test_every_field_has_a_sample_of_its_own() -> None:
    """Which the documentation shows: it is read, and is about that field."""
    for field in FIELDS.values():
        term = read_search(field.sample).term
        while not isinstance(term, FieldMatch | FieldRange):
            assert term is not None
            term = term.of if isinstance(term, Negation) else term.of[0]
        assert term.field == field.name
