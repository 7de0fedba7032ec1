"""The deployment: its database, its demo world, its health, and serving it."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import click

from core.cli._command import Output, command, proctor, show_progress
from core.cli._operator import OPERATOR
from core.errors import Misconfigured

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.settings import Settings


@command(proctor, "demo")
@click.option("--remove", is_flag=True, help="Take the demo world away again, and nothing else.")
def demo(runtime: Runtime, *, remove: bool) -> Output:
    """Make the demo world.

    It is a few tenants with thirty days of history, marked as demo, and can be removed.
    """
    if remove:
        rows = {table: count for table, count in runtime.demo.remove(OPERATOR).items() if count}
        said = f"The demo world is removed: {sum(rows.values()):,} rows." if rows else "There was no demo world."
        return Output({"removed": rows}, said)
    with ThreadPoolExecutor(1) as apart:
        making = apart.submit(runtime.demo.make, OPERATOR)
        while not making.done():
            wait([making], 0.5)
            show_progress(runtime.demo.status.sentence)
        making.result()
    tenants = [tenant.name for tenant in runtime.tenants.list(OPERATOR) if tenant.is_demo]
    return Output({"demo_tenants": tenants}, f"The demo world is there: {', '.join(tenants)}.")


@command(proctor, "migrate", needs_runtime=False)
def migrate(settings: Settings) -> Output:
    """Bring the database to this release's shape.

    The sample schemas are added where they are missing. Nothing is lost, and running it again changes nothing.
    """
    from core.clock import SystemClock  # noqa: PLC0415
    from core.schemas import Schemas  # noqa: PLC0415
    from core.store import NEWEST, Store  # noqa: PLC0415

    store = Store(settings.database_url)
    try:
        store.check()
        was_there = store.is_migrated()
        store.migrate()
        added = Schemas(store, SystemClock()).load_samples(OPERATOR)
    finally:
        store.close()
    samples = f" Sample schemas added: {', '.join(added)}." if added else ""
    state = "was" if was_there else "is now"
    return Output(
        {"revision": NEWEST, "changed": not was_there, "schemas_added": added},
        f"The database {state} at revision {NEWEST}.{samples}",
    )


@command(proctor, "serve", needs_runtime=False)
@click.option("--demo", is_flag=True, help="Let a first start make the demo world, unless DEMO says otherwise.")
def serve(settings: Settings, *, demo: bool) -> Output:
    """Serve console and API on HOST and PORT until stopped."""
    import socket  # noqa: PLC0415

    from core.settings import ROOT  # noqa: PLC0415
    from core.settings import environment as own_environment  # noqa: PLC0415

    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise Misconfigured(
                f"PORT {settings.port} on {settings.host} cannot be used: {error.strerror}. "
                "Stop what listens there, or set PORT to another."
            ) from None
    sys.stdout.flush()
    streamlit = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")]
    listening = ["--server.port", str(settings.port), "--server.address", settings.host]
    # Many threads would each get a heap of their own from the C library and keep it: two are enough, and 15 MB less.
    environment = {"MALLOC_ARENA_MAX": "2", **own_environment()}
    if demo and "demo" not in settings.model_fields_set:
        environment["DEMO"] = "true"
    os.execve(sys.executable, streamlit + listening, environment)  # noqa: S606 our own interpreter, no shell
