"""Signing in by a provider over HTTP, through the gate: which callback is answered, where one goes, what is refused."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from http.cookies import SimpleCookie
from urllib.parse import quote, urlencode

import httpx2
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from core import runtime as running
from core.api.gate import Gate
from core.api.oidc_sign_in import BEGUN_SECONDS, OidcSignIn, _Begun  # pyright: ignore[reportPrivateUsage] forged
from core.api.served import API, SIGN_IN, ServedAddress, To
from core.api.sign_in import SignIn
from core.api.visitors import Visitors
from core.clock import ManualClock
from core.identity_providers import IdentityProvider
from core.oidc import OidcClient
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.settings import Settings
from tests.wire.oidc import CLIENT_ID, CLIENT_SECRET, OidcServer

PASSWORD = "correct horse battery"
PAGES = (ServedAddress("/", To.PAGES), ServedAddress("/calls", To.PAGES))
FROM_THERE = {
    "Accept": "text/html",
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
"""What a browser says that a provider sends back."""


class Process:
    """A process that has started."""

    def __init__(self, runtime: Runtime | None) -> None:
        self.runtime = runtime


@pytest.fixture
def provider(clock: ManualClock) -> Iterator[OidcServer]:
    """A provider that tells the truth until it is told otherwise."""
    with OidcServer() as server:
        server.now = int(clock.now().timestamp())
        yield server


@pytest.fixture
def here(sqlite_url: str, clock: ManualClock, provider: OidcServer) -> Iterator[Runtime]:
    """A Proctor with an owner, Grace, and Bob, who signs in by Lab."""
    lab = IdentityProvider(
        name="lab", title="Lab", issuer=provider.url, client_id=CLIENT_ID, client_secret=SecretStr(CLIENT_SECRET)
    )
    settings = Settings(database_url=sqlite_url, local_model="off", oidc_providers={"lab": lab})
    runtime = running.build(settings, clock)
    runtime.people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    yield runtime
    runtime.close()


def link(here: Runtime, name: str = "Bob") -> str:
    """Invite somebody; return what of the link is secret."""
    return here.people.invite(LOCAL_OPERATOR, name, Role.VIEWER).path.rpartition("/")[2]


def browser(here: Runtime, clock: ManualClock, url: str = "http://localhost:8501") -> TestClient:
    """Return a browser with no cookies; it follows no redirect by itself."""
    process = Process(here)

    def shown(request: Request) -> PlainTextResponse:
        return PlainTextResponse("the console")

    app = Starlette(
        routes=[
            *SignIn(process, PAGES).routes,
            *OidcSignIn(process, PAGES, here.settings, clock).routes,
            Route("/{rest:path}", shown),  # as the framework does for whatever nobody else answers
        ],
        middleware=[
            Middleware(
                Gate,
                settings=here.settings,
                served=[*API, *SIGN_IN, *PAGES],
                count=lambda reason: None,
                visitors=Visitors(process),
            )
        ],
    )
    return TestClient(app, base_url=url, client=("127.0.0.1", 4711), follow_redirects=False)


def begin(client: TestClient, provider: OidcServer, subject: str = "7", **asked: str) -> str:
    """Begin a sign-in, go to the provider and come back; return the callback that the browser is sent to."""
    there = client.get(f"/oidc/lab?{urlencode(asked)}")
    assert there.status_code == 303, there.text
    address, sent = provider.signed_in(there.headers["location"], subject)
    assert address == f"{client.base_url}/oidc/lab/callback".replace("//oidc", "/oidc")
    return f"/oidc/lab/callback?{urlencode(sent)}"


def follow(client: TestClient, address: str) -> httpx2.Response:
    """Open a callback as a browser does that comes from the provider."""
    return client.get(address, headers=FROM_THERE)


def is_signed_in(client: TestClient) -> bool:
    """Whether the console opens."""
    return client.get("/calls", headers={"Accept": "text/html"}).status_code == 200


def test_an_invitation_then_every_day(here: Runtime, provider: OidcServer, clock: ManualClock) -> None:
    """The invitation's page and the form offer the provider; one comes back to the page that one had asked for."""
    client, token = browser(here, clock), link(here)
    assert f"/oidc/lab?invitation={token}" in client.get(f"/invitation/{token}").text
    answer = follow(client, begin(client, provider, invitation=token))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert is_signed_in(client)
    other, wanted = browser(here, clock), "/calls?tenant=a&route=r&status=invalid&from=2026-11-01"
    assert (
        other.get(wanted, headers={"Accept": "text/html"}).headers["location"] == f"/sign-in?next={quote(wanted, '')}"
    )
    assert f'href="/oidc/lab?next={quote(wanted, "")}"' in other.get(f"/sign-in?next={quote(wanted, '')}").text
    answer = follow(other, begin(other, provider, next=wanted))
    assert answer.headers["location"] == wanted
    assert is_signed_in(other)


def test_a_session_of_ours_is_all_that_is_kept(here: Runtime, provider: OidcServer, clock: ManualClock) -> None:
    """The cookie of the way is gone, no token of the provider is in a browser, and the row is what counts."""
    client = browser(here, clock)
    answer = follow(client, begin(client, provider, invitation=link(here)))
    kept = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        kept.load(line)
    assert kept["proctor_oidc"]["max-age"] == "0"
    assert kept["proctor_session"]["httponly"]
    assert kept["proctor_session"]["samesite"] == "lax"
    assert set(client.cookies) == {"proctor_session"}
    bob = here.people.find(LOCAL_OPERATOR, "Bob")
    here.people.end_sessions(LOCAL_OPERATOR, bob.id)
    assert not is_signed_in(client)


def test_behind_https_the_cookies_are_this_hosts_alone(here: Runtime, provider: OidcServer, clock: ManualClock) -> None:
    """No neighbour can plant the cookie of a sign-in that he began."""
    client = browser(here, clock, "https://localhost:8501")
    told = client.get("/oidc/lab").headers["set-cookie"]
    assert told.startswith("__Host-proctor_oidc=")
    assert "Secure" in told
    assert "HttpOnly" in told


@pytest.mark.parametrize(
    "case", ["another browser", "another state", "no state", "too late", "another provider", "twice"]
)
def test_a_callback_that_this_browser_did_not_ask_for(
    case: str, here: Runtime, provider: OidcServer, clock: ManualClock
) -> None:
    """It signs nobody in, makes no session, and its code is not even shown to the provider."""
    client = browser(here, clock)
    follow(client, begin(client, provider, invitation=link(here)))
    client = browser(here, clock)
    address = begin(client, provider)
    match case:
        case "another browser":
            client = browser(here, clock)
        case "another state":
            begun = browser(here, clock)
            address = begin(begun, provider)
        case "no state":
            address = address.partition("&state")[0]
        case "too late":
            clock.advance(BEGUN_SECONDS + 1)
        case "another provider":
            address = address.replace("/oidc/lab/", "/oidc/other/")
        case _:
            follow(client, address)
            client.cookies.delete("proctor_session")
    asked = len(provider.asked)
    answer = follow(client, address)
    assert answer.status_code == (404 if case == "another provider" else 400)
    assert 'href="/sign-in"' in answer.text
    assert "proctor_session" not in answer.headers.get("set-cookie", "")
    assert len(provider.asked) == asked
    assert not is_signed_in(client)


def test_the_back_button(here: Runtime, provider: OidcServer, clock: ManualClock) -> None:
    """Who is signed in and opens the callback again stays so, on the console, with the session that he has."""
    client = browser(here, clock)
    address = begin(client, provider, invitation=link(here))
    follow(client, address)
    with capture_logs() as told:
        again = [follow(client, address) for _ in range(3)]
    assert {(one.status_code, one.headers["location"]) for one in again} == {(303, "/")}
    assert {one["log_level"] for one in told} == {"info"}
    assert len(here.people.sessions(LOCAL_OPERATOR, here.people.find(LOCAL_OPERATOR, "Bob").id)) == 1


def test_a_code_that_comes_again_with_its_cookie(here: Runtime, provider: OidcServer, clock: ManualClock) -> None:
    """Whoever has copied both gets nothing: the provider takes a code once."""
    client, copied = browser(here, clock), browser(here, clock)
    address = begin(client, provider, invitation=link(here))
    copied.cookies.update(client.cookies)
    follow(client, address)
    answer = follow(copied, address)
    assert (answer.status_code, is_signed_in(copied)) == (401, False)
    assert "proves nobody" in answer.text


def test_who_is_not_invited(here: Runtime, provider: OidcServer, clock: ManualClock) -> None:
    """He reads why, is nobody here, and leaves nothing."""
    client = browser(here, clock)
    provider.claims = {"name": "Grace", "email": "<b>@example.org"}
    answer = follow(client, begin(client, provider, "stranger"))
    assert answer.status_code == 401
    assert "nobody has invited you here" in answer.text
    assert not is_signed_in(client)
    assert len(here.people.list(LOCAL_OPERATOR)) == 1


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"error": "access_denied"}, "Lab did not sign you in (access_denied)."),
        ({"error": "<script>"}, "Lab did not sign you in (no reason)."),
        ({}, "Lab sent no code."),
        ({"code": "x" * 5000}, "Lab sent no code."),
        ({"code": "invented"}, "proves nobody"),
    ],
    ids=str,
)
def test_a_provider_that_says_no(
    sent: dict[str, str], sentence: str, here: Runtime, provider: OidcServer, clock: ManualClock
) -> None:
    """One sentence says so, and one may begin again."""
    client = browser(here, clock)
    state = begin(client, provider).partition("state=")[2]
    answer = follow(client, f"/oidc/lab/callback?{urlencode(sent)}&state={state}")
    assert answer.status_code == 401
    assert sentence in answer.text
    assert "script" not in answer.text


def test_a_provider_that_is_down(here: Runtime, provider: OidcServer, clock: ManualClock) -> None:
    """Neither way nor callback shows more than a sentence, and a password still opens the console."""
    provider.answers = {"/.well-known/openid-configuration": (503, b"")}
    client = browser(here, clock)
    answer = client.get("/oidc/lab")
    assert answer.status_code == 503
    assert "Lab does not answer as it should" in answer.text
    assert 'name="password"' in client.get("/sign-in").text


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "/\\evil.example", "/%09/evil.example", "https:evil.example", "/oidc/lab", "/sign-out", "/\tx"],
)
def test_where_nobody_is_sent(wanted: str, here: Runtime, provider: OidcServer, clock: ManualClock) -> None:
    """After the provider one goes to a page of the console or to the first one, whatever was asked for."""
    client = browser(here, clock)
    assert follow(client, begin(client, provider, next=wanted, invitation=link(here))).headers["location"] == "/"


@pytest.mark.parametrize(
    "kept",
    [
        "[" * 2_500,
        "[1]",
        "{}",
        '["a", "b", "lab", "/", ""]',
        '["a", 1e400, "lab", "/", ""]',
        '["a", 1, "lab", ["/"], ""]',
    ],
    ids=lambda kept: kept[:30],
)
def test_a_cookie_that_is_none_of_ours(kept: str, here: Runtime, clock: ManualClock) -> None:
    """Whatever a neighbour or a person has written there is as no sign-in begun."""
    client = browser(here, clock)
    client.cookies.set("proctor_oidc", urlsafe_b64encode(kept.encode()).decode())
    assert client.get("/oidc/lab/callback?code=a&state=b").status_code == 400


def test_a_sign_in_that_a_neighbour_began_leads_to_no_stranger(
    here: Runtime, provider: OidcServer, clock: ManualClock
) -> None:
    """Without TLS another port of the host can set the cookie: what it names as the way on is looked at once more."""
    client, now = browser(here, clock), int(clock.now().timestamp())
    begun = _Begun("seed", now, "lab", "//evil.example", link(here))
    lab = OidcClient(here.settings.oidc_providers["lab"], clock)
    address = lab.address(f"{client.base_url}/oidc/lab/callback".replace("//oidc", "/oidc"), begun.bindings())
    _, sent = provider.signed_in(address, "7")
    client.cookies.set("proctor_oidc", begun.written())
    assert follow(client, f"/oidc/lab/callback?{urlencode(sent)}").headers["location"] == "/"


NO_WAYS = ["/oidc/other", "/oidc/lab?invitation=..%2F", "/oidc/", "/oidc/lab/other", "/oidc/other/callback"]


@pytest.mark.parametrize("address", NO_WAYS)
def test_ways_that_there_are_not(address: str, here: Runtime, clock: ManualClock) -> None:
    """They lead nowhere, and not to the console."""
    assert browser(here, clock).get(address).status_code in (400, 404)


@pytest.mark.parametrize("address", ["/oidc/lab", "/oidc/lab/callback?code=a&state=b"])
def test_without_providers_there_is_no_way(address: str, sqlite_url: str, clock: ManualClock) -> None:
    """Where no provider is set up, their addresses lead nowhere either."""
    runtime = running.build(Settings(database_url=sqlite_url, local_model="off"), clock)
    assert browser(runtime, clock).get(address).status_code == 404
    runtime.close()
