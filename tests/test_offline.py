"""The guard that keeps tests on this machine."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests import offline


def test_a_stray_connection_is_refused_and_remembered() -> None:
    """A connection to another machine raises at once and stays on record for the test's end."""
    with pytest.raises(offline.StrayConnection):
        socket.create_connection(("192.0.2.1", 443))
    assert offline.strays == ["192.0.2.1"]
    offline.strays.clear()


def test_a_stray_name_is_not_even_looked_up() -> None:
    """A host name other than localhost is refused before a resolver hears of it."""
    with pytest.raises(offline.StrayConnection):
        socket.getaddrinfo("provider.example", 443)
    assert offline.strays == ["provider.example"]
    offline.strays.clear()


def test_the_event_loop_is_watched_too() -> None:
    """An event loop connects through its own calls, and is refused all the same."""

    async def stray() -> None:
        """Try to leave."""
        with pytest.raises(offline.StrayConnection):
            await asyncio.open_connection("192.0.2.1", 443)

    asyncio.run(stray())
    assert offline.strays == ["192.0.2.1"]
    offline.strays.clear()


def test_loopback_is_free() -> None:
    """A server on this machine can be reached by address and by name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, port)).close()
    assert offline.strays == []
