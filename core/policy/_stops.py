"""Kill switches, asked again while a generation goes on: what was switched off meanwhile is asked no more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.attempts import Candidate
from core.errors import ProctorError
from core.flags import Flag, FlagKind
from core.policy._terms import Policy, TenantTerms

if TYPE_CHECKING:
    from core.policy._policies import Policies


class Stops:
    """What of a generation's policy an operator has stopped since it began; asked before each call but the first.

    A generation keeps what it began with, and a share is drawn for it once. So all that is heard here is *off, for
    every call*: a flag that is on again, or a share of another size, holds with the next generation.
    """

    def __init__(self, policies: Policies, policy: Policy) -> None:
        self._policies = policies
        self._policy = policy

    def __call__(self, candidate: Candidate) -> str:
        """Return why *candidate* may not be asked any more, a sentence without its end; empty where it may.

        That is one small statement, and a second one where an operator has decided something meanwhile.

        Raises:
            FeatureDisabled: nobody may be asked any more.

        """
        tenant = self._now() if self._policies.flags.other is None else self._told(candidate)
        if tenant is None:
            return ""
        policy = self._policy
        tenant.require(Flag.GENERATION)
        tenant.require(FlagKind.ROUTE.of(policy.route.name))
        if policy.schema.version is not None:
            tenant.require(FlagKind.SCHEMA.of(policy.schema.name))
        flag = tenant.stop_of(candidate)
        if flag is None and tenant.is_off(Flag.FALLBACK) and candidate.name != policy.route.candidates[0].name:
            flag = Flag.FALLBACK
        return "" if flag is None else tenant.off(flag)

    def _now(self) -> TenantTerms | None:
        """Return what holds for the tenant now for every call; ``None`` where nothing was decided, or nobody can say.

        Whoever cannot ask goes on as he began: the next hold of money meets the same database, and says so better.
        """
        policies, policy = self._policies, self._policy
        try:
            snapshot = policies.snapshot(policy.tenant.id)
            if snapshot.revision == policy.revision:
                return None
            tenant = snapshot.tenant
        except ProctorError:
            return None
        flags = tenant.flags
        if tenant.rules is not None:
            flags = tenant.rules.decided(flags, policies.tenants.clock.now(), "")
        return replace(tenant, flags={name: one for name, one in flags.items() if one.percent is None}, rules=None)

    def _told(self, candidate: Candidate) -> TenantTerms:
        """Return what another provider of flags says is off for whoever asks: nobody is named to be drawn for."""
        policies, policy = self._policies, self._policy
        names = [Flag.GENERATION, Flag.FALLBACK, Flag.LOCAL_MODEL, FlagKind.ROUTE.of(policy.route.name)]
        names += [FlagKind.MODEL.of(candidate.name)]
        names += [FlagKind.SCHEMA.of(policy.schema.name)] if policy.schema.version is not None else []
        other, tenant = policies.flags.other, policy.tenant
        assert other is not None  # noqa: S101 whoever asks here has looked
        said = other.ask([str(name) for name in names], tenant.id, tenant.name, "")
        return replace(tenant, flags={name: one for name, one in said.items() if one.reason in _FOR_ALL}, rules=None)


_FOR_ALL = frozenset({"STATIC", "DISABLED"})
"""The reasons with which another provider says what holds for every call, whoever asks."""
