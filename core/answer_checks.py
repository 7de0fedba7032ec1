"""Whether what a vendor answered at a front door is what its request asked for. It goes to the caller either way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from pydantic import ValidationError
from pydantic_core import from_json

from core.dialects import AnswerFormat, AnswerObject, ChoiceEnd, RelayRequest
from core.errors import Invalid
from core.field_problems import FieldProblem, field_errors
from core.messages import texts_of
from core.object_texts import json_texts
from core.response_models import TOO_LARGE, ResponseModel, response_model
from core.tables import Outcome
from core.validation import Effort
from core.workers import Unjudged, validated

_DATA = ("enum", "const", "default", "examples")
"""Keywords whose values are no schemas."""
_TOO_LONG = "To check the answer against its schema takes too long."


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """What was found out about an answer."""

    outcome: Outcome
    problems: Sequence[FieldProblem] = ()
    reason: str = ""
    """Why it was not checked: one sentence, without anything of the answer; empty where it was."""


def check_answer(
    request: RelayRequest, objects: Sequence[AnswerObject], ends: Sequence[ChoiceEnd], effort: Effort
) -> AnswerCheck:
    """Return what is to be said of an answer, by its texts and how it ended; of several choices and calls, the worst.

    All of them together take no more than *effort*.

    Nothing is invalid for a schema that cannot be used here: that is not checked, and the reason says so.
    """
    if not request.formats and request.must_call is None:
        return AnswerCheck(Outcome.UNCHECKED, reason="The request has no schema that its answer is to satisfy.")
    found = list(_checks(request, objects, ends, effort))
    for outcome in (Outcome.INVALID, Outcome.TRUNCATED, Outcome.REFUSED, Outcome.UNCHECKED, Outcome.VALID_FIRST_TRY):
        if alike := [one for one in found if one.outcome is outcome]:
            return AnswerCheck(outcome, [one for check in alike for one in check.problems], alike[0].reason)
    return AnswerCheck(Outcome.UNCHECKED, reason="The answer calls no tool, and none had to be called.")


def shown_schema(request: RelayRequest) -> Mapping[str, Any] | None:
    """Return the JSON Schema that *request* shows the model in a system text, where it sends none; ``None`` for none.

    So does who asks for JSON in words. Nothing is found invalid by it: it says only which answers a client may ask
    again for.
    """
    if request.formats or request.must_call is not None:
        return None
    shown = [one for one in request.messages if one.role in ("system", "developer")]
    for text in texts_of(shown):
        for found in json_texts(text) if '"properties"' in text else ():
            value = _parsed(found)
            if isinstance(value, dict) and _is_schema(cast("dict[str, Any]", value)):
                return cast("dict[str, Any]", value)
    return None


def breaks_shown(request: RelayRequest, schema: Mapping[str, Any], body: Mapping[str, Any], effort: Effort) -> bool:
    """Whether an answer holds JSON, and none of it satisfies the *schema* that its request shows.

    An answer without any is broken where JSON was asked for; elsewhere it may be one in words, as a chat has them.
    """
    if any(end.is_refused or end.is_cut for end in request.dialect.ends(body)):
        return False
    said = "".join(one.text for one in request.dialect.answer_objects(body) if one.choice == 0)
    found = [text for text in json_texts(said) if isinstance(_parsed(text), dict | list)]
    if not found:
        asked: Any = request.source.values.get("response_format")
        return isinstance(asked, dict) and cast("dict[str, Any]", asked).get("type") == "json_object"
    shown = AnswerFormat("shown", schema, "format", None)
    checks = [check_object(shown, AnswerObject(None, one), effort) for one in found]
    return all(one.outcome is Outcome.INVALID for one in checks)


def _is_schema(value: Mapping[str, Any]) -> bool:
    is_object = value.get("type", "object") == "object" and isinstance(value.get("properties"), dict)
    return is_object or (isinstance(value.get("$ref"), str) and isinstance(value.get("$defs"), dict))


def _parsed(text: str) -> Any:
    try:
        return from_json(text.encode(errors="replace"), allow_inf_nan=False)
    except ValueError:
        return None


def _checks(
    request: RelayRequest, objects: Sequence[AnswerObject], ends: Sequence[ChoiceEnd], effort: Effort
) -> Iterator[AnswerCheck]:
    tools = {one.name: one for one in request.formats if one.kind == "tool"}
    formats = [one for one in request.formats if one.kind == "format"]
    for end in ends:
        said = [one for one in objects if one.choice == end.choice]
        calls = [one for one in said if one.name is not None]
        is_due = bool(formats or calls) or request.must_call is not None
        if is_due and (end.is_refused or end.is_cut):
            yield AnswerCheck(Outcome.REFUSED if end.is_refused else Outcome.TRUNCATED)
            continue
        for call in calls:
            yield check_object(tools.get(call.name or ""), call, effort)
        if (problem := _missing(request.must_call, calls)) is not None:
            yield AnswerCheck(Outcome.INVALID, [problem])
        elif formats and not calls:
            text = AnswerObject(None, "".join(one.text for one in said), end.choice)
            yield check_object(formats[0], text, effort)


def _missing(must_call: str | None, calls: Sequence[AnswerObject]) -> FieldProblem | None:
    """Return what is wrong where a tool had to be called and was not."""
    if must_call is None or any(not must_call or call.name == must_call for call in calls):
        return None
    return FieldProblem("$", "missing", "The tool that had to be called was not called")


def format_model(answer_format: AnswerFormat) -> type[ResponseModel]:
    """Return what an answer is checked with that is to satisfy *answer_format*.

    Raises:
        Invalid: its schema cannot be used here.
        RecursionError: its schema nests too deep.

    """
    return response_model(_unformatted(_object(answer_format.schema)), answer_format.name or "answer")


def check_object(answer_format: AnswerFormat | None, said: AnswerObject, effort: Effort) -> AnswerCheck:
    """Return what is to be said of one text of an answer, or of the arguments of one call."""
    if answer_format is None:
        return AnswerCheck(Outcome.UNCHECKED, reason="The answer calls a tool whose arguments have no schema.")
    try:
        model = format_model(answer_format)
    except (Invalid, RecursionError):
        return AnswerCheck(Outcome.UNCHECKED, reason="The schema cannot be used to check the answer here.")
    text = said.text.strip() or ("{}" if said.name is not None else "")
    try:
        _validate(model, text, effort)
    except Unjudged:
        return AnswerCheck(Outcome.UNCHECKED, reason=_TOO_LONG)
    except ValidationError as error:
        problems = [_bare(one, model) for one in field_errors(error)]
        if any(one.message == TOO_LARGE[2] for one in problems):
            return AnswerCheck(Outcome.UNCHECKED, reason=_TOO_LONG)
        return AnswerCheck(Outcome.INVALID, problems)
    return AnswerCheck(Outcome.VALID_FIRST_TRY)


def _validate(model: type[ResponseModel], text: str, effort: Effort) -> None:
    """Go on only if *text* is valid. What is wrapped is the root that our own asking could not send as it is."""
    if model.form.is_wrapped and _is_json(text):
        text = f'{{"value":{text}}}'
    validated(model, text, effort)


def _is_json(text: str) -> bool:
    try:
        from_json(text.encode(), allow_inf_nan=False)
    except ValueError:
        return False
    return True


def _bare(problem: FieldProblem, model: type[ResponseModel]) -> FieldProblem:
    if not model.form.is_wrapped:
        return problem
    return FieldProblem("$" + problem.path.removeprefix("$").removeprefix(".value"), problem.type, problem.message)


def _object(schema: Any) -> dict[str, Any]:
    """Return a schema as an object.

    Raises:
        Invalid: it is none.

    """
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    if not isinstance(schema, dict):
        raise Invalid("A schema is an object.")
    return cast("dict[str, Any]", schema)


def _unformatted(schema: dict[str, Any]) -> dict[str, Any]:
    """Return *schema* without the keyword ``format``: nobody promises it, and vendors take it for a remark."""
    try:
        if b'"format"' not in orjson.dumps(schema):  # as most have none, and to look is cheaper than to copy
            return schema
    except TypeError:
        pass  # it is refused where it is compiled
    return _without_formats(schema)


def _without_formats(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_formats(one) for one in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value if name in _DATA else _without_formats(value)
        for name, value in cast("dict[str, Any]", schema).items()
        if not (name == "format" and isinstance(value, str))
    }
