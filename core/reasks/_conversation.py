"""What a request says so far, as digests, and where in it an earlier request may have ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from core.answer_checks import shown_schema
from core.dialects import RelayRequest
from core.messages import Message, Part, Text, ToolResult
from core.messages.parts import plain_part

MOST_SPLITS = 8
"""Feedback of more messages than this is not looked through."""
_FORMATS = (
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "response_format",
    "text",
    "output_config",
    "output_format",
    "previous_response_id",
    "conversation",
    "prompt",
)
"""Members that say what an answer is to be, and what stored words stand before the messages."""
_NOTHING = Text("")


@dataclass(frozen=True, slots=True)
class Split:
    """One way to read a list of messages: an earlier request, the answer to it if that was sent back, and feedback."""

    at: int
    """The earlier request is the messages before this one …"""
    feedback: int
    """… and the feedback those from this one on; what is between is the answer as it was sent back."""


def splits(messages: Sequence[Message]) -> Sequence[Split]:
    """Return how *messages* may go on from an earlier request, the likeliest first: none where they cannot.

    Either the model's last turn stands between, or nothing but texts of the user's follows. What is left as the earlier
    request always asks something, and holds less than all.
    """
    count = len(messages)
    feedback = count
    while feedback and messages[feedback - 1].role != "assistant":
        feedback -= 1
    if feedback == count:  # it ends with the model's words, which are to be gone on with
        return []
    found: list[Split] = []
    at = count - 1
    while at > feedback and messages[at].role == "user" and len(found) < MOST_SPLITS:
        if _asks(messages[:at]):
            found.append(Split(at, at))
        at -= 1
    at = feedback
    while at and messages[at - 1].role == "assistant":
        at -= 1
    if at < feedback and _asks(messages[:at]):
        found.append(Split(at, feedback))
    return found


class Conversation:
    """One request, by digests that hold for one key, one door and one format alone."""

    def __init__(self, request: RelayRequest, *, tenant_id: str, asker: str) -> None:
        """Tell apart who asks: *asker* is the id of a key, or the name of whoever has none."""
        self.messages = request.messages
        self._asker = f"{tenant_id}\n{asker}\n{request.dialect.name}".encode()
        self._request = request
        self.shown = shown_schema(request)
        """The schema that it shows the model in words, where it sends none."""
        self.is_checked = bool(request.formats) or request.must_call is not None or self.shown is not None
        """Whether its answer can be found wrong."""
        self.splits = splits(request.messages) if self.is_checked else ()

    @property
    def whole(self) -> str:
        """The digest of all of it: what a request that goes on from it begins with."""
        return self._digests([len(self.messages)])[0]

    @property
    def beginnings(self) -> Sequence[str]:
        """The digests of what may be earlier requests, in the order of ``splits``."""
        return self._digests([one.at for one in self.splits])

    @property
    def sent(self) -> str:
        """The digest of the very bytes: what a client sends again that got no answer is the same."""
        return hashlib.sha256(b"sent\n" + self._asker + b"\n" + self._request.body).hexdigest()[:32]

    def _digests(self, ends: Sequence[int]) -> list[str]:
        values = self._request.source.values
        formats = {name: values[name] for name in _FORMATS if name in values}
        digest = hashlib.sha256(self._asker + b"\n" + _source(formats))
        found: dict[int, str] = {}
        for place, message in enumerate(self.messages[: max(ends, default=0)], 1):
            digest.update(b"\n" + _source(_told(message)))
            if place in ends:
                found[place] = digest.copy().hexdigest()[:32]
        return [found[end] for end in ends]


def bare(value: Any) -> Any:
    """Return a JSON value without members that are null or empty texts: clients write these as they like."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value).items()
        return {name: bare(inner) for name, inner in members if inner is not None and inner != ""}
    if isinstance(value, list | tuple):
        return [bare(inner) for inner in cast("Iterable[Any]", value)]
    return value


def _asks(messages: Sequence[Message]) -> bool:
    return any(message.role not in ("system", "developer") for message in messages)


def _told(message: Message) -> Mapping[str, Any]:
    return {"role": message.role, "content": [plain_part(one, whole=False) for one in _parts(message)]}


def _parts(message: Message) -> Iterator[Part]:
    """Yield the parts of a message that say anything."""
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield replace(part, parts=tuple(one for one in part.parts if one != _NOTHING))
        elif part != _NOTHING:
            yield part


def _source(value: Any) -> bytes:
    return json.dumps(bare(value), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
