"""Whoever is killed leaves no children behind that were started so."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.children import ending_with_parent

_PARENT = """
import subprocess, sys, time
from tests.children import ending_with_parent
child = "import time; time.sleep(15); print('outlived it')"
made = subprocess.Popen([sys.executable, "-c", child], preexec_fn=ending_with_parent())
print(made.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(ending_with_parent() is None, reason="this system has no such word")
def test_a_child_ends_with_its_parent() -> None:
    """Killed as it may be, the parent's child is gone: it holds its output open for as long as it lives."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline().strip().isdecimal()
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    assert parent.stdout.read() == "", "its output has ended before it said a word"
    parent.stdout.close()
