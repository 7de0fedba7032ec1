"""Plain values as a source writes them: text, numbers, lists and dicts of them, members of enums."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable
from typing import Any, cast

from core.errors import Invalid
from core.pydantic_source.left_out import Remarks
from core.pydantic_source.names import Alias, Names, SourceClass, SourceScope
from core.python_syntax import refusal, shown, written

DEEPEST = 40
"""The deepest nesting of a type or a constant."""
MOST_TEXT = 20_000
"""The longest text that a source may put together."""
_EMPTY: dict[str, Callable[[], Any]] = {
    "list": list,
    "set": list,
    "frozenset": list,
    "tuple": list,
    "dict": dict,
    "str": str,
}
_TRIMMED: dict[str, Callable[[str], str]] = {
    "strip": str.strip,
    "rstrip": str.rstrip,
    "lstrip": str.lstrip,
    "lower": str.lower,
    "upper": str.upper,
    "title": str.title,
    "capitalize": str.capitalize,
    "dedent": inspect.cleandoc,
    "cleandoc": inspect.cleandoc,
}


class Constants:
    """Reads the plain values of one source."""

    def __init__(self, names: Names, remarks: Remarks) -> None:
        self.names = names
        self._remarks = remarks
        self._depth = 0
        self._enums: dict[SourceClass, dict[str, Any]] = {}

    def text(self, node: ast.expr, scope: SourceScope) -> str:
        """Return the text that *node* is."""
        value = self.value(node, scope)
        if not isinstance(value, str) or not value:
            raise refusal(node, f"{shown(node)} is no text", "write it in quotes")
        return value

    def choice(self, node: ast.expr, scope: SourceScope) -> str | float | bool | None:
        """Return the plain value that *node* is, which is neither a list nor a dict."""
        value = self.value(node, scope)
        if isinstance(value, list | dict):
            raise refusal(node, f"{shown(node)} cannot be a choice", "use text, numbers, True, False or None")
        return value

    def value(self, node: ast.expr, scope: SourceScope) -> Any:
        """Return the JSON value that *node* is.

        Raises:
            Invalid: it is none, or would have to be computed by code of the source.

        """
        self._remarks.step(node)
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                raise refusal(node, "this nests too deep, or is defined by itself", "write it out, or make it a class")
            found = self._read(node, scope)
            if isinstance(found, str):
                self._remarks.step(node, len(found) // 200)
            return found
        finally:
            self._depth -= 1

    def try_value(self, node: ast.expr, scope: SourceScope) -> tuple[bool, Any]:
        """Return whether *node* is a plain value, and which."""
        try:
            return True, self.value(node, scope)
        except Invalid:
            return False, None

    def _read(self, node: ast.expr, scope: SourceScope) -> Any:
        match node:
            case ast.Constant(value=value) if _is_plain(value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
                return -self.value(node.operand, scope)
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return [value for part in parts for value in self._listed(part, scope)]
            case ast.Dict(keys=keys, values=values) if None not in keys:
                pairs = zip(keys, values, strict=True)
                return {self._key(key, scope): self.value(value, scope) for key, value in pairs if key}
            case ast.BinOp(left=left, op=operator, right=right):
                found = _joined(operator, self.value(left, scope), self.value(right, scope))
                if found is not None:
                    return found
            case ast.JoinedStr(values=parts):
                return self._formatted(parts, scope)
            case ast.Call():
                found = self._called(node, scope)
                if found is not None:
                    return found
            case ast.Name() | ast.Attribute():
                found = self._named(node, scope)
                if found is not _NOTHING:
                    return found
            case _:
                pass
        raise refusal(
            node, f"{shown(node)} is no plain value", "write text, a number, True, False, None, or a list of them"
        )

    def _listed(self, part: ast.expr, scope: SourceScope) -> list[Any]:
        """Return what *part* puts into a list: itself, or with a star what it holds."""
        if not isinstance(part, ast.Starred):
            return [self.value(part, scope)]
        found = self.value(part.value, scope)
        if not isinstance(found, list):
            raise refusal(part, f"{shown(part.value)} is no list", "write its values out")
        return cast("list[Any]", found)

    def _key(self, node: ast.expr, scope: SourceScope) -> str:
        value = self.value(node, scope)
        if not isinstance(value, str):
            raise refusal(node, f"{shown(node)} is no text", "write it in quotes")
        return value

    def _formatted(self, parts: list[ast.expr], scope: SourceScope) -> str:
        text = ""
        for part in parts:
            match part:
                case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
                    value = self.value(inner, scope)
                    if isinstance(value, list | dict):
                        raise refusal(inner, f"{shown(inner)} is no plain value", "write the text out")
                    text += str(value)
                case ast.Constant(value=str(value)):
                    text += value
                case _:
                    raise refusal(part, f"{shown(part)} is no plain value", "write the text out")
            if len(text) > MOST_TEXT:
                raise refusal(part, "this text is too long", "shorten it")
        return text

    def _called(self, node: ast.Call, scope: SourceScope) -> Any:
        """Return what an empty container, a trimmed text or a compiled pattern is; nothing for any other call."""
        name = self.names.known(node.func, scope) or (node.func.attr if isinstance(node.func, ast.Attribute) else "")
        match node:
            case ast.Call(args=[], keywords=[]) if name in _EMPTY:
                return _EMPTY[name]()
            case ast.Call(args=[given], keywords=[]) if name in ("set", "frozenset", "list", "tuple"):
                found = self.value(given, scope)
                return cast("list[Any]", found) if isinstance(found, list) else None
            case ast.Call(args=[given, *_]) if name in ("compile", "dedent", "cleandoc", "Decimal"):
                found = self.value(given, scope)
                if name == "Decimal":
                    return _number(found)
                return _TRIMMED.get(name, str)(found) if isinstance(found, str) else None
            case ast.Call(func=ast.Attribute(value=inner, attr=method), args=[], keywords=[]) if method in _TRIMMED:
                found = self.value(inner, scope)
                return _TRIMMED[method](found) if isinstance(found, str) else None
            case _:
                return None

    def _named(self, node: ast.Name | ast.Attribute, scope: SourceScope) -> Any:
        match node:
            case ast.Attribute(value=ast.Attribute() | ast.Name() as member, attr="value" | "name" as wanted):
                if (found := self._member(member, scope)) is not None:
                    return found[0] if wanted == "name" else found[1]
            case _:
                pass
        if (found := self._member(node, scope)) is not None:
            return found[1]
        meaning = self.names.meaning(node, scope)
        if isinstance(meaning, Alias) and meaning.value is not node:
            return self.value(meaning.value, meaning.scope)
        return _NOTHING

    def _member(self, node: ast.expr, scope: SourceScope) -> tuple[str, Any] | None:
        """Return name and value of the member of an enum that *node* is."""
        if not isinstance(node, ast.Attribute):
            return None
        owner = self.names.meaning(node.value, scope)
        if not isinstance(owner, SourceClass) or not self.names.is_enum(owner):
            return None
        members = self.members(owner)
        return (node.attr, members[node.attr]) if node.attr in members else None

    # ── Enums ──

    def members(self, found: SourceClass) -> dict[str, Any]:
        """Return the members of an enum with their values."""
        if found in self._enums:
            return self._enums[found]
        members: dict[str, Any] = {}
        self._enums[found] = members
        bases = self.names.library_bases(found)
        is_text = bool(bases & {"str", "StrEnum", "TextChoices"})
        automatic = _automatic(found.node, is_text="StrEnum" in bases)
        for statement in found.node.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("_"):
                    self._add_member(found, members, name, value, automatic)
                    if is_text and not isinstance(members[name], str):
                        if _is_auto(value):
                            members[name] = str(members[name])
                        else:
                            raise refusal(value, f"{name} is a member of a text enum and no text", "write it in quotes")
                case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.AnnAssign() | ast.Assign():
                    pass
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    if name not in ("__str__", "__repr__", "_generate_next_value_", "__format__"):
                        self._remarks.leave_out("method", f"{found.name}.{name}", statement)
                case _:
                    self._remarks.leave_out("statement", f"{found.name}: {written(statement)}", statement)
        return members

    def _add_member(
        self,
        found: SourceClass,
        members: dict[str, Any],
        name: str,
        value: ast.expr,
        automatic: Callable[[str, int], Any],
    ) -> None:
        if _is_auto(value):
            numbers = [each for each in members.values() if isinstance(each, int)]
            members[name] = automatic(name, max(numbers, default=0) + 1)
        elif isinstance(value, ast.Name) and value.id in members:
            members[name] = members[value.id]
        else:
            members[name] = self.choice(value, found.inner)


_NOTHING = object()


def _is_auto(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Name(id="auto") | ast.Attribute(attr="auto"), args=[]):
            return True
        case _:
            return False


def _automatic(node: ast.ClassDef, *, is_text: bool) -> Callable[[str, int], Any]:
    """Return what ``auto()`` stands for: a number, or the name where the enum says so."""
    for statement in node.body:
        match statement:
            case ast.FunctionDef(name="_generate_next_value_", body=[*_, ast.Return(value=ast.Name())]):
                return lambda name, _: name
            case ast.FunctionDef(
                name="_generate_next_value_",
                body=[*_, ast.Return(value=ast.Call(func=ast.Attribute(attr="lower" | "upper" as method), args=[]))],
            ):
                return lambda name, _: _TRIMMED[method](name)
            case _:
                pass
    if is_text:
        return lambda name, _: name.lower()
    return lambda _, number: number


def _joined(operator: ast.operator, left: Any, right: Any) -> Any:
    """Return what two plain values make, where that is plain and small; nothing otherwise."""
    match operator, left, right:
        case ast.Add(), str(), str() if len(left) + len(right) <= MOST_TEXT:
            return left + right
        case ast.Add(), list(), list() if len(cast("list[Any]", left)) + len(cast("list[Any]", right)) <= MOST_TEXT:
            return cast("list[Any]", left + right)
        case ast.Add() | ast.Sub() | ast.Mult(), int() | float(), int() | float():
            made = left + right if isinstance(operator, ast.Add) else left - right
            made = left * right if isinstance(operator, ast.Mult) else made
            return made if _is_plain(made) else None
        case ast.Pow(), int(), int() if 0 <= right < 64 and abs(left) <= 10:
            made = left**right
            return made if _is_plain(made) else None
        case _:
            return None


def _number(value: Any) -> float | None:
    try:
        found = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(found):
        return None
    return int(found) if found.is_integer() and abs(found) < 2**53 else found


def _is_plain(value: object) -> bool:
    """Whether a constant of Python is one in JSON that every reader keeps."""
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, int):
        return -(2**63) < value < 2**63
    return value is None or (isinstance(value, float) and math.isfinite(value))
