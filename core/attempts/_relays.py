"""Relays: the caller's own request is sent on, and what the vendor answers is the caller's whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import orjson

from core.answer_checks import check_answer
from core.attempts._inquiry import Judgement
from core.attempts._terms import Candidate
from core.attempts._translations import TranslatedExchange, translated_request
from core.dialects import AnswerFormat, AnswerObject, RelayRequest
from core.errors import Invalid
from core.messages import Message
from core.providers import Answer, Exchange, Provider, ProviderError, Relayed, Unreadable
from core.stored_objects import Holder
from core.tables import Outcome
from core.validation import Effort


class RelayInquiry:
    """Sends on what a caller wrote himself."""

    is_relayed = True
    nobody = "No model of this route can be asked this without a loss"

    def __init__(
        self,
        request: RelayRequest,
        messages: Sequence[Message],
        headers: Mapping[str, str],
        *,
        at: datetime,
        holder: Holder | None = None,
        is_reask: bool = False,
        is_retried_by_caller: bool = False,
    ) -> None:
        """Send *request* on with *messages*, as they were screened, and with these *headers* of the caller's.

        It came *at* that time. *holder* is who has what the request names: of that provider's keys only the one that
        made it is asked with.
        """
        self._holder = holder
        self.is_reask = is_reask
        self.is_retried_by_caller = is_retried_by_caller
        self._request = request
        self._messages = messages
        self._headers = headers
        self._at = at
        self.streams = request.streams

    def open(self, provider: Provider, candidate: Candidate) -> Exchange:
        """Begin an exchange with *candidate*, by translation where it speaks another dialect; raises Unreadable."""
        most = max(1, candidate.max_tokens // self._request.choices)
        if self._request.dialect.name in provider.dialects:
            exchange = provider.relay(
                self._request, model=candidate.model, max_tokens=most, messages=self._messages, headers=self._headers
            )
            if self._holder is not None:
                exchange.bind(self._holder.key_digest, self._holder.tokens)
            return exchange
        if self._holder is not None:
            raise Unreadable("what the request names is stored for another dialect")
        made = translated_request(self._request, self._messages, provider.dialects, max_tokens=most)
        exchange = provider.relay(
            made.request, model=candidate.model, max_tokens=most, messages=made.request.messages, headers={}
        )
        return TranslatedExchange(exchange, self._request, made, at=self._at)

    def remark(self, exchange: Exchange) -> str:
        """Return that it is translated, where it is, and what is left out."""
        return cast("Relayed | TranslatedExchange", exchange).remark

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
        value = _value(dialect.answer_objects(body))
        if any(end.is_refused for end in dialect.ends(body)):
            return Judgement(valid=None, value=value, outcome=Outcome.REFUSED)
        found = check_answer(self._request, body, effort)
        if found.outcome.is_valid:
            return Judgement(valid=True, value=value)
        return Judgement(
            valid=False if found.outcome is Outcome.INVALID else None,
            value=value,
            outcome=found.outcome,
            problems=tuple(found.problems),
            remark=found.reason if self._request.formats else "",
        )


def relay_candidates(candidates: Sequence[Candidate], request: RelayRequest) -> tuple[Candidate, ...]:
    """Return *candidates* with the most tokens that all choices of *request* may have, by its own word or theirs."""
    sized: Callable[[Candidate], int] = lambda one: (request.max_tokens or one.max_tokens) * request.choices  # noqa: E731
    return tuple(replace(one, max_tokens=sized(one), most_tokens=sized(one)) for one in candidates)


def held_candidates(candidates: Sequence[Candidate], holder: Holder) -> tuple[Candidate, ...]:
    """Return those of *candidates* that *holder*'s account can serve.

    Raises:
        Invalid: none is; the sentence says whom to name.

    """
    able = tuple(one for one in candidates if one.provider == holder.provider)
    if not able:
        raise Invalid(
            f"What '{holder.where}' names is stored by {holder.provider}, which is not asked for this model. Name a "
            f"model of {holder.provider}, such as {holder.provider}/{holder.model}, or send what it holds instead.",
            param=holder.where,
        )
    return able


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
