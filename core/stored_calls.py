"""Calls about what a vendor stores for a tenant, to read or delete it: they cost nothing and are no generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from core.breakers import Breakers
from core.clock import Clock
from core.dialects import DIALECTS, DialectName, KeptState, VendorResponse
from core.errors import ProctorError, Unavailable
from core.policy import Policies
from core.providers import Provider, ProviderError, Storing
from core.providers.loop import Loop
from core.screened_places import answer_as_allowed
from core.stored_objects import Holder, StoredObjects
from core.telemetry import log

Verb = Literal["get", "delete", "post"]


class StoredCalls:
    """Asks the provider that has it, with the key that made it, and nobody else."""

    def __init__(
        self,
        *,
        stored: StoredObjects,
        providers: Mapping[str, Provider],
        breakers: Breakers,
        policies: Policies,
        loop: Loop,
        clock: Clock,
        seconds: float,
    ) -> None:
        """Join the parts; a call may take *seconds*."""
        self._stored = stored
        self._providers = providers
        self._breakers = breakers
        self._policies = policies
        self._loop = loop
        self._clock = clock
        self._seconds = seconds

    def response(
        self, tenant_id: str, response_id: str, verb: Verb, part: str, query: Sequence[tuple[str, str]]
    ) -> VendorResponse:
        """Return what the vendor says of a tenant's own response, or *part* of it; its errors are answers too.

        What guardrails take out of answers is taken out of this.

        Raises:
            NotFound: it is not this tenant's, whether or not there is such a one.
            Unavailable: the provider cannot be asked now, or gave no answer.

        """
        named = KeptState("response_id", "response", response_id)
        holder = self._stored.holder(tenant_id, [named])
        assert holder is not None  # noqa: S101 something was named
        provider = self._providers.get(holder.provider)
        if provider is None or not hasattr(provider, "stored"):
            raise Unavailable(f"{holder.provider}, which stores this response, is not set up here any more.")
        answered = self._asked(cast("Storing", provider), holder, verb, f"/responses/{response_id}{part}", query)
        if verb == "delete" and (answered.status < 300 or answered.status == 404):
            self._forget(tenant_id, named)
        return self._screened(tenant_id, answered)

    def _asked(
        self, provider: Storing, holder: Holder, verb: Verb, path: str, query: Sequence[tuple[str, str]]
    ) -> VendorResponse:
        who, began = (holder.provider, holder.model), self._clock.monotonic()
        if (why := self._breakers.refusal(*who)) is not None:
            raise Unavailable(f"{holder.provider} is not asked at present: {why}")
        healthy: bool | None = None
        try:
            asked = provider.stored(verb, path, query, key_digest=holder.key_digest, seconds=self._seconds)
            answered: VendorResponse = self._loop.run(asked)
        except ProviderError as error:
            healthy = False if error.tells_health and error.trips_breaker else None
            if error.answer.raw is not None:
                return error.answer.raw
            wait = error.retry_after_seconds
            raise Unavailable(error.message, **({} if wait is None else {"retry_after_seconds": wait})) from error
        else:
            healthy = True
            return answered
        finally:
            self._breakers.note(*who, healthy=healthy, seconds=self._clock.monotonic() - began, began=began)

    def _forget(self, tenant_id: str, named: KeptState) -> None:
        try:
            self._stored.forget(tenant_id, named)
        except ProctorError as error:  # it is gone at the vendor's, and the chore will take the row
            log().warning("stored_objects_not_forgotten", reason=error.message)

    def _screened(self, tenant_id: str, answered: VendorResponse) -> VendorResponse:
        guardrails = self._policies.snapshot(tenant_id).guardrails()
        return answer_as_allowed(guardrails, DIALECTS[DialectName.RESPONSES], answered, [])
