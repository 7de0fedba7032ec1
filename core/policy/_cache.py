"""What was read at a revision, for as long as that stands: bounded, and made by one of all who ask at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from core.errors import ProctorError

_Value = TypeVar("_Value")


class RevisionCache(Generic[_Value]):
    """Values by key, each true at one revision. What is older than the newest *most* goes first."""

    def __init__(self, most: int, weigh: Callable[[_Value], int] = lambda _: 1) -> None:
        self._most = most
        self._weigh = weigh
        self._weight = 0
        self._entries: OrderedDict[Hashable, tuple[int, _Value, int]] = OrderedDict()
        self._making: dict[tuple[Hashable, int], Future[_Value]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def weight(self) -> int:
        """What all that is kept weighs; at most *most*, but for a single value that is heavier."""
        return self._weight

    def peek(self, key: Hashable) -> _Value | None:
        """Return what is kept under *key*, at whatever revision."""
        entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def drop(self, key: Hashable) -> None:
        """Forget what is kept under *key*."""
        with self._lock:
            self._remove(key)

    def get(self, key: Hashable, revision: int, make: Callable[[], _Value]) -> _Value:
        """Return the value of *key* at *revision*: what is kept, or what *make* returns.

        Of many who ask at once one makes it, and the others wait for it. What *make* raises all of them hear, and
        nothing is kept.
        """
        entry = self._entries.get(key)  # without the lock: a single look-up is whole by itself
        if entry is not None and entry[0] == revision:
            return entry[1]
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry[0] == revision:
                return entry[1]
            making = self._making.get((key, revision))
            is_mine = making is None
            if making is None:
                making = self._making[key, revision] = Future()
        if not is_mine:
            return _result(making)
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._making[key, revision]
            making.set_exception(_copied(error))
            raise
        with self._lock:
            del self._making[key, revision]
            self._keep(key, revision, value)
        making.set_result(value)
        return value

    def _keep(self, key: Hashable, revision: int, value: _Value) -> None:
        self._remove(key)
        weight = self._weigh(value)
        self._entries[key] = (revision, value, weight)
        self._weight += weight
        while self._weight > self._most and len(self._entries) > 1:
            _, (_, _, oldest) = self._entries.popitem(last=False)
            self._weight -= oldest

    def _remove(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= entry[2]


def _result(making: Future[_Value]) -> _Value:
    try:
        return making.result()
    except ProctorError as error:
        raise _copied(error) from None


def _copied(error: BaseException) -> BaseException:
    """Return *error* with facts of its own: each generation adds its own to what it was refused with."""
    return type(error)(error.message, **error.facts) if isinstance(error, ProctorError) else error
