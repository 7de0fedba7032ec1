"""A request as whoever screens it sees it: what can be read of it, what cannot, and what becomes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from core.dialects._places import Screen, text_head
from core.dialects._request import RelayRequest
from core.json_leaves import differences
from core.json_texts import exactly, exactly_written
from core.messages import Media, Reasoning, leaves, media_of


def readable(request: RelayRequest) -> bytes:
    """Return the body of *request* without media; nothing where it holds a text as base64, which has to be read."""
    text = request.source.text
    for one in media_of(request.messages):
        if one.data and text_head(one.data, one.media_type) is not None:
            return b""
        text = text.replace(one.data, "") if one.data else text
    return text.encode()


def unreadable(request: RelayRequest) -> Mapping[str, int]:
    """Return of which kinds of parts of *request* nobody can read what they hold, and how many there are."""
    found: Counter[str] = Counter()
    for leaf in leaves(request.messages):
        if isinstance(leaf, Media) and text_head(leaf.data, leaf.media_type) is None:
            found[leaf.kind] += 1
        elif isinstance(leaf, Reasoning) and leaf.sealed and not leaf.text:
            found["sealed thought"] += 1
    return found


def screened_request(request: RelayRequest, screen: Screen) -> RelayRequest:
    """Return *request* with every text as *screen* makes it and each other byte as it was; or itself.

    Raises:
        Invalid: what became of it is none of its dialect's.

    """
    before = exactly(request.source.text)
    after = request.dialect.places.screened(before, screen)
    changes = [(path, exactly_written(new).decode()) for path, new in differences(before, after)]
    if not changes:
        return request
    is_named_anew = any(not path for path, _ in changes)
    return request.dialect.read(exactly_written(after) if is_named_anew else request.source.patched(changes))
