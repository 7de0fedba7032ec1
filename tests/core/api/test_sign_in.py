"""Signing in and out over HTTP, through the gate: forms, cookies, where one goes after, and what is refused."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx2
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from core import runtime as running
from core.api.gate import Gate
from core.api.served import API, SIGN_IN, ServedAddress, To
from core.api.sign_in import SignIn, tell_first_link
from core.api.sign_in_steps import MOST_BYTES
from core.api.visitors import Visitors
from core.clock import ManualClock
from core.people import People
from core.people._passwords import Passwords
from core.people._sessions import KNOWN_SECONDS
from core.people._throttle import PER_NAME_AND_ADDRESS
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.settings import Settings

PASSWORD, OTHER = "correct horse battery", "staple a second time"
PAGES = (ServedAddress("/", To.PAGES), ServedAddress("/calls", To.PAGES))
CONSOLE = (
    ServedAddress("/media/*", To.CONSOLE),
    ServedAddress("/_stcore/upload_file/*", To.CONSOLE),
    ServedAddress("/_stcore/stream", To.CONSOLE, is_socket=True),
)
HTML = {"Accept": "text/html"}
QUICK = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))


@dataclass
class Process:
    """A process, that has started or not."""

    runtime: Runtime | None


def served(process: Process, settings: Settings) -> Starlette:
    """Return the gate with the forms behind it, and words in the place of the console."""

    def shown(request: Request) -> PlainTextResponse:
        return PlainTextResponse("the console")

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("the console")
        await websocket.close()

    everything = ("/", "/calls", "/media/{name}", "/_stcore/upload_file/{name}")
    return Starlette(
        routes=[
            *SignIn(process, PAGES).routes,
            *(Route(path, shown, methods=["GET", "PUT"]) for path in everything),
            WebSocketRoute("/_stcore/stream", socket),
        ],
        middleware=[
            Middleware(
                Gate,
                settings=settings,
                served=[*API, *SIGN_IN, *PAGES, *CONSOLE],
                count=lambda reason: None,
                visitors=Visitors(process),
            )
        ],
    )


def build(url: str, clock: ManualClock) -> Runtime:
    """Return a Proctor on a database, which spends no time on hashes."""
    runtime = running.build(Settings(database_url=url, local_model="off", log_level="ERROR"), clock)
    return dataclasses.replace(runtime, people=People(runtime.store, clock, passwords=Passwords(QUICK)))


@pytest.fixture
def here(sqlite_url: str, clock: ManualClock) -> Iterator[Runtime]:
    """A Proctor without anybody in it."""
    runtime = build(sqlite_url, clock)
    yield runtime
    runtime.close()


@pytest.fixture
def grace(here: Runtime) -> Runtime:
    """The same with an owner."""
    here.people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    return here


def browser(
    on: Runtime | None, *, url: str = "http://localhost:8501", peer: str = "127.0.0.1", **more: object
) -> TestClient:
    """Return a browser with no cookies; it follows no redirect by itself."""
    app = served(Process(on), Settings(**more))  # pyright: ignore[reportArgumentType] settings by name
    return TestClient(app, base_url=url, client=(peer, 4711), follow_redirects=False)


def send(client: TestClient, path: str, **fields: str) -> httpx2.Response:
    """Open a form and send it, as a browser does."""
    form = re.search(r'name="form" value="([^"]+)"', client.get(path).text)
    fields = {"form": form[1] if form else ""} | fields
    return client.post(path.partition("?")[0], data=fields, headers={"Origin": str(client.base_url).rstrip("/")})


def enter(client: TestClient, name: str = "Grace", password: str = PASSWORD, **more: str) -> httpx2.Response:
    """Sign in."""
    return send(client, "/sign-in", name=name, password=password, **more)


def statuses(client: TestClient) -> list[int]:
    """Return how a page, a file, an upload and the socket of the console are answered."""
    origin = {"Origin": str(client.base_url).rstrip("/")}
    found = [
        client.get("/calls?tenant=a&window=7d", headers=HTML).status_code,
        client.get("/media/x.csv").status_code,
        client.put("/_stcore/upload_file/x", headers=origin).status_code,
    ]
    try:
        address = origin["Origin"].replace("http", "ws", 1)
        with client.websocket_connect(f"{address}/_stcore/stream", headers=dict(origin)) as socket:
            socket.receive_text()
            found.append(101)
    except WebSocketDisconnect:
        found.append(403)
    except Exception as refused:  # noqa: BLE001 the client raises what the server answered in place of a socket
        found.append(getattr(refused, "status_code", 0))
    return found


def test_before_anybody_signs_in_the_console_is_its_own_machines(here: Runtime) -> None:
    """Who is at this machine may use it; nobody else, unless a setting says so."""
    assert statuses(browser(here)) == [200, 200, 200, 101]
    far = {"url": "http://192.0.2.1:8501", "peer": "203.0.113.7", "allowed_hosts": ("192.0.2.1",)}
    assert browser(here, **far).get("/").status_code == 403  # pyright: ignore[reportArgumentType]
    assert browser(here, **far, without_sign_in="network").get("/").status_code == 200  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("setting", ["loopback", "network"])
def test_from_the_first_person_on_one_signs_in(grace: Runtime, setting: str) -> None:
    """At this machine too, whatever the setting: a page leads to the form with its address, the rest is refused."""
    client = browser(grace, without_sign_in=setting)
    assert statuses(client)[:3] == [303, 401, 401]
    assert statuses(client)[3] != 101
    answer = client.get("/calls?tenant=a&window=7d", headers=HTML)
    assert answer.headers["location"] == f"/sign-in?next={quote('/calls?tenant=a&window=7d', safe='')}"
    assert client.get(answer.headers["location"]).status_code == 200
    far = browser(grace, url="http://192.0.2.1:8501", peer="203.0.113.7", allowed_hosts=("192.0.2.1",))
    assert far.get("/", headers=HTML).status_code == 303
    assert enter(far).status_code == 303
    assert statuses(far) == [200, 200, 200, 101]


def test_in_and_out(grace: Runtime) -> None:
    """A right password opens all, a wrong one nothing; after the way out the cookie opens nothing, nor does a copy."""
    client = browser(grace)
    wrong = enter(client, password=OTHER)
    assert wrong.status_code == 401
    assert "Name or password is not right." in wrong.text
    assert 'value="Grace"' in wrong.text
    assert OTHER not in wrong.text
    assert statuses(client)[0] == 303
    assert enter(client, next="/calls?tenant=a&window=7d").headers["location"] == "/calls?tenant=a&window=7d"
    assert statuses(client) == [200, 200, 200, 101]
    thief = browser(grace)
    thief.cookies.update(client.cookies)
    assert statuses(thief) == [200, 200, 200, 101]
    out = send(client, "/sign-out", do="here")
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert statuses(thief)[:3] == [303, 401, 401]
    assert statuses(client)[0] == 303


def test_out_everywhere(grace: Runtime, clock: ManualClock, sqlite_url: str) -> None:
    """Every browser, in every process, is out; within a second where it was not decided."""
    one, other = browser(grace), browser(grace)
    elsewhere = build(sqlite_url, clock)
    third = browser(elsewhere)
    for client in (one, other, third):
        enter(client)
        assert statuses(client)[0] == 200
    send(one, "/sign-out", do="everywhere")
    clock.advance(KNOWN_SECONDS)
    assert [statuses(client)[0] for client in (one, other, third)] == [303] * 3
    elsewhere.close()


@pytest.mark.parametrize(
    ("url", "name", "is_secure"),
    [
        ("http://localhost:8501", "proctor_session", False),
        ("https://console.example", "__Host-proctor_session", True),
    ],
)
def test_the_cookie(grace: Runtime, url: str, name: str, *, is_secure: bool) -> None:
    """No script reads it and no other site sends it; behind https it is this host's alone. It lasts as its row does."""
    more = {"public_url": url} if is_secure else {}
    client = browser(grace, url=url, **more)
    first = enter(client).headers["set-cookie"]
    assert first.startswith(f"{name}=")
    attributes = set(first.split("; ")[1:])
    wanted = {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={30 * 86400}"} | ({"Secure"} if is_secure else set())
    assert attributes == wanted
    old = client.cookies[name]
    client.cookies.delete(name)
    assert statuses(client)[0] == 303
    client.cookies.set(name, old)
    again = client.get("/sign-in")
    assert (again.status_code, again.headers["location"]) == (303, "/"), "who is in already need not sign in"
    plain = browser(grace, url=url, **more)
    plain.cookies.set("proctor_session" if is_secure else "__Host-proctor_session", old)
    assert statuses(plain)[0] == 303, "the other name counts for nothing"


NEXT = [
    ("/calls?tenant=a&window=7d", True),
    ("/calls", True),
    ("/", True),
    ("//evil.example", False),
    ("////evil.example", False),
    ("/\\evil.example", False),
    ("/%09/evil.example", False),
    ("/\t/evil.example", False),
    ("https:evil.example", False),
    ("https://console.example@evil.example", False),
    ("/%0d%0aSet-Cookie:x=1", False),
    ("/calls\r\nSet-Cookie: x=1", False),
    ("javascript:alert(1)", False),
    ("/auth/logout", False),
    ("/sign-out", False),
    ("/calls/../sign-out", False),
    ("/calls#x", False),
    ("/media/x", False),
    ("calls", False),
    ("", False),
    ("/calls?" + "x" * 3000, False),
]


@pytest.mark.parametrize(("wanted", "is_ours"), NEXT)
def test_where_one_goes_after(grace: Runtime, wanted: str, *, is_ours: bool) -> None:
    """To a page of the console with all of its address, or to the first; looked at as it stands in the answer."""
    client = browser(grace)
    assert enter(client, next=wanted).headers["location"] == (wanted if is_ours else "/")
    shown = client.get(f"/sign-in?next={quote(wanted, safe='')}")
    assert shown.headers["location"] == (wanted if is_ours else "/")


@pytest.mark.parametrize(
    ("name", "password", "status"),
    [
        ("Grace", "x" * 10_000_000, 413),
        ("Grace", "x" * (MOST_BYTES + 1), 413),
        ("Grace", "a\0b", 400),
        ("a\0b", PASSWORD, 400),
        ("x" * 5_000, PASSWORD, 400),
        ("Grace", "", 400),
        ("", PASSWORD, 400),
        ("Grace", "x" * 4_096, 401),
        (" grace ", PASSWORD, 303),
        ("<script>alert(1)</script>", PASSWORD, 400),
    ],
)
def test_names_and_passwords_of_odd_shape(grace: Runtime, name: str, password: str, status: int) -> None:
    """Each gets one sentence in a page, and nothing of it stands there unescaped."""
    answer = enter(browser(grace), name, password)
    assert answer.status_code == status
    if status != 303:
        assert len(re.findall('role="alert"|<p>', answer.text)) == 1
        assert "<script>" not in answer.text


def test_guessing_is_throttled_whatever_is_forwarded(grace: Runtime) -> None:
    """Nobody whom we know says from where a call comes, so it is the socket's address; ann's own stays free."""
    client = browser(grace)
    form = re.search(r'name="form" value="([^"]+)"', client.get("/sign-in").text)
    assert form
    found: list[int] = []
    for number in range(PER_NAME_AND_ADDRESS + 3):
        headers = {"Origin": "http://localhost:8501", "X-Forwarded-For": f"203.0.113.{number}"}
        fields = {"form": form[1], "name": "Grace", "password": OTHER}
        found.append((answer := client.post("/sign-in", data=fields, headers=headers)).status_code)
    assert found == [401] * PER_NAME_AND_ADDRESS + [429] * 3
    assert answer.headers["retry-after"] == "60"
    assert enter(browser(grace, peer="127.0.0.9")).status_code == 303


def test_a_form_is_taken_from_our_own_page_alone(grace: Runtime) -> None:
    """Neither without an origin, nor from another, nor without the token that its page got."""
    for path in ("/sign-in", "/sign-out", "/password"):
        client = browser(grace)
        enter(client) if path != "/sign-in" else client.get(path)
        fields = {"name": "Grace", "password": PASSWORD, "form": "x" * 43, "do": "here"}
        assert client.post(path, data=fields).status_code == 403
        assert client.post(path, data=fields, headers={"Origin": "http://localhost:3000"}).status_code == 403
        answer = client.post(path, data=fields, headers={"Origin": "http://localhost:8501"})
        assert answer.status_code == 400
        assert "Open the page again" in answer.text
        assert statuses(client)[0] == (303 if path == "/sign-in" else 200)


def test_an_invitation(grace: Runtime) -> None:
    """It greets by name, takes a good password once, and signs in; then it opens nothing."""
    path = grace.people.invite(LOCAL_OPERATOR, "Ada", Role.VIEWER).path
    client = browser(grace)
    assert "Welcome, Ada" in client.get(path).text
    short = send(client, path, password="short")
    assert short.status_code == 400
    assert "at least 12 characters" in short.text
    assert send(client, path, password=OTHER).headers["location"] == "/"
    assert statuses(client)[0] == 200
    for used in (client.get(path), client.get("/invitation/x"), client.get("/first-owner/x")):
        assert used.status_code in {401, 409}


def test_the_first_owner(here: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the console can be reached from elsewhere a start prints a link, once: who opens it first is the owner."""
    tell_first_link(here)
    assert capsys.readouterr().err == "", "at this machine nobody needs one"
    open_to_all = dataclasses.replace(here, settings=here.settings.model_copy(update={"host": "0.0.0.0"}))  # noqa: S104 nothing listens
    tell_first_link(open_to_all)
    printed = capsys.readouterr().err
    tell_first_link(open_to_all)
    assert capsys.readouterr().err == ""
    path = re.search(r"http://YOUR-SERVER:8501(/first-owner/\S+)", printed)
    assert path
    far = browser(here, url="http://192.0.2.1:8501", peer="203.0.113.7", allowed_hosts=("192.0.2.1",))
    assert far.get("/", headers=HTML).status_code == 403
    assert send(far, path[1], name="", password=PASSWORD).status_code == 400
    assert send(far, path[1], name="Ada", password=PASSWORD).status_code == 303
    assert statuses(far) == [200, 200, 200, 101]
    assert far.get(path[1]).status_code == 409


def test_another_password(grace: Runtime) -> None:
    """With the current one; every browser is out then."""
    client, other = browser(grace), browser(grace)
    enter(client), enter(other)
    assert send(client, "/password", current="wrong", password=OTHER).status_code == 401
    assert send(client, "/password", current=PASSWORD, password="short").status_code == 400
    assert send(client, "/password", current=PASSWORD, password=OTHER).headers["location"] == "/sign-in"
    assert statuses(client)[0] == statuses(other)[0] == 303
    assert enter(client, password=OTHER).status_code == 303
    stranger = browser(grace)
    assert stranger.get("/password").headers["location"] == "/sign-in"
    assert stranger.get("/sign-out").headers["location"] == "/sign-in"


def test_while_it_is_not_known_who_may_come(grace: Runtime) -> None:
    """During a start whoever is at this machine gets an empty page and its socket; nobody else gets anything."""
    assert statuses(browser(None)) == [200, 503, 503, 101]
    far = browser(None, url="http://192.0.2.1:8501", peer="203.0.113.7", allowed_hosts=("192.0.2.1",))
    assert far.get("/", headers=HTML).status_code == 503
    assert browser(None).get("/sign-in").status_code == 503


def test_our_forms_load_nothing_from_elsewhere(grace: Runtime) -> None:
    """No script runs on them, nobody frames them, nobody keeps them."""
    answer = browser(grace).get("/sign-in")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin", "else a browser would hide the origin of the form"
    assert not re.findall(r"https?://", answer.text)


# ── The word of a proxy ───────────────────────────────────────────────────────────────────────────────────────────────

TOLD = {"sign_in_header": "X-Forwarded-User", "sign_in_header_from": "10.0.0.5", "allowed_hosts": "console.example"}
AT = "http://console.example"


def behind_proxy(on: Runtime, peer: str = "10.0.0.5") -> TestClient:
    """Return a browser whose requests come by a proxy that may say who has signed in, or from somebody else."""
    return browser(on, url=AT, peer=peer, **TOLD)


@pytest.fixture
def eve(grace: Runtime) -> Runtime:
    """A Proctor in which eve@example.org is known by the proxy's word."""
    link = grace.people.invite(LOCAL_OPERATOR, "Eve", Role.VIEWER).path
    client = behind_proxy(grace)
    name = {"X-Forwarded-User": "eve@example.org"}
    page = client.get(link, headers=name).text
    assert "Sign in as eve@example.org" in page
    form = re.search(r'name="form" value="([^"]+)"', page)
    assert form
    sent = client.post(link, data={"form": form[1], "do": "proxy"}, headers={"Origin": AT} | name)
    assert sent.headers["location"] == "/"
    return grace


@pytest.mark.parametrize("door", ["/calls", "/sign-in", "/media/x", "socket"])
@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("10.0.0.9", [("X-Forwarded-User", "eve@example.org")], 401),
        ("10.0.0.5", [("X_Forwarded_User", "eve@example.org")], 400),
        ("10.0.0.5", [("X-Forwarded-User", "eve@example.org"), ("X-Forwarded-User", "grace@example.org")], 400),
        ("10.0.0.5", [("X-Forwarded-User", "eve@example.org, grace@example.org")], 401),
        ("10.0.0.5", [("X-Forwarded-User", "  ")], 401),
        ("10.0.0.5", [("X-Forwarded-User", "x" * 256)], 401),
        ("10.0.0.5", [("x-forwarded-user", "eve@example.org")], 200),
    ],
    ids=["another peer", "underscores", "two", "two in one", "empty", "long", "one"],
)
def test_a_header_is_proof_only_with_who_sent_it(
    peer: str, headers: list[tuple[str, str]], status: int, door: str, eve: Runtime
) -> None:
    """One name from the named proxy is somebody's word, and nothing else is, at each door alike."""
    signed_in = behind_proxy(eve)
    signed_in.get("/sign-in", headers={"X-Forwarded-User": "eve@example.org"})
    client = behind_proxy(eve, peer)
    client.cookies.update(signed_in.cookies)
    if door == "socket":
        cookie = f"proctor_session={signed_in.cookies['proctor_session']}"
        from_ours = httpx2.Headers([*headers, ("Origin", AT), ("Host", "console.example"), ("Cookie", cookie)])
        connecting = client.websocket_connect("/_stcore/stream", headers=from_ours)
        if status == 200:
            with connecting as socket:
                assert socket.receive_text() == "the console"
            return
        with pytest.raises(WebSocketDenialResponse) as refused, connecting:
            pass
        assert refused.value.status_code == status
        return
    answer = client.get(door, headers=httpx2.Headers([*headers, ("Accept", "text/html")]))
    assert answer.status_code == (303 if (status, door) == (200, "/sign-in") else status)


def test_the_proxys_word_opens_a_session_and_holds_it(eve: Runtime) -> None:
    """It leads through the form without a password; the cookie alone, or with another's name, opens nothing."""
    client, name = behind_proxy(eve), {"X-Forwarded-User": "eve@example.org"}
    form = client.get("/calls?tenant=a", headers=HTML | name).headers["location"]
    assert client.get(form, headers=name).headers["location"] == "/calls?tenant=a"
    assert client.get("/calls", headers=HTML | name).status_code == 200
    assert client.get("/calls", headers=HTML).status_code == 303
    assert client.get("/calls", headers=HTML | {"X-Forwarded-User": "grace@example.org"}).status_code == 303
    elsewhere = browser(eve, url=AT, peer="10.0.0.9", **TOLD)
    elsewhere.cookies.update(client.cookies)
    assert elsewhere.get("/calls", headers=HTML).status_code == 303
    [session] = [one for one in eve.people.list(LOCAL_OPERATOR) if one.name == "Eve"]
    assert session.how == "proxy"


def test_whom_the_proxy_names_and_nobody_invited(eve: Runtime) -> None:
    """He reads why, and whoever has a password may still use it there."""
    client = behind_proxy(eve)
    answer = client.get("/sign-in", headers={"X-Forwarded-User": "stranger@example.org"})
    assert (answer.status_code, "nobody has invited you here" in answer.text) == (401, True)
    sent = client.post(
        "/sign-in",
        data={"form": client.cookies["proctor_form"], "name": "Grace", "password": PASSWORD},
        headers={"Origin": AT, "X-Forwarded-User": "stranger@example.org"},
    )
    assert sent.headers["location"] == "/"
    assert client.get("/calls", headers=HTML | {"X-Forwarded-User": "stranger@example.org"}).status_code == 200


def test_signed_out_at_a_proxy_that_knows_one_still(eve: Runtime) -> None:
    """The session is over; a new one begins only when one asks for it."""
    client, name = behind_proxy(eve), {"X-Forwarded-User": "eve@example.org"}
    client.get("/sign-in", headers=name)
    client.get("/sign-out", headers=name)
    data = {"form": client.cookies["proctor_form"], "do": "here"}
    answer = client.post("/sign-out", data=data, headers={"Origin": AT} | name)
    assert "Your proxy still knows you" in answer.text
    assert client.get("/calls", headers=HTML | name).status_code == 303


def test_without_the_setting_the_header_is_nothing(grace: Runtime) -> None:
    """It is passed by, whoever sends it."""
    client = browser(grace, url=AT, peer="10.0.0.5", allowed_hosts="console.example")
    assert client.get("/calls", headers=HTML | {"X-Forwarded-User": "Grace"}).status_code == 303
    assert 'name="password"' in client.get("/sign-in", headers={"X-Forwarded-User": "Grace"}).text
