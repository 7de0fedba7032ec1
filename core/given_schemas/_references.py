"""What a ``$ref`` leads to, by pointer, anchor or identifier, as long as it stands in what was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote, urldefrag, urljoin

from core.given_schemas._notes import Refusal, Steps
from core.json_schemas import inner_role
from core.validation import steps_of

_MOST_LOOKED_AT = 50_000
_DEEPEST = 200
_FURTHER_ROLES = {"additionalItems": "schema", "dependencies": "names"}


def role_of(role: str, name: str, value: Any) -> str:
    """Return the role of *value*, which lies under *name* in a node of *role*, in any draft."""
    if role == "schema" and name == "items" and isinstance(value, list):
        return "schemas"
    return (_FURTHER_ROLES.get(name) if role == "schema" else None) or inner_role(role, name)


class References:
    """The identifiers and anchors of a schema, each with its place."""

    def __init__(self, document: Any, schema: Any, at: Steps) -> None:
        """Look for them in *schema*, which stands at *at* in *document*."""
        self._document = document
        self._at = at
        self.bases: dict[Steps, str] = {at: ""}
        """Where a schema of its own begins, and its identifier."""
        self._resources: dict[str, Steps] = {"": at}
        self._anchors: dict[tuple[str, str], Steps] = {}
        self.dynamic: dict[str, list[Steps]] = {}
        """Each ``$dynamicAnchor``, and where it stands."""
        self.holders: set[str] = set()
        """What stands at the root and holds something that is referred to."""
        self._looked_at = 0
        self._look(schema, "schema", at, "")
        self._look_into_holders(schema)

    def _look(self, node: Any, role: str, steps: Steps, base: str) -> None:
        self._looked_at += 1
        if self._looked_at > _MOST_LOOKED_AT or len(steps) > _DEEPEST:
            return  # it is refused for its size
        if role == "data":
            return
        if isinstance(node, list):
            for index, part in enumerate(cast("list[Any]", node)):
                self._look(part, inner_role(role, ""), (*steps, index), base)
        elif isinstance(node, dict):
            known = cast("dict[str, Any]", node)
            if role == "schema":
                base = self._named(known, steps, base)
                reference = known.get("$ref")
                if isinstance(reference, str) and reference.startswith("#/"):
                    self.holders.update(steps_of(reference)[:1])
            for name, part in known.items():
                self._look(part, role_of(role, name, part), (*steps, name), base)

    def _look_into_holders(self, schema: dict[str, Any]) -> None:
        """Find what holds something that is referred to from what such a one holds."""
        waiting: list[Any] = [schema[word] for word in self.holders if word in schema]
        while waiting and self._looked_at < _MOST_LOOKED_AT:
            self._looked_at += 1
            node = waiting.pop()
            if isinstance(node, list):
                waiting.extend(cast("list[Any]", node))
            elif isinstance(node, dict):
                known = cast("dict[str, Any]", node)
                waiting.extend(known.values())
                reference: Any = known.get("$ref")
                if isinstance(reference, str) and reference.startswith("#/"):
                    word = steps_of(reference)[0]
                    if word not in self.holders and word in schema:
                        self.holders.add(word)
                        waiting.append(schema[word])

    def _named(self, node: Mapping[str, Any], steps: Steps, base: str) -> str:
        """Note what names *node*; return the identifier that holds inside it."""
        identifier = identifier_of(node)
        if identifier is not None:
            plain, fragment = urldefrag(identifier)
            if plain:
                base = _joined(base, plain)
                self._resources[base] = steps
                self.bases[steps] = base
            if fragment and not fragment.startswith("/"):
                self._anchors[base, fragment] = steps
        for word in ("$anchor", "$dynamicAnchor"):
            anchor = node.get(word)
            if isinstance(anchor, str):
                self._anchors[base, anchor] = steps
        if isinstance(anchor := node.get("$dynamicAnchor"), str):
            self.dynamic.setdefault(anchor, []).append(steps)
        return base

    @property
    def resources(self) -> int:
        """How many schemas of their own there are in the schema."""
        return len(set(self._resources.values()))

    def place(self, reference: str, base: str) -> Steps | None:
        """Return where *reference* leads in the document from inside *base*; ``None`` if it leaves it, or nowhere."""
        plain, fragment = urldefrag(reference)
        resource = self._resources.get(_joined(base, plain) if plain else base)
        if resource is None:
            return None
        if fragment and not fragment.startswith("/"):
            named = _joined(base, plain) if plain else base
            return self._anchors.get((named, unquote(fragment)))
        steps = steps_of(f"#{fragment}")
        found = _followed(self.node(resource), steps)
        if found is not None:
            return (*resource, *found)
        return _followed(self._document, steps) if not plain else None

    def node(self, steps: Steps) -> Any:
        """Return what stands at *steps*."""
        node = self._document
        for step in steps:
            node = node[step]
        return node


def identifier_of(node: Mapping[str, Any]) -> str | None:
    """Return how *node* names itself, in the word of any draft. Beside a ``$ref`` an older draft's names nothing."""
    identifier = node.get("$id")
    if isinstance(identifier, str):
        return identifier
    older = node.get("id")
    is_name = isinstance(older, str) and ("/" in older or older.startswith("#") or older.endswith(".json"))
    return cast("str", older) if is_name else None


def refuse_unknown(reference: Any, steps: Steps) -> Refusal:
    """Return the refusal of a reference that leads to no schema."""
    if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        return Refusal(steps, f"points to {reference[:200]!r}, where there is no schema; correct the path")
    return Refusal(steps, "leaves the schema; copy what it means to $defs, as #/$defs/NAME")


def _joined(base: str, reference: str) -> str:
    try:
        return urljoin(base, reference) if not reference.startswith("urn:") else reference
    except ValueError:
        return reference


def _followed(node: Any, steps: list[str]) -> Steps | None:
    found: list[int | str] = []
    for name in steps:
        if isinstance(node, dict) and name in node:
            node = cast("dict[str, Any]", node)[name]
            found.append(name)
        elif isinstance(node, list) and name.isdecimal() and int(name[:9]) < len(cast("list[Any]", node)):
            node = cast("list[Any]", node)[int(name)]
            found.append(int(name))
        else:
            return None
    return tuple(found)
