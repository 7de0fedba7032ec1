"""What Home says at its top of what is wrong with Proctor itself: Redis away, chores that are not done."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from core import runtime as running
from core.chores import Chore, Chores
from core.errors import Unavailable
from core.limits import Limits
from core.runtime import Runtime
from core.shared import Shared
from tests import builders
from tests.pages.conftest import NOW, Open


def test_home_says_since_when_redis_is_away(proctor: Runtime, open_page: Open) -> None:
    """The notice names the time and what follows; without a Redis there is none."""
    builders.save(proctor.store, builders.tenant("Acme", NOW), [builders.generation(NOW)])
    assert not [one for one in open_page("home").warning if "Redis" in one.proto.title]

    shared = Shared("unix:///nowhere/redis", proctor.clock, proctor.metrics)
    running.install(dataclasses.replace(proctor, shared=shared, limits=Limits(shared)))
    [notice] = [one for one in open_page("home").warning if "Redis" in one.proto.title]

    assert notice.proto.title.replace("\\", "") == "Redis does not answer since 12:07 UTC"
    assert "counted per process until it does" in notice.value


@pytest.mark.parametrize("calls", [0, 1])
def test_home_says_which_chore_fails_and_what_that_means(proctor: Runtime, open_page: Open, calls: int) -> None:
    """With calls or without, the notice names the chore, why it fails and what follows; one that fares well is none."""
    builders.save(proctor.store, builders.tenant("Acme", NOW), [builders.generation(NOW) for _ in range(calls)])
    assert not open_page("home").warning

    def fail() -> None:
        raise Unavailable("The disk is full.")

    told = {"every": timedelta(seconds=30), "does": "It deletes prompts.", "otherwise": "Prompts are still stored."}
    several = [Chore(name="retention", run=fail, **told), Chore(name="fine", run=list, **told)]
    chores = Chores(
        several, clock=proctor.clock, claims=proctor.claims, metrics=proctor.metrics, stopping=proctor.stopping
    )
    running.install(dataclasses.replace(proctor, chores=chores))
    for one in several:
        chores.do(one.name)
    [notice] = open_page("home").warning

    assert notice.proto.title == "Chore 'retention' fails"
    assert notice.value.replace("\\", "") == "It failed once: The disk is full. Prompts are still stored."


def test_home_says_when_the_books_do_not_add_up(proctor: Runtime, open_page: Open) -> None:
    """A verification that found a fault stands on Home until another finds none."""
    builders.save(proctor.store, builders.tenant("Acme", NOW), [builders.generation(NOW)])
    assert not [one for one in open_page("home").warning if "books" in one.proto.title]

    assert not proctor.budgets.verify().ok, "the call has a cost, and no attempt that had it"
    [notice] = [one for one in open_page("home").warning if "books" in one.proto.title]

    assert "differ by" in notice.proto.title
    assert "Keep the database as it is" in notice.value
