"""Runs of the playground: asked, watched while they come, and kept for the next redraw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.errors import NotFound, ProctorError
from core.generation import GenerationRequest, Partial
from core.reports import Call
from core.requests import CallSettings
from pages.kit import fields, formats, layout, outcomes
from pages.kit.field_table import frame
from pages.kit.frames import table
from pages.kit.in_flight import InFlight, InFlights
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.playground.columns import Column

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from core.record import Generation

REDRAW_SECONDS = 0.1
"""How often a stream is redrawn: faster than this nobody reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the playground, as it is kept for the next redraw."""

    request: GenerationRequest
    body: dict[str, Any]
    value: Any
    """The object, or as much of it as came."""
    call_id: str | None
    is_valid: bool
    title: str = ""
    sentence: str = ""
    """Why there is no valid object."""
    call: Call | None = None
    """What is recorded of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one press of Run brought: for each column its runs."""

    columns: Sequence[Column]
    runs: Sequence[Sequence[Run]]

    @property
    def times(self) -> int:
        """How often each column was asked."""
        return max((len(runs) for runs in self.runs), default=0)


def try_out(visit: Visit, columns: Sequence[Column], times: int) -> Trial:
    """Ask every column so often, drawing what comes. Leaving the page ends every call, whatever has come of it."""
    if times > 1:
        columns = [replace(column, request=_afresh(column.request)) for column in columns]
    if len(columns) == 1 and times == 1:
        runs = [[run(visit, columns[0].request, columns[0].body)]]
    else:
        runs = _together(visit, columns, times)
    return Trial(columns=columns, runs=[[_told(visit, one) for one in several] for several in runs])


def run(visit: Visit, request: GenerationRequest, body: dict[str, Any]) -> Run:
    """Ask once, drawing the object as it grows."""
    value: Any = None
    try:
        if not request.stream:
            with (
                st.spinner("Waiting for the whole object…", show_time=True),
                InFlight(visit.runtime.generator, request, visit.principal) as pieces,
            ):
                [made] = (piece for piece in pieces if not isinstance(piece, Partial))
            return _ended(request, body, value, made)
        with layout.card("Object", key="object", stretch=False):
            watched = _Watched(visit, body)
        with InFlight(visit.runtime.generator, request, visit.principal) as pieces:
            for piece in pieces:
                if not isinstance(piece, Partial):
                    return _ended(request, body, value, piece)
                value = piece.value
                watched.draw(piece)
    except ProctorError as error:
        return _ended(request, body, value, error)
    raise AssertionError("a stream ends with a generation or an error")


class _Watched:
    """The place where one object is watched as it grows."""

    def __init__(self, visit: Visit, body: dict[str, Any]) -> None:
        self._clock = visit.runtime.clock
        self._body = body
        self._drawn = float("-inf")
        self._head: DeltaGenerator = st.empty()
        self._box: DeltaGenerator = st.empty()
        self._head.progress(0.0, ":shimmer[Waiting for the first field…]")
        table(frame(fields.rows(body, None)), on=self._box)

    def draw(self, piece: Partial) -> None:
        """Draw what came, unless that was done a moment ago."""
        if self._clock.monotonic() - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = self._clock.monotonic()
        found = fields.rows(self._body, piece.value)
        again = f"Attempt {piece.attempt}: asked again. " if piece.attempt > 1 else ""
        self._head.progress(fields.done(found), f":shimmer[{again}The object is arriving…]")
        table(frame(found), on=self._box)

    def say(self, sentence: str) -> None:
        """Say how it ended."""
        self._head.markdown(sentence)


def _together(visit: Visit, columns: Sequence[Column], times: int) -> list[list[Run]]:
    """Ask every column so often, a few calls at a time, the columns by turns."""
    asked = [(place, column) for _ in range(times) for place, column in enumerate(columns)]
    runs: list[list[Run]] = [[] for _ in columns]
    watched: list[_Watched] = []
    counted = st.empty()
    for place, column in zip(st.columns(len(columns), gap="small"), columns, strict=True):
        if times == 1:
            with place, layout.card(plain(column.label), key=f"coming_{len(watched)}", stretch=False):
                watched.append(_Watched(visit, column.body))
    values: list[Any] = [None] * len(asked)
    ended = 0
    counted.progress(0.0, f":shimmer[0 of {len(asked)} answers are here…]")
    with InFlights(visit.runtime.generator, [column.request for _, column in asked], visit.principal) as flights:
        for number, news in flights:
            place, column = asked[number]
            if isinstance(news, Partial):
                values[number] = news.value
                if watched:
                    watched[place].draw(news)
                continue
            runs[place].append(_ended(column.request, column.body, values[number], news))
            ended += 1
            counted.progress(
                ended / len(asked), f":shimmer[{ended} of {formats.plural(len(asked), 'answer')} are here…]"
            )
            if watched:
                watched[place].say(":green[Valid]" if runs[place][-1].is_valid else f":red[{runs[place][-1].title}]")
    return runs


def _afresh(request: GenerationRequest) -> GenerationRequest:
    """Return *request* so that each run of it is a call: an answer from our cache would agree with itself."""
    return replace(request, stream=False, settings=replace(request.settings or CallSettings(), is_cached=False))


def _ended(request: GenerationRequest, body: dict[str, Any], value: Any, end: Generation | ProctorError) -> Run:
    if not isinstance(end, ProctorError):
        return Run(request=request, body=body, value=end.value, call_id=end.id, is_valid=True)
    outcome = str(end.facts.get("outcome", ""))
    return Run(
        request=request,
        body=body,
        value=value,
        call_id=end.facts.get("generation_id"),
        is_valid=False,
        title=outcomes.word(outcome) if outcome else "Not asked",
        sentence=end.message,
    )


def _told(visit: Visit, one: Run) -> Run:
    """Return *one* with what is recorded of it."""
    if not one.call_id:
        return one
    try:
        return replace(one, call=visit.runtime.reports.call(visit.principal, one.call_id))
    except NotFound:
        return one
