"""Families of models, by their names: what their makers' wire wants of whoever calls them, behind whatever address."""

from __future__ import annotations

import re

# OpenAI turns max_tokens away for models that reason, and has no other name for their limit; gpt-oss is an open model.
_REASONS = re.compile(r"(?:o[1-9]\d*|gpt-(?:[5-9]|[1-9]\d)(?:\.\d+)?|codex|computer-use)(?:[-.:@].*)?")


def wants_completion_tokens(model: str) -> bool:
    """Whether *model* takes its limit as ``max_completion_tokens`` only.

    A gateway's name may begin with a path, and a fine-tuned one names what it was made of: ``openai/gpt-5-mini``,
    ``ft:o4-mini-2025-04-16:acme::1``.
    """
    bare = model.lower().rpartition("/")[2].removeprefix("ft:")
    return _REASONS.fullmatch(bare) is not None
