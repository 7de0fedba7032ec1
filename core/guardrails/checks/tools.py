"""Tools that may be offered and called, and what may stand in their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from core.detection.links import LinkDetector
from core.detection.paths import PathDetector
from core.detection.patterns import whole_match
from core.errors import Invalid
from core.guardrails._places import field_of
from core.guardrails._rules import Action, Stage
from core.guardrails._settings import require_known, switch, texts, usable
from core.guardrails._tool_policy import ArgumentRule, ToolPolicy, one_of, texts_within

_SETTINGS = ("allow", "deny", "validate", "arguments", "vendor_tools", "servers", "internal_servers", "changes")
_LIMITS = ("links", "paths", "pattern", "values")


class Tools:
    """Judges calls of tools before they are handed on: by name (``allow``, ``deny``), schema and ``arguments``."""

    stages = frozenset({Stage.OUTPUT})
    actions = frozenset({Action.NOTE, Action.BLOCK})

    def search(self, settings: Mapping[str, Any]) -> ToolPolicy:
        """Return the policy; without settings arguments have to satisfy the schemas of tools that are declared."""
        require_known(settings, _SETTINGS)
        given: Any = settings.get("arguments", {})
        if not isinstance(given, dict):
            raise Invalid("arguments is an object: of each tool its arguments, each with what may stand there.")
        by_tool = cast("dict[str, Any]", given)
        servers = usable("servers", lambda: LinkDetector(texts(settings, "servers")))
        return ToolPolicy(
            allow=tuple(texts(settings, "allow")) if "allow" in settings else None,
            deny=tuple(texts(settings, "deny")),
            validate=switch(settings, "validate", default=True),
            arguments={tool: _of_tool(tool, rules) for tool, rules in by_tool.items()},
            vendor_tools=frozenset(texts(settings, "vendor_tools")),
            may_be_server=servers.allows,
            notes_changes=switch(settings, "changes", default=True),
            may_be_inside=switch(settings, "internal_servers", default=False),
        )


def _of_tool(tool: str, given: Any) -> tuple[ArgumentRule, ...]:
    if not isinstance(given, dict):
        raise Invalid(f"arguments of {tool[:40]!r} is an object: paths such as $.to, each with what may stand there.")
    rules: list[ArgumentRule] = []
    for path, limits in cast("dict[str, Any]", given).items():
        if not isinstance(limits, dict) or not limits or not set(cast("dict[str, Any]", limits)) <= {*_LIMITS}:
            raise Invalid(f"arguments has for {path[:60]!r} what is none of {', '.join(_LIMITS)}.")
        at = field_of(path, "arguments")
        for name, limit in cast("dict[str, Any]", limits).items():
            may_be, wanted = _limit(name, limit)
            rules.append(ArgumentRule(at, may_be, wanted))
    return tuple(rules)


def _limit(name: str, limit: Any) -> tuple[Callable[[Any], bool], str]:
    """Return what says whether a value keeps to a limit, and what is wanted, in words."""
    if name == "values":
        if not isinstance(limit, list) or not limit:
            raise Invalid("values is a list of what may stand there: write at least one.")
        return one_of(cast("list[Any]", limit)), "one of the values that are listed"
    if name == "pattern":
        if not isinstance(limit, str):
            raise Invalid("pattern is a text.")
        return _each(usable("pattern", lambda: whole_match(limit))), "what the pattern matches"
    entries = texts({name: limit}, name)
    if name == "links":
        return _each(usable("links", lambda: LinkDetector(entries)).allows), "a link that is allowed"
    return _each(usable("paths", lambda: PathDetector(entries)).allows), "a path that is allowed"


def _each(may_be: Callable[[str], bool]) -> Callable[[Any], bool]:
    """Return what says so of every text in a value; what is no text is none that may be."""
    return lambda value: all(isinstance(one, str) and may_be(one) for one in texts_within(value))


CHECK = Tools()
