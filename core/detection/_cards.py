"""Numbers of payment cards: an issuer's prefix, at a length that it uses, and the check digit of ISO/IEC 7812."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import ean, luhn

from core.detection import Span
from core.detection._numbers_in_text import SearchedText, is_glued

KIND = "a card number"
WORDS = (
    *("card", "cards", "card number", "credit card", "debit card", "visa", "mastercard", "amex", "american express"),
    *("discover", "jcb", "diners", "unionpay", "cc", "ccnum", "pan", "kreditkarte", "karte", "kartennummer"),
    *("carte", "carte bancaire", "tarjeta", "carta di credito", "cartao", "cartão", "karta", "kaart"),
    *("カード", "卡号", "银行卡", "信用卡", "카드"),
)
_ISSUERS = (
    ("4", "4", {13, 16, 19}),
    ("51", "55", {16}),
    ("2221", "2720", {16}),
    ("34", "34", {15}),
    ("37", "37", {15}),
    ("6011", "6011", {16, 17, 18, 19}),
    ("644", "659", {16, 17, 18, 19}),
    ("3528", "3589", {16, 17, 18, 19}),
    ("300", "305", {14, 15, 16, 17, 18, 19}),
    ("3095", "3095", {14, 15, 16, 17, 18, 19}),
    ("36", "36", {14, 15, 16, 17, 18, 19}),
    ("38", "39", {14, 15, 16, 17, 18, 19}),
    ("62", "62", {16, 17, 18, 19}),
)
"""From which prefix to which, and how many digits its numbers have: Visa, Mastercard, American Express, Discover, JCB,
Diners Club and UnionPay."""
_LEAST = 13
_GAP = "[ \u00a0\u2009\u202f.\\-\u2010\u2011\u2013]"
_WHOLE = re.compile(r"\d{13,19}(?!\d)")
_GROUPED = (
    re.compile(rf"\d{{4}}({_GAP})\d{{4}}\1\d{{4}}\1\d{{4}}\1\d{{1,3}}(?!\d)"),
    re.compile(rf"\d{{4}}({_GAP})\d{{4}}\1\d{{4}}\1\d{{1,4}}(?!\d)"),
    re.compile(rf"\d{{4}}({_GAP})\d{{6}}\1\d{{4,5}}(?!\d)"),
)
_LOOSE = re.compile(rf"\d{{2,8}}(?:{_GAP}\d{{2,8}}){{1,8}}(?!\d)")
"""Groups as people write them who say beforehand that it is a card."""
_FRACTION = re.compile(r"(?:\d\.|(?<!\d)0,)\Z")
_FOURS = re.compile(rf"(?:{_GAP}\d{{4}}(?!\d)){{1,3}}")
_MANY_FOURS = 2
"""Groups of four digits more than a card's, from which on it is a row of a table."""
_DIGIT = re.compile(r"\d")


def cards(seen: SearchedText) -> Iterator[Span]:
    """Find the numbers of cards."""
    text = seen.text
    for at, digits in seen.groups:
        if digits < _LEAST:
            continue
        end = _whole(seen, at) or _grouped(seen, at)
        if end and not text.startswith("+", at - 1) and not _is_fraction(text, at, end):
            yield Span(at, end, KIND)


def _whole(seen: SearchedText, at: int) -> int:
    """Return where the number ends that is written in one piece from *at* on, which letters may touch; 0 without."""
    match = _WHOLE.match(seen.text, at)
    if match is None or not _is_card(match[0]):
        return 0
    end = match.end()
    if _digits_beside(seen.text, at, end) or _is_between_hyphens(seen.text, at, end):
        return 0
    if len(match[0]) == 13 and ean.is_valid(match[0]) and "card" not in seen.said(at):
        return 0  # of an article: a thirteenth of all has Visa's prefix
    return end


def _digits_beside(text: str, start: int, end: int) -> bool:
    """Whether the word in which a number stands has other digits: a digest or an identifier."""
    first, last = start, end
    while is_glued(text, first - 1) and start - first < _REACH:
        first -= 1
    while is_glued(text, last) and last - end < _REACH:
        last += 1
    return bool(_DIGIT.search(text, first, start) or _DIGIT.search(text, end, last))


def _is_between_hyphens(text: str, start: int, end: int) -> bool:
    """Whether more of one identifier stands on both sides, on one of them behind a hyphen."""
    is_cut_before = start > 0 and text[start - 1] == "-" and is_glued(text, start - 2)
    is_cut_behind = text.startswith("-", end) and is_glued(text, end + 1)
    goes_on = (is_cut_before or is_glued(text, start - 1)) and (is_cut_behind or is_glued(text, end))
    return goes_on and (is_cut_before or is_cut_behind)


_REACH = 24


def _grouped(seen: SearchedText, at: int) -> int:
    """Return where the number ends that is written in groups from *at* on; 0 without."""
    text = seen.text
    if is_glued(text, at - 1):
        return 0
    for pattern in _GROUPED:
        match = pattern.match(text, at)
        if match is None or not _is_card(match[0]) or is_glued(text, match.end()):
            continue
        if not _is_one_of_many(text, at, match.end(), match[1]) or "card" in seen.said(at):
            return match.end()
    match = _LOOSE.match(text, at)
    if match and _is_card(match[0]) and not is_glued(text, match.end()) and "card" in seen.said(at):
        return match.end()
    return 0


def _is_one_of_many(text: str, start: int, end: int, gap: str) -> bool:
    """Whether the groups go on to either side, as in a table of numbers of four digits, or in an identifier."""
    if not gap.isspace():
        is_before, is_behind = start > 0 and text[start - 1] == gap, text.startswith(gap, end)
        return (is_before and is_glued(text, start - 2)) or (is_behind and is_glued(text, end + 1))
    before, behind = _FOURS.match(text[max(start - 16, 0) : start][::-1]), _FOURS.match(text, end)
    return sum(len(fours[0]) // 5 for fours in (before, behind) if fours) >= _MANY_FOURS


def _is_fraction(text: str, start: int, end: int) -> bool:
    """Whether a decimal point stands on either side."""
    return bool(_FRACTION.search(text, max(start - 3, 0), start)) or (
        text.startswith(".", end) and end + 1 < len(text) and text[end + 1].isdigit()
    )


def _is_card(written: str) -> bool:
    digits = "".join(_DIGIT.findall(written))
    size = len(digits)
    return any(size in sizes and low <= digits[: len(low)] <= high for low, high, sizes in _ISSUERS) and luhn.is_valid(
        digits
    )
