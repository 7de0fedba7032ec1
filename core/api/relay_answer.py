"""What a program gets that speaks a dialect: the vendor's answer as it comes, or how we say no in its words."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from core.api import problems
from core.api.dialect_answers import refused, told_by
from core.api.in_flight import Ending, InFlightRequest
from core.api.limit_headers import with_limits
from core.api.problem import Problem
from core.api.problems import internal_error, problem
from core.api.repeats import Answered
from core.api.response_headers import ATTEMPTS, GENERATION, MODEL, left_of, told_of, unjudged
from core.api.streams import HEADERS
from core.clock import Clock
from core.dialects import Dialect, Frame, Frames, RelayRequest, VendorResponse
from core.errors import ProctorError, Stopped, Unavailable
from core.idempotency import MOST_KEPT_BYTES
from core.record import Generation, Remaining
from core.relays import Passed

_FAILURES = ("error", "response.failed")


class RelayAnswer:
    """One answer, and what of it has been sent so far."""

    def __init__(self, call: InFlightRequest, dialect: Dialect, request_id: str, clock: Clock) -> None:
        self._clock = clock
        self._call = call
        self._dialect = dialect
        self._request_id = request_id
        self._head: VendorResponse | None = None
        self._frames: Frames | None = None
        self._was_told = False
        """Whether the vendor itself has said in the stream that it failed."""
        self._kept: bytearray | None = None
        """What has been sent of a stream, where it may be asked for again and is not too long."""

    def passed(
        self, passing: Generator[Passed, None, Generation], asked: RelayRequest, seconds: float, *, keeps: bool
    ) -> Answered:
        """Send what the corridor yields, and return how it ended, with all of a stream if it *keeps* one."""
        try:
            while True:
                piece = next(passing)
                if isinstance(piece, VendorResponse):
                    self._begin(piece, seconds, keeps=keeps)
                    continue
                self._was_told = self._was_told or any(frame.kind in _FAILURES for frame in piece)
                if out := self._written(piece, asked):
                    self._call.pass_on(out, seconds)
                self._keep(out, piece, asked)
        except StopIteration as end:
            return self._ending(end.value), end.value
        except ProctorError as error:
            return self.refused(error), error.facts.get("generation")

    def refused(self, error: ProctorError) -> Ending:
        """Return how a refusal ends it."""
        said = Unavailable("The server is stopping.", **error.facts) if isinstance(error, Stopped) else error
        refusal = problem(said)
        if "generation_id" not in error.facts:
            problems.tell(refusal)
        if self._frames is not None:
            return self._broken_off(refusal, told_by(error))
        raw = error.facts.get("relayed")
        if raw is not None and raw.status >= 400:
            return Ending(raw.status, raw.body, {**raw.headers, **told_by(error)}, streamed=False)
        ending = refused(self._dialect, refusal, said, self._request_id)
        made = error.facts.get("generation")
        limits = made.remaining.limits if isinstance(made, Generation) else ()
        return replace(ending, headers=with_limits(self._dialect, ending.headers, limits, self._clock.now()))

    def broken(self, error: Exception) -> Ending:
        """Return how a fault of ours ends it."""
        refusal = internal_error(error)
        if self._frames is not None:
            return self._broken_off(refusal, {})
        return refused(self._dialect, refusal, None, self._request_id)

    def _begin(self, head: VendorResponse, seconds: float, *, keeps: bool) -> None:
        self._head, self._frames = head, head.frames
        if self._frames is not None:
            self._kept = bytearray() if keeps else None
            told = {GENERATION: head.generation_id, MODEL: head.answered_by, **left_of(head.remaining)}
            told |= unjudged(head.not_judged)
            if head.attempts:
                told[ATTEMPTS] = str(head.attempts)
            self._call.headers = {**self._limited(head, head.remaining), **told}
            self._call.pass_on(b"", seconds)

    def _written(self, frames: Iterable[Frame], asked: RelayRequest) -> bytes:
        return b"".join(self._dialect.outward(one, asked) for one in frames)

    def _keep(self, out: bytes, frames: Sequence[Frame], asked: RelayRequest) -> None:
        """Keep what went *out* of *frames*, as they were before data were put back into them."""
        if self._kept is None or len(self._kept) > MOST_KEPT_BYTES:
            return
        is_restored = any(one.before is not None for one in frames)
        self._kept += self._written([one.before or one for one in frames], asked) if is_restored else out

    def _ending(self, generation: Generation) -> Ending:
        if self._frames is not None:
            return self._streamed(self._late(generation), told_of(generation))
        head = cast("VendorResponse", self._head)
        headers = {**self._limited(head, generation.remaining), **told_of(generation)}
        ending = Ending(head.status, head.body, headers, streamed=False)
        return ending if head.kept is None else replace(ending, again=replace(ending, body=head.kept))

    def _late(self, generation: Generation) -> bytes:
        """Return what is told behind a stream of what was not judged since it began: a comment, which no SDK reads."""
        head = cast("VendorResponse", self._head)
        told = unjudged([one for one in generation.not_judged if one not in head.not_judged])
        return b"".join(b": %b: %b\n\n" % (name.encode(), text.encode()) for name, text in told.items())

    def _limited(self, head: VendorResponse, remaining: Remaining) -> dict[str, str]:
        return with_limits(self._dialect, head.headers, remaining.limits, self._clock.now())

    def _broken_off(self, refusal: Problem, told: Mapping[str, str]) -> Ending:
        frames = cast("Frames", self._frames)
        last = b"" if self._was_told else frames.failing(refusal.status_code, refusal.code, refusal.detail)
        return self._streamed(last, told)

    def _streamed(self, last: bytes, told: Mapping[str, str]) -> Ending:
        """Return the end of a stream, and what is given again of it: all that was sent, in one piece."""
        ending = Ending(200, last, {}, streamed=True)
        if self._kept is None:
            return ending
        headers = {**cast("VendorResponse", self._head).headers, **told, **HEADERS, "content-type": "text/event-stream"}
        return replace(ending, again=Ending(200, bytes(self._kept) + last, headers, streamed=True))
