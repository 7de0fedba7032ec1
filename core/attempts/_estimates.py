"""What a call may use, and what one used whose usage the wire never told."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from core.messages.likely_tokens import likely_tokens
from core.pricing import Usage
from core.providers import Answer

BYTES_PER_TOKEN = 3
"""For estimates: English prose has about four, JSON and code about three."""
UNSEEN_TOKENS = 600
"""For bounds: what a vendor may add to what we send, such as its own words about tools. Anthropic adds up to 530."""
UNKNOWN_LENGTH = 256
"""How long an answer is taken to be, in tokens, while none to the same schema by the same model is known."""
_RECENT = 32
"""How many answers of one kind are kept."""
_MOST_KINDS = 1024


class AnswerLengths:
    """How long recent valid answers were, in tokens, by schema and model: what a call is likely to use.

    It is kept in this process only, of the last answers of so many kinds; what is forgotten is learned again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, str], deque[int]] = {}

    def learn(self, schema: str, provider: str, model: str, tokens: int) -> None:
        """Take in that a valid answer was *tokens* long."""
        kind = (schema, provider, model)
        known = self._known.get(kind)
        if known is None:
            with self._lock:
                while len(self._known) >= _MOST_KINDS:
                    del self._known[next(iter(self._known))]
                known = self._known.setdefault(kind, deque(maxlen=_RECENT))
        known.append(tokens)

    def likely(self, schema: str, provider: str, model: str, *, seen: int, most: int) -> int:
        """Return how long an answer of which *seen* tokens are known has become in all, never more than *most*.

        Three of four recent ones that were longer than what was seen were no longer than that. What has outgrown all
        that is known is taken to have been at its end.
        """
        known = self._known.get((schema, provider, model))
        if not known:
            return min(most, max(seen, UNKNOWN_LENGTH))
        lengths = sorted(known.copy())  # a copy: another thread may take in an answer meanwhile
        lengths = lengths[bisect_right(lengths, seen) :]
        return min(most, lengths[-(-3 * len(lengths) // 4) - 1] if lengths else seen)


def estimate(answer: Answer, sent: int, likely: Callable[[int], int], most: int, *, is_whole: bool = False) -> Usage:
    """Return what a call used whose usage the wire never told.

    Input is what was told, or the tokens that were *sent*. Output is what was seen and, unless the answer came whole, a
    likely rest: *likely* says how long an answer becomes of which so many tokens are known. What was seen is the larger
    of both ways to estimate it, and no more than the *most* that it could be.
    """
    told = answer.usage or Usage()
    seen = max(-(-len(answer.text.encode()) // BYTES_PER_TOKEN), likely_tokens([answer.text]))
    seen = max(told.output_tokens, min(seen, most))
    if is_whole and told.output_tokens and not told.is_told:
        output = told.output_tokens
    else:
        output = seen if is_whole and answer.text else max(told.output_tokens, likely(seen))
    return replace(told, input_tokens=told.input_tokens or sent, output_tokens=output, estimated=True)
