"""The frames of a stream, each held back until it is clear what may be shown of the texts that are written up to it.

A frame in which nothing is taken out goes on byte for byte. Of another only the texts are written anew: what comes in
the place of something that was found stands in the frame in which that began, and is missing in those that went on
with it. What repeats a text, or counts its characters, is told as nothing from then on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

from core.dialects import Frame, Places
from core.errors import GuardrailBlocked
from core.frame_screens import FrameScreen
from core.guardrails import ANSWER, HELD, Stage
from core.json_strings import JsonStrings
from core.json_texts import exactly, exactly_written
from core.shown_texts import ShownText
from core.tool_calls import CallJudge, CallsInStream, RequestedCall
from core.written_texts import (
    REASONING,
    Channel,
    EventTexts,
    Path,
    closed_by,
    is_json,
    is_signed,
    is_whole,
    lines_beside,
    place_of,
)

_MOST_FRAMES = 50_000
"""That are held at once: an answer that is judged as a whole may be as long."""
_MOST_CHARACTERS = 262_144
"""Of one text that are held at once."""
_TELLS_NOTHING = 8
"""Fewer characters of what may have become a secret are none."""
_USUAL_LINES = 3
"""Of a frame: its name, what it says, and the empty one behind."""
_COUNTED = "response.output_text.annotation.added"
"""A kind of events that say where in a text something stands."""
_COPIES = ("logprobs", "annotations")
"""Members that repeat a text, or count its characters."""


_Writes = Sequence[tuple[ShownText, int, Path, str]]
"""Where a frame writes to, from where in that on, where in the frame that stands, and what."""


class ScreenedFrames:
    """Screens what a model writes, by the place in the answer that it is written to."""

    def __init__(
        self,
        screen: FrameScreen,
        places: Places,
        *,
        is_json: bool = False,
        tools: Collection[str] = (),
        calls: CallJudge | None = None,
    ) -> None:
        """Begin with nothing.

        *screen* says what is shown of a text, *places* which members of an event are none; the answer *is_json* where a
        format was asked for. Names of *tools* are the caller's own. Where there are rules for *calls* of tools, each is
        held until it is judged.
        """
        self._screen = screen
        self._places = places
        self._is_json = is_json or screen.goes_by_fields
        self._texts = EventTexts(places, tools)
        self._channels: dict[Channel, ShownText] = {}
        self._held: deque[tuple[Frame, _Writes, bool]] = deque()
        """Frames, each with what it writes, and whether its texts are whole."""
        self._judge = calls if calls and calls.has_rules else None
        self._calls = CallsInStream()
        self._gate = ShownText(screen.growing(""), is_thought=False)
        """Counts events that are about calls, as if they were characters: those are told that were judged."""
        self._is_thought_altered = False
        self.is_altered = False
        """Whether something has been taken out."""

    def of(self, frames: Iterable[Frame]) -> tuple[Frame, ...]:
        """Take in *frames*; return those that may be passed on, in order.

        Raises:
            GuardrailBlocked: what was written may not be shown.

        """
        fresh: dict[ShownText, list[str]] = {}
        closed: list[ShownText] = []
        for frame in frames:
            self._take(frame, fresh, closed)
            if self._judge is not None and frame.event is not None:
                self._judge_calls(*self._calls.take(frame.event))
        for one, texts in fresh.items():
            if one not in closed:
                self._look(one, texts[0] if len(texts) == 1 else "".join(texts))
        for one in closed:
            self._look(one, "".join(fresh.get(one, ())), is_last=True)
        return self._released()

    def rest(self) -> tuple[Frame, ...]:
        """Return what is held, now that nothing more comes; raises GuardrailBlocked."""
        for one in self._channels.values():
            self._look(one, "", is_last=True)
        self._judge_calls(False, self._calls.rest())
        return self._released()

    def broken_off(self) -> tuple[Frame, ...]:
        """Return what may be passed on of what is held, now that the stream broke: no beginning of a secret."""
        clear = {one: one.told + _TELLS_NOTHING - 1 for one in self._channels.values()}
        try:
            for one in clear:
                self._look(one, "", is_last=True)
            return self._released(clear)
        except GuardrailBlocked:
            return ()

    def _take(self, frame: Frame, fresh: dict[ShownText, list[str]], closed: list[ShownText]) -> None:
        """Hold *frame*; what it writes is added to what is *fresh*, and what ends with it to what is *closed*."""
        event = frame.event
        if event is None:
            self._take_unread(frame, closed)
            return
        if frame.raw.count(b"\n") > _USUAL_LINES or b"\r" in frame.raw:
            frame = self._without_beside(frame)
        if is_whole(event):
            closed += self._closed_now(closed_by(event, self._channels))
            self._hold(self._whole(frame), (), is_whole=True)
            return
        changes, writes = list[tuple[Path, Any]](), list[tuple[ShownText, int, Path, str]]()
        for channel, path, text in self._texts.of(event):
            if channel is None:
                if (new := self._listed(frame, path, text)) is not text:
                    changes.append((path, new))
                continue
            one = self._channels.get(channel) or self._begun(channel)
            writes.append((one, one.size, path, text))
            one.size += len(text)
            fresh.setdefault(one, []).append(text)
            if one.size - one.told > _MOST_CHARACTERS:
                raise _too_long()
        if changes:
            self.is_altered = True
            frame = _altered(frame, changes)
        if "choices" in event:
            closed += self._closed_now(closed_by(event, self._channels))
        self._hold(frame, writes)

    def _judge_calls(self, is_about: bool, ended: Sequence[RequestedCall]) -> None:  # noqa: FBT001 as the calls say it
        """Hold the last frame if it *is_about* a call, until that is judged; judge those that *ended*."""
        if self._judge is None:
            return
        if is_about:
            frame, writes, is_whole_frame = self._held.pop()
            self._held.append((frame, [*writes, (self._gate, self._gate.size, (), " ")], is_whole_frame))
            self._gate.size += 1
        if ended:
            self._judge.judge((self._as_handed_on(call) for call in ended), [])
        if not self._calls.is_open:
            self._gate.told = self._gate.size

    def _as_handed_on(self, call: RequestedCall) -> RequestedCall:
        """Return *call* with the arguments that its caller would get; raises GuardrailBlocked."""
        if call.arguments is None:
            return call
        return replace(call, arguments=self._screened({"arguments": call.arguments})["arguments"])

    def _take_unread(self, frame: Frame, closed: list[ShownText]) -> None:
        """Hold what is no event, if it may be shown; a comment that may not is dropped."""
        if frame.kind == "done":
            closed += self._closed_now(self._channels)
        elif not self._is_clear(frame.raw):
            if frame.kind != "comment":
                raise _unreadable()
            return
        self._hold(frame, ())

    def _hold(self, frame: Frame, writes: _Writes, *, is_whole: bool = False) -> None:
        if len(self._held) >= _MOST_FRAMES:
            raise _too_long()
        self._held.append((frame, writes, is_whole))

    def _begun(self, channel: Channel) -> ShownText:
        """Return what screens a text that is written to *channel*."""
        screen, place = self._screen, place_of(channel)
        screened = screen.growing(place)
        if is_json(channel, is_answer_json=self._is_json):
            screened = JsonStrings(
                lambda steps: screen.growing(place, steps),
                lambda text, steps: screen.whole(text, place, steps),
                lambda name, steps: screen.whole(name, place, steps),
                lambda digits, steps: screen.lets_stand(digits, place, steps),
            )
        one = self._channels[channel] = ShownText(screened, is_thought=place == REASONING)
        return one

    def _closed_now(self, channels: Iterable[Channel]) -> list[ShownText]:
        """Return what was written to *channels*: should anything follow, it is another text."""
        return [self._channels.pop(channel) for channel in list(channels)]

    def _look(self, one: ShownText, text: str, *, is_last: bool = False) -> None:
        if one.look(text, is_last=is_last):
            self.is_altered = True
            self._is_thought_altered = self._is_thought_altered or one.is_thought

    def _is_clear(self, raw: bytes) -> bool:
        """Whether nothing is to be taken out of what is no event; raises GuardrailBlocked."""
        text = raw.decode(errors="replace")
        return not text.strip() or self._screen.lets_pass(text)

    def _without_beside(self, frame: Frame) -> Frame:
        """Return *frame*, without the lines beside what it says where something is to be taken out of them."""
        if self._is_clear(b"\n".join(lines_beside(frame.raw))):
            return frame
        return frame.saying(frame.data.replace(b"\n", b" "))

    def _whole(self, frame: Frame) -> Frame:
        """Return a frame whose texts are whole, as it may be shown; raises GuardrailBlocked."""
        if self._screen.passes(frame.raw):
            return frame
        before = exactly(frame.data)
        after = self._screened(before)
        if after is before:
            return frame
        self.is_altered = True
        return frame.saying(exactly_written(after))

    def _listed(self, frame: Frame, path: Path, value: Any) -> Any:
        """Return a member whose texts are whole, as it may be shown, or the same object; raises GuardrailBlocked."""
        name = path[-1]
        written = exactly_written({name: value})
        if self._screen.passes(written):
            return value
        before = {name: _value_at(exactly(frame.data), path)}
        after = self._screened(before)
        return value if after is before else after[name]

    def _screened(self, value: Any) -> Any:
        return self._places.screened(value, self._screen.placed(), ANSWER, is_json=self._is_json)

    def _released(self, clear: dict[ShownText, int] | None = None) -> tuple[Frame, ...]:
        """Return what may be passed on; *clear* says up to where of each text, where that is not what is told."""
        held, released = self._held, list[Frame]()
        while held:
            frame, writes, is_whole_frame = held[0]
            for one, begin, _, text in writes:
                if begin + len(text) > (one.told if clear is None else clear.get(one, one.told)):
                    return tuple(released)
            held.popleft()
            if not self.is_altered:
                released.append(frame)
            elif frame.kind != _COUNTED:
                released.append(frame if is_whole_frame or frame.event is None else self._as_shown(frame, writes))
        return tuple(released)

    def _as_shown(self, frame: Frame, writes: _Writes) -> Frame:
        """Return *frame* with what is shown of what it *writes*.

        Raises:
            GuardrailBlocked: it seals a thought that was altered.

        """
        if self._is_thought_altered and is_signed(frame.event):
            raise _sealed()
        changes = [(path, new) for one, at, path, text in writes if (new := one.as_shown(at, text)) is not text]
        has_copies = bool(changes or not writes) and any(b'"%b"' % name.encode() in frame.raw for name in _COPIES)
        return _altered(frame, changes, has_copies=has_copies) if changes or has_copies else frame


def _altered(frame: Frame, changes: Sequence[tuple[Path, Any]], *, has_copies: bool = False) -> Frame:
    """Return *frame* with other values at some of its places; copies of texts in it are told as nothing."""
    told = exactly(frame.data)
    for path, new in changes:
        _value_at(told, path[:-1])[path[-1]] = new
    if has_copies:
        _empty_copies(told)
    return frame.saying(exactly_written(told))


def _value_at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _empty_copies(value: Any) -> None:
    if isinstance(value, list):
        for inner in cast("list[Any]", value):
            _empty_copies(inner)
    elif isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        for name, inner in members.items():
            if name in _COPIES and isinstance(inner, dict | list):
                members[name] = [] if isinstance(inner, list) else None
            else:
                _empty_copies(inner)


def _sealed() -> GuardrailBlocked:
    return GuardrailBlocked(
        f"{HELD[Stage.OUTPUT]}: what a guardrail takes out is in a thought that its vendor has sealed, which cannot be "
        "altered. Ask without thoughts.",
        stage=Stage.OUTPUT.value,
    )


def _unreadable() -> GuardrailBlocked:
    return GuardrailBlocked(
        f"{HELD[Stage.OUTPUT]}: an event of its stream cannot be read, and holds what a guardrail takes out.",
        stage=Stage.OUTPUT.value,
    )


def _too_long() -> GuardrailBlocked:
    return GuardrailBlocked(
        f"{HELD[Stage.OUTPUT]}: too much of its stream would have to wait until a guardrail can judge it. Ask for it "
        "in one piece.",
        stage=Stage.OUTPUT.value,
    )
