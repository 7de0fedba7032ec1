"""Walks over schemas: over any, by the role of each keyword, and over those in an enforced subset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from core.json_schemas import inner_role


def rewritten(node: Any, change: Callable[[dict[str, Any]], dict[str, Any]], role: str = "schema") -> Any:
    """Return *node* with each schema in it changed by *change*, the innermost first. Data is left as it is."""
    if role == "data":
        return node
    if isinstance(node, list):
        return [rewritten(part, change, inner_role(role, "")) for part in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    entries = cast("dict[str, Any]", node)
    inner = {name: rewritten(part, change, inner_role(role, name)) for name, part in entries.items()}
    return change(inner) if role == "schema" else inner


def schemas_in(node: Any, role: str = "schema") -> Iterator[dict[str, Any]]:
    """Yield every schema in *node* that is an object."""
    if role == "data":
        return
    if isinstance(node, list):
        for part in cast("list[Any]", node):
            yield from schemas_in(part, inner_role(role, ""))
    elif isinstance(node, dict):
        entries = cast("dict[str, Any]", node)
        if role == "schema":
            yield entries
        for name, part in entries.items():
            yield from schemas_in(part, inner_role(role, name))


def subschemas(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every part of a *body* in an enforced subset."""
    waiting = [body]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [*node.get("properties", {}).values(), *node.get("$defs", {}).values(), *node.get("anyOf", ())]
        waiting += [node[name] for name in ("items", "additionalProperties") if isinstance(node.get(name), dict)]


def depth(body: Mapping[str, Any]) -> int:
    """Return how many objects of a *body* in an enforced subset stand in one another.

    References are followed, and what refers to itself counts once.
    """
    known: dict[str, int] = {}

    def levels(node: Mapping[str, Any]) -> int:
        reference = node.get("$ref")
        if reference is not None:
            if reference not in known:
                known[reference] = 0
                known[reference] = levels(body["$defs"][reference.rpartition("/")[2]])
            return known[reference]
        inner = [
            *node.get("properties", {}).values(),
            *node.get("anyOf", ()),
            *(node[k] for k in ("items",) if k in node),
        ]
        return (node.get("type") == "object") + max(map(levels, inner), default=0)

    return levels(body)
