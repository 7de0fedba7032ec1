"""Listed words are found as people read them, whole and in any script; no cut changes that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detection.turns import TurnDetector
from core.detection.words import DomainDetector, WordDetector
from tests.core.detection.cuts import cut_points, hold, marked, texts
from tests.examples import many

WORDS = WordDetector(
    [
        *("cobra", "Project Blue Heron", "\u79d8\u5bc6", "caf\u00e9", "blue", "C++"),
        *("\u0441\u043b\u043e\u043d", "\u039f\u0394\u039f\u03a3"),
    ],
    "a word",
)  # fmt: skip
CASED = WordDetector(["US", "Apple"], "a word", is_cased=True)
PARTS = WordDetector(["abcab", "ca", "bcd"], "a word", is_whole=False)
DOMAINS = DomainDetector(["evil.example", "bad.test"], "a domain")
TURNS = TurnDetector()


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("The Cobra bites", "The [a word] bites"),
        ("cobras, _cobra, cobra7, \u00e9cobra", "cobras, _cobra, cobra7, \u00e9cobra"),
        ("cobra-free (cobra)", "[a word]-free ([a word])"),
        ("project\n  blue\u00a0\u00a0heron!", "[a word]!"),
        ("Project Blue Herons", "Project [a word] Herons"),
        ("c\u200bobra \uff43obra \U0001d41cobra c\u043ebra", "[a word] [a word] [a word] [a word]"),
        ("\u8fd9\u662f\u79d8\u5bc6\u3002", "\u8fd9\u662f[a word]\u3002"),
        ("CAF\u00c9 cafe\u0301 cafe cafe\u0301s", "[a word] [a word] cafe cafe\u0301s"),
        ("\u0421\u041b\u041e\u041d, \u0441\u043b\u043e\u043d\u044b", "[a word], \u0441\u043b\u043e\u043d\u044b"),
        ("\u03bf\u03b4\u03bf\u03c2, \u039f\u03b4\u03cc\u03c2", "[a word], \u039f\u03b4\u03cc\u03c2"),
        ("c++ C+++", "[a word] [a word]+"),
        ("\ud800cobra\ud800", "\ud800[a word]\ud800"),
    ],
)  # fmt: skip
def test_words(text: str, right: str) -> None:
    """In any case and way to write their letters, not in the middle of longer words, with any blanks between."""
    assert marked(WORDS, text) == right


def test_case_and_parts_by_choice() -> None:
    """A list may ask for its own case, or for every place where its letters stand."""
    assert marked(CASED, "US, us, Apple, apple") == "[a word], us, [a word], apple"
    assert marked(PARTS, "xabcabcdx") == "x[a word]x"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("x@evil.example", "x@[a domain]"),
        ("jane@example.org.evil.example, a.EVIL.example.", "jane@example.org.[a domain], a.[a domain]."),
        ("https://evil.example:8443/x?y", "https://[a domain]:8443/x?y"),
        ("notevil.example not-evil.example evil.example.org evil.examples evil.example-x", None),
        ("evil.example. And bad.test", "[a domain]. And [a domain]"),
    ],
)
def test_domains(text: str, right: str | None) -> None:
    """A domain is meant with all below it, and nothing that only looks like it."""
    assert marked(DOMAINS, text) == (right or text)


@pytest.mark.parametrize(
    "text",
    [
        "<|im_start|>", "<|im_end|>", "[INST]", "[/INST]", "<<SYS>>", "\n\nHuman:", "\r\n\r\nAssistant:",
        "<start_of_turn>", "<|eot_id|>", "<|start_header_id|>", "</document><instructions>", "</document>\n<system>",
        "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<|START_OF_TURN_TOKEN|>", "<|im_\u200bstart|>",
    ],
)  # fmt: skip
def test_turn_markers(text: str) -> None:
    """Each template's markers are known, whatever is hidden in them."""
    assert marked(TURNS, f"a{text}b") == "a[a turn marker]b"


@pytest.mark.parametrize(
    "text", ["Use <|pipe|> in it", "HTML <system> tag", "Human: yes", "</document>", "a <| b |> c"]
)
def test_what_is_no_turn_marker(text: str) -> None:
    """Signs of programs and of documents are not."""
    assert TURNS.find(text) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "The list is empty"),
        (["a", " \u200b"], "Entry 2 of the list has no character"),
        (["a" * 201], "Entry 1 of the list has over 200"),
        (map(str, range(10_001)), "over 10,000 entries"),
    ],
)
def test_a_wrong_list_is_told(words: list[str], says: str) -> None:
    """One sentence says which entry is wrong, and nothing of what stands there."""
    with pytest.raises(ValueError, match=says):
        WordDetector(words)


PIECES = [
    "cobra", "Project Blue", " Heron", "\u79d8\u5bc6", "caf\u00e9", "cafe", "\u0301", "\u0441\u043b\u043e\u043d",
    "c\u043ebr\u0430", "\u0430", "C++", "abcab", "cabcd", "bcd", "evil.example", ".", "-", "@", "bad.test",
    "<|im_start|>", "\n\nHuman:", "</document>", "<system>", "\u200b", "\ud800", "  ", "\n", "\u00a0", "US",
    "\u039f\u03b4\u03bf\u03c2", "\u0130", "[INST]",
]  # fmt: skip


@pytest.mark.parametrize("detector", [WORDS, CASED, PARTS, DOMAINS, TURNS])
@settings(max_examples=many(400), deadline=None)
@given(texts(PIECES), st.data())
def test_no_cut_changes_what_is_found(detector: WordDetector, text: str, data: st.DataObject) -> None:
    """What a word begins with is held; what has gone by is no border."""
    hold(detector, text, cut_points(data, text))


@pytest.mark.parametrize(
    ("detector", "text"), [(PARTS, "abcabcd"), (CASED, "\u0410pple"), (WORDS, "Project  Blue\nHeron")]
)
def test_each_cut_of_what_grows(detector: WordDetector, text: str) -> None:
    """A word that another overlaps, a letter that the next shows to be of Latin, a phrase with a word of the list."""
    hold(detector, text, range(len(text) + 1))


class Counted(WordDetector):
    """Counts what is compared."""

    asked = 0

    def _may_become(self, rest: str) -> bool:
        self.asked += len(rest)
        return super()._may_become(rest)


def test_a_long_text_is_held_no_longer_than_a_word() -> None:
    """What may become a word is looked for in as much as the longest has, and nothing else is held back."""
    counted = Counted(["a" * 100 + "b", "x" * 200], is_whole=False)
    assert counted.decided("a" * 50_000) == 50_000 - 100
    assert counted.decided("b" * 50_000) == 50_000
    assert counted.asked < 50_000
    thousands = WordDetector(f"entry {number} of many" for number in range(5_000))
    assert len(thousands.find("entry 4711 of many, entry 4999 of many. " * 100)) == 200
