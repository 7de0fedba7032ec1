"""Keys, tokens and passwords in prose.

A rule is asked where one of its words stands, which one pass over the text finds for all of them; then its pattern is
run. A key ends where its alphabet does, not where a line of source code would.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence

from core.detection import Span, merged
from core.detection._engines import Pattern, Words, compiled, compiled_bytes
from core.detection._secret_rules import VAGUE, SecretRule, rules
from core.detection.folding import FOREIGN, as_latin, folded

_BREAKS = frozenset(" \t\r\n\x0b\x0c\"'`<>(){}[],;")
"""What stands in no secret and ends one, as what is not of ASCII does, but for letters that may look like its own."""
_IN_SIGHT = 160
"""Characters that lie at most between the word that proves a secret and the secret."""
_CLOSING = ".:!?*&|$"
"""What stands behind a value in a sentence and is none of it."""
_MIXED = re.compile(r"(?=.*\d)(?=.*[A-Za-z])", re.DOTALL)
_VARIED = re.compile(r"(?=.*\d)(?=.*[a-z])(?=.*[A-Z])", re.DOTALL)
_EXAMPLE = re.compile(
    r"(?:[a-zA-Z]+[-_]){0,4}(.)\1{7,}|.*EXAMPLE(?:KEY)?|\$\{?[\w.]+\}?|\{\{.*|%\w+%|.*\.\.\.|.*\u2026"
    r"|(?:process\.env|os\.environ)\b.*",
    re.DOTALL,
)
"""What documentation writes in the place of a secret; held against the whole of what was found."""
_LEADING = re.compile(r"[\w~.]*", re.ASCII)
_LEAD = re.compile(r"(?:^|[^A-Za-z0-9])([\w~.]{1,4}|[\w~.]{3}\dq?)\Z", re.ASCII)
"""What may stand before the word that tells Azure's secrets, which is in their middle. All others begin with theirs."""
_LONGEST_LINE = 1_000
_PART = re.compile(r"(?:(?![\"'`<>(){}\[\],;])[!-~]){1,1000}")
_IN_PART = re.compile(r"(?![\"'`<>(){}\[\],;])[!-~]")
_LINE_BREAK = re.compile(r"[ \t]{0,48}\r?\n[ \t]{0,48}")
_MOST_TRIED = 8
"""Places in one line from which on a secret is looked for that goes on in the next. Ordinary text has one."""
_MAY_BREAK = re.compile(r"[ \t]{0,48}\r?\n?[ \t]{0,48}")
_WIDEST = 100
"""Blanks that lie at most between two lines of one secret."""

_COMMON = frozenset({"key", "token", "secret", "password", "access", "ion_"})
"""Words of rules that prove nothing by themselves, as texts, requests and answers are full of them: the last one stands
in ``completion_tokens``, which each answer tells."""

_GAP = r"(?:\s|\\[nr])*"
_HEADER = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_FOOTER = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_LINES = (
    rf"(?:{_GAP}(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash):[^\n\\]{{0,100}})*(?:{_GAP}[A-Za-z0-9+/=]{{16,}})*"
)
_BLOCK = compiled(rf"{_HEADER}{_LINES}(?:{_GAP}(?:[A-Za-z0-9+/=]{{1,75}}{_GAP})?{_FOOTER})?")
_BEGUN = compiled(
    rf"{_HEADER}{_LINES}(?:{_GAP}[A-Za-z0-9+/=]{{0,75}}{_GAP}(?:-{{0,5}}|-----E[A-Z0-9 ]{{0,60}}-{{0,5}}))?\z"
)
_BLOCK_WORD = "-----begin"
_BLOCK_BEGUN = re.compile(r"(?:-{1,4}|-----b?|-----be|-----beg|-----begi)\Z")
_BEGINNING = re.compile(r"-----BEGIN[A-Z0-9 ]{0,60}-{0,5}\Z")
_LEAST_OF_A_KEY = 40
"""Characters of Base64 below which a private key is only spoken of."""


class SecretDetector:
    """Finds keys, tokens, passwords and private keys."""

    def __init__(self) -> None:
        """Read the rules; a pattern is compiled when its word is met for the first time."""
        self._rules, self.published = rules()
        self._compiled: dict[SecretRule, Pattern] = {}
        by_word: dict[str, list[SecretRule]] = {_BLOCK_WORD: []}
        for rule in self._rules:
            for word in rule.words:
                by_word.setdefault(word, []).append(rule)
        self._words = Words({word: (len(word), of) for word, of in by_word.items()})
        self._glance = compiled_bytes(_any_of(self._rules))
        self._beside = Words({word: () for rule in self._rules if rule.is_beside for word in rule.words})
        leading = {word for word, of in by_word.items() if not of or not all(rule.follows for rule in of)}
        self._beginnings = frozenset(word[:size] for word in leading for size in range(1, len(word)))
        self._longest = max(map(len, leading))

    def find(self, text: str) -> list[Span]:
        """Return the secrets in *text*."""
        view = folded(text)
        if not self._glance.search(view.text.encode(errors="replace")):
            return []
        spans = merged(self._found(view.text, _lowered(view.text)))
        return [Span(view.start(one.start), view.end(one.end), one.kind) for one in spans]

    def shape(self, kind: str, text: str) -> str:
        """Return what may be told of *text*, a secret of this *kind*: its length, and what all of its kind begin with.

        That is a word of a published rule, which says whose it is: no character of what nobody else has.
        """
        seen = folded(text).text
        lowered = _lowered(seen)
        words = [word for rule in self._rules if rule.kind == kind and not rule.follows for word in rule.words]
        known = max((len(word) for word in words if lowered.startswith(word)), default=0)
        return f"{seen[:known]}…, {len(text):,} characters" if known else f"{len(text):,} characters"

    def may_find(self, text: str) -> bool:
        """Whether there is a secret in a part of *text*: where there is one, it is one of the whole, too."""
        return bool(self.find(text))

    def decided(self, text: str) -> int:
        """Return where the last token of *text* begins, if it may become a secret, or what it belongs to."""
        view = folded(text)
        lowered = _lowered(view.text)
        if self._words.any(lowered):
            at = self._decided(view.text, lowered, merged(self._found(view.text, lowered)))
        else:
            at = self._first_undecided(lowered, _token_start(view.text, len(view.text)))
        return view.start(at) if at < len(lowered) else len(text)

    def forgettable(self, text: str) -> int:
        """Return the last beginning of a token behind which no word proves anything that comes."""
        view = folded(text)
        lowered = _lowered(view.text)
        at = _token_start(view.text, len(lowered))
        if self._words.any(lowered):
            at = self._apart(view.text, lowered, at)
        return view.start(at) if at < len(lowered) else len(text)

    def _apart(self, text: str, lowered: str, at: int) -> int:
        """Return the last beginning of a token up to *at* that no finding and no word before it reaches across."""
        found = merged(self._found(text, lowered))
        at = min(self._decided(text, lowered, found), at)
        while at:
            seen = [begin for begin, _ in self._beside.found(lowered, max(at - _IN_SIGHT, 0), at)]
            seen += [span.start for span in found if span.start < at < span.end]
            if not seen:
                break
            at = _token_start(text, min(seen))
        return at

    def _found(self, text: str, lowered: str) -> Iterator[Span]:
        if "-----BEGIN" in text:
            yield from _private_keys(text)
        asked: dict[SecretRule, None] = {}
        leading: list[tuple[int, SecretRule]] = []
        for at, (_, of) in self._words.found(lowered):
            asked |= dict.fromkeys(of)
            leading += [(at, rule) for rule in of if not rule.follows]
        found = [span for rule in asked for span in self._matches(rule, text)]
        yield from _without_vague(found)
        if leading and "\n" in text:
            yield from self._wrapped(text, leading, merged(found))

    def _matches(self, rule: SecretRule, text: str) -> Iterator[Span]:
        pattern = self._compiled.get(rule)
        if pattern is None:
            pattern = self._compiled[rule] = compiled(rule.pattern)
        for match in pattern.finditer(text):
            if (span := _secret(rule, text, *match.span(rule.group))) is not None:
                yield span

    def _decided(self, text: str, lowered: str, found: Sequence[Span]) -> int:
        begin = _token_start(text, len(text))
        undecided = [self._first_undecided(lowered, begin)]
        block = text.rfind("-----BEGIN")
        if block >= 0 and (_BEGUN.match(text, block) or _BEGINNING.match(text, block)):
            undecided.append(block)
        above = _line_above(text, begin)
        if above is not None:
            line = lowered[above:begin]
            undecided += [above + at for at in self._leading(line) if _outside(above + at, found)]
        at = min(undecided)
        growing = (span.start for span in found if span.start < at and (at < span.end or span.end == len(text)))
        return min([at, *growing])

    def _first_undecided(self, lowered: str, begin: int) -> int:
        """Return where in the token from *begin* to the end of a text something begins that may become a secret."""
        if self._beside.any(lowered[max(begin - _IN_SIGHT, 0) : begin]):
            return begin
        token = as_latin(lowered[begin:]).lower()
        first = [len(token), *self._leading(token)]
        first += [at + size for at, (size, of) in self._words.found(token) if any(rule.follows for rule in of)]
        places = range(max(len(token) - self._longest, 0), len(token))
        first += [at for at in places if token[at:] in self._beginnings and not _is_glued(token, at)]
        if lead := _LEAD.search(token[-6:]):
            first.append(max(len(token) - 6, 0) + lead.start(1))
        if block := _BLOCK_BEGUN.search(token[-10:]):
            first.append(max(len(token) - 10, 0) + block.start())
        return begin + min(first)

    def _leading(self, token: str) -> Iterator[int]:
        """Find where in *token* a secret may begin, by a word that it begins with."""
        for at, (_, of) in self._words.found(token):
            if not of:
                yield at
            for begin in {at - rule.lead for rule in of if not rule.follows}:
                if begin >= 0 and not _is_glued(token, begin) and _LEADING.fullmatch(token, begin, at):
                    yield begin

    def _wrapped(self, text: str, leading: Sequence[tuple[int, SecretRule]], found: Sequence[Span]) -> Iterator[Span]:
        """Find what a document broke into two lines, where the first of them is none by itself."""
        leading = sorted(leading, key=_place)
        for gap in _LINE_BREAK.finditer(text):
            middle, second = gap.span()
            first = bisect_left(leading, middle - _LONGEST_LINE, key=_place)
            rest = _PART.match(text, second)
            if rest is None or first == bisect_left(leading, middle, key=_place):
                continue
            begin = _part_start(text, middle)
            tried = 0
            for at, rule in leading[bisect_left(leading, begin, key=_place) : bisect_left(leading, middle, key=_place)]:
                if _is_glued(text, at) or not _outside(at, found):
                    continue
                tried += 1
                if tried > _MOST_TRIED:  # all of it counts as found: what is not judged is never passed
                    yield Span(at, rest.end(), rule.kind)
                    break
                yield from self._joined(rule, text, at, middle, rest)

    def _joined(self, rule: SecretRule, text: str, at: int, middle: int, rest: re.Match[str]) -> Iterator[Span]:
        """Find what begins *at*, in a line that ends at *middle*, and goes on in the *rest*."""
        for span in self._matches(rule, text[at:middle] + rest[0]):
            if not span.start and span.end > middle - at:
                yield Span(at, rest.start() + span.end - (middle - at), span.kind)


def _any_of(rules: Sequence[SecretRule]) -> str:
    """Return a pattern of which something stands in every text in which one of *rules* finds something.

    That is a word of the rule; where its words stand in every other request (``max_tokens``), its own pattern. One pass
    for all of them costs a fifth of a pass for the words and one for each rule that a common word asks.
    """
    common = [rule for rule in rules if not _COMMON.isdisjoint(rule.words)]
    words = {word for rule in rules if rule not in common for word in rule.words}
    return "|".join(
        [
            "(?i:" + "|".join(map(re.escape, sorted(words | {_BLOCK_WORD}))) + ")",
            *(f"(?:{rule.pattern})" for rule in common),
        ]
    )


def _place(hit: tuple[int, SecretRule]) -> int:
    return hit[0]


def _part_start(text: str, end: int) -> int:
    """Return where the part of a line begins that ends at *end*, which is no longer than a line may be."""
    begin = end
    while begin > max(end - _LONGEST_LINE, 0) and _IN_PART.match(text, begin - 1):
        begin -= 1
    return begin


def _outside(at: int, found: Sequence[Span]) -> bool:
    """Whether *at* lies in none of *found*, which are in order and without overlaps."""
    before = bisect_right(found, at, key=lambda span: span.start) - 1
    return before < 0 or found[before].end <= at


def _without_vague(found: Sequence[Span]) -> Iterator[Span]:
    """Leave out what was found only by a word before it where a rule knows better what it is."""
    exact = merged(span for span in found if span.kind not in VAGUE)
    starts = [span.start for span in exact]
    for span in found:
        before = bisect_left(starts, span.end) - 1
        if span.kind not in VAGUE or before < 0 or exact[before].end <= span.start:
            yield span


def _private_keys(text: str) -> Iterator[Span]:
    for match in _BLOCK.finditer(text):
        start, end = match.span()
        body = re.sub(r"-----[^-]*-----|\\[nr]|[^A-Za-z0-9+/=]", "", text[start:end])
        if len(body) >= _LEAST_OF_A_KEY:
            yield Span(start, end, "a private key")


def _token_start(text: str, end: int) -> int:
    """Return where the token begins that ends at *end*; that place itself, where a break stands before it."""
    while end and text[end - 1] not in _BREAKS and (text[end - 1].isascii() or FOREIGN.match(text[end - 1])):
        end -= 1
    return end


def _line_above(text: str, end: int) -> int | None:
    """Return where the token begins behind which a line may have been broken before *end*; none, if there is none."""
    above = len(text[max(end - _WIDEST, 0) : end].rstrip(" \t\r\n")) + max(end - _WIDEST, 0)
    between = text[above:end]
    return _token_start(text, above) if above and _MAY_BREAK.fullmatch(between) else None


def _lowered(text: str) -> str:
    """Return *text* in small letters, each in its place."""
    return text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)


def _secret(rule: SecretRule, text: str, start: int, end: int) -> Span | None:
    """Return the secret that *rule* found in *text*, to its end; none, if it is none by what it is or stands beside."""
    if start < 0 or (not rule.is_beside and _is_glued(text, start)):
        return None
    reach = end
    while reach < len(text) and _goes_on(rule, text[reach]):
        reach += 1
    if rule.is_beside and reach > end:
        return None
    if rule.is_beside:
        reach = start + len(text[start:reach].rstrip(_CLOSING))
    value = text[start:reach]
    if (rule.entropy and entropy(value) < rule.entropy) or _EXAMPLE.fullmatch(value):
        return None
    if rule.kind in VAGUE and ("://" in value or not (_MIXED if rule.is_beside else _VARIED).match(value)):
        return None
    return Span(start, reach, rule.kind)


def _is_glued(text: str, at: int) -> bool:
    """Whether what begins at *at* is the middle of a word."""
    return at > 0 and text[at - 1].isascii() and text[at - 1].isalnum()


def _goes_on(rule: SecretRule, character: str) -> bool:
    return (character.isascii() and character.isalnum()) or (character != "." and character in rule.alphabet)


def entropy(text: str) -> float:
    """Return the bits per character of *text*, by the frequencies of its own characters (Shannon 1948)."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values()) if text else 0.0
