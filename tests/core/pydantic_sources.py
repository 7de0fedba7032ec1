"""Pydantic sources as people have them: by kind, each with what is left out of it. Written for the tests."""

from __future__ import annotations

HEAD = """
import datetime as dt
import json, os
from abc import ABC, abstractmethod
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum, auto
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import (
    Annotated, Any, ClassVar, Final, Generic, Iterable, List, Literal, NamedTuple, NewType, Optional, Sequence, TypeVar,
    Union
)
from uuid import UUID

import pydantic
from annotated_types import Ge, Gt, Interval, Le, Len, MaxLen, MinLen
from pydantic import (
    AfterValidator, AliasChoices, AliasGenerator, AliasPath, BaseModel, BeforeValidator, ConfigDict, Discriminator,
    Field, Json, PlainSerializer, PlainValidator, PrivateAttr, RootModel, SecretStr, StringConstraints, Tag,
    WithJsonSchema, computed_field, conint, conlist, constr, create_model, field_serializer, field_validator,
    model_serializer, model_validator
)
from pydantic.alias_generators import to_camel, to_pascal
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.json_schema import SkipJsonSchema
from typing_extensions import NotRequired, Required, Self, TypeAlias, TypeAliasType, TypedDict
"""

SOURCES: dict[str, tuple[str, str]] = {
    "validators of fields": (
        """
class M(BaseModel):
    name: str
    age: int = Field(ge=0)

    @field_validator("name")
    @classmethod
    def known(cls, value: str) -> str:
        return value.strip()

    @field_validator("age", mode="before")
    def whole(cls, value):
        return int(value)
""",
        "Left out: 2 validators (M.known, M.whole).",
    ),
    "validators of models": (
        """
class M(BaseModel):
    a: int
    b: int

    @model_validator(mode="after")
    def ordered(self) -> "M":
        assert self.a < self.b
        return self

    @pydantic.model_validator(mode="before")
    @classmethod
    def prepared(cls, data):
        return data
""",
        "Left out: 2 validators (M.ordered, M.prepared).",
    ),
    "validators of pydantic 1": (
        """
from pydantic import root_validator, validator
class M(BaseModel):
    a: str

    @validator("a", pre=True)
    def short(cls, value):
        return value

    @root_validator(skip_on_failure=True)
    def all_of_it(cls, values):
        return values
""",
        "Left out: 2 validators (M.short, M.all_of_it).",
    ),
    "validators that are shared": (
        """
def shorten(value: str) -> str:
    return value[:10]
class M(BaseModel):
    a: str
    _short = field_validator("a")(shorten)
""",
        "Left out: 1 validator (M._short), 1 function (shorten).",
    ),
    "methods and properties": (
        """
class M(BaseModel):
    a: int

    def __str__(self) -> str:
        return f"{self.a}"

    @property
    def double(self) -> int:
        return 2 * self.a

    @classmethod
    def made(cls) -> "M":
        return cls(a=1)

    @staticmethod
    def nothing() -> None:
        pass

    async def later(self) -> None:
        pass
""",
        "Left out: 4 methods (M.__str__, M.made, M.nothing, …), 1 property (M.double).",
    ),
    "computed fields and serializers": (
        """
class M(BaseModel):
    width: float

    @computed_field
    @property
    def area(self) -> float:
        return self.width**2

    @field_serializer("width")
    def written(self, value: float) -> str:
        return str(value)

    @model_serializer(mode="wrap")
    def whole(self, handler):
        return handler(self)
""",
        "Left out: 2 serializers (M.written, M.whole), 1 computed field (M.area).",
    ),
    "code around the models": (
        """
class Tree(BaseModel):
    left: "Optional[Tree]" = None
    def height(self) -> int:
        return 1
def build() -> str:
    return "client"
client = build()
class M(BaseModel):
    tree: Tree
Tree.model_rebuild()
M.update_forward_refs()
print(client)
for _ in range(2):
    pass
""",
        "Left out: 2 statements (print(client), for _ in range(2): pass), 1 method (Tree.height), 1 function (build).",
    ),
    "imports that nothing needs": (
        """
import asyncio
from collections import OrderedDict
from contextlib import suppress
try:
    from somewhere_else import Client
except ImportError:
    Client = None
class M(BaseModel):
    a: int
""",
        "",
    ),
    "an inner Config": (
        """
class M(BaseModel):
    a: int
    class Config:
        extra = "forbid"
        title = "The M"
        frozen = True
        arbitrary_types_allowed = True
        json_schema_extra = {"examples": [{"a": 1}]}
""",
        "",
    ),
    "ConfigDict with anything": (
        """
class M(BaseModel):
    model_config = ConfigDict(
        extra="allow", from_attributes=True, str_strip_whitespace=True, str_max_length=20, str_min_length=1,
        json_schema_extra={"description": "Given here.", "examples": [{"a": "x"}]}, populate_by_name=True,
        use_enum_values=True, protected_namespaces=(), ser_json_timedelta="float", defer_build=False,
    )
    a: str
    b: list[str]
    c: Optional[str] = None
    d: int
""",
        "",
    ),
    "class keywords": (
        """
class Base(BaseModel, extra="forbid", frozen=True):
    a: int
class M(Base, title="With a title"):
    b: int
""",
        "",
    ),
    "a configuration that is inherited": (
        """
SETTINGS = ConfigDict(extra="forbid", alias_generator=to_camel)
class Base(BaseModel):
    model_config = SETTINGS
    first_name: str
class M(Base):
    model_config = ConfigDict(populate_by_name=True)
    last_name: str
""",
        "",
    ),
    "a generic": (
        """
T = TypeVar("T")
class Page(BaseModel, Generic[T]):
    items: list[T]
    more: Optional[T] = None
class User(BaseModel):
    name: str
class M(BaseModel):
    users: Page[User]
    numbers: Page[int]
    anything: Page
    both: dict[str, Page[list[User]]]
""",
        "",
    ),
    "a generic of generics": (
        """
K = TypeVar("K")
V = TypeVar("V")
class Pair(BaseModel, Generic[K, V]):
    key: K
    value: V
class Twice(BaseModel, Generic[V]):
    first: Pair[str, V]
    second: Pair[V, int]
class M(BaseModel):
    a: Twice[bool]
    b: Pair[Pair[int, str], float]
""",
        "",
    ),
    "a generic as a base": (
        """
T = TypeVar("T")
class Answer(BaseModel, Generic[T]):
    \"\"\"An answer.\"\"\"
    result: T
    error: Optional[str] = None
class M(Answer[list[int]]):
    \"\"\"Numbers.\"\"\"
    unit: str
""",
        "",
    ),
    "type variables with bounds": (
        """
class Animal(BaseModel):
    name: str
A = TypeVar("A", bound=Animal)
N = TypeVar("N", int, str)
class Cage(BaseModel, Generic[A, N]):
    animal: A
    number: N
class M(BaseModel):
    cage: Cage
""",
        "",
    ),
    "a root model": (
        """
class Line(BaseModel):
    text: str
class M(RootModel[list[Line]]):
    \"\"\"All lines.\"\"\"
    def __iter__(self):
        return iter(self.root)
""",
        "Left out: 1 method (M.__iter__).",
    ),
    "a root field": (
        """
class Tags(RootModel):
    root: set[str] = Field(description="All of them.")
class ByName(RootModel[dict[str, Tags]]):
    pass
class M(BaseModel):
    tags: Tags
    by_name: ByName
""",
        "",
    ),
    "a dataclass of pydantic": (
        """
@pydantic_dataclass(config=ConfigDict(extra="forbid"))
class Point:
    \"\"\"Where.\"\"\"
    x: float
    y: float = 0.0
    names: list[str] = Field(default_factory=list, max_length=3)
@pydantic_dataclass
class Named(Point):
    name: str = "origin"
class M(BaseModel):
    point: Point
    named: Named
""",
        "",
    ),
    "a dataclass of the standard library": (
        """
@dataclass
class Part:
    number: int
    tags: list[str] = field(default_factory=list)
    cached: int = field(init=False, default=3)
    note: Optional[str] = None
    def shown(self) -> str:
        return str(self.number)
@dataclass
class Hidden:
    _inner: int
@dataclass(frozen=True, kw_only=True)
class Whole:
    part: Part
class M(BaseModel):
    whole: Whole
    parts: List[Part]
    hidden: Hidden
""",
        "Left out: 1 method (Part.shown).",
    ),
    "typed dicts": (
        """
class Base(TypedDict):
    id: int
class Loose(Base, total=False):
    \"\"\"Perhaps.\"\"\"
    name: Required[str]
    note: str
class Strict(TypedDict):
    a: int
    b: NotRequired[Annotated[str, Field(min_length=1)]]
Made = TypedDict("Made", {"x": int, "y": List[str]}, total=False)
class M(BaseModel):
    loose: Loose
    strict: Strict
    made: Made
""",
        "",
    ),
    "named tuples": (
        """
class Point(NamedTuple):
    x: int
    y: int = 0
Size = NamedTuple("Size", [("width", float), ("height", float)])
class M(BaseModel):
    point: Point
    sizes: list[Size]
""",
        "",
    ),
    "enums": (
        """
class Plain(Enum):
    A = "a"
    B = 2
class Number(IntEnum):
    ONE = auto()
    TWO = auto()
    TEN = 10
    MORE = auto()
class Text(StrEnum):
    FIRST_ONE = auto()
    OTHER = "else"
class Mixed(str, Enum):
    \"\"\"Mixed.\"\"\"
    X = "x"
    Y = "y"
    @property
    def loud(self) -> str:
        return self.value.upper()
    @classmethod
    def default(cls):
        return cls.X
class M(BaseModel):
    plain: Plain
    number: Number = Number.TWO
    text: Text = Text.FIRST_ONE
    mixed: list[Mixed] = [Mixed.X]
    one: Literal[Mixed.Y]
""",
        "Left out: 2 methods (Mixed.loud, Mixed.default).",
    ),
    "enums that are made": (
        """
Color = Enum("Color", "RED GREEN BLUE")
Shade = StrEnum("Shade", ["LIGHT", "DARK"])
Code = Enum("Code", {"OK": "ok", "BAD": "bad"})
class Labelled(str, Enum):
    def label(self):
        return self.name
class Kind(Labelled):
    A = "a"
    B = "b"
class Named(str, Enum):
    def _generate_next_value_(name, start, count, last_values):
        return name
    LEFT = auto()
    RIGHT = auto()
class M(BaseModel):
    color: Color
    shade: Shade
    code: Code
    kind: Kind
    named: Named
""",
        "",
    ),
    "literals in literals": (
        """
Warm = Literal["red", "orange"]
Cold = Literal["blue"]
Any_ = Literal[Warm, Cold, "grey"]
class M(BaseModel):
    a: Any_
    b: Literal["x", Literal["y"]]
    c: Literal[1, "1", True, None]
    d: Literal["M"]
""",
        "",
    ),
    "Annotated with calls": (
        """
def odd(value: int) -> int:
    return value
Odd = Annotated[int, AfterValidator(odd)]
class M(BaseModel):
    a: Odd
    b: Annotated[str, BeforeValidator(str), Field(min_length=2)]
    c: Annotated[list[int], Len(1, 3)]
    d: Annotated[int, Ge(1), Le(5)]
    e: Annotated[float, Interval(gt=0, le=1)]
    f: Annotated[str, MinLen(1), MaxLen(9)]
    g: Annotated[int, PlainSerializer(lambda value: str(value))]
    h: Annotated[str, StringConstraints(pattern="^a+$", to_lower=True)] = "a"
    i: Annotated[int, "a note"] = 3
    j: Annotated[Annotated[int, Gt(0)], Field(description="Above nothing.")]
""",
        "Left out: 2 validators (M.a, M.b), 1 function (odd).",
    ),
    "validators that take something else": (
        """
class M(BaseModel):
    a: Annotated[int, BeforeValidator(int, json_schema_input_type=str)]
    b: Annotated[int, PlainValidator(lambda value: value)]
    c: Annotated[int, WithJsonSchema({"type": "string", "pattern": "^[0-9]+$"})]
    d: SkipJsonSchema[int] = 3
    e: Union[int, SkipJsonSchema[None]] = None
    f: Annotated[str, SkipJsonSchema()] = "x"
    g: int
""",
        "Left out: 2 validators (M.a, M.b).",
    ),
    "functions that stand for types": (
        """
Positive = conint(gt=0)
class M(BaseModel):
    a: conlist(str, min_length=1, max_length=4)
    b: constr(pattern=r"^[A-Z]{2}$", strip_whitespace=True)
    c: Positive
    d: Optional[conint(ge=0, le=9)] = None
    e: pydantic.confloat(gt=0.5)
    f: pydantic.conset(int, min_length=2)
    g: dict[constr(min_length=2), int]
""",
        "",
    ),
    "new types and aliases": (
        """
UserId = NewType("UserId", int)
Name: TypeAlias = Annotated[str, Field(max_length=9)]
Names = list[Name]
T = TypeVar("T")
OneOrMany = Union[T, list[T]]
class M(BaseModel):
    id: UserId
    ids: dict[str, UserId]
    name: Name
    names: Optional[Names] = None
    one: OneOrMany[int]
    other: "OneOrMany[UserId]"
""",
        "",
    ),
    "types that are named": (
        """
Plain = TypeAliasType("Plain", "dict[str, Plain] | list[Plain] | int | None")
Short = TypeAliasType("Short", Annotated[str, Field(max_length=3)])
class M(BaseModel):
    a: Plain
    b: Short
""",
        "",
    ),
    "factories and defaults": (
        """
class M(BaseModel):
    a: list[int] = Field(default_factory=list)
    b: set[str] = set()
    c: dict[str, int] = dict()
    d: tuple[int, ...] = ()
    e: dt.datetime = Field(default_factory=lambda: dt.datetime.now(dt.timezone.utc))
    f: Optional[str] = Field(None, description="Perhaps.")
    g: int | None = None
    h: float = 1e3
    i: list[dict] = [{"a": 1, "b": [None, True]}]
    j: int = 60 * 60 * 24
    k: int = 10**6
    l: str = "a" "b" + "c"
    m: list = list()
    n: int = -5
""",
        "",
    ),
    "defaults that would be computed": (
        """
class Inner(BaseModel):
    x: int = 1
def now() -> int:
    return 5
class M(BaseModel):
    inner: Inner = Field(default_factory=Inner)
    at: int = Field(default_factory=now)
""",
        "Left out: 1 function (now).",
    ),
    "what is private or of the class": (
        """
class M(BaseModel):
    LIMIT: ClassVar[int] = 5
    kind: ClassVar = "m"
    fixed: Final[int] = 3
    _cache: dict[str, int] = PrivateAttr(default_factory=dict)
    _count: int = 0
    _plain = 3
    a: int = Field(le=5)
    b: "ClassVar[str]" = "x"
""",
        "",
    ),
    "nothing but a docstring": (
        """
class Failed(BaseModel):
    \"\"\"Nothing was found.\"\"\"
class Empty(BaseModel):
    pass
class M(BaseModel):
    result: "Failed | Empty | None" = None
""",
        "",
    ),
    "aliases": (
        """
class M(BaseModel):
    a: int = Field(alias="A")
    b: int = Field(validation_alias="bIn", serialization_alias="bOut")
    c: int = Field(serialization_alias="cOut")
    d: int = Field(validation_alias=AliasChoices("dOne", "dTwo"))
    e: int = Field(validation_alias=AliasPath("eAll", 0))
    ee: int = Field(validation_alias=AliasChoices(AliasPath("eee", "x"), "eName"))
    f: int = Field(alias="F", validation_alias="fIn")
    g: Annotated[int, Field(alias="gg")] = 1
""",
        "Left out: 1 alias (M.e: AliasPath('eAll', 0)).",
    ),
    "aliases that are made": (
        """
class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    first_name: str
    last_name: str = Field(alias="surname")
class Pascal(BaseModel):
    model_config = ConfigDict(alias_generator=AliasGenerator(validation_alias=to_pascal, serialization_alias=to_camel))
    first_name: str
class Loud(BaseModel):
    model_config = ConfigDict(alias_generator=lambda name: name.upper() + "_")
    first_name: str
def quiet(name: str) -> str:
    \"\"\"Whisper.\"\"\"
    return f"x-{name.lower()}"
class Quiet(BaseModel):
    model_config = ConfigDict(alias_generator=quiet)
    first_name: str
class ByName(BaseModel):
    model_config = ConfigDict(validate_by_alias=False, validate_by_name=True)
    first_name: str = Field(alias="firstName")
class M(BaseModel):
    camel: Camel
    pascal: Pascal
    loud: Loud
    quiet: Quiet
    by_name: ByName
""",
        "Left out: 1 function (quiet).",
    ),
    "a discriminator with an alias": (
        """
class Cat(BaseModel):
    k: Literal["cat"] = Field(alias="kind")
    lives: int
class Dog(BaseModel):
    k: Literal["dog"] = Field(alias="kind")
class M(BaseModel):
    pet: Union[Cat, Dog] = Field(discriminator="k")
    pets: list[Annotated[Union[Cat, Dog], Discriminator("k")]]
""",
        "",
    ),
    "a discriminator of an enum": (
        """
class Kind(StrEnum):
    A = "a"
    B = "b"
class Base(BaseModel):
    kind: Kind
class First(Base):
    kind: Literal[Kind.A] = Kind.A
class Second(Base):
    kind: Literal["b", "c"]
class M(BaseModel):
    one: Annotated[First | Second, Field(discriminator="kind")] | None = None
""",
        "",
    ),
    "discriminators in each other": (
        """
class Red(BaseModel):
    color: Literal["red"]
    kind: Literal["cat"]
class Black(BaseModel):
    color: Literal["black"]
    kind: Literal["cat"]
class Dog(BaseModel):
    kind: Literal["dog"]
class M(BaseModel):
    pet: Red | Black | Dog
    cat: Annotated[Union[Red, Black], Field(discriminator="color")]
""",
        "",
    ),
    "types of the standard library": (
        """
class M(BaseModel):
    a: bytes
    b: Path
    c: IPv4Address
    d: IPv6Network
    e: UUID
    f: dt.date
    g: dt.datetime
    h: dt.time
    i: dt.timedelta
    j: deque[int]
    k: Counter[str]
    l: defaultdict[str, list[int]]
    m: Iterable[str]
    n: Sequence[tuple[int, str]]
    o: tuple[()]
    p: dict[int, str]
    q: dict[Literal["x", "y"], int]
    r: complex
    s: type[int]
    t: object
""",
        "",
    ),
    "types of pydantic": (
        """
class M(BaseModel):
    a: SecretStr
    b: Json
    c: Json[list[int]]
    d: pydantic.SecretBytes = Field(min_length=2)
    e: pydantic.FilePath
    f: pydantic.DirectoryPath
    g: pydantic.Base64Str
    h: pydantic.ByteSize
    i: pydantic.IPvAnyAddress
    j: pydantic.JsonValue
    k: pydantic.StrictInt
    l: pydantic.PositiveInt
    m: pydantic.FutureDate
    n: pydantic.PastDatetime
    o: pydantic.ImportString
""",
        "",
    ),
    "annotations that are text": (
        """
class M(BaseModel):
    a: "int"
    b: "Optional[Later]" = None
    c: List["Later"]
    d: "dict[str, Later]"
    e: "M | None" = None
class Later(BaseModel):
    x: "list[int]"
M.model_rebuild()
""",
        "",
    ),
    "Self": (
        """
class M(BaseModel):
    name: str
    children: list[Self] = []
    parent: Optional[Self] = None
""",
        "",
    ),
    "several bases": (
        """
class Stamped(BaseModel):
    created: dt.datetime
    updated: Optional[dt.datetime] = None
class Named(BaseModel):
    \"\"\"Named.\"\"\"
    name: str = Field(min_length=1)
class Plain:
    note: str = "n"
    def hello(self):
        return "hello"
class Abstract(BaseModel, ABC):
    weight: float
    @abstractmethod
    def heavy(self) -> bool: ...
class M(Plain, Stamped, Named, Abstract):
    name: str = "given"
    weight: int
    def heavy(self) -> bool:
        return True
""",
        "Left out: 3 methods (Plain.hello, Abstract.heavy, M.heavy).",
    ),
    "nested classes": (
        """
class M(BaseModel):
    class Line(BaseModel):
        class Kind(StrEnum):
            A = "a"
        text: str
        kind: Kind
    lines: list[Line]
    first: "M.Line | None" = None
""",
        "",
    ),
    "SQLModel": (
        """
from sqlmodel import Field as Column, SQLModel
class Hero(SQLModel):
    id: Optional[int] = Column(default=None, primary_key=True)
    name: str = Column(index=True, max_length=20)
    team: Optional[int] = Column(default=None, foreign_key="team.id")
class M(Hero):
    power: str
""",
        "",
    ),
    "settings": (
        """
from pydantic_settings import BaseSettings, SettingsConfigDict
class M(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="APP_", env_file=".env")
    name: str = "x"
    port: int = Field(8000, ge=1, le=65535)
""",
        "",
    ),
    "a model that is made": (
        """
Base = create_model("Base", id=(int, ...), name=(str, "x"))
M = create_model("M", __base__=Base, note=(Optional[str], None), tags=(list[str], Field(max_length=2)))
""",
        "",
    ),
    "constants": (
        """
MAX = 10
UNIT = "metres"
PROMPT = f"In {UNIT}, at most {MAX}."
LONG = (
    "One sentence. "
    "Another. " + PROMPT
)
class Limits:
    LOW = 2
class M(BaseModel):
    a: int = Field(le=MAX * 2, description=PROMPT)
    b: str = Field(UNIT, description=LONG.strip(), max_length=MAX)
    c: int = Field(ge=Limits.LOW)
""",
        "",
    ),
    "extras of a field": (
        """
class M(BaseModel):
    a: int = Field(1, exclude=True, repr=False, frozen=True, strict=True, json_schema_extra={"examples": [1, 2]})
    b: str = Field(json_schema_extra={"format": "phone", "readOnly": True}, examples=["x"], title="The B")
    c: bool = Field(False, deprecated="Use a.")
    d: list[int] = Field(fail_fast=True)
""",
        "",
    ),
    "fields that are named elsewhere": (
        """
Score = Field(ge=0, le=1, description="From 0 to 1.")
class M(BaseModel):
    a: float = Score
    b: Annotated[float, Score]
""",
        "",
    ),
    "a type that is imported in two ways": (
        """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from somewhere import Thing
else:
    Thing = dict[str, int]
try:
    from nowhere_at_all import Number
except ImportError:
    Number = float
class M(BaseModel):
    a: Thing
""",
        "",
    ),
    "a class that is defined twice": (
        """
class Item(BaseModel):
    a: int
class First(BaseModel):
    item: Item
class Item(BaseModel):
    b: str
class M(BaseModel):
    first: First
    item: Item
""",
        "Left out: 1 earlier class (Item).",
    ),
}
