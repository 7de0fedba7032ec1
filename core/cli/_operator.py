"""Who sits at the command line, as the audit trail tells of him: an operator of this machine, under his user's name."""

from __future__ import annotations

import getpass
import socket
from dataclasses import replace

from core.principals import LOCAL_OPERATOR


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run under a number that has no name
        return "someone"


OPERATOR = replace(LOCAL_OPERATOR, door=f"the command line, as {_user()}@{socket.gethostname()}")
"""Whose user's name it is, the system says; nobody has shown a password to Proctor."""
