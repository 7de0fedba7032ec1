"""The front door: who calls is known before the body, and who must wait is in nobody's way. Over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from core.admission import LARGE_BYTES
from core.api.door import FRESH_SECONDS, Door, WrongKeys, secret_in
from core.api.readers import Readers
from core.api.sent_bodies import MOST_BODY_BYTES
from core.clock import ManualClock, SystemClock
from core.errors import Overloaded, TooManyWrongKeys, Unauthenticated, Unavailable
from core.principals import LOCAL_OPERATOR, Principal
from core.settings import Settings
from core.telemetry import Metrics
from core.tenants import Caller, digest
from tests.conftest import START
from tests.core.api.conftest import House, eventually
from tests.heard import heard

WRONG = "prk_" + "x" * 43
GOOD = "prk_" + "y" * 43
ACME = Caller(Principal.of_key("k", "t", "prk_y"), "Acme")


def head(key: str, length: int) -> bytes:
    """Return the head of a request with a body of *length* bytes."""
    return (
        f"POST /v1/generate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def connected(url: str) -> socket.socket:
    """Return a connection."""
    return socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 10)


def sent(url: str, key: str, body: Mapping[str, Any]) -> socket.socket:
    """Send a request and return its connection."""
    connection, document = connected(url), json.dumps(body).encode()
    connection.sendall(head(key, len(document)) + document)
    return connection


def status(connection: socket.socket) -> int:
    """Return the status of the answer."""
    return int(connection.recv(65536).split(b" ", 2)[1])


def arriving(key: str | None, address: str = "192.0.2.1") -> Request:
    """Return a request as it comes to the door."""
    headers = [] if key is None else [(b"authorization", b"Bearer " + key.encode())]
    return Request({"type": "http", "headers": headers, "client": (address, 1)})


@pytest.mark.parametrize(
    "query", ["api_key=x", "API-Key=x", "access_token=x", "a=1&b=proctor_abc", "cursor=proctor%5Fabc"]
)
@pytest.mark.parametrize("key", [GOOD, None])
def test_a_key_in_an_address(query: str, key: str | None) -> None:
    """It is refused, with a good one beside it too, and nothing of it is told."""
    request = arriving(key)
    request.scope["query_string"] = query.encode()
    with pytest.raises(Unauthenticated, match="stands in the address") as refused:
        secret_in(request)
    assert "abc" not in refused.value.message


class Looks:
    """What the door may look at, and how often it did."""

    def __init__(self) -> None:
        self.revision = 1
        self.keys: dict[str, Caller] = {str(digest(GOOD)): ACME}
        self.looks = 0
        self.reads = 0
        self.fails: Exception | None = None

    def look(self) -> int:
        self.looks += 1
        if self.fails is not None:
            raise self.fails
        return self.revision

    def read(self) -> Mapping[str, Caller]:
        self.reads += 1
        return dict(self.keys)


@pytest.fixture
def looks() -> Looks:
    """A database with one key."""
    return Looks()


@pytest.fixture
def door(looks: Looks) -> Iterator[Door]:
    """A door that has not looked yet."""
    door = Door(SystemClock(), Metrics(), revision=looks.look, callers=looks.read, wrong_keys_per_min=5)
    yield door
    door.close()


class TestKeys:
    """Without a socket."""

    def test_a_known_key_costs_no_look(self, door: Door, looks: Looks) -> None:
        """What was read once opens the door as often as it comes."""

        async def come() -> None:
            for _ in range(1000):
                assert await door.caller(arriving(GOOD)) is ACME

        asyncio.run(come())
        assert (looks.looks, looks.reads) == (1, 1)

    def test_a_flood_of_wrong_keys_shares_its_looks(self, door: Door, looks: Looks) -> None:
        """Hundreds of unknown keys at once, from as many addresses, cost a look or two, and read the keys once."""

        async def come() -> list[BaseException | Caller]:
            requests = [arriving(f"{WRONG}{n}", f"192.0.2.{n % 250}:{n}") for n in range(500)]
            return await asyncio.gather(*map(door.caller, requests), return_exceptions=True)

        assert {type(one) for one in asyncio.run(come())} == {Unauthenticated}
        assert looks.looks <= 3
        assert looks.reads == 1

    def test_a_new_key_is_known_at_once(self, door: Door, looks: Looks) -> None:
        """A key that was made after the last look opens the door on its first call."""

        async def come() -> None:
            with pytest.raises(Unauthenticated):
                await door.caller(arriving(WRONG))
            looks.keys[str(digest(WRONG))], looks.revision = ACME, 2
            assert await door.caller(arriving(WRONG)) is ACME

        asyncio.run(come())

    def test_too_many_wrong_keys(self, door: Door, looks: Looks) -> None:
        """An address that guesses is sent away without a look; the key that is known passes from there all the same."""

        async def come() -> None:
            for _ in range(5):
                with pytest.raises(Unauthenticated):
                    await door.caller(arriving(WRONG))
            seen = looks.looks
            for _ in range(50):
                with pytest.raises(TooManyWrongKeys) as refused:
                    await door.caller(arriving(WRONG))
            assert looks.looks == seen
            assert 50 < refused.value.facts["retry_after_seconds"] <= 60
            assert await door.caller(arriving(GOOD)) is ACME
            with pytest.raises(Unauthenticated):
                await door.caller(arriving(WRONG, "192.0.2.2"))

        asyncio.run(come())

    def test_a_new_key_from_where_somebody_guesses(self, door: Door, looks: Looks) -> None:
        """It is known soon, without another look for each guess."""

        async def come() -> None:
            for _ in range(5):
                with pytest.raises(Unauthenticated):
                    await door.caller(arriving(WRONG))
            looks.keys[str(digest(WRONG))], looks.revision = ACME, 2
            began, caller = time.monotonic(), None
            while caller is None:
                assert time.monotonic() - began < FRESH_SECONDS + 2
                try:
                    caller = await door.caller(arriving(WRONG))
                except TooManyWrongKeys:
                    await asyncio.sleep(0.02)

        asyncio.run(come())

    @pytest.mark.parametrize("key", ["prk", "sk-wrong", "prk_" + "x" * 500, "prk_ü"])
    def test_what_cannot_be_a_key_is_not_looked_up(self, key: str, door: Door, looks: Looks) -> None:
        """It is refused in the same words, for nothing."""

        async def come() -> None:
            with pytest.raises(Unauthenticated, match="is not known here, or was revoked"):
                await door.caller(arriving(key))

        asyncio.run(come())
        assert looks.looks == (1 if key.startswith("prk_") and len(key) < 100 else 0)

    def test_without_a_database_what_is_known_still_passes(self, door: Door, looks: Looks) -> None:
        """An unknown key is told that it cannot be looked up; a known one goes on to where the database is asked."""

        async def come() -> None:
            assert await door.caller(arriving(GOOD)) is ACME
            looks.fails = Unavailable("Down.")
            with pytest.raises(Unavailable):
                await door.caller(arriving(WRONG))
            assert await door.caller(arriving(GOOD)) is ACME
            looks.fails = None
            with pytest.raises(Unauthenticated):
                await door.caller(arriving(WRONG))

        asyncio.run(come())

    def test_who_comes_during_a_look_that_knows_his_key_waits_for_no_other(
        self, door: Door, looks: Looks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Many who come at once to a server that has just started all pass by one look."""
        begun, go, read = threading.Event(), threading.Event(), door._read_revision

        def slow() -> object:
            begun.set()
            go.wait(60)
            return read()

        monkeypatch.setattr(door, "_read_revision", slow)

        async def come() -> list[Caller]:
            first = asyncio.create_task(door.caller(arriving(GOOD)))
            await asyncio.to_thread(begun.wait, 60)
            later = asyncio.create_task(door.caller(arriving(GOOD)))
            await asyncio.sleep(0)
            go.set()
            return await asyncio.gather(first, later)

        assert asyncio.run(come()) == [ACME, ACME]
        assert looks.looks == 1

    def test_a_database_that_hangs_holds_nobody_for_long(
        self, door: Door, looks: Looks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever waits for a look is told after a moment; beyond a number nobody waits for it."""
        hung = threading.Event()
        monkeypatch.setattr("core.api.door.LONGEST_LOOK_SECONDS", 0.2)
        monkeypatch.setattr("core.api.door._MOST_ASKING", 10)
        monkeypatch.setattr(door, "_read_revision", lambda: hung.wait(10) and 1)

        async def come() -> list[BaseException | Caller]:
            try:
                requests = [arriving(WRONG, f"192.0.2.{n}") for n in range(15)]
                return await asyncio.gather(*map(door.caller, requests), return_exceptions=True)
            finally:
                hung.set()

        kinds = [type(one) for one in asyncio.run(come())]
        assert (kinds.count(Unavailable), kinds.count(Overloaded)) == (10, 5)
        assert b'proctor_requests_shed_total{tenant=""} 5.0' in door._metrics.text()

    def test_addresses_are_counted_by_the_minute_and_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A minute later an address begins anew; of too many addresses the oldest is forgotten."""
        clock = ManualClock(START)
        wrong = WrongKeys(clock, 2)
        wrong.count("a")
        assert not wrong.seconds_left("a")
        wrong.count("a")
        clock.advance(20)
        assert wrong.seconds_left("a") == 40
        clock.advance(41)
        assert not wrong.seconds_left("a")
        wrong.count("a")
        assert not wrong.seconds_left("a")
        monkeypatch.setattr("core.api.door._MOST_ADDRESSES", 3)
        for address in "bcde":
            wrong.count(address)
        assert len(wrong._counts) == 3

    def test_a_network_of_ipv6_is_one_address(self, door: Door) -> None:
        """Whoever has a whole network has one count."""

        async def come() -> None:
            for n in range(5):
                with pytest.raises(Unauthenticated):
                    await door.caller(arriving(WRONG, f"2001:db8:0:1::{n:x}"))
            with pytest.raises(TooManyWrongKeys):
                await door.caller(arriving(WRONG, "2001:db8:0:1:ffff::9"))
            with pytest.raises(Unauthenticated):
                await door.caller(arriving(WRONG, "2001:db8:0:2::1"))

        asyncio.run(come())

    def test_all_of_ipv4_is_not_one_network(self, door: Door) -> None:
        """On a socket for both, an address of IPv4 comes as one of IPv6, and is counted as itself."""

        async def come() -> None:
            for _ in range(5):
                with pytest.raises(Unauthenticated):
                    await door.caller(arriving(WRONG, "::ffff:192.0.2.1"))
            for same in ("::ffff:192.0.2.1", "192.0.2.1"):
                with pytest.raises(TooManyWrongKeys):
                    await door.caller(arriving(WRONG, same))
            with pytest.raises(Unauthenticated):
                await door.caller(arriving(WRONG, "::ffff:192.0.2.2"))

        asyncio.run(come())


@pytest.mark.parametrize("key", [WRONG, "nonsense"])
def test_a_wrong_key_is_refused_before_the_body(key: str, url: str, house: House) -> None:
    """Only the head was sent, and the answer is there."""
    with connected(url) as connection:
        connection.sendall(head(key, MOST_BODY_BYTES))
        assert status(connection) == 401


def test_a_revoked_key_never_generates(url: str, house: House) -> None:
    """Though the door still knows it: the database is asked again before anything is done."""
    assert httpx2.post(f"{url}/v1/generate", json=house.ask(), headers=house.headers, timeout=20).status_code == 200
    calls = len(house.wire.ledger.calls())
    [key] = house.runtime.tenants.keys(LOCAL_OPERATOR, house.tenant)
    house.runtime.tenants.revoke_key(LOCAL_OPERATOR, key.id)
    for path in ("generate", "schemas", "spend", "calls", "query"):
        method = "POST" if path == "generate" else "GET"
        refused = httpx2.request(method, f"{url}/v1/{path}", headers=house.headers, timeout=20)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert len(house.wire.ledger.calls()) == calls


def test_a_slash_too_many_is_a_problem(url: str, house: House) -> None:
    """There is no way round by a redirect, which would lose the body."""
    answer = httpx2.post(f"{url}/v1/generate/", json=house.ask(), headers=house.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_body_of_many_values(url: str, house: House) -> None:
    """A long one is mostly data in base64: of what would take a hundred times its room once it is read is none."""
    document = json.dumps(house.ask()).encode()[:-1]
    for more, expected in (
        (b',"user":"' + b"a" * 9_000_000 + b'"}', "user"),
        (b',"x":[' + b"[]," * 10**6, "values"),
    ):
        answer = httpx2.post(f"{url}/v1/generate", content=document + more, headers=house.headers, timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert expected in answer.json()["detail"]


@pytest.mark.parametrize(
    ("encoding", "packed", "expected", "said"),
    [
        ("gzip", gzip.compress, 200, None),
        ("X-GZIP", gzip.compress, 200, None),
        ("identity", lambda body: body, 200, None),
        ("gzip", lambda body: gzip.compress(body + b" " * 10**8), 413, "bytes"),
        ("gzip", lambda body: body, 422, "not gzip"),
        ("gzip", lambda body: gzip.compress(body)[:-3], 422, "not gzip"),
        ("gzip", lambda body: gzip.compress(body) + b"more", 422, "not gzip"),
        ("snappy", lambda body: body, 400, "Content-Encoding"),
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body)), 400, "Content-Encoding"),
    ],
)
def test_a_packed_body(
    encoding: str, packed: Callable[[bytes], bytes], *, expected: int, said: str | None, url: str, house: House
) -> None:
    """It is unpacked within the same bounds; one that cannot be is refused in a sentence."""
    body, headers = packed(json.dumps(house.ask()).encode()), {**house.headers, "Content-Encoding": encoding}
    answer = httpx2.post(f"{url}/v1/generate", content=body, headers=headers, timeout=20)
    assert answer.status_code == expected, answer.text
    assert said is None or said in answer.json()["detail"]
    assert eventually(lambda: house.runtime.admission.seen().running == 0)


class TestFull:
    """A house with few places."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Five places and room for four to wait, of which one tenant gets four and three."""
        return settings.model_copy(
            update={"concurrency": 5, "queue": 4, "attempt_timeout_seconds": 30.0, "deadline_seconds": 30.0}
        )

    @pytest.fixture
    def other(self, house: House) -> str:
        """The key of another tenant."""
        tenant = house.runtime.tenants.create(LOCAL_OPERATOR, "Borealis")
        return house.runtime.tenants.create_key(LOCAL_OPERATOR, tenant).secret

    @pytest.fixture
    def full(self, url: str, house: House) -> Iterator[ExitStack]:
        """All places that one tenant may have are taken by calls that hang, and all that may wait do."""
        with ExitStack() as hanging:
            for n in range(4):
                hanging.enter_context(sent(url, house.key, house.ask("hang")))
                assert eventually(lambda n=n: house.wire.ledger.open_count == n + 1, 10)
            for n in range(3):
                hanging.enter_context(sent(url, house.key, house.ask()))
                assert eventually(lambda n=n: house.runtime.admission.seen().waiting == n + 1, 10)
            yield hanging

    def test_beyond_it_is_shed(self, full: ExitStack, url: str, house: House) -> None:
        """Who comes next is told when to come back, before its body is read; it is counted, and nothing is recorded."""
        with connected(url) as connection:
            connection.sendall(head(house.key, MOST_BODY_BYTES))
            assert status(connection) == 503
        refused = httpx2.post(f"{url}/v1/generate", json=house.ask(), headers=house.headers)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        metrics = httpx2.get(f"{url}/metrics").text
        assert 'proctor_requests_shed_total{tenant="Acme"} 2.0' in metrics
        assert 'proctor_requests_waiting{kind="generate"} 3.0' in metrics
        seen = house.runtime.admission.seen()
        assert (seen.running, seen.waiting, seen.shed) == (4, 3, {"Acme": 2})

    @pytest.mark.parametrize("length", [100, LARGE_BYTES - 1])
    def test_who_withholds_bodies_takes_nobody_s_room(self, length: int, url: str, house: House, other: str) -> None:
        """Of small bodies that never come a tenant may have as many as of all else; others are served beside them."""
        with ExitStack() as withheld:
            for n in range(7):
                connection = withheld.enter_context(connected(url))
                connection.sendall(head(house.key, length) + b"{")
                assert eventually(lambda n=n: len(house.runtime.admission._bodies) == n + 1, 10)
            with connected(url) as eighth:
                eighth.sendall(head(house.key, length) + b"{")
                assert status(eighth) == 503
            assert house.runtime.admission.seen().shed == {"Acme": 1}
            headers = {"Authorization": f"Bearer {other}"}
            answer = httpx2.post(f"{url}/v1/generate", json=house.ask(), headers=headers, timeout=20)
            assert answer.status_code == 200
        assert eventually(lambda: not house.runtime.admission._bodies, 10), "who leaves makes room"
        again = httpx2.post(f"{url}/v1/generate", json=house.ask(), headers=house.headers, timeout=20)
        assert again.status_code == 200

    def test_others_are_served(self, full: ExitStack, url: str, house: House, other: str) -> None:
        """Another tenant gets its answer, a wrong key its refusal, and health answers, as if nothing was."""
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {other}"}
        answer = httpx2.post(f"{url}/v1/generate", json=house.ask(), headers=headers, timeout=20)
        assert (answer.status_code, answer.json()["outcome"]) == (200, "valid_first_try")
        wrong = httpx2.post(f"{url}/v1/generate", json=house.ask(), headers={"Authorization": f"Bearer {WRONG}"})
        assert wrong.status_code == 401
        assert httpx2.get(f"{url}/health").status_code == 200
        assert httpx2.get(f"{url}/v1/schemas", headers=house.headers).status_code == 200
        assert time.monotonic() - began < 15, "nobody waited for the calls that hang"
        assert house.wire.ledger.open_count == 4

    def test_who_waits_is_served_when_a_place_comes_free(self, full: ExitStack, url: str, house: House) -> None:
        """As soon as the calls that hang are over, everybody who waits has its answer."""
        hanging = full.pop_all()
        connections = [callback[1].__self__ for callback in hanging._exit_callbacks]
        for connection in connections[:4]:
            connection.close()
        assert [status(connection) for connection in connections[4:]] == [200] * 3
        hanging.close()
        assert eventually(lambda: house.runtime.admission.seen().running == 0)

    def test_who_leaves_the_queue_makes_room_at_once(self, full: ExitStack, url: str, house: House) -> None:
        """A client who hangs up while it waits is out of the queue; nothing is recorded, and no call goes out."""
        calls = len(house.wire.ledger.calls())
        hanging = full.pop_all()
        connections = [callback[1].__self__ for callback in hanging._exit_callbacks]
        for connection in connections[4:]:
            connection.close()
        assert eventually(lambda: house.runtime.admission.seen().waiting == 0)
        hanging.close()
        assert eventually(lambda: house.runtime.admission.seen().running == 0)
        assert len(house.wire.ledger.calls()) == calls
        with house.runtime.store.engine.connect() as connection:
            outcomes = connection.exec_driver_sql("SELECT outcome FROM generation").scalars().all()
        assert set(outcomes) == {"cancelled"}
        assert len(outcomes) == 4


class TestLargeBodies:
    """A house whose one place is taken."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Who waits may wait for longer than any test."""
        return settings.model_copy(
            update={"concurrency": 1, "attempt_timeout_seconds": 600.0, "deadline_seconds": 600.0}
        )

    @pytest.mark.parametrize("piece", [0, 10, 200_000])
    def test_who_leaves_the_queue_makes_room(
        self, piece: int, url: str, house: House, logged: Callable[[], str]
    ) -> None:
        """A client who hangs up while its large body waits unread, or does not come, is out of the queue."""
        seen = house.runtime.admission.seen
        with heard("uvicorn") as records, sent(url, house.key, house.ask("hang")):
            assert eventually(lambda: seen().running == 1, 60)
            with ExitStack() as waiting:
                for _ in range(3):
                    connection = waiting.enter_context(connected(url))
                    connection.sendall(head(house.key, 2_000_000) + b" " * piece)
                assert eventually(lambda: seen().waiting == 3, 60)
            assert eventually(lambda: seen().waiting == 0, 60)
            assert seen().running == 1
        assert eventually(lambda: seen().running == 0, 60)
        assert "internal_error" not in logged()
        assert not records


class TestReads:
    """A house whose reads hang."""

    @pytest.fixture
    def hanging(self, url: str, house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
        """Twenty reads of one tenant, of which twelve have a place that they keep."""
        go_on, catalogue = threading.Event(), house.runtime.schemas.catalogue

        def hang(principal: Principal) -> Any:
            go_on.wait(60)
            return catalogue(principal)

        monkeypatch.setattr(house.runtime.schemas, "catalogue", hang)
        request = f"GET /v1/schemas HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {house.key}\r\n\r\n"
        with ExitStack() as stack:
            stack.callback(go_on.set)
            reads = [stack.enter_context(connected(url)) for _ in range(20)]
            for read in reads:
                read.sendall(request.encode())
            assert eventually(lambda: self.waiting(house) == 8, 10)
            yield reads

    @staticmethod
    def waiting(house: House) -> float:
        """Return how many reads wait; none before the API is there."""
        lines = house.runtime.metrics.text().decode().splitlines()
        found = [one for one in lines if one.startswith('proctor_requests_waiting{kind="read"}')]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    def test_who_leaves_waits_no_longer(self, hanging: list[socket.socket], house: House) -> None:
        """A client who hangs up while its read waits for a place is out of the queue."""
        for read in hanging:
            read.close()
        assert eventually(lambda: self.waiting(house) == 0, 10)

    def test_a_server_that_stops_lets_no_read_wait(self, house: House) -> None:
        """Those that wait are told so, those that have a place end; whoever comes then is told so, too."""

        async def listen() -> Any:
            await asyncio.sleep(600)

        async def stop() -> list[object]:
            readers, go_on = Readers(house.runtime), threading.Event()
            reads = [
                asyncio.create_task(readers.run("t", listen, lambda: Response(b"%d" % go_on.wait(60))))
                for _ in range(20)
            ]
            while self.waiting(house) < 8:  # noqa: ASYNC110 it is a gauge
                await asyncio.sleep(0.01)
            readers.drain()
            told = await asyncio.gather(*reads[12:], return_exceptions=True)
            go_on.set()
            assert [bytes(one.body) for one in await asyncio.gather(*reads[:12])] == [b"1"] * 12
            with pytest.raises(Unavailable, match="stopping"):
                await readers.run("t", listen, Response)
            readers.close()
            return told

        assert [type(one) for one in asyncio.run(stop())] == [Unavailable] * 8


class TestPatience:
    """A house whose calls may take half a second."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """One place, and little time."""
        return settings.model_copy(update={"concurrency": 1, "deadline_seconds": 0.5})

    @pytest.mark.parametrize("length", [100, 1_000_000])
    def test_a_body_that_never_comes(self, length: int, url: str, house: House) -> None:
        """It is not waited for longer than a call may take, and holds no place from then on."""
        with connected(url) as connection:
            connection.sendall(head(house.key, length) + b"{")
            assert status(connection) == 408
        assert house.runtime.admission.seen().running == 0

    def test_a_body_of_unknown_length(self, url: str, house: House) -> None:
        """A body that comes in chunks is read like any other, and too long it is refused."""

        def pieces(most: int) -> Iterator[bytes]:
            document = json.dumps(house.ask()).encode()
            yield document[:10]
            yield document[10:]
            yield from (b" " * 100_000 for _ in range(most))

        for most, expected in ((0, 200), (81, 413)):
            answer = httpx2.post(f"{url}/v1/generate", content=pieces(most), headers=house.headers, timeout=20)
            assert answer.status_code == expected, answer.text
        assert eventually(lambda: house.runtime.admission.seen().running == 0)

    def test_who_has_waited_as_long_as_a_call_may_take(self, url: str, house: House) -> None:
        """It is turned away, and leaves the queue."""
        place = house.runtime.admission
        with sent(url, house.key, house.ask("hang") | {"timeout_seconds": 0.4}) as first:
            assert eventually(lambda: place.seen().running == 1)
            with ExitStack() as hanging:
                for _ in range(2):
                    hanging.enter_context(sent(url, house.key, house.ask("hang")))
                assert eventually(lambda: place.seen().waiting == 2)
                assert status(first) == 504
        assert eventually(lambda: place.seen().waiting == 0)
