"""Edits that cross: of two who decide about what both have seen one is told what the other did, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from core import runtime as running
from core.breakers import BreakerState
from core.clock import ManualClock
from core.errors import Conflict, Crossed, NotFound
from core.flags import Flag
from core.principals import LOCAL_OPERATOR, Principal
from core.runtime import Runtime
from core.settings import Settings
from core.tables import Tenant
from tests.conftest import START
from tests.core.test_principals import CASES, Kind
from tests.core.test_undo import state

WHO = LOCAL_OPERATOR
ANN, BOB = (replace(LOCAL_OPERATOR, name=name) for name in ("ann", "bob"))
DOLLAR = 1_000_000_000
A, B, C = "openai/gpt-4o-mini", "openai/gpt-4o", "openai/gpt-4.1"
SHAPE: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def acme(on: Runtime) -> Tenant:
    """Return the tenant as it is now."""
    return on.tenants.list(WHO)[0]


def key(on: Runtime) -> Any:
    """Return its key as it is now."""
    return on.tenants.keys(WHO, acme(on))[0]


def budget(on: Runtime) -> Any:
    """Return how its budget stands."""
    return on.budgets.show(WHO, acme(on))


def label(on: Runtime) -> int:
    """Return the version that callers get."""
    return next((one.version for one in on.schemas.labels(WHO, "note") if one.label == "production"), 0)


def said(on: Runtime) -> Any:
    """Return when a word was given on a breaker."""
    found = on.overrides.all(WHO).get(("openai", "gpt-4o-mini"))
    return found and found.at


def price(on: Runtime) -> str:
    """Return the id of the override that holds."""
    holding = on.prices.book(WHO).override("openai", "gpt-4o", on.clock.now())
    return holding.id if holding else ""


@dataclass(frozen=True, slots=True)
class Crossing:
    """One command, and what two people want of it who have seen the same."""

    seen: Callable[[Runtime], Any]
    decide: Callable[[Runtime, Principal, Any, int], Any]
    """As that person, who has seen that, in the first or in the second way."""


def _rates(n: int) -> dict[str, str]:
    return {"input_usd_per_mtok": f"{n + 1}", "output_usd_per_mtok": "9"}


CROSSING = {
    "budgets.set": Crossing(
        lambda on: budget(on).version,
        lambda on, who, seen, n: on.budgets.set(who, acme(on), (7 + n) * DOLLAR, seen),
    ),
    "budgets.raise_limit": Crossing(
        lambda on: budget(on).version,
        lambda on, who, seen, n: on.budgets.raise_limit(
            who,
            acme(on),
            budget(on).budget_id,
            (7 + n) * DOLLAR,
            seen,
            ends_at=START + timedelta(days=9),
            reason="more",
        ),
    ),
    "budgets.set new": Crossing(
        lambda on: 0,
        lambda on, who, seen, n: on.budgets.set(who, acme(on), (7 + n) * DOLLAR, seen, scope="model", scope_name=A),
    ),
    "budgets.remove": Crossing(
        lambda on: (budget(on).budget_id, budget(on).version),
        lambda on, who, seen, n: (
            on.budgets.remove(who, acme(on), seen[0], seen[1])
            if n and isinstance(seen, tuple)
            else on.budgets.remove(who, acme(on), budget(on).budget_id, seen)
            if n
            else on.budgets.set(who, acme(on), 7 * DOLLAR, seen[1])
        ),
    ),
    "tenants.edit": Crossing(
        lambda on: acme(on).version,
        lambda on, who, seen, n: on.tenants.edit(who, acme(on).id, seen, tokens_per_min=7 + n),
    ),
    "tenants.edit_key": Crossing(
        lambda on: key(on).version,
        lambda on, who, seen, n: on.tenants.edit_key(who, key(on).id, seen, tokens_per_min=7 + n),
    ),
    "tenants.rotate_key": Crossing(
        lambda on: key(on).version,
        lambda on, who, seen, n: on.tenants.rotate_key(who, key(on).id, timedelta(days=n), seen),
    ),
    "tenants.revoke_key": Crossing(
        lambda on: key(on).version,
        lambda on, who, seen, n: (
            on.tenants.revoke_key(who, key(on).id, seen) if n else on.tenants.edit_key(who, key(on).id, seen, name="n")
        ),
    ),
    "flags.set": Crossing(
        lambda on: "off",
        lambda on, who, seen, n: (
            on.flags.set(who, Flag.STREAMING, acme(on), True, expected=seen)
            if n
            else on.flags.clear(who, Flag.STREAMING, acme(on), expected=seen)
        ),
    ),
    "flags.set new": Crossing(
        lambda on: "",
        lambda on, who, seen, n: on.flags.set(who, Flag.FALLBACK, None, bool(n), expected=seen),
    ),
    "flags.clear": Crossing(
        lambda on: "off",
        lambda on, who, seen, n: (
            on.flags.clear(who, Flag.STREAMING, acme(on), expected=seen)
            if n
            else on.flags.set(who, Flag.STREAMING, acme(on), True, expected=seen)
        ),
    ),
    "guardrails.set": Crossing(
        lambda on: on.guardrails.find(WHO, "long", acme(on)).version,
        lambda on, who, seen, n: on.guardrails.set(
            who, "long", acme(on), "length", ("note", "block")[n], position=n, expected_version=seen
        ),
    ),
    "guardrails.set new": Crossing(
        lambda on: 0,
        lambda on, who, seen, n: on.guardrails.set(
            who, "longer", None, "length", ("note", "block")[n], expected_version=seen
        ),
    ),
    "guardrails.remove": Crossing(
        lambda on: on.guardrails.find(WHO, "long", acme(on)).version,
        lambda on, who, seen, n: (
            on.guardrails.remove(who, "long", acme(on), expected_version=seen)
            if n
            else on.guardrails.set(who, "long", acme(on), "length", "block", expected_version=seen)
        ),
    ),
    "routes.set": Crossing(
        lambda on: on.routes.find(WHO, "fast").version,
        lambda on, who, seen, n: on.routes.set(who, "fast", [{"model": (B, C)[n]}], expected_version=seen),
    ),
    "routes.set new": Crossing(
        lambda on: 0,
        lambda on, who, seen, n: on.routes.set(who, "slow", [{"model": (B, C)[n]}], expected_version=seen),
    ),
    "routes.reset": Crossing(
        lambda on: on.routes.find(WHO, "fast").version,
        lambda on, who, seen, n: (
            on.routes.reset(who, "fast", expected_version=seen)
            if n
            else on.routes.set(who, "fast", [{"model": B}], expected_version=seen)
        ),
    ),
    "schemas.add": Crossing(
        label, lambda on, who, seen, n: on.schemas.add(who, "note", SHAPE | {"title": f"T{n}"}, expected=seen)
    ),
    "schemas.promote": Crossing(label, lambda on, who, seen, n: on.schemas.promote(who, "note", 2 + n, expected=seen)),
    "schemas.roll_back": Crossing(
        label,
        lambda on, who, seen, n: (
            on.schemas.roll_back(who, "note", 3, expected=seen)
            if n
            else on.schemas.promote(who, "note", 2, expected=seen)
        ),
    ),
    "schemas.unlabel": Crossing(
        label,
        lambda on, who, seen, n: (
            on.schemas.unlabel(who, "note", "production", expected=seen)
            if n
            else on.schemas.promote(who, "note", 2, expected=seen)
        ),
    ),
    "overrides.set": Crossing(
        said, lambda on, who, seen, n: on.overrides.set(who, A, BreakerState.CLOSED, f"reason {n}", expected=seen)
    ),
    "overrides.set new": Crossing(
        lambda on: None, lambda on, who, seen, n: on.overrides.set(who, B, BreakerState.OPEN, f"r {n}", expected=seen)
    ),
    "overrides.clear": Crossing(
        said,
        lambda on, who, seen, n: (
            on.overrides.clear(who, A, expected=seen)
            if n
            else on.overrides.set(who, A, BreakerState.CLOSED, "well", expected=seen)
        ),
    ),
    "prices.set": Crossing(
        price,
        lambda on, who, seen, n: on.prices.set(who, "openai", "gpt-4o", rates=_rates(n), reason="r", expected=seen),
    ),
}
"""By command, and what is special of it."""
ADDS = {
    "reports.store_size": "a look",
    "reports.replica": "a look",
    "analytics.compare": "a look",
    "analytics.rebuild": "it is made what calls say, whoever asks for it",
    "analytics.stop": "nothing is sent any more, whoever asks for it",
    "rollups.verify": "a proof, which changes nothing",
    "rollups.rebuild": "sums are made what calls say, whoever asks for it",
    "tenants.create": "a tenant of its own",
    "tenants.create_key": "a key of its own",
    "drills.start": "a drill of its own",
    "drills.stop": "what is over stays over, and the second is told",
    "people.create": "a person of its own",
    "views.save": "one's own, of which the last form holds",
    "views.remove": "who is gone stays gone",
    "people.invite": "the same",
    "people.invite_again": "a link that ends the one before, which it says",
    "people.change_password": "whoever has it chosen last knows it; nobody is shown what it was",
    "people.grant": "one role more, which is there or not",
    "people.take_away": "one role less, which is there or not",
    "people.remove": "who is gone stays gone",
    "people.end_sessions": "what has ended stays so",
    "people.open_first": "a link of its own",
    "people.list": "a read",
    "erasures.erase": "what is gone stays gone; each act has a certificate of its own",
    "erasures.repeat": "the same acts once more",
    "user_exports.export": "gives out what is there, and changes nothing of it",
    "people.find": "a read",
    "people.sessions": "a read",
    "changes.undo": "has what was seen compared by the command that it is made of",
    "changes.note": "a line of its own",
    "trail.verify": "a read",
    "trail.export": "a read",
    "budgets.withdraw_raise": "what has ended stays so, and the second is told",
    "budgets.verify": "a finding of its own",
    "schemas.load_samples": "adds what is missing",
    "prices.withdraw": "an override is never edited; the second is told that it is withdrawn",
    "repricings.preview": "a read",
    "repricings.reprice": "does what its preview said or nothing, in a test of its own",
    "demo.make": "a world of its own",
    "demo.remove": "the same, which is there or not",
    "answers.clear": "what is forgotten stays so",
    "generator.generate": "a call of its own",
    "generator.expectations": "a read",
    "generator.relay": "a call of its own",
    "generator.count_tokens": "a read",
    "generator.stream": "a call of its own",
}
"""Commands that overwrite nothing that somebody else may have decided, and why."""


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on when it is told to."""
    return ManualClock(START)


@pytest.fixture
def on(database_url: str, clock: ManualClock) -> Iterator[Runtime]:
    """A Proctor with one of everything, on either database."""
    settings = Settings(database_url=database_url, demo=False, local_model="off")
    with closing(running.build(settings, clock)) as made:
        tenant = made.tenants.create(WHO, "Acme")
        made.tenants.create_key(WHO, tenant, "one")
        made.budgets.set(WHO, tenant, DOLLAR)
        made.flags.set(WHO, Flag.STREAMING, tenant, False)
        made.routes.set(WHO, "fast", [{"model": A}])
        made.guardrails.set(WHO, "long", tenant, "length", "note")
        for n in range(3):
            made.schemas.add(WHO, "note", SHAPE | {"description": str(n)}, label=None if n else "production")
        made.overrides.set(WHO, A, BreakerState.OPEN, "ill")
        made.prices.set(WHO, "openai", "gpt-4o", rates=_rates(4), reason="agreed")
        clock.advance(60)
        yield made


@pytest.mark.parametrize("name", CROSSING)
def test_the_second_is_told_and_nothing_is_lost(on: Runtime, clock: ManualClock, name: str) -> None:
    """By whom it was changed and how it is now; what he has seen then goes on top, where he wants it."""
    case = CROSSING[name]
    seen = case.seen(on)
    case.decide(on, ANN, seen, 0)
    clock.advance(60)
    after = state(on)
    with pytest.raises(Crossed) as told:
        case.decide(on, BOB, seen, 1)
    assert "Ann" in told.value.message
    assert "Nothing was saved" in told.value.message
    assert told.value.facts["by"] == "ann"
    assert state(on) == after
    case.decide(on, BOB, told.value.facts["expected"], 1)
    assert name == "tenants.rotate_key" or name.startswith("tenants.") or state(on) != after
    assert on.trail.verify(WHO).ok


@pytest.mark.parametrize("name", CROSSING)
def test_of_two_in_the_same_moment_one_decides(on: Runtime, name: str) -> None:
    """Whoever comes second is told, however close behind he comes: one entry is written."""
    case = CROSSING[name]
    seen, begin = case.seen(on), threading.Barrier(2)
    before = on.trail.verify(WHO).head.seq

    def decide(n: int) -> bool:
        begin.wait()
        try:
            case.decide(on, (ANN, BOB)[n], seen, n)
        except (Conflict, NotFound):
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(decide, range(2))) == [False, True]
    assert on.trail.verify(WHO).head.seq == before + 1


def test_every_command_is_compared_with_what_was_seen() -> None:
    """Whoever adds a command adds a row: that it takes what was seen, or why it overwrites nothing."""
    commands = {name.split()[0] for name, case in CASES.items() if case.kind in {Kind.COMMAND, Kind.OVER_ALL}}
    compared = {name.split()[0] for name in CROSSING}
    assert not compared & ADDS.keys()
    assert compared | ADDS.keys() == commands
