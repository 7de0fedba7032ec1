"""Starting again needs no network."""

from __future__ import annotations

import subprocess
from pathlib import Path

from core.settings import ROOT
from tests.e2e.console import make_run


def test_a_second_start_fetches_nothing(tmp_path: Path) -> None:
    """On an environment and a database that are there, the console starts without a network and installs nothing."""
    with make_run(tmp_path, DEMO="false", LOCAL_MODEL="off"):
        pass
    offline = {"UV_OFFLINE": "1", "PIP_NO_INDEX": "1"}
    with make_run(tmp_path, DEMO="false", LOCAL_MODEL="off", **offline) as console:
        assert "nstalled" not in console.log.read_text()


def test_a_taken_port_is_told_in_one_sentence(tmp_path: Path) -> None:
    """Where something else listens, the start ends at once and says which variable to change."""
    with make_run(tmp_path, DEMO="false", LOCAL_MODEL="off") as console:
        started = {"cwd": ROOT, "env": console.environment, "stdin": subprocess.DEVNULL, "timeout": 60}
        second = subprocess.run(["make", "run"], capture_output=True, text=True, check=False, **started)
    assert second.returncode != 0
    assert f"PORT {console.port}" in second.stderr
    assert "Traceback" not in second.stderr
