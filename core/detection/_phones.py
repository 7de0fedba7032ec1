"""Phone numbers: with their country's code anywhere, as a region writes them where it was chosen, behind a word too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import phonenumbers

from core.detection import Span
from core.detection._numbers_in_text import GAP, SearchedText, is_glued

KIND = "a phone number"
REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""Whose way to write numbers is known: codes of ISO 3166."""
WORDS = (
    *("phone", "phones", "phone number", "telephone", "tel", "tel.", "telefon", "telefonnummer", "tel.-nr.", "mobile"),
    *("mobil", "mobilnummer", "mobiltelefon", "cell", "cellphone", "cell phone", "fax", "handy", "handynummer"),
    *("rufnummer", "whatsapp", "téléphone", "telephone", "portable", "móvil", "movil", "teléfono", "telefono"),
    *("cellulare", "telefone", "celular", "telemóvel", "telefoon", "telefoonnummer", "puhelin", "puh", "msisdn"),
    *("電話", "電話番号", "携帯", "电话", "手机", "手机号", "전화", "휴대폰", "телефон"),
)
_BETWEEN = re.compile(
    r"[\s:=.\"'`(+#\[|,-]{0,4}(?:(?:numbers?|no|nr|is|ist|num|numéro|número|es|est|er|番号は?|は|号码|是)[\s:=.\"'`(+]{0,4}){0,2}",
    re.IGNORECASE,
)
_GROUP = re.compile(r"\d+")
_GROUPS = re.compile(rf"\d(?:{GAP}{{0,3}}\d){{6,20}}")
_DIGIT_BEFORE = re.compile(rf"\d{GAP}{{1,3}}\Z")
_DIGIT_BEHIND = re.compile(rf"{GAP}{{1,3}}\d")
_OF_A_MACHINE = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
_LEAST, _MOST = 7, 15
"""Digits of a number (E.164)."""
_WITH_CODE = 10
"""Digits from which a number with a plus is one, whether it was given to anybody or not."""
_REPLACEMENT = "155501"
"""What stands in the place of a number that was found begins so."""


def phones(seen: SearchedText, regions: Sequence[str]) -> Iterator[Span]:
    """Find the numbers; *regions* are codes of ISO 3166 whose numbers are found without their country's code."""
    done = 0
    for at, digits in seen.groups:
        start = _start(seen.text, at)
        if digits < _LEAST or at < done or is_glued(seen.text, start - 1):
            continue
        if "+" in seen.text[start:at]:
            end = _with_code(seen.text, at)
        else:
            end = _said(seen, start, at) or _national(seen, start, at, regions)
        if end:
            yield Span(start, end, KIND)
            done = end


def _start(text: str, at: int) -> int:
    """Return where the number begins whose first digit stands *at*: with its plus and bracket."""
    start = at
    while start > max(at - 2, 0) and text[start - 1] in "+(":
        start -= 1
    return start


def _ends(text: str, at: int) -> list[int]:
    """Return where a number may end whose first digit stands *at*, behind one of its groups; the longest first."""
    match = _GROUPS.match(text, at)
    if match is None:
        return []
    found: list[int] = []
    digits = 0
    for group in _GROUP.finditer(text, at, match.end()):
        digits += len(group[0])
        is_whole = not (group.end() < len(text) and text[group.end()].isdigit())
        if _LEAST <= digits <= _MOST and is_whole and not is_glued(text, group.end()):
            found.append(group.end())
    return found[::-1]


def _digits(written: str) -> str:
    return "".join(_GROUP.findall(written))


def _with_code(text: str, at: int) -> int:
    """Return where a number with its country's code ends; 0 without."""
    possible = 0
    for end in _ends(text, at):
        digits = _digits(text[at:end])
        number = _parsed("+" + text[at:end], None)
        if number is None or digits.startswith(_REPLACEMENT):
            continue
        if phonenumbers.is_valid_number(number):
            return end
        if not possible and len(digits) >= _WITH_CODE and phonenumbers.is_possible_number(number):
            possible = end
    return possible


def _said(seen: SearchedText, start: int, at: int) -> int:
    """Return where the number ends that a word directly before it says to be one; 0 without."""
    if "phone" not in seen.directly(start, _BETWEEN) or seen.is_date(at):
        return 0
    if _OF_A_MACHINE.match(seen.text, at):
        return 0
    end = next(iter(_ends(seen.text, at)), 0)
    is_part = seen.text[end : end + 1] == "-" and is_glued(seen.text, end + 1)
    return 0 if is_part or _digits(seen.text[at:end]).startswith(_REPLACEMENT) else end


def _national(seen: SearchedText, start: int, at: int, regions: Sequence[str]) -> int:
    """Return where a number ends that is written as one of *regions* writes it; 0 without."""
    text = seen.text
    if not regions or seen.is_date(at) or (start and text[start - 1] in ".-/" and is_glued(text, start - 2)):
        return 0
    is_first = not _DIGIT_BEFORE.search(text, max(start - 4, 0), start)
    for end in _ends(text, at):
        written = text[start:end]
        if written.isdecimal() or (text[end : end + 1] in {".", "-", "/", ","} and is_glued(text, end + 1)):
            continue
        is_alone = is_first and not _DIGIT_BEHIND.match(text, end)
        if any(_is_of(written, region, is_alone=is_alone) for region in regions):
            return end
    return 0


def _is_of(written: str, region: str, *, is_alone: bool) -> bool:
    """Whether *written* is a number of *region*: with its numbers' first zero, else alone and in their groups."""
    digits = _digits(written)
    has_zero, lengths = _plan(region)
    if len(digits) - has_zero not in lengths or (not digits.startswith("0") if has_zero else not is_alone):
        return False
    number = _parsed(written, region)
    if number is None or not phonenumbers.is_valid_number_for_region(number, region):
        return False
    groups = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return has_zero or _GROUP.findall(written) == _GROUP.findall(groups)


@lru_cache(maxsize=512)
def _plan(region: str) -> tuple[bool, frozenset[int]]:
    """Return whether the numbers of *region* begin with a zero at home, and how many digits they have without."""
    known: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
    return known.national_prefix == "0", frozenset(known.general_desc.possible_length)


def _parsed(written: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
