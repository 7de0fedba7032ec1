"""What a caller asks of a generation, and what of it must be sound before anything else is looked at."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal, cast

import orjson

from core.dialects import Beside, RelayRequest
from core.errors import Invalid
from core.guardrails import Guardrail
from core.messages import Media, Message, Part, Text, media_of
from core.messages.media import MOST_MEDIA, media
from core.unchanging import unchanging

ROLES = ("system", "user", "assistant")
PARTS: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    "image": ("media_type", "data", "url"),
    "document": ("media_type", "data", "url", "name"),
}
"""The parts of a message's content, and their fields beside ``type``."""
MOST_MESSAGES = 200
PartialKind = Literal["whole", "patch"]
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}")
_SHOWN_NAME = 40
_LONGEST_USER = 512


@unchanging(kw_only=True)
class CallSettings:
    """What whoever builds a schema sets for one call, in place of what its candidates have."""

    mode: str | None = None
    max_tokens: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Those of ``core.providers.PARAMETERS`` that are another here."""
    is_cached: bool = True
    """Whether an answer may come from our own cache, where the route has one."""


@unchanging(kw_only=True)
class GenerationRequest:
    """What a caller asks."""

    schema: str | dict[str, Any]
    """A registered schema (``name``, ``name@label``, ``name@version``), or a JSON Schema."""
    input: str | None = None
    """The text to read; the short form of one user message."""
    messages: Sequence[Mapping[str, Any]] | None = None
    """``{"role": "system" | "user" | "assistant", "content": str | parts, "stable"?: bool}``, in order.

    What is stable goes out before the rest, so that the provider's cache finds it again. Parts are objects with a
    ``type`` and the fields that ``PARTS`` has for it.
    """
    prompt: str | None = None
    """The text of one user message in which each ``{{name}}`` stands for a variable."""
    variables: Mapping[str, Any] | None = None
    """What the prompt's names stand for: texts, or what JSON can say, each named at least once."""
    route: str | None = None
    """Without one: the route that lists the schema, else the default."""
    model: str | None = None
    """``provider/name``: ask only this one."""
    timeout_seconds: float | None = None
    """The longest it may take, everything included; the route's deadline bounds it."""
    settings: CallSettings | None = None
    """For the playground; programs are governed by their route."""
    stream: bool = False
    partials: PartialKind = "whole"
    """What a stream shows of the object as it grows: all of it each time, or what has changed (``core.partials``)."""
    user: str | None = None
    """The caller's own user id; kept as a hash."""
    metadata: Mapping[str, Any] | None = None
    id: str | None = None
    """The id that its generation is to have, where whoever asks must know it beforehand."""
    request_id: str = ""
    arrived: float | None = None
    """When it came to the door, on the clock's monotonic time, where it had to wait for its turn."""
    queued_seconds: float = 0.0
    """For how long it waited for that turn."""
    tenant_id: str | None = None
    """For operators, who may act in any tenant."""
    guardrails: Sequence[Guardrail] = ()
    """Rules that the caller adds to those of his tenant, for this call."""
    judges: str = ""
    """The generation of which a guardrail asks a model: such a call is not judged itself, and has that one's turn."""


@unchanging(kw_only=True)
class RelayCall:
    """A caller's own request in one of the vendors' dialects, and what is known of it beside its body."""

    request: RelayRequest
    beside: Beside = field(default_factory=Beside)
    """What goes on to the vendor beside the body."""
    is_resent: bool = False
    """Whether the client says that it sends it again, as it got no answer."""
    retries_itself: bool = False
    """Whether the client says that it sends again by itself what failed, as the vendors' SDKs do."""
    reasks: int = 0
    """How often an invalid answer is to be asked again for, before he gets one."""
    guardrails: Sequence[Guardrail] = ()
    """Rules that the caller adds to those of his tenant, for this call."""
    id: str | None = None
    request_id: str = ""
    arrived: float | None = None
    queued_seconds: float = 0.0
    tenant_id: str | None = None

    @property
    def user(self) -> str | None:
        """The caller's own user id, where the body names one."""
        user = self.request.source.values.get("user")
        return user if isinstance(user, str) and len(user) <= _LONGEST_USER else None


def messages_of(request: GenerationRequest) -> Sequence[Message]:
    """Return the request's messages, checked.

    Raises:
        Invalid: not exactly one of input, messages and prompt, or a message that is not one.

    """
    given = [one is not None for one in (request.input, request.messages, request.prompt)]
    if sum(given) != 1:
        raise Invalid(
            "Give either 'input', a text, or 'messages', a list of messages, or 'prompt', a text with variables; "
            "exactly one of them."
        )
    if request.variables and request.prompt is None:
        raise Invalid("'variables' belong to a 'prompt', which names them as {{name}}; there is none.")
    if request.prompt is not None:
        return [Message.of("user", _written("The prompt", filled(request.prompt, request.variables or {})))]
    if request.messages is None:
        if not (request.input or "").strip():
            raise Invalid("The input is empty. Give the text that the object is to be read from.")
        return [Message.of("user", _encodable(request.input or "", "The input"))]
    if not 1 <= len(request.messages) <= MOST_MESSAGES:
        raise Invalid(f"'messages' holds 1 to {MOST_MESSAGES} messages; this has {len(request.messages)}.")
    checked = [_message(message, f"messages[{place}]") for place, message in enumerate(request.messages)]
    if all(message.role != "user" for message in checked):
        raise Invalid("'messages' holds no message of the role user, so there is nothing to answer.")
    if (count := sum(1 for _ in media_of(checked))) > MOST_MEDIA:
        raise Invalid(f"A request holds at most {MOST_MEDIA} images and documents; this has {count}.")
    return checked


def filled(prompt: str, variables: Mapping[str, Any]) -> str:
    """Return *prompt* with each ``{{name}}`` as the variable of that name: a text as it is, anything else as JSON.

    Raises:
        Invalid: the prompt names a variable that is not given, or does not name one that is.

    """
    named: set[str] = set()

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        named.add(name)
        if name not in variables:
            raise Invalid(f"The prompt names {{{{{name}}}}}, and 'variables' does not give it.")
        value = variables[name]
        try:
            return value if isinstance(value, str) else orjson.dumps(value).decode()
        except TypeError:
            raise Invalid(f"variables.{name} is a text, or anything that JSON can say.") from None

    text = _VARIABLE.sub(value_of, prompt)
    if unnamed := sorted(set(variables) - named):
        raise Invalid(f"variables.{unnamed[0][:_SHOWN_NAME]} is given, and the prompt does not name it as {{{{…}}}}.")
    return text


def _message(message: Mapping[str, Any], where: str) -> Message:
    role, content, stable = message.get("role"), message.get("content"), message.get("stable")
    if role not in ROLES:
        raise Invalid(f"{where}.role is one of {', '.join(ROLES)}; this is {role!r}.")
    if stable is not None and not isinstance(stable, bool):
        raise Invalid(f"{where}.stable is true or false; this is {stable!r}.")
    if isinstance(content, str):
        return Message.of(role, _written(f"{where}.content", content), stable=stable)
    if not isinstance(content, Sequence) or not content:
        raise Invalid(f"{where}.content is a text that is not empty, or a list of parts.")
    given = cast("Sequence[Any]", content)
    parts = tuple(_part(one, f"{where}.content[{place}]") for place, one in enumerate(given))
    if role != "user" and any(isinstance(part, Media) for part in parts):
        raise Invalid(f"{where} is of the role {role}: only messages of the role user hold images and documents.")
    return Message(role, parts, stable)


def _part(part: Any, where: str) -> Part:
    if not isinstance(part, Mapping):
        raise Invalid(f"{where} is an object with a 'type'.")
    given = cast("Mapping[str, Any]", part)
    kind = str(given.get("type"))
    if kind not in PARTS:
        raise Invalid(f"{where}.type is one of {', '.join(PARTS)}; this is {kind[:_SHOWN_NAME]!r}.")
    if unknown := sorted(set(given) - {"type", *PARTS[kind]}):
        raise Invalid(f"{where}.{unknown[0][:_SHOWN_NAME]} is no field of {kind}; there are {', '.join(PARTS[kind])}.")
    fields = {name: given.get(name) or "" for name in PARTS[kind]}
    for name, value in fields.items():
        if not isinstance(value, str):
            raise Invalid(f"{where}.{name} is a text.")
        _encodable(value, f"{where}.{name}")
    if kind == "text":
        return Text(_written(f"{where}.text", fields["text"]))
    fields.setdefault("name", "")
    return media(kind=kind, where=where, **fields)


def _written(what: str, text: str) -> str:
    if not text.strip():
        raise Invalid(f"{what} is a text that is not empty.")
    return _encodable(text, what)


def _encodable(text: str, what: str) -> str:
    """Return *text*, unless it holds halves of characters, as file names read from a disk may: no wire takes them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(f"{what} is not valid Unicode; it cannot be sent. Read it as UTF-8.") from None
    return text


def require_time(seconds: float | None) -> None:
    """Go on only if *seconds* is a time that a caller can wait, or raise Invalid."""
    if seconds is not None and not 0 < seconds < math.inf:
        raise Invalid(f"'timeout_seconds' is a number of seconds above 0; this is {seconds!r}.")


def require_json(metadata: Mapping[str, Any] | None) -> None:
    """Go on only if *metadata* can be kept as JSON, or raise Invalid."""
    if metadata is not None:
        try:
            orjson.dumps(metadata)
        except TypeError:
            raise Invalid("'metadata' is a JSON object: texts, numbers, true, false, null, lists, objects.") from None
