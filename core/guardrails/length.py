"""A text too long for any model is stopped before it costs anything."""

from __future__ import annotations

from core.guardrails import Ruling, Stage, Verdict

MOST_CHARACTERS = 1_000_000
"""About 250 000 tokens, more than the models that structured output is used with can read."""


class Length:
    """Blocks texts beyond a million characters."""

    name = "length"
    stages = frozenset({Stage.INPUT})

    def screen(self, text: str) -> Verdict:
        """Judge *text*."""
        if len(text) <= MOST_CHARACTERS:
            return Verdict(Ruling.ALLOW, text)
        return Verdict(
            Ruling.BLOCK,
            text,
            f"The input has {len(text):,} characters; at most {MOST_CHARACTERS:,} are accepted. Send it in parts.",
        )

    def screen_partial(self, text: str) -> Verdict:
        """Judge a *text* that is still being written, as if it were whole."""
        return self.screen(text)


GUARDRAIL = Length()
