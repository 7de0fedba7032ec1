"""A text of a stream as it is shown, mapped back onto the pieces in which it came."""

from __future__ import annotations

from core.json_strings import OpenString


class ShownText:
    """A text that is written to one place, and what is shown of it."""

    __slots__ = ("changes", "is_thought", "screened", "size", "told", "waiting")

    def __init__(self, screened: OpenString, *, is_thought: bool) -> None:
        """Begin with nothing."""
        self.screened = screened
        self.is_thought = is_thought
        self.size = 0
        """Characters that came."""
        self.told = 0
        """Those of which it is clear what is shown."""
        self.waiting: list[str] = []
        """The others."""
        self.changes: list[tuple[int, int, str]] = []
        """From where to where in what came something else is shown, in order."""

    def look(self, text: str, *, is_last: bool = False) -> bool:
        """Go on with *text*; return whether something else is to be shown of what is clear; raises GuardrailBlocked."""
        screened, waiting = self.screened, self.waiting
        if text:
            screened.add(text)
            waiting.append(text)
        shown = screened.news(is_last=is_last)
        count = screened.told - self.told
        if not count:
            return False
        came = waiting[0] if len(waiting) == 1 else "".join(waiting)
        waiting.clear()
        if count < len(came):
            waiting.append(came[count:])
            came = came[:count]
        begin, self.told = self.told, self.told + count
        if shown == came:
            return False
        before = min(_alike(came, shown), count - 1)
        behind = min(_alike(came[::-1], shown[::-1]), count - before - 1, len(shown) - before)
        self.changes.append((begin + before, begin + count - behind, shown[before : len(shown) - behind]))
        return True

    def as_shown(self, begin: int, text: str) -> str:
        """Return what is shown of *text*, which began at that place; the same object where that is all of it.

        Frames are asked for in order: what changed before is forgotten.
        """
        self.changes = [one for one in self.changes if one[1] > begin]
        parts, at, end = list[str](), begin, begin + len(text)
        for start, stop, new in self.changes:
            if start >= end:
                break
            parts.append(text[at - begin : max(start, begin) - begin])
            if start >= begin:
                parts.append(new)
            at = min(stop, end)
        return "".join((*parts, text[at - begin :])) if at != begin or parts else text


def _alike(one: str, other: str) -> int:
    """Return with how many characters both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (mine, its) in pairs if mine != its), min(len(one), len(other)))
