"""Types as a source writes them, read as JSON Schema."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import partial
from typing import cast

from core.errors import Invalid
from core.pydantic_source.constants import DEEPEST, Constants
from core.pydantic_source.definitions import Definitions, Specialization, TypeContext
from core.pydantic_source.fields import FieldSpec, Tellings
from core.pydantic_source.kinds import Kind, Kinds
from core.pydantic_source.left_out import Remarks
from core.pydantic_source.names import Alias, Code, Foreign, Known, Meaning, Module, SourceClass
from core.pydantic_source.parts import NULL, choices, constrained, union
from core.pydantic_source.scalars import CALLED, DICTS, LISTS, SCALARS, JsonSchema
from core.pydantic_source.settings import Configs
from core.pydantic_source.specializations import Specializations
from core.pydantic_source.tags import Tags
from core.pydantic_source.wrappings import Wrappings
from core.python_syntax import alternatives, arguments, refusal, shown


class Annotations:
    """Reads the types of one source."""

    def __init__(
        self, kinds: Kinds, configs: Configs, constants: Constants, tellings: Tellings, remarks: Remarks
    ) -> None:
        self.definitions = Definitions()
        self.wrappings = Wrappings(kinds, tellings, remarks)
        self.specializations = Specializations(kinds, remarks)
        self._tags = Tags(kinds, configs, constants, self.wrappings, self.definitions, bare=self.bare)
        self._kinds = kinds
        self._configs = configs
        self._names = kinds.names
        self._constants = constants
        self._tellings = tellings
        self._remarks = remarks
        self._depth = 0
        self._generics = self._readings()

    # ── A type and what stands beside it ──

    def built(self, node: ast.expr, place: TypeContext, told: FieldSpec) -> JsonSchema:
        """Return the schema of the bare type *node* with what is *told* beside it."""
        if told.schema is not None:
            return told.schema | told.notes | told.extra
        if told.is_open:
            return told.notes | told.extra
        schema = self.read(told.instead, place) if told.instead is not None else self.bare(node, place)
        if told.discriminator is not None:
            schema = self._tags.discriminated(node, schema, told.discriminator)
        schema = self._constrained(schema, told) | told.notes | told.extra
        if told.is_constant and told.default:
            schema = {**schema, "const": told.default[0]}
        return schema

    # ── Types ──

    def read(self, node: ast.expr, place: TypeContext) -> JsonSchema:
        """Return the schema of the type *node*, whatever stands beside it.

        Raises:
            Invalid: it is not known, or cannot be in JSON.

        """
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                raise refusal(node, "this nests too deep, or is defined by itself", "write it out, or make it a class")
            bare, at, beside = self.wrappings.apart(node, place)
            if not beside:
                return self.bare(bare, at)
            told = FieldSpec(place.where, place.scope)
            for each, scope in beside:
                self._tellings.tell(told, each, scope)
            schema = self.built(bare, at, told)
            return schema | {"default": told.default[0]} if told.default else schema
        finally:
            self._depth -= 1

    def bare(self, node: ast.expr, place: TypeContext) -> JsonSchema:
        """Return the schema of a type without anything beside it."""
        match node:
            case ast.Constant(value=None):
                return dict(NULL)
            case ast.BinOp(op=ast.BitOr()):
                return self._union(alternatives(node), place)
            case ast.Subscript():
                return self._generic(node, place)
            case ast.Call() if (name := self.wrappings.known(node.func, place)) in CALLED:
                return self._called(node, CALLED[name], place)
            case ast.Name() | ast.Attribute():
                return self._named(node, place)
            case _:
                raise self._unknown(node)

    def _unknown(self, node: ast.expr, found: Meaning | None = None) -> Invalid:
        match found:
            case Foreign(module=module):
                return refusal(
                    node,
                    f"the type {shown(node)} is not known: it comes from {module[:60]!r}, which is not read",
                    "paste its class as well, or write what it is in JSON, such as str or dict",
                )
            case SourceClass(name=name):
                return refusal(
                    node, f"the type {shown(node)} is not known: {name} is no model", "derive it from BaseModel"
                )
            case Code():
                return refusal(node, f"the type {shown(node)} is not known: it is a function", "write a type")
            case _:
                return refusal(
                    node, f"the type {shown(node)} is not known", "use a class of this source, or a type that JSON has"
                )

    def _named(self, node: ast.Name | ast.Attribute, place: TypeContext) -> JsonSchema:
        found = self._names.meaning(node, place.scope)
        match found:
            case SourceClass():
                return self._class(found, node, [], place)
            case Alias() if self._names.is_variable(found):
                return self._variable(found, place)
            case Alias():
                return self.definitions.refer(Specialization(found, found.name), node)
            case Known(name="Self") if place.own is not None:
                return self.definitions.refer(place.own, node)
            case Known(name=name) if name in SCALARS:
                return {**SCALARS[name], **(self._text_config(place) if name == "str" else {})}
            case Module() | _:
                raise self._unknown(node, found)

    def _text_config(self, place: TypeContext) -> JsonSchema:
        if place.own is None or not isinstance(place.own.meaning, SourceClass):
            return {}
        return self._configs.of(place.own.meaning).text

    def _variable(self, found: Alias, place: TypeContext) -> JsonSchema:
        """Return what a type variable may be while nothing is given for it: its default, its bound, anything."""
        call = cast("ast.Call", found.value)
        told = {each.arg: each.value for each in call.keywords}
        at = TypeContext(found.scope, place.where)
        if chosen := told.get("default") or told.get("bound"):
            return self.read(chosen, at)
        return self._union(call.args[1:], at) if call.args[1:] else {}

    def _union(self, parts: Iterable[ast.expr], place: TypeContext) -> JsonSchema:
        kept = [
            each
            for each in parts
            if not (isinstance(each, ast.Subscript) and self.wrappings.known(each.value, place) == "SkipJsonSchema")
        ]
        return union([self.read(each, place) for each in kept]) if kept else {}

    def _class(self, found: SourceClass, node: ast.expr, given: list[ast.expr], place: TypeContext) -> JsonSchema:
        kind = self._kinds.of(found)
        if kind is Kind.PLAIN:
            raise self._unknown(node, found)
        if kind is Kind.DATACLASS and self._has_own_schema(found):
            raise refusal(
                node,
                f"the type {shown(node)} is not known: code says what it is, which is not run",
                "write what it is in JSON, such as str or dict",
            )
        return self.definitions.refer(self.specializations.of(found, given, place), node)

    def _has_own_schema(self, found: SourceClass) -> bool:
        return any(
            isinstance(each, ast.FunctionDef) and each.name in ("__get_pydantic_core_schema__", "__get_validators__")
            for one in self._kinds.lineage(found)
            for each in one.node.body
        )

    def _generic(self, node: ast.Subscript, place: TypeContext) -> JsonSchema:
        found = self._names.meaning(node.value, place.scope)
        given = arguments(node)
        if isinstance(found, SourceClass):
            return self._class(found, node, given, place)
        if isinstance(found, Alias):
            inner = self.wrappings.bound(found, node, place)
            return self.read(found.value, inner)
        reading = self._generics.get(self.wrappings.known(node.value, place))
        schema = reading(given, place) if reading is not None else None
        if schema is None:
            if isinstance(found, Foreign):
                raise self._unknown(node, found)
            raise refusal(
                node, f"the type {shown(node)} is not known", "use list, dict, set, tuple, Optional, Union or Literal"
            )
        return schema

    def _readings(self) -> dict[str, Callable[[list[ast.expr], TypeContext], JsonSchema | None]]:
        """Return how each generic type of the libraries is read; none for brackets that hold too much or too little."""

        def read_list(more: JsonSchema, given: list[ast.expr], place: TypeContext) -> JsonSchema:
            return {"type": "array", "items": self.read(given[0], place), **more}

        def read_one(given: list[ast.expr], place: TypeContext) -> JsonSchema:
            return self.read(given[0], place)

        return {
            **{name: partial(read_list, more) for name, more in LISTS.items()},
            **dict.fromkeys(DICTS, self._dictionary),
            **dict.fromkeys(("tuple", "Tuple"), self._tuple),
            **dict.fromkeys(("type", "Type", "InstanceOf"), lambda _given, _place: JsonSchema()),
            "Literal": lambda given, place: choices(self._literals(given, place, 0)),
            "Union": self._union,
            "Optional": lambda given, place: self._union([*given[:1], _none(given[0])], place),
            "Counter": lambda given, place: self._dictionary([*given[:1], _integer(given[0])], place),
            "Json": lambda given, place: {**SCALARS["Json"], "contentSchema": self.read(given[0], place)},
            "RootModel": read_one,
        }

    def _literals(self, given: list[ast.expr], place: TypeContext, depth: int) -> list[str | float | bool | None]:
        """Return the choices of a Literal, with those of the Literals in it."""
        values: list[str | float | bool | None] = []
        for each in given:
            self._remarks.step(each)
            inner = each
            alias = self.wrappings.alias(each, place) if isinstance(each, ast.Name) else None
            at = place
            if alias is not None and isinstance(alias.value, ast.Subscript):
                inner, at = alias.value, TypeContext(alias.scope, place.where)
            is_literal = isinstance(inner, ast.Subscript) and self.wrappings.known(inner.value, at) == "Literal"
            if is_literal and depth < DEEPEST:
                values += self._literals(arguments(cast("ast.Subscript", inner)), at, depth + 1)
            elif isinstance(each, ast.Starred):
                found = self._constants.value(each.value, place.scope)
                values += cast("list[str]", found) if isinstance(found, list) else [found]
            else:
                found = self._constants.value(each, place.scope)
                is_named = isinstance(each, ast.Name | ast.Attribute | ast.Call)  # in brackets, a tuple is its members
                values += found if is_named and isinstance(found, list) else [self._constants.choice(each, place.scope)]
        return values

    def _dictionary(self, given: list[ast.expr], place: TypeContext) -> JsonSchema | None:
        if len(given) != 2:
            return None
        key, value = given
        names, values = self.read(key, place), self.read(value, place)
        parts = names.get("anyOf", [names])
        is_text = all(part.get("type") == "string" or "$ref" in part for part in parts)
        if not is_text and any(part.get("type") in ("array", "object", "null") for part in parts):
            raise refusal(key, f"{shown(key)} cannot be a key in JSON", "use str, an enum or a Literal of text")
        bounds = {word: part for word, part in names.items() if word != "type" or part != "string"}
        special = {"propertyNames": bounds} if is_text and bounds else {}
        return {"type": "object", "additionalProperties": values or True, **special}

    def _tuple(self, given: list[ast.expr], place: TypeContext) -> JsonSchema:
        match given:
            case [each, ast.Constant(value=end)] if end is ...:
                return {"type": "array", "items": self.read(each, place)}
            case [ast.Tuple(elts=[])] | []:
                return {"type": "array", "minItems": 0, "maxItems": 0}
            case _:
                parts = [self.read(each, place) for each in given]
                return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}

    def _called(self, node: ast.Call, name: str, place: TypeContext) -> JsonSchema:
        """Return the type that a call such as ``conint(ge=0)`` stands for."""
        told = FieldSpec(place.where, place.scope)
        schema = dict(SCALARS[name])
        given = [*node.args, *(each.value for each in node.keywords if each.arg == "item_type")]
        self._tellings.tell_keywords(told, [each for each in node.keywords if each.arg != "item_type"], place.scope)
        if name in LISTS and len(given) == 1:
            schema["items"] = self.read(given[0], place)
        elif given:
            raise refusal(node, f"{shown(node)} has arguments without a name", "write each as name=value")
        return self._constrained(schema, told) | told.extra

    def _constrained(self, schema: JsonSchema, told: FieldSpec) -> JsonSchema:
        def leave_out(name: str, at: ast.AST) -> None:
            self._remarks.leave_out("constraint", f"{told.where}: {name}", at)

        return constrained(schema, told.constraints, leave_out)


def _none(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Constant(None), node)


def _integer(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Name("int", ast.Load()), node)
