"""The classes of a source as definitions: models, dataclasses, typed dicts, named tuples, enums."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from core.pydantic_source.annotations import Annotations
from core.pydantic_source.constants import Constants
from core.pydantic_source.definitions import Specialization, TypeContext
from core.pydantic_source.kinds import Kind, Kinds, bare, called, given, is_unread
from core.pydantic_source.left_out import Remarks
from core.pydantic_source.names import Alias, SourceClass
from core.pydantic_source.parts import NULL, choices
from core.pydantic_source.scalars import JsonSchema
from core.pydantic_source.settings import Configs
from core.python_syntax import refusal, target, written

_VALIDATORS = frozenset(
    "field_validator model_validator validator root_validator validate_arguments validate_call".split()  # noqa: SIM905
)
_SERIALIZERS = frozenset({"field_serializer", "model_serializer"})
_INFERRED = {str: "string", bool: "boolean", int: "integer", float: "number"}
"""What pydantic 1 takes a field for that has a default and no type."""
_SETTINGS = frozenset({"model_config", "__pydantic_config__", "__config__"})
_PROPERTIES = frozenset({"property", "cached_property", "functools.cached_property", "hybrid_property"})
_SCHEMA_HOOKS = frozenset(
    {
        *("__get_pydantic_core_schema__", "__get_pydantic_json_schema__", "__get_validators__", "__modify_schema__"),
        *("model_json_schema", "schema", "__pydantic_init_subclass__"),
    }
)
_HARMLESS_DECORATORS = frozenset({"dataclass", "final", "with_config", "total_ordering", "runtime_checkable", "unique"})


@dataclass(frozen=True, slots=True)
class FieldShape:
    """A field as far as it is read: the alias that it is given itself, its schema, whether it is required."""

    alias: str | None
    schema: JsonSchema
    is_required: bool
    node: ast.AST


@dataclass(slots=True)
class Shape:
    """The fields of a class, by their names in Python, and the schema of a root model."""

    fields: dict[str, FieldShape] = field(default_factory=dict[str, FieldShape])
    root: FieldShape | None = None


class Classes:
    """Reads the classes of one source."""

    def __init__(
        self, kinds: Kinds, configs: Configs, constants: Constants, annotations: Annotations, remarks: Remarks
    ) -> None:
        self._kinds = kinds
        self._names = kinds.names
        self._configs = configs
        self._constants = constants
        self._annotations = annotations
        self._remarks = remarks
        self._plain: dict[tuple[SourceClass, bool], Shape] = {}
        self._reading: list[SourceClass] = []

    def definition(self, use: Specialization) -> JsonSchema:
        """Return the schema of *use*; what it refers to is left to be read."""
        found = use.meaning
        if isinstance(found, Alias):
            place = TypeContext(found.scope, found.name, use.variables)
            return self._annotations.read(found.value, place)
        self._check_decorators(found)
        match self._kinds.of(found):
            case Kind.ENUM:
                return self._enum(found, use)
            case Kind.NAMED_TUPLE:
                return self._named_tuple(use)
            case _:
                return self._object(found, use)

    def _check_decorators(self, found: SourceClass) -> None:
        for decorator in found.node.decorator_list:
            name = self._names.known(called(decorator), found.scope)
            if name not in _HARMLESS_DECORATORS and name != "deprecated":
                self._remarks.leave_out("decorator", f"{found.name}: {written(called(decorator))}", decorator)

    def _enum(self, found: SourceClass, use: Specialization) -> JsonSchema:
        members = self._constants.members(found)
        if not members:
            raise refusal(found.node, f"{found.name} has no members", "write NAME = value")
        told = choices(list(members.values()))
        if "const" in told:
            told["enum"] = [told.pop("const")]
        return {"title": use.title, **_documented(found), **told}

    def _named_tuple(self, use: Specialization) -> JsonSchema:
        fields = self.shape(use).fields
        parts = [{"title": _title(name), **each.schema} for name, each in fields.items()]
        shortest = sum(each.is_required for each in fields.values())
        return {"type": "array", "prefixItems": parts, "minItems": shortest, "maxItems": len(parts)}

    def _object(self, found: SourceClass, use: Specialization) -> JsonSchema:
        config = self._configs.of(found)
        shape = self.shape(use)
        note = _documented(found) if not use.variables else {}
        title = config.title or use.title
        if shape.root is not None:
            return {"title": title, **shape.root.schema, **note, **config.schema_extra}
        if any(self._names.known(called(each), found.scope) == "deprecated" for each in found.node.decorator_list):
            note["deprecated"] = True
        schema: JsonSchema = {"title": title, **note, "type": "object"}
        properties: JsonSchema = {}
        required: list[str] = []
        rename = config.alias_of or str
        for name, each in shape.fields.items():
            key = (each.alias or rename(name)) if config.has_aliases else name
            if key in properties:
                raise refusal(each.node, f"two fields are called {key!r}", "give each its own name or alias")
            properties[key] = each.schema
            if each.is_required:
                required.append(key)
        schema["properties"] = properties
        if required:
            schema["required"] = required
        if config.extra in ("forbid", "allow"):
            schema["additionalProperties"] = config.extra == "allow"
        return schema | config.schema_extra

    # ── Fields ──

    def shape(self, use: Specialization) -> Shape:
        """Return the fields of a class with those that it inherits."""
        found = cast("SourceClass", use.meaning)
        key = (found, False)
        if not use.variables and key in self._plain:
            return self._plain[key]
        if found in self._reading:
            raise refusal(found.node, f"{found.name} derives from itself", "give it another base")
        self._reading.append(found)
        shape = Shape()
        for parent, base in reversed(self._kinds.parents(found)):
            place = TypeContext(found.scope, found.name, use.variables, use)
            inherited = self.shape(self._annotations.specializations.of(parent, given(base), place))
            shape.fields |= inherited.fields
            shape.root = inherited.root or shape.root
        self._read_bases(found, use, shape)
        self._read_body(found, use, shape)
        self._reading.pop()
        if not use.variables:
            self._plain[key] = shape
        return shape

    def _read_bases(self, found: SourceClass, use: Specialization, shape: Shape) -> None:
        for base in found.node.bases:
            name = self._names.known(bare(base), found.scope)
            if name == "RootModel" and isinstance(base, ast.Subscript):
                place = TypeContext(found.scope, found.name, use.variables, use)
                schema = self._annotations.read(base.slice, place)
                shape.root = FieldShape(None, schema, is_required=True, node=base)
            elif name == "CitationMixin":
                quotes: JsonSchema = {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Passages of the source, word for word, that this rests on.",
                }
                shape.fields["substring_quotes"] = FieldShape(None, quotes, is_required=True, node=base)
            elif not self._kinds.is_understood(name) and is_unread(self._names.meaning(bare(base), found.scope)):
                self._remarks.leave_out("base", f"{found.name}({written(base)})", base)

    def _read_body(self, found: SourceClass, use: Specialization, shape: Shape) -> None:
        body = found.node.body
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        has_docstrings = self._configs.of(found).has_field_docstrings
        for statement, following in zip(body, [*body[1:], None], strict=False):
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name)):
                    self._read_field(found, use, shape, name, statement)
                    if has_docstrings and name in shape.fields:
                        shape.fields[name] = _described(shape.fields[name], following)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._leave_out_function(found, statement)
                    if statement.name in shape.fields:  # what an inherited field is overridden by is its default
                        shape.fields[statement.name] = replace(shape.fields[statement.name], is_required=False)
                case ast.ClassDef() | ast.Pass() | ast.Expr(value=ast.Constant()):
                    pass
                case ast.Assign() if name := target(statement):
                    self._read_assignment(found, shape, name, statement)
                case _:
                    self._remarks.leave_out("statement", f"{found.name}: {written(statement)}", statement)

    def _read_field(
        self, found: SourceClass, use: Specialization, shape: Shape, name: str, statement: ast.AnnAssign
    ) -> None:
        kind = self._names.known(bare(statement.annotation), found.inner)
        is_model = self._kinds.of(found) in (Kind.MODEL, Kind.FOREIGN, Kind.PLAIN)
        if name in _SETTINGS or (is_model and name.startswith("_") and name != "__root__"):
            return
        if kind in ("ClassVar", "KW_ONLY") or _is_quoted_class_variable(statement.annotation):
            return
        if kind == "Final" and statement.value is not None and self._kinds.of(found) is Kind.MODEL:
            return  # pydantic takes it for a variable of the class
        place = TypeContext(found.inner, f"{found.name}.{name}", use.variables, use)
        node, at, told = self._annotations.wrappings.told(statement.annotation, statement.value, place)
        if told.is_hidden:
            shape.fields.pop(name, None)
            return
        schema = self._annotations.built(node, at, told)
        if told.default:
            schema = {**schema, "default": told.default[0]}
        is_required = told.is_required and not (self._names.is_version_1 and NULL in schema.get("anyOf", ()))
        if self._kinds.of(found) is Kind.TYPED_DICT:
            is_required = self._is_required_key(found, statement.annotation)
            schema.pop("default", None)
        made = FieldShape(told.alias, schema, is_required, statement)
        if name == "__root__" or (name == "root" and self._is_root_model(found)):
            shape.root = made
        else:
            shape.fields[name] = made

    def _is_root_model(self, found: SourceClass) -> bool:
        return any(
            self._names.known(bare(base), each.scope) == "RootModel"
            for each in self._kinds.lineage(found)
            for base in each.node.bases
        )

    def _is_required_key(self, found: SourceClass, annotation: ast.expr) -> bool:
        for part in _wrappings(annotation):
            name = self._names.known(part, found.inner)
            if name in ("Required", "NotRequired"):
                return name == "Required"
        total = next((each.value for each in found.node.keywords if each.arg == "total"), None)
        return not (isinstance(total, ast.Constant) and total.value is False)

    def _read_assignment(self, found: SourceClass, shape: Shape, name: str, statement: ast.Assign) -> None:
        """Read ``name = …`` in a class: a setting, a validator, the new default of an inherited field, or an error."""
        value = statement.value
        if name in _SETTINGS or name.startswith("_"):
            if isinstance(value, ast.Call) and self._is_validator(value, found):
                self._remarks.leave_out("validator", f"{found.name}.{name}", statement)
            return
        if isinstance(value, ast.Call) and self._is_validator(value, found):
            self._remarks.leave_out("validator", f"{found.name}.{name}", statement)
        elif self._kinds.of(found) is not Kind.MODEL:
            pass  # a variable of the class
        elif name in shape.fields:
            is_plain, default = self._constants.try_value(value, found.inner)
            note = {"default": default} if is_plain else {}
            schema = {key: part for key, part in shape.fields[name].schema.items() if key != "default"} | note
            shape.fields[name] = replace(shape.fields[name], schema=schema, is_required=False)
        elif self._names.is_version_1:
            _, default = self._constants.try_value(value, found.inner)
            schema = {"type": _INFERRED[type(default)], "default": default} if type(default) in _INFERRED else {}
            shape.fields[name] = FieldShape(None, schema, is_required=False, node=statement)
        elif self._constants.try_value(value, found.inner)[0]:
            raise refusal(statement, f"this is no field: {name} has no type", "write name: type = value")
        else:
            self._remarks.leave_out("statement", f"{found.name}: {written(statement)}", statement)

    def _is_validator(self, value: ast.Call, found: SourceClass) -> bool:
        func = value.func.func if isinstance(value.func, ast.Call) else value.func
        return self._names.known(func, found.scope) in _VALIDATORS

    def _leave_out_function(self, found: SourceClass, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        decorators = {self._names.known(called(each), found.scope) for each in node.decorator_list}
        kind = "method"
        if decorators & _VALIDATORS:
            kind = "validator"
        elif decorators & _SERIALIZERS:
            kind = "serializer"
        elif "computed_field" in decorators:
            kind = "computed field"
        elif decorators & _PROPERTIES:
            kind = "property"
        elif node.name in _SCHEMA_HOOKS:
            kind = "schema hook"
        self._remarks.leave_out(kind, f"{found.name}.{node.name}", node)


def _documented(found: SourceClass) -> JsonSchema:
    text = None if found.is_made else ast.get_docstring(found.node, clean=False)
    return {"description": inspect.cleandoc(text)} if text else {}


def _described(shape: FieldShape, following: ast.stmt | None) -> FieldShape:
    match following:
        case ast.Expr(value=ast.Constant(value=str(text))) if "description" not in shape.schema:
            return replace(shape, schema={**shape.schema, "description": inspect.cleandoc(text)})
        case _:
            return shape


def _title(name: str) -> str:
    return name.replace("_", " ").title()


def _is_quoted_class_variable(annotation: ast.expr) -> bool:
    return (
        isinstance(annotation, ast.Constant)
        and isinstance(annotation.value, str)
        and annotation.value.strip().removeprefix("typing.").startswith("ClassVar")
    )


def _wrappings(annotation: ast.expr) -> Iterator[ast.expr]:
    """Yield what is written around a type, from without."""
    while isinstance(annotation, ast.Subscript):
        yield annotation.value
        inner = annotation.slice
        annotation = inner.elts[0] if isinstance(inner, ast.Tuple) and inner.elts else inner
