"""The API put together: routes, problems, and the document that describes them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, cast

from fastapi import APIRouter, FastAPI
from pydantic.json_schema import models_json_schema
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Scope

from core.api import absent, bodies, calls, dialect_documentation, figures, problems, spend
from core.api.manage import Manage
from core.api.manage import bodies as manage_bodies
from core.api.manage import endpoints as manage_endpoints
from core.api.middleware import Faults
from core.api.model_doors import ModelDoors
from core.api.native import Native
from core.api.problems import internal_error
from core.api.refusals import as_asked
from core.api.relay_doors import RelayDoors
from core.api.stored_doors import StoredDoors
from core.api.token_counts import TokenCounts
from core.runtime import Runtime

_DESCRIPTION = (
    "Governed structured output: an object that satisfies a schema, with every provider call behind it on record. "
    "Every error is `application/problem+json` with a stable `code`, but at the doors that speak a vendor's dialect, "
    "where it is that vendor's; every answer carries `X-Request-ID`."
)
_DOCUMENTED = (
    bodies.Generation,
    bodies.Partial,
    bodies.Patch,
    bodies.Event,
    bodies.Problem,
    bodies.Schemas,
    spend.Spend,
    calls.ListedCalls,
    figures.QueriedFigures,
)


class _Api(FastAPI):
    """The API, without what FastAPI does around each request for routes of its own kind."""

    def build_middleware_stack(self) -> ASGIApp:
        """Return our routes, with how a refusal and a fault are answered.

        FastAPI's own are for the document alone: what fits one of them and none of ours is not there.
        """
        handlers: Any = self.exception_handlers
        ours = Router(
            [one for one in self.router.routes if type(one) in {Route, WebSocketRoute}], redirect_slashes=False
        )
        return Faults(ExceptionMiddleware(ours, handlers=handlers), answer=_fault)


def assemble(runtime: Runtime) -> FastAPI:
    """Return the API over *runtime*."""
    api = _Api(
        title="Proctor",
        version=version("proctor"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours is elsewhere, and to look costs each call
    )
    native = api.state.native = Native(runtime)
    api.router.routes[:0] = [
        *RelayDoors(runtime, native).routes,  # what is asked most comes first: each route is tried in turn
        *native.routes,
        *Manage(runtime, native).routes,
        *ModelDoors(runtime, native).routes,
        *TokenCounts(runtime, native).routes,
        *StoredDoors(runtime, native).routes,
    ]
    problems.install(api)
    absent.install(api)
    api.openapi = lambda: _document(api)
    return api


def _fault(scope: Scope, error: Exception) -> Response:
    return as_asked(HTTPConnection(scope), internal_error(error))


def _document(api: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI: FastAPI's, with our bodies, which it does not see, and the key that every call needs."""
    if api.openapi_schema is None:
        router: APIRouter = api.state.native.router
        dialect_documentation.describe(router)
        manage_endpoints.describe(router)
        api.include_router(router)
        document = FastAPI.openapi(api)
        components = document.setdefault("components", {})
        components["schemas"] = _schemas()
        components["securitySchemes"] = {
            "tenant_key": {"type": "http", "scheme": "bearer", "description": "A key: `proctor_…`."},
            "tenant_key_header": {
                "type": "apiKey",
                "in": "header",
                "name": "x-api-key",
                "description": "The same key.",
            },
        }
        document["security"] = [{"tenant_key": []}, {"tenant_key_header": []}]
    return cast("dict[str, Any]", api.openapi_schema)


def _schemas() -> dict[str, Any]:
    template = "#/components/schemas/{model}"
    taken = (bodies.Generate, *manage_bodies.ALL)
    _, asked = models_json_schema([(one, "validation") for one in taken], ref_template=template)
    _, told = models_json_schema([(model, "serialization") for model in _DOCUMENTED], ref_template=template)
    return asked["$defs"] | told["$defs"] | dict(dialect_documentation.SCHEMAS)
