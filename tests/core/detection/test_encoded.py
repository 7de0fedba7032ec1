"""What is encoded is found as if it were not, and that alone; no cut of a stream changes it."""

from __future__ import annotations

import json
import random
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detection import Span
from core.detection.encoded import EncodedDetector
from core.detection.secrets import SecretDetector
from core.detection.words import WordDetector
from tests.core.detection.cuts import cut_points, hold, marked, texts
from tests.examples import many

KEY = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
DETECTOR = EncodedDetector(SecretDetector())
WORDS = EncodedDetector(WordDetector(["cobra", "c\u00f6bra", "jane@example.org"], "a word"))


def in_base64(text: str) -> str:
    """Return *text* in base64."""
    return b64encode(text.encode()).decode()


FORMS = {
    "base64": in_base64(KEY),
    "at its second place": in_base64(f"a{KEY}"),
    "at its third place": in_base64(f"ab{KEY}"),
    "for addresses, without padding": urlsafe_b64encode(f"?>{KEY}".encode()).decode().rstrip("="),
    "twice": in_base64(in_base64(KEY)),
    "in a file": in_base64(f"kind: Secret\ndata:\n  token: {KEY}\n"),
    "of two bytes": b64encode(KEY.encode("utf-16-le")).decode(),
    "hexadecimal": KEY.encode().hex(),
    "in upper case": KEY.encode().hex().upper(),
    "percent": "".join(f"%{ord(c):02X}" for c in KEY),
    "percent, twice": quote("".join(f"%{ord(c):02x}" for c in KEY), safe=""),
    "escapes": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "bytes": "".join(f"\\x{ord(c):02x}" for c in KEY),
    "entities": "".join(f"&#{ord(c)};" for c in KEY),
    "entities, hexadecimal": "".join(f"&#x{ord(c):x};" for c in KEY),
    "tags": "".join(chr(0xE0000 + ord(c)) for c in KEY),
    "selectors": "".join(chr(0xE0100 + ord(c) - 16) for c in KEY),
    "bits": "".join("\u200b\u200c"[int(bit)] for c in KEY for bit in f"{ord(c):08b}"),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_goes_as_a_whole(form: str) -> None:
    """The mark of what it holds stands in its place, whatever it is glued to; the text around stays."""
    for around in ("The value is {}. Thanks", '{{"a": "{}"}}', "x={}&y=1", "({})"):
        assert marked(DETECTOR, around.format(FORMS[form])) == around.format("[a GitHub token]")


@pytest.mark.parametrize("before", ["a", "ab", "abc", "key-", "as_"])
def test_what_is_glued_to_it_goes_too(before: str) -> None:
    """A run is read from each of its first places on."""
    assert marked(DETECTOR, f"x {before}{FORMS['base64']}, {before}{FORMS['hexadecimal']} y") == (
        "x [a GitHub token], [a GitHub token] y"
    )


def test_in_lines() -> None:
    """Mail and programs break base64 into lines."""
    encoded = in_base64(f"{'The usual beginning. ' * 5}{KEY}{' and an end' * 5}")
    for newline in ("\n", "\r\n"):
        lines = newline.join(encoded[at : at + 76] for at in range(0, len(encoded), 76))
        assert marked(DETECTOR, f"a {lines} b") == "a [a GitHub token] b"


def test_only_what_is_found_goes() -> None:
    """Signs that stand for others are read in their place, in a document within a document too, which stays one."""
    document = json.dumps({"payload": json.dumps({"body": json.dumps({"mail": "a c\u00f6bra"})})})
    assert marked(WORDS, document) == document.replace("c\\\\\\\\u00f6bra", "[a word]")
    assert json.loads(json.loads(json.loads(marked(WORDS, document))["payload"])["body"]) == {"mail": "a [a word]"}
    assert marked(WORDS, "/?to=jane%40example.org&x=%41") == "/?to=[a word]&x=%41"
    assert marked(WORDS, "a\\ncobr\\u0061\\tb &#99;obra") == "a\\n[a word]\\tb [a word]"
    assert marked(DETECTOR, f"\\n{KEY}\\n") == "\\n[a GitHub token]\\n"
    assert marked(DETECTOR, f"{KEY} &amp; {FORMS['base64']}") == f"{KEY} &amp; [a GitHub token]"


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
        "An internationalization_of_words, some-long-kebab-case-name, C:\\new\\table, 100% &amp; &#0; \\ud800 %ff &x",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_what_holds_nothing(text: str) -> None:
    """Images, digests, headers of tokens and signs of ordinary text stay."""
    assert DETECTOR.find(text) == []


PIECES = [
    *FORMS.values(), KEY, "cobra", in_base64("a cobra bites"), in_base64("jane@example.org, cobra"),
    "c%6fbra", "&#99;obra", "\\u0063obra", "\\", "\\\\", "%", "%25", "%C3%A9", "&", "&amp;", "=", "A" * 20,
    "Ab3" * 20, "\r", "\n", "a" * 60,
]  # fmt: skip


@pytest.mark.parametrize("detector", [DETECTOR, WORDS])
@settings(max_examples=many(500), deadline=None)
@given(texts(PIECES, "abAB01%&\\#;u6f=/", most=8), st.data())
def test_no_cut_changes_what_is_found(detector: EncodedDetector, text: str, data: st.DataObject) -> None:
    """A run, a sign or what is decoded may go on."""
    hold(detector, text, cut_points(data, text))


class Reading:
    """Counts what is searched."""

    read = 0

    def find(self, text: str) -> list[Span]:
        """Find nothing."""
        self.read += len(text)
        return []

    def decided(self, text: str) -> int:
        """Hold nothing."""
        return len(text)

    forgettable = decided


OF_CHANCE = random.Random(20261201)  # noqa: S311  # nothing is to be kept secret by it


@pytest.mark.parametrize(
    "text",
    [
        b64encode(OF_CHANCE.randbytes(75_000)).decode(),
        in_base64(in_base64(in_base64("a" * 40_000))),
        "%25" * 30_000,
        "\\" * 100_000,
        "&amp;" * 20_000,
        "Ab3defghijklmnop " * 6_000,
        "0a" * 50_000,
        ("Ab3" * 20 + "\n") * 1_600,
        "\U000e0041" * 50_000,
        "\u200b\u200c" * 50_000,
    ],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    """A hundred thousand characters that are encoded again and again are searched a few times."""
    reading = Reading()
    detector = EncodedDetector(reading)
    assert detector.find(text) == []
    detector.decided(text)
    detector.forgettable(text)
    assert reading.read < 20 * len(text)


def test_what_is_held_is_bounded() -> None:
    """Of a run that does not end no more is held than is decoded at once."""
    run = "Ab3d" * 100_000
    assert len(run) - DETECTOR.decided(f"see {run}") <= 349_524
