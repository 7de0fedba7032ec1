"""Why a connection came to nothing is said in words: no name of a class stands on a page or in an answer."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from core.providers import Unreachable
from core.providers._connections import why_broken
from core.providers.loop import Loop
from core.providers.openai import OpenAI
from tests.core.providers.test_openai import ask, send

NOWHERE = ConnectionKey("nowhere.example", 443, True, True, None, None, None)


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """The thread of provider calls."""
    made = Loop()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("causes", "said"),
    [
        ([socket.gaierror(-2, "Name or service not known")], "found no address of that name"),
        ([TimeoutError(), ConnectionRefusedError(errno.ECONNREFUSED, "refused")], "was refused"),
        ([ConnectionResetError()], "broke off"),
        ([BrokenPipeError()], "broke off"),
        ([ssl.SSLCertVerificationError("self-signed")], "certificate that is not trusted"),
        ([ssl.SSLError("wrong version")], "no TLS that both sides speak"),
        ([TimeoutError()], "took too long"),
        ([OSError(errno.ENETUNREACH, "unreachable")], "no way through the network"),
        ([aiohttp.ClientConnectorError(NOWHERE, OSError(errno.EACCES, "denied"))], "could not be made"),
        ([aiohttp.ClientPayloadError("half")], "before the answer was whole"),
        ([aiohttp.ServerDisconnectedError()], "before the answer was whole"),
        ([OSError()], "broke off"),
    ],
)
def test_each_way_to_fail_is_told_in_words(causes: list[BaseException], said: str) -> None:
    """What is true of the innermost cause goes before how the transport calls it."""
    assert said in why_broken(causes)
    assert not any(letter.isupper() for letter in why_broken(causes).replace("TLS", ""))


@pytest.mark.parametrize(
    ("url", "said"),
    [("http://127.0.0.1:9/v1", "nobody listens"), ("http://no-such-host.invalid/v1", "no address of that name")],
)
def test_the_one_who_asks_reads_them(url: str, said: str, loop: Loop) -> None:
    """Of a real connection, through the vendor's SDK."""
    provider = OpenAI(name="compatible", api_key="unused", base_url=url)
    with pytest.raises(Unreachable) as failed:
        send(loop, provider.open(ask()))
    loop.run(provider.close())
    assert said in failed.value.message
    assert "Error" not in failed.value.message
