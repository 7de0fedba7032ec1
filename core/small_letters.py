"""Texts compared without regard to capital letters, by one rule of our own, alike in Python and in either database.

A capital of the Latin, Greek, Cyrillic and Armenian scripts becomes the small letter that it has alone. What has none
of its own (the dotted capital I), or is written as two (the sharp s), stays as it is.
"""

from __future__ import annotations

SQLITE_NAME = "small_letters"
"""By what an SQLite of ours knows :func:`small`."""
_SCRIPTS = (range(0xC0, 0x590), range(0x1E00, 0x2000))
_OTHER = {
    capital: own
    for script in _SCRIPTS
    for capital in map(chr, script)
    if len(own := capital.lower()) == 1 and own != capital and not own.isascii()
}
CAPITALS, SMALLS = "".join(_OTHER), "".join(_OTHER.values())
"""Beside those of ASCII, which every database knows. None becomes a letter of ASCII: so who looks for ASCII alone need
not have the others replaced."""
_TABLE = str.maketrans(CAPITALS, SMALLS) | {ord(one): ord(one) + 32 for one in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def small(text: str | None) -> str | None:
    """Return *text* in small letters."""
    return None if text is None else text.translate(_TABLE)
