"""What a rule may search for. One file each; this folder is the registry, so nothing else may stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from core.errors import NotFound
from core.guardrails._rules import GuardrailCheck, Placed

NAMES = tuple(sorted(module.name for module in iter_modules(__path__)))


@cache
def check_called(name: str) -> GuardrailCheck:
    """Return the check called *name*.

    Raises:
        NotFound: there is none.

    """
    if name not in NAMES:
        raise NotFound(f"There is no check {name[:40]!r}. There are: {', '.join(NAMES)}.")
    check: GuardrailCheck = import_module(f"{__name__}.{name}").CHECK
    return check


def usual_places(name: str) -> Sequence[str]:
    """Return the sorts of places where a check looks, if nobody says it; empty for everywhere. Raises NotFound."""
    known = check_called(name)
    return known.places if isinstance(known, Placed) else ()
