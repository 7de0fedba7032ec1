"""Services that judge texts: OpenAI's moderation, and a webhook of somebody's own. Real HTTP, any answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from tests.wire.answering import AnsweringServer

SCORES = {"violence": 0.01, "harassment": 0.02, "harassment/threatening": 0.0, "self-harm/intent": 0.0}


def moderated(flagged: Sequence[str] = (), **scores: float) -> dict[str, Any]:
    """Return what the moderation endpoint says of one text."""
    return {
        "flagged": bool(flagged),
        "categories": {name: name in flagged for name in (*SCORES, *flagged)} | {"illicit": None},
        "category_scores": {**SCORES, **dict.fromkeys(flagged, 0.97), **scores},
        "category_applied_input_types": {name: ["text"] for name in flagged},
    }


class GuardServer(AnsweringServer):
    """It objects to what holds one of its words, at both of its addresses, or answers what a test gives it."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.changes: Mapping[str, str] = {}
        """What the webhook makes of a text."""
        self.answer: tuple[int, bytes] | Callable[[Mapping[str, Any]], Any] | None = None
        """What it says instead: a status and bytes, or an object made of what was asked."""
        self.gate: threading.Event | None = None
        """What each answer waits for."""
        self.asked: list[Mapping[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        super().__init__()

    @property
    def texts(self) -> list[str]:
        """Every text that it was asked about."""
        return [text for one in self.asked for text in one.get("texts", one.get("input", []))]

    def asked_for(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Judge."""
        asked = orjson.loads(body)
        self.asked.append(asked)
        self.headers.append({name.lower(): value for name, value in headers.items()})
        if self.gate is not None:
            self.gate.wait(30)
        if isinstance(self.answer, tuple):
            return self.answer
        if self.answer is not None:
            return 200, orjson.dumps(self.answer(asked))
        say = self._moderated if path == "/v1/moderations" else self._judged
        return 200, orjson.dumps({"results": [say(text) for text in asked.get("texts", asked.get("input"))]})

    def _moderated(self, text: str) -> dict[str, Any]:
        return moderated(["violence"] if any(word in text for word in self.words) else [])

    def _judged(self, text: str) -> dict[str, Any]:
        if text in self.changes:
            return {"action": "replace", "text": self.changes[text]}
        return {"action": "block" if any(word in text for word in self.words) else "pass"}
