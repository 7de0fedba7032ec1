"""The playground on fake providers: what its suites share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.clock import SystemClock
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from core.tables import Tenant
from tests.builders import person
from tests.wire.server import WireServer

GPT, CLAUDE = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """A fake of the providers, over real HTTP."""
    with WireServer() as server:
        yield server


@pytest.fixture
def proctor(sqlite_url: str, wire: WireServer) -> Iterator[Runtime]:
    """A Proctor whose providers are the fake, with the sample schemas."""
    settings = Settings(
        database_url=sqlite_url,
        demo=False,
        local_model="off",
        openai_base_url=wire.openai_url,
        anthropic_base_url=wire.anthropic_url,
        model_primary=GPT,
        model_fallback=CLAUDE,
    )
    runtime = running.build(settings, SystemClock())
    runtime.schemas.load_samples(person("test"))
    running.install(runtime)
    st.cache_data.clear()
    yield runtime
    running.install(None)
    runtime.close()


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """A tenant."""
    return proctor.tenants.create(LOCAL_OPERATOR, "Acme")


def told(page: AppTest) -> str:
    """Return what a page says in sentences, without the signs that keep names from being Markdown."""
    elements = (*page.markdown, *page.caption, *page.info, *page.warning, *page.error, *page.success)
    return " ".join(element.value for element in elements).replace("\\", "")
