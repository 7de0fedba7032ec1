"""The past that is in no sums yet: after an update it is built in the background, and read from the calls until then.

Of such calls a bounded number is read for one question, whoever asks it. So what a page shows is whole, or it says from
when on there are figures.
"""

from __future__ import annotations

from core.clock import from_micros, minute
from core.errors import Invalid
from core.reports.reading import Reading

MOST_UNBUILT = 200_000
"""So many calls are added up one by one: some seconds of a processor."""
_COUNTED = """
SELECT COUNT(*) FROM (
    SELECT 1 FROM generation g WHERE g.started_at >= :since AND g.started_at < :until {tenant} LIMIT :most
) AS few
"""
_OLDEST = "SELECT MIN(g.started_at) FROM generation g WHERE 1 = 1 {tenant}"


def require_built(reading: Reading, since: int, until: int, now: int) -> None:
    """See to it that a stretch of time that is read from the calls, in microseconds, does not have too many.

    Raises:
        Invalid: they are more than ``MOST_UNBUILT``.

    """
    built = reading.rolled_from
    if since >= until or (since, until) in reading.known_few:
        return
    bound = {"since": since, "until": until, "most": MOST_UNBUILT + 1}
    if reading.rows(_COUNTED, bound)[0][0] <= MOST_UNBUILT:
        reading.known_few.add((since, until))
        return
    oldest = reading.rows(_OLDEST, {})[0][0]
    share = max(0, now - built) / max(1, now - oldest)
    raise Invalid(
        f"Figures of older calls are still being built: sums of calls reach back to {minute(from_micros(built))} so "
        f"far, {share:.0%} of the way, and of those before it at most {MOST_UNBUILT:,} are added up one by one. Choose "
        "a shorter time, or ask again later."
    )
