"""What Home says at its top of what is wrong with Proctor itself: Redis away, chores that are not done."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.admission import Admission
from core.chores import Chore, Chores
from core.errors import Unavailable
from core.limits import Limits
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.shared import Shared
from core.tables import Outcome
from core.telemetry import Metrics
from pages.kit import page as kit
from tests import builders
from tests.builders import person
from tests.pages.conftest import NOW, Open


def test_home_says_since_when_redis_is_away(proctor: Runtime, open_page: Open) -> None:
    """The notice names the time and what follows; without a Redis there is none."""
    builders.save(proctor.store, builders.tenant("Acme", NOW), [builders.generation(NOW)])
    assert not [one for one in open_page("home").warning if "Redis" in one.proto.title]

    shared = Shared("unix:///nowhere/redis", proctor.clock, proctor.metrics)
    running.install(dataclasses.replace(proctor, shared=shared, limits=Limits(shared)))
    [notice] = [one for one in open_page("home").warning if "Redis" in one.proto.title]

    assert notice.proto.title.replace("\\", "") == "Redis does not answer since Mar 04, 12:07 UTC"
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


LINK = re.compile(r"\[([^\]]*)\]\(/[^)]*\)")


def words(notice: Any) -> str:
    """Return what a notice says, as it is read."""
    return LINK.sub(r"\1", notice.value).replace("\\", "")


def headed(notice: Any) -> str:
    """Return its headline, as it is read."""
    return LINK.sub(r"\1", notice.proto.title).replace("\\", "")


def test_home_says_who_waits_and_who_was_turned_away(proctor: Runtime, open_page: Open) -> None:
    """While requests wait for a place, and for minutes after some were turned away; of a tenant only its own."""
    names = ("Acme", "Borealis")
    tenants = [proctor.tenants.create(LOCAL_OPERATOR, name) for name in names]
    assert not open_page("home").warning
    places = Admission(proctor.clock, Metrics(), kind="generate", places=1, waiting=3, large_bytes=0)
    running.install(dataclasses.replace(proctor, admission=places))

    async def crowd() -> tuple[AppTest, ...]:
        """Look at Home as it fills: all of it, then of each tenant."""
        held = places.ask("Acme", 0)
        waits = [places.ask("Acme", 0), places.ask("Borealis", 0)]
        seen = [open_page("home")]
        places.turned_away("Acme")
        seen += [open_page("home"), *(open_page("home", of=name) for name in names)]
        held.result().give_back()
        for one in waits:
            one.cancel()
        return tuple(seen)

    waiting, shed, acme, borealis = (page.warning[0] for page in asyncio.run(crowd()))
    assert waiting.proto.title == "Requests wait for a place"
    assert words(waiting).startswith("Places taken: 1 of 1. Waiting: 1 of Acme, 1 of Borealis. See")
    assert shed.proto.title == acme.proto.title == "Requests are turned away"
    assert "Turned away in the last minutes: 1 of Acme." in words(shed)
    assert "Waiting: 1 of Acme. Turned away in the last minutes: 1 of Acme." in words(acme)
    assert borealis.proto.title == "Requests wait for a place"
    assert "Acme" not in words(borealis)
    assert len(tenants) == 2


@pytest.mark.parametrize(("setting", "is_told"), [("loopback", False), ("network", True)])
def test_a_console_that_is_open_to_a_network_is_told(
    proctor: Runtime, open_page: Open, setting: str, *, is_told: bool
) -> None:
    """Whoever looks at Home reads that nobody signs in, and what to do."""
    settings = proctor.settings.model_copy(update={"without_sign_in": setting})
    running.install(dataclasses.replace(proctor, settings=settings))
    found = [one for one in open_page("home").warning if headed(one) == "Nobody signs in to this console"]
    assert bool(found) is is_told
    assert all("WITHOUT_SIGN_IN" in words(one) for one in found)


def test_who_is_limited_to_one_tenant_reads_no_other_name(
    proctor: Runtime, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of requests that wait or were turned away, those of others are counted together, without a name."""
    acme, *_ = [proctor.tenants.create(LOCAL_OPERATOR, name) for name in ("Acme", "Borealis", "Cumulus")]
    monkeypatch.setattr(kit, "current_principal", lambda: person("Ada", Role.OWNER, acme.id))
    places = Admission(proctor.clock, Metrics(), kind="generate", places=1, waiting=9, large_bytes=0)
    running.install(dataclasses.replace(proctor, admission=places))

    async def crowd() -> AppTest:
        """Look at Home while everybody waits."""
        asked = [places.ask(name, 0) for name in ("Acme", "Acme", "Borealis", "Cumulus")]
        places.turned_away("Borealis")
        page = open_page("home")
        for one in asked[1:]:
            one.cancel()
        asked[0].result().give_back()
        return page

    said = words(asyncio.run(crowd()).warning[0])
    assert "Waiting: 2 of other tenants, 1 of Acme. Turned away in the last minutes: 1 of other tenants." in said
    assert "Borealis" not in said
    assert "Cumulus" not in said


def test_home_says_whose_reads_wait(proctor: Runtime, open_page: Open) -> None:
    """Reads have places of their own; those that wait, waited or were turned away are said apart from generations."""
    proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    places = Admission(proctor.clock, Metrics(), kind="read", places=1, waiting=3, large_bytes=0)
    running.install(dataclasses.replace(proctor, read_admission=places))
    assert not open_page("home").warning

    async def crowd() -> list[AppTest]:
        """Look at Home while a read waits, and after one was turned away."""
        held, waits = places.ask("Acme", 0), places.ask("Acme", 0)
        pages = [open_page("home")]
        places.turned_away("Acme")
        pages.append(open_page("home"))
        proctor.clock.advance(1.0)
        held.result().give_back()
        waits.result().give_back()
        pages.append(open_page("home"))
        return pages

    waiting, shed, later = (page.warning[0] for page in asyncio.run(crowd()))
    assert waiting.proto.title == "Reads over the API wait for a place"
    assert words(waiting).startswith("Places taken: 1 of 1. Waiting: 1 of Acme. Generations have")
    assert shed.proto.title == "Reads over the API are turned away"
    assert "Turned away in the last minutes: 1 of Acme." in words(shed)
    told = "Places taken: 0 of 1. Waited for a second or more in the last minutes: 1 of Acme. Turned away"
    assert words(later).startswith(told)


def test_home_says_when_the_books_do_not_add_up(proctor: Runtime, open_page: Open) -> None:
    """A verification that found a fault stands on Home until another finds none."""
    builders.save(proctor.store, builders.tenant("Acme", NOW), [builders.generation(NOW)])
    assert not [one for one in open_page("home").warning if "books" in one.proto.title]

    assert not proctor.budgets.verify(LOCAL_OPERATOR).ok, "the call has a cost, and no attempt that had it"
    [notice] = [one for one in open_page("home").warning if "books" in one.proto.title]

    assert "differ by" in notice.proto.title
    assert "Keep the database as it is" in notice.value


@pytest.mark.parametrize(
    ("code", "headline", "advice"),
    [
        ("key_rejected", "openai does not accept our key", "into OPENAI_API_KEY and restart Proctor"),
        ("quota_exhausted", "openai has no money or quota left for us", "Add credit or raise the limit"),
    ],
)
def test_home_names_a_provider_that_turns_away_every_call(
    proctor: Runtime, open_page: Open, code: str, headline: str, advice: str
) -> None:
    """From the first dozen on, though all were answered by another: who, since when, how many, what to do."""
    calls = [
        builders.generation(NOW - timedelta(minutes=minutes), outcome=Outcome.VALID_AFTER_FALLBACK)
        for minutes in range(1, 41)
    ]
    turned = {"outcome": Outcome.PROVIDER_ERROR, "error_code": code, "http_status": 401, "cost_nano_usd": 0}
    builders.save(
        proctor.store,
        builders.tenant("Acme", NOW),
        calls,
        [builders.attempt(one, id=f"{one.id}-1", **turned) for one in calls],
    )
    [notice] = open_page("home").warning
    assert headed(notice) == headline
    since = "since Mar 04, 11:27 UTC, the last at Mar 04, 12:06 UTC"
    assert f"turned away 40 calls {since}, and answered none" in words(notice)
    assert advice in words(notice)

    answered = builders.generation(NOW - timedelta(seconds=5))
    builders.save(proctor.store, [answered], [builders.attempt(answered)])
    assert not open_page("home").warning
