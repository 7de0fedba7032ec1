"""A vendor that says what a program's table has, and a Proctor before it."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from core import runtime as running
from core.api.startup import Startup, serve
from core.clock import SystemClock
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from tests.core.api.conftest import served
from tests.doors.compared import Clients
from tests.wire.scripted import Scripted, ScriptedServer


@contextmanager
def proctor_before(vendor: ScriptedServer, folder: Path) -> Generator[Clients]:
    """Serve a Proctor with one tenant; yield its clients. No breaker opens, no limit stops them: they fail often."""
    settings = Settings(
        openai_api_key=SecretStr("sk-provider-4711"),
        anthropic_api_key=SecretStr("sk-provider-4711"),
        anthropic_base_url=vendor.anthropic_url,
        model_primary="openai/gpt-4o-mini",
        database_url=f"sqlite:///{folder / 'doors.db'}",
        local_model="off",
        demo=False,
        breaker_least_calls=10**6,
        rate_limit_per_min=10**6,
    )
    runtime = running.build(settings, SystemClock())
    runtime.store.migrate()
    key = runtime.tenants.create_key(LOCAL_OPERATOR, runtime.tenants.create(LOCAL_OPERATOR, "Acme")).secret

    begun = threading.Event()

    def begin() -> Runtime:
        vendor.plays(Scripted(status=404))
        runtime.chores.do("providers")  # it asks the vendor too: now, and not in the middle of somebody's row
        runtime.start()
        begun.set()
        return runtime

    with pytest.MonkeyPatch.context() as environment:
        # Where OpenAI's SDK looks for its own address, so that Proctor knows the vendor for OpenAI itself.
        environment.setenv("OPENAI_BASE_URL", vendor.openai_url)
        with served(serve(Startup(begin), settings)) as url:
            assert begun.wait(60)
            yield Clients(key, f"{url}/v1", url)
    runtime.store.close()


@pytest.fixture(scope="module")
def vendor() -> Iterator[ScriptedServer]:
    """The vendor."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="module")
def proctor(vendor: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """A Proctor before it."""
    with proctor_before(vendor, tmp_path_factory.mktemp("doors")) as clients:
        yield clients
