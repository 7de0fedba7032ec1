"""What a caller asks of a generation, and what of it must be sound before anything else is looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from core.errors import Invalid

ROLES = ("system", "user", "assistant")
MOST_MESSAGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """What whoever builds a schema sets for one call, in place of what its candidates have."""

    mode: str | None = None
    max_tokens: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Those of ``core.providers.PARAMETERS`` that are another here."""
    is_cached: bool = True
    """Whether an answer may come from our own cache, where the route has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """What a caller asks."""

    schema: str | dict[str, Any]
    """A registered schema (``name``, ``name@label``, ``name@version``), or a JSON Schema."""
    input: str | None = None
    """The text to read; the short form of one user message."""
    messages: Sequence[Mapping[str, Any]] | None = None
    """``{"role": "system" | "user" | "assistant", "content": str, "stable"?: bool}``, in order.

    What is stable goes out before the rest, so that the provider's cache finds it again.
    """
    route: str | None = None
    """Without one: the route that lists the schema, else the default."""
    model: str | None = None
    """``provider/name``: ask only this one."""
    timeout_seconds: float | None = None
    """The longest it may take, everything included; the route's deadline bounds it."""
    settings: CallSettings | None = None
    """For the playground; programs are governed by their route."""
    stream: bool = False
    user: str | None = None
    """The caller's own user id; kept as a hash."""
    metadata: Mapping[str, Any] | None = None
    request_id: str = ""
    arrived: float | None = None
    """When it came to the door, on the clock's monotonic time, where it had to wait for its turn."""
    tenant_id: str | None = None
    """For operators, who may act in any tenant."""


def messages_of(request: GenerationRequest) -> list[dict[str, Any]]:
    """Return the request's messages, checked.

    Raises:
        Invalid: neither or both of input and messages, or a message that is not one.

    """
    if (request.input is None) == (request.messages is None):
        raise Invalid("Give either 'input', a text, or 'messages', a list of messages; not both and not neither.")
    if request.messages is None:
        if not (request.input or "").strip():
            raise Invalid("The input is empty. Give the text that the object is to be read from.")
        return [{"role": "user", "content": _encodable(request.input, "The input")}]
    if not 1 <= len(request.messages) <= MOST_MESSAGES:
        raise Invalid(f"'messages' holds 1 to {MOST_MESSAGES} messages; this has {len(request.messages)}.")
    checked: list[dict[str, Any]] = []
    for place, message in enumerate(request.messages):
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise Invalid(f"messages[{place}].role is one of {', '.join(ROLES)}; this is {role!r}.")
        if not isinstance(content, str) or not content.strip():
            raise Invalid(f"messages[{place}].content is a text that is not empty.")
        one = {"role": role, "content": _encodable(content, f"messages[{place}].content")}
        if (stable := message.get("stable")) is not None:
            if not isinstance(stable, bool):
                raise Invalid(f"messages[{place}].stable is true or false; this is {stable!r}.")
            one["stable"] = stable
        checked.append(one)
    if all(message["role"] != "user" for message in checked):
        raise Invalid("'messages' holds no message of the role user, so there is nothing to answer.")
    return checked


def _encodable(text: Any, what: str) -> Any:
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
