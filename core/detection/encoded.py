"""What is encoded is read as whoever decodes it will.

That is base64, hexadecimal, percent signs, escapes of JSON, entities, and unseen characters that stand for others. What
one sign stands for is read in its place, so that only what is found goes; of a run that has to be decoded as a whole,
as base64, all goes. Only the search sees what is decoded: a text without findings goes on as it came.
"""

from __future__ import annotations

import re
from base64 import b64decode
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html.entities import html5

from core.detection import Detector, Span, merged
from core.detection._streams import kept_whole

_DEPTH = 2
"""How often something is decoded that was found by decoding."""
_MOST_LAYERS = 8
"""How often signs are read in their place: a document of JSON in a text of another is one of them each."""
_LONGEST = 349_524
"""Characters that are decoded as one run, which give 256 KiB; a longer one is decoded in parts of as many."""
_SHORT_RUN = 300
_SIGN = re.compile(
    r"""\\(?:u(?P<escape>[0-9a-fA-F]{4})|x(?P<byte>[0-9a-fA-F]{2})|(?P<short>["\\/bfnrt]))
    | (?P<percent>%[c-dC-D][0-9a-fA-F]%[89abAB][0-9a-fA-F]|%[eE][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){2}
        |%[fF][0-7](?:%[89abAB][0-9a-fA-F]){3}|%[0-9a-fA-F]{2})
    | &(?:\#(?P<decimal>[0-9]{1,7})|\#[xX](?P<hexadecimal>[0-9a-fA-F]{1,6})|(?P<name>[A-Za-z]{2,8}));""",
    re.VERBOSE,
)
_BEGUN = re.compile(
    r"(?:\\(?:u[0-9a-fA-F]{0,3}|x[0-9a-fA-F]?)?|(?:%[c-fC-F][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){0,2})?%[0-9a-fA-F]?"
    r"|%[c-fC-F][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){0,2}|&(?:\#?[0-9]{0,7}|\#[xX][0-9a-fA-F]{0,6}|[A-Za-z]{0,8}))\Z"
)
"""The beginning of such a sign at the end of a text."""
_LONGEST_SIGN = 16
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

_RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}(?:(?<=[A-Za-z0-9+/_-]{60})\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")
_TAIL = re.compile(
    r"[A-Za-z0-9+/_-]+(?:(?<=[A-Za-z0-9+/_-]{60})\r?\n[A-Za-z0-9+/_-]*)*={0,2}(?:(?<=[A-Za-z0-9+/_-]{60})\r)?"
)
"""What may be the beginning of one, a line break behind a full line with it."""
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{24,}")
_IS_MIXED = re.compile(r"(?=.*[A-Z])(?=.*[a-z0-9])", re.DOTALL)
"""As what is written in base64 is, and words are not."""
_TEXT = re.compile(rb"(?:[\t\n\r -~]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}){8,}")
"""What may be read in bytes."""
_TO_STANDARD = str.maketrans("-_", "+/", "\r\n")
_UNSEEN = re.compile(
    "[\U000e0020-\U000e007e]{8,}|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{8,}|[\u200b\u200c]{64,}|[\u200c\u200d]{64,}"
)
_MAY_BE_UNSEEN = "\u200b\u200c\u200d" + "".join(
    chr(n) for block in ((0xFE00, 0xFE10), (0xE0020, 0xE007F), (0xE0100, 0xE01F0)) for n in range(*block)
)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A text with its signs read, and the way back: parts of it that are as they were, with a sign between each two."""

    text: str
    _parts: list[int]
    """Where each begins, a sign as well: the first, third and so on are as they were."""
    _originals: list[int]

    def start(self, at: int) -> int:
        """Return where in the original that begins which stands *at*."""
        part = bisect_right(self._parts, at) - 1
        return self._originals[part] + (0 if part % 2 else at - self._parts[part])

    def end(self, at: int) -> int:
        """Return where in the original that ends which ends before *at*."""
        part = bisect_right(self._parts, at - 1) - 1
        return self._originals[part + 1] if part % 2 else self.start(at - 1) + 1


class EncodedDetector:
    """Finds what another detector finds in what is decoded; what stands there in plain words is left to that one."""

    def __init__(self, detector: Detector) -> None:
        """Ask *detector* of all that a text encodes."""
        self._detector = detector

    def find(self, text: str) -> list[Span]:
        """Return what is found in *text* and is not found in it as it is."""
        plain = merged(self._detector.find(text))
        return merged(span for span in self._decoded(text, _DEPTH) if not _is_covered(span, plain))

    def decided(self, text: str) -> int:
        """Return where at the end of *text* something begins that goes on, encoded or decoded."""
        return kept_whole(self._least(text, self._detector.decided), merged(self._found(text, _DEPTH)))

    def forgettable(self, text: str) -> int:
        """Return the last place at which nothing goes on, neither encoded nor decoded."""
        at = len(text)
        for _ in range(_MOST_LAYERS):
            least = self._least(text[:at], self._detector.forgettable)
            if least == at:
                return at
            at = least
        return 0

    def may_find(self, text: str) -> bool:
        """Whether something may be found in a part of *text*."""
        return bool(self.find(text))

    def _found(self, text: str, depth: int, layer: int = 1) -> Iterator[Span]:
        yield from self._detector.find(text)
        yield from self._decoded(text, depth, layer)

    def _decoded(self, text: str, depth: int, layer: int = 1) -> Iterator[Span]:
        if depth:
            for start, end, decoded in _runs(text):
                if inner := merged(self._found(decoded, depth - 1)):
                    yield Span(start, end, max(inner, key=lambda span: span.end - span.start).kind)
        if layer <= _MOST_LAYERS and (view := _decoded(text)):
            for span in self._found(view.text, depth, layer + 1):
                yield Span(view.start(span.start), view.end(span.end), span.kind)

    def _least(self, text: str, ask: Callable[[str], int], layer: int = 1) -> int:
        """Return the least that *ask* says of *text* and of what is decoded of it, at which no run or sign goes on."""
        text = text[: _sign_start(text)]
        at = min(ask(text), _run_start(text))
        if layer <= _MOST_LAYERS and (view := _decoded(text)):
            inner = self._least(view.text, ask, layer + 1)
            at = min(at, view.start(inner) if inner < len(view.text) else len(text))
        return at


def _is_covered(span: Span, found: Sequence[Span]) -> bool:
    """Whether one of *found*, which are in order and without overlaps, has all of *span*."""
    before = bisect_right(found, span.start, key=lambda one: one.start) - 1
    return before >= 0 and found[before].end >= span.end


def _decoded(text: str) -> _Decoded | None:
    """Return *text* with its signs read; none, if there are none."""
    if "\\" not in text and "%" not in text and "&" not in text:
        return None
    read: list[str] = []
    parts, originals = [0], [0]
    done = length = 0
    for match in _SIGN.finditer(text):
        character = _meant(match)
        if not character:
            continue
        start, end = match.span()
        read += (text[done:start], character)
        length += start - done
        parts += (length, length + 1)
        originals += (start, end)
        length, done = length + 1, end
    if not done:
        return None
    read.append(text[done:])
    return _Decoded("".join(read), parts, originals)


def _meant(sign: re.Match[str]) -> str:
    """Return the character that *sign* stands for; none, if it is no sign."""
    written = sign[sign.lastgroup or 0]
    match sign.lastgroup:
        case "escape" | "byte" | "hexadecimal":
            return _character(int(written, 16))
        case "decimal":
            return _character(int(written))
        case "short":
            return _SHORT.get(written, written)
        case "percent":
            return bytes.fromhex(written.replace("%", "")).decode(errors="replace")[:1]
        case _:
            character = html5.get(f"{written};", "")
            return character if len(character) == 1 else ""


def _character(number: int) -> str:
    return chr(number) if 0 < number <= 0x10FFFF else "\ufffd"


def _runs(text: str) -> Iterator[tuple[int, int, str]]:
    """Find the runs in *text* that are to be decoded as a whole, with what may be read in each."""
    for run in _RUN.finditer(text):
        for start in range(run.start(), run.end(), _LONGEST):
            end = min(start + _LONGEST, run.end())
            if decoded := _readable(_bytes(text[start:end])):
                yield start, end, decoded
    if not text.isascii():
        for run in _UNSEEN.finditer(text):
            yield *run.span(), _seen(run[0])


def _bytes(run: str) -> Iterator[bytes]:
    """Return what *run* may stand for: it may begin anywhere in what it was glued to."""
    for match in _HEXADECIMAL.finditer(run):
        for begin in (0, 1):
            digits = match[0][begin:]
            yield bytes.fromhex(digits[: len(digits) // 2 * 2])
    if _IS_MIXED.match(run):
        letters = run.rstrip("=").translate(_TO_STANDARD)
        for begin in range(4):
            part = letters[begin:]
            part = part[: len(part) - (len(part) % 4 == 1)]
            read = b64decode(part + "=" * (-len(part) % 4))
            yield read
            if not begin and len(read) <= _SHORT_RUN:  # what stands before a word in it may be one of its own signs
                yield from (read[1:], read[2:])


def _readable(readings: Iterator[bytes]) -> str:
    """Return the texts in what a run may stand for, apart from each other."""
    found: list[str] = []
    for reading in readings:
        has_two_bytes = reading.count(0) * 3 >= len(reading)
        texts = _TEXT.findall(reading.replace(b"\0", b"") if has_two_bytes else reading)
        found += (text.decode(errors="replace") for text in texts)
    return "\n\n".join(found)


def _seen(run: str) -> str:
    """Return what characters that nobody sees stand for."""
    first = run[0]
    if first >= "\U000e0100" or "\ufe00" <= first <= "\ufe0f":
        selected = bytes(ord(c) - 0xE0100 + 16 if c >= "\U000e0100" else ord(c) - 0xFE00 for c in run)
        return selected.decode(errors="replace")
    if first >= "\U000e0000":
        return "".join(chr(ord(c) - 0xE0000) for c in run)
    return _readable(_bits(run))


def _bits(run: str) -> Iterator[bytes]:
    one = max(run)
    for of_one, of_other in (("1", "0"), ("0", "1")):
        digits = "".join(of_one if c == one else of_other for c in run)
        for begin in range(8):
            size = (len(digits) - begin) // 8
            yield int(digits[begin : begin + size * 8], 2).to_bytes(size, "big")


def _run_start(text: str) -> int:
    """Return where the run begins that *text* ends with, or its last part; the end, if there is none."""
    unseen = len(text.rstrip(_MAY_BE_UNSEEN))
    if unseen < len(text):
        return unseen
    last = deque(_TAIL.finditer(text, text.rfind(" ") + 1), 1)
    if not last or last[0].end() < len(text):
        return len(text)
    start, end = last[0].span()
    return start + (end - start - 1) // _LONGEST * _LONGEST


def _sign_start(text: str) -> int:
    """Return where the sign begins that *text* may end within; its end, if there is none."""
    begun = _BEGUN.search(text, max(len(text) - _LONGEST_SIGN, 0))
    if begun is None:
        return len(text)
    return len(text[: begun.start()].rstrip("\\")) if begun[0].startswith("\\") else begun.start()
