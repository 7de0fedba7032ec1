"""Data replaced by placeholders while a call lasts, and put back into what its caller gets.

Nothing of it is kept: the placeholder of a datum follows from the tenant's key, and which datum it stands for is known
only to the call in whose request that stands.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core.detection import Span
from core.detection.placeholders import Placeholder, PlaceholderSearch, identity, placeholder, tags_in


@dataclass(frozen=True, slots=True)
class Replaced:
    """A datum of the request that a placeholder stands for."""

    text: str
    """As it was written first."""
    kind: str


class Placeholders:
    """The placeholders of one call."""

    def __init__(self, key: bytes, texts: Callable[[], Iterable[str]] = tuple) -> None:
        """Derive names by *key*; of what stands in one of *texts*, which are the caller's, none is taken for ours."""
        self._key = key
        self._texts = texts
        self._foreign: frozenset[str] | None = None
        self._made: dict[tuple[str, str], Placeholder] = {}
        self._owners: dict[str, tuple[str, str]] = {}
        """By tag, whose it is."""
        self._kinds: dict[str, str] = {}
        self._restored: dict[Placeholder, Replaced] = {}
        self._never: set[Placeholder] = set()
        self._search: PlaceholderSearch | None = None

    def of(self, kind: str, text: str, *, is_restored: bool) -> str:
        """Return what goes on in the place of *text*, of a *kind* as a span tells it.

        If it *is_restored* it is put back into the answer, unless something else says that it is not.
        """
        datum = kind, identity(kind, text)
        made = self._made.get(datum)
        if made is None:
            made = self._made[datum] = self._new(datum, text)
            self._kinds[made.written] = kind
        if not is_restored:
            self._never.add(made)
            if self._restored.pop(made, None) is not None:
                self._search = None
        elif made not in self._restored and made not in self._never:
            self._restored[made] = Replaced(text, kind)
            self._search = None
        return made.written

    def again(self, kind: str, text: str) -> str:
        """Return what stands in the place of *text* in an answer: it changes nothing of what is put back."""
        made = self._made.get((kind, identity(kind, text)))
        return made.written if made else self.of(kind, text, is_restored=False)

    def kinds_in(self, text: str) -> set[str]:
        """Return of which kinds the placeholders are in *text*."""
        return {kind for written, kind in self._kinds.items() if written in text}

    @property
    def restores(self) -> bool:
        """Whether there is anything to be put back."""
        return bool(self._restored)

    def restored(self, text: str) -> tuple[str, list[Span]]:
        """Return *text* with each datum in the place of its placeholder, and where they are, each of its kind."""
        parts: list[str] = []
        spans: list[Span] = []
        at = length = 0
        for start, end, datum in self.found(text):
            length += start - at
            spans.append(Span(length, length + len(datum.text), datum.kind))
            length += len(datum.text)
            parts += (text[at:start], datum.text)
            at = end
        return ("".join([*parts, text[at:]]), spans) if spans else (text, spans)

    def found(self, text: str) -> list[tuple[int, int, Replaced]]:
        """Return where each placeholder begins and ends in *text*, from the left, and what it stands for."""
        return [(start, end, self._restored[made]) for start, end, made in self._known().find(text)]

    def decided(self, text: str) -> int:
        """Return where at the end of a growing *text* something begins that may become a placeholder."""
        return self._known().decided(text)

    def _known(self) -> PlaceholderSearch:
        if self._search is None:
            self._search = PlaceholderSearch(self._restored)
        return self._search

    def _new(self, datum: tuple[str, str], text: str) -> Placeholder:
        """Return a placeholder that no other datum of the call has, and that stands nowhere in the caller's texts."""
        if self._foreign is None:
            self._foreign = tags_in(self._texts())
        tried = 0
        while True:
            said = f"{datum[0]}\0{datum[1]}\0{tried}".encode(errors="surrogatepass")
            made = placeholder(datum[0], text, int.from_bytes(hmac.digest(self._key, said, "sha256")))
            if made.tag not in self._foreign and self._owners.setdefault(made.tag, datum) == datum:
                return made
            tried += 1
