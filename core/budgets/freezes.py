"""Freezes: for a moment nobody moves what a tenant's accounts begin with, so that it can be summed and written.

Such a sum is read without any lock, and does not hold if somebody moves it before it is written: another decision, a
call that was late, a re-pricing. Where these go on and on, whoever sums freezes the tenant's books. Who is about to
move them waits for the freezes that there are, and not for those that come later: so each mover is met once at most,
and none waits for ever. A freeze is a claim, so it holds for all processes, and ends with the process that has it.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager, suppress

from core.claims import FREEZE, Claims, Held, Lease
from core.errors import Unavailable
from core.store import REST_SECONDS, Store

_FREE_TRIES = 2
"""How often something is summed without a freeze: with nobody in the way once is enough."""
_FROZEN_TRIES = 8
"""How often with one: whoever was about to move the books when it began is met once."""
_LONGEST_SECONDS = 60.0
"""For so long at most anybody waits for a freeze, which lasts as long as a sum or two."""


class Freezes:
    """The freezes of this deployment."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    def tries(self, tenant_id: str) -> Generator[None]:
        """Yield each time that a sum over a tenant's calls is to be tried; the books are frozen from the third on.

        To be closed, so that the freeze ends.

        Raises:
            Unavailable: as :meth:`held` and :meth:`wait`.

        """
        for _ in range(_FREE_TRIES):
            self.wait({tenant_id})
            yield
        with self.held(tenant_id):
            for _ in range(_FROZEN_TRIES):
                yield

    @contextmanager
    def held(self, tenant_id: str) -> Generator[None]:
        """Freeze a tenant's books for as long as the block lasts.

        Raises:
            Unavailable: others freeze them, one after the other, or the database does not answer.

        """
        lease = self._taken(tenant_id)
        try:
            yield
        finally:
            with suppress(Unavailable):  # then it ends by itself
                lease.leave()

    def wait(self, tenants: Collection[str] | None = None) -> None:
        """Wait until the freezes that there are now have ended: of some *tenants*, or of all.

        Raises:
            Unavailable: the database does not answer.

        """
        before = self._held(tenants)
        for _ in range(int(_LONGEST_SECONDS / REST_SECONDS)):
            if not before:
                return
            Store.rest()
            now = self._held(before)
            before = {tenant_id: holder for tenant_id, holder in before.items() if now.get(tenant_id) == holder}

    def _held(self, tenants: Collection[str] | None) -> Mapping[str, str]:
        """Return who holds which tenant's books."""
        return {
            tenant_id: found.holder
            for tenant_id, found in self._claims.of_kind(FREEZE).items()
            if isinstance(found, Held) and (tenants is None or tenant_id in tenants) and self._claims.is_current(found)
        }

    def _taken(self, tenant_id: str) -> Lease:
        for _ in range(int(_LONGEST_SECONDS / REST_SECONDS)):
            found = self._claims.claim(FREEZE, tenant_id)
            if isinstance(found, Lease):
                return found
            Store.rest()
        raise Unavailable("Many budgets of this tenant are being changed just now. Try again in a moment.")
