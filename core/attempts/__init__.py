"""Someone answers: the walk over a route's candidates, one provider call after the other, each recorded and paid.

This loop is the one owner of retries. An invalid answer is asked again, with its errors, at the same candidate; a
call that failed for a passing reason is retried, an answer that was cut is asked for with more tokens; a candidate that
cannot answer gives way to the next, unless its route has no fallback on that cause. A hard deadline bounds the whole,
waits included, and a caller who leaves ends the call that is out. Whatever is decided stands in the decision trace.
"""

from core.attempts._attempt import Attempt, Bookkeeper, ProviderCall, Reply
from core.attempts._causes import context_window
from core.attempts._degraded import degraded
from core.attempts._estimates import BYTES_PER_TOKEN, UNSEEN_TOKENS, AnswerLengths
from core.attempts._expectation import Expectation, asked_of, expectation
from core.attempts._inquiry import FramedInquiry, Inquiry, Judgement, Piece
from core.attempts._pauses import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS
from core.attempts._relays import RelayInquiry, format_of, held_candidates, reasks_of, relay_candidates
from core.attempts._terms import Candidate, Cause, RouteTerms
from core.attempts._walk import Walk

__all__ = [
    "BYTES_PER_TOKEN",
    "FIRST_WAIT_SECONDS",
    "LONGEST_WAIT_SECONDS",
    "UNSEEN_TOKENS",
    "AnswerLengths",
    "Attempt",
    "Bookkeeper",
    "Candidate",
    "Cause",
    "Expectation",
    "FramedInquiry",
    "Inquiry",
    "Judgement",
    "Piece",
    "ProviderCall",
    "RelayInquiry",
    "Reply",
    "RouteTerms",
    "Walk",
    "asked_of",
    "context_window",
    "degraded",
    "expectation",
    "format_of",
    "held_candidates",
    "reasks_of",
    "relay_candidates",
]
