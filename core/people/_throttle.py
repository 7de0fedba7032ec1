"""How often a password may be tried: per name and address, per address, per name; asked before anything is hashed.

There is no lock-out: whoever guesses at a name from one address keeps nobody at another from signing in, and what was
counted is forgotten after a minute. It is one count of all processes, in the database, where what has expired is swept;
its rows are held for one short transaction, which is over before a password is looked at.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from core.claims import SIGN_IN
from core.clock import Clock, micros, whole_seconds
from core.errors import RateLimited
from core.store import Store

PER_NAME_AND_ADDRESS, PER_ADDRESS, PER_NAME = 5, 20, 60
"""Wrong passwords in a minute."""
MINUTE = timedelta(seconds=60)
_SEEN = "SELECT expires_at, result FROM claim WHERE kind = :kind AND key = :key AND expires_at > :now"
_COUNT = """
    INSERT INTO claim (kind, key, tenant_id, holder, result, since, expires_at)
    VALUES (:kind, :key, '', '', '1', :now, :until)
    ON CONFLICT (kind, key) DO UPDATE SET
        result = CASE WHEN claim.expires_at > :now THEN CAST(CAST(claim.result AS INTEGER) + 1 AS TEXT) ELSE '1' END,
        since = CASE WHEN claim.expires_at > :now THEN claim.since ELSE excluded.since END,
        expires_at = CASE WHEN claim.expires_at > :now THEN claim.expires_at ELSE excluded.expires_at END
    RETURNING expires_at, result
"""
_UNCOUNT = """
    UPDATE claim SET result = CAST(CAST(result AS INTEGER) - 1 AS TEXT)
    WHERE kind = :kind AND key = :key AND CAST(result AS INTEGER) > 0
"""
_FORGET = "DELETE FROM claim WHERE kind = :kind AND key = :key"


class Throttle:
    """Counts tries, of all processes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen, self._count = store.prepare(_SEEN), store.prepare(_COUNT)
        self._uncount, self._forget = store.prepare(_UNCOUNT), store.prepare(_FORGET)

    def take(self, name: str, address: str) -> None:
        """Count a try before it is made: many at once, and in several processes, count as well.

        Raises:
            RateLimited: too many came; ``retry_after_seconds`` says when to come back. It is not counted.
            Unavailable: the database does not answer.

        """
        now = self._clock.now()
        times = {"kind": SIGN_IN, "now": micros(now), "until": micros(now + MINUTE)}
        keys = _keys(name, address)
        for key, most in keys:  # whoever is refused writes nothing
            seen = self._store.read_one(self._seen, {"kind": SIGN_IN, "key": key, "now": times["now"]})
            if seen is not None and int(seen[1]) >= most:
                raise _too_many(seen[0] - times["now"])
        with self._store.transaction() as cursor:
            for key, most in keys:
                found = cursor.execute(self._count, times | {"key": key}).fetchone()
                if int(found[1]) > most:
                    raise _too_many(found[0] - times["now"])

    def give_back(self, name: str, address: str) -> None:
        """Forget a try that was right, and the wrong ones of this name from there."""
        with self._store.transaction() as cursor:
            for number, (key, _) in enumerate(_keys(name, address)):
                cursor.execute(self._uncount if number else self._forget, {"kind": SIGN_IN, "key": key})


def _too_many(left_micros: int) -> RateLimited:
    seconds = max(1, whole_seconds(left_micros / 1_000_000))
    said = f"Too many wrong passwords were tried. Wait {seconds} s, then try again."
    return RateLimited(said, retry_after_seconds=float(seconds))


def _keys(name: str, address: str) -> list[tuple[str, int]]:
    """Return under what a try is counted, in the order in which all take the rows; names and addresses as digests."""
    return [
        (_digest("both", name, address), PER_NAME_AND_ADDRESS),
        (_digest("address", address), PER_ADDRESS),
        (_digest("name", name), PER_NAME),
    ]


def _digest(*said: str) -> str:
    return hashlib.sha256("\0".join(said).encode()).hexdigest()
