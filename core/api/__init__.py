"""The API: ``/v1`` for programs, ``/health``, ``/ready`` and ``/metrics`` for whoever runs the deployment.

``app.py`` serves it beside the console. Alone, and in several processes: ``uvicorn core.api:app --workers N``.

Nothing heavy is imported until it is asked for: the server answers ``/health`` while the rest is still being loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.applications import Starlette

    from core.runtime import Runtime

    app: Starlette

__all__ = ["create_api"]


def create_api(runtime: Runtime) -> FastAPI:
    """Return the API over *runtime*, to be mounted at ``/v1``. What it runs is ``api.state.native``."""
    from core.api.assembly import assemble  # noqa: PLC0415 as said above

    return assemble(runtime)


def __getattr__(name: str) -> Any:
    """Build the API that runs alone, when a server asks this module for its ``app``."""
    if name == "app":
        from core.api.startup import Startup, check_settings, serve  # noqa: PLC0415 only a server wants it

        globals()["app"] = serve(Startup(), check_settings())
        return globals()["app"]
    raise AttributeError(name)
