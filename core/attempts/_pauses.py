"""How long a retry waits, and when it is not worth waiting for."""

from __future__ import annotations

from collections.abc import Callable

from core.providers import ProviderError

LONGEST_WAIT_SECONDS = 2.0
"""A retry that must wait longer gives way to the next candidate, where there is one."""
FIRST_WAIT_SECONDS = 0.2


def pause(
    error: ProviderError, *, retried: int, left: float, goes_on: bool, chance: Callable[[], float]
) -> tuple[float | None, str]:
    """Return for how many seconds a retry waits, ``None`` where there is to be none, and the reason.

    The provider's own word is kept; without one the wait doubles each time and is never the same. *left* is the time to
    the deadline: a wait that cannot end in time never begins. *goes_on* says whether another can be asked instead.
    """
    seconds = error.retry_after_seconds
    by = "as it asks for" if seconds is not None else "as this may pass"
    if seconds is None:
        seconds = FIRST_WAIT_SECONDS * 2**retried * (1 + chance())
    if seconds >= left:
        return None, f"a retry would have to wait {seconds:.1f} s, and only {max(left, 0):.1f} s are left"
    if seconds > LONGEST_WAIT_SECONDS and goes_on:
        return None, f"a retry would have to wait {seconds:.1f} s; another can be asked sooner"
    return seconds, by
