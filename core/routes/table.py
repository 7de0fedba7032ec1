"""The routes of one moment, and how one is found among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from core.attempts import Candidate, Cause, RouteTerms
from core.errors import NotFound

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """A route as people see it."""

    terms: RouteTerms
    version: int
    """0 for the default route while the environment decides."""
    is_from_environment: bool
    description: str = ""
    schemas: tuple[str, ...] = ()
    """Schemas that take this route when the caller names none."""

    @property
    def described(self) -> dict[str, Any]:
        """The route as plain values, as audit and the command line write it."""
        terms = self.terms
        return {
            "candidates": [_described(one) for one in terms.candidates],
            "description": self.description,
            "schemas": list(self.schemas),
            "max_reasks": terms.max_reasks,
            "max_retries": terms.max_retries,
            "deadline_seconds": terms.deadline_seconds,
            "fallback_on": [cause.value for cause in Cause if cause in terms.fallback_on],
            "hedge_after_ms": terms.hedge_after_ms,
            "cache_seconds": terms.cache_seconds,
            "payload_days": terms.payload_days,
            "payload_percent": terms.payload_percent,
            "marks_cache": terms.marks_cache,
        }


@dataclass(frozen=True)
class RouteTable:
    """Every route there is at one moment."""

    views: Sequence[RouteView]
    """The default one first, the others by name."""

    @cached_property
    def _by_name(self) -> Mapping[str, RouteView]:
        return {view.terms.name: view for view in self.views}

    @cached_property
    def _by_schema(self) -> Mapping[str, RouteView]:
        return {schema: view for view in reversed(self.views) for schema in view.schemas}

    @cached_property
    def models(self) -> Sequence[str]:
        """Every model that a route names, as ``provider/name``, each once."""
        return list(dict.fromkeys(one.name for view in self.views for one in view.terms.candidates))

    @cached_property
    def named(self) -> frozenset[str]:
        """The same, to be looked up."""
        return frozenset(self.models)

    @cached_property
    def by_vendors_name(self) -> Mapping[str, str]:
        """The same by the vendors' own names of them; where two vendors have one, the first that a route names."""
        return {one.partition("/")[2]: one for one in reversed(self.models)}

    def has(self, name: str) -> bool:
        """Whether there is a route of that name."""
        return name in self._by_name

    def find(self, name: str) -> RouteView:
        """Return the route of that name.

        Raises:
            NotFound: there is none; the message says which there are.

        """
        view = self._by_name.get(name)
        if view is None:
            raise NotFound(f"There is no route {name!r}. There are: {', '.join(self._by_name)}.")
        return view

    def for_schema(self, schema: str) -> RouteView:
        """Return the route that a request about *schema* takes if it names none: the one that lists it, or default."""
        return self._by_schema.get(schema, self.views[0])

    def narrowed(self, route: str, wanted: Candidate) -> RouteTerms:
        """Return a route narrowed to one model, which has its own settings where the route names it.

        Raises:
            NotFound: there is no such route.

        """
        base = self.find(route).terms
        known = next((one for one in base.candidates if one.name == wanted.name), wanted)
        return replace(base, candidates=(known,), hedge_after_ms=None)


def _described(one: Candidate) -> dict[str, Any]:
    described: dict[str, Any] = {
        "model": one.name,
        "mode": one.mode,
        "max_tokens": one.max_tokens,
        "timeout_seconds": one.timeout_seconds,
    }
    own: dict[str, Any] = {
        "most_tokens": one.most_tokens,
        "max_reasks": one.max_reasks,
        "max_retries": one.max_retries,
        "parameters": dict(one.parameters) or None,
    }
    return described | {field: value for field, value in own.items() if value is not None}
