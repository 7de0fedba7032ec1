"""What the OpenAPI says about each operation: its words, its answers and every way of failing."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from core.api import calls as listing
from core.api import figures as asking
from core.api import spend as spending
from core.api.problem import MEDIA_TYPE
from core.api.sent_bodies import MOST_BODY_BYTES


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what is said of each way of failing."""
    said = {
        400: "A header cannot be used; `detail` names it.",
        401: "No key was sent, or one that is not known here.",
        402: "The tenant's budget does not cover what this could cost; `resets_at` says when it resets.",
        403: "The key may not do this, or a flag is off for its tenant.",
        404: "The request names a schema, route or generation that is not there.",
        408: "The body did not come in time.",
        409: "The first request under this `Idempotency-Key` is not answered yet, or its answer is not kept.",
        412: "It is not as `If-Match` says it was seen; `present` is how it is now.",
        413: f"The body has more than {MOST_BODY_BYTES} bytes.",
        422: "The request cannot be used, is blocked, or has another's `Idempotency-Key`; `code` tells which.",
        428: "The request does not say of which state it is a change.",
        429: "A limit of the tenant, or of an address on unknown keys, is reached; `Retry-After` says when to return.",
        499: "The caller left before the answer came.",
        500: "Proctor failed.",
        502: "Every model was tried and none gave a valid object; `attempts` shows what each did.",
        503: "Too many requests wait already, the database does not answer, or the server is stopping.",
        504: "As 502, and the last attempt ran out of time.",
    }
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": said[status], "content": {MEDIA_TYPE: schema}} for status in statuses}


_STREAM = (
    "event: partial\n"
    'data: {"value":{"vendor":"Nordlicht"},"attempt":1}\n\n'
    "event: final\n"
    'data: {"id":"019ab…","value":{…},"outcome":"valid_first_try",…}\n\n'
)
GENERATE: dict[str, Any] = {
    "operation_id": "generate",
    "summary": "Generate an object",
    "description": (
        "Reads the input and answers with an object that satisfies the schema. Invalid answers are asked again, and "
        "failing models give way to the next one, as the route allows; `attempts` shows every provider call.\n\n"
        "With `stream: true` the answer is `text/event-stream`: events `partial` as the object grows (a `Partial`), or "
        "with `partials: patch` events `patch` (a `Patch`), then one event `final` (a `Generation`) or `error` (a "
        "`Problem`). What is refused before the first event is an ordinary problem with its own status."
    ),
    "response_class": Response,
    "responses": {
        200: {
            "description": "The object, and everything that came of the request.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Generation"}},
                "text/event-stream": {"schema": {"$ref": "#/components/schemas/Event"}, "example": _STREAM},
            },
        },
        **problems(400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 499, 500, 502, 503, 504),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Generate"},
                    "examples": {
                        "registered": {
                            "summary": "A registered schema",
                            "value": {
                                "schema": "invoice@production",
                                "input": "Invoice 2031 of Nordlicht GmbH, due 14 May: 3 lamps at 40 EUR.",
                            },
                        },
                        "inline": {
                            "summary": "A schema of one's own, streamed",
                            "value": {
                                "schema": {
                                    "title": "city",
                                    "type": "object",
                                    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
                                    "required": ["name", "people"],
                                },
                                "messages": [{"role": "user", "content": "Bern has 134 000 inhabitants."}],
                                "stream": True,
                            },
                        },
                    },
                }
            },
        }
    },
}
GENERATION: dict[str, Any] = {
    "operation_id": "generation",
    "summary": "Read a generation again",
    "description": (
        "The same document that `POST /generate` answered, or would have answered had it not been refused. "
        "`value` is null once the tenant's retention has passed."
    ),
    "response_class": Response,
    "responses": {
        200: {
            "description": "The generation.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Generation"}}},
        },
        **problems(401, 403, 404, 422, 429, 500, 503),
    },
}
SCHEMAS: dict[str, Any] = {
    "operation_id": "schemas",
    "summary": "List the schemas",
    "description": "Every registered schema with its versions, labels and JSON Schemas.",
    "response_class": Response,
    "responses": {
        200: {
            "description": "The schemas, by name.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Schemas"}}},
        },
        **problems(401, 403, 429, 500, 503),
    },
}
CALLS: dict[str, Any] = {"response_class": Response} | listing.operation(problems(401, 403, 422, 429, 500, 503))
QUERY: dict[str, Any] = {"response_class": Response} | asking.operation(problems(401, 403, 422, 429, 500, 503))
SPEND: dict[str, Any] = {"response_class": Response} | spending.operation(problems(401, 403, 422, 429, 500, 503))
