"""What the OpenAPI says of the doors that speak a vendor's dialect: ours of them, and where the vendor's own stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

_OPENAI, _ANTHROPIC = "https://platform.openai.com/docs/api-reference", "https://platform.claude.com/docs/en/api"
_TEXT: Mapping[str, Any] = {"type": "string"}
_MAYBE: Mapping[str, Any] = {"type": ["string", "null"]}
_MESSAGES: Mapping[str, Any] = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "object", "required": ["role"], "properties": {"role": {"type": "string", "minLength": 1}}},
}
_MODEL: Mapping[str, Any] = {
    "type": "string",
    "description": "A route's name, `provider/name`, or the vendor's name of a model; `GET /models` lists them.",
}
SCHEMAS: Mapping[str, Any] = {
    "OpenAIError": {
        "type": "object",
        "description": "An error as OpenAI's SDKs read it.",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message"],
                "properties": {"message": _TEXT, "type": _MAYBE, "param": _MAYBE, "code": _MAYBE},
            }
        },
    },
    "AnthropicError": {
        "type": "object",
        "description": "An error as Anthropic's SDKs read it.",
        "required": ["type", "error"],
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "required": ["type", "message"],
                "properties": {"type": _TEXT, "message": _TEXT},
            },
            "request_id": _TEXT,
        },
    },
    "NamedModel": {
        "type": "object",
        "description": "A route or a model, as OpenAI lists it, or Anthropic where `x-api-key` was sent.",
        "required": ["id"],
        "properties": {"id": _TEXT, "object": _TEXT, "owned_by": _TEXT, "type": _TEXT, "display_name": _TEXT},
    },
    "NamedModels": {
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/NamedModel"}}},
    },
    "TokenCount": {
        "type": "object",
        "required": ["input_tokens"],
        "properties": {"input_tokens": {"type": "integer", "minimum": 0}},
    },
}
_SAID: Mapping[int, str] = {
    400: "The request cannot be used, is blocked by a guardrail, or a header is not of its form.",
    401: "No key was sent, or one that is not known here.",
    402: "The tenant's budget does not cover what this could cost.",
    403: "The key may not do this, or a flag is off for its tenant.",
    404: "There is no such model or stored response, or not for this key.",
    408: "The body did not come in time.",
    409: "The first request under this `Idempotency-Key` is not answered yet, or its answer is not kept.",
    413: "The body is too large.",
    422: "The `Idempotency-Key` is another request's.",
    429: "A limit of the tenant, of an address on unknown keys, or of the vendor is reached.",
    499: "The caller left before the answer came.",
    500: "Proctor failed, or the vendor did.",
    502: "Every model was tried and none answered.",
    503: "Too many requests wait already, the database or a vendor does not answer, or the server is stopping.",
    504: "As 502, and the last attempt ran out of time.",
}
_READS = (400, 401, 403, 404, 429, 500, 503)


def describe(router: APIRouter) -> None:
    """Add the doors to what *router* documents; it serves none of them."""
    either = {"oneOf": [_TEXT, {"type": "array", "minItems": 1, "items": {"type": "object"}}]}
    relays: tuple[tuple[str, str, str, str, Mapping[str, Any]], ...] = (
        ("chat/completions", "OpenAIError", f"{_OPENAI}/chat/create", "messages", _MESSAGES),
        ("responses", "OpenAIError", f"{_OPENAI}/responses/create", "input", either),
        ("messages", "AnthropicError", f"{_ANTHROPIC}/messages", "messages", _MESSAGES),
    )
    for name, error, vendor, member, value in relays:
        add(
            router,
            f"POST /{name}",
            summary=f"Relay to {name.replace('/', ' ')}",
            description=_PASSES,
            vendor=vendor,
            answers=_relayed(error),
            body={"model": _MODEL, member: value, "stream": {"type": "boolean"}},
            required=["model", member],
            parameters=[_REASK, _GUARDRAILS],
        )
    add(
        router,
        "POST /messages/count_tokens",
        summary="Estimate the tokens of a message",
        description="No vendor is asked, nothing is paid: `X-Proctor-Estimated: true` says that it is our estimate.",
        vendor=f"{_ANTHROPIC}/messages-count-tokens",
        answers={
            200: _told("TokenCount", "About how many tokens it has."),
            **_errors("AnthropicError", *_READS, 408, 413, 422, 499),
        },
        body={"model": _MODEL, "messages": _MESSAGES},
        required=["model", "messages"],
    )
    for operation, summary, told, parameters in (
        ("GET /responses/{response_id}", "Read a stored response again", "The vendor's answer.", _READ),
        ("DELETE /responses/{response_id}", "Delete a stored response", "The vendor's answer.", ()),
        ("GET /responses/{response_id}/input_items", "List what a stored response was asked", "A page of it.", _LISTED),
        ("POST /responses/{response_id}/cancel", "Cancel a stored response", "The vendor's answer.", ()),
    ):
        add(
            router,
            operation,
            summary=summary,
            description=_STORED,
            vendor=f"{_OPENAI}/responses",
            answers={
                200: {"description": told, "content": {"application/json": {"schema": {"type": "object"}}}},
                **_errors("OpenAIError", *_READS),
                **_vendors("OpenAIError"),
            },
            parameters=[_parameter("response_id", "path"), *parameters],
        )
    both = "In OpenAI's shape; in Anthropic's where `anthropic-version` or `x-api-key` is sent."
    for path, name, summary, parameters in (
        ("/models", "NamedModels", "List what a key may name as a model", _PAGED),
        ("/models/{model}", "NamedModel", "Look up one of them", [_parameter("model", "path")]),
    ):
        add(
            router,
            f"GET {path}",
            summary=summary,
            description=both,
            vendor=f"{_OPENAI}/models",
            answers={200: _told(name, "Routes first, then models."), **_errors(None, *_READS)},
            parameters=parameters,
        )


_PASSES = (
    "The body goes to the vendor as it came, but for model, limit and the wish for usage; its answer and its events "
    "come back as they are. The vendor's own document says what both hold; an error of the vendor's keeps its status."
)

_STORED = (
    "Asked of the vendor that stores it, with the key that made it; what is not the tenant's own is not found, whether "
    "it is there or not. It costs nothing and is no generation."
)


def add(
    router: APIRouter,
    operation: str,
    *,
    summary: str,
    description: str,
    vendor: str,
    answers: dict[int | str, dict[str, Any]],
    body: Mapping[str, Any] | None = None,
    required: Sequence[str] = (),
    parameters: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Document one operation, such as ``GET /models``."""
    method, path = operation.split()
    extra: dict[str, Any] = {"externalDocs": {"url": vendor, "description": "The vendor's own document."}}
    if body is not None:
        schema = {"type": "object", "required": list(required), "properties": body}
        content = {"application/json": {"schema": schema}}
        extra["requestBody"] = {"required": True, "content": content}
    if parameters:
        extra["parameters"] = list(parameters)
    router.add_api_route(
        path,
        _elsewhere,
        methods=[method],
        operation_id=f"{method.lower()}{path.replace('/', '_').replace('{', '').replace('}', '')}",
        summary=summary,
        description=description,
        response_class=Response,
        responses=answers,
        openapi_extra=extra,
    )


async def _elsewhere(_request: Request) -> Response:
    """Stand in the document for an address that another route serves."""
    raise NotImplementedError


def _relayed(error: str) -> dict[int | str, dict[str, Any]]:
    answer = {
        "description": "The vendor's answer; with `stream`, its events.",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}},
    }
    return {200: answer, **_errors(error, *_SAID), **_vendors(error)}


def _vendors(error: str) -> dict[int | str, dict[str, Any]]:
    return {"default": {"description": "The vendor's error.", "content": _content(error)}}


def _told(name: str, what: str) -> dict[str, Any]:
    return {"description": what, "content": _content(name)}


def _errors(name: str | None, *statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": _SAID[status], "content": _content(name)} for status in sorted(statuses)}


def _content(name: str | None) -> dict[str, Any]:
    either = [{"$ref": f"#/components/schemas/{one}"} for one in ("OpenAIError", "AnthropicError")]
    schema = {"anyOf": either} if name is None else {"$ref": f"#/components/schemas/{name}"}
    return {"application/json": {"schema": schema}}


def _parameter(name: str, place: str) -> Mapping[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}


_READ = [_parameter("include", "query")]
_LISTED = [_parameter(name, "query") for name in ("after", "before", "include", "limit", "order")]
_REASK = {
    "name": "X-Proctor-Reask",
    "in": "header",
    "required": False,
    "description": "How often Proctor asks again by itself for an invalid answer.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 10},
}
_GUARDRAILS = {
    "name": "X-Proctor-Guardrails",
    "in": "header",
    "required": False,
    "description": "Guardrails for this call beside those of your tenant: a JSON list of checks.",
    "schema": {"type": "string"},
}
_PAGED = [_parameter(name, "query") for name in ("limit", "after_id", "before_id")]
