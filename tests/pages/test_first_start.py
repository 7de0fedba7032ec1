"""The first seconds of a first start, when the demo world has no tenant yet."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.runtime import Runtime
from tests.pages.conftest import Open

AWAITED = "The demo world is being made"


@pytest.mark.parametrize("name", ["playground", "tenants"])
def test_without_a_tenant_yet_the_page_waits_for_the_demo_world(proctor: Runtime, open_page: Open, name: str) -> None:
    """While one is about to come nobody is told to make one."""
    _stand(proctor, "making")

    page = open_page(name)

    assert not page.exception
    assert _heads(page) == [AWAITED]


@pytest.mark.parametrize(("name", "then"), [("playground", "No tenant to pay for it"), ("tenants", "No tenants yet")])
@pytest.mark.parametrize("phase", ["none", "failed", "removing"])
def test_nobody_waits_for_what_does_not_come(
    proctor: Runtime, open_page: Open, name: str, then: str, phase: str
) -> None:
    """Where no demo world is made the page says what to do, as ever."""
    _stand(proctor, phase)

    assert _heads(open_page(name)) == [then]


@pytest.mark.parametrize(
    ("before", "now", "tenants", "shows"),
    [
        ("making", "making", [], AWAITED),
        ("none", "none", [], "What to do"),
        ("making", "making", ["Acme"], "Drawn anew"),
        ("none", "none", ["Acme"], "Drawn anew"),
        ("none", "making", [], "Drawn anew"),
        ("making", "ready", [], "Drawn anew"),
        ("making", "failed", [], "Drawn anew"),
    ],
)
def test_the_page_is_drawn_anew_when_something_came(before: str, now: str, tenants: list[str], shows: str) -> None:
    """A tenant that came after the page looked ends the waiting; so does a demo world that begins, ends or fails."""

    def script(before: str, now: str, tenants: list[str]) -> None:
        from types import SimpleNamespace

        import streamlit as st

        from pages.kit.choices import without_tenants

        class Demo:
            """In *before* when the page asks; in *now* when the part that looks again does."""

            is_asked = False

            @property
            def status(self) -> SimpleNamespace:
                phase, self.is_asked = now if self.is_asked else before, True
                return SimpleNamespace(phase=phase)

        if "is_again" in st.session_state:
            st.header("Drawn anew")
        else:
            st.session_state["is_again"] = True
            there = [SimpleNamespace(name=name) for name in tenants]
            runtime = SimpleNamespace(demo=Demo(), tenants=SimpleNamespace(list=lambda _: there))
            without_tenants(SimpleNamespace(runtime=runtime, principal=None), lambda: st.header("What to do"))

    page = AppTest.from_function(script, args=(before, now, tenants)).run()

    assert not page.exception
    assert _heads(page) == [shows]


def _stand(proctor: Runtime, phase: str) -> None:
    status = SimpleNamespace(phase=phase, fraction=None, sentence="It is under way.")
    running.install(dataclasses.replace(proctor, demo=SimpleNamespace(status=status)))


def _heads(page: AppTest) -> list[str]:
    return [header.value for header in page.header]
