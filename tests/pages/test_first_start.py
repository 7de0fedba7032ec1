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
    ("phase", "tenants", "is_over"),
    [("making", [], False), ("making", ["Acme"], True), ("ready", [], True), ("failed", [], True)],
)
def test_the_page_is_drawn_anew_when_the_waiting_is_over(phase: str, tenants: list[str], is_over: bool) -> None:  # noqa: FBT001
    """A tenant that came meanwhile ends the waiting, and so does the end of the making."""

    def script(phase: str, tenants: list[str]) -> None:
        from types import SimpleNamespace

        import streamlit as st

        from pages import _parts

        class Demo:
            """Being made when the page asks; in *phase* when the part that looks again does."""

            is_asked = False

            @property
            def status(self) -> SimpleNamespace:
                now, self.is_asked = phase if self.is_asked else "making", True
                return SimpleNamespace(phase=now)

        st.session_state["runs"] = st.session_state.get("runs", 0) + 1
        if st.session_state["runs"] == 1:
            runtime = SimpleNamespace(demo=Demo(), tenants=SimpleNamespace(list=lambda: tenants))
            _parts.awaits_demo(SimpleNamespace(runtime=runtime))

    page = AppTest.from_function(script, args=(phase, tenants)).run()

    assert not page.exception
    assert page.session_state["runs"] == (2 if is_over else 1)
    assert _heads(page) == ([] if is_over else [AWAITED])


def _stand(proctor: Runtime, phase: str) -> None:
    status = SimpleNamespace(phase=phase, fraction=None, sentence="It is under way.")
    running.install(dataclasses.replace(proctor, demo=SimpleNamespace(status=status)))


def _heads(page: AppTest) -> list[str]:
    return [header.value for header in page.header]
