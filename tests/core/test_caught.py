"""What guardrails caught, counted for pages: by call, place and kind, of the tenants that may be seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter, Caught, Reports, Window
from core.reports import guardrails as guardrail_reports
from core.store import Store
from core.tables import Outcome
from tests import builders
from tests.conftest import START

HOUR = timedelta(hours=1)
NOW = START + timedelta(days=2)
WINDOW = Window.last(timedelta(days=1), NOW)


@pytest.fixture
def reports(store: Store) -> Reports:
    """Four calls of two tenants, three of which had something in them, and one that was blocked; on both databases."""
    acme, globex = builders.tenant("Acme", START), builders.tenant("Globex", START)
    one = builders.generation(NOW - HOUR, guardrail_ms=0.4)
    two = builders.generation(NOW - 2 * HOUR, guardrail_ms=0.2)
    three = builders.generation(NOW - 2 * HOUR, "globex", Outcome.BLOCKED_GUARDRAIL, guardrail_ms=9.0)
    old = builders.generation(NOW - timedelta(days=3))
    builders.save(store, acme, globex, one, two, three, old, builders.generation(NOW - HOUR))
    builders.save(
        store,
        builders.finding(one, count=2, shape="ghp_…, 36 characters"),
        builders.finding(one, 2, kind="an AWS access key"),
        builders.finding(one, 3, stage="output", place="answer"),
        builders.finding(two, shape="ghp_…, 40 characters"),
        builders.finding(three, guardrail="no cards", rule_id="r1", kind="a card number", action="block"),
        builders.finding(old),
    )
    return Reports(store, ManualClock(NOW))


def told(found: Caught) -> list[tuple[str, int, int, int, int]]:
    """Return the totals."""
    return [(one.guardrail, one.calls, one.blocked, one.found, one.tenants) for one in found.by_guardrail]


def test_a_call_counts_once_for_a_guardrail(reports: Reports) -> None:
    """Three things in one call are one call; what is older than the window is left out."""
    found = reports.caught(LOCAL_OPERATOR, WINDOW)
    assert told(found) == [("secrets", 2, 0, 5, 1), ("no cards", 1, 1, 1, 1)]
    assert found.since is None
    assert found.series["calls"].tolist() == [1, 1, 1]
    assert set(found.series["at"]) <= {WINDOW.starts_at + number * WINDOW.cell for number in range(WINDOW.cells)}
    first = found.lines.iloc[0]
    assert (first["guardrail"], first["tenant"], first["place"], first["kind"]) == (
        "secrets",
        "Acme",
        "user text",
        "a GitHub token",
    )
    assert (first["calls"], first["found"]) == (2, 3)
    assert found.lines["example"].tolist() == ["ghp_…, 40 characters, and others", "", "", ""]
    assert len(found.lines) == 4


def test_what_it_costs_is_told(reports: Reports) -> None:
    """How long texts were judged is told of the calls of which it is known."""
    time = reports.caught(LOCAL_OPERATOR, WINDOW).time
    assert time is not None
    assert (time.timed, time.p50, time.p95, time.slowest) == (3, 0.4, 9.0, 9.0)
    assert reports.caught(LOCAL_OPERATOR, Window.last(HOUR, NOW - timedelta(days=9))).time is None


def test_one_tenant_alone(reports: Reports) -> None:
    """Of one tenant nothing of another's is counted."""
    assert told(reports.caught(LOCAL_OPERATOR, WINDOW, "globex")) == [("no cards", 1, 1, 1, 1)]


def test_there_is_an_end_to_what_is_read(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more findings than a page looks at the newest are counted, and it says from when on."""
    monkeypatch.setattr(guardrail_reports, "MOST_FINDINGS", 3)
    found = reports.caught(LOCAL_OPERATOR, WINDOW)
    assert told(found) == [("secrets", 1, 0, 4, 1)]
    assert found.since == NOW - HOUR


@pytest.mark.parametrize(
    ("wanted", "calls"),
    [
        ({"guardrail": "secrets"}, 2),
        ({"guardrail": "no cards"}, 1),
        ({"guardrail": "nobody"}, 0),
        ({"found": "an AWS access key"}, 1),
        ({"guardrail": "no cards", "found": "an AWS access key"}, 0),
    ],
)
def test_calls_are_found_by_what_was_caught_in_them(wanted: dict[str, str], calls: int, reports: Reports) -> None:
    """A list of calls can be narrowed down by guardrail and by kind."""
    filtered = CallFilter(starts_at=WINDOW.starts_at, ends_at=WINDOW.ends_at, **wanted)
    assert reports.count(LOCAL_OPERATOR, filtered) == calls


def test_a_call_tells_what_was_found_in_it(reports: Reports) -> None:
    """The findings of one call come in order, with their places and counts."""
    filtered = CallFilter(starts_at=WINDOW.starts_at, ends_at=WINDOW.ends_at, found="an AWS access key")
    [call_id] = reports.calls(LOCAL_OPERATOR, filtered).calls["id"].tolist()
    call = reports.call(LOCAL_OPERATOR, call_id)
    assert [(one.kind, one.stage, one.place, one.count) for one in call.findings] == [
        ("a GitHub token", "input", "user text", 2),
        ("an AWS access key", "input", "user text", 1),
        ("a GitHub token", "output", "answer", 1),
    ]
    assert [one.shape for one in call.findings] == ["ghp_…, 36 characters", "", ""]
    assert call.guardrail_ms == 0.4
