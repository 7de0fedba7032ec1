"""What of a key decides about its calls: what it may ask, whose budget pays, how fast it may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.attempts import Candidate
from core.budgets import BudgetTerms, Scope
from core.errors import Forbidden
from core.limits import Quota, QuotaScope
from core.principals import Askable, Principal
from core.tables import ApiKey
from core.tenants import Key

_MOST_TOLD = 10


class Asker(NamedTuple):
    """What of a key decides what governs its calls: most keys of a tenant are alike in it, and share their policies."""

    askable: Askable
    payer: str
    """The key whose budget pays; empty where there is no such budget."""


def asker_of(principal: Principal, budgets: Sequence[BudgetTerms]) -> Asker:
    """Return what of *principal* decides, in a tenant of these *budgets*."""
    payer = principal.payer_id or ""
    has_purse = any(one.scope is Scope.KEY and one.scope_name == payer for one in budgets)
    return Asker(principal.askable, payer if has_purse else "")


def require_route(askable: Askable, route: str) -> None:
    """Go on only if *route* may be asked.

    Raises:
        Forbidden: it may not; the sentence says which may.

    """
    if askable.routes and route not in askable.routes:
        raise Forbidden(f"This key may not ask the route {route}; it may ask {_listed(askable.routes)}.")


def candidates_of(askable: Askable, candidates: Sequence[Candidate], asked: str) -> tuple[Candidate, ...]:
    """Return those that may be asked; *asked* is what they are the candidates of, in words: a model, or a route.

    Raises:
        Forbidden: none; the sentence says which models may be.

    """
    found = tuple(one for one in candidates if not askable.models or one.name in askable.models)
    if not found:
        raise Forbidden(f"This key may not ask {asked}; it may ask {_listed(askable.models)}.")
    return found


def quota_of(key: ApiKey | Key) -> Quota | None:
    """Return how fast a key may be inside its tenant's quota; ``None`` where it has no limits of its own."""
    if not (key.rate_limit_per_min or key.tokens_per_min or key.concurrent_limit):
        return None
    return Quota(QuotaScope.KEY, key.id, key.rate_limit_per_min, key.tokens_per_min, key.concurrent_limit)


def _listed(names: Sequence[str]) -> str:
    """Return *names* for a sentence, which need not have an end of its own."""
    return ", ".join(names[:_MOST_TOLD]) + (f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else "")
