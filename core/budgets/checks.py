"""What a budget can be: each check returns the value as it is kept, or says in a sentence why it cannot be.

Each raises ``Invalid``, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from sqlmodel import Session

from core.budgets.periods import Period, Span
from core.budgets.terms import Scope, dollars
from core.clock import EARLIEST, LATEST, minute
from core.errors import Forbidden, Invalid, NotFound
from core.pricing import NANO
from core.principals import Principal
from core.servers import RECIPES, is_provider
from core.tables import AgedOut, ApiKey, Budget, Tenant

MOST_NANO_USD = 1_000_000_000 * NANO
"""A billion dollars: more is a typing error, and stays within 64 bits."""
LONGEST_NAME = 200
_Kind = TypeVar("_Kind", bound=StrEnum)


def checked_limit(nano_usd: int) -> int:
    """Return a limit that a budget can have."""
    if not 0 <= nano_usd <= MOST_NANO_USD:
        raise Invalid(f"A budget lies between $0 and {dollars(MOST_NANO_USD)}.")
    return nano_usd


def checked_scope(scope: Scope | str, name: str) -> tuple[Scope, str]:
    """Return the scope of a budget and what it names: a model by the one name of all its names."""
    kind, name = one_of(Scope, scope, "scope"), name.strip()
    if (kind is Scope.TENANT) == bool(name):
        raise Invalid("A budget for a model, schema, route or key names it; one for the whole tenant names nothing.")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(f"What a budget names has at most {LONGEST_NAME} letters, on one line.")
    provider, _, model = name.partition("/")
    if kind is Scope.MODEL and not (is_provider(provider) and model):  # any other word would govern nothing
        raise Invalid(
            f"A model is written provider/name, with one of {', '.join(RECIPES)}, such as openai/gpt-4o; "
            f"this is {name!r}."
        )
    return kind, kind.named(name)


def require_anothers(principal: Principal, scope: Scope | str, name: str) -> None:
    """Go on only if it is not the budget that pays for the key which *principal* calls with.

    Raises:
        Forbidden: it is: a key would set its own bounds.

    """
    if scope == Scope.KEY and principal.payer_id == name:
        raise Forbidden("A key does not change the budget that pays for it; an operator or another key does.")


def require_purse(session: Session, tenant: Tenant, key_id: str) -> None:
    """Go on only if that key of *tenant* may have a budget of its own.

    Raises:
        NotFound: it has no such key.
        Invalid: the budget of the key that made it pays for it.

    """
    key = session.get(ApiKey, key_id)
    if key is None or key.tenant_id != tenant.id:
        raise NotFound(f"Tenant {tenant.name} has no such key. A budget names a key by its id.")
    if key.payer_id is not None:
        raise Invalid(f"Key {key.prefix}… is paid by the budget of the key that made it, and has none of its own.")


def one_of(kind: type[_Kind], value: str, what: str) -> _Kind:
    """Return the member of *kind* that *value* names."""
    try:
        return kind(value)
    except ValueError:
        raise Invalid(f"A budget's {what} is one of {', '.join(kind)}; this is {value!r}.") from None


def set_period(
    budget: Budget, period: Period | str | None, starts_at: datetime | None, ends_at: datetime | None
) -> None:
    """Give *budget* a period; a fixed span keeps those of its ends that are not given."""
    kind = Period(budget.period) if period is None else one_of(Period, period, "period")
    if kind is Period.SPAN:
        span: Span | None = None
        starts_at, ends_at = starts_at or budget.starts_at, ends_at or budget.ends_at
        if starts_at is not None and ends_at is not None and starts_at < ends_at:
            span = starts_at, ends_at
        if span is None:
            raise Invalid("A budget over a fixed span names its start and its end, and the start comes first.")
        if not EARLIEST <= span[0] < span[1] <= LATEST:
            raise Invalid(f"A fixed span lies between the years {EARLIEST:%Y} and {LATEST:%Y}.")
        budget.starts_at, budget.ends_at = span
    elif starts_at is not None or ends_at is not None:
        raise Invalid("Only a budget over a fixed span has a start and an end; the others follow the calendar.")
    else:
        budget.starts_at = budget.ends_at = None
    budget.period = kind.value


def checked_thresholds(percents: Sequence[int]) -> list[int]:
    """Return thresholds in ascending order, each once."""
    ascending = sorted(set(percents))
    if not 1 <= len(ascending) <= 5 or not all(1 <= percent <= 99 for percent in ascending):
        raise Invalid("A budget has one to five thresholds, whole percentages between 1 and 99.")
    return ascending


def require_calls(session: Session, budget: Budget) -> None:
    """Go on only where the calls are kept that a budget over a fixed span begins with: its account is summed from them.

    Raises:
        Invalid: they have aged out.

    """
    aged = session.get(AgedOut, budget.tenant_id) if budget.starts_at is not None else None
    if aged is not None and budget.starts_at is not None and budget.starts_at < aged.raw_from:
        raise Invalid(
            f"Calls that began before {minute(aged.raw_from)} are not kept any more, so nobody knows what they took of "
            "this budget. Let it begin then, or later."
        )
