"""The vendors' prompt caches: what a call finds of earlier ones, and what it leaves for later ones.

OpenAI keeps every prompt from 1 024 tokens on, and finds the longest beginning that a call of the same account, model
and ``prompt_cache_key`` had, in steps of 128 tokens. Anthropic keeps what stands before a mark, if that is long enough
for the model, for five minutes from its last use, and looks for it at each mark and up to 20 blocks before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_BYTES_PER_TOKEN = 4
_STEP_BYTES = 128 * _BYTES_PER_TOKEN
_LEAST_STEPS = 8
LIFETIME_SECONDS = 300.0
_LOOKS_BACK = 20
MOST_MARKS = 4
_LEAST_TOKENS = {"claude-haiku-4-5": 4096, "claude-opus-4-5": 4096}
_USUAL_LEAST_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a prompt, in the order in which the vendor reads it."""

    data: bytes
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What of a prompt's tokens was read from the cache, and what was written to it."""

    cached_tokens: int = 0
    written_tokens: int = 0


class Caches:
    """Both vendors' caches."""

    def __init__(self) -> None:
        self._kept: dict[bytes, float] = {}
        """When each beginning was last used, by its hash."""

    def clear(self) -> None:
        """Forget every prompt."""
        self._kept = {}

    def automatic(self, space: str, blocks: Iterable[Block]) -> Found:
        """Return what OpenAI's cache does with a prompt; calls of another *space* are never found."""
        whole = b"".join(block.data for block in blocks)
        steps = len(whole) // _STEP_BYTES
        if steps < _LEAST_STEPS:
            return Found()
        running = hashlib.sha256(f"openai {space}".encode())
        found = 0
        for step in range(1, steps + 1):
            running.update(whole[(step - 1) * _STEP_BYTES : step * _STEP_BYTES])
            if step >= _LEAST_STEPS:
                if running.digest() in self._kept:
                    found = step
                self._kept[running.digest()] = 0.0
        return Found(found * _STEP_BYTES // _BYTES_PER_TOKEN)

    def marked(self, space: str, model: str, blocks: Sequence[Block], now: float) -> Found:
        """Return what Anthropic's cache does with a prompt at the time *now*, in seconds."""
        marks = [place for place, block in enumerate(blocks) if block.is_marked]
        if not marks:
            return Found()
        running = hashlib.sha256(f"anthropic {space} {model}".encode())
        ends: list[tuple[bytes, int]] = []
        size = 0
        for block in blocks[: marks[-1] + 1]:
            running.update(b"%d:" % len(block.data) + block.data)
            size += len(block.data)
            ends.append((running.digest(), size // _BYTES_PER_TOKEN))
        looked_at = {place for mark in marks for place in range(max(0, mark - _LOOKS_BACK), mark + 1)}
        found = max((place for place in looked_at if self._is_fresh(ends[place][0], now)), default=None)
        read = 0 if found is None else ends[found][1]
        if found is not None:
            self._kept[ends[found][0]] = now
        least = _LEAST_TOKENS.get(model, _USUAL_LEAST_TOKENS)
        kept = [mark for mark in marks if ends[mark][1] >= least]
        for mark in kept:
            self._kept[ends[mark][0]] = now
        return Found(read, max(0, ends[kept[-1]][1] - read) if kept else 0)

    def _is_fresh(self, beginning: bytes, now: float) -> bool:
        return now - self._kept.get(beginning, float("-inf")) <= LIFETIME_SECONDS
