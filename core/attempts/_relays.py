"""Relays: the caller's own request is sent on, and what the vendor answers is the caller's whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, cast

import orjson

from core.answer_checks import check_answer
from core.attempts._inquiry import Judgement
from core.attempts._renaming import Remarked, RenamedExchange, renamed
from core.attempts._terms import Candidate, RouteTerms
from core.attempts._translations import TranslatedExchange, TranslatedRequest, translated_request
from core.dialects import AnswerFormat, AnswerObject, Beside, RelayRequest
from core.errors import Invalid
from core.field_problems import FieldProblem
from core.messages import Message
from core.providers import Answer, Exchange, Provider, ProviderError, Unreadable
from core.screened_places import AnswerScreen
from core.stored_objects import Holder
from core.tables import Outcome
from core.validation import Effort

_MOST_TOLD = 30
"""Of what is wrong with an answer the model is told so much."""


class _Opened(NamedTuple):
    """What an exchange sends, and to whom."""

    provider: Provider
    candidate: Candidate
    request: RelayRequest
    messages: Sequence[Message]


class RelayInquiry:
    """Sends on what a caller wrote himself."""

    is_relayed = True
    nobody = "No model of this route can be asked this without a loss"

    def __init__(
        self,
        request: RelayRequest,
        messages: Sequence[Message],
        beside: Beside,
        *,
        at: datetime,
        holder: Holder | None = None,
        is_reask: bool = False,
        is_retried_by_caller: bool = False,
        reasks: int = 0,
        may_be_stored: bool = True,
        is_between: bool = False,
    ) -> None:
        """Send *request* on with *messages*, as they were screened, and what is *beside* it of the caller's.

        It came *at* that time. *holder* is who has what the request names: of that provider's keys only the one that
        made it is asked with. An invalid answer is asked again for so many times, *reasks*, whoever gave it.
        Unless its answer *may_be_stored*, no vendor is to store it, whatever it says.
        Where it *is_between* vendors, tools and formats get names that each takes; one alone gets them as they are.
        """
        self._is_between = is_between
        self._may_be_stored = may_be_stored
        self._holder = holder
        self.is_reask = is_reask
        self.is_retried_by_caller = is_retried_by_caller
        self.is_judged_first = bool(reasks) and request.streams
        self._reasks = reasks
        self._opened: dict[int, _Opened] = {}
        """By the ids of exchanges: what each goes on from. An exchange lives as long as its candidate's state."""
        self._request = request
        self._messages = messages
        self._beside = beside
        self._at = at
        self.streams = request.streams

    def open(self, provider: Provider, candidate: Candidate) -> Exchange:
        """Begin an exchange with *candidate*, by translation where it speaks another dialect; raises Unreadable."""
        return self._sending(_Opened(provider, candidate, self._request, self._messages))

    def _sending(self, opened: _Opened) -> Exchange:
        """Return an exchange that sends what *opened* says; raises Unreadable."""
        provider, candidate, request, messages = opened
        most = max(1, candidate.max_tokens // request.choices)
        made: TranslatedRequest | None = None
        sent, texts, besides = request, messages, self._beside
        names: Mapping[str, str] = {}
        if request.dialect.name not in provider.dialects:
            if self._holder is not None:
                raise Unreadable("what the request names is stored for another dialect")
            made = translated_request(request, messages, provider.dialects, max_tokens=most)
            sent, texts, besides = made.request, made.request.messages, Beside()
        if made or self._is_between:
            sent, texts, names = renamed(sent, texts, candidate.provider, is_written_anew=made is not None)
        relayed = provider.relay(
            sent,
            model=candidate.model,
            max_tokens=most,
            messages=texts,
            beside=besides,
            may_store=self._may_be_stored,
        )
        if self._holder is not None:
            relayed.bind(self._holder.key_digest, self._holder.tokens)
        exchange: Remarked = relayed
        if names:
            exchange = RenamedExchange(exchange, sent.dialect.name, names)
        if made:
            exchange = TranslatedExchange(exchange, request, made, at=self._at)
        if self._reasks:
            self._opened[id(exchange)] = opened
        return exchange

    def remark(self, exchange: Exchange) -> str:
        """Return that it is translated, where it is, and what is left out."""
        return cast("Remarked", exchange).remark

    def piece(self, pieces: list[Any], *, n: int, exchange: Exchange) -> Any:  # noqa: ARG002 they are passed on as such
        """Return what came."""
        return pieces

    def is_read_whole(self, exchange: Exchange) -> bool:  # noqa: ARG002 nothing is read
        """Return that it is not."""
        return False

    def whole(self, exchange: Exchange, error: ProviderError, effort: Effort) -> Answer | None:  # noqa: ARG002
        """Return nothing: what was cut is told as it is."""
        return None

    def judged(self, exchange: Exchange, answer: Answer, effort: Effort) -> Judgement:
        """Return what *answer* is by the formats that the caller asked for."""
        body = cast("Mapping[str, Any]", getattr(answer.raw, "value", None) or {})
        dialect = self._request.dialect
        objects, ends = dialect.answer_objects(body), dialect.ends(body)
        value = _value(objects)
        if any(end.is_refused for end in ends):
            return Judgement(valid=None, value=value, outcome=Outcome.REFUSED)
        found = check_answer(self._request, objects, ends, effort)
        if found.outcome.is_valid:
            return Judgement(valid=True, value=value)
        again = found.outcome is Outcome.INVALID and self._reasks > 0
        return Judgement(
            valid=False if found.outcome is Outcome.INVALID else None,
            value=value,
            outcome=found.outcome,
            problems=tuple(found.problems),
            remark=found.reason if self._request.formats else "",
            ask_again=self._asking_again(self._opened[id(exchange)], body, found.problems) if again else None,
        )

    def _asking_again(
        self, opened: _Opened, body: Mapping[str, Any], problems: Sequence[FieldProblem]
    ) -> Callable[[AnswerScreen], tuple[Exchange, Any]]:
        """Return what makes an exchange that goes on from the invalid answer *body*, and says what that adds.

        It raises Invalid where the answer cannot be sent back, GuardrailBlocked where it may not.
        """

        def asked(screen: AnswerScreen) -> tuple[Exchange, Any]:
            self._reasks -= 1
            said = screen.body(opened.request.dialect, body)
            added = opened.request.dialect.asking_again(said, _wrong(screen.problems(problems)))
            request = opened.request.going_on(added, opened.messages)
            try:
                exchange = self._sending(opened._replace(request=request, messages=request.messages))
            except Unreadable as why:
                raise Invalid(f"What was answered cannot be sent back: {why}.") from None
            return exchange, added

        return asked


def reasks_of(request: RelayRequest, wanted: int, terms: RouteTerms, *, is_reask: bool) -> tuple[int, str]:
    """Return how often an invalid answer to *request* is asked again for, of *wanted* times; and why not so often."""
    allowed = max((terms.max_reasks if one.max_reasks is None else one.max_reasks) for one in terms.candidates)
    mutable = next((one.where for one in request.state if one.kind in ("conversation", "thread")), None)
    if not request.formats and request.must_call is None:
        return 0, "it has neither tools nor a format, so nothing can be found wrong"
    if is_reask:
        return 0, "the client asks again by itself"
    if request.choices > 1:
        return 0, "it asks for several choices"
    if request.messages and request.messages[-1].role == "assistant":
        return 0, "it ends with words of the assistant's, which are to be gone on with"
    if mutable or (request.keeps and "thread" in request.source.values):
        return 0, f"what '{mutable or 'thread'}' names would hold the invalid answer"
    return min(wanted, allowed), f"the route allows {allowed}" if wanted > allowed else ""


def _wrong(problems: Sequence[FieldProblem]) -> str:
    """Return what the model is told of its answer: never a value of it."""
    lines = [f"{one.path}: {one.message}" for one in problems[:_MOST_TOLD]]
    if more := len(problems) - len(lines):
        lines.append(f"and {more} more")
    return "\n".join(["The answer does not satisfy its schema:", *lines, "Answer again, with all of this corrected."])


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
