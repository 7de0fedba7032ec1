"""The doors to what a vendor stores: a response that was made here, to whoever made it."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.api.dialect_answers import answered, in_dialect
from core.api.in_flight import Ending
from core.api.native import Native
from core.api.refusals import request_id_of
from core.dialects import DIALECTS, DialectName, passed_query
from core.errors import Invalid, NotFound
from core.principals import Permission
from core.runtime import Runtime
from core.stored_calls import Verb

_ID = re.compile(r"[A-Za-z0-9_-]{1,256}")


class StoredDoors:
    """``/v1/responses/{id}``, and what is below it."""

    def __init__(self, runtime: Runtime, native: Native) -> None:
        self._runtime = runtime
        self._native = native
        self._dialect = DIALECTS[DialectName.RESPONSES]
        one = "/responses/{response_id}"
        self.routes = [
            Route(one, self._door("get", ""), methods=["GET"]),
            Route(one, self._door("delete", ""), methods=["DELETE"]),
            Route(f"{one}/input_items", self._door("get", "/input_items"), methods=["GET"]),
            Route(f"{one}/cancel", self._door("post", "/cancel"), methods=["POST"]),
        ]

    def _door(self, verb: Verb, part: str) -> Any:
        async def door(request: Request) -> Response:
            read = partial(self._asked, request, verb, part)
            return await in_dialect(self._dialect, request, self._native.read(request, read))

        return door

    def _asked(self, request: Request, verb: Verb, part: str, secret: str) -> Response:
        principal = self._runtime.policies.authenticate(secret)
        principal.require(Permission.GENERATIONS_READ if verb == "get" else Permission.GENERATIONS_WRITE)
        if request.query_params.get("stream", "false").lower() != "false":
            raise Invalid("'stream' is not taken here: a stored response comes whole. Leave it out.", param="stream")
        response_id = request.path_params["response_id"]
        if not _ID.fullmatch(response_id):
            raise NotFound(f"Response with id '{response_id[:256]}' not found.")
        query = passed_query(request.query_params.multi_items())
        told = self._runtime.stored_calls.response(principal.tenant_id or "", response_id, verb, part, query)
        ending = Ending(told.status, told.body, dict(told.headers), streamed=False)
        return answered(self._dialect, ending, request_id_of(request))
