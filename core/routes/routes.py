"""The routes of this deployment: read for every generation, changed by operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core import audit
from core.attempts import Candidate, Cause, RouteTerms
from core.audit import Because
from core.capabilities import Cards, ModelCard
from core.clock import EPOCH, Clock
from core.errors import Conflict, Invalid, NotFound
from core.payload_terms import payload_days, payload_percent
from core.principals import Permission, Principal
from core.routes import checks
from core.routes.table import DEFAULT, RouteTable, RouteView
from core.routes.undo import FROM_ENVIRONMENT
from core.servers import recipe_of
from core.settings import Settings
from core.store import FOR_CHANGE, Store
from core.tables import Route, Schema, Tenant

_MOST_TOLD = 3
"""Tenants that are named in a refusal."""


class RouteLimits(TypedDict, total=False):
    """What a route has beside its candidates; what is left out is as it is said here."""

    max_reasks: int
    """2."""
    max_retries: int
    """1."""
    deadline_seconds: float
    """60."""
    description: str
    """Empty."""
    schemas: Sequence[str]
    """None."""
    fallback_on: Iterable[str] | None
    """``None``, which is every cause."""
    hedge_after_ms: int | None
    """``None``, which is never; so for the next."""
    cache_seconds: int | None
    payload_days: int | None
    """``None``, which is as the tenant says; so for the next."""
    payload_percent: int | None
    marks_cache: bool
    """Yes."""


class Routes:
    """The routes of this deployment."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, cards: Cards | None = None) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._cards = cards or Cards(settings, clock)

    def card(self, provider: str, model: str) -> ModelCard:
        """Return what is known of a provider's model."""
        return self._cards.of(provider, model)

    def table(self) -> RouteTable:
        """Return the routes as they are now, for the policies: one read."""
        with self._store.reading() as session:
            rows = session.exec(select(Route).order_by(Route.name)).all()
        views = {row.name: self._view(row) for row in rows}
        return RouteTable([views.pop(DEFAULT, None) or self._from_environment(), *views.values()])

    def list(self, principal: Principal) -> Sequence[RouteView]:
        """Return every route, the default one first.

        Raises:
            Forbidden: without ``routes.read``.

        """
        principal.require(Permission.ROUTES_READ)
        return self.table().views

    def find(self, principal: Principal, name: str) -> RouteView:
        """Return the route of that name.

        Raises:
            Forbidden: without ``routes.read``.
            NotFound: there is none; the message says which there are.

        """
        principal.require(Permission.ROUTES_READ)
        return self.table().find(name)

    def for_schema(self, principal: Principal, schema: str) -> RouteView:
        """Return the route that a request about *schema* takes if it names none: the one that lists it, or default.

        Raises:
            Forbidden: without ``routes.read``.

        """
        principal.require(Permission.ROUTES_READ)
        return self.table().for_schema(schema)

    def of_model(self, principal: Principal, model: str, route: str = DEFAULT) -> RouteTerms:
        """Return a route narrowed to one model, as a caller may ask for it.

        The model has its own settings where the route names it, and the deployment's where it does not.

        Raises:
            Forbidden: without ``routes.read``.
            Invalid: *model* names no provider.
            NotFound: there is no such route.

        """
        principal.require(Permission.ROUTES_READ)
        return self.table().narrowed(route, self.candidate({"model": model}))

    def models(self, principal: Principal) -> Sequence[str]:
        """Return every model that a route names, as ``provider/name``, each once.

        Raises:
            Forbidden: without ``routes.read``.

        """
        principal.require(Permission.ROUTES_READ)
        return self.table().models

    def set(
        self,
        principal: Principal,
        name: str,
        candidates: Sequence[Mapping[str, Any]],
        *,
        expected_version: int | None = None,
        reason: str = "",
        undo_of: str | None = None,
        **limits: Unpack[RouteLimits],
    ) -> RouteView:
        """Make or change a route; effective with the next generation, in every process.

        A candidate reads ``{"model": "provider/name", "mode"?, "max_tokens"?, "most_tokens"?, "timeout_seconds"?,
        "max_reasks"?, "max_retries"?, "parameters"?}``.

        Raises:
            Forbidden: without ``routes.write``.
            Invalid: a value that a route cannot have.
            Conflict: somebody made it at the same moment.
            Crossed: it is no longer at *expected_version*.

        """
        principal.require_over(Permission.ROUTES_WRITE, None)
        wanted = self._checked(name, candidates, limits)
        with self._store.writing() as session:
            row = session.exec(select(Route).where(Route.name == name).with_for_update(**FOR_CHANGE)).first()
            self._require_seen(session, name, row, expected_version)
            _check_schemas(session, name, wanted["schemas"])
            known = self._view(row) if row else self._from_environment() if name == DEFAULT else None
            is_known = row is not None
            if row is None:
                row = Route(id=self._clock.new_id(), name=name, created_at=self._clock.now(), version=0, **wanted)
            if _is_less(wanted["payload_days"], row.payload_days if is_known else None):
                row.payloads_cut_from = EPOCH  # what is kept already is not to stay longer either
            for field, value in wanted.items():
                setattr(row, field, value)
            row.version += 1
            session.add(row)
            try:
                session.flush()
            except IntegrityError:  # whoever makes it has no row that could be locked
                raise Conflict(f"Someone else made route {name} at the same moment. Look again.") from None
            view = self._view(row)
            asked = ", then ".join(one.name for one in view.terms.candidates)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="route.set",
                kind="route",
                subject=name,
                summary=f"Route {name} now asks {asked}.",
                before=known.described | ({} if is_known else {FROM_ENVIRONMENT: True}) if known else None,
                after=view.described,
                reason=reason,
                undo_of=undo_of,
            )
            return view

    def draft(self, name: str, candidates: Sequence[Mapping[str, Any]], **limits: Unpack[RouteLimits]) -> RouteView:
        """Return the route that :meth:`set` would make, and save nothing.

        Raises:
            Invalid: a value that a route cannot have.

        """
        wanted = self._checked(name, candidates, limits)
        return self._view(Route(id="", name=name, created_at=self._clock.now(), version=0, **wanted))

    def _checked(self, name: str, candidates: Sequence[Mapping[str, Any]], limits: RouteLimits) -> dict[str, Any]:
        """Return a route's columns, each checked, or raise Invalid."""
        checks.name(name)
        causes = checks.causes(limits.get("fallback_on"))
        hedge_after_ms = checks.span("hedge_after_ms", limits.get("hedge_after_ms"), checks.MOST_HEDGE_MS)
        if hedge_after_ms and len(candidates) == 1:
            raise Invalid("hedge_after_ms needs a second candidate, to be asked beside the first.")
        return {
            "candidates": checks.candidates(candidates, self._settings, self._cards, self._clock.now().date()),
            "description": checks.description(limits.get("description", "")),
            "schemas": list(dict.fromkeys(limits.get("schemas", ()))),
            "fallback_on": None if causes == frozenset(Cause) else [cause.value for cause in Cause if cause in causes],
            "hedge_after_ms": hedge_after_ms,
            "cache_seconds": checks.span("cache_seconds", limits.get("cache_seconds"), checks.MOST_CACHE_SECONDS),
            "payload_days": checks.given(payload_days, limits.get("payload_days")),
            "payload_percent": checks.given(payload_percent, limits.get("payload_percent")),
            "marks_cache": bool(limits.get("marks_cache", True)),
            "max_reasks": checks.attempts("max_reasks", limits.get("max_reasks", 2)),
            "max_retries": checks.attempts("max_retries", limits.get("max_retries", 1)),
            "deadline_seconds": checks.deadline(limits.get("deadline_seconds", checks.USUAL_DEADLINE_SECONDS)),
        }

    def reset(
        self, principal: Principal, name: str, *, expected_version: int | None = None, **why: Unpack[Because]
    ) -> None:
        """Remove a route; the default one then follows the environment again.

        Raises:
            Forbidden: without ``routes.write``.
            NotFound: no operator made it.
            Conflict: a tenant has it as its own.
            Crossed: it is no longer at *expected_version*.

        """
        principal.require_over(Permission.ROUTES_WRITE, None)
        with self._store.writing() as session:
            row = session.exec(select(Route).where(Route.name == name).with_for_update(**FOR_CHANGE)).first()
            if row is None:
                raise NotFound(f"No operator made a route {name!r}, so there is nothing to remove.")
            self._require_seen(session, name, row, expected_version)
            _require_unused(session, name)
            session.delete(row)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="route.reset",
                kind="route",
                subject=name,
                summary="The default route follows the environment." if name == DEFAULT else f"{name} was removed.",
                before=self._view(row).described,
                **why,
            )

    def candidate(self, given: Mapping[str, Any]) -> Candidate:
        """Return one candidate, checked.

        Raises:
            Invalid: a value that a candidate cannot have.

        """
        return checks.candidate(given, self._settings)

    def asked(self, model: str) -> Candidate:
        """Return the candidate that a caller means by ``provider/name``.

        Raises:
            Invalid: it is none, or none that anybody here can ask.

        """
        found = self.candidate({"model": model})
        checks.require_there(found, self._settings)
        return found

    def _require_seen(self, session: Session, name: str, row: Route | None, expected_version: int | None) -> None:
        version = row.version if row else 0
        if expected_version is not None and version != expected_version:
            raise audit.crossed(
                session,
                f"route {name}",
                kind="route",
                subject=name,
                tenant_id=None,
                present=self._view(row).described if row else None,
                expected=version,
            )

    def _view(self, row: Route) -> RouteView:
        terms = RouteTerms(
            name=row.name,
            candidates=tuple(self.candidate(one) for one in row.candidates),
            max_reasks=row.max_reasks,
            max_retries=row.max_retries,
            deadline_seconds=row.deadline_seconds,
            fallback_on=checks.causes(row.fallback_on),
            hedge_after_ms=row.hedge_after_ms,
            cache_seconds=row.cache_seconds,
            payload_days=row.payload_days,
            payload_percent=row.payload_percent,
            marks_cache=row.marks_cache,
        )
        return RouteView(
            terms=terms,
            version=row.version,
            is_from_environment=False,
            description=row.description,
            schemas=tuple(row.schemas),
        )

    def _usual_candidates(self) -> Iterable[str]:
        """Yield who is asked by the environment; where it names nobody first, one that does not retire soon."""
        first, *others = self._settings.candidates
        provider, _, model = first.partition("/")
        if self._settings.model_primary is None and model == getattr(recipe_of(provider), "first_model", ""):
            first = f"{provider}/{self._cards.staying(provider, model, self._clock.now())}"
        yield from dict.fromkeys((first, *others))

    def _from_environment(self) -> RouteView:
        terms = RouteTerms(
            name=DEFAULT,
            candidates=tuple(self.candidate({"model": model}) for model in self._usual_candidates()),
            max_reasks=self._settings.max_retries,
            max_retries=1,
            deadline_seconds=self._settings.deadline_seconds,
        )
        return RouteView(terms=terms, version=0, is_from_environment=True)


def _is_less(days: int | None, before: int | None) -> bool:
    """Whether prompts and answers are to stay less long than *before*, as far as a route says it."""
    return days is not None and (before is None or days < before)


def _require_unused(session: Session, route: str) -> None:
    """Go on only if no tenant has *route* as its own.

    Raises:
        Conflict: one has.

    """
    named = select(Tenant.name).where(Tenant.route == route).order_by(Tenant.name)
    using = session.exec(named.limit(_MOST_TOLD + 1)).all()
    if using:
        told = ", ".join(using[:_MOST_TOLD]) + (" and others" if len(using) > _MOST_TOLD else "")
        raise Conflict(f"{route} is the own route of {told}. Give them another first, or none.")


def _check_schemas(session: Session, route: str, wanted: Sequence[str]) -> None:
    """Go on only if every schema is there and takes no other route.

    Raises:
        Invalid: one is not, or does.

    """
    if not wanted:
        return
    there = set(session.exec(select(Schema.name).where(col(Schema.name).in_(wanted))))
    if missing := [name for name in wanted if name not in there]:
        raise Invalid(f"There is no schema {missing[0]!r}, so it can take no route. Give a schema's plain name.")
    for other in session.exec(select(Route).where(Route.name != route)):
        if taken := [name for name in wanted if name in other.schemas]:
            raise Invalid(f"The schema {taken[0]} takes the route {other.name} already; take it from there first.")
