"""What kind of class a class of the source is, and what it derives from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import StrEnum

from core.pydantic_source.names import Foreign, Known, Meaning, Names, SourceClass, SourceScope
from core.python_syntax import arguments, refusal, shown

_MODEL_BASES = frozenset(
    {
        *("BaseModel", "RootModel", "GenericModel", "BaseSettings", "SQLModel", "ResponseSchema", "OpenAISchema"),
        *("CitationMixin", "IterableBase", "ResponseModel"),
    }
)
_NEUTRAL = frozenset(
    {"object", "ABC", "Generic", "Protocol", "str", "int", "float", "Exception", "ValueError", "dict", "list"}
)


class Kind(StrEnum):
    """What a class is, as far as a schema goes."""

    MODEL = "model"
    DATACLASS = "dataclass"
    TYPED_DICT = "typed dict"
    NAMED_TUPLE = "named tuple"
    ENUM = "enum"
    FOREIGN = "foreign"
    """It derives from a class that is not read: perhaps a model."""
    PLAIN = "plain"


OBJECTS = frozenset({Kind.MODEL, Kind.DATACLASS, Kind.TYPED_DICT})
"""What can be the root of a schema."""


class Kinds:
    """Tells the classes of one source apart."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._found: dict[SourceClass, Kind] = {}

    def of(self, found: SourceClass) -> Kind:
        """Return what *found* is."""
        if found not in self._found:
            self._found[found] = Kind.PLAIN  # while its bases are asked, lest it derives from itself
            self._found[found] = self._of(found)
        return self._found[found]

    def _of(self, found: SourceClass) -> Kind:
        if self.names.is_enum(found):
            return Kind.ENUM
        decorators = {self.names.known(called(each), found.scope) for each in found.node.decorator_list}
        if "dataclass" in decorators:
            return Kind.DATACLASS
        kinds: list[Kind] = []
        for base in found.node.bases:
            name = self.names.known(bare(base), found.scope)
            meaning = self.names.meaning(bare(base), found.scope)
            if name in _MODEL_BASES:
                kinds.append(Kind.MODEL)
            elif name in ("TypedDict", "NamedTuple"):
                kinds.append(Kind.TYPED_DICT if name == "TypedDict" else Kind.NAMED_TUPLE)
            elif isinstance(meaning, SourceClass):
                kinds.append(self.of(meaning))
            elif isinstance(meaning, Foreign) or (name not in _NEUTRAL and is_unread(meaning)):
                kinds.append(Kind.FOREIGN)
        wanted = (Kind.MODEL, Kind.TYPED_DICT, Kind.NAMED_TUPLE, Kind.FOREIGN)
        return next((kind for kind in wanted if kind in kinds), Kind.PLAIN)

    def parents(self, found: SourceClass) -> list[tuple[SourceClass, ast.expr]]:
        """Return the classes of the source that *found* derives from, each with the base as it is written.

        Raises:
            Invalid: a base is neither of this source nor one that is known.

        """
        parents: list[tuple[SourceClass, ast.expr]] = []
        for base in found.node.bases:
            meaning = self.names.meaning(bare(base), found.scope)
            if meaning is found:
                raise refusal(found.node, f"{found.name} derives from itself", "give it another base")
            if isinstance(meaning, SourceClass) and self.of(meaning) is not Kind.ENUM:
                parents.append((meaning, base))
            elif not self._is_neutral(meaning, base, found.scope):
                raise refusal(
                    base, f"{shown(base)} cannot be a base", "derive from BaseModel or from a model of this source"
                )
        return parents

    def _is_neutral(self, meaning: Meaning | None, base: ast.expr, scope: SourceScope) -> bool:
        return self.is_understood(self.names.known(bare(base), scope)) or is_unread(meaning)

    def is_understood(self, name: str) -> bool:
        """Whether the library's class *name* is a base whose meaning for a schema is known."""
        return name in _MODEL_BASES or name in _NEUTRAL or name in ("TypedDict", "NamedTuple")

    def lineage(self, found: SourceClass) -> Iterator[SourceClass]:
        """Yield *found* and what it derives from, once each, the nearest first."""
        waiting, seen = [found], {found}
        while waiting:
            each = waiting.pop(0)
            yield each
            for base in each.node.bases:
                parent = self.names.meaning(bare(base), each.scope)
                if isinstance(parent, SourceClass) and parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)

    def parameters(self, found: SourceClass) -> tuple[str, ...]:
        """Return the names of the type parameters of *found*, in order."""
        if own := variable_names(found.parameters):
            return own
        explicit: list[str] = []
        implied: list[str] = []
        for base in found.node.bases:
            if not isinstance(base, ast.Subscript):
                continue
            variables = self.variables(base.slice, found.scope)
            is_explicit = self.names.known(base.value, found.scope) in ("Generic", "Protocol")
            (explicit if is_explicit else implied).extend(variables)
        return tuple(dict.fromkeys(explicit or implied))

    def variables(self, node: ast.expr, scope: SourceScope) -> Iterator[str]:
        """Yield the type variables that *node* speaks of, in order."""
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and self.names.is_variable(self.names.meaning(each, scope)):
                yield each.id


def is_unread(meaning: Meaning | None) -> bool:
    """Whether a base is imported from a module that is not read, or is a class of a library that we do not know."""
    return isinstance(meaning, Foreign) or (isinstance(meaning, Known) and meaning.is_imported)


def bare(base: ast.expr) -> ast.expr:
    """Return *base* without what stands in brackets behind it."""
    return base.value if isinstance(base, ast.Subscript) else base


def called(decorator: ast.expr) -> ast.expr:
    """Return the function of *decorator*, whether it is called or not."""
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def given(base: ast.expr) -> list[ast.expr]:
    """Return what stands in brackets behind *base*."""
    return arguments(base) if isinstance(base, ast.Subscript) else []


def variable_names(parameters: tuple[ast.expr, ...]) -> tuple[str, ...]:
    """Return the names of type parameters that are given as calls of TypeVar."""
    return tuple(
        str(each.args[0].value)
        for each in parameters
        if isinstance(each, ast.Call) and isinstance(each.args[0], ast.Constant)
    )
