"""A Pydantic source: the models that it may be read as, and the schema of one of them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from core.errors import Invalid
from core.json_schemas import MOST_NODES as MOST_VALUES
from core.pydantic_source.annotations import Annotations
from core.pydantic_source.classes import Classes
from core.pydantic_source.constants import Constants
from core.pydantic_source.definitions import Specialization
from core.pydantic_source.fields import Tellings
from core.pydantic_source.kinds import OBJECTS, Kind, Kinds
from core.pydantic_source.left_out import Omission, Remarks
from core.pydantic_source.names import Alias, Names, SourceClass, SourceScope
from core.pydantic_source.scalars import JsonSchema
from core.pydantic_source.settings import Configs
from core.python_syntax import LONGEST_SHOWN, parsed, refusal, syntax, written

MOST_STEPS = 20_000
"""The most types and constants that one schema may lead to once aliases are followed."""
_MOST_MENTIONS = 200_000
MOST_LISTED = 20
"""The most models that a sentence lists."""
_REFRESHERS = frozenset({"model_rebuild", "update_forward_refs", "__pydantic_model__", "rebuild_dataclass"})
"""What only tells pydantic to look again."""


@dataclass(frozen=True, slots=True)
class SourceSchema:
    """What a source was read as."""

    schema: JsonSchema
    root: str
    """The class that it is the schema of."""
    left_out: tuple[Omission, ...]
    """What the schema does not say, and nobody here checks."""


class PydanticSource:
    """One source text. Nothing in it is ever run.

    Raises:
        Invalid: it is no Python, or more than we take; the message gives the line and what to do.

    """

    def __init__(self, text: str) -> None:
        try:
            self._names = Names(syntax(text))
            self._kinds = kinds = Kinds(self._names)
            objects = [each for each in self._names.classes if kinds.of(each) in OBJECTS]
            if not objects:
                self._names.look_into_functions()
                objects = [each for each in self._names.classes if kinds.of(each) in OBJECTS]
            if not objects:  # perhaps the class that they derive from is a model
                objects = [each for each in self._names.classes if kinds.of(each) is Kind.FOREIGN]
            self._objects = {each.name: each for each in objects}
            self.roots = tuple(self._roots())
        except RecursionError:
            raise _too_deep() from None

    roots: tuple[str, ...]
    """The models that no other class of the source uses, in the order of their lines: what it may be read as."""

    @property
    def likely_root(self) -> str:
        """The root that is taken where none is chosen: the last that is a model. Empty without any."""
        return self._likely

    def read(self, root: str | None = None) -> SourceSchema:
        """Return the schema of the class *root*, else of the likely root.

        Raises:
            Invalid: there is no such class, or it says what cannot be read; the message gives line, reason, and what
                to write instead.

        """
        if not self._objects:
            raise self._no_model()
        name = root or self.likely_root
        found = self._objects.get(name)
        if found is None:
            known = listed(self._objects)
            raise Invalid(f"The source has no model {name[:80]!r}; it has {known}.")
        try:
            return self._read(found)
        except RecursionError:
            raise _too_deep() from None

    def _no_model(self) -> Invalid:
        kinds = self._kinds
        plain = [each for each in self._names.classes if kinds.of(each) is Kind.PLAIN]
        for each in plain:
            try:
                parents = [parent for one in kinds.lineage(each) for parent, _ in kinds.parents(one)]
                if each in parents:
                    return refusal(each.node, f"{each.name} derives from itself", "give it another base")
            except Invalid as error:
                return error
        if plain:
            return refusal(plain[-1].node, f"{plain[-1].name} is no model", "derive it from BaseModel")
        if self._names.statements and isinstance(getattr(self._names.statements[0], "value", None), ast.Dict):
            return Invalid("The source has no model: it is JSON; paste it as JSON Schema, or write a class.")
        return Invalid("The source has no model; write a class that derives from BaseModel.")

    def _read(self, root: SourceClass) -> SourceSchema:
        remarks = Remarks(MOST_STEPS)
        constants = Constants(self._names, remarks)
        kinds = self._kinds
        tellings = Tellings(constants, remarks)
        configs = Configs(kinds, constants, tellings, remarks)
        annotations = Annotations(kinds, configs, constants, tellings, remarks)
        classes = Classes(kinds, configs, constants, annotations, remarks)
        definitions = annotations.definitions
        definitions.refer(Specialization(root, root.name.rpartition(".")[2]), root.node)
        made: dict[str, JsonSchema] = {}
        values = 0
        while definitions.waiting:
            name = definitions.waiting.pop(0)
            made[name] = classes.definition(definitions.uses[name])
            values += _values(made[name], MOST_VALUES)
            if values > MOST_VALUES:
                raise Invalid(f"The schema has over {MOST_VALUES} values; split it, or make what repeats a class.")
        first, *_ = made
        needed = _needed(made, first)
        order = {id(each): place for place, each in enumerate(self._names.classes)}
        by_line = sorted(needed, key=lambda name: order.get(id(definitions.uses[name].meaning), 0))
        self._leave_out_code(remarks)
        schema = made[first] | ({"$defs": {name: made[name] for name in by_line}} if needed else {})
        return SourceSchema(schema, root.name, remarks.left_out())

    def _leave_out_code(self, remarks: Remarks) -> None:
        for each in self._names.earlier:
            remarks.leave_out("earlier class", each.name, each.node)
        for statement in self._names.statements:
            match statement:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    remarks.leave_out("function", name, statement)
                case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Global():
                    pass
                case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr))) if attr in _REFRESHERS:
                    pass
                case _:
                    remarks.leave_out("statement", written(statement), statement)

    # ── Roots ──

    def _roots(self) -> Iterator[str]:
        used, kinds = self._used(), self._kinds
        models = [each for each in self._objects.values() if kinds.of(each) is not Kind.TYPED_DICT]
        models = models or list(self._objects.values())
        models = [each for each in models if not each.is_inner] or models
        free = [each.name for each in models if each not in used]
        free = free or [each.name for each in models[-1:]]
        real = [name for name in free if kinds.of(self._objects[name]) is Kind.MODEL]
        self._likely = (real or free or [""])[-1]
        yield from free

    def _used(self) -> set[SourceClass]:
        """Return the classes that another class mentions in a type or derives from."""
        remarks = Remarks(_MOST_MENTIONS)
        used: set[SourceClass] = set()
        users: dict[Alias, set[SourceClass]] = {}
        for user in self._names.classes:
            waiting = [(each, user.inner) for each in _types(user.node)]
            while waiting:
                node, scope = waiting.pop()
                for each in self._mentions(node, scope):
                    remarks.step(each)
                    found = self._names.meaning(each, scope)
                    if isinstance(found, SourceClass) and found is not user:
                        used.add(found)
                    elif isinstance(found, Alias):
                        of = users.setdefault(found, set())
                        if user not in of and len(of) < 2:
                            of.add(user)
                            waiting.append((found.value, found.scope))
        return used

    def _mentions(self, node: ast.expr, scope: SourceScope) -> Iterator[ast.expr]:
        """Yield the names that a type speaks of, those in quotes as well."""
        waiting: list[ast.AST] = [node]
        while waiting:
            each = waiting.pop()
            match each:
                case ast.Constant(value=str(text)):
                    try:
                        waiting.append(parsed(text, each))
                    except Invalid:
                        continue
                case ast.Subscript(value=name) if self._names.known(name, scope) == "Literal":
                    continue
                case ast.Name() | ast.Attribute():
                    yield each
                    continue
                case _:
                    pass
            waiting += ast.iter_child_nodes(each)


def json_schema_from_source(source: str, model: str | None = None) -> dict[str, Any]:
    """Return the JSON Schema of *model*; without a name, of the last model that no other class of *source* uses.

    Raises:
        Invalid: the source says what cannot be read; the message gives line, reason, and what to write instead.

    """
    return PydanticSource(source).read(model).schema


def listed(names: Iterable[str]) -> str:
    """Return *names* in a row, short enough for a sentence."""
    known = [name if len(name) <= LONGEST_SHOWN else f"{name[: LONGEST_SHOWN - 1]}…" for name in names]
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return ", ".join(known[:MOST_LISTED]) + more


def _too_deep() -> Invalid:
    return Invalid("Line 1: this source nests too deep; give parts of it classes of their own.")


def _types(node: ast.ClassDef) -> Iterator[ast.expr]:
    yield from node.bases
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign):
            yield statement.annotation


def _values(schema: Any, most: int) -> int:
    """Return how many values *schema* has, or one more than *most*."""
    waiting: list[Any] = [schema]
    count = 0
    while waiting and count <= most:
        node = waiting.pop()
        count += 1
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return count


def _needed(made: dict[str, JsonSchema], root: str) -> set[str]:
    """Return the definitions that *root* refers to, itself included if it is among them."""
    needed: set[str] = set()
    waiting = [root]
    while waiting:
        for name in references(made[waiting.pop()]):
            if name not in needed and name in made:
                needed.add(name)
                waiting.append(name)
    return needed


def references(schema: Any) -> Iterator[str]:
    """Yield the names of the definitions that *schema* refers to."""
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, dict):
            for key, part in cast("JsonSchema", node).items():
                if key == "$ref" and isinstance(part, str):
                    yield part.rpartition("/")[2]
                elif key not in ("default", "examples", "enum", "const"):
                    waiting.append(part)
        elif isinstance(node, list):
            waiting += node
