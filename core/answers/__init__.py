"""The answer cache: exact, per tenant, where a route says for how long.

Of many that ask the same at once, in one process or in several, one asks a provider and the others wait for its answer.
Who that is, a claim decides (``core.claims``), and the answer is what comes of it.
"""

from core.answers._answers import Answers, CacheStatus, Lookup
from core.answers._keys import FORMAT, AnswerKey, CachedAnswer, CacheHit, answer_key

__all__ = ["FORMAT", "AnswerKey", "Answers", "CacheHit", "CacheStatus", "CachedAnswer", "Lookup", "answer_key"]
