"""Console and API in one process: ``streamlit run app.py``, as ``proctor serve`` does it.

Streamlit finds the application by reading this file, so the assignment to ``app`` must stay as plain as it is.
"""

from __future__ import annotations

import gc
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config

from core.api.exports import ExportDoor
from core.api.gate import Gate
from core.api.middleware import Apart, RequestIds
from core.api.oidc_sign_in import OidcSignIn
from core.api.operations import operations
from core.api.served import API, EXPORTS, SIGN_IN
from core.api.sign_in import SignIn, tell_first_link
from core.api.startup import Startup, check_settings
from core.api.visitors import Visitors
from pages._exports import find
from pages._served import FORCED, FRAMEWORK, pages

if TYPE_CHECKING:
    from core.runtime import Runtime

HEAVY = ("pandas", "pyarrow", "altair", "streamlit.elements.vega_charts", "streamlit.elements.arrow")
"""What the pages need and what takes long to import."""


def settle(runtime: Runtime) -> None:
    """Prepare what the first page needs; runs once the API serves, beside it."""
    tell_first_link(runtime)
    if runtime.settings.demo:
        runtime.demo.start_in_background()
    for name in HEAVY:
        import_module(name)
    # Every thread waits while all garbage is collected. What is there now stays, so it need not be looked at again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)  # what a call leaves in circles is little, and to look for it was a part in thirty


def show(error: Exception) -> bool:
    """Show what ended a page or a part of it that is drawn by itself, where that is known; return whether it is."""
    shown: bool = import_module("pages.kit.page").show_fault(error)  # which loads all of the core
    return shown


settings = check_settings()
for option, value in FORCED.items():
    config.set_option(option, value)
startup = Startup(settle=settle)
app = st.App(
    Path(__file__).with_name("pages") / "_frame.py",
    routes=[
        *operations(startup),
        *SignIn(startup, pages()).routes,
        *OidcSignIn(startup, pages(), settings).routes,
        *ExportDoor(startup, find).routes,
    ],
    middleware=[
        Middleware(RequestIds),
        Middleware(
            Gate,
            settings=settings,
            served=[*API, *SIGN_IN, *EXPORTS, *FRAMEWORK, *pages()],
            count=startup.count_refused,
            visitors=Visitors(startup),
        ),
        Middleware(Apart, path="/v1", to=startup),
    ],
    lifespan=startup.lifespan,
    on_script_error=show,
)
