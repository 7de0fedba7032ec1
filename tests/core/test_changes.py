"""The list of changes: what stands in it, in which order, what is folded, and what a filter lets pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from core import audit
from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR, Grant, Principal, Role
from core.reports import CHANGES_ON_PAGE, ChangeCursor, ChangeFilter, ChangePage, RecordedChange, Reports
from core.store import Store
from core.tables import AuditEntry, ChangeEvent
from tests import builders
from tests.conftest import START

ANN = Principal("ann", (Grant(Role.ADMIN),), door="the console")
BOB = Principal("bob", (Grant(Role.ADMIN),), door="command line of bob@host")
MINUTE = timedelta(minutes=1)
EVERY = ChangeFilter(starts_at=START - timedelta(days=9), ends_at=START + timedelta(days=9))


@pytest.fixture
def reports(store: Store, clock: ManualClock) -> Reports:
    """The read side, with two tenants."""
    builders.save(store, builders.tenant("Acme", START), builders.tenant("Borealis", START))
    return Reports(store, clock)


def decided(store: Store, clock: ManualClock, by: Principal = ANN, **facts: Any) -> None:
    """Let somebody decide something, a minute after the last."""
    clock.advance(60)
    said = {"action": "flag.set", "kind": "flag", "subject": "streaming", "summary": "streaming was turned on."} | facts
    with store.writing() as session:
        audit.record(session, clock, by=by, **said)


def happened(store: Store, clock: ManualClock, subject: str = "openai/x", minutes: int = 1, **facts: Any) -> None:
    """Let something happen that nobody decided."""
    clock.advance(60 * minutes)
    said = {"kind": "breaker", "summary": f"The breaker of {subject} opened."} | facts
    builders.save(store, ChangeEvent(id=clock.new_id(), at=clock.now(), subject=subject, **said))


def walked(reports: Reports, wanted: ChangeFilter = EVERY) -> Iterator[ChangePage]:
    """Yield page after page, by the addresses that each gives for the next."""
    behind = None
    while True:
        page = reports.changes(LOCAL_OPERATOR, wanted, behind)
        yield page
        if page.older is None:
            return
        behind = ChangeCursor.of(str(page.older))
        assert behind == page.older


def test_decisions_and_what_happened_stand_in_one_list(reports: Reports, store: Store, clock: ManualClock) -> None:
    """The newest first; a decision once, with who, from where and why, though an event marks the charts with it too."""
    decided(store, clock, BOB, reason="It was slow.", before={"is_on": False}, after={"is_on": True}, undo_of="7")
    happened(store, clock)
    decided(store, clock, tenant_id="acme")

    last, breaker, first = reports.changes(LOCAL_OPERATOR, EVERY).changes
    assert (last.actor, last.tenant, last.seq) == ("ann", "Acme", 2)
    assert (breaker.actor, breaker.door, breaker.is_decided) == ("proctor", "Proctor itself", False)
    assert (first.actor, first.door, first.reason, first.undo_of) == (
        "bob", "command line of bob@host", "It was slow.", "7",
    )  # fmt: skip
    assert (first.before, first.after) == ({"is_on": False}, {"is_on": True})
    assert reports.change(LOCAL_OPERATOR, breaker.id) == breaker


def test_what_the_system_repeats_is_one_line(reports: Reports, store: Store, clock: ManualClock) -> None:
    """Two breakers that flap in turn are two lines, however often; a decision between stands alone, and never folds."""
    for _ in range(7):
        happened(store, clock, "openai/x")
        happened(store, clock, "openai/y")
    decided(store, clock)
    decided(store, clock)
    happened(store, clock, "openai/x")
    happened(store, clock, "openai/x", minutes=90)

    lines = reports.changes(LOCAL_OPERATOR, EVERY)
    assert [(one.subject, one.times) for one in lines.changes] == [
        ("openai/x", 1), ("openai/x", 8), ("streaming", 1), ("streaming", 1), ("openai/y", 7),
    ]  # fmt: skip
    assert lines.changes[1].first_at == START + MINUTE
    assert lines.counted == 18
    assert len(list(reports.every_change(LOCAL_OPERATOR, EVERY))) == 18


def test_pages_hold_each_change_once(reports: Reports, store: Store, clock: ManualClock) -> None:
    """Page after page, many of one moment among them, nothing is twice or missing, also while new ones come."""
    with store.writing() as session:
        session.add_all(
            AuditEntry(
                id=f"{n:032x}", at=START + MINUTE * (n // 9 - 60), actor="ann", action="a.b", kind="a", subject=str(n)
            )
            for n in range(2 * CHANGES_ON_PAGE + 7)
        )
    seen: list[RecordedChange] = []
    for page in walked(reports):
        assert len(page.changes) <= CHANGES_ON_PAGE
        seen += page.changes
        decided(store, clock)
    assert [one.subject for one in seen] == [str(n) for n in reversed(range(2 * CHANGES_ON_PAGE + 7))]
    assert [one.subject for one in reports.every_change(LOCAL_OPERATOR, EVERY)][3:] == [one.subject for one in seen]


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ({}, {"a", "b", "c", "d"}),
        ({"kind": "breaker"}, {"d"}),
        ({"actor": "bob"}, {"b"}),
        ({"actor": "proctor"}, {"d"}),
        ({"door": "the console"}, {"a", "c"}),
        ({"door": "Proctor itself"}, {"d"}),
        ({"text": "STRASSE"}, {"b"}),
        ({"text": "Größe"}, {"c"}),
        ({"text": "100%_"}, {"a"}),
        ({"text": "nowhere"}, set[str]()),
        ({"tenant_id": "acme"}, {"a", "b", "d"}),
        ({"tenant_id": "acme", "kind": "flag", "actor": "ann"}, {"a"}),
        ({"tenant_id": "gone"}, {"b", "d"}),
        ({"ends_at": START + 2 * MINUTE}, {"a"}),
        ({"starts_at": START + 4 * MINUTE}, {"d"}),
    ],
)
def test_a_filter_narrows_the_list(
    reports: Reports, store: Store, clock: ManualClock, narrowed: dict[str, Any], found: set[str]
) -> None:
    """By time, kind, person, door and text in any case; of a tenant is also what concerns all."""
    decided(store, clock, subject="a", tenant_id="acme", summary="It is at 100%_ now")
    decided(store, clock, BOB, subject="b", reason="The Strasse was wet")
    decided(store, clock, subject="c", kind="budget", tenant_id="borealis", summary="Die Größe")
    happened(store, clock, "d")

    wanted = dataclasses.replace(EVERY, **narrowed)
    page = reports.changes(LOCAL_OPERATOR, wanted)
    assert {one.subject for one in page.changes} == found
    assert page.counted == len(found)


def test_there_is_what_to_choose_from(reports: Reports, store: Store, clock: ManualClock) -> None:
    """What occurs in that time, and nothing else."""
    decided(store, clock, BOB, tenant_id="acme")
    happened(store, clock)
    told = reports.change_choices(LOCAL_OPERATOR, EVERY.starts_at, EVERY.ends_at)
    assert told == (["breaker", "flag"], ["bob", "proctor"], ["Proctor itself", "command line of bob@host"])
    assert reports.change_choices(LOCAL_OPERATOR, EVERY.starts_at, START) == ([], [], [])


def test_rows_of_nobody_are_for_who_sees_all(reports: Reports, store: Store, clock: ManualClock) -> None:
    """Whoever is limited to one tenant sees no change that concerns all, nor one of a tenant that is gone."""
    for tenant_id in ("acme", "borealis", "gone", "", None):
        decided(store, clock, subject=repr(tenant_id), tenant_id=tenant_id)
    happened(store, clock)
    who = builders.person("Ada", Role.OWNER, "acme")
    assert [one.subject for one in reports.changes(who, EVERY).changes] == ["'acme'"]
    assert [one.subject for one in reports.every_change(who, EVERY)] == ["'acme'"]
    assert len(reports.changes(LOCAL_OPERATOR, EVERY).changes) == 6


@pytest.mark.parametrize("text", ["", "1", "x-1", "1-", "1-é", "1-'; DROP", "9" * 40 + "-a", "-5-a"])
def test_an_address_that_is_no_place_is_none(text: str) -> None:
    """What was not written by us leads nowhere, and is told so."""
    assert ChangeCursor.of(text) is None
