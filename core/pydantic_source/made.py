"""Classes that are made by a call, such as ``Enum("Color", "RED BLUE")``, as the class statement they stand for."""

from __future__ import annotations

import ast

from core.python_syntax import place_at

_ENUMS = frozenset({"Enum", "IntEnum", "StrEnum"})
_MAYBE = """
class {name}(BaseModel):
    result: Optional[X] = Field(default=None, description="What was found; null if it is not there.")
    error: bool = Field(default=False)
    message: Optional[str] = Field(default=None, description="Why nothing was found, in a short sentence.")
"""


def made_class(name: str, value: ast.expr, called: str) -> ast.ClassDef | None:
    """Return the class that *name* = *value* makes, if it makes one; *called* is what its function is known as."""
    match value:
        case ast.Call(args=[ast.Constant(value=str()), members, *_]) if called in _ENUMS:
            return _enum(name, value, members, called)
        case ast.Call(args=[ast.Constant(value=str()), ast.Dict() as fields], keywords=keywords) if (
            called == "TypedDict"
        ):
            total = [each for each in keywords if each.arg == "total"]
            pairs = zip(fields.keys, fields.values, strict=True)
            body = [_field(key, each) for key, each in pairs if isinstance(key, ast.Constant)]
            return _class(name, value, "TypedDict", body, total)
        case ast.Call(args=[ast.Constant(value=str()), ast.List(elts=parts) | ast.Tuple(elts=parts)]) if called in (
            "NamedTuple",
            "TypedDict",
        ):
            body = [
                _field(part.elts[0], part.elts[1])
                for part in parts
                if isinstance(part, ast.Tuple) and len(part.elts) == 2
            ]
            return _class(name, value, called, body, [])
        case ast.Call(args=[ast.Constant(value=str()), *_]) if called == "create_model":
            return _model(name, value)
        case ast.Call(args=[model]) | ast.Subscript(slice=model) if called == "Maybe":
            return _maybe(name, model)
        case _:
            return None


def _class(name: str, at: ast.expr, base: str, body: list[ast.stmt], keywords: list[ast.keyword]) -> ast.ClassDef:
    made = ast.parse(f"class {name}({base}): pass").body[0]
    assert isinstance(made, ast.ClassDef)  # noqa: S101 for the type checker
    place_at(made, at.lineno)
    made.body = body or made.body
    made.keywords = keywords
    return made


def _field(key: ast.expr | None, annotation: ast.expr, value: ast.expr | None = None) -> ast.stmt:
    name = str(key.value) if isinstance(key, ast.Constant) else ""
    made = ast.AnnAssign(ast.Name(name, ast.Store()), annotation, value, 1)
    ast.copy_location(made, annotation)
    ast.copy_location(made.target, annotation)
    return made


def _enum(name: str, at: ast.Call, members: ast.expr, base: str) -> ast.ClassDef | None:
    pairs: list[tuple[str, ast.expr | None]] = []
    match members:
        case ast.Constant(value=str(text)):
            pairs = [(each, None) for each in text.replace(",", " ").split()]
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                match part:
                    case ast.Constant(value=str(text)):
                        pairs.append((text, None))
                    case ast.Tuple(elts=[ast.Constant(value=str(text)), value]):
                        pairs.append((text, value))
                    case _:
                        return None
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if not isinstance(key, ast.Constant):
                    return None
                pairs.append((str(key.value), value))
        case _:
            return None
    body: list[ast.stmt] = []
    for member, value in pairs:
        given = value or ast.Call(ast.Name("auto", ast.Load()), [], [])
        made = ast.Assign([ast.Name(member, ast.Store())], given)
        place_at(made, at.lineno)
        body.append(made)
    mixin = next((each.value for each in at.keywords if each.arg == "type"), None)
    found = _class(name, at, base, body, [])
    if mixin is not None:
        found.bases.insert(0, mixin)
    return found


def _model(name: str, at: ast.Call) -> ast.ClassDef:
    body: list[ast.stmt] = []
    bases: list[ast.expr] = []
    for keyword in at.keywords:
        match keyword:
            case ast.keyword(arg="__base__", value=ast.Tuple(elts=given)):
                bases = given
            case ast.keyword(arg="__base__", value=base):
                bases = [base]
            case ast.keyword(arg="__config__", value=value):
                config = ast.Assign([ast.Name("model_config", ast.Store())], value)
                body.append(ast.copy_location(config, value))
            case ast.keyword(arg=str(field)) if not field.startswith("__"):
                match keyword.value:
                    case ast.Tuple(elts=[annotation, default]):
                        body.append(_field(ast.Constant(field), annotation, default))
                    case annotation:
                        body.append(_field(ast.Constant(field), annotation))
            case _:
                pass
    made = _class(name, at, "BaseModel", body, [])
    made.bases = bases or made.bases
    return made


def _maybe(name: str, model: ast.expr) -> ast.ClassDef:
    """Return instructor's ``Maybe`` of *model*: a result, or why there is none."""
    made = ast.parse(_MAYBE.format(name=name)).body[0]
    assert isinstance(made, ast.ClassDef)  # noqa: S101 for the type checker
    place_at(made, model.lineno)
    result = made.body[0]
    if isinstance(result, ast.AnnAssign) and isinstance(result.annotation, ast.Subscript):
        result.annotation.slice = model
    return made
