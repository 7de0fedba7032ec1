"""What a caller may name as a model: the routes, the models that they name, and those of named servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.dialects import DialectName
from core.errors import NotFound
from core.principals import Askable
from core.routes import DEFAULT, RouteTable
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class NamedModel:
    """What a caller may name as a model."""

    name: str
    """As a request says it: a route's name, or ``provider/name``."""
    title: str
    """For people."""
    provider: str = ""
    """Whose it is; empty for a route."""


class NamedModels:
    """Whatever has a name for one tenant."""

    def __init__(self, routes: RouteTable, settings: Settings, *, has_local: bool) -> None:
        """*has_local* says whether the tenant may ask the model that runs here."""
        self._routes = routes
        self._settings = settings
        self._has_local = has_local

    def all(self, askable: Askable, *, any_model: bool) -> Sequence[NamedModel]:
        """Return those that are *askable*: routes first. Where *any_model* may be named, named servers' as well."""
        names = list(self._routes.models)
        if any_model:
            servers = self._settings.providers.items()
            names += [f"{name}/{model}" for name, server in servers for model in server.models]
        found = [
            NamedModel(view.terms.name, view.description or view.terms.name)
            for view in self._routes.views
            if (not askable.routes or view.terms.name in askable.routes)
            and (not askable.models or any(one.name in askable.models for one in view.terms.candidates))
        ]
        if askable.routes and DEFAULT not in askable.routes:  # which is the route of who names a model
            return found
        for name in dict.fromkeys(names):
            if askable.models and name not in askable.models:
                continue
            provider, _, model = name.partition("/")
            if self._settings.has_provider(provider) and (self._has_local or provider != "local"):
                found.append(NamedModel(name, model, provider))
        return found

    def meant(self, model: str, dialect: DialectName) -> tuple[str, str]:
        """Return the route that *model* is the name of; else the default one, and ``provider/name``."""
        if self._routes.has(model):
            return model, ""
        if model in self._routes.named:
            return DEFAULT, model
        own = "anthropic" if dialect is DialectName.MESSAGES else "openai"
        routed = self._routes.by_vendors_name.get(model)
        return DEFAULT, routed or (model if "/" in model else f"{own}/{model}")


def no_model(name: str) -> NotFound:
    """Return what is told who names a model that is not there, or not for him: the same for both."""
    return NotFound(
        f"There is no model {name[:80]!r} here, or not for this key. GET /v1/models lists those that there are.",
        param="model",
    )
