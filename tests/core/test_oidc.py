"""OpenID Connect: whose word is taken for whose, what groups give, and what is said when a provider does not answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from core.clock import ManualClock, SystemClock
from core.errors import Forbidden, ProctorError, Unauthenticated, Unavailable
from core.identities import GivenRole, VouchedIdentity
from core.identity_providers import ROLES, IdentityProvider, named_identity_providers
from core.oidc import KNOWN_SECONDS, LEAST_SECONDS, Bindings, OidcClient, looked_at
from core.people import ROLES as OF_PEOPLE
from core.principals import Role
from tests.servers import free_port
from tests.wire.oidc import CLIENT_ID, CLIENT_SECRET, KEY, NEWER_KEY, SECRET_KEY, STRANGE_KEY, OidcServer

WELL_KNOWN = "/.well-known/openid-configuration"
BACK = "https://console.example/oidc/lab/callback"
MINE = Bindings("s" * 43, "n" * 43, "v" * 43)
GROUPS = {"proctor-admins": {"": "admin"}, "proctor-viewers": {"": "viewer"}}


@pytest.fixture
def provider(clock: ManualClock) -> Iterator[OidcServer]:
    """A provider that tells the truth until it is told otherwise."""
    with OidcServer() as server:
        server.now = int(clock.now().timestamp())
        yield server


def client_of(provider: OidcServer, clock: ManualClock, **more: Any) -> OidcClient:
    """Return how we ask it."""
    facts = {"name": "lab", "title": "Lab", "issuer": provider.url, "client_id": CLIENT_ID}
    secret = SecretStr(CLIENT_SECRET)
    return OidcClient(IdentityProvider.model_validate(facts | {"client_secret": secret} | more), clock)


def came_back(provider: OidcServer, client: OidcClient, mine: Bindings = MINE) -> VouchedIdentity:
    """Go there and come back, as a browser does that holds *mine*; the code is of one that holds ``MINE``."""
    _, sent = provider.signed_in(client.address(BACK, MINE))
    return client.vouched(BACK, mine, sent["code"], sent.get("iss"))


def test_out_and_back(provider: OidcServer, clock: ManualClock) -> None:
    """The way out holds a hash of what only this browser knows; the way back tells who came, by issuer and subject."""
    provider.claims = {"name": "Ada Lovelace", "email": "ada@example.org", "email_verified": True}
    client = client_of(provider, clock)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(client.address(BACK, MINE)).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid profile email"
    assert (asked["state"], asked["nonce"], asked["redirect_uri"]) == (MINE.state, MINE.nonce, BACK)
    assert MINE.verifier not in json.dumps(asked)
    found = came_back(provider, client)
    assert (found.issuer, found.subject, found.how) == (provider.url, "1", "lab")
    assert (found.name, found.email, found.gives) == ("Ada Lovelace", "ada@example.org", ())


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": []},
        {"aud": None},
        {"aud": [CLIENT_ID, "another-client"]},
        {"azp": "another-client"},
        {"nonce": "of another browser"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"iat": 9_999_999_999},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"at_hash": "bm90IHRoZSBoYXNo"},
    ],
    ids=str,
)
def test_a_token_that_is_no_word_about_this_sign_in(
    claims: dict[str, Any], provider: OidcServer, clock: ManualClock
) -> None:
    """Each claim that has to hold is looked at: issuer, audience, browser, time, subject, the token beside it."""
    provider.claims = claims
    with pytest.raises(Unauthenticated, match="proves nobody's identity"):
        came_back(provider, client_of(provider, clock))


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ({"alg": "none"}, KEY),
        ({"alg": "HS256"}, SECRET_KEY),
        ({"alg": "HS256", "kid": "one"}, SECRET_KEY),
        ({"alg": "RS256", "kid": "one"}, STRANGE_KEY),
        ({"alg": "RS256", "kid": "two"}, NEWER_KEY),
    ],
    ids=["unsigned", "with our secret", "with our secret, named", "with another's key", "with a key that is not known"],
)
def test_a_token_that_the_provider_did_not_sign(
    header: dict[str, Any], key: Any, provider: OidcServer, clock: ManualClock
) -> None:
    """Only a key that the provider alone has makes its word, whatever it lists."""
    provider.metadata = {"id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]}
    provider.signs = (header, key)
    with pytest.raises(Unauthenticated):
        came_back(provider, client_of(provider, clock))


def test_the_browser_that_began(provider: OidcServer, clock: ManualClock) -> None:
    """A code is worth nothing to a browser with another verifier or nonce, and nothing the second time."""
    client = client_of(provider, clock)
    for other in (Bindings(MINE.state, MINE.nonce, "w" * 43), Bindings(MINE.state, "m" * 43, MINE.verifier)):
        with pytest.raises(Unauthenticated):
            came_back(provider, client, other)
    _, sent = provider.signed_in(client.address(BACK, MINE))
    assert client.vouched(BACK, MINE, sent["code"], None).subject == "1"
    with pytest.raises(Unauthenticated):
        client.vouched(BACK, MINE, sent["code"], None)


@pytest.mark.parametrize(
    ("tells", "issuer", "is_taken"),
    [
        (False, None, True),
        (False, "own", True),
        (False, "https://b.example", False),
        (True, None, False),
        (True, "own", True),
        (True, "https://b.example", False),
    ],
)
def test_a_callback_from_another_provider(
    *, tells: bool, issuer: str | None, is_taken: bool, provider: OidcServer, clock: ManualClock
) -> None:
    """A provider that says in each callback who it is has to; one that names another is not asked about the code."""
    provider.metadata = {"authorization_response_iss_parameter_supported": tells}
    client = client_of(provider, clock)
    _, sent = provider.signed_in(client.address(BACK, MINE))
    issuer = provider.url if issuer == "own" else issuer
    if is_taken:
        assert client.vouched(BACK, MINE, sent["code"], issuer).subject == "1"
    else:
        with pytest.raises(Unauthenticated):
            client.vouched(BACK, MINE, sent["code"], issuer)
        assert "/token" not in provider.asked


def test_a_new_key_is_learned_and_a_strange_one_costs_little(provider: OidcServer, clock: ManualClock) -> None:
    """Keys are asked for anew when a token names one that is not known, but not for each such token."""
    client = client_of(provider, clock)
    came_back(provider, client)
    provider.keys, provider.signs = [KEY, NEWER_KEY], ({"alg": "RS256", "kid": "two"}, NEWER_KEY)
    with pytest.raises(Unauthenticated):
        came_back(provider, client)
    clock.advance(LEAST_SECONDS)
    assert came_back(provider, client).subject == "1"
    assert provider.asked.count("/keys") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    clock.advance(KNOWN_SECONDS)
    provider.now += int(KNOWN_SECONDS + LEAST_SECONDS)
    came_back(provider, client)
    assert provider.asked.count("/.well-known/openid-configuration") == 2


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": None},
        {"token_endpoint": "http://198.51.100.1/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": ["x"]},
    ],
    ids=str,
)
def test_who_does_not_answer_as_the_provider(
    metadata: dict[str, Any], provider: OidcServer, clock: ManualClock
) -> None:
    """Metadata of another issuer, or that leads out of TLS, is nobody's; one sentence says so."""
    provider.metadata = metadata
    with pytest.raises(Unavailable, match=r"Lab does not answer as it should.*who has a password here can sign in"):
        client_of(provider, clock).address(BACK, MINE)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token", "/me"])
@pytest.mark.parametrize("answer", [(500, b"{}"), (200, b"<html>"), (200, b"[]")], ids=["error", "page", "list"])
def test_a_provider_that_is_down(
    path: str, answer: tuple[int, bytes], provider: OidcServer, clock: ManualClock
) -> None:
    """Whichever of its answers is missing, nobody is signed in and one sentence says why."""
    provider.answers = {path: answer}
    with pytest.raises(Unavailable, match="Lab does not answer as it should"):
        came_back(provider, client_of(provider, clock))


def test_a_provider_that_is_not_there(clock: ManualClock) -> None:
    """The same where nobody listens."""
    with OidcServer() as provider:
        pass
    with pytest.raises(Unavailable):
        client_of(provider, clock).address(BACK, MINE)


def test_userinfo_of_another_person_is_not_taken(provider: OidcServer, clock: ManualClock) -> None:
    """What is told beside the token is about whom the token is about, and the token's word goes before."""
    provider.told, provider.claims = {"name": "Told", "email": "told@example.org"}, {"name": "Signed"}
    found = came_back(provider, client_of(provider, clock))
    assert (found.name, found.email) == ("Signed", "told@example.org")
    provider.told = {"sub": "2"}
    with pytest.raises(Unauthenticated):
        came_back(provider, client_of(provider, clock))


@pytest.mark.parametrize(
    ("claims", "gives"),
    [
        ({"hasgroups": True}, Forbidden),
        ({"_claim_names": {"groups": "src1"}}, Forbidden),
        ({}, Forbidden),
        ({"groups": 7}, Forbidden),
        ({"groups": "proctor-admins"}, "admin"),
        ({"groups": "not-proctor-admins,x"}, None),
        ({"groups": ["Proctor-Admins"]}, None),
        ({"groups": []}, None),
        ({"groups": [7, "proctor-viewers"]}, "viewer"),
        ({"groups": ["proctor-viewers", "proctor-admins"]}, "admin"),
    ],
    ids=str,
)
def test_what_groups_give(
    claims: dict[str, Any], gives: type[ProctorError] | str | None, provider: OidcServer, clock: ManualClock
) -> None:
    """The strongest of the roles; no group none; and a claim that is absent is not one that is empty."""
    provider.claims = claims
    client = client_of(provider, clock, roles=GROUPS)
    if gives is Forbidden:
        with pytest.raises(Forbidden, match=r"Lab did not say which groups you are in.*above 200"):
            came_back(provider, client)
    else:
        found = came_back(provider, client)
        expected = () if gives is None else (GivenRole(Role(str(gives))),)
        assert (found.is_by_groups, found.gives) == (True, expected)


@pytest.mark.parametrize(
    ("groups", "gives"),
    [
        (["acme"], {"Acme": "operator"}),
        (["acme", "acme-admins"], {"Acme": "admin"}),
        (["acme", "both"], {"Acme": "operator", "Globex": "viewer"}),
        (["acme", "proctor-viewers"], {"": "viewer", "Acme": "operator"}),
        (["none"], {}),
    ],
    ids=str,
)
def test_groups_give_roles_in_named_tenants(
    groups: list[str], gives: dict[str, str], provider: OidcServer, clock: ManualClock
) -> None:
    """The strongest in each place: in all tenants, and in each that is named."""
    value = "proctor-viewers=viewer, acme=operator@Acme,acme-admins=admin@Acme,both=viewer@Acme,both=viewer@Globex"
    variables = {"OIDC_LAB_ISSUER": provider.url, "OIDC_LAB_CLIENT_ID": CLIENT_ID, "OIDC_LAB_ROLES": value}
    roles = named_identity_providers("lab", variables.get)["lab"].roles
    provider.claims = {"groups": groups}
    found = came_back(provider, client_of(provider, clock, roles=roles))
    assert {one.tenant: one.role.value for one in found.gives} == gives


def test_groups_give_the_roles_of_people() -> None:
    """The settings know the roles that there are, the strongest first."""
    assert tuple(role.value for role in OF_PEOPLE) == ROLES


LOOKED: dict[str, tuple[Callable[[OidcServer, ManualClock], Any], str]] = {
    "well": (lambda _, __: None, "It answers as its issuer, with 1 key, and its clock agrees."),
    "another address": (
        lambda server, _: setattr(server, "answers", {WELL_KNOWN: (404, b"{}")}),
        "It answers 404 where a provider says what it is: look at OIDC_LAB_ISSUER.",
    ),
    "a web page": (
        lambda server, _: setattr(server, "answers", {WELL_KNOWN: (200, b"<html>")}),
        "It does not answer as a provider: look at OIDC_LAB_ISSUER.",
    ),
    "another issuer": (
        lambda server, _: server.metadata.update(issuer="https://b.example"),
        "It names another issuer than OIDC_LAB_ISSUER, which has to be the same to the letter.",
    ),
    "no endpoint": (
        lambda server, _: server.metadata.update(jwks_uri=7),
        "It says what it is, and its keys are not to be had: nothing that it signs can be believed.",
    ),
    "no keys": (
        lambda server, _: setattr(server, "answers", {"/keys": (500, b"")}),
        "It says what it is, and its keys are not to be had: nothing that it signs can be believed.",
    ),
    "another time": (
        lambda _, clock: clock.advance(3600),
        "s apart; beyond 60 s its tokens are refused.",
    ),
}


@pytest.mark.parametrize("case", LOOKED)
def test_a_look_says_whether_people_can_sign_in_by_it(case: str) -> None:
    """Reached, as itself, with keys, at the same time: one sentence for the first of these that is not so."""
    clock = ManualClock(SystemClock().now())
    arrange, sentence = LOOKED[case]
    with OidcServer() as server:
        arrange(server, clock)
        is_well, said = looked_at(client_of(server, clock).provider, clock)
    assert is_well is (case == "well")
    assert said.endswith(sentence)


def test_a_look_at_nobody(clock: ManualClock) -> None:
    """Where nobody listens it says so, and names the variable."""
    nobody = IdentityProvider(name="lab", title="Lab", issuer=f"http://127.0.0.1:{free_port()}", client_id="a")
    assert looked_at(nobody, clock) == (
        False,
        "It is not reached (ConnectError): look at OIDC_LAB_ISSUER, and at this machine's network.",
    )
