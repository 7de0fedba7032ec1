"""What a call is asked with beside the schema and the input: a system text, the mode, the length, the parameters."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.requests import CallSettings
from core.routes import MODES, PARAMETERS
from pages.kit import formats

AS_THE_ROUTE = "as the route has it"
SYSTEM, MODE, LENGTH = "system", "mode", "max_tokens"
"""Keys of the session's state; a parameter's is its name behind ``parameter_``."""


def choose() -> tuple[str, CallSettings | None]:
    """Draw the fold; return the system text, empty for none, and the settings, ``None`` for the route's own."""
    with st.expander("System text and parameters", icon=":material/tune:", key="settings"):
        system = st.text_area(
            "System text",
            key=SYSTEM,
            height=100,
            persist_state="session",
            placeholder="What holds for every input. It goes out before it, as the system message.",
        )
        left, right = st.columns(2, gap="small")
        with left:
            mode = st.selectbox(
                "Mode",
                [AS_THE_ROUTE, *MODES],
                key=MODE,
                persist_state="session",
                help="How the model is held to the schema: by a tool, by the vendor's JSON Schema, by JSON, by words.",
            )
        with right:
            length = st.number_input(
                "Most tokens of an answer",
                1,
                200_000,
                None,
                key=LENGTH,
                persist_state="session",
                placeholder=AS_THE_ROUTE,
            )
        given: dict[str, Any] = {}
        with st.grid(3, min_column_width=120, gap="small"):
            for name, allowed in PARAMETERS.items():
                given[name] = _parameter(name, allowed)
        st.caption("What is left empty is the route's. A vendor is sent those that its wire knows.")
    settings = CallSettings(
        mode=None if mode == AS_THE_ROUTE else mode,
        max_tokens=length,
        parameters={name: value for name, value in given.items() if value is not None},
    )
    if told := _told((system or "").strip(), settings):
        st.caption(f":material/tune: Set for this call: {told}.")
    return (system or "").strip(), None if settings == CallSettings() else settings


def _told(system: str, settings: CallSettings) -> str:
    """Return in words what is set, as the fold hides it."""
    said = ["a system text"] if system else []
    said += [f"mode {settings.mode}"] if settings.mode else []
    said += [f"at most {formats.plural(settings.max_tokens, 'token')}"] if settings.max_tokens else []
    said += [f"{name.replace('_', ' ')} {value}" for name, value in settings.parameters.items()]
    return ", ".join(said)


def _parameter(name: str, allowed: tuple[Any, ...] | None) -> Any:
    """Draw the field of one parameter; return its value, ``None`` where the route decides."""
    label, key = name.replace("_", " ").capitalize(), f"parameter_{name}"
    if allowed is None:
        return st.number_input(label, 0, 2**31 - 1, None, key=key, persist_state="session", placeholder=formats.UNKNOWN)
    if isinstance(allowed[0], str):
        return st.selectbox(label, allowed, None, key=key, persist_state="session", placeholder=formats.UNKNOWN)
    low, high = (float(end) for end in allowed)
    return st.number_input(label, low, high, None, 0.1, key=key, persist_state="session", placeholder=formats.UNKNOWN)
