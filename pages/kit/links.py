"""Names that lead to the page of what they name: of a tenant, a route, a schema, a model or a key, alike everywhere."""

from __future__ import annotations

from urllib.parse import urlencode

from pages.kit.markup import plain


def tenant(name: str) -> str:
    """Return the name of a tenant as Markdown that leads to it."""
    return _link(name, "tenants", tenant=name)


def route(name: str) -> str:
    """Return the name of a route as Markdown that leads to it."""
    return _link(name, "routes", route=name)


def schema(name: str, version: int | None = None) -> str:
    """Return the name of a registered schema as Markdown that leads to it, or to a version of it."""
    told = name if version is None else f"{name} version {version}"
    return _link(told, "schemas", schema=name, **({} if version is None else {"version": str(version)}))


def model(name: str) -> str:
    """Return a model (``provider/name``) as Markdown that leads to its provider."""
    return _link(name, "providers", provider=name.partition("/")[0])


def key(name: str, tenant_name: str) -> str:
    """Return a key as Markdown that leads to its tenant's keys."""
    return _link(name, "tenants", tenant=tenant_name)


def _link(told: str, page: str, **parameters: str) -> str:
    return f"[{plain(told)}](/{page}?{urlencode(parameters)})"
