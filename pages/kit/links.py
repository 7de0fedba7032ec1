"""Names that lead to the page of what they name: in sentences as Markdown, in tables as :data:`Lead` of a column."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from core.principals import LOCAL_OPERATOR, SYSTEM
from pages.kit.address import EVERYONE
from pages.kit.markup import plain


class Destination(NamedTuple):
    """A page, and what its address is to hold."""

    page: str
    """Its folder."""
    parameters: Mapping[str, str]


PROCTOR = "Proctor itself"
"""What stands in the place of a name where nobody decided it."""
_NO_PERSONS = {SYSTEM.name, LOCAL_OPERATOR.name}
Lead = Callable[[str], Destination]
"""Where a name in a column of a table leads."""


def of_tenant(name: str) -> Destination:
    """Return where the name of a tenant leads, or the word for all of them."""
    return Destination("tenants", {} if name.lower() == EVERYONE.lower() else {"tenant": name})


def of_route(name: str) -> Destination:
    """Return where the name of a route leads."""
    return Destination("routes", {"route": name})


def of_schema(name: str) -> Destination:
    """Return where the name of a schema leads, ``ticket@2``; one that nobody registered has calls alone."""
    schema, _, version = name.partition("@")
    if not version:
        return Destination("calls", {"schema": name})
    return Destination("schemas", {"schema": schema, "version": version})


def of_model(name: str) -> Destination:
    """Return where a model (``provider/name``) leads: to its provider."""
    return of_provider(name.partition("/")[0])


def of_provider(name: str) -> Destination:
    """Return where the name of a provider leads."""
    return Destination("providers", {"provider": name})


def of_person(name: str) -> Destination:
    """Return where the name of a person leads."""
    return Destination("people", {"person": name})


def of_actor(name: str) -> Destination:
    """Return where the name of who decided something leads: a person to his, whoever is none to what it decided."""
    if name == PROCTOR:
        name = SYSTEM.name
    if name.startswith("key ") or name in _NO_PERSONS:
        return Destination("changes", {"actor": name, "ever": "true"})
    return of_person(name)


def to(told: str, place: Destination) -> str:
    """Return what is *told*, which need not be a name, as Markdown that leads somewhere."""
    return f"[{plain(told)}](/{place.page}{'?' if place.parameters else ''}{urlencode(place.parameters)})"


def within(sentence: str, name: str, place: Destination) -> str:
    """Return a sentence of the core as Markdown in which *name*, where it stands there, leads somewhere."""
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sentence)
    if not found:
        return plain(sentence)
    return plain(sentence[: found.start()]) + to(name, place) + plain(sentence[found.end() :])


def tenant(name: str) -> str:
    """Return the name of a tenant as Markdown that leads to it."""
    return to(name, of_tenant(name))


def route(name: str) -> str:
    """Return the name of a route as Markdown that leads to it."""
    return to(name, of_route(name))


def schema(name: str, version: int | None = None) -> str:
    """Return the name of a registered schema as Markdown that leads to it, or to a version of it."""
    if version is None:
        return to(name, Destination("schemas", {"schema": name}))
    return to(f"{name} version {version}", of_schema(f"{name}@{version}"))


def model(name: str) -> str:
    """Return a model (``provider/name``) as Markdown that leads to its provider."""
    return to(name, of_model(name))


def caller(name: str, tenant_name: str) -> str:
    """Return who asked as Markdown: a key leads to its tenant's keys, a person to him."""
    return to(name, of_tenant(tenant_name) if name.startswith("key ") else of_actor(name))


def person(name: str) -> str:
    """Return the name of a person as Markdown that leads to him."""
    return to(name, of_person(name))


def actor(name: str) -> str:
    """Return who decided something as Markdown that leads to him."""
    return to(name, of_actor(name))
