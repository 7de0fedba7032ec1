"""Children that end when their parent does, however that went: who kills a bench leaves no servers behind."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def ending_with_parent(how: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """Return what a child is to do before it begins, as ``preexec_fn`` has it; nothing where the system cannot.

    The system sends *how* when the thread ends that started it, so it is for children of a main thread.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: nothing may be loaded behind it

    def ask() -> None:
        """Ask the system for it."""
        prctl(_PR_SET_PDEATHSIG, int(how), 0, 0, 0)

    return ask
