"""The rules that operators set, and the commands that change them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from core import audit
from core.audit import Because
from core.clock import Clock
from core.errors import Conflict, Invalid, NotFound
from core.guardrail_rules._fields import RuleFields, checked, checked_name
from core.guardrail_rules._words import looked_at, looked_for
from core.guardrails import (
    Action,
    GuardrailTerms,
    NameTerms,
    OutsideJudges,
    OutsideTerms,
    Stage,
    guardrail_of,
    settings_text,
)
from core.principals import SYSTEM, Permission, Principal
from core.store import FOR_CHANGE, Store
from core.tables import GuardrailRule, Route, Tenant
from core.visibility import present, visible

_MOST = 200
"""Rules of one tenant, or of those for all: each is asked about every text."""
_DEFAULT_ROUTE = "default"


class GuardrailRules:
    """The rules that operators set."""

    def __init__(self, store: Store, clock: Clock, outside: OutsideJudges | None = None) -> None:
        self._store = store
        self._clock = clock
        self.outside = outside
        """Asks judges; ``None`` where nobody is to be asked."""

    def concerning(self, session: Session, tenant_id: str) -> Sequence[tuple[str, GuardrailTerms]]:
        """Return the rules that hold for a tenant, its own and those for all, in order, each with its route."""
        mine = col(GuardrailRule.tenant_id).in_(("", tenant_id))
        rows = session.exec(select(GuardrailRule).where(mine, col(GuardrailRule.is_on).is_(True))).all()
        return [(row.route, terms_of(row)) for row in sorted(rows, key=_order)]

    def list(self, principal: Principal) -> Sequence[GuardrailRule]:
        """Return every rule that *principal* may see, those for all tenants among them, in order: one read.

        Raises:
            Forbidden: without ``guardrails.read``.

        """
        principal.require(Permission.GUARDRAILS_READ)
        scope = principal.scope_of(Permission.GUARDRAILS_READ)
        mine = visible(scope, GuardrailRule.tenant_id, with_shared=True)
        with self._store.reading() as session:
            return sorted(session.exec(select(GuardrailRule).where(mine)).all(), key=_order)

    def find(self, principal: Principal, name: str, tenant: Tenant | None) -> GuardrailRule:
        """Return the rule of that name, of *tenant* or of those for all.

        Raises:
            Forbidden: without ``guardrails.read``.
            NotFound: there is none that *principal* may see.

        """
        principal.require(Permission.GUARDRAILS_READ)
        mine = visible(principal.scope_of(Permission.GUARDRAILS_READ), GuardrailRule.tenant_id, with_shared=True)
        named = (GuardrailRule.tenant_id == _scope(tenant), GuardrailRule.name == name, mine)
        with self._store.reading() as session:
            rule = session.exec(select(GuardrailRule).where(*named)).first()
        if rule is not None:
            return rule
        raise NotFound(f"There is no rule {name[:60]!r} for {_whom(tenant)}.")

    def failing(self, rule: GuardrailRule) -> str:
        """Return why whoever *rule* asks did not judge when this process asked last; empty if nothing is known."""
        known = self.outside.failing if self.outside is not None and rule.is_on else None
        search = guardrail_of(terms_of(rule)).search if known else None
        return known.get(search, "") if known and isinstance(search, OutsideTerms) else ""

    def prepare(self) -> None:
        """Have the pipelines loaded that rules of now find names by, in the background."""
        rules = self.list(SYSTEM) if self.outside is not None and self.outside.finds_names else ()
        searches = {guardrail_of(terms_of(rule)).search for rule in rules if rule.is_on and rule.check_name == "names"}
        for search in searches:
            if self.outside is not None and isinstance(search, NameTerms):
                self.outside.prepare(search)

    def close(self) -> None:
        """Leave those that are still asked."""
        if self.outside is not None:
            self.outside.close()

    def draft(self, name: str, check: str, action: str, **fields: Unpack[RuleFields]) -> GuardrailTerms:
        """Return the rule that :meth:`set` would make, and save nothing.

        Raises:
            Invalid: a value that a rule cannot have.
            NotFound: there is no such check.

        """
        wanted = self._checked(name, check, action, fields)
        return self._draft(name, wanted)

    def set(
        self,
        principal: Principal,
        name: str,
        tenant: Tenant | None,
        check: str,
        action: str,
        *,
        expected_version: int | None = None,
        reason: str = "",
        undo_of: str | None = None,
        **fields: Unpack[RuleFields],
    ) -> GuardrailRule:
        """Make or change a rule for *tenant*, or for all; effective with the next generation, in every process.

        *expected_version* is that of the rule as the operator saw it, 0 where there was none; ``None`` is any.

        Raises:
            Forbidden: without ``guardrails.write``.
            NotFound: the tenant is gone, there is no such check or route.
            Invalid: a value that a rule cannot have; nothing is changed.
            Conflict: somebody made it at the same moment, or there are too many.
            Crossed: it is no longer at *expected_version*.

        """
        principal.require_over(Permission.GUARDRAILS_WRITE, _scope(tenant))
        wanted = self._checked(checked_name(name), check, action, fields)
        with self._store.writing() as session:
            tenant = None if tenant is None else present(session, tenant)
            _require_route(session, wanted["route"], "Without one a rule holds on every route.")
            _require_route(session, wanted["settings"].get("route", ""), "The check asks the models of one that is.")
            rule = _locked(session, name, tenant)
            _require_seen(session, name, tenant, rule, expected_version)
            before = described(rule) if rule else None
            if rule is None:
                _require_room(session, tenant)
                rule = GuardrailRule(
                    id=self._clock.new_id(),
                    name=name,
                    tenant_id=_scope(tenant),
                    created_at=self._clock.now(),
                    version=0,
                    **wanted,
                )
            for field, value in wanted.items():
                setattr(rule, field, value)
            if before == described(rule):
                return rule
            rule.version += 1
            session.add(rule)
            try:
                session.flush()
            except IntegrityError:  # whoever makes it has no row that could be locked
                raise Conflict(f"Someone else made the rule {name} at the same moment. Look again.") from None
            audit.record(
                session,
                self._clock,
                by=principal,
                action="guardrail.set",
                kind="guardrail",
                subject=name,
                summary=f"The guardrail {name} {_sentence(rule)} for {_whom(tenant)}.",
                tenant_id=tenant.id if tenant else None,
                before=before,
                after=described(rule),
                reason=reason,
                undo_of=undo_of,
            )
            return rule

    def remove(
        self,
        principal: Principal,
        name: str,
        tenant: Tenant | None,
        *,
        expected_version: int | None = None,
        **why: Unpack[Because],
    ) -> None:
        """Remove a rule; what it found stays recorded.

        Raises:
            Forbidden: without ``guardrails.write``.
            NotFound: the tenant is gone, or there is no such rule.
            Crossed: it is no longer at *expected_version*.

        """
        principal.require_over(Permission.GUARDRAILS_WRITE, _scope(tenant))
        with self._store.writing() as session:
            tenant = None if tenant is None else present(session, tenant)
            rule = _locked(session, name, tenant)
            _require_seen(session, name, tenant, rule, expected_version)
            if rule is None:
                raise NotFound(f"There is no rule {name[:60]!r} for {_whom(tenant)}.")
            session.delete(rule)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="guardrail.remove",
                kind="guardrail",
                subject=name,
                summary=f"The guardrail {name} was removed for {_whom(tenant)}.",
                tenant_id=tenant.id if tenant else None,
                before=described(rule),
                after=None,
                **why,
            )

    def _checked(self, name: str, check: str, action: str, fields: RuleFields) -> dict[str, Any]:
        """Return the columns of a rule; raises Invalid, also where whom it asks cannot be asked from here."""
        wanted = checked(name, check, action, fields)
        search = guardrail_of(self._draft(name, wanted)).search
        if self.outside is not None and isinstance(search, OutsideTerms):
            self.outside.require(search)
        return wanted

    def _draft(self, name: str, wanted: dict[str, Any]) -> GuardrailTerms:
        return terms_of(GuardrailRule(id="", name=name, created_at=self._clock.now(), **wanted))


def terms_of(rule: GuardrailRule) -> GuardrailTerms:
    """Return a rule as it is put to work."""
    return GuardrailTerms(
        name=rule.name,
        check=rule.check_name,
        action=Action(rule.action),
        stages=frozenset(map(Stage, rule.stages)),
        settings=settings_text(rule.settings),
        exceptions=frozenset(rule.exceptions),
        id=rule.id,
        version=rule.version,
    )


def described(rule: GuardrailRule) -> dict[str, Any]:
    """Return what a rule says, as the audit trail and documents have it."""
    return {
        "check": rule.check_name,
        "action": rule.action,
        "stages": rule.stages,
        "route": rule.route,
        "settings": rule.settings,
        "exceptions": rule.exceptions,
        "position": rule.position,
        "is_on": rule.is_on,
    }


def _sentence(rule: GuardrailRule) -> str:
    if not rule.is_on:
        return "was switched off"
    where = f" on the route {rule.route}" if rule.route else ""
    places = looked_at(rule.check_name, rule.settings)
    what = looked_for(rule.check_name, rule.settings) + (f" ({places})" if places else "")
    return f"now looks for {what} in {' and '.join(rule.stages)} ({rule.action}){where}"


def _order(rule: GuardrailRule) -> tuple[int, bool, str]:
    return rule.position, bool(rule.tenant_id), rule.name


def _locked(session: Session, name: str, tenant: Tenant | None) -> GuardrailRule | None:
    of = select(GuardrailRule).where(GuardrailRule.tenant_id == _scope(tenant), GuardrailRule.name == name)
    return session.exec(of.with_for_update(**FOR_CHANGE)).first()


def _require_room(session: Session, tenant: Tenant | None) -> None:
    """Go on only if one more rule can be had.

    Raises:
        Conflict: there are too many.

    """
    counted = select(func.count()).select_from(GuardrailRule).where(GuardrailRule.tenant_id == _scope(tenant))
    if session.exec(counted).one() >= _MOST:
        raise Conflict(f"There are {_MOST} rules for {_whom(tenant)}; remove one first. Lists can hold many words.")


def _require_route(session: Session, route: str, or_else: str) -> None:
    if route and route != _DEFAULT_ROUTE and session.exec(select(Route.id).where(Route.name == route)).first() is None:
        raise Invalid(f"There is no route {route[:60]!r}. {or_else}")


def _require_seen(
    session: Session, name: str, tenant: Tenant | None, rule: GuardrailRule | None, expected_version: int | None
) -> None:
    version = rule.version if rule else 0
    if expected_version is not None and version != expected_version:
        raise audit.crossed(
            session,
            f"the guardrail {name} for {_whom(tenant)}",
            kind="guardrail",
            subject=name,
            tenant_id=tenant.id if tenant else None,
            present=described(rule) if rule else None,
            expected=version,
        )


def _scope(tenant: Tenant | None) -> str:
    return tenant.id if tenant else ""


def _whom(tenant: Tenant | None) -> str:
    return tenant.name if tenant else "all tenants"
