"""Resolves policies, and keeps what it read for as long as it is true."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core import audit
from core.budgets import Budgets
from core.errors import Forbidden, NotFound, Unauthenticated
from core.flags import Flags
from core.guardrail_rules import GuardrailRules
from core.guardrails import built_in
from core.limits import Limits, Quota, QuotaUse, recorded_use
from core.policy._askers import quota_of
from core.policy._cache import RevisionCache
from core.policy._snapshot import GONE, TenantSnapshot
from core.policy._stops import Stops
from core.policy._terms import Policy
from core.principals import Permission, Principal
from core.routes import Routes
from core.schemas import Schemas
from core.settings import Settings
from core.store import Store
from core.tables import Tenant
from core.tenants import Tenants

_MOST_KEPT = 8192
"""Tenants, keys, registered schemas and policies, each counted as one."""
_MOST_INLINE_BYTES = 8_000_000
"""How much schema text the policies of schemas that came with a request may stand for: callers choose these."""


class Policies:
    """Resolves policies, and keeps what it read for as long as it is true."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        tenants: Tenants,
        flags: Flags,
        guardrails: GuardrailRules,
        routes: Routes,
        schemas: Schemas,
        budgets: Budgets,
        limits: Limits,
    ) -> None:
        self.store = store
        self.settings = settings
        self.tenants = tenants
        self.flags = flags
        self.guardrails = guardrails
        self.routes = routes
        self.schemas = schemas
        self.budgets = budgets
        self.kept: RevisionCache[Any] = RevisionCache(_MOST_KEPT)
        self.inline: RevisionCache[Policy] = RevisionCache(_MOST_INLINE_BYTES, _weight)
        self.limits = limits
        self.built_in = built_in()
        """The guardrails of which no operator has to say a word."""
        self._revisions = store.prepare(audit.REVISIONS)

    def authenticate(self, secret: str) -> Principal:
        """Return who holds *secret*, or raise Unauthenticated. One small statement where it was asked before."""
        return self.admitted(secret)[0]

    def admitted(self, secret: str) -> tuple[Principal, TenantSnapshot]:
        """Return who holds *secret*, and what holds for his tenant now, by the same look; raises Unauthenticated."""
        key = _principal_key(secret)
        holder = self.known(secret) or self.tenants.authenticate(secret)
        if holder.tenant_id is None:
            raise Forbidden(f"{holder.name} manages the deployment; it calls as no tenant. Send a tenant's key.")
        try:
            snapshot = self.snapshot(holder.tenant_id)  # before the key: a later revocation makes it old
            principal = self.kept.get(key, snapshot.revision, lambda: self.tenants.authenticate(secret))
            if principal.ends_at is not None and principal.ends_at <= self.tenants.clock.now():
                principal = self.tenants.authenticate(secret)  # which says that it has ended, and when
        except Unauthenticated:
            self.kept.drop(key)
            raise
        except NotFound:  # the tenant was removed, and its keys with it
            self.kept.drop(key)
            principal = self.tenants.authenticate(secret)
            snapshot = self.snapshot(principal.tenant_id or "")
        self.tenants.uses.note(key[1].hex())
        return principal, snapshot

    def quota_use(
        self, principal: Principal, tenant: Tenant, *, recorded_until: datetime | None = None
    ) -> Mapping[str, tuple[Quota, QuotaUse]]:
        """Return how fast *tenant* may be and is, by its id, and by their ids the live keys with limits of their own.

        Whoever may not see keys is told of the tenant alone.

        What is used is counted by all processes, or without a Redis by this one; a process that serves nobody gives
        *recorded_until*, and is told what was written down in the minute before.

        Raises:
            Forbidden: without ``tenants.read``.
            NotFound: there is no such tenant.

        """
        principal.require(Permission.TENANTS_READ)
        if not principal.scope_of(Permission.TENANTS_READ).holds(tenant.id):
            raise NotFound(GONE)
        keys = self.tenants.keys(principal, tenant) if principal.may(Permission.KEYS_READ, tenant.id) else ()
        of_keys = [quota_of(key) for key in keys if key.is_live]
        quotas = [self.snapshot(tenant.id).quota, *(quota for quota in of_keys if quota is not None)]
        if recorded_until is None:
            used = self.limits.use(quotas)
        else:
            used = [recorded_use(self.store, quota, recorded_until) for quota in quotas]
        return {quota.id: (quota, use) for quota, use in zip(quotas, used, strict=True)}

    def known(self, secret: str) -> Principal | None:
        """Return who held *secret* when it was last asked, without a look at the database; ``None`` if nobody did.

        Good for turning somebody away or letting them wait; whether they may is for `authenticate` to say.
        """
        return self.kept.peek(_principal_key(secret))

    def snapshot(self, tenant_id: str) -> TenantSnapshot:
        """Return what holds for a tenant now: one look at its revision and at the one for all.

        Raises:
            NotFound: there is no such tenant any more.

        """
        row = self.store.read_one(self._revisions, {"tenant_id": tenant_id})
        if row is None:
            raise NotFound(GONE)
        return TenantSnapshot(self, tenant_id, row[0], row[1])

    def stops(self, policy: Policy) -> Stops:
        """Return what tells a generation under *policy* what an operator has stopped since it began."""
        return Stops(self, policy)


def _principal_key(secret: str) -> tuple[str, bytes]:
    return "principal", hashlib.sha256(secret.encode()).digest()  # what is kept must not be a key


def _weight(policy: Policy) -> int:
    return len(policy.schema.response_model.form.wire_text)
