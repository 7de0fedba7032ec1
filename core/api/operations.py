"""For whoever runs the deployment: is the process alive, can it work, how is it doing. No key is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hmac import compare_digest
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.api.problem import Problem
from core.api.reachability import Reachability
from core.database_faults import DatabaseFault
from core.own_limits import NO_DESCRIPTORS, descriptors_left
from core.telemetry import log

if TYPE_CHECKING:
    from core.runtime import Runtime

ROOM = 8
"""So many files and connections must be left to open for ``/ready`` to call the process well."""
CHECK_SECONDS = 3.0
"""How long ``/ready`` waits for the store before it calls it down."""
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ServingProcess(Protocol):
    """What is asked about."""

    @property
    def runtime(self) -> Runtime | None:
        """Its Proctor; ``None`` until that has started."""
        ...

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        ...


def operations(process: ServingProcess) -> list[Route]:
    """Return the routes that tell about *process*."""
    asked = _Operations(process)
    return [
        Route("/health", asked.health, methods=["GET"]),
        Route("/ready", asked.ready, methods=["GET"]),
        Route("/metrics", asked.metrics, methods=["GET"]),
    ]


class _Operations:
    def __init__(self, process: ServingProcess) -> None:
        self._process = process
        self._reachability: Reachability | None = None
        self._checking: asyncio.Task[dict[str, Any]] | None = None
        self._told_shape = "ok"
        self._alive = orjson.dumps({"status": "ok", "version": version("proctor")})

    async def health(self, _request: Request) -> Response:
        """Say that the process is alive."""
        return _json(self._alive)

    async def ready(self, _request: Request) -> Response:
        """Say whether generations can be served. Providers that cannot be reached are named; others may answer."""
        runtime = self._process.runtime
        if runtime is None or self._process.is_stopping:
            status = "starting" if runtime is None else "stopping"
            return _json(orjson.dumps({"status": status, "parts": {}}), 503)
        parts = await self._parts(runtime)
        self._tell_shape(parts["migrations"])
        parts["process"] = _process()
        is_ready = all(parts[name]["status"] == "ok" for name in ("store", "migrations", "process"))
        parts["providers"] = self._providers(runtime)
        parts["chores"] = _chores(runtime)
        parts["workers"] = {"status": "down", "detail": why} if (why := runtime.workers.trouble) else {"status": "ok"}
        document = {"status": "ready" if is_ready else "not_ready", "parts": parts}
        return _json(orjson.dumps(document, option=orjson.OPT_UTC_Z), 200 if is_ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Give the metrics in Prometheus' text format, to whoever brings the token if there is one."""
        if (runtime := self._process.runtime) is None:
            return Response(b"", 503, media_type=_METRICS_TYPE)
        if not _may_read(request, runtime.settings.metrics_token):
            return Problem(
                status=401,
                code="unauthenticated",
                title="Token needed",
                detail="The metrics are read with the token of METRICS_TOKEN. Send 'Authorization: Bearer TOKEN'.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return Response(await run_in_threadpool(runtime.metrics.text), media_type=_METRICS_TYPE)

    async def _parts(self, runtime: Runtime) -> dict[str, Any]:
        """Check the parts. One check runs at a time, however many ask: a dead database must not eat the threads."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(run_in_threadpool(_check, runtime))
        try:
            return dict(await asyncio.wait_for(asyncio.shield(self._checking), CHECK_SECONDS))
        except TimeoutError:
            unknown = {"status": "unknown"}
            store = _told(runtime.store.condition.fault or DatabaseFault.SLOW)
            return {"store": store, "migrations": unknown, "limits": unknown, "redis": unknown}

    def _tell_shape(self, found: Mapping[str, str]) -> None:
        """Log once that the tables are not, or are again, of this release's shape: a start would have refused them."""
        status = found["status"]
        if status in {self._told_shape, "unknown"}:
            return
        self._told_shape = status
        if status == "ok":
            log().warning("database_recovered")
        else:
            log().error("database_fault", reason=status, detail=found["detail"])

    def _providers(self, runtime: Runtime) -> dict[str, Any]:
        if self._reachability is None:
            self._reachability = Reachability(runtime.settings, runtime.clock)
        found: dict[str, Any] = {
            name: {"status": reached.status, "checked_at": reached.checked_at}
            for name, reached in self._reachability.now().items()
        }
        if runtime.settings.runs_local_model:
            found["local"] = {"status": runtime.local_model.status.phase}
        return found


def _check(runtime: Runtime) -> dict[str, Any]:
    """Return the state of store, migrations, limits and Redis. The last two never make the process not ready."""
    shared = runtime.shared
    is_up = _holds(shared.check)
    redis = ("ok" if is_up else "down") if shared.is_set else "not_set"
    found: dict[str, Any] = {
        "limits": {"status": "ok" if is_up else "down", "shared": shared.is_set},
        "redis": {"status": redis, "down_since": shared.down_since},
    }
    store = runtime.store
    try:
        # What was written last went well, or the heartbeat would have noticed within seconds: no probe needs a write
        # of its own, until one is known to have failed.
        store.check() if store.condition.fault is None else store.check_writing()
        shape = store.shape()
    except Exception as error:  # noqa: BLE001 whatever a driver raises, it is down
        return {"store": _told(_reason(error)), "migrations": {"status": "unknown"}, **found}
    migrations = {"status": "ok"} if shape is None else {"status": shape.value, "detail": shape.sentence}
    return {"store": {"status": "ok"}, "migrations": migrations, **found}


def _process() -> dict[str, Any]:
    """Return whether this process has what it needs for calls."""
    if descriptors_left(ROOM):
        return {"status": "ok"}
    return {"status": "down", "reason": "no_descriptors", "detail": NO_DESCRIPTORS}


def _reason(error: Exception) -> DatabaseFault:
    return DatabaseFault(getattr(error, "facts", {}).get("reason", DatabaseFault.DOWN))


def _told(fault: DatabaseFault) -> dict[str, Any]:
    return {"status": "down", "reason": fault.value, "detail": fault.sentence}


def _chores(runtime: Runtime) -> dict[str, Any]:
    """Return how the chores stand. They never make the process unready: it still answers."""
    return {
        one.chore.name: {
            "status": one.state,
            "last_success_at": one.last_success_at,
            "duration_seconds": one.duration_seconds,
            "failures": one.failures,
            "trouble": one.trouble,
        }
        for one in runtime.chores.status()
    }


def _holds(check: Any) -> bool:
    try:
        return bool(check())
    except Exception:  # noqa: BLE001 whatever a driver raises, it is down
        return False


def _may_read(request: Request, token: SecretStr | None) -> bool:
    if token is None:
        return True
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.strip().encode(), token.get_secret_value().encode())


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")
