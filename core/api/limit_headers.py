"""What is left of limits, in the headers in which a dialect's programs look for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.dialects import Dialect
from core.limits import Limited, LimitLeft


def with_limits(
    dialect: Dialect, vendors: Mapping[str, str], limits: Sequence[LimitLeft], now: datetime
) -> dict[str, str]:
    """Return a vendor's headers with the caller's own *limits*, of each kind whichever stops him first."""
    headers = dict(vendors)
    for one in limits:
        if one.what is Limited.CONCURRENCY:
            continue  # the vendors have no word for it
        names = dialect.limit_headers(one.what.value)
        theirs = headers.get(names.left, "")
        if not (theirs.isascii() and theirs.isdecimal()) or int(theirs[:18]) > one.left:
            headers[names.most], headers[names.left] = str(one.most), str(one.left)
            headers[names.reset] = dialect.limit_reset(one.seconds, now)
    return headers
