"""Unions whose alternatives a field tells apart."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, cast

from core.pydantic_source.constants import Constants
from core.pydantic_source.definitions import Definitions, Specialization, TypeContext
from core.pydantic_source.kinds import OBJECTS, Kind, Kinds
from core.pydantic_source.names import SourceClass
from core.pydantic_source.parts import NULL
from core.pydantic_source.scalars import JsonSchema
from core.pydantic_source.settings import Configs
from core.pydantic_source.wrappings import Wrappings
from core.python_syntax import refusal, target


class Tags:
    """Tells the alternatives of unions apart. *bare* reads a type without what is written around it."""

    def __init__(
        self,
        kinds: Kinds,
        configs: Configs,
        constants: Constants,
        wrappings: Wrappings,
        definitions: Definitions,
        *,
        bare: Callable[[ast.expr, TypeContext], JsonSchema],
    ) -> None:
        self._kinds = kinds
        self._configs = configs
        self._constants = constants
        self._wrappings = wrappings
        self._definitions = definitions
        self._bare = bare

    def discriminated(self, node: ast.expr, schema: JsonSchema, tag: str) -> JsonSchema:
        """Return the union *schema* with the models told apart by their field *tag*."""
        parts = cast("list[JsonSchema]", schema.get("anyOf", [schema]))
        mapping: dict[str, Any] = {}
        name = tag
        for part in parts:
            if part == NULL:
                continue
            inner = cast("JsonSchema", part.get("discriminator", {}))
            if inner and "mapping" in inner:  # told apart among themselves already, by the same field
                mapping |= inner["mapping"]
                name = inner["propertyName"]
                continue
            use = self._definitions.used_by(part)
            found = self._tag(use, tag) if use is not None else None
            if found is None:
                raise refusal(
                    node, f"not every alternative is a model with the field {tag!r}", "add it, with a Literal type"
                )
            name, values = found
            mapping |= {str(value): part["$ref"] for value in values}
        told: JsonSchema = {
            "discriminator": {"mapping": mapping, "propertyName": name},
            "oneOf": [part for part in parts if part != NULL],
        }
        return {"anyOf": [told, dict(NULL)]} if NULL in parts else told

    def _tag(self, use: Specialization, name: str) -> tuple[str, list[Any]] | None:
        """Return the name in JSON and the choices of the field *name* of a model, as it or a base of it writes them."""
        if not isinstance(use.meaning, SourceClass) or self._kinds.of(use.meaning) not in {*OBJECTS, Kind.FOREIGN}:
            return None
        for each in self._kinds.lineage(use.meaning):
            for statement in each.node.body:
                if isinstance(statement, ast.AnnAssign) and target(statement) == name:
                    place = TypeContext(each.inner, f"{each.name}.{name}", use.variables)
                    node, at, told = self._wrappings.told(statement.annotation, statement.value, place)
                    rename = self._configs.of(use.meaning).alias_of or str
                    return told.alias or rename(name), self._choices(self._bare(node, at))
        return None

    def _choices(self, schema: JsonSchema) -> list[Any]:
        use = self._definitions.used_by(schema)
        if use is not None and isinstance(use.meaning, SourceClass) and self._kinds.of(use.meaning) is Kind.ENUM:
            return list(self._constants.members(use.meaning).values())
        return schema.get("enum", [schema["const"]] if "const" in schema else [])
