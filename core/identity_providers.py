"""Who vouches for people: the OpenID Connect providers that a deployment names.

``OIDC_PROVIDERS=google,keycloak``, and ``OIDC_KEYCLOAK_ISSUER`` for what one of them is. Whatever is wrong with them is
told at the start, in a sentence that names the variable and never its value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from core.addresses import is_loopback

MOST_PROVIDERS = 20
ROLES = ("owner", "admin", "operator", "product", "viewer")
"""What groups may give, the strongest first: the roles of people."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 40
_TAKEN = frozenset({"password", "link", "proxy"})
"""By what else sessions begin."""
_USUAL = {
    "google": ("Google", "https://accounts.google.com", "select_account"),
    "entra": ("Microsoft", None, "select_account"),
    "okta": ("Okta", None, None),
    "keycloak": ("Keycloak", None, None),
}
"""Of well-known ones what they are called, where they are if that is one place, and what they can be asked to ask."""
_OF_ANYBODY = re.compile(r"https://login\.microsoftonline\.com/(common|organizations|consumers)(/.*)?", re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_NO_IDENTITY = frozenset({"authorization", "cookie", "host", "origin", "x-forwarded-for", "x-forwarded-proto", "via"})


class IdentityProvider(BaseModel):
    """One provider. People are known by its issuer and what it calls them, never by an e-mail address."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str
    """What stands in the addresses of its sign-in."""
    title: str
    """What people read on the button."""
    issuer: str
    """As its tokens say it, to the letter."""
    client_id: str
    client_secret: SecretStr | None = None
    """``None``: it knows us by what we send alone, which PKCE binds to the browser."""
    scopes: str = "openid profile email"
    prompt: str | None = None
    """What it is to ask, though it knows him: ``select_account`` or ``login``. Most refuse what they do not know."""
    groups_claim: str = "groups"
    roles: Mapping[str, Mapping[str, str]] = {}
    """The role that each group gives, by the name of the tenant in which it holds, empty for all. Without any, groups
    give nothing, and people come by invitation.
    """

    @property
    def metadata_address(self) -> str:
        """Where it says what it is."""
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


def named_identity_providers(names: str, variable: Callable[[str], str | None]) -> dict[str, IdentityProvider]:
    """Return the providers of *names*, which are separated by commas; *variable* gives the value of one, or ``None``.

    Raises:
        ValueError: one cannot be; the sentence names the variable, what is wrong with it, and what to do.

    """
    listed = [name for name in (part.strip() for part in names.split(",")) if name]
    if len(listed) > MOST_PROVIDERS:
        raise ValueError(f"OIDC_PROVIDERS lists {len(listed)} providers; at most {MOST_PROVIDERS} can be set up.")
    if twice := next((name for name in listed if listed.count(name) > 1), None):
        raise ValueError(f"OIDC_PROVIDERS lists {twice} twice; another one of its kind has a name such as {twice}-2.")
    found = {name: _provider(name, variable) for name in listed}
    issuers = [one.issuer for one in found.values()]
    if same := next((one for one in found.values() if issuers.count(one.issuer) > 1), None):
        raise ValueError(f"OIDC_PROVIDERS lists two providers with the issuer of {same.name}; one is enough.")
    return found


def _provider(name: str, variable: Callable[[str], str | None]) -> IdentityProvider:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME or name in _TAKEN:
        raise ValueError(
            f"OIDC_PROVIDERS lists {name[:60]!r}: a name has small letters, digits and dashes, a letter first, "
            "and is none of password, link and proxy."
        )
    prefix = f"OIDC_{name.replace('-', '_').upper()}"

    def given(what: str) -> str | None:
        return (variable(f"{prefix}_{what}") or "").strip() or None

    usual = (name.replace("-", " ").capitalize(), None, None)
    title, issuer, prompt = _USUAL.get(name.partition("-")[0], usual)
    client_id, secret = given("CLIENT_ID"), given("CLIENT_SECRET")
    if client_id is None:
        raise ValueError(f"OIDC_PROVIDERS lists {name}, which needs {prefix}_CLIENT_ID: what it calls this deployment.")
    return IdentityProvider(
        name=name,
        title=given("TITLE") or title,
        issuer=_issuer(f"{prefix}_ISSUER", given("ISSUER") or issuer),
        client_id=client_id,
        client_secret=SecretStr(secret) if secret else None,
        prompt=given("PROMPT") or prompt,
        scopes=_scopes(f"{prefix}_SCOPES", given("SCOPES")),
        groups_claim=given("GROUPS_CLAIM") or "groups",
        roles=_roles(f"{prefix}_ROLES", given("ROLES")),
    )


def _issuer(variable: str, value: str | None) -> str:
    if value is None:
        raise ValueError(f"{variable} is missing: the address that the provider's tokens name as their issuer.")
    parts = urlsplit(value)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError(f"{variable} is not usable: it must start with https://.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{variable} is not usable: an issuer is an address without a password, query or fragment.")
    if _OF_ANYBODY.fullmatch(value):
        raise ValueError(
            f"{variable} is that of any organisation: name your own by its id, as in "
            "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0, and one provider for each."
        )
    return value


def _scopes(variable: str, value: str | None) -> str:
    scopes = (value or "openid profile email").replace(",", " ").split()
    if "openid" not in scopes:
        raise ValueError(f"{variable} is not usable: openid must be among the scopes, or the provider names nobody.")
    return " ".join(scopes)


def _roles(variable: str, value: str | None) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for part in (value or "").replace("\n", ",").split(","):
        group, equals, given = part.rpartition("=")
        role, at, tenant = (word.strip() for word in given.partition("@"))
        if not part.strip():
            continue
        if not equals or not group.strip() or role not in ROLES or bool(at) is not bool(tenant):
            raise ValueError(
                f"{variable} is not usable: write group=role, or group=role@tenant, with commas between them; "
                f"roles are {', '.join(ROLES)}."
            )
        if found.setdefault(group.strip(), {}).setdefault(tenant, role) != role:
            raise ValueError(f"{variable} is not usable: it gives one group two roles in the same place.")
    return found


def read_header_name(text: str) -> str:
    """Return the name of a header in small letters.

    Raises:
        ValueError: it is none that a proxy could tell a person by.

    """
    name = text.strip()
    if not _HEADER.fullmatch(name) or name.lower() in _NO_IDENTITY:
        raise ValueError("it is the name of the header in which the proxy says who has signed in: X-Forwarded-User")
    return name.lower()
