"""What the fake was asked, what it billed, and whether it told."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


def token_count(byte_count: int) -> int:
    """Return how many tokens the fake counts for *byte_count* bytes: one for four, at least one."""
    return max(1, byte_count // 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of one call by kind, as Proctor counts: input includes cached and written, output includes reasoning."""

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


NOTHING = Tokens()


@dataclass(slots=True, kw_only=True)
class Call:
    """One request to a model. Entered when it arrives; completed as its answer goes out."""

    number: int
    request_id: str
    path: str
    model: str
    scenario: str
    turn: int
    """How many calls of the same conversation came before; known for scenarios of more than one reply only."""
    stream: bool
    key_hash: str
    """The first 16 hexadecimal digits of the SHA-256 of the API key; empty if none was sent."""
    connection: int
    """Which connection it came on, counted from 1."""
    received_at: float
    """Seconds on the monotonic clock."""
    status: int | None = None
    """``None`` while no status was sent."""
    usage: Tokens = NOTHING
    """What was billed so far."""
    told: bool = False
    """Whether the whole usage went out on the wire."""
    client_gone: bool = False
    """Whether the client left before the answer was out."""
    ended_at: float | None = None
    """``None`` while the answer is under way, or hanging."""
    request: dict[str, Any] | None = field(default=None, repr=False)
    """The body that was asked with; kept in-process only, and never sent."""

    @property
    def billed(self) -> bool:
        """Whether the call cost anything."""
        return self.usage != NOTHING

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the request's body."""
        kept = asdict(self)
        del kept["request"]
        return kept


class Ledger:
    """Every call, in the order of arrival. Written by the server's loop; safe to read from any thread."""

    def __init__(self) -> None:
        self._calls: list[Call] = []

    def enter(self, call: Call) -> None:
        """Append *call*."""
        self._calls.append(call)

    def clear(self) -> None:
        """Forget every call."""
        self._calls = []

    def calls(self, *, model: str | None = None, key_hash: str | None = None) -> list[Call]:
        """Return the calls, of one model or one key if so asked."""
        return [
            call
            for call in self._calls.copy()
            if (model is None or call.model == model) and (key_hash is None or call.key_hash == key_hash)
        ]

    def told(self, **which: str | None) -> Tokens:
        """Return what was billed in calls whose usage went out on the wire; *which* as for ``calls``."""
        return sum((call.usage for call in self.calls(**which) if call.told), NOTHING)

    def untold(self, **which: str | None) -> Tokens:
        """Return what was billed in calls whose usage never went out whole; *which* as for ``calls``."""
        return sum((call.usage for call in self.calls(**which) if not call.told), NOTHING)

    @property
    def open_count(self) -> int:
        """How many calls are under way."""
        return sum(call.ended_at is None for call in self._calls.copy())
