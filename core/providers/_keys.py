"""The keys of one provider: they take turns, and one that is turned away rests for a while.

A call that one key is turned away with goes out again with the next that is well, before anybody hears of it: such a
call costs nothing. What happened is told by the place of a key among all (``key 2 of 3``), never by the key. With one
key nothing rests: the provider's own word is then what callers are told.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.clock import Clock, SystemClock
from core.providers import KeyRejected, ProviderError, QuotaExhausted, Throttled
from core.telemetry import log

FIRST_REST_SECONDS: Mapping[str, float] = {"turned away": 300.0, "out of quota": 60.0, "too fast": 5.0}
LONGEST_REST_SECONDS = 3600.0
_SHORTEST_KEY = 8
Reason = Literal["turned away", "out of quota", "too fast"]


@dataclass(slots=True, eq=False)
class ProviderKey:
    """One key, and how it fares."""

    text: str
    label: str
    """``key 2 of 3``; empty where there is one only."""
    rests_until: float = 0.0
    """By the monotonic clock."""
    reason: Reason | None = None
    """Why it rests, or rested last; ``None`` since it was last taken."""
    rests: int = 0
    """How often in a row."""
    digest: str = ""
    """By which it is known again in any process, and which says nothing of the key."""


@dataclass(frozen=True, slots=True)
class RestingKey:
    """What is told of a key that rests."""

    label: str
    reason: str
    seconds: float
    """How long it will go on."""


class Keyring:
    """The keys of one provider, in any thread. Each process finds out for itself which of them are well."""

    def __init__(self, provider: str, texts: Sequence[str], clock: Clock | None = None) -> None:
        self._provider = provider
        self._clock = clock or SystemClock()
        count = len(texts)
        labels = (f"key {place} of {count}" if count > 1 else "" for place in range(1, count + 1))
        self._keys = [ProviderKey(text, label, digest=_digest(text)) for text, label in zip(texts, labels, strict=True)]
        self._next = 0
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._keys)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys, to know them where they are quoted; without those that are too short to be one."""
        return tuple(key.text for key in self._keys if len(key.text) >= _SHORTEST_KEY)

    @property
    def resting(self) -> list[RestingKey]:
        """Those that rest now, in their order."""
        now = self._clock.monotonic()
        return [
            RestingKey(key.label, key.reason, key.rests_until - now)
            for key in self._keys
            if key.reason is not None and key.rests_until > now
        ]

    def take(self) -> ProviderKey:
        """Return whose turn it is, of those that are well.

        Where all rest, but some only since they were too fast, it is the one of these that is well first.

        Raises:
            KeyRejected: all rest, and none is about to be well. So QuotaExhausted.

        """
        if len(self._keys) == 1:
            return self._keys[0]
        with self._lock:
            now = self._clock.monotonic()
            if (found := self._well(now)) is not None:
                return found
            hasty = [key for key in self._keys if key.reason == "too fast"]
            if hasty:
                return min(hasty, key=lambda key: key.rests_until)
            first = min(self._keys, key=lambda key: key.rests_until)
            means = QuotaExhausted if first.reason == "out of quota" else KeyRejected
            resting = means(
                f"All {len(self._keys)} keys of {self._provider} rest, as it turned them away; "
                f"{first.label} is tried again in {first.rests_until - now:.0f} s. Check the keys, and their accounts."
            )
            _rest(resting, first.rests_until - now)
            raise resting

    def holding(self, digest: str) -> ProviderKey:
        """Return the key of this *digest*, for what only its account has; the only one there is stands for any.

        Raises:
            KeyRejected: it rests, unless it was only too fast; or it is not among them. So QuotaExhausted.

        """
        if len(self._keys) == 1:
            return self._keys[0]
        with self._lock:
            key = next((one for one in self._keys if one.digest == digest), None)
            if key is None:
                raise KeyRejected(
                    f"What the request names is stored under a key of {self._provider} that is not set here any more."
                )
            seconds = key.rests_until - self._clock.monotonic()
            if seconds <= 0 or key.reason == "too fast":
                return key
            means = QuotaExhausted if key.reason == "out of quota" else KeyRejected
            resting = means(
                f"What the request names is stored under {key.label} of {self._provider}, which rests since it was "
                f"{key.reason}; it is tried again in {seconds:.0f} s. No other key has it."
            )
            _rest(resting, seconds)
            raise resting

    def after(self, key: ProviderKey, error: ProviderError) -> ProviderKey | None:
        """Let *key* rest if *error* is about it; return another to send the same with, if one is well.

        If none is, *error* says for how long, but for one that was only too fast, which says it by itself.
        """
        if len(self._keys) == 1 or (reason := _reason(error)) is None:
            return None
        with self._lock:
            now = self._clock.monotonic()
            if key.rests_until <= now:
                key.rests += 1
            usual = FIRST_REST_SECONDS[reason] * 2 ** (key.rests - 1 if reason != "too fast" else 0)
            seconds = min(error.retry_after_seconds or usual, LONGEST_REST_SECONDS)
            key.reason, key.rests_until = reason, now + seconds
            following = self._well(now)
            if following is None and reason != "too fast":
                _rest(error, min(one.rests_until for one in self._keys) - now)
        log().warning(
            "provider_key_rests", provider=self._provider, key=key.label, reason=reason, seconds=round(seconds, 1)
        )
        return following

    def worked(self, key: ProviderKey) -> None:
        """Take note that *key* was accepted."""
        if key.rests:
            key.rests, key.reason, key.rests_until = 0, None, 0.0

    def _well(self, now: float) -> ProviderKey | None:
        """Return the next that is well, and let the one behind it be the next."""
        for step in range(len(self._keys)):
            key = self._keys[(self._next + step) % len(self._keys)]
            if key.rests_until <= now:
                self._next = (self._next + step + 1) % len(self._keys)
                return key
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(f"provider key\n{text}".encode(errors="replace")).hexdigest()[:16]


def _rest(error: ProviderError, seconds: float) -> None:
    """Say by *error* that all keys rest that could be taken. It is our trouble: no caller is told a vendor's 401."""
    error.keys_rest, error.retry_after_seconds = True, seconds
    error.answer = replace(error.answer, raw=None)


def _reason(error: ProviderError) -> Reason | None:
    """Return what *error* says of the key it came for; ``None`` if it is about something else."""
    match error:
        case QuotaExhausted():
            return "out of quota"
        case KeyRejected():
            return "turned away"
        case Throttled():
            return "too fast"
        case _:
            return None
