"""What goes over the wire at ``/v1``: the request as it is checked, the answers as they are documented.

The request is checked by its model. The answers are written by ``core/documents.py`` straight to JSON; the models here
are their documentation in the OpenAPI, and a test holds the one to the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, cast

import jiter
import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from core.errors import Invalid
from core.generation import GenerationRequest
from core.guardrails import MOST_ADDED, added_by_caller

MOST_METADATA_BYTES = 16_000
"""The longest ``metadata``, as compact JSON."""
_SHOWN_FIELD = 40
_TWICE = re.compile(r'Detected duplicate key "?(.*?)"? at line (\d+) column (\d+)$', re.DOTALL)
_NAME_BRANCH = "constrained-str"


def _name_or_object(value: Any, go_on: Any) -> Any:
    """Answer for both kinds of schema at once: a union would report one error for each."""
    if isinstance(value, str):
        return go_on(value)
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    raise PydanticCustomError("schema_kind", "it should be the name of a schema, or a JSON Schema as an object")


def _text_or_parts(value: Any, go_on: Any) -> Any:
    """Answer for both kinds of content at once; what a part holds is looked at where messages are made."""
    if isinstance(value, str):
        return go_on(value)
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in cast("list[Any]", value)):
        return cast("list[Any]", value)
    raise PydanticCustomError("content_kind", "it should be a text, or a list of parts, which are objects")


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]
"""Printable ASCII without blanks, so that it can stand in a log, a metric and every database."""


_Text = Annotated[str, Field(min_length=1)]
_Parts = Annotated[list[dict[str, Any]], Field(min_length=1)]


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: Annotated[_Text | _Parts, WrapValidator(_text_or_parts)] = Field(
        description="A text, or a list of parts. A part has a `type`: `text`, with the `text`; `image` (PNG, JPEG, "
        "WebP, GIF) or `document` (PDF), with `media_type` and `data` in base64, or with `url`, a public https link. "
        "A document may have a `name`.",
    )
    stable: StrictBool | None = Field(
        default=None,
        description="Whether other calls begin with it too, as with a document that many questions are about: it goes "
        "out before the rest, where the provider's cache finds it again. System messages at the beginning are stable.",
    )


class Generate(BaseModel):
    """What a caller asks. Exactly one of ``input``, ``messages`` and ``prompt`` is given."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    schema_: Annotated[Name | dict[str, Any], WrapValidator(_name_or_object)] = Field(
        alias="schema",
        description="A registered schema (`name`, `name@label` or `name@version`), or a JSON Schema.",
    )
    input: str | None = Field(default=None, description="The text to read: the short form of one user message.")
    messages: list[Message] | None = Field(default=None, description="The conversation to answer, in order.")
    prompt: str | None = Field(
        default=None, description="The text of one user message in which each `{{name}}` stands for a variable."
    )
    variables: dict[str, Any] | None = Field(
        default=None, description="What the names in the prompt stand for: texts, or anything else, written as JSON."
    )
    route: Name | None = Field(
        default=None,
        description="A route of this deployment; without it, the one that lists the schema, or `default`.",
    )
    model: Name | None = Field(
        default=None,
        description="`provider/name`: ask only this model. Where `ANY_MODEL=routes`, one that some route names.",
    )
    timeout_seconds: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="The longest this may take, everything included; the route's deadline bounds it.",
    )
    stream: StrictBool | None = Field(
        default=None, description="Whether to answer with server-sent events that show the object as it grows."
    )
    partials: Literal["whole", "patch"] | None = Field(
        default=None,
        description="What such events hold: the `whole` object so far, or, as a `patch`, what is new of it.",
    )
    guardrails: list[Name | dict[str, Any]] | None = Field(
        default=None,
        max_length=MOST_ADDED,
        description="Guardrails beside those of your tenant: checks, or objects with `check`, `action` and `settings`.",
    )
    user: str | None = Field(default=None, max_length=512, description="Your own user's id; only its hash is kept.")
    metadata: dict[str, Any] | None = Field(
        default=None, description=f"Kept with the generation; at most {MOST_METADATA_BYTES} bytes of JSON."
    )


class Usage(BaseModel):
    """Tokens by kind."""

    input_tokens: int = Field(description="All input, cached included.")
    cached_tokens: int = Field(description="The part of the input read from the provider's cache.")
    cache_write_tokens: int = Field(description="The part of the input written to the provider's cache.")
    output_tokens: int = Field(description="All output, reasoning included.")
    reasoning_tokens: int = Field(description="The part of the output that was thought and not shown.")


class FieldError(BaseModel):
    """One field of one invalid answer; never its value."""

    path: str = Field(description="A JSON path, such as `$.lines[2].amount`.")
    type: str = Field(description="Pydantic's name for the error, such as `int_type`.")
    message: str


class Price(BaseModel):
    """The price that an attempt was charged at, frozen; dollars per million tokens, as text."""

    model_config = ConfigDict(extra="allow")

    provider: str
    model: str
    input_usd_per_mtok: str
    cached_usd_per_mtok: str
    output_usd_per_mtok: str
    source: str


class Billing(BaseModel):
    """How a call was billed beside its tokens, where that is not the usual."""

    tier: str | None = Field(default=None, description="The service tier that answered, such as `priority` or `flex`.")
    geo: str | None = Field(default=None, description="The region that the call was kept in, such as `us`.")
    cache_write_1h_tokens: int | None = Field(
        default=None, description="The part of what was written to the provider's cache that is kept for an hour."
    )
    tool_uses: dict[str, int] | None = Field(
        default=None, description="How often which tools ran at the provider, such as `web_search`; by name."
    )
    remark: str | None = Field(
        default=None,
        description="What a person should know: where what the provider told contradicts itself and how it was taken, "
        "that no price is published for the tier, or that the one who answered was billed and not the one asked.",
    )


class Attempt(BaseModel):
    """One provider call."""

    n: int = Field(description="1 for the first call.")
    kind: Literal["first", "re-ask", "retry", "fallback", "hedge"]
    provider: str
    model: str
    mode: str = Field(description="How the schema was put to the model: `tools`, `json_schema`, `json` or `md_json`.")
    started_at: datetime
    duration_ms: float
    ttft_ms: float | None = Field(description="Milliseconds to the first piece of content; known for streams only.")
    http_status: int | None
    provider_request_id: str | None
    finish_reason: str | None
    outcome: str
    usage: Usage | None = Field(description="Null where nothing was paid for.")
    estimated: bool = Field(description="Whether usage and cost are our estimate, because the provider never told.")
    cost_nano_usd: int | None = Field(description="Null where the model has no known price, or nothing was paid for.")
    price: Price | None
    answered_model: str | None = Field(description="Who the provider says answered.")
    billing: Billing | None = Field(description="Null for a call that was billed as usual.")
    drill_id: str | None = Field(description="The fire drill that it met; null for almost all.")
    field_errors: list[FieldError]


class Step(BaseModel):
    """One step of the decision trace."""

    room: str
    verdict: str
    reason: str


class Generation(BaseModel):
    """One request and everything that came of it."""

    id: str
    value: Any = Field(description="The valid object; null where there is none, or it is not kept any more.")
    outcome: str
    schema_: str = Field(alias="schema", description="The schema's name.")
    schema_version: int | None = Field(description="Null for a schema that came with the request.")
    model: str | None = Field(description="Who answered, or was asked last, as `provider/name`.")
    attempts: list[Attempt]
    usage: Usage = Field(description="The sum over attempts.")
    cost_usd: float | None = Field(description="The sum over attempts; null where one of them has no known price.")
    cost_nano_usd: int | None = Field(description="The same, exact: billionths of a dollar.")
    estimated: bool
    answered_from: str | None = Field(description="The generation whose answer was cached; null for almost all.")
    reask_of: str | None = Field(description="The generation whose invalid answer the client itself asks again for.")
    not_judged: list[str] = Field(description="The guardrails by which something went on without a verdict.")
    saved_nano_usd: int = Field(description="What that answer had cost.")
    media: list[dict[str, Any]] = Field(description="Of each image and document: kind, type, size and hash.")
    trace: list[Step]
    duration_ms: float
    ttft_ms: float | None
    queue_ms: float | None


class Partial(BaseModel):
    """The object as far as it has come."""

    value: Any
    attempt: int = Field(description="The attempt that writes it; with a higher number the answer begins again.")


class Change(BaseModel):
    """One operation of a patch: JSON Patch (RFC 6902), and `append`."""

    op: Literal["add", "replace", "append"] = Field(
        description="`append` adds a text to the end of the text at `path`, or the members of a list to the list there."
    )
    path: str = Field(description="A JSON Pointer (RFC 6901); the empty one is the whole document.")
    value: Any


class Patch(BaseModel):
    """What has changed of the object since the event before it."""

    patch: list[Change]
    attempt: int = Field(description="The attempt that writes it. Its first patch sets the whole document.")


class Event(BaseModel):
    """One server-sent event."""

    event: Literal["partial", "patch", "final", "error"]
    data: str = Field(description="A `Partial`, a `Patch`, a `Generation` or a `Problem`, as JSON.")


class SchemaVersion(BaseModel):
    """One immutable shape of a schema."""

    version: int
    hash: str
    labels: list[str]
    created_at: datetime
    schema_: dict[str, Any] = Field(alias="schema", description="The JSON Schema.")


class Schema(BaseModel):
    """A named response model."""

    name: str
    description: str
    latest: int = Field(description="The number of the newest version.")
    labels: dict[str, int] = Field(description="Version by label; a bare name means `production`.")
    versions: list[SchemaVersion] = Field(description="The newest first.")


class Schemas(BaseModel):
    """Every schema of this deployment, by name."""

    schemas: list[Schema]


class Problem(BaseModel):
    """What went wrong (RFC 9457). Further fields say what the caller can act on, such as ``retry_after_seconds``."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="A URN made of the code.")
    title: str
    status: int
    code: str = Field(description="Stable: programs may depend on it.")
    detail: str = Field(description="What, where, and what to do, in plain words.")
    generation_id: str | None = Field(description="Null where nothing was recorded.")
    outcome: str | None
    trace: list[Step]
    retry_after_seconds: float | None = None
    resets_at: datetime | None = None
    attempts: list[Attempt] | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    cost_nano_usd: int | None = None
    estimated: bool | None = None


def generation_request(body: bytes, request_id: str) -> GenerationRequest:
    """Return what *body* asks.

    Raises:
        Invalid: it asks for nothing that can be answered; one sentence names the field and shows no value.

    """
    asked = _checked(body)
    return GenerationRequest(
        schema=asked.schema_,
        input=asked.input,
        messages=None if asked.messages is None else [message.model_dump() for message in asked.messages],
        prompt=asked.prompt,
        variables=asked.variables,
        route=asked.route,
        model=asked.model,
        timeout_seconds=asked.timeout_seconds,
        guardrails=added_by_caller(asked.guardrails or ()),
        stream=bool(asked.stream),
        partials=asked.partials or "whole",
        user=asked.user,
        metadata=asked.metadata,
        request_id=request_id,
    )


def _checked(body: bytes) -> Generate:
    if not body:
        raise Invalid("The body is empty. Send a JSON object with 'schema' and 'input'.")
    try:
        # orjson, because what it reads it can also write: a number beyond 64 bits would end in the record's room.
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Invalid(f"The body is not JSON in UTF-8: it cannot be read at {where}.") from None
    _check_names(body)
    if not isinstance(document, dict):
        raise Invalid("The body is JSON, but not an object. Send one with 'schema' and 'input'.")
    try:
        asked = Generate.model_validate(document)
    except ValidationError as error:
        raise Invalid(sentence(error.errors(include_url=False, include_input=False, include_context=False))) from None
    _check_metadata(asked.metadata)
    return asked


def _check_names(body: bytes) -> None:
    """Go on only if no object of *body* says a name twice: of two the last would win without a word."""
    try:
        jiter.from_json(body, catch_duplicate_keys=True)
    except ValueError as error:
        if (found := _TWICE.match(str(error))) is not None:
            name = found[1][:_SHOWN_FIELD]
            where = f"line {found[2]}, column {found[3]}"
            raise Invalid(f"The body says {name!r} twice in one object, at {where}; leave one of them out.") from None


def _check_metadata(metadata: dict[str, Any] | None) -> None:
    if metadata is None:
        return
    try:
        size = len(orjson.dumps(metadata))
    except orjson.JSONEncodeError:
        raise Invalid("'metadata' nests too deep; keep it flat.") from None
    if size > MOST_METADATA_BYTES:
        raise Invalid(f"'metadata' has {size} bytes of JSON; at most {MOST_METADATA_BYTES} are kept.")


def sentence(errors: Sequence[Any], fields: Iterable[str] = ()) -> str:
    """Return the first of pydantic's *errors* as one sentence that names the field and shows no value.

    *fields* are those of the body; without them it is a generation's.
    """
    first = errors[0]
    field = _path(first["loc"])
    match first["type"]:
        case "missing":
            return f"{field} is missing."
        case "extra_forbidden":
            return f"{field} is not a field of this request. There are: {', '.join(fields or _FIELDS)}."
        case _:
            return f"{field} cannot be used: {first['msg'][:1].lower()}{first['msg'][1:]}."


def _path(steps: Sequence[int | str]) -> str:
    path = ""
    for step in steps:
        if step == _NAME_BRANCH:
            continue  # pydantic's own name for one side of the union, not a field
        path += f"[{step}]" if isinstance(step, int) else f".{step[:_SHOWN_FIELD]}"
    return f"'{path.lstrip('.')}'" if path else "The body"


_FIELDS = tuple(field.alias or name for name, field in Generate.model_fields.items())
