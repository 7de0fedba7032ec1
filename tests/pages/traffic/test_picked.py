"""What is picked out of Traffic stands in its address, and is joined to the search as one more term."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from core.call_search import Either, Every, FieldMatch, Negation, exactly, parts, read_search
from core.reports import Window
from core.reports.query import Group, GroupFigures
from core.reports.ranges import Range
from pages.traffic import figures, words
from pages.traffic.asked import AT, HERE, TrafficView, cut_out, narrowed, pick
from tests.pages.conftest import NOW

if TYPE_CHECKING:
    from pages.kit.page import Visit

TERM = FieldMatch("model", exactly("openai/gpt-4o"))
DAY = Range("24h")


def test_a_second_click_takes_a_pick_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the address would stay as it is, and so would the click, and the page would run for ever."""
    address: dict[str, str] = {}
    monkeypatch.setattr("streamlit.query_params", address)
    pick(TERM)
    assert address == {HERE: "model:openai/gpt-4o"}
    pick(TERM)
    assert address == {}
    assert not cut_out(DAY, DAY)
    assert address == {}


@pytest.mark.parametrize("q", ["", "route:default", "model:a OR model:b", "-(key:x OR key:y)"])
def test_what_is_picked_holds_beside_the_search(q: str) -> None:
    """Whatever stands in that: with an OR in it as well."""
    view = TrafficView(tenant=None, chosen=DAY, window=Window.last(timedelta(days=1), NOW), q=q)
    before = parts(read_search(q).term)
    for term, joined in (
        (FieldMatch("outcome", exactly("any_error")), figures._errors(view).q),
        (Negation(TERM), narrowed(q, Negation(TERM))),
        (
            Negation(Either((TERM, FieldMatch("route", exactly("a"))))),
            narrowed(q, Negation(Either((TERM, FieldMatch("route", exactly("a")))))),
        ),
    ):
        found = read_search(joined).term
        assert parts(found) == (*before, term)
        assert not before or isinstance(found, Every)


def test_a_stretch_that_the_range_has_left_behind_is_held_against_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens yesterday's link to a cell of the last day sees it among the 24 hours around it, and so it says."""
    visit = SimpleNamespace(now=NOW)
    view = TrafficView(tenant=None, chosen=DAY, window=Window.last(timedelta(days=1), NOW), q="")
    for ago, is_shown in ((timedelta(hours=3), True), (timedelta(hours=30), False)):
        cell = Range.between(NOW - ago, NOW - ago + timedelta(minutes=15))
        monkeypatch.setattr("streamlit.query_params", {AT: str(cell)})
        picked = view.picked(cast("Visit", visit))
        assert picked is not None
        assert picked.among.starts_at <= picked.selected.starts_at
        assert picked.selected.ends_at <= picked.among.ends_at
        assert picked.within.ends_at - picked.within.starts_at >= timedelta(days=1)
        assert (picked.around == "") == is_shown
        assert is_shown or picked.among.ends_at < NOW


def test_models_of_two_providers_have_two_names() -> None:
    """A legend leaves the provider out only where that tells them apart."""
    groups = [Group((one,), (one,), GroupFigures()) for one in ("openai/gpt-4o", "azure/gpt-4o", "openai/gpt-4o-mini")]
    assert words.short_names(groups, "model") == ["openai/gpt-4o", "azure/gpt-4o", "gpt-4o-mini"]
