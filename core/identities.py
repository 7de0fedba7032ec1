"""Somebody whom another one vouches for: known by issuer and subject, whatever name or address is told of him."""

from __future__ import annotations

from dataclasses import dataclass

from core.principals import Role

PROXY = "proxy"
"""The issuer of those whom a proxy's header names, and by what their sessions began."""


@dataclass(frozen=True, slots=True)
class GivenRole:
    """A role that somebody's groups give."""

    role: Role
    tenant: str = ""
    """The tenant in which it holds, by its name or id; empty is all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchedIdentity:
    """Who somebody is to whoever vouches for him."""

    issuer: str
    subject: str
    how: str
    """The name of the provider, as sessions tell by what they began."""
    title: str
    """The same as people read it."""
    name: str
    """What to call him, if he is new here and the name is free."""
    email: str = ""
    """To be shown; nobody is known by it."""
    is_by_groups: bool = False
    """Whether his groups decide about his roles, at each sign-in."""
    gives: tuple[GivenRole, ...] = ()
    """The roles that they give, one in all tenants at most and one in each that is named; empty is none."""
