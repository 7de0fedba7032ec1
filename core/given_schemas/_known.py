"""Schemas that come with requests, again and again: read once, and known by their content."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import orjson

from core.given_schemas._given import GivenSchema, read
from core.json_schemas import MOST_BYTES

_MOST_KNOWN = 4_096
_MOST_KNOWN_BYTES = 8_000_000


class KnownSchemas:
    """What was read of late. One that was read to the letter is known by its text alone."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[GivenSchema | None, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def read(self, given: dict[str, Any]) -> GivenSchema:
        """Return the schema that *given* means.

        Raises:
            Invalid: it is no schema, or holds several; one sentence says where, and what was meant.

        """
        try:
            text = orjson.dumps(given)
        except TypeError:
            return read(given)
        found = self._known.get(text)  # a digest would cost more than the text's own hash
        if found is not None:
            return found[0] or GivenSchema(schema=given)
        made = read(given)
        if len(text) <= MOST_BYTES:
            is_plain = not made.notes and made.schema == given
            self._keep(text, None if is_plain else made)
        return made

    def _keep(self, text: bytes, made: GivenSchema | None) -> None:
        with self._lock:
            if text in self._known:
                return
            self._known[text] = made, len(text) * (1 if made is None else 2)
            self._bytes += self._known[text][1]
            while len(self._known) > _MOST_KNOWN or self._bytes > _MOST_KNOWN_BYTES:
                self._bytes -= self._known.popitem(last=False)[1][1]
