"""A stream as its caller gets it: behind the screen, with what was replaced in his request put back.

Nobody else sees it so. Each frame keeps what it was before, which is what may be kept of the stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.dialects import Dialect, Frame, RelayRequest
from core.errors import GuardrailBlocked
from core.frame_screens import AllowedTexts, RestoredTexts
from core.guardrails import GivenBack, Guardrails
from core.screened_frames import ScreenedFrames
from core.tool_calls import CallJudge


class RestoredFrames:
    """Puts data back into frames that were screened, one by one: so the same stream becomes the same bytes again."""

    def __init__(self, giving: GivenBack, dialect: Dialect, calls: CallJudge | None = None) -> None:
        """Begin with nothing; *calls* of tools are judged as they are given back."""
        self._frames = ScreenedFrames(RestoredTexts(giving), dialect.places, calls=calls)

    def of(self, frames: Iterable[Frame]) -> tuple[Frame, ...]:
        """Take in *frames*; return those that may be passed on, in order; raises GuardrailBlocked."""
        return tuple(each for one in frames for each in self._frames.of([replace(one, before=one)]))

    def rest(self) -> tuple[Frame, ...]:
        """Return what is held, now that nothing more comes; raises GuardrailBlocked."""
        return self._frames.rest()

    def broken_off(self) -> tuple[Frame, ...]:
        """Return what is held, now that the stream broke."""
        return self._frames.broken_off()


class OutwardFrames:
    """All that frames of a call go through before its caller gets them."""

    def __init__(self, guardrails: Guardrails, asked: RelayRequest, sent: RelayRequest) -> None:
        """Begin with nothing. *asked* is the request as its caller sent it, *sent* as the vendor got it."""
        giving = guardrails.giving_back
        judge = CallJudge(guardrails, asked if giving else sent)
        self._screened = ScreenedFrames(
            AllowedTexts(guardrails),
            sent.dialect.places,
            is_json=sent.wants_json,
            tools=sent.tool_names,
            calls=None if giving else judge,
        )
        self._restored = RestoredFrames(giving, asked.dialect, judge) if giving else None

    @property
    def is_altered(self) -> bool:
        """Whether something has been taken out."""
        return self._screened.is_altered

    def of(self, frames: Iterable[Frame]) -> tuple[Frame, ...]:
        """Take in *frames*; return those that may be passed on, in order; raises GuardrailBlocked."""
        passed = self._screened.of(frames)
        return passed if self._restored is None else self._restored.of(passed)

    def rest(self) -> tuple[Frame, ...]:
        """Return what is held, now that nothing more comes; raises GuardrailBlocked."""
        passed = self._screened.rest()
        return passed if self._restored is None else (*self._restored.of(passed), *self._restored.rest())

    def broken_off(self) -> tuple[Frame, ...]:
        """Return what may be passed on of what is held, now that the stream broke: no beginning of a secret."""
        passed = self._screened.broken_off()
        if self._restored is None:
            return passed
        try:
            return (*self._restored.of(passed), *self._restored.broken_off())
        except GuardrailBlocked:
            return ()


def restored_stream(giving: GivenBack, dialect: Dialect, body: bytes) -> bytes:
    """Return a stream that is kept, as its caller got it; raises GuardrailBlocked."""
    reader, restored = dialect.frames(), RestoredFrames(giving, dialect)
    frames = (*reader.feed(body), *reader.end())
    return b"".join(one.outward for one in (*restored.of(frames), *restored.rest()))
