"""Providers: who is set up, what it speaks, who uses it, which keys rest, and how it fared."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import streamlit as st
from pydantic import SecretStr

from core import runtime as running
from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.providers import KeyRejected
from core.runtime import Runtime
from core.servers import named_servers
from core.settings import Settings
from tests.pages.conftest import Open


@pytest.fixture
def proctor(sqlite_url: str, page_clock: ManualClock) -> Iterator[Runtime]:
    """A Proctor with OpenAI, and a server of two keys beside it."""
    given = {"GROQ_EU_API_KEY": "gsk-canary-one gsk-canary-two", "GROQ_EU_MODELS": "llama"}
    settings = Settings(
        database_url=sqlite_url,
        demo=False,
        local_model="off",
        openai_api_key=SecretStr("sk-canary-of-the-page"),
        model_primary="gpt-4o-mini",
        providers=named_servers("groq-eu", given.get),
    )
    runtime = running.build(settings, page_clock)
    running.install(runtime)
    st.cache_data.clear()
    yield runtime
    running.install(None)
    runtime.close()


def test_each_provider_has_its_line(open_page: Open, proctor: Runtime) -> None:
    """Kind, state, dialect, address, number of keys, models and routes; nothing of a key."""
    page = open_page("providers")

    assert not page.exception
    lines = page.table[0].value
    assert list(lines.index) == ["openai", "anthropic", "compatible", "groq-eu", "local"]
    groq = lines.loc["groq-eu"]
    assert (groq["Kind"], groq["Speaks"], groq["Keys"], groq["Models"]) == (
        "Groq",
        "chat, responses",
        "2",
        "`llama`",
    )
    assert groq["Where"] == "`https://api.groq.com/openai/v1`"
    assert ["Set up" in cell for cell in lines["State"]] == [True, False, False, True, False]
    assert lines.loc["openai"]["Routes"] == "`default`"
    assert "canary" not in str(lines.to_dict())


def test_a_key_that_rests_is_told_by_its_place(open_page: Open, proctor: Runtime) -> None:
    """Which, why, and for how long."""
    ring = proctor.providers["groq-eu"]._wire.keys
    ring.after(ring.take(), KeyRejected("no"))

    told = open_page("providers").table[0].value.loc["groq-eu"]["State"]
    assert re.search(r":orange-badge\[:material/bedtime: key 1 of 2: turned away, (300|29\d) s more\]", told)


def test_a_provider_of_many_routes_names_the_first_few(open_page: Open, proctor: Runtime) -> None:
    """Its line stays a line: the others are counted."""
    for number in range(5):
        proctor.routes.set(LOCAL_OPERATOR, f"route-{number}", [{"model": "openai/gpt-4o-mini"}])

    told = open_page("providers").table[0].value.loc["openai"]["Routes"]
    assert told == "`default`, `route-0`, `route-1` and 3 more"
