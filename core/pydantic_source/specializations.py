"""Classes with what is given for their type parameters, and what they are called then."""

from __future__ import annotations

import ast
import re

from core.pydantic_source.constants import DEEPEST
from core.pydantic_source.definitions import LONGEST_NAME, Specialization, TypeContext
from core.pydantic_source.kinds import Kinds
from core.pydantic_source.left_out import Remarks
from core.pydantic_source.names import SourceClass
from core.python_syntax import refusal, written


class Specializations:
    """Gives the generic classes of one source their parameters."""

    def __init__(self, kinds: Kinds, remarks: Remarks) -> None:
        self._kinds = kinds
        self._remarks = remarks
        self._depth = 0

    def of(self, found: SourceClass, given: list[ast.expr], place: TypeContext) -> Specialization:
        """Return *found* with what is *given* for its type parameters."""
        title = found.name.rpartition(".")[2]
        if not given:
            return Specialization(found, title)
        names = self._kinds.parameters(found)
        variables = {name: (each, place) for name, each in zip(names, given, strict=False)}
        return Specialization(found, f"{title}[{', '.join(self._spelt(each, place) for each in given)}]", variables)

    def _spelt(self, node: ast.expr, place: TypeContext) -> str:
        """Return a type as a name shows it, with what its variables stand for."""
        self._remarks.step(node)
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                raise refusal(node, "this type grows with each use of itself", "write out what its parameters are")
            text = written(node)
            for name, (inner, at) in place.variables.items():
                if re.search(rf"\b{name}\b", text):
                    spelt = self._spelt(inner, at)
                    text = re.sub(rf"\b{name}\b", lambda _, spelt=spelt: spelt, text)
                if len(text) > LONGEST_NAME:
                    raise refusal(node, "this type grows with each use of itself", "write out what its parameters are")
            return text
        finally:
            self._depth -= 1
