"""Incidents: what stands out of what is usual, and what of one stretch of time is told."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ManualClock
from core.errors import Invalid
from core.principals import EVERYWHERE, LOCAL_OPERATOR
from core.reports import ChangeFilter, Reports, Window
from core.reports.incidents import _clusters
from core.reports.incidents._clusters import LONGEST
from core.reports.incidents._rule import is_unusual
from core.reports.reading import reading
from core.store import Store
from tests import outages
from tests.conftest import START

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOW = START.replace(minute=0, second=0, microsecond=0)
AT = NOW - timedelta(hours=3)


def test_what_is_unusual() -> None:
    """Some more than chance makes, and twice as many: of few calls and of very many."""
    table = [
        (5, 0, True), (4, 0, False), (9, 4, False), (12, 4, True), (6, 1, True), (150, 100, False), (210, 100, True),
        (10_300, 10_000, False),
    ]  # fmt: skip
    assert [is_unusual(found, usual) for found, usual, _ in table] == [said for *_, said in table]
    assert not is_unusual(9, 0, least=10)


@pytest.fixture
def reports(store: Store) -> Reports:
    """Eight days of calls, of which one hour went wrong."""
    outages.save(store, NOW)
    return Reports(store, ManualClock(NOW))


def test_an_hour_that_went_wrong_is_found_and_told(reports: Reports) -> None:
    """It is found among eight days, and opened: how many, how many usually, whose, what saved them, what that cost."""
    [found] = reports.clusters(LOCAL_OPERATOR, Window.last(timedelta(days=1), NOW))

    assert (found.kind, found.tenants, found.count, found.beyond) == ("lost", ("Acme",), 25, 24)
    assert (found.starts_at, found.ends_at) == (AT, AT + HOUR)
    one = reports.incident(LOCAL_OPERATOR, Window.of(found.starts_at, found.ends_at))
    assert (one.figures.calls, one.usual.middle.calls, one.figures.lost, one.lost_beyond) == (50, 20, 25, 25)
    assert one.kinds == ["lost"]
    assert {(end.which, end.calls, end.usual) for end in one.outcomes} == {
        ("provider_error", 15, 0), ("valid_after_fallback", 15, 0), ("blocked_flag", 10, 0),
        ("valid_first_try", 10, 20),
    }  # fmt: skip
    assert [(hit.tenant, hit.figures.lost, hit.usual and hit.usual.calls) for hit in one.hit] == [
        ("Acme", 25, 10),
        ("Globex", 0, 10),
    ]
    [apart] = one.told_apart
    assert apart.contrast.sentences[0].startswith("tenant Acme is 100.0 % of these 25 calls")
    assert one.in_vain[0].model == "openai/gpt-4o-mini"
    assert (one.in_vain[0].outcome, one.in_vain[0].attempts) == ("provider_error", 30)
    first, last = one.first, one.last
    assert (first and first.at, last and last.at) == (AT + MINUTE, AT + 40 * MINUTE)
    assert (one.saved.calls, one.premium.known, one.premium.looked_at) == (15, 15, 15)
    assert one.premium.nano_usd == 15 * (850_000 - 114_000)
    assert one.beyond("discarded") == one.figures.discarded == 15 * 114_000
    of_one = reports.incident(LOCAL_OPERATOR, Window.of(AT + MINUTE, AT + 50 * MINUTE), "acme")
    assert (of_one.tenant, of_one.hit, of_one.figures.calls) == ("Acme", [], 40)
    assert of_one.told_apart[0].contrast.rest > 50  # most of it failed, so the day before is looked at


def test_what_was_decided_before_is_known_of_each_decision(reports: Reports) -> None:
    """Who had turned the flag before it was turned is told; of the first decision there is none."""
    wanted = ChangeFilter(starts_at=AT - 60 * HOUR, ends_at=NOW)
    changes = reports.changes(LOCAL_OPERATOR, wanted).changes
    before = reports.decided_before(LOCAL_OPERATOR, changes)

    assert [one.actor for one in changes] == ["Ada", "Ben"]
    assert {one: found.actor for one, found in before.items()} == {changes[0].id: "Ben"}


@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from([0, 1, 3, 9])), min_size=4, max_size=12))
def test_what_goes_on_for_days_is_told_in_stretches_that_can_be_opened(stretches: list[tuple[int, int]]) -> None:
    """None overlaps another of the same tenant, so that nothing is counted twice; none is too long for an incident."""
    lost = ([0] * 200 + [many for hours, many in stretches for _ in range(hours)])[-14 * 24 :]
    counts = {hour: (many, 10) for hour, many in enumerate(lost)}
    found = sorted(_clusters._of_one("lost", "acme", counts, (0, len(lost))), key=lambda one: one.first)
    assert all(one.end <= after.first for one, after in itertools.pairwise(found))
    assert all(0 < one.end - one.first <= LONGEST // HOUR for one in found)
    assert sum(one.count for one in found) <= sum(lost)


def test_five_days_of_fourteen_are_told_of_one_tenant(sqlite_store: Store) -> None:
    """Of a tenant that fails a little for days, and of another with two short outages meanwhile."""
    counts = {hour: (3 if 100 <= hour < 220 else 0, 10) for hour in range(14 * 24)}
    short = {hour: (9 if hour in (105, 130) else 0, 10) for hour in range(14 * 24)}
    found = [
        one
        for whose, some in (("acme", counts), ("globex", short))
        for one in _clusters._of_one("lost", whose, some, (0, len(some)))
    ]
    with reading(sqlite_store, EVERYWHERE) as now:
        told = _clusters._told(now, found, NOW)
    assert {len(set(one.tenant_ids)) - len(one.tenant_ids) for one in told} == {0}
    assert all(one.ends_at - one.starts_at <= LONGEST for one in told)
    assert sum(one.count for one in told) == 3 * 120 + 18


def test_an_ordinary_hour_is_told_as_one(reports: Reports) -> None:
    """Nothing stands out of it; with fewer than three days before it nothing is called usual; two days are the most."""
    usual = reports.incident(LOCAL_OPERATOR, Window.of(AT - 3 * HOUR, AT - 2 * HOUR))
    first = reports.incident(LOCAL_OPERATOR, Window.of(AT - 6 * 24 * HOUR, AT - 6 * 24 * HOUR + HOUR))

    assert (usual.kinds, usual.figures.calls, usual.usual.middle.calls, len(usual.usual.spans)) == ([], 20, 20, 7)
    assert (first.kinds, first.usual.spans, first.beyond("spent"), first.lost_beyond) == ([], [], None, None)
    under_way = reports.incident(LOCAL_OPERATOR, Window.of(NOW - 20 * MINUTE, NOW + HOUR))
    assert under_way.window.ends_at == NOW
    longer = reports.incident(LOCAL_OPERATOR, Window.of(AT - 30 * HOUR, AT))
    assert longer.usual.spans[-1] == (AT - 78 * HOUR, AT - 48 * HOUR)
    for window in (Window.of(AT - 49 * HOUR, AT), Window.of(NOW + HOUR, NOW + 2 * HOUR)):
        with pytest.raises(Invalid):
            reports.incident(LOCAL_OPERATOR, window)
