"""Keys, tokens and passwords that people paste by accident go on as a mark in their place."""

from __future__ import annotations

from core.detection import Span
from core.detection.secrets import SecretDetector
from core.guardrails import Ruling, Stage, Verdict

_ESCAPES = (
    ("\\\\", "\0"),
    ("\\n", "\n"),
    ("\\t", "\t"),
    ("\\r", "\r"),
    ("\\b", "\b"),
    ("\\f", "\f"),
    ("\\", ""),
    ("\0", "\\"),
)
"""How JSON writes characters, in an order in which one after the other can be read; none of ``\\u``."""


class Secrets:
    """Redacts what is a key, a token, a password or a private key."""

    name = "secrets"
    stages = frozenset({Stage.INPUT, Stage.OUTPUT})

    def __init__(self) -> None:
        """Read the rules."""
        self._detector = SecretDetector()

    def screen(self, text: str) -> Verdict:
        """Judge *text*."""
        found = self._detector.find(text)
        if not found:
            return Verdict(Ruling.ALLOW, text)
        kinds = " and ".join(sorted({span.kind for span in found}))
        return Verdict(Ruling.REDACT, _marked(text, found), f"The text held {kinds}, which was redacted.")

    def may_find(self, document: bytes) -> bool:
        """Whether there is a secret in the JSON *document*, read as one text: so there is one in each that has one."""
        text = document.decode(errors="replace")
        if "\\" in text:
            for written, meant in _ESCAPES:
                text = text.replace(written, meant)
        return bool(self._detector.find(text))

    def screen_partial(self, text: str) -> Verdict:
        """Judge a *text* that is still being written: what may become a secret at its end is not shown."""
        decided = self._detector.decided(text)
        found = [span for span in self._detector.find(text) if span.end <= decided]
        if not found and decided == len(text):
            return Verdict(Ruling.ALLOW, text)
        return Verdict(Ruling.REDACT, _marked(text[:decided], found), "What may become a secret is held back.")

    def settled(self, text: str) -> int:
        """Return how much of *text* no secret reaches into, and proves none that comes."""
        return self._detector.forgettable(text)


def _marked(text: str, found: list[Span]) -> str:
    """Return *text* with a mark for each of what was *found*."""
    parts: list[str] = []
    at = 0
    for span in found:
        parts += (text[at : span.start], f"[redacted: {span.kind}]")
        at = span.end
    return "".join([*parts, text[at:]])


GUARDRAIL = Secrets()
