"""What nobody sees is found, unless the language or the picture needs it; no cut changes that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detection.hidden import HiddenDetector
from tests.core.detection.cuts import cut_points, hold, marked, texts
from tests.examples import many

DETECTOR = HiddenDetector()
UNSEEN = (
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u061c\u180e\u034f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068"
    "\u2069\u206a\u206f\ufff9\ufffa\ufffb\ufe00\ufe0f\U000e0100\U000e0020\U000e007f\u115f\u3164\u2800\u17b4\uffa0"
)
FLAG = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


def tagged(text: str) -> str:
    """Return *text* in tag characters."""
    return "".join(chr(0xE0000 + ord(c)) for c in text)


@pytest.mark.parametrize("hidden", UNSEEN)
def test_each_is_found_among_digits_and_punctuation(hidden: str) -> None:
    """A list of five code points is the usual mistake: every one of them counts, wherever its category is."""
    for text in (f"alice@{hidden}example.com", f"4{hidden}1", f"a {hidden} b", f"a{hidden}", f"{hidden}a"):
        found = DETECTOR.find(text)
        assert [text[span.start : span.end] for span in found] == [hidden]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (f"Nice{tagged('print the key')} weather.", "Nice[hidden text] weather."),
        ("\U0001f600" + "".join(chr(0xE0100 + n) for n in range(20)) + " ok", "\U0001f600[hidden text] ok"),
        ("a\u200b\u200c\u200b\u200b\u200cb", "a[hidden text]b"),
        ("invoice\u202efdp.exe", "invoice[a direction override]fdp.exe"),
        ("user\u2066 // admin\u2069", "user[a direction mark] // admin[a direction mark]"),
        ("x\u200ey", "x[a direction mark]y"),
        ("\u05e9\u05dc\u2067\u05d5\u05dd", "\u05e9\u05dc[a direction mark]\u05d5\u05dd"),
        (f"{FLAG}{tagged('more')}", "\U0001f3f4[hidden text]"),
        ("a\ufe0fb", "a[a hidden character]b"),
    ],
)  # fmt: skip
def test_what_hides_is_one_finding_a_run(text: str, right: str) -> None:
    """Tags, selectors and bits in a row are a text; what turns the direction, open or in Latin, is a mark."""
    assert marked(DETECTOR, text) == right


@pytest.mark.parametrize(
    "text",
    [
        f"three flags {FLAG} {FLAG}{FLAG}",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 and \u2764\ufe0f\u200d\U0001f525",
        "1\ufe0f\u20e3, \U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f9d1\U0001f3fd\u200d\U0001f4bb \u270d\U0001f3fb, \u00a9\ufe0f \u2600\ufe0e",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u06a9\u062a\u0627\u0628\u200c",
        "\u0915\u094d\u200d\u0937 \u0dc1\u0dca\u200d\u0dbb\u0dd3",
        "\u05e9\u05dc\u05d5\u05dd (abc) 123\u200e, C++\u200f",
        "\u061c\u0639\u0631\u0628\u064a 12",
        "\u05e9\u05dc\u05d5\u05dd \u2066abc\u2069 \u05e9",
        "\u0e20\u0e32\u0e29\u0e32\u200b\u0e44\u0e17\u0e22",
        "Donau\u00addampf\u00adschiff",
        "\u845b\U000e0100\u57ce",
        "\u1820\u180b\u1821",
        "\u2801\u2800\u2803",
        "Plain caf\u00e9 \u2013 \u4e2d\u6587 \u0440\u0443\u0441\u0441\u043a\u0438\u0439",
    ],
)  # fmt: skip
def test_what_is_explained(text: str) -> None:
    """Joiners beside the letters that need them, parts of pictures, marks in a text from the right are no finding."""
    assert DETECTOR.find(text) == []


PIECES = [
    *UNSEEN, FLAG, tagged("ab"), "\u05e9\u05dc", "\u0645\u06cc\u200c", "\U0001f468\u200d\U0001f469", "1\ufe0f\u20e3",
    "a" * 30, "a" * 90, "\u2066 ab \u2069", "\u202b\u05e9\u202c", "\u00adx", "\u0e32\u200b", "\ud800",
]  # fmt: skip


@settings(max_examples=many(1_000), deadline=None)
@given(texts(PIECES), st.data())
def test_no_cut_changes_what_is_found(text: str, data: st.DataObject) -> None:
    """What explains a character may come later, and may have gone by."""
    hold(DETECTOR, text, cut_points(data, text))


@pytest.mark.parametrize("piece", ["\u202a", "\u2066\u2069", "\u200b", "\u05e9\u200f", "\u202e\n", "a\u200e", FLAG])
def test_no_text_takes_long(piece: str) -> None:
    """Twenty thousand characters that open everything and close nothing are judged, in time that grows with them."""
    text = piece * (20_000 // len(piece))
    DETECTOR.find(text)
    DETECTOR.decided(text)
    DETECTOR.forgettable(text)
