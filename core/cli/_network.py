"""How the providers are reached from this machine: name, connection, certificate and list of models, one by one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

if TYPE_CHECKING:
    from core.provider_checks import ProviderChecks
    from core.settings import Settings

_AT_ONCE = 16
_STEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ReachedProvider:
    """How one provider was reached."""

    provider: str
    is_well: bool
    sentence: str


def reached(settings: Settings) -> Sequence[ReachedProvider]:
    """Return how each provider that is set up is reached, side by side; nothing of it is kept or costs anything."""
    from core.capabilities import Cards, Listings  # noqa: PLC0415 who asks for help waits for no vendor's SDK
    from core.clock import SystemClock  # noqa: PLC0415
    from core.provider_checks import ProviderChecks  # noqa: PLC0415
    from core.providers import load  # noqa: PLC0415
    from core.providers.loop import Loop  # noqa: PLC0415
    from core.store import Store  # noqa: PLC0415

    names = [name for name in settings.remote_providers if settings.has_provider(name)]
    store, loop, clock = Store(settings.database_url, creates=False), Loop(), SystemClock()
    providers = {name: load(name, settings) for name in names}
    listings = Listings(store, clock, Cards(settings, clock))
    checks = ProviderChecks(settings=settings, providers=providers, listings=listings, loop=loop, clock=clock)
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            addresses = [settings.address(name) for name in names]
            return list(pool.map(partial(_reached, checks), names, addresses))
    finally:
        for one in providers.values():
            loop.run(one.close())
        loop.close()
        store.close()


def _reached(checks: ProviderChecks, name: str, address: str) -> ReachedProvider:
    """Go step by step, up to the first that fails; a proxy goes the first of them in our stead."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    is_direct = parts.scheme not in getproxies() or bool(proxy_bypass(host))
    said = f"{host}:{port}: asked through the proxy that the environment names"
    if is_direct:
        is_well, found = asyncio.run(_connected(host, port, is_secure=parts.scheme == "https"))
        said = f"{host}:{port}: {found}"
        if not is_well:
            return ReachedProvider(name, is_well=False, sentence=said)
    is_well, sentence = checks.look(name)
    return ReachedProvider(name, is_well, f"{said}. {sentence}")


async def _connected(host: str, port: int, *, is_secure: bool) -> tuple[bool, str]:
    """Return whether a connection can be opened, and the steps on the way; nothing is sent over it."""
    try:
        async with asyncio.timeout(_STEP_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port)
    except (OSError, TimeoutError):
        return False, "its name is not resolved: look at the address that is set, and at this machine's DNS."
    steps = f"resolved to {found[0][4][0]}"
    try:
        async with asyncio.timeout(_STEP_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except TimeoutError:
        return False, f"{steps}, no connection within {_STEP_SECONDS:.0f} s: a firewall may drop it."
    except OSError as error:
        return False, f"{steps}, no connection: {(error.strerror or 'it failed').lower()}."
    steps += ", connected"
    if not is_secure:
        return True, f"{steps} without TLS"
    try:
        async with asyncio.timeout(_STEP_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
    except ssl.SSLCertVerificationError as error:
        return False, f"{steps}, its certificate is not trusted here: {error.verify_message}."
    except (OSError, TimeoutError):
        return False, f"{steps}, no TLS: another kind of server may stand there."
    return True, f"{steps}, {version}"
