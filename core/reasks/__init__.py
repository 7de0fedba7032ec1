"""Clients that ask again by themselves: which answer a request asks again for, told by its structure alone.

Instructor, pydantic-ai and their like send what they sent before, perhaps the answer, and what was wrong with it. So an
answer at the front doors that was found invalid is left open for some minutes, under a digest of what it was asked; a
request that goes on from there takes it, and its generation says so. What the feedback says is never read.
"""

from __future__ import annotations

from core.reasks._answers import AnswerMarks
from core.reasks._conversation import MOST_SPLITS, Conversation, Split, splits
from core.reasks._open import LASTS, Reasks

__all__ = ["LASTS", "MOST_SPLITS", "AnswerMarks", "Conversation", "Reasks", "Split", "splits"]
