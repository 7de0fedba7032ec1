"""Runs of a page that are over before they have ended: what only they wait for is given up.

Who chooses another range, opens another page or closes the tab has the run under way stopped, and another begun. It
notices when it draws next; what it asks of a database until then is work for nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests, ScriptRequestType

from core.reports.looks import IS_LEFT


def is_stopped(asked_of: ScriptRequests | None) -> bool:
    """Whether the run that *asked_of* is about was told to stop. May be asked from any thread, and changes nothing.

    The one public way to look at it takes a request that it finds, and only the run itself may do that.
    """
    return asked_of is not None and asked_of._state is ScriptRequestType.STOP  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def stopped() -> Callable[[], bool]:
    """Return what says of the run in this thread, to any thread, whether it was told to stop."""
    context = get_script_run_ctx(suppress_warning=True)
    asked_of = context.script_requests if context is not None else None
    return lambda: is_stopped(asked_of)


def stop_if_told() -> None:
    """End the run in this thread, if it was told to."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None:
        context.yield_check()


def begin() -> None:
    """Let whatever this run asks be given up once it is told to stop."""
    IS_LEFT.set(stopped())
