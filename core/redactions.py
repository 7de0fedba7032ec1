"""A redacted answer still is what its schema asks for, or nobody gets it.

A mark is no e-mail address, and may be longer than a field takes. So where a schema does not take it, what else says
as little is tried in its place: a value of the same form that nobody can have, then asterisks. What the schema itself
lists (``enum``, ``const``) is no personal datum: its author wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import orjson
from pydantic import ValidationError

from core.detection.personal import TOLD as PERSONAL
from core.detection.replacements import FORMATS, replacement, replacement_of
from core.field_problems import FieldProblem, field_places
from core.json_leaves import differences
from core.json_schemas import json_path
from core.response_models import ResponseModel
from core.validation import Effort

_MARK = re.compile(r"\[redacted: ([^\]\n]{1,80})\]")
_MOST_TRIED = 200
"""Verdicts on one answer: each looks at all of it. Where they do not do, it is refused."""
_LISTED = frozenset({"enum", "literal_error"})
_LENGTHS = frozenset({"string_too_long", "string_too_short"})
Path = tuple[str | int, ...]


class Unfitting(Exception):
    """No redaction of an answer satisfies its schema: ``problem`` says where. Its message may quote the schema."""

    def __init__(self, problem: FieldProblem) -> None:
        """Keep the first of what is wrong with the last one that was tried."""
        super().__init__(problem.path)
        self.problem = problem


def fitting(
    old: Any, new: Any, model: type[ResponseModel], replaced_in: Callable[[str], Collection[str]] = lambda _: ()
) -> Any:
    """Return *new*, a redaction of the valid value *old*, as it satisfies the schema of *model*.

    Equal texts are replaced alike. *replaced_in* tells of which kinds the placeholders are in a text.

    Raises:
        Unfitting: nothing that may stand there does.

    """
    left, effort = _MOST_TRIED, Effort()
    wrong = _wrong(new, model, effort)
    numbers: dict[str, int] = {}
    for path, changed in sorted(differences(old, new), key=lambda one: [str(step) for step in one[0]]):
        if not wrong:
            break
        if not isinstance(changed, str):  # a name of a member in it was taken out
            continue
        was = _at(old, path)
        number = numbers.setdefault(was, len(numbers) + 1)
        about = [rule for loc, rule, _ in wrong if loc == path[: len(loc)]]
        if not about:
            continue
        for candidate in _candidates(was, changed, number, about, replaced_in(changed)):
            if not left:
                break
            left -= 1
            tried = _with(new, path, candidate)
            found = _wrong(tried, model, effort)
            if len(found) < len(wrong):
                new, wrong = tried, found
                break
    if wrong:
        raise Unfitting(FieldProblem(json_path(wrong[0][0]), *wrong[0][1:]))
    return new


def require_valid(value: Any, model: type[ResponseModel]) -> None:
    """Go on only if *value* satisfies the schema of *model*; raises Unfitting."""
    if wrong := _wrong(value, model, Effort()):
        raise Unfitting(FieldProblem(json_path(wrong[0][0]), *wrong[0][1:]))


def _candidates(was: str, marked: str, number: int, rules: Sequence[str], replaced: Collection[str]) -> Iterator[str]:
    """Yield what may stand in the place of *was*, which *marked* would be, likeliest first."""
    kinds = {*_MARK.findall(marked), *replaced}
    if kinds and kinds <= PERSONAL and any(rule in _LISTED for rule in rules):
        yield was
    yield _MARK.sub(lambda mark: replacement(mark[1], number), marked)
    if len(kinds) == 1:
        yield replacement(kinds.pop(), number)
    formed = [found for name in sorted(FORMATS) if (found := replacement_of(name, number)) is not None]
    plain = ["[redacted]", "*" * len(was)]
    yield from (*plain, *formed) if _LENGTHS.issuperset(rules) else (*formed, *plain)


def _wrong(value: Any, model: type[ResponseModel], effort: Effort) -> list[tuple[Path, str, str]]:
    try:
        model.model_validate_json(orjson.dumps(value), context=effort)
    except ValidationError as error:
        within = 1 if model.form.is_wrapped else 0
        return [(tuple(loc[within:]), rule, said) for loc, rule, said in field_places(error)]
    return []


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(value: Any, path: Path, leaf: str) -> Any:
    """Return a copy of *value* in which *leaf* stands at *path*; what does not lead there is shared."""
    if not path:
        return leaf
    copied = value.copy()
    copied[path[0]] = _with(value[path[0]], path[1:], leaf)
    return copied
