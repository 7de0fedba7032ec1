"""The object as far as it has come, while an answer is streamed: whole each time, or what has changed of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.attempts import Piece
from core.growing_json import Change, GrowingJson
from core.guardrails import GivenBack, Guardrails
from core.json_patches import changes_between
from core.record import Remaining
from core.requests import PartialKind
from core.response_models import ResponseModel, partial
from core.schema_forms import SchemaForm


@dataclass(frozen=True, slots=True)
class Partial:
    """The object as far as it has come."""

    value: Any
    """``None`` where its changes are told."""
    attempt: int
    """The attempt that is writing it; with a higher number the answer begins again."""
    patch: list[Change] | None = None
    """What has changed since the partial before it: ``core.growing_json``. The first of an attempt sets the root."""
    goes_on: bool = False
    """Whether it is of use only with those before it."""
    remaining: Remaining | None = None
    """What is left of limits and budget as the answer begins; of the first only."""
    not_judged: Sequence[str] = ()
    """The rules by which something of the request went on without a verdict; of the first only."""


Shown = Guardrails | GivenBack
"""What shows the texts of an answer while it is written."""


class Partials(Protocol):
    """What makes partials of an answer's pieces."""

    def of(self, piece: Piece) -> Partial | None:
        """Return what *piece* shows; ``None`` where that is nothing new.

        Raises:
            GuardrailBlocked: it may not be shown.

        """
        ...


def partials(kind: PartialKind, response_model: type[ResponseModel], guardrails: Shown) -> Partials:
    """Return what makes partials of a *kind*, screened."""
    return WholePartials(response_model, guardrails) if kind == "whole" else Patches(response_model, guardrails)


class WholePartials:
    """The object whole each time. No two that follow each other are alike."""

    def __init__(self, response_model: type[ResponseModel], guardrails: Shown) -> None:
        self._response_model = response_model
        self._guardrails = guardrails
        self._pieces: list[str] = []
        self._shown: Partial | None = None
        self._attempt = 0

    def of(self, piece: Piece) -> Partial | None:
        """Return the object as far as it has come."""
        if piece.n != self._attempt:
            self._attempt = piece.n
            self._pieces.clear()
        self._pieces.append(piece.text)
        text = "".join(self._pieces)
        written = open_text(text)
        told = _object_in(text if written else without_number(text))
        value = self._response_model.partial_value(told, piece.form.meant)
        being_written = None if piece.form.way_back else written
        shown = Partial(self._guardrails.screen_partial(value, being_written), piece.n)
        if shown.value is None or shown == self._shown:
            return None
        self._shown = shown
        return shown


class Patches:
    """What has changed. Where the way back from an answer needs all of it, whole partials are compared."""

    def __init__(self, response_model: type[ResponseModel], guardrails: Shown) -> None:
        self._response_model = response_model
        self._guardrails = guardrails
        self._attempt = 0
        self._changes: _Changes
        self._goes_on = False

    def of(self, piece: Piece) -> Partial | None:
        """Return what has changed."""
        if piece.n != self._attempt:
            self._attempt, self._goes_on = piece.n, False
            self._changes = self._begun(piece.form)
        patch = self._changes.since_the_last(piece)
        if not patch:
            return None
        goes_on, self._goes_on = self._goes_on, True
        return Partial(None, piece.n, patch, goes_on)

    def _begun(self, form: SchemaForm) -> _Changes:
        if form.way_back:
            return _Compared(WholePartials(self._response_model, self._guardrails))
        within = "value" if self._response_model.form.is_wrapped else ""
        return _Read(
            GrowingJson(self._guardrails.screened_text, within, self._guardrails.screened, self._guardrails.lets_stand)
        )


class _Changes(Protocol):
    def since_the_last(self, piece: Piece) -> list[Change]: ...


class _Read:
    """Changes as they are read from the text: each costs what is new in it."""

    def __init__(self, growing: GrowingJson) -> None:
        self._growing = growing

    def since_the_last(self, piece: Piece) -> list[Change]:
        """Return what *piece* changes."""
        self._growing.feed(piece.text)
        return self._growing.changes()


class _Compared:
    """Changes from one whole partial to the next."""

    def __init__(self, whole: WholePartials) -> None:
        self._whole = whole
        self._value: Any = None

    def since_the_last(self, piece: Piece) -> list[Change]:
        """Return what *piece* changes."""
        partial = self._whole.of(piece)
        if partial is None:
            return []
        before, self._value = self._value, partial.value
        if before is None:
            return [{"op": "add", "path": "", "value": partial.value}]
        return changes_between(before, partial.value)


_NUMBER = re.compile(r"[-+.0-9eE]+\Z")
_CLOSED = re.compile(r'(?:[^"]|"(?:[^"\\]|\\.)*+")*+', re.DOTALL)
"""All of a JSON text before the string that is open at its end."""


def open_text(text: str) -> str:
    """Return the string at the end of a JSON *text* that is still being written, a name or a value; none is empty."""
    closed = _CLOSED.match(text)
    rest = text[closed.end() :] if closed else ""
    return str(partial(rest) or "")


def without_number(text: str) -> str:
    """Return a JSON *text* at whose end no string is open, without the number there: what comes may make it another."""
    return _NUMBER.sub("", text)


def _object_in(text: str) -> str:
    """Return *text* from its first brace on: before the object a model may write a code fence, or a word."""
    return text[max(0, text.find("{")) :]
