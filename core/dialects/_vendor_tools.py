"""Tools that a vendor runs by itself: what they read is paid as input, beside what was sent, and some by the use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from core.dialects._values import dicts, mapping, word

READ_BY_TOOLS = 128_000
"""Tokens. So much of what its search finds OpenAI gives to a model at most, whatever the model's context."""
WHOLE_CONTEXT = 1 << 31
"""More than any model's context takes."""
USUAL_USES = 10
"""How often each tool is taken to run at most whose request does not say how often it may."""
_OF_THE_CALLER = (
    "function", "custom", "local_shell", "apply_patch", "computer", "bash", "text_editor", "memory",
)  # fmt: skip
"""How the kinds of tools begin that the caller runs."""
_DATED = re.compile(r"_20\d{2}_?\d{2}_?\d{2}$")
_USE = re.compile(r"[a-z][a-z0-9_]{0,59}")
_NAMING = frozenset({"web_search_options", "mcp_servers", "plugins", "tools"})
"""Members of a body that name tools."""
_FREE_WITH = ("web_search_20260209", "web_fetch_20260209")
"""The first of Anthropic's tools with which it runs code for nothing."""


def runs_tools(values: Mapping[str, Any]) -> bool:
    """Whether a body asks for tools that the vendor runs, such as a search in the web."""
    return any(True for _ in _tools(values))


def uses_asked_for(values: Mapping[str, Any]) -> dict[str, int | None]:
    """Return how often each tool of a body may run at the vendor, by its name; ``None``: the body does not say."""
    in_all = _number(values, "max_tool_calls")
    asked: dict[str, int | None] = {}
    for tool in _tools(values):
        if name := use_of(tool, values):
            own = 1 if name == "web_search_options" else _number(tool, "max_uses")
            asked[name] = in_all if own is None else own
    return asked


def use_of(tool: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Return under which name a *tool* of a body is billed by the use; empty where it is not, beside the others.

    That is its kind without a date, and of a container its size.
    """
    kind = word(tool, "type")
    if kind.startswith("code_execution") and any(_is_free_with(word(one, "type")) for one in _tools(values)):
        return ""
    name = _DATED.sub("", kind)
    if name.startswith("tool_search"):
        return "tool_search"
    if name == "shell":
        name, tool = "code_interpreter", {"container": tool.get("environment")}
    size = word(mapping(tool.get("container")), "memory_limit") or "1g"
    name += f"_{size}" if name == "code_interpreter" and size != "1g" else ""
    return name if _USE.fullmatch(name) else "other_tool"


def _is_free_with(kind: str) -> bool:
    return any(kind[:-8] == first[:-8] and kind >= first for first in _FREE_WITH)


def _tools(values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the tools of a body that the vendor runs, each with its kind as ``type``."""
    if values.keys().isdisjoint(_NAMING):
        return
    if values.get("web_search_options") is not None:
        yield {"type": "web_search_options"}
    if values.get("mcp_servers"):
        yield {"type": "mcp"}
    for plugin in dicts(values.get("plugins")):  # OpenRouter's
        yield {"type": word(plugin, "id")}
    for tool in dicts(values.get("tools")):
        kind = word(tool, "type")
        if kind == "shell" and not word(mapping(tool.get("environment")), "type").startswith("container"):
            continue
        if kind and not kind.startswith(_OF_THE_CALLER):
            yield tool


def _number(values: Mapping[str, Any], name: str) -> int | None:
    found = values.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None
