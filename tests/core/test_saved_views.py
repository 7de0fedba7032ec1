"""Views that people keep of the list of calls: each his own, until he or his account goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.clock import ManualClock
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.people import People
from core.principals import LOCAL_OPERATOR, Role
from core.saved_views import MOST_VIEWS, SavedViews
from core.store import Store
from tests.builders import person
from tests.conftest import START


@pytest.fixture
def people(store: Store) -> People:
    """Grace, an owner, and Ada, a viewer."""
    made = People(store, ManualClock(START), idle=timedelta(hours=1), longest=timedelta(days=1))
    made.create(LOCAL_OPERATOR, "Grace", "correct horse battery", Role.OWNER)
    made.create(LOCAL_OPERATOR, "Ada", "correct horse battery", Role.VIEWER)
    return made


def test_a_view_is_its_persons_own(store: Store, people: People) -> None:
    """Saved anew under its name, listed and removed by that person alone, and gone with the account."""
    views = SavedViews(store, ManualClock(START))
    grace, ada = (replace(person(name), person_id=people.find(LOCAL_OPERATOR, name).id) for name in ("Grace", "Ada"))
    form = {"q": "outcome:error", "sort": "-cost", "columns": "cost"}
    first = views.save(ada, " Dear  errors ", **form)
    again = views.save(ada, "Dear errors", **form | {"q": ""})
    assert first.id == again.id
    assert [(one.name, one.q, one.sort, one.columns) for one in views.list(ada)] == [
        ("Dear errors", "", "-cost", "cost")
    ]
    assert views.list(grace) == []
    with pytest.raises(NotFound, match="no such view"):
        views.remove(grace, first.id)
    for name, q, said in (
        ("", "", "1 to 60"),
        ("x" * 61, "", "1 to"),
        ("a", "user:b", "a user"),
        ("a", "b:c", "field"),
    ):
        with pytest.raises(Invalid, match=said):
            views.save(ada, name, **form | {"q": q})
    with pytest.raises(Forbidden, match="people who sign in"):
        views.save(LOCAL_OPERATOR, "a", **form)
    for number in range(MOST_VIEWS - 1):
        views.save(ada, f"View {number}", **form)
    with pytest.raises(Conflict, match="Remove one first"):
        views.save(ada, "One more", **form)
    views.remove(ada, first.id)
    views.save(ada, "One more", **form)
    assert ada.person_id is not None
    people.remove(LOCAL_OPERATOR, ada.person_id)
    assert views.list(ada) == []
