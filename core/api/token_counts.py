"""``POST /v1/messages/count_tokens``: about how many tokens a message has, told without asking anybody."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.api import problems
from core.api.dialect_answers import answered, in_dialect, refused
from core.api.in_flight import Ending, InFlightRequest
from core.api.native import Native
from core.api.problem import Problem
from core.api.refusals import request_id_of
from core.api.relay_answer import RelayAnswer
from core.api.response_headers import ESTIMATED
from core.dialects import DIALECTS, DialectName
from core.documents import as_json
from core.errors import ProctorError
from core.requests import RelayCall
from core.runtime import Runtime

_DIALECT = DIALECTS[DialectName.MESSAGES]


class TokenCounts:
    """The address."""

    def __init__(self, runtime: Runtime, native: Native) -> None:
        self._runtime = runtime
        self._native = native
        self.routes = [Route(f"{_DIALECT.path}/count_tokens", self._door, methods=["POST"])]

    async def _door(self, request: Request) -> Response:
        return await in_dialect(_DIALECT, request, self._answered(request))

    async def _answered(self, request: Request) -> Response:
        request_id = request_id_of(request)
        call, first = await self._native.begun(request, self._counted)
        if isinstance(first, Problem):
            problems.tell(first)
            return answered(_DIALECT, refused(_DIALECT, first, None, request_id), request_id)
        call.close()
        return answered(_DIALECT, cast("Ending", first), request_id)

    # In a thread.

    def _counted(self, call: InFlightRequest, secret: str, body: bytes, request_id: str, arrived: float) -> Ending:
        """Return the count; whatever happens is an end."""
        sent = RelayAnswer(call, _DIALECT, request_id, self._runtime.clock)
        try:
            principal = self._runtime.policies.authenticate(secret)
            asked = RelayCall(request=_DIALECT.read(body), request_id=request_id, arrived=arrived)
            tokens = self._runtime.generator.count_tokens(asked, principal)
        except ProctorError as error:
            return sent.refused(error)
        except Exception as error:  # noqa: BLE001 this is where a fault of ours becomes an answer
            return sent.broken(error)
        return Ending(200, as_json({"input_tokens": tokens}), {ESTIMATED: "true"}, streamed=False)
