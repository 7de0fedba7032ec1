"""Flags: switches that an operator may turn for one tenant or for all.

The code says which flags exist and what each does; rows say how an operator set them. The rule of one tenant goes
before the rule for all, and that before the default. Evaluation speaks OpenFeature: a value, and the reason for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, NoReturn, Unpack

# The package is typed; pyright does not see the marker of a namespace in its folders.
import openfeature.api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext  # pyright: ignore[reportMissingTypeStubs]
from openfeature.exception import FlagNotFoundError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select
from typing_extensions import override

from core import audit
from core.audit import Because, PastChange, Undo, Undoing
from core.clock import Clock
from core.errors import Conflict, NotFound
from core.principals import Permission, Principal
from core.store import FOR_CHANGE, Store
from core.tables import FlagRule, Tenant
from core.visibility import concerned, present, visible


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a flag does, in sentences that finish 'While it is off, …' and 'While it is on, …'."""

    title: str
    default: bool
    on: str
    off: str


class Flag(StrEnum):
    """Every flag there is. Each is honoured in ``core/policy/``; of keeping payloads, in ``core/record/``."""

    GENERATION = "generation.enabled"
    STREAMING = "streaming.enabled"
    FALLBACK = "fallback.enabled"
    LOCAL_MODEL = "local_model.allowed"
    PAYLOADS = "payloads.kept"

    @property
    def meaning(self) -> Meaning:
        """What it does."""
        return _MEANINGS[self]


_MEANINGS = {
    Flag.GENERATION: Meaning(
        "Generation",
        default=True,
        on="generations are answered.",
        off="every generation is refused before a provider is asked, and costs nothing.",
    ),
    Flag.STREAMING: Meaning(
        "Streaming",
        default=True,
        on="answers may be streamed as they are written.",
        off="requests for a stream are refused; requests for a whole answer go on.",
    ),
    Flag.FALLBACK: Meaning(
        "Fallback",
        default=True,
        on="the next model of the route is asked when the first cannot answer.",
        off="only the first model of a route is asked; if it cannot answer, the generation fails.",
    ),
    Flag.LOCAL_MODEL: Meaning(
        "Local model",
        default=True,
        on="the small local model may answer where a route names it.",
        off="the local model is left out of every route; a route with no other model refuses.",
    ),
    Flag.PAYLOADS: Meaning(
        "Keeping payloads",
        default=True,
        on="prompts and answers are kept for as long as the tenant's retention says.",
        off="prompts and answers are not kept; figures, outcomes and field errors still are.",
    ),
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The value of a flag for a tenant, and why."""

    value: bool
    reason: str
    """OpenFeature's word: ``TARGETING_MATCH`` (this tenant's rule), ``STATIC`` (the rule for all), ``DEFAULT``."""
    rule: str
    """What decided, in words."""


_RULES = {
    Reason.TARGETING_MATCH: "the tenant's own rule",
    Reason.STATIC: "the rule for all tenants",
    Reason.DEFAULT: "the default",
}


class RuleProvider(AbstractProvider):
    """OpenFeature's view of our rules. The targeting key is the tenant's id."""

    def __init__(self, rules: Callable[[], Mapping[tuple[str, str], bool]]) -> None:
        super().__init__()
        self._rules = rules

    @override
    def get_metadata(self) -> Metadata:
        """Return our name."""
        return Metadata(name="proctor")

    @override
    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Return the value of a flag and its reason.

        Every flag of ours has its own default, so the caller's *default_value* is never the answer.

        Raises:
            FlagNotFoundError: there is no such flag.

        """
        try:
            flag = Flag(flag_key)
        except ValueError:
            raise FlagNotFoundError(f"There is no flag {flag_key!r}.") from None
        rules = self._rules()
        tenant_id = (evaluation_context.targeting_key if evaluation_context else None) or ""
        own = rules.get((flag_key, tenant_id)) if tenant_id else None
        if own is not None:
            return FlagResolutionDetails(own, reason=Reason.TARGETING_MATCH, variant=_variant(own))
        general = rules.get((flag_key, ""))
        if general is not None:
            return FlagResolutionDetails(general, reason=Reason.STATIC, variant=_variant(general))
        default = flag.meaning.default
        return FlagResolutionDetails(default, reason=Reason.DEFAULT, variant=_variant(default))

    @override
    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Refuse: our flags are on or off."""
        _refuse(flag_key)

    @override
    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Refuse: our flags are on or off."""
        _refuse(flag_key)

    @override
    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Refuse: our flags are on or off."""
        _refuse(flag_key)

    @override
    def resolve_object_details(
        self, flag_key: str, default_value: Any, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Any]:
        """Refuse: our flags are on or off."""
        _refuse(flag_key)


def evaluate_all(rules: Sequence[FlagRule], tenant_id: str | None) -> dict[Flag, Evaluation]:
    """Return every flag's value and reason for a tenant, or for no tenant in particular. Touches no database."""
    table = _table(rules)
    provider = RuleProvider(lambda: table)
    context = EvaluationContext(targeting_key=tenant_id or "")
    return {flag: _evaluation(provider.resolve_boolean_details(flag, flag.meaning.default, context)) for flag in Flag}


class Flags:
    """The rules that operators set."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @cached_property
    def client(self) -> OpenFeatureClient:
        """An OpenFeature client over this store's rules, which it reads on each call. Policy uses `evaluate_all`."""
        domain = f"proctor/{id(self):x}"
        openfeature.api.set_provider_and_wait(RuleProvider(self._all_rules), domain)
        return openfeature.api.get_client(domain)

    def _all_rules(self) -> Mapping[tuple[str, str], bool]:
        with self._store.reading() as session:
            return _table(session.exec(select(FlagRule)).all())

    def concerning(self, session: Session, tenant_id: str) -> Sequence[FlagRule]:
        """Return the rules for a tenant, its own and those for all."""
        return session.exec(select(FlagRule).where(col(FlagRule.tenant_id).in_(("", tenant_id)))).all()

    def rules(self, principal: Principal) -> Sequence[FlagRule]:
        """Return every rule that *principal* may see, those for all tenants among them: one read.

        Raises:
            Forbidden: without ``flags.read``.

        """
        principal.require(Permission.FLAGS_READ)
        mine = visible(principal.scope_of(Permission.FLAGS_READ), FlagRule.tenant_id, with_shared=True)
        with self._store.reading() as session:
            return session.exec(select(FlagRule).where(mine)).all()

    def evaluate(self, principal: Principal, flag: Flag, tenant_id: str | None) -> Evaluation:
        """Return the value of *flag* for a tenant, and why, from the database as it is now.

        Raises:
            Forbidden: without ``flags.read``.
            NotFound: *principal* does not see that tenant.

        """
        principal.require(Permission.FLAGS_READ)
        if tenant_id and not principal.scope_of(Permission.FLAGS_READ).holds(tenant_id):
            raise NotFound(f"There is no tenant {tenant_id!r}.")
        context = EvaluationContext(targeting_key=tenant_id or "")
        return _evaluation(self.client.get_boolean_details(flag, flag.meaning.default, context))

    def set(
        self,
        principal: Principal,
        flag: Flag,
        tenant: Tenant | None,
        is_on: bool,  # noqa: FBT001 a switch
        *,
        expected: str | None = None,
        **why: Unpack[Because],
    ) -> None:
        """Turn *flag* on or off for *tenant*, or for all tenants that have no rule of their own.

        *expected* is the rule that the operator saw: ``on``, ``off``, or empty where there was none; ``None`` is any.

        Raises:
            Forbidden: without ``flags.write``.
            NotFound: the tenant is gone.
            Conflict: another operator made the same rule at the same moment, or see *expected*.

        """
        principal.require_over(Permission.FLAGS_WRITE, _scope(tenant))
        with self._store.writing() as session:
            tenant = None if tenant is None else present(session, tenant)
            rule = session.get(FlagRule, _key(flag, tenant), with_for_update=FOR_CHANGE)
            _require_seen(flag, tenant, rule, expected)
            before = rule.is_on if rule else None
            if before is is_on:
                return
            if rule is None:
                rule = FlagRule(name=flag, tenant_id=_scope(tenant), is_on=is_on, changed_at=self._clock.now())
                session.add(rule)
            rule.is_on, rule.changed_at = is_on, self._clock.now()
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
                summary=f"{flag} was turned {_variant(is_on)} for {_whom(tenant)}.",
                tenant_id=tenant.id if tenant else None,
                before=None if before is None else {"is_on": before},
                after={"is_on": is_on},
                **why,
            )

    def clear(
        self,
        principal: Principal,
        flag: Flag,
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
            Conflict: see *expected*.

        """
        principal.require_over(Permission.FLAGS_WRITE, _scope(tenant))
        with self._store.writing() as session:
            tenant = None if tenant is None else present(session, tenant)
            rule = session.get(FlagRule, _key(flag, tenant), with_for_update=FOR_CHANGE)
            _require_seen(flag, tenant, rule, expected)
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
                before={"is_on": rule.is_on},
                after=None,
                **why,
            )


def _undo(session: Session, flags: Flags, past: PastChange) -> Undo:
    """Return how a rule is what it was before."""
    flag, tenant_id = Flag(past.subject), past.tenant_id or ""
    rule, tenant = session.get(FlagRule, (flag.value, tenant_id)), concerned(session, tenant_id)
    now = None if rule is None else {"is_on": rule.is_on}
    then, seen = past.restored(now), "" if rule is None else _variant(rule.is_on)

    def do(principal: Principal, reason: str) -> None:
        why: Because = {"reason": reason, "undo_of": past.id}
        if then is None:
            flags.clear(principal, flag, tenant, expected=seen, **why)
        else:
            flags.set(principal, flag, tenant, then["is_on"], expected=seen, **why)

    return Undo(now=now, then=then, needs=Permission.FLAGS_WRITE, do=do)


UNDO: Mapping[str, Undoing] = {"flag.set": _undo, "flag.clear": _undo}
"""How each of its changes is undone."""


def _table(rules: Sequence[FlagRule]) -> dict[tuple[str, str], bool]:
    return {(rule.name, rule.tenant_id): rule.is_on for rule in rules}


def _evaluation(details: Any) -> Evaluation:
    reason = Reason(details.reason)
    return Evaluation(details.value, str(reason), _RULES[reason])


def _require_seen(flag: Flag, tenant: Tenant | None, rule: FlagRule | None, expected: str | None) -> None:
    is_now = _variant(rule.is_on) if rule else ""
    if expected is not None and expected != is_now:
        said = f"it is {is_now} by now" if is_now else "its rule was removed"
        raise Conflict(
            f"Someone else changed {flag} for {_whom(tenant)} meanwhile: {said}. Nothing was saved; look again."
        )


def _variant(is_on: bool) -> str:  # noqa: FBT001 a word for it
    return "on" if is_on else "off"


def _scope(tenant: Tenant | None) -> str:
    return tenant.id if tenant else ""


def _key(flag: Flag, tenant: Tenant | None) -> tuple[str, str]:
    return (flag.value, _scope(tenant))


def _whom(tenant: Tenant | None) -> str:
    return tenant.name if tenant else "all tenants"


def _refuse(flag_key: str) -> NoReturn:
    raise TypeMismatchError(f"The flag {flag_key!r} is on or off; ask for a boolean.")
