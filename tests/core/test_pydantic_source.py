"""Pydantic source as JSON Schema: what pydantic itself would say, without running a line of it."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import pydantic
import pytest

from core.errors import Invalid
from core.pydantic_source import MOST_CHARACTERS, PydanticSource, json_schema_from_source, told
from core.response_models import response_model

HEAD = """
import datetime as dt
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum, auto
from typing import Annotated, Any, ClassVar, Dict, List, Literal, Mapping, Optional, Sequence, Set, Tuple, Union
from uuid import UUID
from pydantic import (
    BaseModel, ConfigDict, EmailStr, Field, NonNegativeInt, PositiveFloat, PositiveInt,
    StringConstraints, conint, conlist, constr
)
"""

READ = {
    "scalars": """
class M(BaseModel):
    a: str
    b: int
    c: float
    d: bool
    e: None
    f: Any
    g: dt.date
    h: dt.datetime
    i: dt.time
    j: dt.timedelta
    k: UUID
""",
    "containers": """
class M(BaseModel):
    a: list[str]
    b: List[int]
    c: set[int]
    d: Set[str]
    e: frozenset[str]
    f: dict[str, int]
    g: Dict[str, Any]
    h: tuple[int, str]
    i: Tuple[int, ...]
    j: Sequence[int]
    k: Mapping[str, float]
    l: list
    m: dict
    n: list[list[dict[str, list[int]]]]
""",
    "unions": """
class M(BaseModel):
    a: Optional[str]
    b: str | None
    c: None | str
    d: Union[int, str, None]
    e: int | str | list[int]
    f: Optional[Union[int, str]] = None
    g: list[int | None]
    h: Union[int]
""",
    "literals_by_name": """
V = ("a", "b")
W = ("c", *V)
class M(BaseModel):
    a: Literal[V]
    b: Literal[W] = "c"
    c: Literal[*V, "z"]
""",
    "deprecated": """
from typing_extensions import deprecated
@deprecated("Use another.")
class M(BaseModel):
    a: Annotated[int, deprecated("Use b.")]
    b: Annotated[int, Field(deprecated="Use c.")] = 3
    c: int = Field(1, deprecated=deprecated("No."))
""",
    "constraints": r"""
class M(BaseModel):
    a: int = Field(ge=0, le=10)
    b: float = Field(gt=0, lt=1.5)
    c: int = Field(multiple_of=5)
    d: str = Field(min_length=2, max_length=5, pattern=r"^[a-z]+\d?$")
    e: list[str] = Field(min_length=1, max_length=3)
    f: dict[str, int] = Field(min_length=1)
    g: Optional[int] = Field(None, ge=-3)
    h: str | None = Field(default=None, max_length=5)
    i: list[Annotated[str, Field(min_length=2)]]
    j: Annotated[int, Field(ge=1)] = 3
    k: Annotated[Optional[str], Field(max_length=4)]
    l: Annotated[str, StringConstraints(min_length=1, pattern="^a", strip_whitespace=True)]
    m: PositiveInt
    n: NonNegativeInt | None
    o: PositiveFloat
    p: conint(gt=2, le=9)
    q: constr(max_length=3)
    r: conlist(int, min_length=2)
    s: set[int] = Field(min_length=1)
""",
    "defaults": """
class M(BaseModel):
    a: int = 3
    b: str = Field("x")
    c: str = Field(default="y", description="Why.")
    d: list[int] = []
    e: list[int] = Field(default_factory=list)
    f: Optional[int] = None
    g: float = -1.5
    h: int = ...
    i: int = Field(...)
    j: dict[str, int] = {"a": 1}
    k: bool = True
    l: tuple[int, int] = (1, 2)
""",
    "notes": '''
class M(BaseModel):
    """What M is.

    In more than one line.
    """
    a: int = Field(description="How many.", examples=[1, 2])
    b: str = Field("x", deprecated=True)
''',
    "literals": """
class M(BaseModel):
    a: Literal["x"]
    b: Literal["x", "y"]
    c: Literal[1, 2]
    d: Literal["x", 1, None]
    e: Literal[True]
    f: Optional[Literal["x", "y"]] = None
    g: Literal["x", "y"] = "y"
    h: list[Literal["x", "y"]]
""",
    "enums": '''
class Color(str, Enum):
    """A colour."""
    RED = "red"
    BLUE = "blue"
class Size(IntEnum):
    S = 1
    L = 2
class Kind(StrEnum):
    CAR = auto()
    BUS = auto()
class Odd(Enum):
    A = "a"
    B = 2
    C = -3
class M(BaseModel):
    a: Color
    b: Color = Color.RED
    c: Optional[Size] = None
    d: list[Kind]
    e: Odd
    f: dict[Kind, int]
    g: Literal[Color.RED]
    h: Color | None = Field(None, description="Perhaps.")
''',
    "nesting": '''
class Address(BaseModel):
    """Where."""
    street: str
    zip_code: str = Field(pattern="^[0-9]{5}$")
class Person(BaseModel):
    name: str
    home: Address
    others: list[Address] = []
    by_name: dict[str, Address] = Field(description="More.")
    work: Optional[Address] = Field(None, description="Where they work.")
''',
    "recursion": """
class Node(BaseModel):
    name: str
    children: list["Node"] = []
    parent: Optional["Node"] = None
class Tree(BaseModel):
    root: Node
""",
    "forward": """
class A(BaseModel):
    b: "B"
    c: "list[B] | None" = None
class B(BaseModel):
    x: int
""",
    "inheritance": '''
class Base(BaseModel):
    """The base."""
    model_config = ConfigDict(extra="forbid")
    id: int
    name: str = "x"
class Other(BaseModel):
    z: int
class Child(Base):
    name: str
    more: bool
class Both(Child, Other):
    """Both."""
    last: int
''',
    "config": """
class M(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, str_strip_whitespace=True)
    a: int
""",
    "config as a dict": """
class M(BaseModel):
    model_config = {"extra": "forbid"}
    a: int
""",
    "aliases of fields": """
class M(BaseModel):
    a: int = Field(alias="A-1")
    b: int = Field(validation_alias="bee", serialization_alias="bOut")
    c: ClassVar[int] = 5
""",
    "aliases of types": """
Name = Annotated[str, Field(min_length=1, description="A name.")]
Status = Literal["open", "closed"]
Names = list[Name]
MOST = 5
class M(BaseModel):
    a: Name
    b: Status = "open"
    c: Names
    d: Optional[Status]
    e: str = Field(max_length=MOST)
""",
    "discriminator": """
class Card(BaseModel):
    kind: Literal["card"]
    number: str
class Bank(BaseModel):
    kind: Literal["bank", "iban"]
class Base(BaseModel):
    kind: Literal["cash"] = "cash"
class Cash(Base):
    pass
class M(BaseModel):
    a: Union[Card, Bank] = Field(discriminator="kind")
    b: Optional[Union[Card, Bank]] = Field(None, discriminator="kind")
    c: list[Annotated[Card | Bank | Cash, Field(discriminator="kind")]]
""",
    "names of one's own": """
class date(BaseModel):
    day: int
class M(BaseModel):
    d: date
    properties: int
    default: date
    enum: list[date]
""",
}


def bare(node: Any, *, is_names: bool = False) -> Any:
    """Return a schema without titles and without the order of what has none."""
    if isinstance(node, dict):
        return {
            key: sorted(part)
            if key == "required" and not is_names
            else bare(part, is_names=key in ("properties", "$defs") and not is_names)
            for key, part in node.items()
            if is_names or key != "title"
        }
    return [bare(part) for part in node] if isinstance(node, list) else node


@pytest.mark.parametrize("name", READ)
def test_reads_what_pydantic_would_say(name: str) -> None:
    """The schema that is read from a source is the one that pydantic makes when it runs it."""
    space: dict[str, Any] = {"__name__": "sample"}
    kept: Any = typing
    for forget in kept._cleanups:  # of equal unions it keeps the one whose order came first
        forget()
    exec(HEAD + READ[name], space)  # noqa: S102 our own text, to compare with
    models = [each for each in space.values() if isinstance(each, type) and issubclass(each, pydantic.BaseModel)]
    last = next(each for each in reversed(models) if each.__module__ == "sample")
    if name == "forward":
        last = space["A"]
    last.model_rebuild(_types_namespace=space)
    assert bare(json_schema_from_source(HEAD + READ[name])) == bare(last.model_json_schema())


@pytest.mark.parametrize("name", READ)
def test_what_is_read_can_be_used(name: str) -> None:
    """Every schema that is read makes a response model."""
    assert response_model(json_schema_from_source(HEAD + READ[name]), "m").model_json_schema()["properties"]


def test_titles() -> None:
    """Classes are titled by their names, or as they say; fields only where the author titled them."""
    schema = json_schema_from_source("""
class Inner(BaseModel):
    a: int = Field(title="An A")
class Outer(BaseModel):
    model_config = ConfigDict(title="The outer")
    inner: Inner
""")
    assert schema["title"] == "The outer"
    assert schema["properties"]["inner"] == {"$ref": "#/$defs/Inner"}
    assert schema["$defs"]["Inner"]["title"] == "Inner"
    assert schema["$defs"]["Inner"]["properties"]["a"]["title"] == "An A"


def test_a_model_of_itself_validates() -> None:
    """A model that refers to itself is an object at the root, and its parts are validated all the way down."""
    schema = json_schema_from_source("class Node(BaseModel):\n    name: str\n    children: list['Node'] = []")
    assert schema["type"] == "object"
    model = response_model(schema, "node")
    model.model_validate({"name": "a", "children": [{"name": "b"}]})
    with pytest.raises(pydantic.ValidationError, match=r"children\.0\.children\.0\.name"):
        model.model_validate({"name": "a", "children": [{"name": "b", "children": [{"name": 5}]}]})


def test_imports_are_not_needed_and_may_rename() -> None:
    """Names are known without imports, under the names of imports, and through modules."""
    plain = "class M({base}):\n    a: {optional}[int] = {field}(None, ge=0)\n    b: {date}"
    expected = json_schema_from_source(plain.format(base="BaseModel", optional="Optional", field="Field", date="date"))
    renamed = "from pydantic import BaseModel as Base, Field as F\nfrom typing import Optional as Maybe\n"
    renamed += "import datetime as d\n"
    assert expected == json_schema_from_source(
        renamed + plain.format(base="Base", optional="Maybe", field="F", date="d.date")
    )
    modules = "import pydantic, typing as t, datetime\n"
    assert expected == json_schema_from_source(
        modules
        + plain.format(base="pydantic.BaseModel", optional="t.Optional", field="pydantic.Field", date="datetime.date")
    )


def test_docstrings_of_fields() -> None:
    """A string below a field describes it, where the configuration says so and the field does not."""
    body = '''    a: int
    """How many."""
    b: int = Field(description="Given.")
    """Not this."""
    c: int
'''
    config = "    model_config = ConfigDict(use_attribute_docstrings=True)\n"
    described = json_schema_from_source(f"class M(BaseModel):\n{config}{body}")["properties"]
    assert [part.get("description") for part in described.values()] == ["How many.", "Given.", None]
    plain = json_schema_from_source(f"class M(BaseModel):\n{body}")["properties"]
    assert [part.get("description") for part in plain.values()] == [None, "Given.", None]


def test_what_differs_from_pydantic() -> None:
    """A Decimal in quotes is held to its sign and places, and a URL has no bound on its length."""
    schema = json_schema_from_source("""
class M(BaseModel):
    a: Decimal = Field(ge=0, decimal_places=2)
    b: HttpUrl
    c: EmailStr
""")
    assert schema["properties"] == {
        "a": {
            "anyOf": [
                {"type": "number", "minimum": 0, "multipleOf": 0.01},
                {"type": "string", "pattern": r"^\+?(\d+(\.\d{0,2}0*)?|\.\d{1,2}0*)([eE]\+?\d{1,3})?$"},
            ]
        },
        "b": {"type": "string", "format": "uri"},
        "c": {"type": "string", "format": "email"},
    }


TWO = """
class A(BaseModel):
    x: int
class B(BaseModel):
    a: A
class C(BaseModel):
    x: int
class D(C):
    y: int
"""


@pytest.mark.parametrize(
    ("source", "model", "title"),
    [
        (TWO, None, "D"),
        (TWO, "B", "B"),
        (TWO, "A", "A"),
        (TWO + "class E(BaseModel):\n    d: list['D']\n    b: B", None, "E"),
        ("class E(BaseModel):\n    f: 'F'\nclass F(BaseModel):\n    x: int", None, "E"),
        ("class E(BaseModel):\n    f: 'F'\nclass F(BaseModel):\n    e: E", None, "F"),
        ("class E(BaseModel):\n    e: list['E']", None, "E"),
        ("class E(BaseModel):\n    x: int\nclass K(Enum):\n    A = 1", None, "E"),
    ],
)
def test_which_model(source: str, model: str | None, title: str) -> None:
    """The named model is read, else the last one that no other class uses; only what it needs comes along."""
    schema = json_schema_from_source(source, model)
    assert schema["title"] == title
    text = json.dumps(schema)
    assert all(f"#/$defs/{name}" in text for name in schema.get("$defs", {}))


def test_unknown_model_names_those_that_are_there() -> None:
    """A model that is not there is answered with those that are."""
    with pytest.raises(Invalid, match=r"no model 'Z'; it has A, B, C, D"):
        json_schema_from_source(TWO, "Z")


M = "class M(BaseModel):\n    "
TOUCH = "__import__('pathlib').Path('owned').touch()"
MULTIPLIED = (
    "A0 = int\n"
    + "\n".join(f"A{n} = tuple[A{n - 1}, A{n - 1}]" for n in range(1, 12))
    + "\nclass B(BaseModel):\n    a: A11\n"
    + "\n".join(f"class C{n}(B):\n    b: int" for n in range(300))
    + "\nclass M(BaseModel):\n    "
    + "\n    ".join(f"c{n}: C{n}" for n in range(300))
)
REFUSED = {
    "call at the top": (TOUCH, None, "has no model"),
    "import from os": ("from os import system", None, "has no model"),
    "relative import": ("from . import secrets", None, "has no model"),
    "import of a part": ("import pydanticx.evil", None, "has no model"),
    "loop": ("while True:\n    pass", None, "has no model"),
    "function": ("def f():\n    pass", None, "has no model"),
    "base that is a call": (f"class M({TOUCH}):\n    a: int", 1, "cannot be a base"),
    "base that is a condition": (f"class M(BaseModel if {TOUCH} else object):\n    a: int", 1, "cannot be a base"),
    "base by subscript": ("class M([].__class__.__base__.__subclasses__()[0]):\n    a: int", 1, "cannot be a base"),
    "no base": ("class M:\n    a: int", 1, "M is no model; derive it from BaseModel"),
    "unknown base": ("class M(Thing):\n    a: int", 1, "'Thing' cannot be a base"),
    "enum as base": ("class E(Enum):\n    A = 1\nclass M(E):\n    a: int", None, "has no model"),
    "own base": ("class M(M):\n    a: int", 1, "derives from itself"),
    "bases in a circle": ("class A(B):\n    a: int\nclass B(A):\n    b: int", 1, "derives from itself"),
    "assignment in a class": (M + "a = 5", 2, "this is no field"),
    "type that is a call": (M + f"a: {TOUCH}", 2, "the type .* is not known"),
    "type in quotes": (M + f'a: "{TOUCH}"', 2, "the type .* is not known"),
    "type by attribute": (M + "a: ().__class__", 2, "the type .* is not known"),
    "type by subscript": (M + "a: globals()['x']", 2, "the type .* is not known"),
    "type that is a lambda": (M + f"a: (lambda: {TOUCH})", 2, "is not known"),
    "enum by a call": (f"class E(Enum):\n    A = {TOUCH}\n" + M + "e: E", 2, "no plain value"),
    "enum with a hook": ("class E(Enum):\n    _missing_ = 1\n" + M + "e: E", 1, "has no members"),
    "enum without members": ("class E(Enum):\n    pass\n" + M + "e: E", 1, "has no members"),
    "enum of lists": ("class E(Enum):\n    A = [1]\n" + M + "e: E", 2, "cannot be a choice"),
    "text enum of numbers": ("class E(StrEnum):\n    A = 1\n" + M + "e: E", 2, "write it in quotes"),
    "same name in JSON twice": (M + "a: int\n    b: int = Field(alias='a')", 3, "two fields are called 'a'"),
    "two positional arguments": (M + "a: int = Field(1, 2)", 2, "only the default may stand without a name"),
    "bound on text": (M + "a: str = Field(ge=1)", 2, "ge does not apply to this type"),
    "length of a number": (M + "a: int = Field(max_length=3)", 2, "max_length does not apply"),
    "pattern of a date": (M + "a: date = Field(pattern='^2')", 2, "pattern does not apply"),
    "bound that is text": (M + "a: int = Field(ge='1')", 2, "ge is no number"),
    "length below zero": (M + "a: str = Field(max_length=-1)", 2, "max_length is no length"),
    "bad pattern": (M + "a: str = Field(pattern='(')", 2, "no regular expression"),
    "list as a choice": (M + "a: Literal[[1]]", 2, "cannot be a choice"),
    "key that is no text": (M + "a: dict[list[int], int]", 2, "cannot be a key in JSON"),
    "unknown type": (M + "a: Widget", 2, "the type 'Widget' is not known"),
    "unknown generic": (M + "a: Iterator[int]", 2, "the type .* is not known"),
    "discriminator without field": (
        "class A(BaseModel):\n    x: int\n" + M + "a: Union[A, int] = Field(discriminator='x')",
        4,
        "not every alternative is a model",
    ),
    "alias of itself": ("X = list[X]\n" + M + "a: X", 1, "defined by itself"),
    "aliases in a circle": ("X = Y\nY = X\n" + M + "a: X", None, "defined by itself"),
    "deep type": (M + "a: " + "list[" * 90 + "int" + "]" * 90, 2, "nests too deep"),
    "syntax error": ("class M(BaseModel)\n    a: int", 1, "this is not Python"),
    "open bracket": (M + "a: list[int", 2, "this is not Python"),
    "no source": ("", None, "has no model; write a class"),
    "enum only": ("class E(Enum):\n    A = 1", None, "has no model"),
    "NUL": ("class M(BaseModel):\n    a: int\x00", None, "NUL|not Python"),
    "too long": ("#" * (MOST_CHARACTERS + 1), None, "over 200000 characters"),
    "too many parts": (M + "\n    ".join(f"a{n}: int" for n in range(2_000)), None, "over 5000 values"),
    "deep brackets": ("(" * 5_000, 1, "not Python"),
    "deep minus": ("x = " + "-" * 40_000 + "1", None, "Line 1"),
    "deep attribute": (M + "a: x" + ".y" * 900, 2, "is not known"),
    "deep subscripts": (M + "a: list" + "[0]" * 900, None, "Line"),
    "too many nodes": ("x = [" + "[]," * 60_000 + "]", None, "over 50000 parts"),
    "endless hexadecimal": (M + "a: 0x" + "f" * 4_000, 2, "is not known"),
    "multiplied definitions": (MULTIPLIED, None, "over 5000 values"),
    "class that grows": (
        'T = TypeVar("T")\nclass M(BaseModel, Generic[T]):\n    a: "M[list[T]] | None"',
        3,
        "grows with each use",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_code_is_refused_and_never_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read is refused with its line and what to do, and nothing of it runs."""
    monkeypatch.chdir(tmp_path)
    source, line, sentence = REFUSED[name]
    with pytest.raises(Invalid, match=sentence) as caught:
        json_schema_from_source(source)
    assert list(tmp_path.iterdir()) == []
    if line is not None:
        assert caught.value.message.startswith(f"Line {line}: ")
    assert len(caught.value.message) < 300


LEFT_OUT = {
    "import of os": ("import os\nclass M(BaseModel):\n    a: int", ""),
    "decorated class": (f"@{TOUCH}\nclass M(BaseModel):\n    a: int", "1 decorator (M: "),
    "metaclass": ("class M(BaseModel, metaclass=type):\n    a: int", ""),
    "typed dict": ("class M(TypedDict):\n    a: int", ""),
    "method": (M + f"a: int\n    def f(self):\n        {TOUCH}", "1 method (M.f)"),
    "validator": (
        M + "a: int\n    @field_validator('a')\n    def check(cls, v):\n        return v",
        "1 validator (M.check)",
    ),
    "statement in a class": (M + f"{TOUCH}", "1 statement (M: __import__"),
    "loop in a class": (M + f"for x in [{TOUCH}]: pass", "1 statement (M: for x in"),
    "walrus in a default": (M + f"a: int = (x := {TOUCH})", "1 default (M.a: "),
    "call as default": (M + f"a: int = {TOUCH}", "1 default (M.a: "),
    "call in Field": (M + f"a: int = Field(default={TOUCH})", "1 default (M.a: "),
    "call as factory": (M + f"a: int = Field(default_factory={TOUCH})", ""),
    "lambda as factory": (M + f"a: int = Field(default_factory=lambda: {TOUCH})", ""),
    "call as description": (M + f"a: int = Field(description={TOUCH})", "1 description (M.a: "),
    "f-string": (M + f'a: str = f"{{{TOUCH}}}"', "1 default (M.a: "),
    "sum": (M + "a: int = 9**9**9", "1 default (M.a: "),
    "product of lists": (M + "a: list = [0] * 10**9", "1 default (M.a: "),
    "comprehension": (M + f"a: list = [{TOUCH} for _ in [1]]", "1 default (M.a: "),
    "unpacked dict": (M + "a: dict = {**globals()}", "1 default (M.a: "),
    "unpacked arguments": (M + f"a: int = Field(**{TOUCH})", "1 argument (M.a: **)"),
    "starred arguments": (M + f"a: int = Field(*{TOUCH})", "1 default (M.a: "),
    "type that is bytes": (M + "a: bytes", ""),
    "type with a code validator": (M + f"a: Annotated[int, AfterValidator({TOUCH})]", "1 validator (M.a)"),
    "enum with a method": ("class E(Enum):\n    A = 1\n    def f(self): pass\n" + M + "e: E", "1 method (E.f)"),
    "config by a call": (M + f"model_config = {TOUCH}\n    a: int", "1 setting (M: "),
    "config with code": (
        M + "model_config = ConfigDict(alias_generator=str)\n    a: int",
        "1 alias generator (M: alias_generator)",
    ),
    "nested config": (M + "a: int\n    class Config:\n        extra = 'forbid'", ""),
    "nested class": (M + "a: int\n    class B(BaseModel):\n        b: int", ""),
    "private field": (M + "_a: int = 5", ""),
    "same class twice": (M + "a: int\n" + M + "b: int", "1 earlier class (M)"),
    "unknown argument": (M + "a: int = Field(json_schema_extra={})", ""),
    "number beyond 64 bits": (M + "a: int = 99999999999999999999", "1 default (M.a: "),
    "infinite number": (M + "a: float = 1e999", "1 default (M.a: "),
    "half a character": (M + 'a: str = "\\ud800"', "1 default (M.a: "),
    "bytes as default": (M + "a: Any = b'x'", "1 default (M.a: "),
    "deep constant": (M + "a: Any = " + "[" * 90 + "]" * 90, "1 default (M.a: "),
    "deep calls": (M + "a: int = f" + "()" * 900, "1 default (M.a: "),
    "code at the top": ("class M(BaseModel):\n    a: int\n" + TOUCH, "1 statement (__import__"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_code_is_left_out_and_never_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would have to be run is left out, and told with its kind and its name; the model is read without it."""
    monkeypatch.chdir(tmp_path)
    source, sentence = LEFT_OUT[name]
    found = PydanticSource(source).read()
    assert found.root == "M"
    assert found.schema["type"] == "object"
    assert sentence in told(found.left_out)
    assert bool(found.left_out) == bool(sentence)
    assert all(1 <= each.line <= source.count("\n") + 1 for each in found.left_out)
    assert list(tmp_path.iterdir()) == []


def test_aliases_cannot_multiply() -> None:
    """Aliases that double at each step are refused before they fill the memory."""
    doubled = "\n".join(f"A{n} = tuple[A{n - 1}, A{n - 1}]" for n in range(1, 35))
    with pytest.raises(Invalid, match="nests too deep"):
        json_schema_from_source(f"A0 = int\n{doubled}\n{M}a: A34")


GENERIC = 'T = TypeVar("T")\nclass Box(BaseModel, Generic[T]):\n    x: T\n'
MULTIPLYING = {
    "lists of lists": "A0 = 1\n"
    + "".join(f"A{n} = [A{n - 1}, A{n - 1}]\n" for n in range(1, 38))
    + M
    + "a: list = A37",
    "texts of texts": "A0 = 'x'\n"
    + "".join(f"A{n} = A{n - 1} + A{n - 1}\n" for n in range(1, 38))
    + M
    + "a: str = A37",
    "literals of literals": (
        "L0 = Literal['a']\n" + "".join(f"L{n} = Literal[L{n - 1}, L{n - 1}]\n" for n in range(1, 38)) + M + "a: L37"
    ),
    "generic aliases": (
        GENERIC + "A1 = Box[T]\n" + "".join(f"A{n} = A{n - 1}[tuple[T, T]]\n" for n in range(2, 35)) + M + "a: A34[int]"
    ),
    "generics of generics": (
        GENERIC
        + "C0 = Box\n"
        + "".join(
            f"class C{n}(BaseModel, Generic[T]):\n    x: C{n - 1}[list[T]]\n    y: C{n - 1}[set[T]]\n"
            for n in range(1, 30)
        )
        + M
        + "a: C29[int]"
    ),
    "bases of bases": (
        "class C0(BaseModel): pass\nclass D0(C0): pass\n"
        + "".join(f"class C{n}(C{n - 1}, D{n - 1}): pass\nclass D{n}(C{n - 1}, D{n - 1}): pass\n" for n in range(1, 60))
        + "class M(C59, D59):\n    a: int"
    ),
    "a long line of bases": "".join(
        f"class C{n}({f'C{n - 1}' if n else 'BaseModel'}):\n    a: int\n" for n in range(3_000)
    ),
    "a name that is bound anew": "X = int\n" * 6_000 + M + "a: X\n" + "X = int\n" * 6_000,
    "lines without an end": "\n" * 199_000,
    "brackets without an end": "class A[\n" * 20_000,
    "brackets in brackets": "class A[" * 8_000 + "]" * 8_000,
    "one union for many fields": (
        "".join(f"class C{n}(BaseModel):\n    k: Literal['c{n}']\n" for n in range(100))
        + f"U = Union[{', '.join(f'C{n}' for n in range(100))}]\n"
        + M
        + "\n    ".join(f"a{n}: U = Field(discriminator='k')" for n in range(500))
    ),
}


@pytest.mark.parametrize("name", MULTIPLYING)
def test_nothing_multiplies_while_it_is_read(name: str) -> None:
    """Whatever doubles at each step is counted while it is built; it ends in a schema or in one sentence."""
    try:
        sentence = told(PydanticSource(MULTIPLYING[name]).read().left_out)
    except Invalid as error:
        sentence = error.message
    assert len(sentence) < 500


def test_long_unions_are_read() -> None:
    """A union of hundreds of alternatives is no deep nesting."""
    choices = " | ".join(f"Literal['c{n}']" for n in range(300))
    schema = json_schema_from_source(M + f"a: {choices}")
    assert len(schema["properties"]["a"]["anyOf"]) == 300


def test_endless_number() -> None:
    """A number of thousands of digits is refused without advice on the interpreter."""
    with pytest.raises(Invalid, match=r"Line 3: this is not Python \(a number has too many digits\); correct it\.$"):
        json_schema_from_source(f"from pydantic import BaseModel\nclass A(BaseModel):\n    a: int = {'9' * 5000}\n")
