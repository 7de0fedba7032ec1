"""The page Changes: what stands in its list, what a change is told of, and how one comes there."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import datetime

import pytest
from streamlit.testing.v1 import AppTest

from core.clock import ManualClock
from core.flags import Flag
from core.principals import LOCAL_OPERATOR
from core.reports import ChangeFilter, RecordedChange
from core.runtime import Runtime
from core.tables import Tenant
from pages.changes import files
from tests.builders import change, save
from tests.pages.conftest import NOW, Open


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """A tenant about whom something was decided."""
    made = proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    proctor.budgets.set(LOCAL_OPERATOR, made, 25_000_000_000)
    proctor.budgets.set(LOCAL_OPERATOR, made, 5_080_000_000)
    return made


def changes_of(proctor: Runtime) -> list[RecordedChange]:
    """Return all there are, the newest first."""
    wanted = ChangeFilter(starts_at=NOW.replace(year=2020), ends_at=NOW.replace(year=2030))
    return list(proctor.reports.every_change(LOCAL_OPERATOR, wanted))


def rows(page: AppTest) -> list[str]:
    """Return what each row of the list says."""
    frame = page.dataframe[0].value
    return [" | ".join(str(value) for value in row) for row in frame.itertuples(index=False)]


def test_the_list_says_what_became_of_what(
    open_page: Open, proctor: Runtime, acme: Tenant, page_clock: ManualClock
) -> None:
    """Amounts as money, by whom, of whom; what a breaker did stands in one line, however often it did it."""
    for _ in range(4):
        page_clock.advance(60)
        save(proctor.store, change(page_clock.now(), "breaker", "openai/x", "It opened."))
    page = open_page("changes")

    assert not page.exception
    listed = rows(page)
    assert len(listed) == 4
    assert "4 times since" in listed[0]
    assert any("Limit: $25.00 → $5.08" in one and "local operator" in one and "Acme" in one for one in listed)
    assert "7 changes" in page.caption[-1].value


def test_filters_stand_in_the_address(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """A link shows what its sender saw; what is nowhere leads to a list that says so."""
    proctor.flags.set(LOCAL_OPERATOR, Flag.STREAMING, acme, False)

    assert len(rows(open_page("changes", kind="flag"))) == 1
    assert len(rows(open_page("changes", text="monthly"))) == 2
    assert len(rows(open_page("changes", tenant="Acme", range="7d"))) == 4
    page = open_page("changes", actor="Nobody")
    assert "No change passes these filters." in [one.value for one in page.caption]
    page.button(key="clear_all").click().run()
    assert len(rows(page)) == 4


def test_older_changes_are_reached(open_page: Open, acme: Tenant, page_clock: ManualClock) -> None:
    """What lies before the range is told of, once all time is looked at."""
    page_clock.advance(60 * 86_400)
    page = open_page("changes")
    assert "Nothing was changed in this time." in [one.value for one in page.caption]
    page.toggle(key="ever").set_value(True).run()
    assert len(rows(page)) == 3


def test_a_change_is_told_whole(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """When, who, from where, and each field before and after; a link to one that is gone says so."""
    lowered = next(one for one in changes_of(proctor) if one.action == "budget.set" and one.before)
    page = open_page("changes", change=lowered.id)

    assert not page.exception
    assert "$25.00" in repr(page.table[1].value).replace("\\", "")
    page.button(key="back").click().run()
    assert len(rows(page)) == 3
    assert "There is no change" in open_page("changes", change="gone").error[0].value


def test_a_change_is_undone(open_page: Open, proctor: Runtime, acme: Tenant, page_clock: ManualClock) -> None:
    """What would be different is shown, why is asked; then it is so, and the change says that it was undone."""
    page_clock.advance(60)
    proctor.budgets.set(LOCAL_OPERATOR, acme, 9_000_000_000)
    lowered = changes_of(proctor)[0]
    assert "undo" in {one.key for one in open_page("changes", change=lowered.id).button}
    dialog = AppTest.from_function(_asking, args=(lowered.id,), default_timeout=60).run()
    assert "$5.08" in repr(dialog.table[0].value).replace("\\", "")
    dialog.text_input(key="undo_reason").set_value("A slip")
    page_clock.advance(60)
    dialog.button(key="confirm_undo").click().run()

    undo = changes_of(proctor)[0]
    assert (undo.undo_of, undo.reason) == (lowered.id, "A slip")
    assert proctor.budgets.show(LOCAL_OPERATOR, acme).terms.limit_nano_usd == 5_080_000_000
    assert "It was undone already" in open_page("changes", change=lowered.id).caption[-1].value


def _asking(change_id: str) -> None:
    import streamlit as st

    from core.principals import Permission
    from pages.changes import one
    from pages.kit.page import open_page

    visit = open_page("Test", "A dialog.", needs=Permission.CHANGES_READ)
    if "seen" not in st.session_state:  # what the page had read when the dialog was opened
        st.session_state["seen"] = visit.runtime.changes.preview(visit.principal, change_id)
    one.undo(visit, st.session_state["seen"])


def test_a_long_list_has_pages(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Fifty a page, and back to the newest."""
    for number in range(30):
        proctor.flags.set(LOCAL_OPERATOR, Flag.STREAMING, acme, bool(number % 2))
        proctor.flags.set(LOCAL_OPERATOR, Flag.FALLBACK, acme, bool(number % 2))
    page = open_page("changes")
    assert len(rows(page)) == 50
    page.button(key="older").click().run()
    assert len(rows(page)) == 13
    page.button(key="newest").click().run()
    assert len(rows(page)) == 50


def test_the_list_is_exported_whole(proctor: Runtime, acme: Tenant) -> None:
    """What passes the filters, each change by itself, with times that say their zone; no cell is a formula."""
    proctor.flags.set(LOCAL_OPERATOR, Flag.STREAMING, acme, False, reason="=1+1")
    every = ChangeFilter(starts_at=NOW.replace(year=2020), ends_at=NOW.replace(year=2030))

    written = b"".join(files._listed(proctor, LOCAL_OPERATOR, every)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(written)))
    assert len(rows) == 4
    assert {row["kind"] for row in rows} == {"flag", "budget", "tenant"}
    assert all(datetime.fromisoformat(row["at"]).tzinfo for row in rows)
    assert rows[0]["why"] == "'=1+1"
    assert any((row["before"], row["after"]) == ("Limit: $25.00", "Limit: $5.08") for row in rows)
    assert b"".join(files._listed(proctor, LOCAL_OPERATOR, replace(every, kind="flag"))).count(b"\n") == 2
    none = b"".join(files._listed(proctor, LOCAL_OPERATOR, replace(every, kind="route"))).decode("utf-8-sig")
    assert none.startswith("at,kind,")
