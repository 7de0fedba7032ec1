"""How a class is configured: ``model_config``, an inner ``Config``, class keywords, arguments of a decorator."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic.alias_generators import to_camel, to_pascal, to_snake

from core.errors import Invalid
from core.pydantic_source.constants import Constants
from core.pydantic_source.fields import Tellings
from core.pydantic_source.kinds import Kinds, bare, called
from core.pydantic_source.left_out import Remarks
from core.pydantic_source.names import Alias, Code, Known, SourceClass, SourceScope
from core.pydantic_source.scalars import JsonSchema
from core.python_syntax import target, written

_GENERATORS: dict[str, Callable[[str], str]] = {"to_camel": to_camel, "to_pascal": to_pascal, "to_snake": to_snake}
_Setting = tuple[str | None, ast.expr, SourceScope]
_DICTS = frozenset({"ConfigDict", "SettingsConfigDict", "SQLModelConfig", "dict"})
# What changes how pydantic reads or writes, and nothing about what is valid.
_WITHOUT_EFFECT = frozenset(
    """
    frozen strict populate_by_name validate_by_name use_enum_values validate_assignment
    validate_default from_attributes hide_input_in_errors str_strip_whitespace str_to_lower str_to_upper
    protected_namespaces coerce_numbers_to_str arbitrary_types_allowed revalidate_instances serialize_by_alias
    loc_by_alias ser_json_timedelta ser_json_temporal val_temporal_unit ser_json_bytes val_json_bytes
    ser_json_inf_nan regex_engine validation_error_cause cache_strings defer_build plugin_settings
    json_schema_serialization_defaults_required json_schema_mode_override allow_inf_nan url_preserve_empty_path
    orm_mode allow_population_by_field_name allow_mutation anystr_strip_whitespace validate_all smart_union
    underscore_attrs_are_private json_encoders json_loads json_dumps copy_on_model_validation read_with_orm_mode
    keep_untouched ignored_types env_file env_prefix env_file_encoding env_nested_delimiter case_sensitive
    env_ignore_empty secrets_dir registry table total metaclass arbitrary_types_allow slots kw_only eq order unsafe_hash
    repr init match_args cli_parse_args nested_model_default_partial_update env_parse_none_str extra_fields
    """.split()  # noqa: SIM905 eighty quotes tell less
)


@dataclass(frozen=True, slots=True)
class Config:
    """What the configuration of a class says of its schema."""

    extra: str | None = None
    title: str | None = None
    has_field_docstrings: bool = False
    alias_of: Callable[[str], str] | None = None
    schema_extra: JsonSchema = field(default_factory=JsonSchema)
    has_aliases: bool = True
    """Whether fields are asked for by their aliases."""
    text: JsonSchema = field(default_factory=JsonSchema)
    """What holds for every text of the class."""


class Configs:
    """Reads how the classes of one source are configured."""

    def __init__(self, kinds: Kinds, constants: Constants, tellings: Tellings, remarks: Remarks) -> None:
        self._kinds = kinds
        self._names = kinds.names
        self._constants = constants
        self._tellings = tellings
        self._remarks = remarks
        self._found: dict[SourceClass, Config] = {}

    def of(self, found: SourceClass) -> Config:
        """Return how *found* is configured, with what it inherits."""
        if found in self._found:
            return self._found[found]
        self._found[found] = Config()
        config = Config()
        for base in reversed(found.node.bases):
            parent = self._names.meaning(bare(base), found.scope)
            if isinstance(parent, SourceClass):
                told = self.of(parent)
                config = Config(
                    told.extra or config.extra,
                    None,
                    told.has_field_docstrings or config.has_field_docstrings,
                    told.alias_of or config.alias_of,
                    config.schema_extra | told.schema_extra,
                    has_aliases=told.has_aliases and config.has_aliases,
                    text=config.text | told.text,
                )
            elif self._names.known(bare(base), found.scope) == "BaseSettings":
                config = replace(config, extra="forbid")
        for name, value, scope in self._told(found):
            config = self._with(config, found, name, value, scope)
        self._found[found] = config
        return config

    def _told(self, found: SourceClass) -> Iterator[_Setting]:
        """Yield each setting of *found*, where it is written, and what names mean there."""
        for keyword in found.node.keywords:
            yield keyword.arg, keyword.value, found.scope
        for decorator in found.node.decorator_list:
            if isinstance(decorator, ast.Call):
                yield from self._told_by(decorator, found)
        for statement in found.node.body:
            match statement:
                case ast.ClassDef(name="Config"):
                    yield from self._inner(statement, found)
                case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) if target(statement) in (
                    "model_config",
                    "__pydantic_config__",
                    "__config__",
                ):
                    yield from self._settings(found, value, found.inner)
                case _:
                    pass

    def _told_by(self, decorator: ast.Call, found: SourceClass) -> Iterator[_Setting]:
        name = self._names.known(called(decorator), found.scope)
        if name not in ("dataclass", "with_config"):
            return
        for keyword in decorator.keywords:
            if keyword.arg == "config":
                yield from self._settings(found, keyword.value, found.scope)
            elif name == "with_config":
                yield keyword.arg, keyword.value, found.scope
        for each in decorator.args:
            yield from self._settings(found, each, found.scope)

    def _inner(self, config: ast.ClassDef, found: SourceClass) -> Iterator[_Setting]:
        for each in config.body:
            match each:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    yield name, value, found.inner
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    yield name, value, found.inner
                case ast.FunctionDef(name=name):
                    self._remarks.leave_out("setting", f"{found.name}.Config.{name}", each)
                case _:
                    pass

    def _settings(self, found: SourceClass, node: ast.expr, scope: SourceScope) -> Iterator[_Setting]:
        node, scope = self._tellings.call_of(node, scope)
        match node:
            case ast.Call(func=func, keywords=keywords, args=args) if self._names.known(func, scope) in _DICTS:
                for each in args:
                    yield from self._settings(found, each, scope)
                for keyword in keywords:
                    yield keyword.arg, keyword.value, scope
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    yield (str(key.value) if isinstance(key, ast.Constant) else None), value, scope
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                yield from self._settings(found, left, scope)
                yield from self._settings(found, right, scope)
            case _:
                self._remarks.leave_out("setting", f"{found.name}: {written(node)}", node)

    def _with(self, config: Config, found: SourceClass, name: str | None, node: ast.expr, scope: SourceScope) -> Config:
        """Return *config* with one setting more; one that says what a schema cannot is left out."""
        if name in _WITHOUT_EFFECT:
            return config
        where = f"{found.name}: {name or written(node)}"
        is_plain, value = self._constants.try_value(node, scope)
        changes: dict[str, Any] = {}
        match name:
            case "extra" if is_plain or isinstance(node, ast.Attribute):  # Extra.forbid
                changes["extra"] = node.attr if isinstance(node, ast.Attribute) else str(value)
            case "extra_items":
                changes["extra"] = "allow"
            case "closed" if is_plain:
                changes["extra"] = "forbid" if value else None
            case "title" if is_plain and isinstance(value, str):
                changes["title"] = value
            case "use_attribute_docstrings" if is_plain:
                changes["has_field_docstrings"] = bool(value)
            case "validate_by_alias" if is_plain:
                changes["has_aliases"] = value is not False
            case "alias_generator" if generator := self._generator(node, scope):
                changes["alias_of"] = generator
            case "str_min_length" | "str_max_length" if is_plain and isinstance(value, int):
                word = "minLength" if name == "str_min_length" else "maxLength"
                changes["text"] = {**config.text, word: value}
            case "json_schema_extra" | "schema_extra" if is_plain:
                extra: JsonSchema = {}
                self._tellings.add_extra(extra, where, node, scope)
                changes["schema_extra"] = {**config.schema_extra, **extra}
            case _:
                kind = "alias generator" if name == "alias_generator" else "setting"
                self._remarks.leave_out(kind, where, node)
        return replace(config, **changes)

    def _generator(self, node: ast.expr, scope: SourceScope) -> Callable[[str], str] | None:
        """Return the function of pydantic that makes aliases; nothing for one of the source, which is not run."""
        if isinstance(node, ast.Call) and self._names.known(node.func, scope) == "AliasGenerator":
            given = {each.arg: each.value for each in node.keywords}
            chosen = given.get("validation_alias") or given.get("alias") or (node.args[0] if node.args else None)
            return self._generator(chosen, scope) if chosen else lambda name: name
        match node:
            case ast.Lambda(args=ast.arguments(args=[parameter], defaults=[]), body=body):
                return self._expression(parameter.arg, body, scope)
            case _:
                pass
        match self._names.meaning(node, scope):
            case Code(node=ast.FunctionDef(args=ast.arguments(args=[parameter], defaults=[]), body=[*_, last] as body)):
                is_short = len(body) == 1 + (ast.get_docstring(ast.Module(body, [])) is not None)
                if is_short and isinstance(last, ast.Return) and last.value is not None:
                    return self._expression(parameter.arg, last.value, scope)
            case Known(name=name):
                return _GENERATORS.get(name)
            case _:
                pass
        return None

    def _expression(self, parameter: str, body: ast.expr, scope: SourceScope) -> Callable[[str], str] | None:
        """Return what *body* makes of a name, if it is text put together; nothing if that would have to be run."""

        def made(name: str) -> str:
            inner = SourceScope(scope)
            inner.bind(parameter, 0, Alias(parameter, ast.copy_location(ast.Constant(name), body), scope))
            return str(self._constants.value(body, inner))

        try:
            made("a_b")
        except Invalid:
            return None
        return made
