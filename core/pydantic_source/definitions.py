"""The definitions that a schema refers to: classes and named types, with what their type parameters stand for."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.pydantic_source.names import Alias, SourceClass, SourceScope
from core.pydantic_source.scalars import JsonSchema
from core.python_syntax import refusal

LONGEST_NAME = 200
"""The longest name of a class with its type parameters: one that grows without end is stopped by it."""
_UNSAFE = re.compile(r"[^a-zA-Z0-9.\-_]")


@dataclass(frozen=True, slots=True, eq=False)
class TypeContext:
    """Where a type is written, and what names mean there."""

    scope: SourceScope
    where: str
    """Whose type it is, such as ``Person.age``."""
    variables: Mapping[str, tuple[ast.expr, TypeContext]] = field(
        default_factory=dict[str, "tuple[ast.expr, TypeContext]"]
    )
    own: Specialization | None = None
    """The class that ``Self`` means."""


@dataclass(frozen=True, slots=True, eq=False)
class Specialization:
    """A class or a named type, with what its type parameters stand for."""

    meaning: SourceClass | Alias
    title: str
    variables: Mapping[str, tuple[ast.expr, TypeContext]] = field(
        default_factory=dict[str, "tuple[ast.expr, TypeContext]"]
    )


class Definitions:
    """Names what is referred to, and keeps what is still to be read."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self._names: dict[tuple[int, str], str] = {}
        self.uses: dict[str, Specialization] = {}

    def refer(self, use: Specialization, node: ast.AST) -> JsonSchema:
        """Return a reference to the definition of *use*, which is read later."""
        if len(use.title) > LONGEST_NAME:
            raise refusal(node, "this type grows with each use of itself", "write out what its parameters are")
        key = (id(use.meaning), use.title)
        if key not in self._names:
            name = plain = _UNSAFE.sub("_", use.title)
            number = 1
            while name in self.uses:
                number += 1
                name = f"{plain}_{number}"
            self._names[key] = name
            self.uses[name] = use
            self.waiting.append(name)
        return {"$ref": f"#/$defs/{self._names[key]}"}

    def used_by(self, schema: JsonSchema) -> Specialization | None:
        """Return what *schema* refers to, if it is a reference."""
        return self.uses.get(str(schema.get("$ref", "")).removeprefix("#/$defs/"))
