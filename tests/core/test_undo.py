"""Undo: of each kind it gives the state before, as a change of its own; what was changed since is never lost."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from core import guardrail_rules as rules
from core import runtime as running
from core.breakers import BreakerState
from core.changes import UndoPreview
from core.clock import ManualClock
from core.errors import Conflict, Forbidden, Invalid, NotFound, RateLimited
from core.faults import Fault
from core.flags import Flag, told
from core.principals import LOCAL_OPERATOR, Role
from core.reports import ChangeFilter, RecordedChange
from core.runtime import Runtime
from core.settings import Settings
from core.tables import Tenant
from tests.builders import person
from tests.conftest import START

DAY = timedelta(days=1)
DOLLAR = 1_000_000_000
WHO = LOCAL_OPERATOR
A, B = "openai/gpt-4o-mini", "openai/gpt-4o"
RATES = {"input_usd_per_mtok": "1", "output_usd_per_mtok": "2"}
BODY: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
WIDER: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on when it is told to."""
    return ManualClock(START)


@pytest.fixture
def on(database_url: str, clock: ManualClock) -> Iterator[Runtime]:
    """A Proctor with a tenant, on either database."""
    settings = Settings(database_url=database_url, demo=False, local_model="off")
    with closing(running.build(settings, clock)) as runtime:
        runtime.tenants.create(WHO, "Acme")
        clock.advance(60)
        yield runtime


def acme(on: Runtime) -> Tenant:
    """Return the tenant as it is now."""
    return on.tenants.list(WHO)[0]


def budget(on: Runtime) -> str:
    """Return the id of its budget."""
    return on.budgets.show(WHO, acme(on)).budget_id


def newest(on: Runtime, clock: ManualClock) -> RecordedChange:
    """Return what was changed last; a minute goes by."""
    wanted = ChangeFilter(starts_at=START - DAY, ends_at=START + 40 * DAY)
    found = on.reports.changes(WHO, wanted).changes[0]
    clock.advance(60)
    return found


def state(on: Runtime) -> dict[str, Any]:
    """Return all that can be undone, as it stands, without what counts its edits."""
    budgets = on.budgets.all(WHO, [acme(on)]).get(acme(on).id, [])
    now = on.clock.now()
    return {
        "tenant": acme(on).model_dump(exclude={"version", "payloads_cut_from"}),
        "budgets": [dataclasses.replace(one.terms, governs_since=None, raises=()) for one in budgets],
        "raised": [one.terms.limit_at(now) for one in budgets],
        "flags": sorted(
            (one.name, one.tenant_id, told(one), one.salt if one.percent else "") for one in on.flags.rules(WHO)
        ),
        "guardrails": [(one.name, one.tenant_id, rules.described(one)) for one in on.guardrails.list(WHO)],
        "routes": [one.described | {"env": one.is_from_environment} for one in on.routes.list(WHO)],
        "labels": {one.label: one.version for one in on.schemas.labels(WHO, "note")},
        "breakers": {name: (one.state, one.reason) for name, one in on.overrides.all(WHO).items()},
        "prices": sorted(
            (one.subject, one.tenant_id, one.sentence) for one in on.prices.overrides(WHO) if one.withdrawn_at is None
        ),
        "drills": len(on.drills.running(WHO)),
    }


def prepared(on: Runtime, clock: ManualClock) -> None:
    """Decide one of everything, so that there is something to change."""
    on.budgets.set(WHO, acme(on), DOLLAR, thresholds=[50])
    on.schemas.add(WHO, "note", BODY, label="production")
    on.schemas.add(WHO, "note", WIDER, label=None)
    on.routes.set(WHO, "fast", [{"model": A, "max_tokens": 50, "parameters": {"seed": 3}}, {"model": B}])
    on.flags.set(WHO, Flag.STREAMING, acme(on), False)
    on.flags.set(WHO, "route:fast", None, False, percent=20, ends="2031-01-01T00:00", zone="Asia/Tokyo")
    on.guardrails.set(WHO, "long", acme(on), "length", "note", settings={"most_characters": 9}, route="fast")
    on.overrides.set(WHO, A, BreakerState.OPEN, "ill")
    on.prices.set(WHO, "openai", "gpt-4o", tenant=acme(on), rates=RATES, reason="agreed")
    on.budgets.raise_limit(WHO, acme(on), budget(on), DOLLAR, ends_at=START + 9 * DAY, reason="busy")
    clock.advance(60)


def first_raise(on: Runtime) -> str:
    """Return the id of the raise that was made first."""
    return on.budgets.show(WHO, acme(on)).terms.raises[0].id


CHANGED: dict[str, Callable[[Runtime], Any]] = {
    "budget.set": lambda on: on.budgets.set(WHO, acme(on), 7 * DOLLAR, mode="soft", thresholds=[10, 20]),
    "budget.set new": lambda on: on.budgets.set(WHO, acme(on), DOLLAR, scope="model", scope_name=A, period="day"),
    "budget.set span": lambda on: on.budgets.set(
        WHO, acme(on), DOLLAR, period="span", starts_at=START - DAY, ends_at=START + DAY
    ),
    "budget.remove": lambda on: on.budgets.remove(WHO, acme(on), budget(on)),
    "budget.raise": lambda on: on.budgets.raise_limit(
        WHO, acme(on), budget(on), 5 * DOLLAR, ends_at=START + DAY, reason="more"
    ),
    "budget.withdraw_raise": lambda on: on.budgets.withdraw_raise(WHO, acme(on), first_raise(on)),
    "tenant.edit": lambda on: on.tenants.edit(
        WHO, acme(on).id, acme(on).version, name="Acme & Co".replace("&", "and"), payload_retention_days=3
    ),
    "tenant.edit zone": lambda on: on.tenants.edit(WHO, acme(on).id, acme(on).version, timezone="Asia/Tokyo"),
    "tenant.edit route": lambda on: on.tenants.edit(WHO, acme(on).id, acme(on).version, route="fast"),
    "flag.set": lambda on: on.flags.set(WHO, Flag.STREAMING, acme(on), True),
    "flag.set new": lambda on: on.flags.set(WHO, Flag.FALLBACK, None, False),
    "flag.set share": lambda on: on.flags.set(WHO, "route:fast", None, True, percent=40),
    "flag.set all": lambda on: on.flags.set(WHO, "route:fast", None, False),
    "flag.clear share": lambda on: on.flags.clear(WHO, "route:fast", None),
    "flag.clear": lambda on: on.flags.clear(WHO, Flag.STREAMING, acme(on)),
    "guardrail.set": lambda on: on.guardrails.set(WHO, "long", acme(on), "length", "block", exceptions=["a"]),
    "guardrail.set off": lambda on: on.guardrails.set(WHO, "long", acme(on), "length", "note", is_on=False),
    "guardrail.set new": lambda on: on.guardrails.set(WHO, "keys", None, "secrets", "block", stages=["input"]),
    "guardrail.remove": lambda on: on.guardrails.remove(WHO, "long", acme(on)),
    "route.set": lambda on: on.routes.set(WHO, "fast", [{"model": B}], hedge_after_ms=None, max_reasks=0),
    "route.set new": lambda on: on.routes.set(WHO, "slow", [{"model": B}]),
    "route.set default": lambda on: on.routes.set(WHO, "default", [{"model": B}]),
    "route.reset": lambda on: on.routes.reset(WHO, "fast"),
    "schema.add": lambda on: on.schemas.add(WHO, "note", WIDER, label="production"),
    "schema.promote": lambda on: on.schemas.promote(WHO, "note", 2),
    "schema.promote new": lambda on: on.schemas.promote(WHO, "note", 2, "next"),
    "schema.unlabel": lambda on: on.schemas.unlabel(WHO, "note", "production"),
    "breaker.set": lambda on: on.overrides.set(WHO, A, BreakerState.CLOSED, "well"),
    "breaker.set new": lambda on: on.overrides.set(WHO, B, BreakerState.OPEN, "ill too"),
    "breaker.clear": lambda on: on.overrides.clear(WHO, A),
    "price.set": lambda on: on.prices.set(WHO, "openai", "*", discount_percent="10", reason="new contract"),
    "price.withdraw": lambda on: on.prices.withdraw(WHO, on.prices.overrides(WHO)[0].id),
    "drill.start": lambda on: on.drills.start(WHO, acme(on), Fault.SLOW, share=1, minutes=60, reason="practice"),
}
"""By action, and what is special of it: a change that can be undone."""


def undone(on: Runtime, change: RecordedChange) -> UndoPreview:
    """Undo a change as a page does; return what was shown before."""
    shown = on.changes.preview(WHO, change.id)
    assert shown.undo, shown.obstacle
    on.changes.undo(WHO, change.id, "It was wrong.", seen=shown.undo.now)
    return shown


@pytest.mark.parametrize("name", CHANGED)
def test_undo_gives_the_state_before(on: Runtime, clock: ManualClock, name: str) -> None:
    """All of it, and nothing else, in an entry of its own that says what it undid; undone as well, it holds again."""
    prepared(on, clock)
    before = state(on)
    CHANGED[name](on)
    changed, entry = state(on), newest(on, clock)
    assert changed != before
    assert entry.action == name.split(" ", maxsplit=1)[0]

    undone(on, entry)
    assert state(on) == before
    undo = newest(on, clock)
    assert (undo.undo_of, undo.actor) == (entry.id, WHO.name)
    assert undo.reason in {"It was wrong.", "ill"}  # a word on a breaker keeps its own, which callers read
    with pytest.raises(Conflict):
        on.changes.undo(WHO, entry.id)
    assert state(on) == before
    if name not in {"drill.start", "tenant.edit zone"}:
        undone(on, undo)
        assert state(on) == changed
    assert on.trail.verify(WHO).ok


def test_every_way_is_tried() -> None:
    """Who adds an action that can be undone adds a row above."""
    from core import changes

    tables = [table for name, table in vars(changes).items() if name.startswith("OF_")]
    known = {action for table in tables for action in table}
    assert known - {"schema.roll_back"} == {name.split(" ")[0] for name in CHANGED}


def test_what_came_after_is_not_lost(on: Runtime, clock: ManualClock) -> None:
    """100 to 200 by one, 200 to 300 by another: the first is not undone by itself, and both are shown."""
    on.budgets.set(WHO, acme(on), 100 * DOLLAR)
    clock.advance(60)
    on.budgets.set(WHO, acme(on), 200 * DOLLAR)
    first = newest(on, clock)
    on.budgets.set(WHO, acme(on), 300 * DOLLAR)
    second = newest(on, clock)

    shown = on.changes.preview(WHO, first.id)
    assert shown.undo is None
    assert "changed again since" in shown.obstacle
    assert [one.id for one in shown.later] == [second.id]
    with pytest.raises(Conflict):
        on.changes.undo(WHO, first.id)
    undone(on, second)
    undone(on, first)
    assert on.budgets.show(WHO, acme(on)).terms.limit_nano_usd == 100 * DOLLAR


def test_what_it_did_not_touch_stays(on: Runtime, clock: ManualClock) -> None:
    """Who changed another field since keeps that; the page shows just what would move."""
    on.budgets.set(WHO, acme(on), 100 * DOLLAR)
    clock.advance(60)
    on.budgets.set(WHO, acme(on), 200 * DOLLAR)
    lower = newest(on, clock)
    on.budgets.set(WHO, acme(on), 200 * DOLLAR, thresholds=[90])
    clock.advance(60)

    shown = undone(on, lower)
    assert shown.undo
    assert "$0.00 of $100.00 is spent" in shown.undo.effect
    terms = on.budgets.show(WHO, acme(on)).terms
    assert (terms.limit_nano_usd, terms.thresholds) == (100 * DOLLAR, (90,))


def test_a_rule_that_would_be_over_is_not_promised(on: Runtime, clock: ManualClock) -> None:
    """What a cleared rule held for has passed: the preview says so, as undoing it would."""
    on.flags.set(WHO, Flag.STREAMING, None, False, ends=f"{clock.now() + DAY:%Y-%m-%dT%H:%M}", zone="UTC")
    newest(on, clock)
    on.flags.clear(WHO, Flag.STREAMING, None)
    entry = newest(on, clock)
    assert on.changes.preview(WHO, entry.id).undo
    clock.advance(2 * 86_400)
    shown = on.changes.preview(WHO, entry.id)
    assert shown.undo is None
    with pytest.raises(Conflict, match="would be over by now"):
        on.changes.undo(WHO, entry.id)


def test_two_who_undo_at_once(on: Runtime, clock: ManualClock) -> None:
    """The second is told, whatever he saw; and so is who looked at a preview that is old."""
    on.flags.set(WHO, Flag.STREAMING, None, False)
    entry = newest(on, clock)
    shown = on.changes.preview(WHO, entry.id)
    assert shown.undo
    undone(on, entry)
    on.flags.set(WHO, Flag.STREAMING, None, False)
    on.flags.set(WHO, Flag.STREAMING, None, True)
    for ask in (
        lambda: on.changes.undo(WHO, entry.id, seen=shown.undo and shown.undo.now),
        lambda: shown.undo and shown.undo.do(WHO, ""),
    ):
        with pytest.raises(Conflict):
            ask()
    assert [one.is_on for one in on.flags.rules(WHO)] == [True]


@pytest.mark.parametrize("name", ["price.withdraw", "budget.withdraw_raise"])
def test_of_many_who_undo_in_the_same_moment_one_does(on: Runtime, clock: ManualClock, name: str) -> None:
    """What adds a row of its own (a raise, a price) is added once: the end of the trail is one for all who decide."""
    prepared(on, clock)
    CHANGED[name](on)
    entry = newest(on, clock)
    shown = on.changes.preview(WHO, entry.id).undo
    assert shown
    entries = len(every(on))
    begin = threading.Barrier(6)

    def undo(_: int) -> bool:
        begin.wait()
        try:
            shown.do(WHO, "")  # behind the looks that a page takes before: as if all had been taken already
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(undo, range(6))) == [False] * 5 + [True]
    assert len(every(on)) == entries + 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda on: on.tenants.create(WHO, "Other"), "is not removed"),
        (lambda on: on.tenants.create_key(WHO, acme(on)), "is revoked"),
        (lambda on: on.schemas.add(WHO, "lone", BODY, label=None), "never removed"),
        (lambda on: on.changes.note(WHO, "v2 went out"), "elsewhere"),
        (lambda on: on.schemas.load_samples(WHO), ""),
    ],
)
def test_what_cannot_be_undone_says_why(
    on: Runtime, clock: ManualClock, make: Callable[[Runtime], Any], said: str
) -> None:
    """In a sentence, and nothing is offered."""
    make(on)
    shown = on.changes.preview(WHO, newest(on, clock).id)
    assert not said or shown.undo is None
    assert said in shown.obstacle


def test_who_may_not_change_it_may_not_undo_it(on: Runtime, clock: ManualClock) -> None:
    """An undo needs what the opposite command needs, in that tenant; of another tenant nothing is there."""
    on.budgets.set(WHO, acme(on), DOLLAR)
    entry = newest(on, clock)
    for role in (Role.VIEWER, Role.OPERATOR, Role.PRODUCT):
        with pytest.raises(Forbidden):
            on.changes.undo(person("Ada", role), entry.id)
    with pytest.raises(NotFound):
        on.changes.undo(person("Ada", Role.OWNER, "elsewhere"), entry.id)
    assert on.budgets.show(WHO, acme(on)).terms.limit_nano_usd == DOLLAR


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ""},
        {"text": "x" * 501},
        {"kind": "party"},
        {"link": "javascript:alert(1)"},
        {"link": "https://"},
        {"link": "https://a b"},
        {"link": "https://" + "a" * 2_000},
        {"at": START - 32 * DAY},
        {"at": START + DAY},
    ],
)
def test_a_note_that_is_wrong_is_refused(on: Runtime, wrong: dict[str, Any]) -> None:
    """Nothing is written of it."""
    with pytest.raises(Invalid):
        on.changes.note(WHO, **({"text": "v2 went out"} | wrong))
    assert not [one for one in every(on) if one.action == "change.note"]


def every(on: Runtime) -> list[RecordedChange]:
    """Return all changes there are."""
    return list(on.reports.every_change(WHO, ChangeFilter(starts_at=START - 40 * DAY, ends_at=START + 40 * DAY)))


def test_what_happened_elsewhere_stands_among_the_changes(on: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its time, kind, link and tenant; but not without an end."""
    monkeypatch.setattr("core.changes._MOST_A_DAY", 2)
    link = "https://example.com/deploys/7?a=b#c"
    note = on.changes.note(WHO, " v2  went out ", link=link, at=START - DAY, tenant=acme(on))
    told = on.reports.change(WHO, note)
    assert (told.kind, told.summary, told.tenant, told.at) == ("deploy", "v2 went out", "Acme", START - DAY)
    assert told.after == {"link": link}
    for _ in range(2):
        on.changes.note(WHO, "v3", kind="incident")
    with pytest.raises(RateLimited):
        on.changes.note(WHO, "v4")
    on.changes.note(WHO, "v4", tenant=acme(on))
