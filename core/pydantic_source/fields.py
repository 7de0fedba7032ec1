"""What stands beside the type of a field: ``Field(…)``, ``Annotated`` metadata, a default."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from core.pydantic_source.constants import Constants
from core.pydantic_source.left_out import Remarks
from core.pydantic_source.names import Alias, SourceScope
from core.pydantic_source.scalars import CONSTRAINTS, NOTES, SCHEMA_WORDS, JsonSchema
from core.python_syntax import refusal, written

# Arguments that change how pydantic reads or writes, and nothing about what is valid.
_WITHOUT_EFFECT = frozenset(
    """
    strict frozen repr kw_only validate_default allow_inf_nan serialization_alias alias_priority hash compare metadata
    coerce_numbers_to_str strip_whitespace to_lower to_upper union_mode fail_fast exclude include allow_mutation
    primary_key foreign_key index unique nullable sa_column sa_type sa_column_args sa_column_kwargs env init init_var
    regex_engine exclude_if field_title_generator deprecated_alias
    """.split()  # noqa: SIM905 forty quotes tell less
)
_FIELD = frozenset({"Field", "FieldInfo", "StringConstraints", "field", "Len", "MinLen", "MaxLen", "Interval"})
_POSITIONAL = {
    "Ge": ("ge",),
    "Gt": ("gt",),
    "Le": ("le",),
    "Lt": ("lt",),
    "MultipleOf": ("multiple_of",),
    "MinLen": ("min_length",),
    "MaxLen": ("max_length",),
    "Len": ("min_length", "max_length"),
}
"""Metadata of annotated_types, with what its arguments mean."""
_WORDLESS = frozenset(
    {"Doc", "Strict", "Tag", "AllowInfNan", "PlainSerializer", "WrapSerializer", "Description", "Unit"}
)
"""Metadata that says nothing of what is valid."""
VALIDATORS = frozenset({"AfterValidator", "BeforeValidator", "WrapValidator", "PlainValidator", "Predicate", "Not"})


@dataclass(slots=True)
class FieldSpec:
    """What is told of a field beside its type."""

    where: str
    """Whose field it is, such as ``Person.age``."""
    scope: SourceScope
    constraints: dict[str, tuple[Any, ast.AST]] = field(default_factory=dict[str, tuple[Any, ast.AST]])
    notes: JsonSchema = field(default_factory=JsonSchema)
    extra: JsonSchema = field(default_factory=JsonSchema)
    default: list[Any] = field(default_factory=list[Any])
    """The default, if there is one that a schema can show."""
    is_required: bool = True
    is_hidden: bool = False
    """Whether nobody can give it, so that the schema does not ask for it."""
    is_constant: bool = False
    """Whether it is its default, always."""
    alias: str | None = None
    has_validation_alias: bool = False
    """Whether the alias is the one for reading, which goes before the one for all."""
    discriminator: str | None = None
    has_own_tag: bool = False
    """Whether a function of the source tells the alternatives of a union apart."""
    instead: ast.expr | None = None
    """The type that a validator of the source takes instead of the one that is written."""
    is_open: bool = False
    """Whether a validator of the source takes anything."""
    schema: JsonSchema | None = None
    """The schema that the source gives itself."""


class Tellings:
    """Reads what stands beside types."""

    def __init__(self, constants: Constants, remarks: Remarks) -> None:
        self._constants = constants
        self._names = constants.names
        self._remarks = remarks
        self._special = self._specials()

    def call_of(self, node: ast.expr, scope: SourceScope) -> tuple[ast.expr, SourceScope]:
        """Return what *node* is, once the names of what it may be called are followed."""
        for _ in range(10):
            meaning = self._names.meaning(node, scope) if isinstance(node, ast.Name) else None
            if not isinstance(meaning, Alias) or not isinstance(meaning.value, ast.Call | ast.Name):
                break
            node, scope = meaning.value, meaning.scope
        return node, scope

    def tell_value(self, told: FieldSpec, node: ast.expr) -> None:
        """Read what stands behind the equals sign of a field."""
        node, scope = self.call_of(node, told.scope)
        called = self._names.known(node.func, scope) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and called in _FIELD:
            self.tell(told, node, scope)
        elif called in ("Relationship", "PrivateAttr"):
            told.is_hidden = True
        else:
            self._tell_default(told, node, scope)

    def tell(self, told: FieldSpec, node: ast.expr, scope: SourceScope) -> None:
        """Read one piece of metadata of ``Annotated``, or ``Field(…)``."""
        node, scope = self.call_of(node, scope)
        if isinstance(node, ast.Call):
            self._tell_call(told, node, scope)
        elif (name := self._names.known(node, scope)) == "SkipJsonSchema":
            told.is_hidden = True
        elif not isinstance(node, ast.Constant) and name not in _WORDLESS:
            self._remarks.leave_out("annotation", f"{told.where}: {written(node)}", node)

    def _tell_call(self, told: FieldSpec, node: ast.Call, scope: SourceScope) -> None:
        called = self._names.known(node.func, scope)
        if called in _POSITIONAL:
            for name, value in zip(_POSITIONAL[called], node.args, strict=False):
                self._tell_constraint(told, name, value, scope)
            self.tell_keywords(told, node.keywords, scope)
        elif called in _FIELD:
            if len(node.args) > (called in ("Field", "FieldInfo")):
                raise refusal(node, "only the default may stand without a name", "write each argument as name=value")
            for default in node.args:
                self._tell_default(told, default, scope)
            self.tell_keywords(told, node.keywords, scope)
        elif called in ("SkipJsonSchema", "deprecated"):
            told.is_hidden |= called == "SkipJsonSchema"
            told.notes |= {called: True} if called == "deprecated" else {}
        elif called in VALIDATORS:
            self._tell_validator(told, node, called)
        elif called == "Discriminator" and len(node.args) == 1:
            self._tell_discriminator(told, node.args[0], scope)
        elif called == "WithJsonSchema" and node.args:
            is_plain, value = self._constants.try_value(node.args[0], scope)
            if is_plain and isinstance(value, dict):
                told.schema = cast("JsonSchema", value)
            else:
                self._remarks.leave_out("annotation", f"{told.where}: {written(node)}", node)
        elif called not in _WORDLESS:
            self._remarks.leave_out("annotation", f"{told.where}: {written(node.func)}", node)

    def _tell_validator(self, told: FieldSpec, node: ast.Call, called: str) -> None:
        self._remarks.leave_out("validator", told.where, node)
        given = next((each.value for each in node.keywords if each.arg == "json_schema_input_type"), None)
        if given is not None and called != "AfterValidator":
            told.instead = given
        elif called == "PlainValidator":
            told.is_open = True

    def _tell_discriminator(self, told: FieldSpec, node: ast.expr, scope: SourceScope) -> None:
        is_plain, value = self._constants.try_value(node, scope)
        if is_plain and isinstance(value, str) and value:
            told.discriminator = value
            return
        inner = node.args[0] if isinstance(node, ast.Call) and node.args else node
        if isinstance(node, ast.Call) and self._names.known(node.func, scope) == "Discriminator" and inner is not node:
            self._tell_discriminator(told, inner, scope)
            return
        told.has_own_tag = True
        self._remarks.leave_out("discriminator", f"{told.where}: {written(node)}", node)

    def tell_keywords(self, told: FieldSpec, keywords: Iterable[ast.keyword], scope: SourceScope) -> None:
        """Read the arguments of ``Field``, or of ``conint`` and its like."""
        for keyword in keywords:
            name, node = keyword.arg or "**", keyword.value
            if name in ("decimal_places", *CONSTRAINTS):
                self._tell_constraint(told, CONSTRAINTS.get(name, name), node, scope)
            elif name in NOTES:
                self._tell_note(told, name, node, scope)
            elif telling := self._special.get(name):
                telling(told, name, node, scope)
            elif name in SCHEMA_WORDS:
                self._add_word(told, name, node, scope)
            elif name not in _WITHOUT_EFFECT:
                self._remarks.leave_out("argument", f"{told.where}: {name}", node)

    def _specials(self) -> dict[str, Callable[[FieldSpec, str, ast.expr, SourceScope], None]]:
        """Return how each argument is read that is neither a constraint nor a note."""

        def tell_factory(told: FieldSpec, _name: str, _node: ast.expr, _scope: SourceScope) -> None:
            told.is_required = False

        def tell_digits(told: FieldSpec, name: str, node: ast.expr, _scope: SourceScope) -> None:
            self._remarks.leave_out("constraint", f"{told.where}: {name}", node)

        def tell_extra(told: FieldSpec, _name: str, node: ast.expr, scope: SourceScope) -> None:
            self.add_extra(told.extra, told.where, node, scope)

        def tell_unique(told: FieldSpec, _name: str, node: ast.expr, scope: SourceScope) -> None:
            if self._constants.try_value(node, scope) == (True, True):
                told.extra["uniqueItems"] = True

        return {
            "default": lambda told, _, node, scope: self._tell_default(told, node, scope),
            "default_factory": tell_factory,
            "discriminator": lambda told, _, node, scope: self._tell_discriminator(told, node, scope),
            "max_digits": tell_digits,
            "unique_items": tell_unique,
            "example": self._add_word,
            **dict.fromkeys(("json_schema_extra", "schema_extra"), tell_extra),
            **dict.fromkeys(("alias", "validation_alias", "const"), self._tell_special),
        }

    def _tell_special(self, told: FieldSpec, name: str, node: ast.expr, scope: SourceScope) -> None:
        if name == "const":
            told.is_constant = self._constants.try_value(node, scope) == (True, True)
        elif told.has_validation_alias and name == "alias":
            pass
        elif (alias := self._alias(node, scope)) is not None:
            told.alias = alias
            told.has_validation_alias = name == "validation_alias"
        elif not isinstance(node, ast.Constant):
            self._remarks.leave_out("alias", f"{told.where}: {written(node)}", node)

    def _alias(self, node: ast.expr, scope: SourceScope) -> str | None:
        """Return the name that a schema asks for: the first of the choices that is one; a path has none."""
        if isinstance(node, ast.Constant) and node.value is None:
            return None
        if isinstance(node, ast.Call) and self._names.known(node.func, scope) == "AliasChoices":
            return next((name for each in node.args if (name := self._alias(each, scope))), None)
        if isinstance(node, ast.Call) and self._names.known(node.func, scope) == "AliasPath":
            return self._alias(node.args[0], scope) if len(node.args) == 1 else None
        is_plain, value = self._constants.try_value(node, scope)
        return value if is_plain and isinstance(value, str) and value else None

    def _tell_note(self, told: FieldSpec, name: str, node: ast.expr, scope: SourceScope) -> None:
        is_plain, value = self._constants.try_value(node, scope)
        if isinstance(node, ast.Call) and self._names.known(node.func, scope) == name == "deprecated":
            is_plain, value = True, True
        if is_plain and name in ("title", "description"):
            is_plain = value is None or isinstance(value, str)
        if not is_plain:
            self._remarks.leave_out(name, f"{told.where}: {written(node)}", node)
        elif name == "deprecated":
            told.notes[name] = bool(value)
        elif value is not None:
            told.notes[name] = value

    def _tell_constraint(self, told: FieldSpec, name: str, node: ast.expr, scope: SourceScope) -> None:
        is_plain, value = self._constants.try_value(node, scope)
        if is_plain and value is None:
            return
        if not is_plain:
            self._remarks.leave_out("constraint", f"{told.where}: {name}", node)
        elif name == "decimal_places":
            if not isinstance(value, int) or not 0 <= value <= 12:
                raise refusal(node, "decimal_places is no number of places", "write a whole number up to 12")
            told.constraints["multiple_of"] = (float(f"1e-{value}") if value else 1, node)
        else:
            told.constraints[name] = (value, node)

    def _tell_default(self, told: FieldSpec, node: ast.expr, scope: SourceScope) -> None:
        match node:
            case ast.Constant(value=value) if value is ...:
                return
            case ast.Name(id="Undefined" | "PydanticUndefined" | "MISSING"):
                return
            case _:
                pass
        told.is_required = False
        is_plain, value = self._constants.try_value(node, scope)
        if is_plain:
            told.default = [value]
        else:
            told.default = []
            self._remarks.leave_out("default", f"{told.where}: {written(node)}", node)

    def add_extra(self, extra: JsonSchema, where: str, node: ast.expr, scope: SourceScope) -> None:
        """Add what a source puts into a schema itself to *extra*; whatever is no word of JSON Schema is left out."""
        is_plain, value = self._constants.try_value(node, scope)
        if is_plain and value is None:
            return
        if not is_plain or not isinstance(value, dict):
            self._remarks.leave_out("schema extra", where, node)
            return
        for name, part in cast("JsonSchema", value).items():
            if name in SCHEMA_WORDS:
                extra[name] = part
            elif name == "example":
                extra.setdefault("examples", [part])

    def _add_word(self, told: FieldSpec, name: str, node: ast.expr, scope: SourceScope) -> None:
        made = ast.Dict([ast.copy_location(ast.Constant(name), node)], [node])
        self.add_extra(told.extra, f"{told.where}: {name}", ast.copy_location(made, node), scope)
