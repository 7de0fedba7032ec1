"""What the names of a source mean: its classes, its aliases, what it imports. A name means what was bound before it."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter

from core.pydantic_source.made import made_class
from core.python_syntax import Syntax, shown, target

_MODULES = frozenset(
    """
    __future__ abc annotated_types collections dataclasses datetime decimal enum fractions instructor ipaddress
    numbers pathlib re sqlmodel types typing typing_extensions uuid
    """.split()  # noqa: SIM905 twenty quotes tell less
)
"""The modules whose names we know; those of pydantic as well, wherever they come from."""
_ANYWHERE = frozenset(
    """
    BaseModel RootModel GenericModel BaseSettings Field ConfigDict validator root_validator field_validator
    model_validator computed_field PrivateAttr OpenAISchema SQLModel
    """.split()  # noqa: SIM905 as above
)
"""What means the same whatever module passes it on."""
_ENUM_BASES = frozenset({"Enum", "StrEnum", "IntEnum", "Flag", "IntFlag", "ReprEnum"})
_VERSION_1 = re.compile(r"pydantic[._]v1")
_VARIABLES = frozenset({"TypeVar", "ParamSpec", "TypeVarTuple"})


@dataclass(frozen=True, slots=True)
class Known:
    """A name that this source does not define, as its library has it; whether we know it, the tables say."""

    name: str
    is_imported: bool = False


@dataclass(frozen=True, slots=True)
class Foreign:
    """A name from a module that is not read."""

    name: str
    module: str


@dataclass(frozen=True, slots=True)
class Module:
    """A module under the name that it was imported as."""

    name: str


@dataclass(frozen=True, slots=True)
class Code:
    """A function, or whatever else has a name and is neither type nor value."""

    node: ast.AST


@dataclass(slots=True, eq=False)
class SourceScope:
    """The names that are bound at one level of a source, each with the lines where it was bound."""

    outer: SourceScope | None = None
    bound: dict[str, list[tuple[int, Meaning]]] = field(default_factory=dict[str, "list[tuple[int, Meaning]]"])

    def bind(self, name: str, line: int, meaning: Meaning) -> None:
        """Let *name* mean *meaning* from *line* on."""
        places = self.bound.setdefault(name, [])
        places.append((max(line, places[-1][0]) if places else line, meaning))

    def find(self, name: str, line: int) -> Meaning | None:
        """Return what *name* means in *line*: what was bound last before it, else first after it."""
        scope: SourceScope | None = self
        while scope is not None:
            if places := scope.bound.get(name):
                return places[max(0, bisect_right(places, line, key=itemgetter(0)) - 1)][1]
            scope = scope.outer
        return None


@dataclass(slots=True, eq=False)
class Alias:
    """A name for an expression: a type, a constant, or anything else."""

    name: str
    value: ast.expr
    scope: SourceScope
    parameters: tuple[ast.expr, ...] = ()
    is_statement: bool = False
    """Whether it is a type of its own, by ``type X = …``, that may refer to itself."""


@dataclass(slots=True, eq=False)
class SourceClass:
    """A class of the source."""

    name: str
    """As Python qualifies it, such as ``Order.Line``."""
    node: ast.ClassDef
    scope: SourceScope
    """Where it stands."""
    inner: SourceScope
    """What is bound in its body."""
    parameters: tuple[ast.expr, ...] = ()
    is_inner: bool = False
    """Whether it stands in another class."""
    is_made: bool = False
    """Whether it was made by a call such as ``Enum("Color", "RED BLUE")``."""


Meaning = Known | Foreign | Module | Code | Alias | SourceClass


class Names:
    """The classes and names of one source."""

    def __init__(self, syntax: Syntax) -> None:
        self.classes: list[SourceClass] = []
        """All, in the order of their lines; those within others follow them."""
        self.top = SourceScope()
        self.statements: list[ast.stmt] = []
        """What stands at the top and is neither import, class nor assignment."""
        self.earlier: list[SourceClass] = []
        """The classes whose names were bound anew by later ones."""
        self._library_bases: dict[SourceClass, frozenset[str]] = {}
        self.is_version_1 = False
        """Whether its models are those of pydantic 1, by where they are imported from."""
        self._parameters = syntax.parameters
        for statement in _flat(syntax.tree.body):
            self._collect(statement, self.top, "")
        self._tree = syntax.tree

    def look_into_functions(self) -> None:
        """Collect the classes that stand in functions as well."""
        waiting: list[tuple[ast.stmt, SourceScope, str]] = [(each, self.top, "") for each in self._tree.body]
        while waiting:
            statement, scope, within = waiting.pop(0)
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                inner, path = SourceScope(scope), f"{within}{statement.name}."
                body = list(_flat(statement.body))
                for each in body:
                    self._collect(each, inner, path)
                waiting += [(each, inner, path) for each in body]
            elif isinstance(statement, ast.ClassDef) and not within:
                waiting += [(each, scope, f"{statement.name}.") for each in statement.body]

    def _collect(self, statement: ast.stmt, scope: SourceScope, within: str) -> None:
        match statement:
            case ast.Import(names=names):
                for each in names:
                    module = each.name if each.asname else each.name.partition(".")[0]
                    scope.bind(each.asname or module, statement.lineno, Module(module))
            case ast.ImportFrom(module=module, names=names, level=level):
                self.is_version_1 |= bool(module and _VERSION_1.search(module))
                for each in names:
                    found = _imported("." * level + (module or ""), each.name)
                    scope.bind(each.asname or each.name, statement.lineno, found)
            case ast.ClassDef():
                self._collect_class(statement, scope, within, self._parameters.get(statement.lineno, ()))
            case ast.Assign() | ast.AnnAssign() if (name := target(statement)) and statement.value is not None:
                self._collect_assignment(name, statement, statement.value, scope, within)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                scope.bind(statement.name, statement.lineno, Code(statement))
                if not within:
                    self.statements.append(statement)
            case _ if not within:
                self.statements.append(statement)
            case _:
                pass

    def _collect_class(
        self, node: ast.ClassDef, scope: SourceScope, within: str, given: tuple[ast.expr, ...], *, is_made: bool = False
    ) -> None:
        inner = SourceScope(scope)
        found = SourceClass(f"{within}{node.name}", node, scope, inner, given, is_made=is_made)
        for variable in given:
            if isinstance(variable, ast.Call) and isinstance(variable.args[0], ast.Constant):
                name = str(variable.args[0].value)
                inner.bind(name, 0, Alias(name, variable, scope))
        before = scope.bound.get(node.name, [(0, None)])[-1][1]
        if isinstance(before, SourceClass):
            self.earlier.append(before)
        scope.bind(node.name, node.lineno, found)
        self.classes.append(found)
        place = len(self.classes)
        for statement in node.body:
            is_field = isinstance(statement, ast.AnnAssign) and "ClassVar" not in shown(statement.annotation)
            is_function = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
            if not is_field and not is_function:
                self._collect(statement, inner, f"{found.name}.")
        for each in self.classes[place:]:
            each.is_inner = True

    def _collect_assignment(
        self, name: str, statement: ast.stmt, value: ast.expr, scope: SourceScope, within: str
    ) -> None:
        called = (
            value.func if isinstance(value, ast.Call) else value.value if isinstance(value, ast.Subscript) else None
        )
        known = self.known(called, scope) if called is not None else ""
        if made := made_class(name, value, known):
            self._collect_class(made, scope, within, (), is_made=True)
            return
        is_statement = statement.lineno in self._parameters and isinstance(statement, ast.AnnAssign)
        given = self._parameters.get(statement.lineno, ()) if is_statement else ()
        if known == "TypeAliasType" and isinstance(value, ast.Call) and len(value.args) > 1:
            value, is_statement = value.args[1], True
        inner = scope
        for variable in given:
            if isinstance(variable, ast.Call) and isinstance(variable.args[0], ast.Constant):
                inner = SourceScope(inner)
                own = str(variable.args[0].value)
                inner.bind(own, 0, Alias(own, variable, scope))
        scope.bind(name, statement.lineno, Alias(name, value, inner, given, is_statement))

    # ── What a name means ──

    def meaning(self, node: ast.expr, scope: SourceScope) -> Meaning | None:
        """Return what the name *node* means within *scope*; nothing for any other expression."""
        match node:
            case ast.Name(id=name):
                return scope.find(name, node.lineno) or Known(name)
            case ast.Attribute():
                return self._attribute(node, scope)
            case _:
                return None

    def _attribute(self, node: ast.Attribute, scope: SourceScope) -> Meaning | None:
        steps: list[str] = []
        owner: ast.expr = node
        while isinstance(owner, ast.Attribute):
            steps.append(owner.attr)
            owner = owner.value
        if not isinstance(owner, ast.Name):
            return None
        found: Meaning | None = scope.find(owner.id, owner.lineno)
        if found is None:
            found = Module(owner.id)
        while steps:
            step = steps.pop()
            match found:
                case Module(name=name):
                    found = _imported(name, step) if not steps else Module(f"{name}.{step}")
                case SourceClass():
                    found = found.inner.bound.get(step, [(0, None)])[-1][1]
                case Known(name="datetime"):
                    found = Known(step)  # from datetime import datetime as a module of the same name is met as well
                case _:
                    return None
        return found

    def known(self, node: ast.expr, scope: SourceScope) -> str:
        """Return the library's name that *node* means, whatever it was imported as; nothing for anything else."""
        found = self.meaning(node, scope)
        return found.name if isinstance(found, Known) else ""

    def library_bases(self, found: SourceClass) -> frozenset[str]:
        """Return the names of the libraries' classes that *found* and its bases derive from."""
        if found not in self._library_bases:
            bases: set[str] = set()
            waiting, seen = [found], {found}
            while waiting:
                each = waiting.pop()
                for written in each.node.bases:
                    base = written.value if isinstance(written, ast.Subscript) else written
                    parent = self.meaning(base, each.scope)
                    if isinstance(parent, SourceClass) and parent in self._library_bases:
                        bases |= self._library_bases[parent]
                    elif not isinstance(parent, SourceClass):
                        bases.add(self.known(base, each.scope))
                    elif parent not in seen:
                        seen.add(parent)
                        waiting.append(parent)
            self._library_bases[found] = frozenset(bases)
        return self._library_bases[found]

    def is_enum(self, found: SourceClass) -> bool:
        """Whether *found* derives from an enum."""
        return bool(self.library_bases(found) & _ENUM_BASES)

    def is_variable(self, found: Meaning | None) -> bool:
        """Whether *found* is a type variable."""
        match found:
            case Alias(value=ast.Call(func=func)):
                return self.known(func, found.scope) in _VARIABLES
            case _:
                return False


def _imported(module: str, name: str) -> Meaning:
    top = module.partition(".")[0]
    if top in _MODULES or "pydantic" in module or name in _ANYWHERE:
        return Known(name, is_imported=True)
    return Foreign(name, module)


_BINDING = ast.ClassDef | ast.Import | ast.ImportFrom


def _flat(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, and those in the branches that decide how a module is loaded."""
    for statement in statements:
        match statement:
            case ast.If(test=test) if _is_main(test):
                yield statement
            case ast.If(body=body, orelse=orelse):
                yield from _flat([*body, *orelse])
            case ast.Try(body=body, handlers=handlers, orelse=orelse):
                # What an import that fails binds instead stands first, so that what was meant is bound last.
                yield from _flat([each for handler in handlers for each in handler.body])
                yield from _flat([*body, *orelse])
            case ast.With(body=body) if any(isinstance(each, _BINDING) for each in body):
                yield from _flat(body)
            case _:
                yield statement


def _is_main(test: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(test))
