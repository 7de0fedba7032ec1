"""An operator's word on a breaker: nobody is asked, or everybody is, until it is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from core import audit
from core.breakers.rule import BreakerState, Name
from core.clock import Clock, minute
from core.errors import Invalid
from core.principals import Permission, Principal
from core.servers import provider_of
from core.store import FOR_CHANGE, Store
from core.tables import BreakerOverride

LONGEST_REASON = 500
_WORDS = {BreakerState.OPEN: "opened", BreakerState.CLOSED: "closed"}


@dataclass(frozen=True, slots=True)
class Override:
    """An operator's word on one model's breaker, and on those of its schemas."""

    model: str
    """``provider/name``."""
    state: BreakerState
    """``open``: nobody is asked. ``closed``: everybody is."""
    reason: str
    actor: str
    at: datetime

    @property
    def sentence(self) -> str:
        """Who said so, when and why."""
        said = f"{_WORDS[self.state]} by hand by {self.actor} at {minute(self.at)}: {self.reason}"
        return said + _stop(self.reason)

    @property
    def described(self) -> dict[str, Any]:
        """The word as it is audited."""
        return {"state": self.state.value, "reason": self.reason, "by": self.actor}


ModelOverrides = Mapping[tuple[str, str], Override]
"""The words that hold, by provider and model."""


def read(session: Session) -> ModelOverrides:
    """Return the words that hold."""
    rows = session.exec(select(BreakerOverride).order_by(BreakerOverride.provider, BreakerOverride.model)).all()
    return {(row.provider, row.model): _override(row) for row in rows}


class Overrides:
    """The words of operators on breakers. Each holds at once in every process: the policies read them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def all(self, principal: Principal) -> ModelOverrides:
        """Return the words that hold.

        Raises:
            Forbidden: without ``breakers.read``.

        """
        principal.require(Permission.BREAKERS_READ)
        with self._store.reading() as session:
            return read(session)

    def set(self, principal: Principal, model: str, state: BreakerState, reason: str) -> Override:
        """Open or close the breaker of *model*, written ``provider/name``, until `clear`.

        Raises:
            Forbidden: without ``breakers.write``.
            Invalid: there is no such provider, no reason, or half-open was asked for.

        """
        principal.require_over(Permission.BREAKERS_WRITE, None)
        name, reason = _named(model), " ".join(reason.split())
        if state not in _WORDS:
            raise Invalid("A breaker is opened or closed by hand; half-open is for itself to decide.")
        if not 0 < len(reason) <= LONGEST_REASON:
            raise Invalid(f"Give a reason of at most {LONGEST_REASON} characters: callers read it in the trace.")
        override = Override(name.text, state, reason, principal.name, self._clock.now())
        with self._store.writing() as session:
            row = session.get(BreakerOverride, (name.provider, name.model), with_for_update=FOR_CHANGE)
            before = _override(row).described if row else None
            row = row or BreakerOverride(
                provider=name.provider, model=name.model, state="", reason="", actor="", at=override.at
            )
            row.state, row.reason, row.actor, row.at = state.value, reason, override.actor, override.at
            session.add(row)
            self._record(session, principal, name, _WORDS[state], reason, before, override.described)
        return override

    def clear(self, principal: Principal, model: str) -> tuple[str, bool]:
        """Give the breaker of *model* back to its rule; return its full name, and whether there was a word.

        Raises:
            Forbidden: without ``breakers.write``.
            Invalid: there is no such provider.

        """
        principal.require_over(Permission.BREAKERS_WRITE, None)
        name = _named(model)
        with self._store.writing() as session:
            row = session.get(BreakerOverride, (name.provider, name.model), with_for_update=FOR_CHANGE)
            if row is None:
                return name.text, False
            session.delete(row)
            self._record(session, principal, name, "automatic", "", _override(row).described, None)
        return name.text, True

    def _record(  # noqa: PLR0917 one decision
        self, session: Session, principal: Principal, name: Name, word: str, reason: str, before: Any, after: Any
    ) -> None:
        is_back = after is None
        said = "was given back to its rule" if is_back else f"was {word} by hand: {reason}"
        audit.record(
            session,
            self._clock,
            by=principal,
            action="breaker.clear" if is_back else "breaker.set",
            kind="breaker",
            subject=name.text,
            summary=f"The breaker of {name.text} {said}" + ("." if is_back else _stop(reason)),
            before=before,
            after=after,
        )


def _override(row: BreakerOverride) -> Override:
    return Override(f"{row.provider}/{row.model}", BreakerState(row.state), row.reason, row.actor, row.at)


def _named(model: str) -> Name:
    try:
        return Name(*provider_of(model.strip()))
    except ValueError as error:
        raise Invalid(f"{error}.") from None


def _stop(reason: str) -> str:
    return "" if reason.endswith((".", "!", "?")) else "."
