"""Pydantic source as people have it: read as pydantic would say, with what is left out told, and nothing run."""

from __future__ import annotations

import json
import random
import re
import sys
import warnings
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from core.errors import Invalid
from core.pydantic_source import PydanticSource, told
from core.response_models import response_model
from tests.core.pydantic_sources import HEAD, SOURCES
from tests.examples import many


def expanded(node: Any, root: dict[str, Any], within: tuple[str, ...] = (), *, is_names: bool = False) -> Any:
    """Return a schema with what it refers to in place, without titles, and without the order of what has none."""
    if isinstance(node, list):
        return [expanded(part, root, within) for part in node]
    if not isinstance(node, dict):
        return node
    if is_names:
        return {name: expanded(part, root, within) for name, part in node.items()}
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        beside = expanded({key: part for key, part in node.items() if key != "$ref"}, root, within)
        if name in within:
            return {"again": len(within) - within.index(name), **beside}
        return {**expanded(root["$defs"][name], root, (*within, name)), **beside}
    found: dict[str, Any] = {}
    for key, part in node.items():
        if key in ("title", "$defs"):
            continue
        if key == "required":
            found[key] = sorted(part)
        elif key == "discriminator":
            found[key] = {"propertyName": part["propertyName"], "mapping": sorted(part["mapping"])}
        elif key in ("default", "const", "enum", "examples"):
            found[key] = part
        else:
            found[key] = expanded(part, root, within, is_names=key == "properties")
    return found


def meaning(schema: dict[str, Any]) -> Any:
    """Return what *schema* says, whatever its definitions are called."""
    root = {key: part for key, part in schema.items() if key != "$defs"}
    own = next((name for name, part in schema.get("$defs", {}).items() if part == root), None)
    return expanded({"$ref": f"#/$defs/{own}"} if own else root, schema)


def executed(source: str) -> type[BaseModel]:
    """Return the class M of *source*, a text of our own, as Python makes it."""
    module = ModuleType("sample")
    sys.modules["sample"] = module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(HEAD + source, module.__dict__)  # noqa: S102 our own text, to compare with
            found = module.__dict__["M"]
            found.model_rebuild(_types_namespace=module.__dict__)
    finally:
        del sys.modules["sample"]
    return found


class Quiet(GenerateJsonSchema):
    """Pydantic's own schema, without its warnings."""

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Say nothing."""


@pytest.mark.parametrize("name", SOURCES)
def test_reads_what_pydantic_would_say(name: str) -> None:
    """The schema is pydantic's own, and what a schema cannot say is told in one sentence."""
    source, sentence = SOURCES[name]
    found = PydanticSource(HEAD + source).read("M")
    assert meaning(found.schema) == meaning(executed(source).model_json_schema(schema_generator=Quiet))
    assert told(found.left_out) == sentence
    assert response_model(found.schema, "m").body


OTHERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a main block": (
        "class M(BaseModel):\n    a: int\nif __name__ == '__main__':\n    print(M(a=1))",
        {"a": {"type": "integer"}},
        "Left out: 1 statement (if __name__ == '__main__': print(M(a=1))).",
    ),
    "a root of pydantic 1": (
        "class L(BaseModel):\n    __root__: list[int]\nclass M(BaseModel):\n    a: L",
        {"a": {"$ref": "#/$defs/L"}},
        "",
    ),
    "fields of pydantic 1": (
        (
            "from langchain_core.pydantic_v1 import BaseModel, Field\n"
            "class M(BaseModel):\n    a: Optional[int]\n    b = 'x'\n    c = 1.5\n    d: str"
        ),
        {
            "a": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "b": {"type": "string", "default": "x"},
            "c": {"type": "number", "default": 1.5},
            "d": {"type": "string"},
        },
        "",
    ),
    "constraints of pydantic 1": (
        (
            "class M(BaseModel):\n    a: str = Field(..., regex='^a', example='ab')\n"
            "    b: list[int] = Field(min_items=1, max_items=2, unique_items=True)\n    c: str = Field('x', const=True)"
        ),
        {
            "a": {"type": "string", "pattern": "^a", "examples": ["ab"]},
            "b": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2, "uniqueItems": True},
            "c": {"type": "string", "const": "x", "default": "x"},
        },
        "",
    ),
    "type statements and type parameters": (
        (
            "type Names[T: str] = list[T]\n"
            "type Tree = dict[str, Tree] | int\n"
            "class Box[\n    T,\n](BaseModel):\n    inner: T\n"
            "def f[T](x: T) -> T:\n    return x\n"
            "class M(BaseModel):\n    a: Box[int]\n    b: Names[str]\n    c: Tree"
        ),
        {
            "a": {"$ref": "#/$defs/Box_int_"},
            "b": {"type": "array", "items": {"type": "string"}},
            "c": {"$ref": "#/$defs/Tree"},
        },
        "Left out: 1 function (f).",
    ),
    "Instructor's own": (
        (
            "import instructor\nfrom instructor import Maybe, OpenAISchema, Partial, llm_validator\n"
            "from openai import OpenAI\nclient = instructor.from_openai(OpenAI())\n"
            "class User(OpenAISchema):\n    name: str\nMaybeUser = Maybe(User)\n"
            "class M(BaseModel):\n    a: Annotated[str, BeforeValidator(llm_validator('Be kind.', client=client))]\n"
            "    b: Iterable[User]\n    c: Partial[User]\n    d: MaybeUser\n"
            "found = client.create(response_model=M)\nprint(found)"
        ),
        {
            "a": {"type": "string"},
            "b": {"type": "array", "items": {"$ref": "#/$defs/User"}},
            "c": {"$ref": "#/$defs/User"},
            "d": {"$ref": "#/$defs/MaybeUser"},
        },
        "Left out: 1 validator (M.a), 1 statement (print(found)).",
    ),
    "a discriminator that is a function": (
        (
            "class A(BaseModel):\n    x: int\nclass B(BaseModel):\n    y: int\n"
            "class M(BaseModel):\n"
            "    a: Annotated[Annotated[A, Tag('a')] | Annotated[B, Tag('b')], Discriminator(kind)]"
        ),
        {"a": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}},
        "Left out: 1 discriminator (M.a: kind).",
    ),
    "a default that is a call": (
        "class M(BaseModel):\n    a: int = count()\n    b: str = Field(description=tell())",
        {"a": {"type": "integer"}, "b": {"type": "string"}},
        "Left out: 1 default (M.a: count()), 1 description (M.b: tell()).",
    ),
    "digits": (
        (
            "class M(BaseModel):\n    model_config = ConfigDict(json_schema_extra={'examples': [{'a': 1}]})\n"
            "    a: Decimal = Field(ge=0, max_digits=10, decimal_places=2)\n    _b: int = PrivateAttr(1)"
        ),
        {
            "a": {
                "anyOf": [
                    {"type": "number", "minimum": 0, "multipleOf": 0.01},
                    {"type": "string", "pattern": r"^\+?(\d+(\.\d{0,2}0*)?|\.\d{1,2}0*)([eE]\+?\d{1,3})?$"},
                ]
            }
        },
        "Left out: 1 constraint (M.a: max_digits).",
    ),
    "an alias generator that would be run": (
        (
            "def camel(s):\n    first, *rest = s.split('_')\n    return first + ''.join(rest)\n"
            "class M(BaseModel):\n    model_config = ConfigDict(alias_generator=camel)\n    a: int"
        ),
        {"a": {"type": "integer"}},
        "Left out: 1 alias generator (M: alias_generator), 1 function (camel).",
    ),
    "a base that is not read": (
        "from .models import Base\nclass M(Base):\n    a: int",
        {"a": {"type": "integer"}},
        "Left out: 1 base (M(Base)).",
    ),
    "models in functions": (
        "def main():\n    Kind = Literal['a']\n    class M(BaseModel):\n        a: Kind\n    return M",
        {"a": {"type": "string", "const": "a"}},
        "Left out: 1 function (main).",
    ),
    "a docstring below a field": (
        "class M(BaseModel):\n    model_config = {'use_attribute_docstrings': True}\n    a: int\n    'How many.'",
        {"a": {"type": "integer", "description": "How many."}},
        "",
    ),
    "fences and an indentation": (
        "```python\n    class M(BaseModel):\n        a: int\n```\nThis is what I mean.",
        {"a": {"type": "integer"}},
        "",
    ),
    "text of types": (
        (
            "class M(BaseModel):\n    a: EmailStr = Field(max_length=9)\n    b: NaiveDatetime\n    c: AwareDatetime\n"
            "    d: HttpUrl"
        ),
        {
            "a": {"type": "string", "format": "email", "maxLength": 9},
            "b": {"type": "string", "format": "date-time-local"},
            "c": {"type": "string", "format": "date-time-zoned"},
            "d": {"type": "string", "format": "uri"},
        },
        "",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_reads_what_pydantic_here_cannot_run(name: str) -> None:
    """What other versions of Python and pydantic run, and what would need another program, is read as well."""
    source, properties, sentence = OTHERS[name]
    found = PydanticSource(source).read()
    assert found.root.rpartition(".")[2] == "M"
    assert found.schema["properties"] == properties
    assert told(found.left_out) == sentence


ROOTS = [
    (
        "class A(BaseModel):\n    x: int\nclass B(BaseModel):\n    a: A\nclass C(BaseModel):\n    y: int",
        ["B", "C"],
        "C",
    ),
    ("class A(BaseModel):\n    x: int\n@dataclass\nclass D:\n    y: int", ["A", "D"], "A"),
    ("class A(BaseModel):\n    x: 'list[B]'\nclass B(BaseModel):\n    y: int", ["A"], "A"),
    ("class A(BaseModel):\n    x: 'B'\nclass B(BaseModel):\n    y: A", ["B"], "B"),
    ("class A(BaseModel):\n    x: Literal['B']\nclass B(BaseModel):\n    y: int", ["A", "B"], "B"),
    ("class A(BaseModel):\n    class B(BaseModel):\n        y: int\n    b: B", ["A"], "A"),
    ("class A(TypedDict):\n    x: int", ["A"], "A"),
    ("class A(BaseModel):\n    x: int\nAs = list[A]\nclass B(BaseModel):\n    y: As", ["B"], "B"),
    ("class A(BaseModel):\n    x: int\nclass A(BaseModel):\n    y: int", ["A"], "A"),
]


@pytest.mark.parametrize(("source", "roots", "likely"), ROOTS)
def test_roots(source: str, roots: list[str], likely: str) -> None:
    """The roots are the models that no other class refers to, in the order of their lines; the last is likely."""
    found = PydanticSource(source)
    assert list(found.roots) == roots
    assert found.likely_root == likely


def test_what_the_root_does_not_need_stops_nothing() -> None:
    """An unknown type stops a model that needs it, and no other of the same source."""
    source = PydanticSource("class A(BaseModel):\n    x: Widget\nclass B(BaseModel):\n    y: int")
    assert source.read("B").schema["properties"] == {"y": {"type": "integer"}}
    with pytest.raises(Invalid, match=r"^Line 2: the type 'Widget' is not known; "):
        source.read("A")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("class M(BaseModel)\n    a: int", "Line 1: this is not Python (expected ':'); write 'class M(BaseModel):'."),
        ("class M(BaseModel):\na: int", "Line 2: .* write 'pass' there"),
        (">>> class M(BaseModel):\n...     a: int", "Line 1: .* leave out the prompts"),
        ("class M(BaseModel):\n    a: str = \u201cx\u201d", "Line 2: .* write straight quotes"),
        ("Here it is:\n```\nclass M(BaseModel):\n    a: int\n```", "Line 1: this is not Python"),
        ("class M(BaseModel):\n    a: int\n  b: int", "Line 3: .* indent the lines of a class alike"),
        ("{'type': 'object'}", "it is JSON; paste it as JSON Schema"),
        ("class M(BaseModel):\n    a: np.ndarray", "Line 2: the type 'np.ndarray' is not known: it comes from 'np'"),
        ("from x.y import Z\nclass M(BaseModel):\n    a: list[Z]", "Line 3: .* comes from 'x.y', .* paste its class"),
        ("class Z: pass\nclass M(BaseModel):\n    a: Z", "Line 3: .* Z is no model; derive it from BaseModel"),
        ("class M(BaseModel):\n    a = 5", "Line 2: this is no field: a has no type; write name: type = value"),
    ],
)
def test_every_refusal_has_its_line_and_one_sentence(source: str, sentence: str) -> None:
    """A refusal says the line, what is wrong there, and what was meant or what to do."""
    with pytest.raises(Invalid) as caught:
        PydanticSource(source).read()
    message = caught.value.message
    assert ". " not in message
    assert all(part in message for part in sentence.split(" .* ")), message


# ── Whatever is pasted ──

PIECES = (
    "class M(BaseModel):", "    a: ", "list[", "]", "int", "T", "'M'", "'", '"', "Annotated[", "Literal[",
    "Field(", ")", ",", "Generic[T]", " | ", "= ", "X = ", "X", "lambda: ", "f'{X}'", "@", "def f(self):",
    "\n", "    ", ":", "0x" + "f" * 5000, "9" * 5000, "Optional[", "Union[", "type X = ", "class C[T](M):",
    "Enum('X', 'A B')", "auto()", "TypedDict('X', {'a': X})", "NewType('X', X)",
    "create_model('X', a=(X, 1))", "Discriminator(", "*", "**", "...", "{", "}", "\u0000", "\ud800", "\\",
    "conlist(X, max_length=", "-" * 300, "(" * 150, "[" * 150, "dict[", "tuple[", "Maybe(", "self: Self",
    "RootModel[", "TypeVar('T', bound=", "#", "yield", "await ", "match X:", "case ", "\t", "x.y.z",
    "model_config = ConfigDict(", "1e999",
)  # fmt: skip
WORDS = (
    "int", "M", "T", "Base", "list[M]", "Optional[M]", "Literal['a']", "Enum", "TypedDict", "BaseModel", "Self",
    "Field(ge=1)", "NamedTuple", "dict[int, M]", "RootModel[M]", "tuple[M, ...]", "Annotated[M, 1]", "dataclass",
    "Generic[T]",
)  # fmt: skip
TEXTS = [HEAD + source for source, _ in SOURCES.values()] + [source for source, _, _ in OTHERS.values()]


def mutated(text: str, dice: random.Random) -> str:
    """Return *text* with a few pieces put in, names for others, lines taken out and doubled."""
    for _ in range(dice.randint(1, 4)):
        place, other = sorted((dice.randint(0, len(text)), dice.randint(0, len(text))))
        lines = text.split("\n")
        line = dice.randrange(len(lines))
        match dice.randrange(10):
            case 7 | 8 | 9 if names := [found.span() for found in re.finditer(r"\b[A-Za-z_]\w*", text)]:
                start, end = dice.choice(names)
                text = text[:start] + dice.choice((*WORDS, text[slice(*dice.choice(names))])) + text[end:]
            case 0 | 1:
                text = text[:place] + dice.choice(PIECES) + text[place:]
            case 2:
                text = text[:place] + text[min(other, place + 30) :]
            case 3:
                text = "\n".join([*lines[:line], *lines[line + 1 :]])
            case 4:
                text = "\n".join([*lines[:line], lines[line], *lines[line:]])
            case 5:
                text = text.replace(dice.choice(("int", "str", "BaseModel", "M", "Base")), dice.choice(PIECES), 2)
            case _:
                text = text[:place] + text[place:other][:60] * dice.randint(1, 40) + text[place:]
    return text


@settings(max_examples=many(2_000), deadline=None)
@given(st.sampled_from(TEXTS), st.integers(0, 2**64))
def test_whatever_is_pasted_is_read_or_refused_in_one_sentence(text: str, seed: int) -> None:
    """Nothing but our own error comes out of any source, within bounds of the schema and of the sentence."""
    source = mutated(text, random.Random(seed))  # noqa: S311 no secret
    sentence = ""
    try:
        found = PydanticSource(source)
        for root in found.roots[:5]:
            sentence = told(found.read(root).left_out)
            json.dumps(found.read(root).schema)
    except Invalid as error:
        sentence = error.message
    assert len(sentence) < 5_000
    assert "\n" not in sentence
