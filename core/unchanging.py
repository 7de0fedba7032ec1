"""What is made for each call, or each piece of a stream, and never changed.

That nobody changes it the type checker holds, which reads all of the package. A dataclass that is ``frozen`` has it
held at run time as well: each member is then set by a call, and a copy with one of them changed costs thrice as much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform, overload

_T = TypeVar("_T")


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def unchanging(made: type[_T], /) -> type[_T]: ...


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def unchanging(*, kw_only: bool = False) -> Callable[[type[_T]], type[_T]]: ...


def unchanging(made: type[_T] | None = None, /, *, kw_only: bool = False) -> type[_T] | Callable[[type[_T]], type[_T]]:
    """Make a dataclass whose objects nobody changes: equal where all their members are, and known by them in sets."""
    making: Callable[[type[_T]], type[_T]] = dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
    return making if made is None else making(made)
