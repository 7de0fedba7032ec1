"""Where texts may stand in what the vendors' SDKs send and read: found in their own types."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

from pydantic import BaseModel
from typing_extensions import (
    get_type_hints,
    is_typeddict,
)

Position = tuple[str, ...]
"""Names that lead to a text; ``[]`` for what stands in a list, ``{}`` for a member whose name is anybody's."""
ITEM, MEMBER = "[]", "{}"
_LISTS = ("Iterable", "Sequence", "SequenceNotStr", "list", "tuple")


def positions(of: Any) -> set[Position]:
    """Return where in a value of this type texts may stand."""
    return set(_walked(of, (), frozenset()))


def _walked(of: Any, at: Position, within: frozenset[Any]) -> Iterator[Position]:
    origin = get_origin(of)
    if origin in (Annotated, Required, NotRequired):
        yield from _walked(get_args(of)[0], at, within)
    elif origin in (Union, types.UnionType):
        for one in get_args(of):
            yield from _walked(one, at, within)
    elif of is str:
        yield at
    elif of in (object, Any):
        yield (*at, MEMBER)
    elif origin is not None and origin is not Literal:
        yield from _within(origin, get_args(of), at, within)
    elif of not in within:
        for name, inner in _members(of):
            yield from _walked(inner, (*at, name), within | {of})


def _members(of: Any) -> Iterable[tuple[str, Any]]:
    if is_typeddict(of):
        return get_type_hints(of, include_extras=True).items()
    if isinstance(of, type) and issubclass(of, BaseModel):
        return [(name, field.annotation) for name, field in of.model_fields.items()]
    return ()


def _within(origin: Any, inner: Sequence[Any], at: Position, within: frozenset[Any]) -> Iterator[Position]:
    if origin.__name__ in _LISTS:
        for one in inner:
            yield from _walked(one, (*at, ITEM), within)
    elif origin is dict or issubclass(origin, Mapping):
        yield from _walked(inner[1], (*at, MEMBER), within)


def holding(position: Position, text: str) -> Any:
    """Return a value that holds *text* at *position*, and nothing else."""
    value: Any = text
    for step in reversed(position):
        value = [value] if step == ITEM else {"member" if step == MEMBER else step: value}
    return value


def texts_in(value: Any) -> Iterable[str]:
    """Yield every text in *value*, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in typing.cast("dict[str, Any]", value).items():
            yield name
            yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in typing.cast("list[Any]", value):
            yield from texts_in(inner)
