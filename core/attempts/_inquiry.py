"""How a walk's candidates are asked, and what their answers are found to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, cast

from pydantic import ValidationError

from core.attempts._expectation import asked_of
from core.attempts._terms import Candidate
from core.object_texts import is_finished, is_long
from core.providers import Answer, Ask, Exchange, Framed, Provider, ProviderError, Unjudged
from core.response_models import FieldProblem, ResponseModel, field_errors
from core.schema_forms import SchemaForm
from core.screened_places import AnswerScreen
from core.tables import Outcome
from core.unchanging import unchanging
from core.validation import Effort


@unchanging(kw_only=True)
class Judgement:
    """What an answer was found to be."""

    valid: bool | None
    """``None`` where there was nothing to hold it against, or nothing that could be."""
    value: Any = None
    """What the caller gets; an object that satisfies its schema as a ``JsonValue``."""
    outcome: Outcome | None = None
    """How the call ended; ``None`` for what the walk has its own words for."""
    problems: tuple[FieldProblem, ...] = ()
    remark: str = ""
    """Why it could not be checked; empty where it was, or where nothing was to be."""
    ask_again: Callable[[AnswerScreen], tuple[Exchange, Any]] | None = None
    """Takes in the invalid answer, screened; returns the exchange that goes on from it, and what is added. ``None``
    where the answer is the caller's as it is."""


class Inquiry(Protocol):
    """What a walk asks of everybody."""

    streams: bool
    is_relayed: bool
    """Whether the answer is the vendor's own, so that no other can follow once the caller has been sent its beginning.
    """
    is_reask: bool
    """Whether it asks again for what another generation did not give."""
    is_retried_by_caller: bool
    """Whether its caller sends again by himself what failed: then nobody is asked twice, or tries would multiply."""
    is_judged_first: bool
    """Whether nothing of a relayed answer is passed on before it was judged."""
    nobody: str
    """What is said where no candidate can be asked this."""

    def open(self, provider: Provider, candidate: Candidate) -> Exchange:
        """Begin an exchange with *candidate*.

        Raises:
            Unreadable: its wire cannot carry it.

        """
        ...

    def remark(self, exchange: Exchange) -> str:
        """Return what the trace is told of how it is asked; empty for nothing."""
        ...

    def piece(self, pieces: list[Any], *, n: int, exchange: Exchange) -> Any:
        """Return what the caller is shown of the *n*-th attempt, made of what came."""
        ...

    def is_read_whole(self, exchange: Exchange) -> bool:
        """Whether what was shown of an answer is read again each time that it goes on."""
        ...

    def judged(self, exchange: Exchange, answer: Answer, effort: Effort) -> Judgement:
        """Return what *answer* is, found out for no more than *effort*.

        Raises:
            Unjudged: that was not known before the deadline.

        """
        ...

    def whole(self, exchange: Exchange, error: ProviderError, effort: Effort) -> Answer | None:
        """Return the answer that *error* holds in spite of all; ``None`` where it holds none."""
        ...


@unchanging
class Piece:
    """What the text of an answer goes on with."""

    text: str
    n: int
    """The attempt that is writing it."""
    form: SchemaForm
    """What it answers."""


class FramedInquiry:
    """Asks for an object, in a frame of ours."""

    is_relayed = False
    is_reask = False
    is_retried_by_caller = False
    is_judged_first = False
    nobody = "No model of this route reads what the messages hold"

    def __init__(self, ask: Ask) -> None:
        """Ask everybody *ask*, each with its own model, mode, length and parameters."""
        self._ask = ask
        self.streams = ask.stream

    def open(self, provider: Provider, candidate: Candidate) -> Exchange:
        """Begin an exchange with *candidate*; raises Unreadable."""
        return provider.open(asked_of(self._ask, candidate))

    def remark(self, exchange: Exchange) -> str:
        """Return how the schema is sent, where that is worth telling."""
        form = cast("Framed", exchange).form
        return form.summary if form.is_worth_telling else ""

    def piece(self, pieces: list[Any], *, n: int, exchange: Exchange) -> Piece:
        """Return what the text of the object goes on with."""
        return Piece("".join(pieces), n, cast("Framed", exchange).form)

    def is_read_whole(self, exchange: Exchange) -> bool:
        """Whether the way back from what was sent to what is meant needs all of it."""
        return bool(cast("Framed", exchange).form.way_back)

    def judged(self, exchange: Exchange, answer: Answer, effort: Effort) -> Judgement:
        """Return the valid object, or what is wrong; raises Unjudged."""
        framed = cast("Framed", exchange)
        try:
            found = framed.read(answer, effort)
        except ValidationError as error:
            invalid, problems = error, tuple(field_errors(error))
            return Judgement(
                valid=False,
                problems=problems,
                ask_again=lambda screen: (framed, framed.ask_again(screen.said_back(answer), screen.error(invalid))),
            )
        value = found.written if isinstance(found, ResponseModel) else getattr(found, "value", found)
        return Judgement(valid=True, value=value)

    def whole(self, exchange: Exchange, error: ProviderError, effort: Effort) -> Answer | None:
        """Return the answer of *error*, if it was cut behind its valid object, and not within another one.

        That is found out for *effort*, or not at all.
        """
        if not error.may_be_whole:
            return None
        likeliest = error.answer.text
        if is_long([likeliest]):  # whoever reads it finds out
            answer = replace(error.answer, is_cut=True)
        elif is_finished(likeliest, error.answer.others):
            answer = replace(error.answer, others=(), blocks=())
        else:
            return None
        try:
            cast("Framed", exchange).read(answer, effort)
        except (ValidationError, Unjudged):
            return None
        except Exception:  # noqa: BLE001 a fault of ours: it is met again, and written down, where the answer is taken
            return answer
        return answer
