"""The rules of flags, as operators make and remove them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypedDict, Unpack
from zoneinfo import ZoneInfo

# The package is typed; pyright does not see the marker of a namespace in its folders.
import openfeature.api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core import audit
from core.audit import Because
from core.clock import EARLIEST, LATEST, Clock, timezones
from core.errors import Conflict, Invalid, NotFound
from core.flags._meanings import Flag, FlagKind, checked_name, kind_of, meaning_of
from core.flags._other import TENANT, OtherProvider
from core.flags._provider import RuleProvider, evaluation
from core.flags._rules import NEWEST_ALGORITHM, Evaluation, RuleSet, described, moment_of, told
from core.principals import Permission, Principal
from core.store import FOR_CHANGE, Store
from core.tables import FlagRule, Route, Schema, Tenant
from core.visibility import present, visible

STALE_DAYS = 30
"""After so many days a rule that holds for every call is taken for one that was forgotten."""


class RuleBounds(TypedDict, total=False):
    """For whom and how long a rule holds; what is left out it holds for all and for ever."""

    percent: int | None
    """For so many of a hundred calls; for the others the opposite holds. One user's calls are alike."""
    starts: str | None
    """From when on, by the clock on the wall of *zone*: ``2027-03-28T02:30``. What lies beneath holds before."""
    ends: str | None
    """Until when; so it is from then on."""
    zone: str | None
    """An IANA name; without one the tenant's, or UTC of a rule for all."""
    is_permanent: bool
    """Whether it is meant to stay, so that it is not told as forgotten."""


@dataclass(frozen=True, slots=True)
class StaleRule:
    """A rule that can probably go, and why."""

    rule: FlagRule
    why: str


class Flags:
    """The rules that operators set, or who decides in their place."""

    def __init__(self, store: Store, clock: Clock, other: OtherProvider | None = None) -> None:
        self._store = store
        self._clock = clock
        self.other = other
        """Another provider, which a setting names: it decides, and no rule of ours is heard or changed."""

    @cached_property
    def client(self) -> OpenFeatureClient:
        """An OpenFeature client over this store's rules, which it reads on each call. Policy uses a ``RuleSet``."""
        if self.other is not None:
            return self.other.client
        domain = f"proctor/{id(self):x}"
        openfeature.api.set_provider_and_wait(RuleProvider(self._all_rules, self._clock), domain)
        return openfeature.api.get_client(domain)

    def _all_rules(self) -> Sequence[FlagRule]:
        with self._store.reading() as session:
            return session.exec(select(FlagRule)).all()

    def concerning(self, session: Session, tenant_id: str) -> Sequence[FlagRule]:
        """Return the rules for a tenant, its own and those for all."""
        return session.exec(select(FlagRule).where(col(FlagRule.tenant_id).in_(("", tenant_id)))).all()

    def rules(self, principal: Principal) -> Sequence[FlagRule]:
        """Return every rule that *principal* may see, those for all tenants among them: one read.

        Where another provider decides there is none, as nobody hears it.

        Raises:
            Forbidden: without ``flags.read``.

        """
        principal.require(Permission.FLAGS_READ)
        if self.other is not None:
            return ()
        mine = visible(principal.scope_of(Permission.FLAGS_READ), FlagRule.tenant_id, with_shared=True)
        with self._store.reading() as session:
            return session.exec(select(FlagRule).where(mine)).all()

    def stale(self, principal: Principal) -> Sequence[StaleRule]:
        """Return the rules that can probably go, of those that *principal* may see: three reads.

        Raises:
            Forbidden: without ``flags.read``.

        """
        rules, now = self.rules(principal), self._clock.now()
        with self._store.reading() as session:
            routes = {*session.exec(select(Route.name)).all(), "default"}
            schemas = set(session.exec(select(Schema.name)).all())
        there = {FlagKind.ROUTE: routes, FlagKind.SCHEMA: schemas}
        found = ((one, _staleness(one, there, now)) for one in rules)
        return [StaleRule(one, why) for one, why in found if why]

    def evaluate(self, principal: Principal, flag: str, tenant_id: str | None, unit: str = "") -> Evaluation:
        """Return the value of *flag* for a tenant, and why, from the database as it is now.

        *unit* is whom a share is drawn for; without one its default is told, with the reason ``ERROR``.

        Raises:
            Forbidden: without ``flags.read``.
            NotFound: *principal* does not see that tenant, or there is no such flag.

        """
        principal.require(Permission.FLAGS_READ)
        if tenant_id and not principal.scope_of(Permission.FLAGS_READ).holds(tenant_id):
            raise NotFound(f"There is no tenant {tenant_id!r}.")
        if self.other is not None:
            return self.other.ask([flag], tenant_id or "", "", unit)[flag]
        context = EvaluationContext(targeting_key=unit, attributes={TENANT: tenant_id or ""})
        return evaluation(self.client.get_boolean_details(flag, meaning_of(flag).default, context))

    def held(self, principal: Principal, tenant: Tenant | None, *more: str) -> Mapping[str, Evaluation]:
        """Return what holds for a tenant, or for none in particular: every feature, what else has a rule, and *more*.

        Raises:
            Forbidden: without ``flags.read``.
            NotFound: *principal* does not see that tenant, or it is gone.

        """
        principal.require(Permission.FLAGS_READ)
        if tenant is not None:
            if not principal.scope_of(Permission.FLAGS_READ).holds(tenant.id):
                raise NotFound("There is no such tenant.")
            with self._store.reading() as session:
                tenant = present(session, tenant)
        if self.other is None:
            rules = RuleSet(self.rules(principal), _scope(tenant))
            now = self._clock.now()
            return rules.all(now) | {name: rules.evaluate(name, now) for name in more}
        return self.other.ask([*map(str, Flag), *more], _scope(tenant), tenant.name if tenant else "", "")

    def set(
        self,
        principal: Principal,
        flag: str,
        tenant: Tenant | None,
        is_on: bool,  # noqa: FBT001 a switch
        *,
        expected: str | None = None,
        salt: str = "",
        algorithm: int = NEWEST_ALGORITHM,
        reason: str = "",
        undo_of: str | None = None,
        **limits: Unpack[RuleBounds],
    ) -> FlagRule:
        """Turn *flag* on or off for *tenant*, or for all tenants that have no rule of their own; return the rule.

        *expected* is the rule that the operator saw, in the words of ``told``: ``on``, ``off``, or empty where there
        was none; ``None`` is any. *salt* is by what a share is drawn, with which *algorithm*; without one what the rule
        has had, or a new one.

        Raises:
            Forbidden: without ``flags.write``.
            NotFound: the tenant is gone, or there is no such flag.
            Invalid: a limit that a rule cannot have, a reason that is too long; or another provider decides.
            Conflict: another operator made the same rule at the same moment.
            Crossed: see *expected*.

        """
        principal.require_over(Permission.FLAGS_WRITE, _scope(tenant))
        self._require_own()
        flag = checked_name(flag)
        with self._store.writing() as session:
            tenant = None if tenant is None else present(session, tenant)
            wanted = _checked(limits, tenant, self._clock.now())
            rule = session.get(FlagRule, (flag, _scope(tenant)), with_for_update=FOR_CHANGE)
            _require_seen(session, flag, tenant, rule, expected)
            before = described(rule) if rule else None
            if rule is None:
                rule = FlagRule(name=flag, tenant_id=_scope(tenant), is_on=is_on, changed_at=self._clock.now())
            changed = FlagRule.model_validate(rule.model_dump() | wanted | {"is_on": is_on})
            if changed.percent is not None and (salt or not changed.salt):
                changed.salt, changed.algorithm = salt or self._clock.new_id(), algorithm
            after = described(changed)
            if before == after:
                return rule
            for field in (*wanted, "is_on", "salt", "algorithm"):
                setattr(rule, field, getattr(changed, field))
            rule.changed_at, rule.changed_by = self._clock.now(), principal.name
            rule.reason = audit.checked_reason(reason)
            session.add(rule)
            try:
                session.flush()
            except IntegrityError:
                raise Conflict(f"Someone else set {flag} at the same moment. Reload and look again.") from None
            audit.record(
                session,
                self._clock,
                by=principal,
                action="flag.set",
                kind="flag",
                subject=flag,
                summary=f"{flag} was turned {told(rule)} for {_whom(tenant)}.",
                tenant_id=tenant.id if tenant else None,
                before=before,
                after=after,
                reason=reason,
                undo_of=undo_of,
            )
            return rule

    def clear(
        self,
        principal: Principal,
        flag: str,
        tenant: Tenant | None,
        *,
        expected: str | None = None,
        **why: Unpack[Because],
    ) -> None:
        """Remove the rule for *tenant*, or the one for all, so that what lies beneath decides again.

        *expected* is the rule that the operator saw, as for :meth:`set`.

        Raises:
            Forbidden: without ``flags.write``.
            NotFound: the tenant is gone.
            Invalid: another provider decides.
            Crossed: see *expected*.

        """
        principal.require_over(Permission.FLAGS_WRITE, _scope(tenant))
        self._require_own()
        with self._store.writing() as session:
            tenant = None if tenant is None else present(session, tenant)
            rule = session.get(FlagRule, (str(flag), _scope(tenant)), with_for_update=FOR_CHANGE)
            _require_seen(session, flag, tenant, rule, expected)
            if rule is None:
                return
            session.delete(rule)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="flag.clear",
                kind="flag",
                subject=flag,
                summary=f"The rule of {flag} for {_whom(tenant)} was removed.",
                tenant_id=tenant.id if tenant else None,
                before=described(rule),
                after=None,
                **why,
            )

    def _require_own(self) -> None:
        if self.other is not None:
            raise Invalid(f"Flags are decided by {self.other.name} (FLAG_PROVIDER): change them there.")


def _checked(limits: RuleBounds, tenant: Tenant | None, now: datetime) -> dict[str, Any]:
    """Return the columns that *limits* are kept in.

    Raises:
        Invalid: they cannot be.

    """
    percent = limits.get("percent")
    if percent is not None and not (isinstance(percent, int) and not isinstance(percent, bool) and 0 <= percent <= 100):  # pyright: ignore[reportUnnecessaryIsInstance] a caller's word
        raise Invalid("A share is a whole number of 100 calls, from 0 to 100; without one a rule holds for all.")
    zone = limits.get("zone") or (tenant.timezone if tenant else "UTC")
    if zone not in timezones():
        raise Invalid(f"{zone!r} is not a time zone we know. Write it like Europe/Berlin.")
    starts, ends = (_wall(limits.get(field), zone) for field in ("starts", "ends"))
    if ends is not None and (moment_of(ends, zone) or now) <= max(now, moment_of(starts, zone) or now):
        raise Invalid("A rule ends after it begins, and not in the past.")
    return {
        "percent": percent,
        "starts_wall": starts,
        "ends_wall": ends,
        "zone": zone if starts or ends else "",
        "is_permanent": bool(limits.get("is_permanent", False)),
    }


def _wall(given: str | None, zone: str) -> str | None:
    """Return *given* as a rule keeps it: to a minute, by the clock of its zone. A time with an offset is brought there.

    Raises:
        Invalid: it is no time.

    """
    if not given:
        return None
    try:
        found = datetime.fromisoformat(given)
        found = found.astimezone(ZoneInfo(zone)) if found.tzinfo else found
    except (ValueError, OverflowError):
        found = None
    if found is None or not EARLIEST.year <= found.year < LATEST.year:
        raise Invalid(
            f"{given[:40]!r} is no time that a rule can have. Write it like 2027-03-28T02:30, by the clock in {zone}."
        )
    return found.replace(tzinfo=None, second=0, microsecond=0).isoformat(timespec="minutes")


def _staleness(rule: FlagRule, there: dict[FlagKind, set[str]], now: datetime) -> str:
    kind, _, name = rule.name.partition(":")
    about = kind_of(rule.name)
    if about is None and rule.name not in set(Flag):
        return "no flag of this name is left"
    if about is not None and name not in there.get(about, {name}):
        return f"there is no {kind} {name} any more"
    ends = moment_of(rule.ends_wall, rule.zone)
    if ends is not None and ends <= now:
        return "it has ended"
    is_whole = rule.percent in {None, 0, 100} and ends is None and not rule.is_permanent
    if is_whole and rule.changed_at <= now - timedelta(days=STALE_DAYS):
        days = math.floor((now - rule.changed_at) / timedelta(days=1))
        return f"it has been the same for all calls for {days} days, and is not marked to stay"
    return ""


def _require_seen(
    session: Session, flag: str, tenant: Tenant | None, rule: FlagRule | None, expected: str | None
) -> None:
    if expected is not None and expected != told(rule):
        raise audit.crossed(
            session,
            f"{flag} for {_whom(tenant)}",
            kind="flag",
            subject=flag,
            tenant_id=tenant.id if tenant else None,
            present=described(rule) if rule else None,
            expected=told(rule),
        )


def _scope(tenant: Tenant | None) -> str:
    return tenant.id if tenant else ""


def _whom(tenant: Tenant | None) -> str:
    return tenant.name if tenant else "all tenants"
