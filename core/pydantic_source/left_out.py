"""What a source says and a schema cannot: it is left out, and told."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import Invalid

MOST_NAMED = 3
"""The most names that a sentence gives of one kind."""
_CHECKS = ("validator", "constraint", "annotation", "discriminator", "base", "schema hook", "alias generator", "alias")
"""What bears on which objects are valid, told before the rest."""
_PLURALS = {"property": "properties", "alias": "aliases", "earlier class": "earlier classes"}


@dataclass(frozen=True, slots=True)
class Omission:
    """One thing that was left out: its kind, such as "validator", its name, such as ``Person.check``, and its line."""

    kind: str
    name: str
    line: int


class Remarks:
    """What is left out, as it is met, and how much was read: whatever multiplies is stopped while it is built."""

    def __init__(self, most_steps: int) -> None:
        self._found: dict[Omission, None] = {}
        self._steps_left = most_steps

    def leave_out(self, kind: str, name: str, node: ast.AST) -> None:
        """Note that something of *kind* is left out at *node*."""
        self._found[Omission(kind, name[:120], getattr(node, "lineno", 1))] = None

    def step(self, node: ast.AST | None = None, steps: int = 1) -> None:
        """Count that a part was read.

        Raises:
            Invalid: there are too many.

        """
        self._steps_left -= steps
        if self._steps_left < 0:
            line = getattr(node, "lineno", 1)
            raise Invalid(
                f"Line {line}: this nests too deep, or leads to too many types; "
                "make parts of it classes, and refer to them."
            )

    def left_out(self) -> tuple[Omission, ...]:
        """Return what was left out, in the order of its lines."""
        return tuple(sorted(self._found, key=lambda each: (each.line, each.kind, each.name)))


def told(left_out: Iterable[Omission]) -> str:
    """Return one sentence about what was left out, checks first; nothing if nothing was.

    Example: ``Left out: 2 validators (Person.check_age, Person.trim), 1 method (Person.greet).``
    """
    by_kind: dict[str, list[str]] = {}
    for each in left_out:
        by_kind.setdefault(each.kind, []).append(each.name)
    parts = [
        f"{len(names)} {kind if len(names) == 1 else _PLURALS.get(kind, f'{kind}s')} ({_some(names)})"
        for kind, names in sorted(by_kind.items(), key=lambda entry: (_weight(entry[0]), -len(entry[1])))
    ]
    return f"Left out: {', '.join(parts)}." if parts else ""


def _weight(kind: str) -> int:
    return _CHECKS.index(kind) if kind in _CHECKS else len(_CHECKS)


def _some(names: list[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
