"""A call to a vendor that does not take the caller's names of tools: it goes out with others, and his come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol, cast

from core.dialects import (
    DialectName,
    Frame,
    RelayRequest,
    VendorResponse,
    other_names,
    rename,
    renamed_body,
    renamed_frame,
    renamed_request,
)
from core.messages import Message
from core.providers import Answer, Exchange
from core.providers.forwarded import Forwarded
from core.servers import recipe_of

_TAKEN = {DialectName.CHAT: "openai", DialectName.RESPONSES: "openai", DialectName.MESSAGES: "anthropic"}
"""Whose names a server takes of which nobody knows which, by the dialect that it speaks."""


class Remarked(Exchange, Protocol):
    """An exchange of which the trace is told how it is sent."""

    remark: str


def renamed(
    request: RelayRequest, messages: Sequence[Message], provider: str, *, is_written_anew: bool
) -> tuple[RelayRequest, Sequence[Message], Mapping[str, str]]:
    """Return *request* with names that *provider* takes, its messages, and the new names by the caller's.

    Of a server of which nobody knows what it takes only what *is_written_anew* is changed, to what its dialect's maker
    takes.
    """
    recipe = recipe_of(provider)
    taken = recipe.tool_names if recipe else ""
    if not taken and is_written_anew:
        recipe = recipe_of(_TAKEN[request.dialect.name])
        taken = recipe.tool_names if recipe else ""
    names = other_names(request, taken) if taken else {}
    if not names:
        return request, messages, names
    request = renamed_request(request, messages, names)
    return request, request.messages, names


class RenamedExchange(Forwarded):
    """An exchange whose answers come back with the caller's names of his tools."""

    def __init__(self, exchange: Remarked, dialect: DialectName, names: Mapping[str, str]) -> None:
        """Put *exchange*, which was given the new of these *names*, in the place of one with the caller's."""
        super().__init__(exchange)
        self._dialect = dialect
        self._callers = {new: old for old, new in names.items()}
        count = len(names)
        said = f"{count} name{'s' if count > 1 else ''} of its tools or format it does not take: it gets others."
        self.remark = f"{exchange.remark} {said}".strip()
        """What the trace is told of it."""

    async def send(self, on_piece: Callable[[Any], Any] | None) -> Answer:
        """Call once; *on_piece* is given the head and the frames with the caller's names; errors as the exchange."""
        answer = await self._exchange.send(on_piece and self._outward(on_piece))
        return replace(answer, raw=self._whole(cast("VendorResponse", answer.raw)))

    def _outward(self, on_piece: Callable[[Any], Any]) -> Callable[[Any], Awaitable[Any] | None]:
        def take(piece: Any) -> Awaitable[Any] | None:
            if isinstance(piece, VendorResponse):
                return on_piece(self._whole(piece))
            frames = cast("tuple[Frame, ...]", piece)
            return on_piece(tuple(renamed_frame(self._dialect, frame, self._callers) for frame in frames))

        return take

    def _whole(self, raw: VendorResponse) -> VendorResponse:
        """Return what came whole, or all that a stream said, with the caller's names."""
        if raw.value is None:
            return raw
        value = deepcopy(raw.value)
        if not rename(self._dialect, value, self._callers):
            return raw
        body = renamed_body(self._dialect, raw.body, self._callers) if raw.body else raw.body
        return replace(raw, value=value, body=body)
