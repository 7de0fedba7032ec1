"""Which models a key may name: the list and one of it, in the dialect of whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.api.asked_dialect import asking
from core.api.dialect_answers import answered, in_dialect
from core.api.in_flight import Ending
from core.api.native import Native
from core.api.refusals import request_id_of
from core.dialects import Dialect, DialectName
from core.documents import as_json
from core.errors import Invalid
from core.policy import NamedModel, TenantSnapshot
from core.principals import Principal
from core.runtime import Runtime

USUAL_PAGE = 20
MOST_OF_A_PAGE = 1000

Answer = Callable[[TenantSnapshot, Principal], Any]


class ModelDoors:
    """The two addresses."""

    def __init__(self, runtime: Runtime, native: Native) -> None:
        self._runtime = runtime
        self._native = native
        self.routes = [
            Route("/models", self._list, methods=["GET"]),
            Route("/models/{model:path}", self._one, methods=["GET"]),
        ]

    async def _list(self, request: Request) -> Response:
        dialect = asking(request)
        listed = _page if dialect.name is DialectName.MESSAGES else _everything
        return await self._answered(
            dialect, request, lambda snapshot, principal: listed(snapshot.models(principal), request.query_params)
        )

    async def _one(self, request: Request) -> Response:
        dialect, name = asking(request), request.path_params["model"]
        told = _told_by_anthropic if dialect.name is DialectName.MESSAGES else _told_by_openai
        return await self._answered(
            dialect, request, lambda snapshot, principal: told(snapshot.model(principal, name, dialect.name))
        )

    async def _answered(self, dialect: Dialect, request: Request, answer: Answer) -> Response:
        read = partial(self._read, dialect, request_id_of(request), answer)
        return await in_dialect(dialect, request, self._native.read(request, read))

    def _read(self, dialect: Dialect, request_id: str, answer: Answer, secret: str) -> Response:
        principal = self._runtime.policies.authenticate(secret)
        document = answer(self._runtime.policies.snapshot(principal.tenant_id or ""), principal)
        return answered(dialect, Ending(200, as_json(document), {}, streamed=False), request_id)


def _everything(models: Sequence[NamedModel], asked: QueryParams) -> dict[str, Any]:  # noqa: ARG001 it has no pages
    return {"object": "list", "data": [_told_by_openai(one) for one in models]}


def _page(models: Sequence[NamedModel], asked: QueryParams) -> dict[str, Any]:
    """Return a part of the list, as long as was asked for, behind one model or before another."""
    limit, after, before = asked.get("limit", str(USUAL_PAGE)), asked.get("after_id"), asked.get("before_id")
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= 4 and 1 <= int(limit) <= MOST_OF_A_PAGE):
        raise Invalid(f"'limit' is a whole number from 1 to {MOST_OF_A_PAGE}.", param="limit")
    if after is not None and before is not None:
        raise Invalid("Give 'after_id' or 'before_id', not both.", param="after_id")
    size, begins, ends = int(limit), 0, len(models)
    if after is not None:
        begins = _place(models, after, "after_id") + 1
    elif before is not None:
        ends = _place(models, before, "before_id")
        begins = max(0, ends - size)
    shown = models[begins : min(ends, begins + size)]
    return {
        "data": [_told_by_anthropic(one) for one in shown],
        "has_more": begins > 0 if before is not None else begins + size < len(models),
        "first_id": shown[0].name if shown else None,
        "last_id": shown[-1].name if shown else None,
    }


def _place(models: Sequence[NamedModel], name: str, param: str) -> int:
    found = next((place for place, one in enumerate(models) if one.name == name), None)
    if found is None:
        raise Invalid(f"'{param}' names no model of this list: {name[:80]!r}.", param=param)
    return found


def _told_by_openai(one: NamedModel) -> Mapping[str, Any]:
    return {"id": one.name, "object": "model", "created": 0, "owned_by": one.provider or "proctor"}


def _told_by_anthropic(one: NamedModel) -> Mapping[str, Any]:
    """Return a model as Anthropic lists it; when it was made is not known, and then its rule is to say 1970."""
    return {
        "type": "model",
        "id": one.name,
        "display_name": one.title,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
    }
