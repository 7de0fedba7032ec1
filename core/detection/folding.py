"""A text as it is searched: what nobody sees is left out, and what looks like a letter or a digit of ASCII is one.

Only the search sees it. What goes on is the text as it came, and places are told in that.

Which characters are invisible follows Unicode's ``Default_Ignorable_Code_Point`` (DerivedCoreProperties.txt), which is
no category: marks, letters and fillers are in it. To it are added Braille's blank pattern and the marks of annotations.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache

from core.unchanging import unchanging

UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Characters that nobody sees, as a class of a pattern has them between its brackets."""
INVISIBLE = re.compile(f"[{UNSEEN}]")
"""A character that nobody sees."""
_FOLDED = re.compile(f"[{UNSEEN}]+|[\uff01-\uff5e\u2100-\u214f\U0001d400-\U0001d7ff\ud800-\udfff]|(?![0-9])\\d")
"""What is searched as another character: forms in full width, of mathematics or like letters, digits of all scripts."""
_UNUSUAL = re.compile(
    "[^\x00-\u00ac\u00ae-\u02ff\u0370-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20ff\u3001-\u3163\u3400-\u9fff\uac00-\ud7a3]"
)
"""What is no letter or sign of the most frequent scripts, of which none is folded: that is told faster."""
_FLOWING = re.compile(f"(?:\\s[{UNSEEN}]*){{2,}}|[^\\S ]|{_FOLDED.pattern}")
"""As before; any blanks in a row are one as well."""
_BLANKS = re.compile(r"\s\s|[^\S ]")
FOREIGN = re.compile("[\u0370-\u052f]")
"""A letter of Greek or Cyrillic."""
_MIXED = re.compile("[A-Za-z][\\w@.-]{0,64}[\u0370-\u052f]|[\u0370-\u052f][\\w@.-]{0,64}[A-Za-z]")
"""A word with letters of Latin and of Cyrillic or Greek."""
_MIXING = re.compile("[\\w@.-]*\\Z")
_REACH = 66
"""Characters that such a word has at most."""
_LOOKS_LIKE = dict(
    zip(
        "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb"  # Cyrillic
        "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0423\u0406\u0408\u0405"
        "\u03b1\u03bf\u03bd\u03c1\u03b9\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
        "aeopcyxijsdqwh" + "ABEKMHOPCTXYIJS" + "aovpiABEZHIKMNOPTYX",
        strict=True,
    )
)
"""Letters of Cyrillic and Greek that are drawn as one of Latin is: folded in a word that mixes them alone."""


@unchanging
class Folded:
    """A text as it is searched, and the way back."""

    text: str
    """No character of it stands for more than one of the original, beside those that nobody sees."""
    _pieces: tuple[int, ...] = ()
    """Where in :attr:`text` a piece begins that is moved by another number of characters than the one before it."""
    _moved: tuple[int, ...] = ()

    def with_text(self, text: str) -> Folded:
        """Return the same with another *text* of the same length."""
        return Folded(text, self._pieces, self._moved)

    def start(self, at: int) -> int:
        """Return where in the original the character *at* stands."""
        piece = bisect_right(self._pieces, at)
        return at + self._moved[piece - 1] if piece else at

    def end(self, at: int) -> int:
        """Return where in the original ends what ends before *at*: behind its last character that is seen."""
        return self.start(at - 1) + 1 if at else 0


def folded(text: str) -> Folded:
    """Return *text* as it is searched; a plain one is itself."""
    if text.isascii():
        return Folded(text)
    return _folded(text, _FOLDED) if _UNUSUAL.search(text) else Folded(_unmixed(text))


def flowing(text: str) -> Folded:
    """Return *text* as it is searched for what has several words: however they are parted, it is by one blank."""
    if _BLANKS.search(text):
        return _folded(text, _FLOWING)
    return folded(text)


def _folded(text: str, pattern: re.Pattern[str]) -> Folded:
    parts: list[str] = []
    pieces: list[int] = []
    moved: list[int] = []
    done = length = shift = 0
    for match in pattern.finditer(text):
        parts.append(text[done : match.start()])
        length += match.start() - done
        done = match.end()
        shown = " " if match[0][0].isspace() else _shown(match[0]) if done - match.start() == 1 else ""
        if shown:
            parts.append(shown)
            length += 1
        if gone := done - match.start() - len(shown):
            shift += gone
            pieces.append(length)
            moved.append(shift)
    parts.append(text[done:])
    return Folded(_unmixed("".join(parts)), tuple(pieces), tuple(moved))


def _unmixed(text: str) -> str:
    """Return *text* with words that mix scripts in letters of Latin."""
    return _MIXED.sub(lambda word: as_latin(word[0]), text) if FOREIGN.search(text) else text


def unsettled(plain: str) -> int:
    """Return where in a folded text, which may go on, a letter stands that what comes may show as another."""
    match = _MIXING.search(plain, max(len(plain) - _REACH, 0))
    first = FOREIGN.search(plain, match.start()) if match else None
    return first.start() if first else len(plain)


def small(text: str) -> str:
    """Return *text* in small letters, each in its place, whatever stands beside it."""
    if not text.isascii():
        text = text.replace("\u0130", "i").replace("\u03a3", "\u03c3").replace("\u03c2", "\u03c3")
    return text.lower()


def as_latin(word: str) -> str:
    """Return *word* with every letter that is drawn as one of Latin as that."""
    return word if word.isascii() else "".join(_LOOKS_LIKE.get(c, c) for c in word)


@lru_cache(maxsize=4096)
def _shown(character: str) -> str:
    """Return the one character for which *character* stands; none, if nobody sees it."""
    if INVISIBLE.match(character):
        return ""
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"  # half of a pair: no engine and no database takes it
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    composed = unicodedata.normalize("NFKC", character)
    return composed if len(composed) == 1 else character
