"""Every endpoint of the management API: what it is about, what it takes, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core.api.documentation import problems
from core.api.manage import bodies, shared_things, things

REASON = "X-Proctor-Reason"
"""The header that says why."""
LINES = "application/x-ndjson"
"""What a file of lines is called."""


class EndpointKind(StrEnum):
    """How an endpoint is answered, and which headers it asks for."""

    LIST = "list"
    READ = "read"
    MAKE = "make"
    CHANGE = "change"
    """The fields that are sent; the others stay."""
    PUT = "put"
    """All of it, made where it is not there."""
    REMOVE = "remove"
    ACT = "act"
    """What is sent once, of a state that was seen."""
    ACT_UNSEEN = "act unseen"
    GIVE_OUT = "give out"
    """A file of lines, made anew for whoever asks again."""

    @property
    def changes(self) -> bool:
        """Whether it decides something, and may be told why."""
        return self not in {EndpointKind.LIST, EndpointKind.READ}

    @property
    def needs_match(self) -> bool:
        """Whether it says of which state it is a change."""
        return self in {EndpointKind.CHANGE, EndpointKind.PUT, EndpointKind.REMOVE, EndpointKind.ACT}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint."""

    method: str
    path: str
    kind: EndpointKind
    do: Callable[..., Any]
    summary: str
    body: type[bodies.Body] | None = None
    show: Callable[[things.Asked], things.Document] | None = None
    """Reads what is to be changed."""
    query: tuple[str, ...] = ()
    below: str = "/manage"

    @property
    def address(self) -> str:
        """Where it is, below the API's own."""
        return self.below + self.path

    @property
    def route(self) -> str:
        """Its address as it is matched: the name of a flag may hold a slash, as a model's does."""
        return self.address.replace("{flag}", "{flag:path}")

    @property
    def parameters(self) -> list[str]:
        """The names that its address holds."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


_TENANT, _KEY = "/tenants/{tenant}", "/keys/{key}"
_BUDGET, _RAISE = f"{_TENANT}/budgets/{{budget}}", f"{_TENANT}/budgets/{{budget}}/raises"
_GUARDRAIL = "/guardrails/{guardrail}"
_FLAG, _ROUTE, _SCHEMA, _PRICE = "/flags/{flag}", "/routes/{route}", "/schemas/{schema}", "/prices/{price}"
_LABEL = f"{_SCHEMA}/labels/{{label}}"
_OF_TENANT = ("tenant",)
K, T, A, B = EndpointKind, things, shared_things, bodies

ENDPOINTS = (
    Endpoint("GET", "/tenants", K.LIST, T.tenants, "List the tenants"),
    Endpoint("POST", "/tenants", K.MAKE, T.new_tenant, "Make a tenant", B.NewTenant),
    Endpoint("GET", _TENANT, K.READ, T.tenant, "Read a tenant"),
    Endpoint("PATCH", _TENANT, K.CHANGE, T.change_tenant, "Change a tenant and its limits", B.TenantChange, T.tenant),
    Endpoint("GET", f"{_TENANT}/erasures", K.LIST, T.erasures, "List the certificates of users that were erased"),
    Endpoint("POST", f"{_TENANT}/erasures", K.MAKE, T.erase_user, "Erase all that is kept of a user", B.NamedUser),
    Endpoint(
        "POST", f"{_TENANT}/exports", K.GIVE_OUT, T.export_user, "Give out all that is kept of a user", B.NamedUser
    ),
    Endpoint("GET", "/keys", K.LIST, T.key_page, "List keys", query=_OF_TENANT),
    Endpoint("POST", "/keys", K.MAKE, T.new_key, "Make a key; its text is told this once", B.NewKey),
    Endpoint("POST", "/keys/revoke-by-text", K.ACT_UNSEEN, T.revoke_by_text, "Revoke a key that leaked", B.KeyText),
    Endpoint("GET", _KEY, K.READ, T.key, "Read a key, without its text"),
    Endpoint("PATCH", _KEY, K.CHANGE, T.change_key, "Change what a key may do", B.KeyChange, T.key),
    Endpoint("DELETE", _KEY, K.REMOVE, T.revoke_key, "Revoke a key", show=T.key),
    Endpoint("POST", f"{_KEY}/rotate", K.ACT, T.rotate_key, "Give a key a new text", B.Rotation, T.key),
    Endpoint("GET", f"{_TENANT}/budgets", K.LIST, T.budgets, "List a tenant's budgets"),
    Endpoint("POST", f"{_TENANT}/budgets", K.MAKE, T.new_budget, "Set a budget where there is none", B.NewBudget),
    Endpoint("GET", _BUDGET, K.READ, T.budget, "Read a budget and how it stands"),
    Endpoint("PATCH", _BUDGET, K.CHANGE, T.change_budget, "Change a budget", B.BudgetChange, T.budget),
    Endpoint("DELETE", _BUDGET, K.REMOVE, T.remove_budget, "Let a budget govern no longer", show=T.budget),
    Endpoint("POST", _RAISE, K.ACT, T.new_raise, "Add money to a budget for a while", B.NewRaise, T.budget),
    Endpoint("DELETE", f"{_RAISE}/{{raise}}", K.REMOVE, T.withdraw_raise, "End a raise now", show=T.budget),
    Endpoint("GET", "/flags", K.LIST, A.flags, "List the flags", query=_OF_TENANT),
    Endpoint("GET", _FLAG, K.READ, A.flag, "Read a flag", query=_OF_TENANT),
    Endpoint("PUT", _FLAG, K.CHANGE, A.set_flag, "Turn a flag on or off", B.FlagRule, A.flag, _OF_TENANT),
    Endpoint("DELETE", _FLAG, K.REMOVE, A.clear_flag, "Take a flag's rule away", show=A.flag, query=_OF_TENANT),
    Endpoint("GET", "/guardrails", K.LIST, A.guardrails, "List the rules of the guardrails", query=_OF_TENANT),
    Endpoint("GET", _GUARDRAIL, K.READ, A.guardrail, "Read a rule", query=_OF_TENANT),
    Endpoint(
        "PUT", _GUARDRAIL, K.PUT, A.set_guardrail, "Make or change a rule", B.GuardrailRule, A.guardrail, _OF_TENANT
    ),
    Endpoint("DELETE", _GUARDRAIL, K.REMOVE, A.remove_guardrail, "Remove a rule", show=A.guardrail, query=_OF_TENANT),
    Endpoint("GET", "/routes", K.LIST, A.routes, "List the routes"),
    Endpoint("GET", _ROUTE, K.READ, A.route, "Read a route"),
    Endpoint("PUT", _ROUTE, K.PUT, A.set_route, "Make or change a route", B.RouteRule, A.route),
    Endpoint("DELETE", _ROUTE, K.REMOVE, A.remove_route, "Remove a route", show=A.route),
    Endpoint("GET", "/schemas", K.LIST, A.schemas, "List the schemas"),
    Endpoint("POST", "/schemas", K.MAKE, A.new_version, "Add a version of a schema", B.NewVersion),
    Endpoint("GET", _SCHEMA, K.READ, A.schema, "Read a schema and its labels"),
    Endpoint("GET", _LABEL, K.READ, A.label, "Read which version a label names"),
    Endpoint("PUT", _LABEL, K.PUT, A.set_label, "Let a label name a version", B.LabelRule, A.label),
    Endpoint("DELETE", _LABEL, K.REMOVE, A.remove_label, "Take a label away", show=A.label),
    Endpoint("GET", "/prices", K.LIST, A.prices, "List the price overrides"),
    Endpoint("POST", "/prices", K.MAKE, A.new_price, "Say what a model costs from a time on", B.NewPrice),
    Endpoint("GET", _PRICE, K.READ, A.price, "Read a price override"),
    Endpoint("DELETE", _PRICE, K.REMOVE, A.withdraw_price, "Withdraw a price override", show=A.price),
    Endpoint("POST", "/changes", K.MAKE, A.new_change, "Write down what was changed elsewhere", B.NewChange, below=""),
)


def describe(router: APIRouter) -> None:
    """Add every endpoint to *router* as it is documented; it is served by another route."""
    for one in ENDPOINTS:
        router.add_api_route(
            one.address,
            _elsewhere,
            methods=[one.method],
            operation_id=_name(one),
            summary=one.summary,
            description=_told(one),
            response_class=Response,
            status_code=_status(one),
            responses=_responses(one),
            openapi_extra=_extra(one),
            tags=["manage"],
        )


async def _elsewhere(_request: Request) -> Response:
    """Stand in the document for an address that another route serves."""
    raise NotImplementedError


def _name(one: Endpoint) -> str:
    return f"manage_{one.do.__name__}"


def _told(one: Endpoint) -> str:
    told = "A key of scope `manage`: of one tenant, which sees and changes that alone, or of the deployment."
    if one.kind.needs_match:
        told += " Send `If-Match` with the `ETag` that was read."
    if one.kind is EndpointKind.PUT:
        told += " Send `If-None-Match: *` to make what is not there."
    return told


def _status(one: Endpoint) -> int:
    return {EndpointKind.MAKE: 201, EndpointKind.REMOVE: 204}.get(one.kind, 200)


def _responses(one: Endpoint) -> dict[int | str, dict[str, Any]]:
    statuses = {400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503}
    if one.kind.needs_match:
        statuses |= {412, 428}
    etag = {"ETag": {"schema": {"type": "string"}, "description": "Names this state."}}
    answer: dict[str, Any] = {"description": "Done." if one.kind is EndpointKind.REMOVE else "As it now is."}
    if one.kind is not EndpointKind.REMOVE:
        answer["content"] = {"application/json": {"schema": {"type": "object"}}}
    if one.kind is EndpointKind.LIST:
        properties = {"items": {"type": "array", "items": {"type": "object"}}, "next": {"type": ["string", "null"]}}
        listed = {"type": "object", "required": ["items", "next"], "properties": properties}
        answer = {
            "description": "Some of them; `next` is what `after` takes.",
            "content": {"application/json": {"schema": listed}},
        }
    elif one.kind is EndpointKind.GIVE_OUT:
        lines = {"schema": {"type": "string"}}
        answer = {"description": "JSON lines; the last one has the type `end`.", "content": {LINES: lines}}
    elif one.kind is not EndpointKind.REMOVE:
        answer["headers"] = etag
    made = {200: answer, 201: answer} if one.kind is EndpointKind.PUT else {_status(one): answer}
    return {**made, **problems(*sorted(statuses))}


def _extra(one: Endpoint) -> dict[str, Any]:
    parameters = [_parameter(name, "path") for name in one.parameters]
    parameters += [_parameter(name, "query") for name in one.query]
    if one.kind is EndpointKind.LIST:
        parameters.append(_parameter("after", "query"))
        limit = {"type": "integer", "minimum": 1, "maximum": 200, "default": 100}
        parameters.append(_parameter("limit", "query") | {"schema": limit})
    if one.kind.needs_match:
        parameters.append(_parameter("If-Match", "header"))
    if one.kind is EndpointKind.PUT:
        parameters.append(_parameter("If-None-Match", "header"))
    if one.method == "POST":
        parameters.append(_parameter("Idempotency-Key", "header"))
    if one.kind.changes:
        parameters.append(_parameter(REASON, "header") | {"schema": {"type": "string", "maxLength": 500}})
    extra: dict[str, Any] = {"parameters": parameters}
    if one.body is not None:
        schema = {"$ref": f"#/components/schemas/{one.body.__name__}"}
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return extra


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}
