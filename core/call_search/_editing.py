"""A text of a search with a term more or less; the rest stays as it was typed."""

from __future__ import annotations

import re

from core.call_search._printing import printed
from core.call_search._reading import read_search
from core.call_search._terms import Either, PlacedTerm, Term

_AND_BEFORE, _AND_AFTER = re.compile(r"(?:^|(?<=[\s)]))AND$"), re.compile(r"^AND(?=[\s(]|$)\s*")


def with_term(text: str, term: Term) -> str:
    """Return *text* narrowed by one more term; as it is, where that is among those that must hold.

    Raises:
        Invalid: the text cannot be read.

    """
    search = read_search(text)
    if any(one.term == term for one in search.placed):
        return text
    said = f"({printed(term)})" if isinstance(term, Either) and search.term else printed(term)
    before = f"({text.strip()})" if isinstance(search.term, Either) and len(search.placed) == 1 else text.strip()
    return f"{before} {said}".strip()


def without(text: str, placed: PlacedTerm) -> str:
    """Return *text* without one of the terms that it was read as, and without the AND that joined it.

    What stands before it stays where it is, so that the places of earlier terms still hold.
    """
    before, after = text[: placed.begins].rstrip(), text[placed.ends :].strip()
    if joined := _AND_BEFORE.search(before):
        before = before[: joined.start()].rstrip()
    else:
        after = _AND_AFTER.sub("", after)
    return f"{before} {after}" if before and after else before or after
