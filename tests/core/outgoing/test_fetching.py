"""A fetch goes where it was judged to go, takes no longer and no more than it may, and tells nothing of our network."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest

from core.outgoing import Fetched, NotFetched, Outgoing
from tests.wire.certified import certified
from tests.wire.scripted import Scripted, ScriptedServer

HERE = (ip_network("127.0.0.1/32"),)
FOUND = Scripted(b'{"found": true}')
RIGHT = b"found"


class Names:
    """A resolver that answers as it is told, one answer after the other; the last comes again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


def fetched(outgoing: Outgoing, written: str, seconds: float = 5.0, most_bytes: int = 10_000) -> Fetched:
    """Return what is fetched from an address as somebody wrote it."""
    return outgoing.fetch(outgoing.require_allowed(written), seconds=seconds, most_bytes=most_bytes)


def refused(outgoing: Outgoing, written: str, **bounds: float) -> tuple[str, str]:
    """Return why nothing is fetched, and the sentence."""
    with pytest.raises(NotFetched) as told:
        fetched(outgoing, written, **bounds)  # pyright: ignore[reportArgumentType]
    return told.value.reason, str(told.value)


@pytest.fixture
def server() -> ScriptedServer:
    """A server on loopback that says whether it was asked."""
    return ScriptedServer()


@pytest.mark.parametrize(
    "answers",
    [
        [["127.0.0.1"]],
        [["93.184.216.34", "127.0.0.1"]],
        [["93.184.216.34", "::1"]],
        [["fe80::1%eth0"]],
        [["::ffff:127.0.0.1"]],
        [["169.254.169.254"]],
    ],
    ids=str,
)
def test_a_name_that_leads_inside_is_not_connected_to(server: ScriptedServer, answers: Sequence[Sequence[str]]) -> None:
    """One address that is not public is enough, and nothing is asked of anybody."""
    with server:
        server.plays(FOUND)
        names, port = Names(*answers), server.anthropic_url.rpartition(":")[2]
        assert refused(Outgoing(resolve=names), f"https://guard.example:{port}/")[0] == "not_allowed"
        assert (names.asked, server.heard) == (["guard.example"], [])


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_judged(server: ScriptedServer) -> None:
    """A name that answers otherwise a moment later leads nowhere else; a connection that is kept asks nobody."""
    with server:
        server.plays(FOUND)
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        outgoing, port = Outgoing(HERE, resolve=names), server.anthropic_url.rpartition(":")[2]
        for _ in range(2):
            assert RIGHT in fetched(outgoing, f"http://guard.example:{port}/a?b=%5C").body
        assert names.asked == ["guard.example"]
        assert server.heard[0] == ("/a?b=%5C", server.heard[0][1])
        assert server.heard[0][1]["host"] == f"guard.example:{port}"
        outgoing.close()


def test_tls_is_with_the_name_and_not_with_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate has to be that of the name, which the server is told too."""
    serving, _ = certified(tmp_path, "guard.example")
    told: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: told.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with ScriptedServer(serving) as server:
        server.plays(FOUND)
        outgoing = Outgoing(HERE, resolve=Names(["127.0.0.1"]))
        port = server.anthropic_url.rpartition(":")[2]
        assert RIGHT in fetched(outgoing, f"https://guard.example:{port}/").body
        assert refused(outgoing, f"https://other.example:{port}/")[0] == "unreachable"
        assert told == ["guard.example", "other.example"]
        outgoing.close()


def test_what_is_not_encrypted_goes_to_networks_of_ones_own_alone(server: ScriptedServer) -> None:
    """A network that is allowed makes no public host one to which anything may go in the clear."""
    outgoing = Outgoing((ip_network("10.0.0.0/8"),), resolve=Names(["93.184.216.34"]))
    assert refused(outgoing, "http://guard.example/")[0] == "not_allowed"
    assert refused(Outgoing(resolve=Names(["93.184.216.34"])), "http://guard.example/")[0] == "not_allowed"
    assert refused(Outgoing(), "ftp://guard.example/")[0] == "not_allowed"


ENDLESS = Scripted(b"x" * 100_000, cuts=range(0, 100_000, 10), pause_seconds=0.05)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Scripted(b"x" * 20_000), "too_large"),
        (Scripted(gzip.compress(b"x" * 20_000_000), headers={"content-encoding": "gzip"}), "odd"),
        (Scripted(is_silent=True), "timeout"),
        (ENDLESS, "timeout"),
        (Scripted(hangs_up=True), "odd"),
        (Scripted(b"1234", is_broken_off=True), "odd"),
        (Scripted(b"1", headers={"content-length": "many", "transfer-encoding": ""}), "odd"),
    ],
    ids=["too large", "a bomb", "silent", "dripping", "hung up", "broken off", "no HTTP"],
)
def test_an_answer_has_a_time_and_a_size(server: ScriptedServer, answer: Scripted, reason: str) -> None:
    """All in all, whatever each of its pieces takes; what is encoded might have any size and is not taken."""
    with server:
        server.plays(answer)
        outgoing = Outgoing(HERE)
        assert refused(outgoing, server.anthropic_url, seconds=0.4)[0] == reason
        outgoing.close()


def test_a_redirect_is_not_followed(server: ScriptedServer) -> None:
    """It is an answer like another, so nobody is sent to where nobody has looked."""
    with server:
        server.plays(Scripted(b"", status=302, headers={"location": "http://127.0.0.1:1/"}), FOUND)
        outgoing = Outgoing(HERE)
        assert fetched(outgoing, server.anthropic_url).status == 302
        assert len(server.heard) == 1
        outgoing.close()


def test_a_name_that_is_not_resolved_in_time_counts_into_the_time() -> None:
    """Who hangs at the resolver is left."""
    hangs = threading.Event()

    def resolve(host: str, port: int) -> Sequence[str]:
        hangs.wait(20)
        return []

    assert refused(Outgoing(resolve=resolve), "https://guard.example/", seconds=0.2)[0] == "timeout"
    hangs.set()

    def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror

    assert refused(Outgoing(resolve=unknown), "https://guard.example/")[0] == "unreachable"
    assert refused(Outgoing(resolve=Names([])), "https://guard.example/")[0] == "unreachable"


def test_nobody_learns_what_stands_inside(server: ScriptedServer) -> None:
    """There are two sentences: it may not be fetched, or could not be; no port, address or banner is in either."""
    with server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server.plays(Scripted(hangs_up=True))
        ports = server.anthropic_url.rpartition(":")[2], closed.getsockname()[1]
        outside, inside = Outgoing(resolve=Names(["10.0.0.5"])), Outgoing(HERE, resolve=Names(["127.0.0.1"]))
        assert len({refused(outside, f"https://guard.example:{port}/")[1] for port in (*ports, 443)}) == 1
        assert len({refused(inside, f"http://guard.example:{port}/")[1] for port in ports}) == 1
        assert (
            len({refused(outside, written)[1] for written in ("https://10.0.0.5/", "https://127.1/", "nothing")}) == 1
        )


def test_the_environment_adds_nothing(server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its proxy, which would resolve for us, nor the passwords that it keeps for hosts."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login u password p\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with server:
        server.plays(FOUND)
        outgoing = Outgoing(HERE)
        assert RIGHT in fetched(outgoing, server.anthropic_url).body
        assert "authorization" not in server.heard[0][1]
        outgoing.close()


def test_a_proxy_of_the_settings_is_asked_by_name(server: ScriptedServer) -> None:
    """It resolves, so of a host its name is judged; the proxy itself may stand anywhere."""
    with server:
        server.plays(Scripted(b"", status=403))
        names = Names(["127.0.0.1"])
        outgoing = Outgoing(HERE, proxy=server.anthropic_url, resolve=names)
        assert refused(outgoing, "https://guard.example/")[0] == "unreachable"
        assert [place for place, _ in server.heard] == ["guard.example:443"]
        for inside in ("https://guard.internal/", "https://localhost/", "http://guard.example/", "https://10.0.0.1/"):
            assert refused(outgoing, inside)[0] == "not_allowed"
        outgoing.close()
