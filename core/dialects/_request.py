"""What a caller's body says, and what of it goes to a vendor."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol, cast

from core.dialects._body import Body, Path
from core.dialects._frames import Frame, Frames
from core.dialects._places import Places
from core.dialects._stored import BILLED_AGAIN, KeptState, StoredByAnswer
from core.dialects._values import dicts
from core.dialects._vendor_tools import READ_BY_TOOLS, USUAL_USES, WHOLE_CONTEXT, runs_tools, uses_asked_for
from core.errors import Invalid
from core.json_texts import exactly, exactly_written
from core.messages import Message, leaves, media_of, text_bytes
from core.messages.masks import secrets_in
from core.messages.parts import written
from core.unchanging import unchanging

STEERING = frozenset(
    {
        "api_base",
        "api_key",
        "api_type",
        "api_version",
        "base_url",
        "custom_llm_provider",
        "deployment_id",
        "extra_body",
        "extra_headers",
        "extra_query",
        "fallbacks",
        "headers",
        "models",
        "organization",
        "provider",
        "route",
    }
)
"""Members by which gateways are told where to ask, whom, and as whom. That is the tenant's policy."""
MOST_CHOICES = 128
_NOTHING: Mapping[str, Any] = {}


class DialectName(StrEnum):
    """Whose wire it is."""

    CHAT = "chat"
    RESPONSES = "responses"
    MESSAGES = "messages"


@unchanging
class AnswerFormat:
    """What an answer is to satisfy."""

    name: str
    schema: Any = field(repr=False)
    kind: Literal["format", "tool"]
    """Whether the answer's text is to satisfy it, or the arguments of a call."""
    strict: bool | None


@unchanging
class AnswerObject:
    """A text of an answer that one of the formats speaks about."""

    name: str | None
    """Of the tool that is called; ``None`` for the text of a message."""
    text: str = field(repr=False)
    choice: int = 0


@unchanging
class ChoiceEnd:
    """How one choice of an answer ended."""

    choice: int
    is_cut: bool
    """At a limit of tokens."""
    is_refused: bool
    """By the model, or by the vendor's filter."""


@unchanging
class ErrorResponse:
    """How one dialect says no."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@unchanging
class LimitHeaders:
    """The names of the headers in which a dialect tells of one limit."""

    most: str
    left: str
    reset: str


@unchanging(kw_only=True)
class RelayRequest:
    """A caller's request, read once."""

    dialect: Dialect
    source: Body
    body: bytes = field(repr=False)
    """As it came."""
    model: str
    """As the caller names it."""
    streams: bool
    messages: Sequence[Message] = field(repr=False)
    """What it says, for everybody who has to look at it; what is sent is the body."""
    places: Sequence[Path] = field(repr=False)
    """Where in the body each leaf of the messages stands, in their order."""
    max_tokens: int | None
    """The most tokens of one answer; ``None``: the caller set none."""
    choices: int = 1
    formats: Sequence[AnswerFormat] = ()
    must_call: str | None = None
    """The tool that the answer has to call; empty: any; ``None``: a text is as good."""
    wants_usage: bool = True
    """Whether the caller asked for what a stream tells of its usage."""
    state: Sequence[KeptState] = ()
    """What of the vendor's own keeping it builds upon."""
    keeps: bool = False
    """Whether the vendor is to keep the answer."""

    @property
    def weight_bytes(self) -> int:
        """How many bytes at most are paid as text: the texts, and all that stands around them; no data of media.

        What JSON writes for a character that it escapes counts as the character.
        """
        texts = text_bytes(self.messages) + sum(len(self.source.source(name).encode()) for name in self.dialect.weighed)
        escapes = self.body.count(b"\\") - self.body.count(b"\\\\") + 2 * self.body.count(b"\\u")
        return max(texts, len(self.body) - escapes - sum(len(one.data) for one in media_of(self.messages)))

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools that it brings along; of one that the vendor runs, its type as well."""
        named: list[object] = []
        for one in dicts(self.source.values.get("tools")):
            held = (one, one.get("function"), one.get("custom"))
            named += [each.get("name") for each in dicts(list(held))]
            named.append(one.get("type") if one.get("type") not in ("function", "custom") else None)
        named += [one.get("name") for one in dicts(self.source.values.get("functions"))]
        return tuple(dict.fromkeys(name for name in named if isinstance(name, str)))

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The names under which an answer may call its tools."""
        return tuple(dict.fromkeys(one.name for one in self.formats if one.kind == "tool"))

    @property
    def wants_json(self) -> bool:
        """Whether the text of the answer is to be JSON."""
        if any(one.kind == "format" for one in self.formats):
            return True
        asked: Any = self.source.values.get("response_format") or self.source.values.get("text")
        asked = cast("dict[str, Any]", asked).get("format", asked) if isinstance(asked, dict) else None
        return isinstance(asked, dict) and cast("dict[str, Any]", asked).get("type") == "json_object"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What in it opens others' servers: it goes on to the vendor, and is kept and told nowhere."""
        values = self.source.values
        tools = [one for one in dicts(values.get("tools")) if one.get("type") not in ("function", "custom")]
        return tuple(secrets_in([tools, values.get("mcp_servers")]))

    @property
    def adds_tokens(self) -> int:
        """How many tokens of input the vendor may add by itself: what its tools read, or what it keeps.

        Of what it keeps that is as much as there can be, until it is known what that is.
        """
        if any(one.kind in BILLED_AGAIN for one in self.state):
            return WHOLE_CONTEXT
        return self.added_by_tools

    @property
    def added_by_tools(self) -> int:
        """How many tokens of input tools may read that the vendor runs."""
        return READ_BY_TOOLS if runs_tools(self.source.values) else 0

    @property
    def uses_asked_for(self) -> Mapping[str, int | None]:
        """How often each tool may run that the vendor runs, by its name; ``None``: the request does not say."""
        return uses_asked_for(self.source.values)

    @property
    def possible_uses(self) -> tuple[tuple[str, int], ...]:
        """How often each of these tools is taken to run at most."""
        return tuple((name, USUAL_USES if most is None else most) for name, most in self.uses_asked_for.items())

    @property
    def uses_remark(self) -> str:
        """A sentence for the trace, where a request does not say how often a tool may run; else an empty text."""
        unbounded = [name for name, most in self.uses_asked_for.items() if most is None]
        if not unbounded:
            return ""
        return (
            f"The request does not say how often {', '.join(unbounded)} may run: money for {USUAL_USES} uses is held. "
            "max_uses or max_tool_calls would say."
        )

    def patched(
        self,
        *,
        model: str,
        max_tokens: int | None = None,
        limit: str = "",
        asks_usage: bool = True,
        texts: Sequence[Message] | None = None,
        added: Mapping[str, Any] = _NOTHING,
        dropped: Collection[str] = (),
        changes: Sequence[tuple[Path, str]] = (),
    ) -> bytes:
        """Return the body with these members replaced, and every other byte as it came.

        *max_tokens* is set only where the caller set none, under the name *limit* (else the dialect's own); *texts*
        are the messages as guardrails left them, of which only what changed is written anew. *added* are members that
        the caller may have said himself; those that are *dropped* are left out; *changes* are the vendor's own.
        """
        changes = [(("model",), _source(model)), *changes]
        if max_tokens is not None and self.max_tokens is None:
            changes.append(((limit or self.dialect.limit,), str(max_tokens)))
        if asks_usage and self.streams:
            changes += self.dialect.asking_usage(self)
        if texts is not None:
            changes += self._rewritten(texts)
        changes += [((name,), _source(value)) for name, value in added.items() if name not in self.source.values]
        return self.source.patched(changes, dropped)

    def going_on(self, added: Sequence[Mapping[str, Any]], texts: Sequence[Message]) -> RelayRequest:
        """Return the request with *added* behind its messages, as *texts* have these, and every other byte as it was.

        Raises:
            Invalid: what was added is none of this dialect's messages.

        """
        asked = self
        if any(new is not old for new, old in zip(texts, self.messages, strict=True)):
            asked = self.dialect.read(self.source.patched(self._rewritten(texts)))
        name, more = self.dialect.turns_member, ",".join(map(_source, added))
        given, source = asked.source.values.get(name), asked.source.source(name)
        if isinstance(given, str):
            source = f'[{{"role":"user","content":{source}}}]'
        before = source.rstrip().removesuffix("]").rstrip() if given is not None else "["
        comma = "" if before.endswith("[") else ","
        return self.dialect.read(asked.source.patched([((name,), f"{before}{comma}{more}]")]))

    def _rewritten(self, texts: Sequence[Message]) -> list[tuple[Path, str]]:
        changes: list[tuple[Path, str]] = []
        for old, new, path in zip(leaves(self.messages), leaves(texts), self.places, strict=True):
            if new is old or not path:
                continue
            value = written(new)
            if not isinstance(value, str):
                given = _value_at(exactly(self.source.text), path)
                is_text = isinstance(given, str)
                value = _with_texts(exactly(given) if is_text else given, written(old), value)
                value = exactly_written(value).decode() if is_text else value
            changes.append((path, exactly_written(value).decode()))
        return changes


class Dialect(Protocol):
    """One vendor's wire."""

    name: DialectName
    path: str
    """Below ``/v1``."""
    limit: str
    """The member that limits the tokens of an answer."""
    weighed: Sequence[str]
    """Members beside the messages that are paid as text."""
    request_id_header: str
    """Where its SDK looks for the name of an answer."""
    turns_member: str
    """The member that holds what was said, in order."""
    places: Places
    """Where in its bodies texts stand."""
    keep_alive: bytes
    """What may be sent between two frames while nothing comes: no event, so that nobody takes it for progress."""

    def read(self, body: bytes) -> RelayRequest:
        """Read a caller's body.

        Raises:
            Invalid: it cannot be used; the sentence says what is wrong, where, and what to do.

        """
        ...

    def asking_usage(self, request: RelayRequest) -> list[tuple[Path, str]]:
        """Return what has to be changed in a request that streams, so that its usage is told."""
        ...

    def frames(self) -> Frames:
        """Return a reader of one stream."""
        ...

    def outward(self, frame: Frame, request: RelayRequest) -> bytes:
        """Return what of *frame* the caller gets: all of it, but for what was asked for in his name."""
        ...

    def refusal(
        self,
        status: int,
        code: str,
        sentence: str,
        *,
        param: str | None = None,
        request_id: str,
        retry: bool = False,
        wait_seconds: float | None = None,
    ) -> ErrorResponse:
        """Return one of our errors in this dialect; *retry* says whether asking again is of use."""
        ...

    def limit_headers(self, kind: str) -> LimitHeaders:
        """Return in which headers its programs look for a limit of a *kind*, ``requests`` or ``tokens``."""
        ...

    def limit_reset(self, seconds: float, now: datetime) -> str:
        """Return how it is told that a limit is whole again *seconds* from *now*."""
        ...

    def vendor_error(self, status: int, body: bytes) -> bytes:
        """Return a vendor's own error: byte for byte, unless its reader would find nothing in it."""
        ...

    def answer_objects(self, body: Mapping[str, Any]) -> Sequence[AnswerObject]:
        """Return the texts in an answer that a format speaks about, for each choice."""
        ...

    def ends(self, body: Mapping[str, Any]) -> Sequence[ChoiceEnd]:
        """Return how each choice of an answer ended."""
        ...

    def stored_by(self, request: RelayRequest) -> StoredByAnswer | None:
        """Return what collects what the vendor stores of an answer; ``None`` where it can store nothing."""
        ...

    def turns(self, body: Mapping[str, Any]) -> Sequence[Sequence[Message]]:
        """Return each choice of an answer as the messages by which a caller sends it back; raises Invalid."""
        ...

    def asking_again(self, body: Mapping[str, Any], said: str) -> Sequence[Mapping[str, Any]]:
        """Return what stands behind the messages of a request that asks again for the first choice of an answer.

        That is the answer, where this dialect takes it back, and *said*, what is wrong with it.
        """
        ...


def checked_members(values: Mapping[str, Any]) -> None:
    """Go on only if a body names a model, and nothing by which it would choose where we ask, or as whom.

    Raises:
        Invalid: it does not, or does.

    """
    if steering := next((name for name in values if name in STEERING and values[name] is not None), None):
        raise Invalid(f"'{steering}' is not taken here: who is asked is decided by the route. Leave it out.")
    model = values.get("model")
    if not isinstance(model, str) or not model.strip():
        raise Invalid("'model' is a text: a route's name, provider/name, or a vendor's name of a model.", param="model")


def _value_at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _with_texts(given: Any, old: Any, new: Any) -> Any:
    """Return the value *given*, read as *old*, with those texts that are other ones in *new*: all else stays exact."""
    if isinstance(new, str):
        return given if new == old else new
    if isinstance(new, dict) and len(named := cast("dict[str, Any]", new)) == len(given) == len(old):
        parts = zip(given.values(), old.values(), named.items(), strict=True)
        return {name: _with_texts(exact, before, after) for exact, before, (name, after) in parts}
    if isinstance(new, list):
        listed = zip(given, old, cast("list[Any]", new), strict=True)
        return [_with_texts(exact, before, after) for exact, before, after in listed]
    return cast("Any", new) if isinstance(new, dict) else given


def _source(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
