"""Relays: the caller's own request is sent on, and what the vendor answers is the caller's whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import orjson
from pydantic import ValidationError

from core.attempts._inquiry import Judgement
from core.attempts._terms import Candidate
from core.dialects import AnswerFormat, AnswerObject, RelayRequest
from core.errors import ProctorError
from core.messages import Message
from core.providers import Answer, Exchange, Provider, ProviderError
from core.response_models import FieldProblem, field_errors, response_model, tool_name
from core.tables import Outcome
from core.validation import Effort

_MISSING = FieldProblem("$", "missing", "The answer calls no tool, and one had to be called.")


class RelayInquiry:
    """Sends on what a caller wrote himself."""

    is_relayed = True
    nobody = "No model of this route speaks the dialect of this door"

    def __init__(self, request: RelayRequest, messages: Sequence[Message], headers: Mapping[str, str]) -> None:
        """Send *request* on with *messages*, as they were screened, and with these *headers* of the caller's."""
        self._request = request
        self._messages = messages
        self._headers = headers
        self.streams = request.streams

    def open(self, provider: Provider, candidate: Candidate) -> Exchange:
        """Begin an exchange with *candidate*; raises Unreadable."""
        return provider.relay(
            self._request,
            model=candidate.model,
            max_tokens=max(1, candidate.max_tokens // self._request.choices),
            messages=self._messages,
            headers=self._headers,
        )

    def remark(self, exchange: Exchange) -> str:  # noqa: ARG002 nothing of it is changed
        """Return nothing."""
        return ""

    def piece(self, pieces: list[Any], *, n: int, exchange: Exchange) -> Any:  # noqa: ARG002 they are passed on as such
        """Return what came."""
        return pieces

    def is_read_whole(self, exchange: Exchange) -> bool:  # noqa: ARG002 nothing is read
        """Return that it is not."""
        return False

    def whole(self, exchange: Exchange, error: ProviderError, effort: Effort) -> Answer | None:  # noqa: ARG002
        """Return nothing: what was cut is told as it is."""
        return None

    def judged(self, exchange: Exchange, answer: Answer, effort: Effort) -> Judgement:  # noqa: ARG002
        """Return what *answer* is by the formats that the caller asked for."""
        body = cast("Mapping[str, Any]", getattr(answer.raw, "value", None) or {})
        dialect = self._request.dialect
        objects = dialect.answer_objects(body)
        value = _value(objects)
        ends = dialect.ends(body)
        if any(end.is_refused for end in ends):
            return Judgement(valid=None, value=value, outcome=Outcome.REFUSED)
        found = [self._problems(one, effort) for one in objects]
        if self._request.must_call is not None and not any(one.name for one in objects):
            found.append((_MISSING,))
        checked = [one for one in found if one is not None]
        problems = tuple(problem for one in checked for problem in one)
        if not checked:
            return Judgement(valid=None, value=value, outcome=Outcome.UNCHECKED)
        if problems:
            outcome = Outcome.TRUNCATED if any(end.is_cut for end in ends) else Outcome.INVALID
            return Judgement(valid=False, value=value, outcome=outcome, problems=problems)
        return Judgement(valid=True, value=value)

    def _problems(self, one: AnswerObject, effort: Effort) -> tuple[FieldProblem, ...] | None:
        """Return what is wrong with an object; ``None`` where it cannot be checked, or nothing speaks about it."""
        kind = "tool" if one.name else "format"
        asked = next(
            (f for f in self._request.formats if f.kind == kind and (not one.name or f.name == one.name)), None
        )
        given: Any = asked.schema if asked is not None else None
        if asked is None or not isinstance(given, dict):
            return None
        try:
            schema = cast("dict[str, Any]", given)
            model = response_model(schema, tool_name(asked.name) if asked.name else "inline")
        except (ProctorError, ValueError, RecursionError):  # what we cannot check never blocks
            return None
        try:
            model.model_validate_json(one.text, context=effort)
        except ValidationError as error:
            return tuple(field_errors(error))
        return ()


def relay_candidates(candidates: Sequence[Candidate], request: RelayRequest) -> tuple[Candidate, ...]:
    """Return *candidates* with the most tokens that all choices of *request* may have, by its own word or theirs."""
    sized: Callable[[Candidate], int] = lambda one: (request.max_tokens or one.max_tokens) * request.choices  # noqa: E731
    return tuple(replace(one, max_tokens=sized(one), most_tokens=sized(one)) for one in candidates)


def format_of(request: RelayRequest) -> AnswerFormat | None:
    """Return what names the answer's schema in the record: its format, the tool to be called, or the only one."""
    if request.must_call:
        return next((one for one in request.formats if one.name == request.must_call), None)
    formats = [one for one in request.formats if one.kind == "format"] or request.formats
    return formats[0] if len(formats) == 1 else None


def _value(objects: Sequence[AnswerObject]) -> Any:
    """Return what is kept of an answer: its only object, or each by the name of its tool."""
    if len(objects) == 1:
        return _read(objects[0].text)
    return [{"name": one.name, "value": _read(one.text)} for one in objects] or None


def _read(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return text
