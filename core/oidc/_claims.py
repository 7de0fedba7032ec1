"""Who claims are about, and what roles the groups in them give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from core.errors import Forbidden
from core.identities import GivenRole, VouchedIdentity
from core.identity_providers import ROLES, IdentityProvider
from core.principals import Role

_LONGEST = 254


def identity_of(provider: IdentityProvider, claims: Mapping[str, Any]) -> VouchedIdentity:
    """Return whom *claims*, which were checked, are about.

    Raises:
        Forbidden: his role depends on his groups, and they say nothing of these.

    """
    names = (_text(claims, name) for name in ("name", "preferred_username", "email"))
    return VouchedIdentity(
        issuer=provider.issuer,
        subject=str(claims["sub"]),
        how=provider.name,
        title=provider.title,
        name=next((name for name in names if name), provider.title),
        email=_text(claims, "email") if claims.get("email_verified") is not False else "",
        is_by_groups=bool(provider.roles),
        gives=_given(provider, claims) if provider.roles else (),
    )


def _given(provider: IdentityProvider, claims: Mapping[str, Any]) -> tuple[GivenRole, ...]:
    """Return the strongest role that somebody's groups give in all tenants, and in each that is named.

    A claim that is absent says nothing; an empty one says: none.
    """
    found = claims.get(provider.groups_claim)
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list):
        raise Forbidden(
            f"{provider.title} did not say which groups you are in, so it is not known what you may do here. "
            f"Microsoft leaves groups out above 200: let it send app roles, or only the groups of this application. "
            f"The claim that is looked for is {provider.groups_claim!r}."
        )
    groups = {one for one in cast("list[Any]", found) if isinstance(one, str)}
    given = [pair for group, roles in provider.roles.items() if group in groups for pair in roles.items()]
    strongest = dict(sorted(given, key=lambda pair: ROLES.index(pair[1]), reverse=True))  # who comes last stays
    return tuple(GivenRole(Role(strongest[tenant]), tenant) for tenant in sorted(strongest))


def _text(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    return found.strip() if isinstance(found, str) and len(found) <= _LONGEST and found.isprintable() else ""
