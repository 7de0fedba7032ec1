"""Credentials that people paste by accident go out as a mark in their place."""

from __future__ import annotations

import re

from core.guardrails import Ruling, Stage, Verdict

_SHAPES = {
    "an API key": r"(?:(?:sk|prk|pk|rk)[-_](?:ant-|proj-|live_|test_)?[A-Za-z0-9_-]{20,}|proctor_[0-9A-Za-z]{38})",
    "an AWS access key": r"AKIA[0-9A-Z]{16}",
    "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{36,}",
    "a Slack token": r"xox[baprs]-[A-Za-z0-9-]{10,}",
    "a JSON web token": r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----",
}
_OF_GITHUB = (b"gh%c_" % kind for kind in b"pousr")
_OF_KEYS = (b"sk-", b"sk_", b"pk-", b"pk_", b"rk-", b"rk_", b"proctor_")
_HINTS = (*_OF_KEYS, b"AKIA", *_OF_GITHUB, b"xox", b"eyJ", b"-----BEGIN")
"""Each shape has one of these in it, and JSON writes them as they are. Nearly every text has none, and is then not
searched for the shapes."""
_HINT = re.compile("|".join(re.escape(hint.decode()) for hint in _HINTS))
_ANY = re.compile("|".join(f"(?<![A-Za-z0-9_-])(?P<s{n}>{shape})" for n, shape in enumerate(_SHAPES.values())))
_NAMES = tuple(_SHAPES)
_MAY_BECOME = re.compile(
    r"(?<![A-Za-z0-9_-])(?:(?:sk|prk|pk|rk)(?:[-_][A-Za-z0-9_-]*)?|proctor(?:_[0-9A-Za-z]*)?|AKI?A?[0-9A-Z]*|gh(?:[pousr](?:_[A-Za-z0-9]*)?)?"
    r"|xox[A-Za-z0-9-]*|eyJ[\w.-]*)\Z|-----(?:B(?:[A-Z ]*(?:-{0,5}[\s\S]*)?)?)?\Z"
)
"""A beginning of one of the shapes at the end of a text."""
_BETWEEN = re.compile(r"[^\w.-]")
"""What stands in no shape but that of a private key."""


class Credentials:
    """Redacts what has the shape of a key, a token or a private key."""

    name = "credentials"
    stages = frozenset({Stage.INPUT, Stage.OUTPUT})

    def screen(self, text: str) -> Verdict:
        """Judge *text*."""
        if not _HINT.search(text):
            return Verdict(Ruling.ALLOW, text)
        found: set[str] = set()

        def mark(match: re.Match[str]) -> str:
            name = _NAMES[int((match.lastgroup or "s0")[1:])]
            found.add(name)
            return f"[redacted: {name}]"

        redacted = _ANY.sub(mark, text)
        if not found:
            return Verdict(Ruling.ALLOW, text)
        return Verdict(Ruling.REDACT, redacted, f"The text held {' and '.join(sorted(found))}, which was redacted.")

    def may_find(self, document: bytes) -> bool:
        """Whether the JSON *document* has the hint of a credential in it."""
        return any(hint in document for hint in _HINTS)

    def screen_partial(self, text: str) -> Verdict:
        """Judge a *text* that is still being written: the beginning of a credential at its end is not shown."""
        verdict = self.screen(text)
        shown = _MAY_BECOME.sub("", verdict.text)
        if shown == verdict.text:
            return verdict
        return Verdict(Ruling.REDACT, shown, "What may become a credential is held back.")

    def settled(self, text: str) -> int:
        """Return how much of *text* no credential reaches into: all up to a blank, and to the first private key."""
        within = text.partition("-----B")[0]
        last = _BETWEEN.search(within[::-1])
        return len(within) - last.start() if last else 0


GUARDRAIL = Credentials()
