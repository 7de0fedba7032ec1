"""Claims: of all threads and processes that want to do something, one does it, and the others learn what came of it.

A claim is a row with a kind and a key. An upsert that only one can win makes it a lease; the process renews its leases
while it lives, so one that dies is given up after seconds and the next may try. Whoever holds it leaves a result, which
lasts for a while, or nothing. A holder that slept past its lease and was followed by another can neither leave a result
nor take the other's away: each claim has a holder's name of its own, and every later statement asks for it.

What may have cost money is not simply done again by the next one: of a kind that is remembered a lease that was lost
stays for a day, and whoever finds it decides.
"""

from core.claims._claims import (
    ANSWER,
    CHORE,
    FREEZE,
    IDEMPOTENCY,
    OUTLOOK,
    REASK,
    REMEMBERED_FOR,
    SIGN_IN,
    WORKLOAD,
    Claims,
    Done,
    Held,
    Lease,
    Lost,
    forget_answers,
    kept_answers,
)
from core.claims._renewals import LEASE_SECONDS, RENEW_SECONDS

__all__ = [
    "ANSWER",
    "CHORE",
    "FREEZE",
    "IDEMPOTENCY",
    "LEASE_SECONDS",
    "OUTLOOK",
    "REASK",
    "REMEMBERED_FOR",
    "RENEW_SECONDS",
    "SIGN_IN",
    "WORKLOAD",
    "Claims",
    "Done",
    "Held",
    "Lease",
    "Lost",
    "forget_answers",
    "kept_answers",
]
