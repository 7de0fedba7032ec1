"""An operator's word on a breaker: nobody is asked, or everybody is, until it is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import EllipsisType
from typing import Any, Unpack

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from core import audit
from core.audit import Because, PastChange, Undo, Undoing
from core.breakers.rule import BreakerState, Name
from core.clock import Clock, minute
from core.errors import Conflict, Invalid
from core.lines import one_line
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

    def set(
        self,
        principal: Principal,
        model: str,
        state: BreakerState,
        reason: str,
        *,
        expected: datetime | EllipsisType | None = ...,
        undo_of: str | None = None,
    ) -> Override:
        """Open or close the breaker of *model*, written ``provider/name``, until `clear`.

        *expected* is when the word was given that the operator saw, ``None`` where there was none.

        Raises:
            Forbidden: without ``breakers.write``.
            Invalid: there is no such provider, no reason, or half-open was asked for.
            Conflict: somebody gave the first word at the same moment.
            Crossed: somebody gave another word meanwhile, or took it back; see *expected*.

        """
        principal.require_over(Permission.BREAKERS_WRITE, None)
        name, reason = _named(model), one_line(reason)
        if state not in _WORDS:
            raise Invalid("A breaker is opened or closed by hand; half-open is for itself to decide.")
        if not 0 < len(reason) <= LONGEST_REASON:
            raise Invalid(f"Give a reason of at most {LONGEST_REASON} characters: callers read it in the trace.")
        override = Override(name.text, state, reason, principal.name, self._clock.now())
        with self._store.writing() as session:
            row = session.get(BreakerOverride, (name.provider, name.model), with_for_update=FOR_CHANGE)
            _require_seen(session, name, row, expected)
            before = _override(row).described if row else None
            row = row or BreakerOverride(
                provider=name.provider, model=name.model, state="", reason="", actor="", at=override.at
            )
            row.state, row.reason, row.actor, row.at = state.value, reason, override.actor, override.at
            session.add(row)
            try:
                session.flush()
            except IntegrityError:  # whoever gives the first word has no row that could be locked
                raise Conflict(f"Someone else decided about the breaker of {name.text} just now. Look again.") from None
            why: Because = {"reason": reason, "undo_of": undo_of}
            self._record(session, principal, name, _WORDS[state], before, override.described, why)
        return override

    def clear(
        self,
        principal: Principal,
        model: str,
        *,
        expected: datetime | EllipsisType | None = ...,
        **why: Unpack[Because],
    ) -> tuple[str, bool]:
        """Give the breaker of *model* back to its rule; return its full name, and whether there was a word.

        *expected* is as for :meth:`set`.

        Raises:
            Forbidden: without ``breakers.write``.
            Invalid: there is no such provider.

        """
        principal.require_over(Permission.BREAKERS_WRITE, None)
        name = _named(model)
        with self._store.writing() as session:
            row = session.get(BreakerOverride, (name.provider, name.model), with_for_update=FOR_CHANGE)
            _require_seen(session, name, row, expected)
            if row is None:
                return name.text, False
            session.delete(row)
            self._record(session, principal, name, "", _override(row).described, None, why)
        return name.text, True

    def _record(  # noqa: PLR0917 one decision
        self, session: Session, principal: Principal, name: Name, word: str, before: Any, after: Any, why: Because
    ) -> None:
        is_back, reason = after is None, why.get("reason", "")
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
            **why,
        )


def _undo(session: Session, overrides: Overrides, past: PastChange) -> Undo:
    """Return how there is the word that there was, or none."""
    name = _named(past.subject)
    row = session.get(BreakerOverride, (name.provider, name.model))
    now = _override(row).described if row else None
    then, seen = past.restored(now), row.at if row else None

    def do(principal: Principal, reason: str) -> None:
        if then is None:
            overrides.clear(principal, past.subject, expected=seen, reason=reason, undo_of=past.id)
        else:
            state = BreakerState(then["state"])
            overrides.set(principal, past.subject, state, then["reason"], expected=seen, undo_of=past.id)

    return Undo(now=now, then=then, needs=Permission.BREAKERS_WRITE, do=do)


UNDO: Mapping[str, Undoing] = {"breaker.set": _undo, "breaker.clear": _undo}
"""How each of its changes is undone."""


def _require_seen(
    session: Session, name: Name, row: BreakerOverride | None, expected: datetime | EllipsisType | None
) -> None:
    if expected is not ... and expected != (row.at if row else None):
        raise audit.crossed(
            session,
            f"the breaker of {name.text}",
            kind="breaker",
            subject=name.text,
            tenant_id=None,
            present=_override(row).described if row else None,
            expected=row.at if row else None,
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
