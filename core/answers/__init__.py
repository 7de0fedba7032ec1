"""The answers that may be given again: exact, per tenant, where a route says for how long.

Of many that ask the same at once, in one process or in several, one asks a provider and the others wait for its answer.
Who that is, a row of the table decides: it is claimed by an upsert that only one can win, and it is a lease, renewed as
long as the process lives. So a process that dies in the middle is given up after seconds, and the next takes over.
"""

from core.answers._answers import Answers, Kept, Turn
from core.answers._leases import LEASE_SECONDS, RENEW_SECONDS
from core.answers._questions import FORMAT, Answered, Given, Question, question

__all__ = [
    "FORMAT",
    "LEASE_SECONDS",
    "RENEW_SECONDS",
    "Answered",
    "Answers",
    "Given",
    "Kept",
    "Question",
    "Turn",
    "question",
]
