"""What every dialect's errors have in common: the status that a program understands, and whether it asks again."""

from __future__ import annotations

import math
from collections.abc import Mapping

from core.clock import whole_seconds
from core.errors import OtherRequest

LONGEST_WAIT_SECONDS = 60
"""Anthropic's SDK sleeps as long as it is told, with the caller's thread; beyond this it is told not to."""
_ASKED_AGAIN = (408, 409, 429)
"""Beside what is 500 or more: the SDKs ask again by themselves, twice."""


def outward_status(status: int, code: str) -> int:
    """Return *status* as the vendors have it: what is wrong with a request is a 400 at both.

    A key that was used for another request is no fault of this one: that stays what the standard's draft has for it.
    """
    return 400 if status == 422 and code != OtherRequest.code else status


def waiting(status: int, *, retry: bool, wait_seconds: float | None) -> Mapping[str, str]:
    """Return the headers that keep an SDK from asking again for nothing, or from sleeping for a day."""
    headers: dict[str, str] = {}
    if wait_seconds is not None and math.isfinite(wait_seconds):
        headers["retry-after"] = str(max(1, whole_seconds(wait_seconds)))
        retry = retry and wait_seconds <= LONGEST_WAIT_SECONDS
    is_asked_again = status in _ASKED_AGAIN or status >= 500
    if is_asked_again != retry:
        headers["x-should-retry"] = "true" if retry else "false"
    return headers
