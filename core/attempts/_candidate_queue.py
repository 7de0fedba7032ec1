"""The candidates of a walk that have not been asked yet: who is next, who cannot be asked, and whether to go on to one.

Whatever it decides it says in the decision trace.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from core.attempts._attempt import Bookkeeper
from core.attempts._candidate_state import CandidateState
from core.attempts._causes import cause_of_breaker, context_window, roomier_first
from core.attempts._terms import Candidate, Cause, RouteTerms
from core.attempts._vain import without_price
from core.breakers import BreakerRefusal, Breakers
from core.errors import Unpriced


class CandidateQueue:
    """Those who wait, in the order in which they will be asked."""

    def __init__(
        self,
        route: RouteTerms,
        *,
        set_up: Collection[str],
        breakers: Breakers,
        unpayable: Mapping[str, str],
        bookkeeper: Bookkeeper,
    ) -> None:
        """Let all of *route* wait. Of providers those that are *set_up* can be asked, of candidates no *unpayable*."""
        self._route = route
        self._set_up = set_up
        self._breakers = breakers
        self._unpayable = unpayable
        self._bookkeeper = bookkeeper
        self._waiting = list(enumerate(route.candidates))
        """By their places in the route."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def clear(self) -> None:
        """Let nobody further be asked."""
        self._waiting.clear()

    def take(self) -> tuple[int, Candidate]:
        """Take out whoever is next, with the place in the route."""
        return self._waiting.pop(0)

    def lets_in(self, candidate: Candidate) -> bool:
        """Whether a candidate can be asked now; if not, the trace says why, and perhaps nobody else will be."""
        if not self._is_askable(candidate):
            why = f"the provider {candidate.provider} is not set up here"
            if candidate.provider in self._set_up:
                why = f"it has no price, and {self._unpayable[candidate.name]}"
            self._bookkeeper.note("skipped", f"{candidate.name}: {why}.")
            return False
        refusal = self._refusal(candidate)
        if refusal is None:
            return True
        cause = cause_of_breaker(refusal.reason)
        if self._waiting and cause not in self._route.fallback_on:
            self._waiting.clear()
            said = f"{candidate.name}: {refusal} This route has no fallback on {_words(cause)}."
            self._bookkeeper.note("stopped", said)
        else:
            self._bookkeeper.note("skipped", f"{candidate.name}: {refusal}")
        return False

    def release(self, candidate: Candidate, admitted: float) -> None:
        """Give back what a candidate's breaker let in: a probe that never went out blocks nobody."""
        self._breakers.release(candidate.provider, candidate.model, self._route.schema, began=admitted)

    def beside(self) -> tuple[int, Candidate] | None:
        """Return who can be asked beside one that is slow, with the place in the route; they wait on."""
        able = ((place, one) for place, one in self._waiting if self._is_askable(one))
        return next(((place, one) for place, one in able if self._refusal(one) is None), None)

    def goes_on(self, state: CandidateState, cause: Cause) -> bool:
        """Whether the next is to be asked after one that was in vain for *cause*; the trace says why, or why not."""
        why = f"{state.name} {cause.meaning}"
        if cause not in self._route.fallback_on:
            self._bookkeeper.note("stopped", f"{why}, and this route has no fallback on {_words(cause)}.")
            return False
        if cause is Cause.CONTEXT_OVERFLOW:
            self._waiting = roomier_first(self._waiting, state.candidate)
        following = next((one for _, one in self._waiting if self._is_askable(one)), None)
        if following is None:
            held_back = " ".join(self._route.held_back)
            kept_out = (
                f"and nobody further may be asked. {held_back}" if held_back else "and there is nobody further to ask."
            )
            self._bookkeeper.note("stopped", f"{why}, {kept_out}")
            return False
        room = context_window(following.provider, following.model) if cause is Cause.CONTEXT_OVERFLOW else None
        roomy = f", which takes {room:,} tokens" if room else ""
        self._bookkeeper.note("went on", f"{why}; next is {following.name}{roomy}.")
        return True

    def may_go_on(self, cause: Cause) -> bool:
        """Whether somebody else would be asked after *cause*."""
        return cause in self._route.fallback_on and any(self._is_askable(one) for _, one in self._waiting)

    def without_price(self) -> Unpriced | None:
        """Return what is said where all of the route that could be asked has no price; ``None`` where one has."""
        names = [one.name for one in self._route.candidates if one.provider in self._set_up]
        unpriced = [name for name in names if name in self._unpayable]
        if unpriced and len(unpriced) == len(names):
            return without_price(unpriced, self._unpayable[unpriced[0]])
        return None

    def _refusal(self, candidate: Candidate) -> BreakerRefusal | None:
        """Return why the candidate's breaker lets no call through, or an operator; ``None`` if it does."""
        who = (candidate.provider, candidate.model)
        return self._breakers.refusal(*who, self._route.schema, self._route.overrides.get(who))

    def _is_askable(self, candidate: Candidate) -> bool:
        return candidate.provider in self._set_up and candidate.name not in self._unpayable


def _words(cause: Cause) -> str:
    return cause.value.replace("_", " ")
