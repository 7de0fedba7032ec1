"""What became of a request under its key when its process died, slept, or could not say; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from core.claims import LEASE_SECONDS, REMEMBERED_FOR, Claims
from core.clock import ManualClock
from core.errors import Answering, NotRepeatable, OtherRequest
from core.idempotency import WINDOW, Idempotency, KeptAnswer, Turn
from core.store import Store
from core.tables import Outcome, Reservation
from tests import builders
from tests.conftest import START

LATER = timedelta(seconds=LEASE_SECONDS + 1)


@pytest.fixture
def keys(store: Store, clock: ManualClock) -> Iterator[Idempotency]:
    """The keys, for which no thread renews anything."""
    with closing(Claims(store, clock, renew_seconds=3600)) as claims:
        yield Idempotency(store, clock, claims)


def begun(keys: Idempotency, body: bytes = b"{}") -> Turn | KeptAnswer:
    """Send a request under the key."""
    return keys.begin(tenant_id="acme", door="generate", key="k", body=body)


def died(keys: Idempotency, clock: ManualClock) -> str:
    """Begin, and die; return the id that the generation was to have."""
    turn = begun(keys)
    assert isinstance(turn, Turn)
    turn.lost()
    with pytest.raises(Answering):
        begun(keys)
    clock.advance((LATER).total_seconds())
    return turn.generation_id


def test_who_died_before_anything_was_held_is_followed(keys: Idempotency, clock: ManualClock) -> None:
    """Nothing can have been paid, so the next one answers; the one after him is told to wait."""
    first = died(keys, clock)
    turn = begun(keys)
    assert isinstance(turn, Turn)
    assert turn.generation_id != first
    with pytest.raises(Answering):
        begun(keys)


def test_who_died_with_money_held_is_waited_for(keys: Idempotency, clock: ManualClock, store: Store) -> None:
    """As long as a reservation is there its generation may be settled any moment."""
    first = died(keys, clock)
    builders.save(store, Reservation(generation_id=first, holds={}, generation={}, attempts=[], expires_at=clock.now()))
    with pytest.raises(Answering):
        begun(keys)


@pytest.mark.parametrize("attempts", [0, 1])
def test_who_died_with_a_call_out_is_not_done_again(
    attempts: int, keys: Idempotency, clock: ManualClock, store: Store
) -> None:
    """Recovery has charged it: the same is never paid twice, and whoever asks learns which generation it was."""
    first = died(keys, clock)
    row = builders.generation(START, "acme", Outcome.INTERNAL_ERROR, attempts=attempts)
    row.id = first
    builders.save(store, builders.tenant("Acme", START), row)
    if not attempts:
        assert isinstance(begun(keys), Turn)
        return
    with pytest.raises(NotRepeatable) as refused:
        begun(keys)
    assert refused.value.facts["generation_id"] == first
    with pytest.raises(OtherRequest):
        begun(keys, b"[]")


def test_the_dead_are_remembered_for_a_day(keys: Idempotency, clock: ManualClock, store: Store) -> None:
    """No chore sweeps them, and nobody takes over; then the key is free."""
    first = died(keys, clock)
    row = builders.generation(START, "acme", Outcome.INTERNAL_ERROR, attempts=1)
    row.id = first
    builders.save(store, builders.tenant("Acme", START), row)
    claims = Claims(store, clock)
    assert claims.sweep() == 0
    clock.advance((REMEMBERED_FOR - 2 * LATER).total_seconds())
    with pytest.raises(NotRepeatable):
        begun(keys)
    clock.advance((2 * LATER).total_seconds())
    assert claims.sweep() == 1
    assert isinstance(begun(keys), Turn)


def test_of_two_who_follow_the_dead_one_does(keys: Idempotency, clock: ManualClock, store: Store) -> None:
    """Taking over is one statement that one can win, and one who slept does not come back."""
    died(keys, clock)
    with closing(Claims(store, clock, renew_seconds=3600)) as claims:
        assert isinstance(begun(Idempotency(store, clock, claims)), Turn)
        with pytest.raises(Answering):
            begun(keys)


def test_an_answer_is_known_for_its_window(keys: Idempotency, clock: ManualClock) -> None:
    """Then the same key asks anew."""
    turn = begun(keys)
    assert isinstance(turn, Turn)
    reply = KeptAnswer(status=200, body="é", generation_id=turn.generation_id, headers={"A": "b"}, streamed=False)
    turn.answered(reply, answered(turn.generation_id))
    assert begun(keys) == reply
    clock.advance((WINDOW).total_seconds())
    assert isinstance(begun(keys), Turn)


def answered(generation_id: str) -> Any:
    """Return as much of a generation that was answered as matters here."""
    return SimpleNamespace(id=generation_id, outcome=Outcome.VALID_FIRST_TRY, attempts=(), is_kept=True)
