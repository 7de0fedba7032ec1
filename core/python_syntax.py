"""Python's syntax for types and constants, and what it means in JSON Schema. It is read; nothing in it is ever run."""

from __future__ import annotations

import ast
import math
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from jsonschema_rs import Draft202012Validator, ValidationError

from core.errors import Invalid

JsonSchema = dict[str, Any]
DEEPEST = 40
"""The deepest nesting of a type or a constant."""
MOST_STEPS = 20_000
"""The most types and constants that one source may lead to once its aliases are followed."""

MOST_QUOTED = 500
"""The longest type that stands in quotes."""

SCALARS: dict[str, JsonSchema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Any": {},
    "object": {},
    "None": {"type": "null"},
    "NoneType": {"type": "null"},
    "Decimal": {"type": "number"},
    "StrictStr": {"type": "string"},
    "StrictInt": {"type": "integer"},
    "StrictFloat": {"type": "number"},
    "StrictBool": {"type": "boolean"},
    "FiniteFloat": {"type": "number"},
    "PositiveInt": {"type": "integer", "exclusiveMinimum": 0},
    "NegativeInt": {"type": "integer", "exclusiveMaximum": 0},
    "NonNegativeInt": {"type": "integer", "minimum": 0},
    "NonPositiveInt": {"type": "integer", "maximum": 0},
    "PositiveFloat": {"type": "number", "exclusiveMinimum": 0},
    "NegativeFloat": {"type": "number", "exclusiveMaximum": 0},
    "NonNegativeFloat": {"type": "number", "minimum": 0},
    "NonPositiveFloat": {"type": "number", "maximum": 0},
    "dict": {"type": "object", "additionalProperties": True},
    "list": {"type": "array", "items": {}},
    "set": {"type": "array", "items": {}, "uniqueItems": True},
    "frozenset": {"type": "array", "items": {}, "uniqueItems": True},
    "tuple": {"type": "array", "items": {}},
}
_FORMATS = {
    "date": "date PastDate FutureDate",
    "date-time": "datetime PastDatetime FutureDatetime",
    "date-time-local": "NaiveDatetime",
    "date-time-zoned": "AwareDatetime",
    "time": "time",
    "duration": "timedelta",
    "uuid": "UUID UUID1 UUID3 UUID4 UUID5",
    "email": "EmailStr",
    "uri": "AnyUrl AnyHttpUrl HttpUrl",
    "ipv4": "IPv4Address",
    "ipv6": "IPv6Address",
}
SCALARS.update(
    {name: {"type": "string", "format": format_} for format_, names in _FORMATS.items() for name in names.split()}
)
SCALARS.update({name: SCALARS[name.lower()] for name in ("Dict", "List", "Set", "FrozenSet", "Tuple")})
LISTS: dict[str, JsonSchema] = {
    **{name: {} for name in ("list", "List", "Sequence", "Iterable", "Collection")},
    **{name: {"uniqueItems": True} for name in ("set", "Set", "frozenset", "FrozenSet", "AbstractSet")},
}
"""Generic types that are a list in JSON, with what each adds."""
DICTS = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})
CALLED = {
    "conint": "int",
    "confloat": "float",
    "condecimal": "Decimal",
    "constr": "str",
    "conlist": "list",
    "conset": "set",
}
"""Functions of pydantic that stand for a type with constraints."""
_MODULES = frozenset(
    {
        "__future__",
        "collections",
        "datetime",
        "decimal",
        "enum",
        "instructor",
        "ipaddress",
        "pydantic",
        "typing",
        "typing_extensions",
        "uuid",
    }
)
ENUM_BASES = frozenset({"Enum", "StrEnum", "IntEnum"})
_ENUM_MIXINS = frozenset({"str", "int", "float"})
_NUMBERS = frozenset({"integer", "number"})
BOUNDS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
}
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


def refusal(node: ast.AST, what: str, instead: str) -> Invalid:
    """Return the error that says the line of *node*, *what* is wrong there, and what to write *instead*."""
    return Invalid(f"Line {getattr(node, 'lineno', 1)}: {what}; {instead}.")


def shown(node: ast.AST) -> str:
    """Return *node* as source, short enough for a sentence."""
    try:
        text = " ".join(ast.unparse(node).split())
    except RecursionError:
        text = "…"
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def target(statement: ast.stmt) -> str:
    """Return the one name that *statement* assigns or annotates; nothing for any other statement."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return ""


def parsed(text: str, node: ast.expr) -> ast.expr:
    """Return the type that is written in quotes at *node*."""
    if len(text) > MOST_QUOTED:
        raise refusal(node, f"the type {shown(node)} is too long", "write it without quotes")
    try:
        inner = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise refusal(node, f"the type {shown(node)} is not Python", "correct it") from None
    for each in ast.walk(inner):
        ast.copy_location(each, node)
    return inner


def arguments(node: ast.Subscript) -> list[ast.expr]:
    """Return what stands between the brackets of *node*."""
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def alternatives(node: ast.expr) -> list[ast.expr]:
    """Return the parts of ``a | b | c``, in order."""
    parts: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


def union(schemas: Iterable[JsonSchema]) -> JsonSchema:
    """Return the schema of whatever one of *schemas* allows; null comes last."""
    flat: list[JsonSchema] = []
    for schema in schemas:
        for part in schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]:
            if part not in flat:
                flat.append(part)
    flat.sort(key=lambda part: part == {"type": "null"})
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


_CHOICE_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def choices(values: Iterable[str | float | bool | None]) -> JsonSchema:
    """Return the schema of one of *values*."""
    different = list({(type(value), value): value for value in values}.values())
    kinds: set[type] = {type(value) for value in different}
    schema: JsonSchema = {"const": different[0]} if len(different) == 1 else {"enum": different}
    return schema | ({"type": _CHOICE_TYPES[kinds.pop()]} if len(kinds) == 1 else {})


def constrained(schema: JsonSchema, constraints: Mapping[str, tuple[Any, ast.AST]]) -> JsonSchema:
    """Return *schema* with the *constraints* in the parts of it that they fit.

    Raises:
        Invalid: one fits nowhere, or its value makes no sense.

    """
    for name, (value, node) in constraints.items():
        _check_value(name, value, node)
        parts = schema.get("anyOf", [schema])
        words = [_word(name, part) for part in parts]
        if not any(words):
            raise refusal(node, f"{name} does not apply to this type", "leave it out, or put it where it does")
        bound = [{**part, word: value} if word else part for part, word in zip(parts, words, strict=True)]
        schema = {**schema, "anyOf": bound} if "anyOf" in schema else bound[0]
    return schema


def _check_value(name: str, value: Any, node: ast.AST) -> None:
    if name == "pattern":
        try:
            Draft202012Validator({"pattern": value})
        except ValidationError:
            raise refusal(node, f"the pattern {shown(node)} is no regular expression", "correct it") from None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal(node, f"{name} is no number", "write a number")
    elif name not in BOUNDS and not (isinstance(value, int) and value >= 0):
        raise refusal(node, f"{name} is no length", "write a whole number of at least 0")
    elif name == "multiple_of" and value <= 0:
        raise refusal(node, "multiple_of is not above 0", "write a larger number")


def _word(name: str, schema: JsonSchema) -> str:
    """Return the keyword that *name* is in a schema of this type; nothing where it does not fit."""
    kind = schema.get("type")
    if not isinstance(kind, str) or schema.keys() & {"enum", "const", "format", "prefixItems"}:
        return ""
    if name in BOUNDS:
        return BOUNDS[name] if kind in _NUMBERS else ""
    if name == "pattern":
        return name if kind == "string" else ""
    shortest, longest = _LENGTHS.get(kind, ("", ""))
    return shortest if name == "min_length" else longest


def references(schema: Any) -> Iterator[str]:
    """Yield the names of the definitions that *schema* refers to."""
    if isinstance(schema, dict):
        for key, part in cast("JsonSchema", schema).items():
            if key == "$ref" and isinstance(part, str):
                yield part.rpartition("/")[2]
            elif key not in ("default", "examples", "enum", "const"):
                yield from references(part)
    elif isinstance(schema, list):
        for part in cast("list[Any]", schema):
            yield from references(part)


class Names:
    """What the names of one source mean: its classes, its aliases, what it imports, its constants."""

    def __init__(self, tree: ast.Module) -> None:
        self.classes: dict[str, ast.ClassDef] = {}
        self.aliases: dict[str, ast.expr] = {}
        self._imported: dict[str, str] = {}
        self._modules = {"datetime", "decimal", "enum", "pydantic", "typing", "uuid"}
        self._enums: dict[str, dict[str, Any]] = {}
        self._depth = 0
        self._steps = 0
        for statement in tree.body:
            self._collect(statement)

    def is_enum(self, name: str) -> bool:
        """Whether the class *name* is an enum."""
        return any(self.of(base) in ENUM_BASES for base in self.classes[name].bases)

    def _collect(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import(names=names):
                for each in names:
                    self._check_module(statement, each.name)
                    self._modules.add(each.asname or each.name.partition(".")[0])
            case ast.ImportFrom(module=module, names=names, level=level):
                self._check_module(statement, "." * level + (module or ""))
                self._imported |= {each.asname or each.name: each.name for each in names}
            case ast.ClassDef(name=name):
                if name in self.classes:
                    raise refusal(statement, f"the class {name} is here twice", "give each its own name")
                self.classes[name] = statement
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.aliases[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self.aliases[name] = value
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case _:
                raise refusal(statement, "only imports, classes and type aliases are read here", "leave out all else")

    def _check_module(self, node: ast.AST, module: str) -> None:
        if module.partition(".")[0] not in _MODULES:
            raise refusal(node, f"{module[:80]!r} cannot be imported", f"use {', '.join(sorted(_MODULES))} only")

    def of(self, node: ast.expr) -> str:
        """Return the plain name that *node* means, whatever it was imported as; nothing for any other expression."""
        if isinstance(node, ast.Name):
            return node.id if node.id in self.classes else self._imported.get(node.id, node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self._modules:
            return node.attr
        return ""

    def text(self, node: ast.expr) -> str:
        """Return the text that *node* is."""
        value = self.constant(node)
        if not isinstance(value, str) or not value:
            raise refusal(node, f"{shown(node)} is no text", "write it in quotes")
        return value

    def choice(self, node: ast.expr) -> str | float | bool | None:
        """Return the plain value that *node* is, which is neither a list nor a dict."""
        value = self.constant(node)
        if isinstance(value, list | dict):
            raise refusal(node, f"{shown(node)} cannot be a choice", "use text, numbers, True, False or None")
        return value

    def constant(self, node: ast.expr) -> Any:
        """Return the JSON value that *node* is."""
        with self.deeper(node):
            return self._read_constant(node)

    @contextmanager
    def deeper(self, node: ast.expr) -> Generator[None]:
        """Read a part of a part: aliases may refer to each other in a circle, or multiply without end."""
        self._depth += 1
        self._steps += 1
        if self._depth > DEEPEST or self._steps > MOST_STEPS:
            raise refusal(node, "this nests too deep, or is defined by itself", "write it out, or make it a class")
        yield
        self._depth -= 1

    def _read_constant(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value) if _is_plain(value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
                return -self.constant(node.operand)
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return [self.constant(part) for part in parts]
            case ast.Dict(keys=keys, values=values) if None not in keys:
                pairs = zip(keys, values, strict=True)
                return {self.text(key): self.constant(value) for key, value in pairs if key}
            case ast.Name() if self.of(node) in self.aliases:
                return self.constant(self.aliases[self.of(node)])
            case ast.Attribute(value=ast.Attribute() as member, attr="value"):
                return self.constant(member)
            case ast.Attribute(value=ast.Name(id=name), attr=member) if member in self._members(name):
                return self._members(name)[member]
            case _:
                pass
        raise refusal(
            node, f"{shown(node)} is no plain value", "write text, a number, True, False, None, or a list of them"
        )

    def _members(self, name: str) -> dict[str, Any]:
        return self.enum(name) if name in self.classes and self.is_enum(name) else {}

    def enum(self, name: str) -> dict[str, Any]:
        """Return the members of an enum with their values."""
        if name in self._enums:
            return self._enums[name]
        node = self.classes[name]
        bases = {self.of(base) for base in node.bases}
        if node.decorator_list or node.keywords or not bases <= ENUM_BASES | _ENUM_MIXINS:
            raise refusal(
                node, f"{name} is more than a plain enum", "derive it from Enum, StrEnum or IntEnum, without decorators"
            )
        members: dict[str, Any] = {}
        self._enums[name] = members
        is_text = bool(bases & {"str", "StrEnum"})
        for statement in node.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=member)], value=value) if not member.startswith("_"):
                    is_auto = isinstance(value, ast.Call) and self.of(value.func) == "auto" and not value.args
                    automatic = member.lower() if is_text else len(members) + 1
                    members[member] = automatic if is_auto else self.choice(value)
                    if is_text and not isinstance(members[member], str):
                        raise refusal(value, f"{member} is a member of a text enum and no text", "write it in quotes")
                case ast.Pass() | ast.Expr(value=ast.Constant()):
                    pass
                case _:
                    raise refusal(
                        statement,
                        "this is no member of an enum",
                        "write NAME = value; methods are code, which is not run",
                    )
        if not members:
            raise refusal(node, f"{name} has no members", "write NAME = value")
        return members


def _is_plain(value: object) -> bool:
    """Whether a constant of Python is one in JSON that every reader keeps."""
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, int):
        return -(2**63) < value < 2**63
    return value is None or (isinstance(value, float) and math.isfinite(value))
