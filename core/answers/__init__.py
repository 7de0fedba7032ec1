"""The answers that may be given again: exact, per tenant, where a route says for how long.

Of many that ask the same at once, in one process or in several, one asks a provider and the others wait for its answer.
Who that is, a claim decides (``core.claims``), and the answer is what comes of it.
"""

from core.answers._answers import Answers, Kept, Lookup
from core.answers._questions import FORMAT, Answered, Hit, Question, question

__all__ = ["FORMAT", "Answered", "Answers", "Hit", "Kept", "Lookup", "Question", "question"]
