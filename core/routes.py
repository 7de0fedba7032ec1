"""Routes: named uses, each with its candidates in fallback order and its limits on attempts and time.

The route ``default`` is what the environment says (``MODEL_PRIMARY``, ``MODEL_FALLBACK``) until an operator edits it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import select

from core import audit
from core.attempts import Candidate, RouteTerms
from core.clock import Clock
from core.errors import Conflict, Invalid, NotFound
from core.principals import Permission, Principal
from core.settings import Settings, provider_of
from core.store import Store
from core.tables import Route

DEFAULT = "default"
MODES = ("tools", "json_schema", "json", "md_json")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_MOST_CANDIDATES = 8
_MOST_TOKENS = 200_000
_MOST_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """A route as people see it."""

    terms: RouteTerms
    version: int
    """0 for the default route while the environment decides."""
    is_from_environment: bool


class Routes:
    """The routes of this deployment."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings

    def list(self) -> Sequence[RouteView]:
        """Return every route, the default one first."""
        with self._store.reading() as session:
            rows = session.exec(select(Route).order_by(Route.name)).all()
        views = {row.name: self._view(row) for row in rows}
        return [views.pop(DEFAULT, None) or self._from_environment(), *views.values()]

    def find(self, name: str) -> RouteView:
        """Return the route of that name.

        Raises:
            NotFound: there is none; the message says which there are.

        """
        with self._store.reading() as session:
            row = session.exec(select(Route).where(Route.name == name)).first()
            if row is not None:
                return self._view(row)
            if name == DEFAULT:
                return self._from_environment()
            names = session.exec(select(Route.name).order_by(Route.name)).all()
        raise NotFound(f"There is no route {name!r}. There are: {', '.join([DEFAULT, *names])}.")

    def of_model(self, model: str) -> RouteTerms:
        """Return the default route narrowed to one model, as a caller may ask for it.

        Raises:
            Invalid: *model* names no provider.

        """
        base = self.find(DEFAULT).terms
        return RouteTerms(
            name=DEFAULT,
            candidates=(self.candidate({"model": model}),),
            max_reasks=base.max_reasks,
            max_retries=base.max_retries,
            deadline_seconds=base.deadline_seconds,
        )

    def set(
        self,
        principal: Principal,
        name: str,
        candidates: Sequence[Mapping[str, Any]],
        *,
        max_reasks: int = 2,
        max_retries: int = 1,
        deadline_seconds: float = 60.0,
        expected_version: int | None = None,
    ) -> RouteView:
        """Make or change a route; effective with the next generation, in every process.

        A candidate reads ``{"model": "provider/name", "mode"?, "max_tokens"?, "timeout_seconds"?}``.

        Raises:
            Forbidden: without ``routes.write``.
            Invalid: a value that a route cannot have.
            Conflict: it is no longer at *expected_version*.

        """
        principal.require(Permission.ROUTES_WRITE)
        wanted = self._checked(name, candidates, max_reasks, max_retries, deadline_seconds)
        with self._store.writing() as session:
            row = session.exec(select(Route).where(Route.name == name).with_for_update()).first()
            if expected_version is not None and (row.version if row else 0) != expected_version:
                raise Conflict(f"Someone else changed route {name} meanwhile; nothing was saved. Reload and try again.")
            known = self._view(row) if row else self._from_environment() if name == DEFAULT else None
            before = _described(known) if known else None
            if row is None:
                row = Route(id=self._clock.new_id(), name=name, created_at=self._clock.now(), version=0, **wanted)
            for field, value in wanted.items():
                setattr(row, field, value)
            row.version += 1
            session.add(row)
            after = _described(self._view(row))
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="route.set",
                kind="route",
                subject=name,
                summary=f"Route {name} now asks {', then '.join(one['model'] for one in after['candidates'])}.",
                before=before,
                after=after,
            )
            return self._view(row)

    def reset(self, principal: Principal, name: str) -> None:
        """Remove a route; the default one then follows the environment again.

        Raises:
            Forbidden: without ``routes.write``.
            NotFound: no operator made it.

        """
        principal.require(Permission.ROUTES_WRITE)
        with self._store.writing() as session:
            row = session.exec(select(Route).where(Route.name == name).with_for_update()).first()
            if row is None:
                raise NotFound(f"No operator made a route {name!r}, so there is nothing to remove.")
            session.delete(row)
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="route.reset",
                kind="route",
                subject=name,
                summary="The default route follows the environment." if name == DEFAULT else f"{name} was removed.",
                before=_described(self._view(row)),
            )

    def candidate(self, given: Mapping[str, Any]) -> Candidate:
        """Return one candidate, checked.

        Raises:
            Invalid: a value that a candidate cannot have.

        """
        try:
            provider, model = provider_of(str(given.get("model", "")).strip())
        except ValueError as error:
            raise Invalid(f"The model {error}.") from None
        mode = given.get("mode") or None
        if mode is not None and mode not in MODES:
            raise Invalid(f"The mode {mode!r} of {provider}/{model} is not one of {', '.join(MODES)}.")
        return Candidate(
            provider=provider,
            model=model,
            mode=mode,
            max_tokens=int(
                _within("max_tokens", given.get("max_tokens"), self._settings.max_output_tokens, _MOST_TOKENS)
            ),
            timeout_seconds=_within(
                "timeout_seconds", given.get("timeout_seconds"), self._settings.attempt_timeout_seconds, _MOST_SECONDS
            ),
        )

    def _checked(
        self,
        name: str,
        candidates: Sequence[Mapping[str, Any]],
        max_reasks: int,
        max_retries: int,
        deadline_seconds: float,
    ) -> dict[str, Any]:
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"A route's name has lower-case letters, digits, '-', '_', and begins with a letter: {name!r}."
            )
        if not 1 <= len(candidates) <= _MOST_CANDIDATES:
            raise Invalid(f"A route has 1 to {_MOST_CANDIDATES} candidates; this one has {len(candidates)}.")
        models = [self.candidate(one).name for one in candidates]
        if len(set(models)) < len(models):
            raise Invalid("A route names each model once; a second time would only repeat what has just failed.")
        for what, number in (("max_reasks", max_reasks), ("max_retries", max_retries)):
            if not 0 <= number <= 10:
                raise Invalid(f"{what} lies between 0 and 10; this is {number}.")
        _within("deadline_seconds", deadline_seconds, 60.0, _MOST_SECONDS)
        return {
            "candidates": [{**one, "model": model} for one, model in zip(candidates, models, strict=True)],
            "max_reasks": max_reasks,
            "max_retries": max_retries,
            "deadline_seconds": deadline_seconds,
        }

    def _view(self, row: Route) -> RouteView:
        terms = RouteTerms(
            name=row.name,
            candidates=tuple(self.candidate(one) for one in row.candidates),
            max_reasks=row.max_reasks,
            max_retries=row.max_retries,
            deadline_seconds=row.deadline_seconds,
        )
        return RouteView(terms=terms, version=row.version, is_from_environment=False)

    def _from_environment(self) -> RouteView:
        terms = RouteTerms(
            name=DEFAULT,
            candidates=tuple(self.candidate({"model": model}) for model in self._settings.candidates),
            max_reasks=self._settings.max_retries,
            max_retries=1,
            deadline_seconds=self._settings.deadline_seconds,
        )
        return RouteView(terms=terms, version=0, is_from_environment=True)


def _within(what: str, value: Any, default: float, most: float) -> float:
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise Invalid(f"{what} lies above 0 and at most at {most:g}; this is {value!r}.")
    return value


def _described(view: RouteView) -> dict[str, Any]:
    terms = view.terms
    return {
        "candidates": [
            {
                "model": one.name,
                "mode": one.mode,
                "max_tokens": one.max_tokens,
                "timeout_seconds": one.timeout_seconds,
            }
            for one in terms.candidates
        ],
        "max_reasks": terms.max_reasks,
        "max_retries": terms.max_retries,
        "deadline_seconds": terms.deadline_seconds,
    }
