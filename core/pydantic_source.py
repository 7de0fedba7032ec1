"""Pydantic source text read as JSON Schema. A whitelisted syntax tree is interpreted; nothing in it is ever run.

What can be said in a schema is read: models and enums, inheritance, ``Field`` constraints, ``Annotated``, ``Literal``,
unions, aliases, references forward and to itself. What would be code (validators, methods, calls) is refused, with its
line and with what to write instead.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from core.errors import Invalid
from core.python_syntax import (
    BOUNDS,
    CALLED,
    DEEPEST,
    DICTS,
    LISTS,
    SCALARS,
    JsonSchema,
    Names,
    alternatives,
    arguments,
    choices,
    constrained,
    parsed,
    references,
    refusal,
    shown,
    target,
    union,
)

MOST_CHARACTERS = 50_000
"""The longest source."""
MOST_NODES = 5_000
"""The most nodes of its syntax tree."""
_MODEL_BASES = frozenset({"BaseModel", "ResponseSchema", "OpenAISchema"})
_NOTES = frozenset({"title", "description", "examples", "deprecated"})
_CONFIG = frozenset({"extra", "title", "use_attribute_docstrings"})
# Arguments and settings that change how pydantic reads or writes, and nothing about what is valid.
_WITHOUT_EFFECT = frozenset(
    """
    strict frozen repr init init_var kw_only validate_default allow_inf_nan serialization_alias alias_priority
    coerce_numbers_to_str strip_whitespace to_lower to_upper union_mode fail_fast
    """.split()  # noqa: SIM905 forty quotes tell less
)
_CONFIG_WITHOUT_EFFECT = frozenset(
    """
    frozen strict populate_by_name validate_by_name validate_by_alias use_enum_values validate_assignment
    validate_default from_attributes hide_input_in_errors str_strip_whitespace str_to_lower str_to_upper
    protected_namespaces coerce_numbers_to_str arbitrary_types_allowed revalidate_instances serialize_by_alias
    """.split()  # noqa: SIM905 as above
)
_FACTORIES = frozenset({"list", "dict", "set", "frozenset", "tuple", "str", "int", "float", "bool"})


def json_schema_from_source(source: str, model: str | None = None) -> dict[str, Any]:
    """Return the JSON Schema of *model*; without a name, of the last model that no other class of *source* uses.

    Raises:
        Invalid: the source says what cannot be read; the message gives line, reason, and what to write instead.

    """
    if len(source) > MOST_CHARACTERS:
        raise Invalid(f"The source has over {MOST_CHARACTERS} characters; keep only the models.")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        # Python's own words on a number of thousands of digits are advice to change the interpreter.
        reason = "a number has too many digits" if "integer string conversion" in error.msg else error.msg
        raise Invalid(f"Line {error.lineno or 1}: this is not Python ({reason}); correct it.") from None
    except (ValueError, RecursionError, MemoryError):
        raise Invalid("Line 1: Python cannot read this source; remove NUL characters and deep nesting.") from None
    if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
        raise Invalid(f"The source has over {MOST_NODES} parts; keep only the models.")
    try:
        return _Source(tree).schema(model)
    except RecursionError:
        raise Invalid("Line 1: this source nests too deep; give parts of it classes of their own.") from None


@dataclass(slots=True)
class _Told:
    """What ``Field(…)``, and everything else beside a type, tells of a field."""

    constraints: dict[str, tuple[Any, ast.AST]] = field(default_factory=dict[str, tuple[Any, ast.AST]])
    notes: JsonSchema = field(default_factory=JsonSchema)
    default: list[Any] = field(default_factory=list[Any])
    """The default, if there is one that a schema can show."""
    is_required: bool = True
    alias: str | None = None
    discriminator: str | None = None


@dataclass(slots=True)
class _Model:
    """A model as far as it is read."""

    fields: dict[str, tuple[str, JsonSchema, bool]] = field(default_factory=dict[str, tuple[str, JsonSchema, bool]])
    """By Python name: the name in JSON, the schema, and whether it is required."""
    config: JsonSchema = field(default_factory=JsonSchema)
    description: str | None = None


class _Source:
    """One source text: its classes and aliases by name, read when they are asked for."""

    def __init__(self, tree: ast.Module) -> None:
        self._names = Names(tree)
        self._classes = self._names.classes
        self._models: dict[str, _Model] = {}
        self._reading: list[str] = []
        self._uses: dict[str, set[str]] = {}

    # ── Which model, and what it needs ──

    def schema(self, name: str | None) -> JsonSchema:
        """Return the schema of the model *name*, or of the one that nothing else uses, with its definitions."""
        models = [each for each in self._classes if self._is_model(each)]
        for each in models:
            self._model(each)
        if not models:
            raise Invalid("The source has no model; write a class that derives from BaseModel.")
        if name is not None and name not in models:
            raise Invalid(f"The source has no model {name[:80]!r}; it has {', '.join(models)}.")
        used = {target for user, targets in self._uses.items() for target in targets if target != user}
        root = name or next((each for each in reversed(models) if each not in used), models[-1])
        needed = self._needed(root)
        definitions = {each: self._definition(each) for each in self._classes if each in needed}
        return self._definition(root) | ({"$defs": definitions} if definitions else {})

    def _needed(self, root: str) -> set[str]:
        """Return the classes whose definitions *root* refers to, itself included if it is among them."""
        needed: set[str] = set()
        waiting = [root]
        while waiting:
            for _, schema, _ in self._model(waiting.pop()).fields.values():
                for name in references(schema):
                    if name not in needed:
                        needed.add(name)
                        waiting += [name] if self._is_model(name) else []
        return needed

    def _definition(self, name: str) -> JsonSchema:
        if not self._is_model(name):
            documented = inspect.cleandoc(ast.get_docstring(self._classes[name], clean=False) or "")
            note = {"description": documented} if documented else {}
            return {"title": name, **note, **choices(list(self._names.enum(name).values()))}
        model = self._model(name)
        schema: JsonSchema = {"title": model.config.get("title", name)}
        if model.description:
            schema["description"] = model.description
        schema |= {"type": "object", "properties": {key: part for key, part, _ in model.fields.values()}}
        if required := [key for key, _, is_required in model.fields.values() if is_required]:
            schema["required"] = required
        if model.config.get("extra") in ("forbid", "allow"):
            schema["additionalProperties"] = model.config["extra"] == "allow"
        return schema

    # ── Classes ──

    def _is_model(self, name: str) -> bool:
        return not self._names.is_enum(name)

    def _model(self, name: str) -> _Model:
        if name in self._models:
            return self._models[name]
        node = self._classes[name]
        if name in self._reading:
            raise refusal(node, f"{name} derives from itself", "give it another base")
        if node.decorator_list or node.keywords:
            raise refusal(node, "decorators and class keywords are code, which is not run", "leave them out")
        self._reading.append(name)
        model = _Model()
        for base in reversed(node.bases):
            self._inherit(model, base)
        if not node.bases:
            raise refusal(node, f"{name} is no model", "derive it from BaseModel")
        documented = ast.get_docstring(node, clean=False)
        model.description = inspect.cleandoc(documented) if documented else None
        body = node.body[1:] if documented is not None else node.body
        for statement in body:
            if target(statement) == "model_config":
                self._configure(model, statement)
        for statement, following in zip(body, [*body[1:], None], strict=True):
            self._member(model, statement, following)
        self._reading.pop()
        self._models[name] = model
        return model

    def _inherit(self, model: _Model, base: ast.expr) -> None:
        name = self._names.of(base)
        if name in _MODEL_BASES:
            return
        if name not in self._classes or not self._is_model(name):
            raise refusal(
                base, f"{shown(base)} cannot be a base", "derive from BaseModel or from a model of this source"
            )
        self._uses.setdefault(self._reading[-1], set()).add(name)
        parent = self._model(name)
        model.fields |= parent.fields
        model.config |= {key: value for key, value in parent.config.items() if key != "title"}

    def _configure(self, model: _Model, statement: ast.stmt) -> None:
        value = cast("ast.Assign | ast.AnnAssign", statement).value
        if isinstance(value, ast.Call) and self._names.of(value.func) == "ConfigDict" and not value.args:
            settings = [(each.arg, each.value) for each in value.keywords]
        elif isinstance(value, ast.Dict):
            settings = [
                (self._names.constant(key) if key else None, each)
                for key, each in zip(value.keys, value.values, strict=True)
            ]
        else:
            raise refusal(statement, "model_config is no ConfigDict", "write model_config = ConfigDict(...)")
        for key, each in settings:
            if key in _CONFIG:
                model.config[key] = self._names.constant(each)
            elif key not in _CONFIG_WITHOUT_EFFECT:
                raise refusal(each, f"the setting {key!r} cannot be read", f"use {', '.join(sorted(_CONFIG))} only")

    def _member(self, model: _Model, statement: ast.stmt, following: ast.stmt | None) -> None:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                bare = annotation.value if isinstance(annotation, ast.Subscript) else annotation
                if name == "model_config" or self._names.of(bare) == "ClassVar":
                    return
                if name.startswith("_"):
                    raise refusal(statement, f"{name} is private", "leave it out, or name it without the underscore")
                key, schema, is_required = self._field(name, annotation, value)
                if model.config.get("use_attribute_docstrings") and "description" not in schema:
                    match following:
                        case ast.Expr(value=ast.Constant(value=str(text))):
                            schema = {**schema, "description": inspect.cleandoc(text)}
                        case _:
                            pass
                if any(key == other for field_, (other, _, _) in model.fields.items() if field_ != name):
                    raise refusal(statement, f"two fields are called {key!r}", "give each its own name or alias")
                model.fields[name] = key, schema, is_required
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                raise refusal(
                    statement,
                    f"{statement.name} is code, which is not run",
                    "say it with Field(...) constraints, or in a description",
                )
            case ast.ClassDef(name=name):
                instead = "write model_config = ConfigDict(...)" if name == "Config" else "move it to the top level"
                raise refusal(statement, f"the class {name} stands inside another", instead)
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case _ if target(statement) != "model_config":
                raise refusal(statement, "this is no field", "write name: type, or name: type = Field(...)")
            case _:
                pass

    # ── Fields ──

    def _field(self, name: str, annotation: ast.expr, value: ast.expr | None) -> tuple[str, JsonSchema, bool]:
        """Return the name in JSON, the schema, and whether the field is required."""
        told = _Told()
        node, beside = self._apart(annotation)
        for each in beside:
            self._tell(told, each)
        if isinstance(value, ast.Call):
            self._tell(told, value)
        elif value is not None:
            self._tell_default(told, value)
        schema = self._built(node, told)
        if told.default:
            schema["default"] = told.default[0]
        return told.alias or name, schema, told.is_required

    def _built(self, node: ast.expr, told: _Told) -> JsonSchema:
        schema = self._type(node)
        if told.discriminator is not None:
            schema = self._discriminated(node, schema, told.discriminator)
        return constrained(schema, told.constraints) | told.notes

    def _apart(self, annotation: ast.expr) -> tuple[ast.expr, list[ast.expr]]:
        """Return the bare type, and what ``Annotated`` and aliases put beside it."""
        beside: list[ast.expr] = []
        for _ in range(DEEPEST):
            if isinstance(annotation, ast.Name) and self._names.of(annotation) in self._names.aliases:
                annotation = self._names.aliases[self._names.of(annotation)]
            elif isinstance(annotation, ast.Subscript) and self._names.of(annotation.value) == "Annotated":
                first, *others = arguments(annotation)
                annotation, beside = first, [*others, *beside]
            else:
                return annotation, beside
        raise refusal(annotation, "this type is defined by itself", "write out what it is")

    def _tell(self, told: _Told, node: ast.expr) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return
        called = self._names.of(node.func) if isinstance(node, ast.Call) else ""
        if not isinstance(node, ast.Call) or called not in ("Field", "StringConstraints"):
            raise refusal(node, f"{shown(node)} is code, which is not run", "only Field(...) may stand here")
        if len(node.args) > (called == "Field"):
            raise refusal(node, "only the default may stand without a name", "write each argument as name=value")
        for default in node.args:
            self._tell_default(told, default)
        self._tell_keywords(told, node.keywords)

    def _tell_keywords(self, told: _Told, keywords: Iterable[ast.keyword]) -> None:
        for keyword in keywords:
            name, node = keyword.arg, keyword.value
            if name == "default":
                self._tell_default(told, node)
            elif name == "default_factory":
                if self._names.of(node) not in _FACTORIES:
                    raise refusal(
                        node, f"{shown(node)} is code, which is not run", "use list, dict or set, or a default"
                    )
                told.is_required = False
            elif name in ("alias", "validation_alias"):
                told.alias = self._names.text(node)
            elif name == "discriminator":
                told.discriminator = self._names.text(node)
            elif name in _NOTES:
                told.notes[name] = self._names.constant(node)
            elif name == "decimal_places":
                places = self._names.constant(node)
                if not isinstance(places, int) or not 0 <= places <= 12:
                    raise refusal(node, "decimal_places is no number of places", "write a whole number up to 12")
                told.constraints["multiple_of"] = (float(f"1e-{places}") if places else 1, node)
            elif name in (*BOUNDS, "min_length", "max_length", "pattern"):
                told.constraints[name] = (self._names.constant(node), node)
            elif name not in _WITHOUT_EFFECT:
                raise refusal(keyword, f"the argument {name or '**'} cannot be read", "leave it out")

    def _tell_default(self, told: _Told, node: ast.expr) -> None:
        if isinstance(node, ast.Constant) and node.value is ...:
            return
        told.is_required = False
        told.default = [self._names.constant(node)]

    def _discriminated(self, node: ast.expr, schema: JsonSchema, tag: str) -> JsonSchema:
        """Return the union *schema* with the models told apart by their field *tag*."""
        parts = schema.get("anyOf", [schema])
        mapping: dict[str, str] = {}
        for part in parts:
            if part == {"type": "null"}:
                continue
            name = part.get("$ref", "").rpartition("/")[2]
            annotation = self._annotation(name, tag) if name else None
            if annotation is None:
                raise refusal(
                    node, f"not every alternative is a model with the field {tag!r}", "add it, with a Literal type"
                )
            choices = self._type(self._apart(annotation)[0])
            for value in choices.get("enum", [choices["const"]] if "const" in choices else []):
                mapping[str(value)] = part["$ref"]
        union: JsonSchema = {
            "discriminator": {"mapping": mapping, "propertyName": tag},
            "oneOf": [part for part in parts if "$ref" in part],
        }
        return {"anyOf": [union, {"type": "null"}]} if {"type": "null"} in parts else union

    def _annotation(self, model: str, name: str) -> ast.expr | None:
        """Return the annotation of a field as *model* or one of its bases writes it."""
        if model not in self._classes:
            return None
        node = self._classes[model]
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and target(statement) == name:
                return statement.annotation
        bases = (self._names.of(base) for base in node.bases)
        return next((found for base in bases if base != model and (found := self._annotation(base, name))), None)

    # ── Types ──

    def _type(self, node: ast.expr) -> JsonSchema:
        with self._names.deeper(node):
            return self._read_type(node)

    def _read_type(self, node: ast.expr) -> JsonSchema:
        match node:
            case ast.Constant(value=None):
                return {"type": "null"}
            case ast.Constant(value=str(text)):
                return self._type(parsed(text, node))
            case ast.BinOp(op=ast.BitOr()):
                return self._union(alternatives(node))
            case ast.Subscript():
                return self._generic(node)
            case ast.Call() if (name := self._names.of(node.func)) in CALLED:
                return self._called(node, CALLED[name])
            case ast.Name() | ast.Attribute():
                name = self._names.of(node)
                if name in self._classes:
                    self._uses.setdefault(self._reading[-1] if self._reading else "", set()).add(name)
                    return {"$ref": f"#/$defs/{name}"}
                if name in self._names.aliases:
                    return self._type(self._names.aliases[name])
                if name in SCALARS:
                    return dict(SCALARS[name])
            case _:
                pass
        raise refusal(
            node, f"the type {shown(node)} is not known", "use a class of this source, or a type that JSON has"
        )

    def _union(self, parts: Iterable[ast.expr]) -> JsonSchema:
        return union([self._type(part) for part in parts])

    def _generic(self, node: ast.Subscript) -> JsonSchema:
        name, given = self._names.of(node.value), arguments(node)
        if name == "Annotated":
            bare, beside = self._apart(node)
            told = _Told()
            for each in beside:
                self._tell(told, each)
            return self._built(bare, told)
        if name == "Literal":
            return choices([self._names.choice(each) for each in given])
        if name == "Union":
            return self._union(given)
        if name == "Optional" and len(given) == 1:
            return self._union([*given, ast.copy_location(ast.Constant(None), node)])
        if name in LISTS and len(given) == 1:
            return {"type": "array", "items": self._type(given[0]), **LISTS[name]}
        if name in DICTS and len(given) == 2:
            return self._dictionary(*given)
        if name in ("tuple", "Tuple"):
            return self._tuple(given)
        raise refusal(
            node, f"the type {shown(node)} is not known", "use list, dict, set, tuple, Optional, Union or Literal"
        )

    def _dictionary(self, key: ast.expr, value: ast.expr) -> JsonSchema:
        names, values = self._type(key), self._type(value)
        is_text = names.get("type") == "string" or "$ref" in names
        if not is_text and names.get("type") not in ("integer", "number", "boolean"):
            raise refusal(key, f"{shown(key)} cannot be a key in JSON", "use str, an enum or a Literal of text")
        special = {"propertyNames": names} if is_text and names != {"type": "string"} else {}
        return {"type": "object", "additionalProperties": values or True, **special}

    def _tuple(self, given: list[ast.expr]) -> JsonSchema:
        match given:
            case [each, ast.Constant(value=end)] if end is ...:
                return {"type": "array", "items": self._type(each)}
            case _:
                parts = [self._type(each) for each in given]
                return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}

    def _called(self, node: ast.Call, name: str) -> JsonSchema:
        """Return the type that a call such as ``conint(ge=0)`` stands for."""
        told = _Told()
        self._tell_keywords(told, node.keywords)
        schema = dict(SCALARS[name])
        if name in LISTS and len(node.args) == 1:
            schema["items"] = self._type(node.args[0])
        elif node.args:
            raise refusal(node, f"{shown(node)} has arguments without a name", "write each as name=value")
        return constrained(schema, told.constraints)
