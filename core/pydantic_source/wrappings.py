"""What is written around a type: quotes, aliases, ``Annotated``, and wrappings that say nothing of their own."""

from __future__ import annotations

import ast

from core.pydantic_source.constants import DEEPEST
from core.pydantic_source.definitions import TypeContext
from core.pydantic_source.fields import FieldSpec, Tellings
from core.pydantic_source.kinds import Kinds, variable_names
from core.pydantic_source.left_out import Remarks
from core.pydantic_source.names import Alias, SourceScope
from core.pydantic_source.scalars import TRANSPARENT
from core.python_syntax import arguments, parsed, refusal

Beside = list[tuple[ast.expr, SourceScope]]


class Wrappings:
    """Takes from the types of one source what is written around them."""

    def __init__(self, kinds: Kinds, tellings: Tellings, remarks: Remarks) -> None:
        self._kinds = kinds
        self._names = kinds.names
        self._tellings = tellings
        self._remarks = remarks

    def told(
        self, annotation: ast.expr, value: ast.expr | None, place: TypeContext
    ) -> tuple[ast.expr, TypeContext, FieldSpec]:
        """Return the bare type of a field, where that is written, and what is told beside it."""
        node, at, beside = self.apart(annotation, place)
        told = FieldSpec(place.where, place.scope)
        for each, scope in beside:
            self._tellings.tell(told, each, scope)
        if value is not None:
            self._tellings.tell_value(told, value)
        return node, at, told

    def apart(self, node: ast.expr, place: TypeContext) -> tuple[ast.expr, TypeContext, Beside]:
        """Return the bare type, where it is written, and what ``Annotated``, aliases and quotes put around it."""
        beside: Beside = []
        for _ in range(DEEPEST):
            self._remarks.step(node)
            match node:
                case ast.Constant(value=str(text)):
                    node = parsed(text, node)
                case ast.Name(id=name) if name in place.variables:
                    node, place = place.variables[name]
                case ast.Name() | ast.Attribute():
                    alias = self.alias(node, place)
                    if alias is None:
                        return node, place, beside
                    node, place = alias.value, TypeContext(alias.scope, place.where, {}, place.own)
                case ast.Call(args=[_, inner, *_]) if self.known(node.func, place) == "NewType":
                    node = inner
                case ast.Subscript() if self.known(node.value, place) == "Annotated":
                    first, *others = arguments(node)
                    node, beside = first, [*((each, place.scope) for each in others), *beside]
                case ast.Subscript() if self.known(node.value, place) in TRANSPARENT:
                    node = arguments(node)[0]
                case ast.Subscript() if self.known(node.value, place) == "SkipJsonSchema":
                    beside = [(node.value, place.scope), *beside]
                    node = arguments(node)[0]
                case ast.Subscript() if (alias := self.alias(node.value, place)) is not None:
                    node, place = alias.value, self.bound(alias, node, place)
                case _:
                    return node, place, beside
        raise refusal(node, "this type is defined by itself", "write out what it is")

    def known(self, node: ast.expr, place: TypeContext) -> str:
        """Return the library's name that *node* means at *place*; nothing for anything else."""
        return self._names.known(node, place.scope)

    def alias(self, node: ast.expr, place: TypeContext) -> Alias | None:
        """Return the alias that *node* is a name of, unless it is a type of its own."""
        found = self._names.meaning(node, place.scope)
        if not isinstance(found, Alias) or found.is_statement or self._names.is_variable(found):
            return None
        return found

    def bound(self, alias: Alias, node: ast.Subscript, place: TypeContext) -> TypeContext:
        """Return the place of the type behind *alias*, with what is given in brackets for its type variables."""
        names = variable_names(alias.parameters) or tuple(
            dict.fromkeys(self._kinds.variables(alias.value, alias.scope))
        )
        given = arguments(node)
        variables = {name: (each, place) for name, each in zip(names, given, strict=False)}
        return TypeContext(alias.scope, place.where, variables, place.own)
