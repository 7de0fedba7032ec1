"""Paths of files in a text, judged against the folders that are allowed.

It is a rule on text: nobody looks at a file system, so no link in it is followed. What some program may read otherwise
(a backslash, a drive, a home, a sign that is encoded more than three times) is not allowed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from core.detection import Span
from core.detection.folding import folded

_MOST_DECODED = 3
"""How often a percent sign is read; programs that decode twice are met."""
_ENCODED = re.compile(r"%[0-9a-fA-F]{2}")
_DOTS = re.compile(r"\.{3,}\Z")
_BREAKS = "\\s\"'`<>(){}\\[\\]|,;="
_PATH = re.compile(
    rf"""(?<![^{_BREAKS}])(?:~[\w.-]{{0,32}}[/\\] | [A-Za-z]:[/\\] | \\{{2,8}}[\w.] | file:
        | (?:\.|%(?:25){{0,4}}2[eE]){{1,12}}(?:[/\\]|%(?:25){{0,4}}(?:2[fF]|5[cC]))
        | /(?=[\w.%~-]+[/\\]) | (?=(?:[\w.~-]+[/\\]){{1,32}}\.\.(?:[/\\{_BREAKS}]|\Z))
        | (?=[\w.~%-]{{1,100}}(?:\0|\\u0000|%(?:25)*00|(?<=\.\w)\w{{0,9}}::?\$[A-Za-z]|%(?:25){{3,8}}2[eEfF]))
        )[^{_BREAKS}]*""",
    re.VERBOSE,
)
_CLOSING = ".,:;!?*"


class PathDetector:
    """Finds paths of files that lie in no folder that is allowed."""

    def __init__(self, folders: Iterable[str]) -> None:
        """Allow what is in one of *folders*, each written from the root on; what is relative begins in each of them.

        Raises:
            ValueError: one of them is no such folder; the sentence says which.

        """
        self._folders = [_folder(folder, number) for number, folder in enumerate(folders, 1)]

    def find(self, text: str) -> list[Span]:
        """Return the paths in *text* that are not allowed: what begins as one does, and no other word."""
        return [Span(*place, "a path that is not allowed") for place in self._paths(text)]

    def decided(self, text: str) -> int:
        """Return where the last word of *text* begins, which may become a path."""
        return word_start(text)

    def forgettable(self, text: str) -> int:
        """Return the same place: nothing before a blank makes a path of what stands behind it."""
        return word_start(text)

    def may_find(self, text: str) -> bool:
        """Whether a part of *text* may have a path that is not allowed."""
        return bool(self.find(text))

    def allows(self, path: str) -> bool:
        """Whether *path*, which is all of a text, leads into an allowed folder."""
        return any(_is_within(path, folder) for folder in self._folders)

    def _paths(self, text: str) -> Iterator[tuple[int, int]]:
        view = folded(text)
        for match in _PATH.finditer(view.text):
            end = match.start() + max(len(match[0].rstrip(_CLOSING)), 1)
            place = view.start(match.start()), view.end(end)
            if not self.allows(text[place[0] : place[1]]):
                yield place


def parts_of(path: str) -> tuple[str, ...] | None:
    """Return the names in a *path*, however often it is encoded; none, if it can be read in more than one way."""
    path = unicodedata.normalize("NFKC", path)
    for _ in range(_MOST_DECODED):
        if "%" not in path:
            break
        path = unquote(path)
    path = unicodedata.normalize("NFKC", path)
    if _ENCODED.search(path) or "\\" in path or "//" in path or not path.isprintable():
        return None
    parts = path.strip("/").split("/") if path.strip("/") else []
    return None if any(_DOTS.match(part) for part in parts) else tuple(parts)


def _is_within(path: str, folder: tuple[str, ...]) -> bool:
    parts = parts_of(path)
    if parts is None or ":" in path or (parts and parts[0].startswith("~")):
        return False
    reached = [] if path.startswith("/") else list(folder)
    for part in parts:
        if part == "..":
            if not reached:
                return False
            reached.pop()
        elif part not in {".", ""}:
            reached.append(part)
    return tuple(reached[: len(folder)]) == folder


def _folder(written: str, number: int) -> tuple[str, ...]:
    parts = parts_of(written.strip())
    if not written.strip().startswith("/") or parts is None or {".", ".."} & set(parts) or ":" in written:
        raise ValueError(f"Entry {number} of the list is no folder: write it from the root on, as /srv/data.")
    return parts


def word_start(text: str) -> int:
    """Return where the word begins that *text* ends with."""
    return max(text.rfind(blank) for blank in " \n\t\r") + 1
