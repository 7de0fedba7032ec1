"""Tools that a vendor runs by itself: what they read is paid as input, beside what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.dialects._values import dicts, word

READ_BY_TOOLS = 128_000
"""Tokens. So much of what its search finds OpenAI gives to a model at most, whatever the model's context."""
WHOLE_CONTEXT = 1 << 31
"""More than any model's context takes."""
_OF_THE_CALLER = (
    "function", "custom", "local_shell", "shell", "apply_patch", "computer", "bash", "text_editor", "memory",
)  # fmt: skip
"""How the kinds of tools begin that the caller runs."""


def runs_tools(values: Mapping[str, Any]) -> bool:
    """Whether a body asks for tools that the vendor runs, such as a search in the web."""
    if values.get("web_search_options") is not None or values.get("mcp_servers"):
        return True
    kinds = (word(tool, "type") for tool in dicts(values.get("tools")))
    return any(kind and not kind.startswith(_OF_THE_CALLER) for kind in kinds)
