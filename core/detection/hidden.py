"""Characters that nobody sees, and such as turn the direction of what is seen: models read them, people do not.

Many languages and pictures need some of them, where they stand: a joiner beside an Arabic or Indic letter or between
pictographs, the tags of a region's flag, a mark of direction among letters that are read from the right. Those are
explained, and are no finding.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from core.detection import Span, merged
from core.detection._streams import kept_whole
from core.detection.folding import INVISIBLE, UNSEEN

_NEAR = 40
"""Characters on each side of a mark of direction in which a letter explains it that is read from the right."""
_WIDEST = 200
"""Characters that lie at most between what opens another direction and what closes it."""
_TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_TURN = re.compile(f"[{_TURNING}]")
_RUN = re.compile(f"(?:(?![{_TURNING}])[{UNSEEN}])+")
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u05ff\u0620-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]+"
)
_MARKS = frozenset("\u061c\u200e\u200f")
_OPENING = {**dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c"), **dict.fromkeys("\u2066\u2067\u2068", "\u2069")}
_OVERRIDES = frozenset("\u202d\u202e")
_LEAST_OF_A_TEXT = 3
_TAGS = re.compile("[\U000e0000-\U000e007f]")

_PICTURE = (
    "\u00a9\u00ae\u203c\u2049\u20e3\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u2460-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_IDEOGRAPH = "\u2e80-\u2fdf\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff\u3040-\u30ff"
_JOINED = (
    "\u0620-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u17ff\u1820-\u18af"
    "\ufb50-\ufdff\ufe70-\ufefc\U0001e900-\U0001e95f"
)
_EXPLAINED = re.compile(
    "|".join(
        (
            f"[{_PICTURE}]\ufe0f?\u200d[{_PICTURE}]",  # the parts of a picture
            f"[{_PICTURE}]\ufe0f(?:.|\\Z)|[0-9#*]\ufe0f\u20e3",  # a picture in colour
            f"[{_PICTURE}0-9#*\u3030]\ufe0e(?:.|\\Z)",  # in black and white
            f"[{_JOINED}][\u200c\u200d](?:.|\\Z)",  # how letters join
            f"(?:.|^)[\u200c\u200d][{_JOINED}]",
            f"[{_UNSPACED}]\u200b(?:.|\\Z)",  # where a line may break
            "[^\\W\\d_]\u00ad[^\\W\\d_]",
            f"[{_IDEOGRAPH}][\U000e0100-\U000e01ef\ufe00-\ufe02](?:.|\\Z)",  # how an ideograph is drawn
            "[\u2200-\u22ff\u1000-\u109f\ua840-\ua87f]\ufe00(?:.|\\Z)",
            "[\u1820-\u18aa][\u180b-\u180f](?:.|\\Z)",
            "[\u1100-\u115e]\u1160(?:.|\\Z)",
            "[\u2801-\u28ff]\u2800+(?:.|\\Z)",  # a blank of Braille
            "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,5}\U000e007f(?:.|\\Z)",  # the flag of a region
        )
    ),
    re.DOTALL,
)
"""A run of such characters with what is seen on each side of it, where there is something."""


class HiddenDetector:
    """Finds what is invisible or turns the direction of a text, and is not explained by what stands beside it."""

    def find(self, text: str) -> list[Span]:
        """Return the hidden characters in *text*, a whole run of them as one."""
        if text.isascii():
            return []
        found = [Span(at, at + 1, _turn(text[at])) for at, turn in _turns(text).items() if not turn.is_explained]
        for match in _RUN.finditer(text):
            start, end = match.span()
            if not _EXPLAINED.fullmatch(text, max(start - 1, 0), end + 1):
                found.append(Span(start, end, _run(match[0])))
        return sorted(found)

    def decided(self, text: str) -> int:
        """Return where a run begins that may go on, or a mark of direction that what comes may explain."""
        if text.isascii():
            return len(text)
        open_turns = (at for at, turn in _turns(text).items() if not turn.is_settled)
        return min(next(open_turns, len(text)), _run_start(text, len(text)))

    def forgettable(self, text: str) -> int:
        """Return the last place between two characters that are seen, from which no mark of direction is near."""
        turns = _turns(text)
        zones = [Span(turn.begin, turn.end, "") for turn in turns.values()]
        if near := _RIGHT_TO_LEFT.search(text, max(len(text) - _NEAR, 0)):
            zones.append(Span(near.start(), len(text) + 1, ""))
        zones = merged(zones)
        at = len(text)
        while at:
            seen = _run_start(text, at)
            seen = seen - 1 if at == len(text) or seen < at else at
            kept = max(kept_whole(seen, zones), 0)
            if kept == at:
                return at
            at = kept
        return 0

    def may_find(self, text: str) -> bool:
        """Whether a part of *text* may have one."""
        return not text.isascii() and INVISIBLE.search(text) is not None


@dataclass(frozen=True, slots=True)
class _Direction:
    """One character that turns the direction."""

    is_explained: bool
    is_settled: bool
    """Nothing that comes changes that."""
    begin: int
    end: int
    """What explains it, or might, stands between these."""


def _turns(text: str) -> dict[int, _Direction]:
    """Return the characters of *text* that turn its direction, by place and in order."""
    places = [match.start() for match in _TURN.finditer(text)]
    if not places:
        return {}
    others = _pairs(text, places)
    letters = [match.span() for match in _RIGHT_TO_LEFT.finditer(text)]
    turns: dict[int, _Direction] = {}
    for at in places:
        character = text[at]
        if character not in _MARKS and at not in others:
            line = text.find("\n", at, at + _WIDEST + 1)
            end = at + 1 if character not in _OPENING else line + 1 if line >= 0 else at + _WIDEST + 1
            turns[at] = _Direction(False, character in _OVERRIDES or end <= len(text), at, end)
            continue
        first, last = sorted((at, others.get(at, at)))
        begin, end = first - _NEAR, last + 1 + _NEAR
        is_explained = text[first] not in _OVERRIDES and _is_any_between(letters, begin, end)
        is_settled = is_explained or text[first] in _OVERRIDES or end <= len(text)
        turns[at] = _Direction(is_explained, is_settled, begin, end)
    return turns


def _is_any_between(letters: Sequence[tuple[int, int]], begin: int, end: int) -> bool:
    """Whether one of *letters*, which are runs in order, has a part between *begin* and *end*."""
    first = bisect_right(letters, begin, key=lambda run: run[1])
    return first < len(letters) and letters[first][0] < end


def _pairs(text: str, places: Sequence[int]) -> dict[int, int]:
    """Return for what opens another direction what closes it in the same line, and the other way round."""
    opened: list[int] = []
    others: dict[int, int] = {}
    for at in places:
        begin = max(at - _WIDEST, 0)
        opened = opened[bisect_left(opened, max(text.rfind("\n", begin, at), begin)) :]
        if text[at] in _OPENING:
            opened.append(at)
        elif opened and _OPENING[text[opened[-1]]] == text[at]:
            others[at] = opened.pop()
            others[others[at]] = at
    return others


def _run_start(text: str, end: int) -> int:
    """Return where the run of unseen characters begins that ends at *end*; that place itself, if there is none."""
    while end and INVISIBLE.match(text[end - 1]) and not _TURN.match(text[end - 1]):
        end -= 1
    return end


def _turn(character: str) -> str:
    return "a direction override" if character in _OVERRIDES else "a direction mark"


def _run(characters: str) -> str:
    return "hidden text" if len(characters) > _LEAST_OF_A_TEXT or _TAGS.match(characters) else "a hidden character"
