"""Routes: what one may be, who may change one, and what holds until someone does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlmodel import select

from core.attempts import Candidate, Cause
from core.clock import ManualClock
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.principals import LOCAL_OPERATOR, Principal
from core.routes import DEFAULT, Routes
from core.schemas import Schemas
from core.settings import Settings
from core.store import Store
from core.tables import AuditEntry, ChangeEvent
from core.tenants import Tenants
from tests.builders import person

SETTINGS = Settings(
    openai_api_key="k",  # pyright: ignore[reportArgumentType] pydantic makes a secret of it
    model_primary="gpt-4o-mini",
    model_fallback="claude-haiku-4-5",
    max_retries=3,
    max_output_tokens=555,
    attempt_timeout_seconds=12,
    deadline_seconds=34,
)
ONE: Sequence[Mapping[str, Any]] = [{"model": "openai/gpt-4o"}]


@pytest.fixture
def routes(store: Store, clock: ManualClock) -> Routes:
    """The routes of an empty database."""
    return Routes(store, clock, SETTINGS)


def test_the_default_route_is_what_the_environment_says(routes: Routes) -> None:
    """Until an operator edits it, primary and fallback, limits and all come from the settings."""
    view = routes.find(LOCAL_OPERATOR, DEFAULT)

    assert (view.version, view.is_from_environment, view.terms.name) == (0, True, "default")
    assert view.terms.candidates == tuple(
        Candidate(provider=provider, model=model, max_tokens=555, timeout_seconds=12)
        for provider, model in (("openai", "gpt-4o-mini"), ("anthropic", "claude-haiku-4-5"))
    )
    assert (view.terms.max_reasks, view.terms.max_retries, view.terms.deadline_seconds) == (3, 1, 34)
    assert routes.list(LOCAL_OPERATOR) == [view]


def test_a_route_is_as_it_was_set(routes: Routes) -> None:
    """Candidates keep their order and their own limits; what they leave out is the deployment's."""
    wanted = [
        {"model": "claude-haiku-4-5", "mode": "json_schema", "max_tokens": 99, "timeout_seconds": 1.5},
        {"model": "compatible/some/model"},
    ]
    made = routes.set(
        LOCAL_OPERATOR, "fast", wanted, max_reasks=0, max_retries=2, deadline_seconds=5, expected_version=0
    )

    assert made == routes.find(LOCAL_OPERATOR, "fast")
    assert (made.version, made.is_from_environment) == (1, False)
    assert made.terms.candidates == (
        Candidate(
            provider="anthropic", model="claude-haiku-4-5", mode="json_schema", max_tokens=99, timeout_seconds=1.5
        ),
        Candidate(provider="compatible", model="some/model", max_tokens=555, timeout_seconds=12),
    )
    assert (made.terms.max_reasks, made.terms.max_retries, made.terms.deadline_seconds) == (0, 2, 5)
    assert [view.terms.name for view in routes.list(LOCAL_OPERATOR)] == [DEFAULT, "fast"]


def test_the_default_route_can_be_edited_and_given_back(routes: Routes) -> None:
    """An operator's default route holds instead of the environment's, until it is reset."""
    routes.set(LOCAL_OPERATOR, DEFAULT, ONE, expected_version=0)
    assert routes.find(LOCAL_OPERATOR, DEFAULT).terms.candidates[0].name == "openai/gpt-4o"
    assert not routes.list(LOCAL_OPERATOR)[0].is_from_environment

    routes.reset(LOCAL_OPERATOR, DEFAULT)
    assert routes.find(LOCAL_OPERATOR, DEFAULT).is_from_environment
    with pytest.raises(NotFound, match="nothing to remove"):
        routes.reset(LOCAL_OPERATOR, DEFAULT)


def test_one_model_alone(routes: Routes) -> None:
    """A caller who names a model asks only that one, within the default route's limits."""
    routes.set(LOCAL_OPERATOR, DEFAULT, ONE, max_reasks=1, deadline_seconds=7)
    terms = routes.of_model(LOCAL_OPERATOR, "claude-haiku-4-5")

    assert [candidate.name for candidate in terms.candidates] == ["anthropic/claude-haiku-4-5"]
    assert (terms.name, terms.max_reasks, terms.deadline_seconds) == (DEFAULT, 1, 7)
    with pytest.raises(Invalid, match="does not name a provider"):
        routes.of_model(LOCAL_OPERATOR, "llama")


def test_an_unknown_route_names_those_there_are(routes: Routes) -> None:
    """A typing error is met with what could have been meant."""
    routes.set(LOCAL_OPERATOR, "slow", ONE)
    with pytest.raises(NotFound, match=r"^There is no route 'slov'\. There are: default, slow\.$"):
        routes.find(LOCAL_OPERATOR, "slov")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "Fast"}, "A route's name has lower-case letters"),
        ({"name": ""}, "A route's name"),
        ({"name": "a" * 64}, "A route's name"),
        ({"candidates": []}, "has 1 to 8 candidates; this one has 0"),
        ({"candidates": [{"model": f"openai/m{n}"} for n in range(9)]}, "this one has 9"),
        ({"candidates": [{"model": "gpt-4o"}, {"model": "openai/gpt-4o"}]}, "names each model once"),
        ({"candidates": [{}]}, "does not name a provider"),
        ({"candidates": [{"model": "llama"}]}, "'llama' does not name a provider"),
        (
            {"candidates": [{"model": "gpt-4o", "mode": "functions"}]},
            "'functions' of openai/gpt-4o is not one of tools",
        ),
        ({"candidates": [{"model": "gpt-4o", "max_tokens": 0}]}, "max_tokens lies above 0"),
        ({"candidates": [{"model": "gpt-4o", "max_tokens": 10**6}]}, "max_tokens lies above 0 and at most at 200000"),
        ({"candidates": [{"model": "gpt-4o", "max_tokens": 0.5}]}, "max_tokens is a whole number; this is 0.5"),
        ({"candidates": [{"model": "gpt-4o", "most_tokens": 1024.5}]}, "most_tokens is a whole number"),
        ({"candidates": [{"model": "gpt-4o", "max_tokens": True}]}, "max_tokens lies"),
        ({"candidates": [{"model": "gpt-4o", "max_tokens": "9"}]}, "max_tokens lies"),
        ({"candidates": [{"model": "gpt-4o", "timeout_seconds": -1}]}, "timeout_seconds lies above 0"),
        ({"candidates": [{"model": "gpt-4o", "timeout_seconds": float("nan")}]}, "timeout_seconds lies above 0"),
        ({"max_reasks": -1}, "max_reasks lies between 0 and 10"),
        ({"max_retries": 11}, "max_retries lies between 0 and 10"),
        ({"deadline_seconds": 0}, "deadline_seconds lies above 0"),
        ({"deadline_seconds": 601}, "at most at 600"),
        (
            {"candidates": [{"model": "gpt-4o", "colour": 1}]},
            "openai/gpt-4o has 'colour', which is nothing a candidate",
        ),
        ({"candidates": [{"model": "gpt-4o", "max_reasks": 11}]}, "max_reasks lies between 0 and 10"),
        ({"candidates": [{"model": "gpt-4o", "max_retries": -1}]}, "max_retries lies between 0 and 10"),
        ({"candidates": [{"model": "gpt-4o", "max_tokens": 9, "most_tokens": 8}]}, "cannot lie below max_tokens, 9"),
        ({"candidates": [{"model": "gpt-4o", "parameters": {"temperature": 3}}]}, "temperature lies between 0 and 2"),
        ({"candidates": [{"model": "gpt-4o", "parameters": {"max_tokens": 3}}]}, "'max_tokens' is no parameter"),
        ({"candidates": [{"model": "gpt-4o", "parameters": {"seed": 0.5}}]}, "seed is a whole number"),
        ({"candidates": [{"model": "gpt-4o", "parameters": [1]}]}, "parameters of openai/gpt-4o are an object"),
        ({"fallback_on": ["rain"]}, "falls back on outage, timeout, .* turned_away; 'rain' is none of them"),
        ({"hedge_after_ms": 100}, "hedge_after_ms needs a second candidate"),
        ({"hedge_after_ms": -1}, "hedge_after_ms is a whole number from 1 to 600000"),
        ({"cache_seconds": 10**9}, "cache_seconds is a whole number from 1 to 2592000"),
        ({"description": "x" * 301}, "at most 300 characters; this one has 301"),
        ({"schemas": ["nothing"]}, "There is no schema 'nothing'"),
    ],
)
def test_what_no_route_can_be(change: dict[str, Any], sentence: str, routes: Routes) -> None:
    """A route that could not work is refused with the value that is wrong, and nothing is kept."""
    asked: dict[str, Any] = {"name": "fast", "candidates": ONE} | change
    with pytest.raises(Invalid, match=sentence):
        routes.set(LOCAL_OPERATOR, asked.pop("name"), asked.pop("candidates"), **asked)

    assert [view.terms.name for view in routes.list(LOCAL_OPERATOR)] == [DEFAULT]


EVERYTHING: dict[str, Any] = {
    "description": "Names and ages.",
    "fallback_on": ["outage", "never_valid"],
    "hedge_after_ms": 700,
    "cache_seconds": 60,
    "marks_cache": False,
    "max_reasks": 0,
    "max_retries": 3,
    "deadline_seconds": 9.5,
}


def test_everything_that_a_route_says_is_kept(routes: Routes, store: Store, clock: ManualClock) -> None:
    """What was set is read back, by the terms that a walk follows and by what people see; a draft is the same."""
    Schemas(store, clock).add(person("test"), "person", {"type": "object", "properties": {"name": {"type": "string"}}})
    candidates: list[dict[str, Any]] = [
        {"model": "gpt-4o", "parameters": {"temperature": 0.5, "seed": 7}, "max_reasks": 1, "most_tokens": 9000},
        {"model": "claude-haiku-4-5", "max_retries": 0, "mode": "", "max_tokens": None},
    ]
    made = routes.set(LOCAL_OPERATOR, "people", candidates, **EVERYTHING, schemas=["person", "person"])

    assert made == routes.find(LOCAL_OPERATOR, "people")
    assert made.terms.candidates == (
        Candidate(
            provider="openai",
            model="gpt-4o",
            max_tokens=555,
            most_tokens=9000,
            timeout_seconds=12,
            max_reasks=1,
            parameters={"temperature": 0.5, "seed": 7},
        ),
        Candidate(provider="anthropic", model="claude-haiku-4-5", max_tokens=555, timeout_seconds=12, max_retries=0),
    )
    assert made.terms.fallback_on == {Cause.OUTAGE, Cause.NEVER_VALID}
    assert {name: made.described[name] for name in EVERYTHING} == EVERYTHING
    assert made.schemas == ("person",)
    draft = routes.draft("people", candidates, **EVERYTHING, schemas=["person"])
    assert (draft.described, draft.version) == (made.described, 0)
    again = routes.set(LOCAL_OPERATOR, "people", made.described["candidates"], **EVERYTHING, schemas=["person"])
    assert again.described == made.described, "what is described can be set again"


def test_a_route_that_says_little_falls_back_on_everything(routes: Routes) -> None:
    """What is left out is the usual: every cause, no hedging, no cache of answers, marks for the provider's."""
    terms = routes.set(LOCAL_OPERATOR, "fast", ONE).terms
    assert terms.fallback_on == set(Cause)
    assert (terms.hedge_after_ms, terms.cache_seconds, terms.marks_cache) == (None, None, True)
    assert routes.set(LOCAL_OPERATOR, "fast", ONE, fallback_on=[]).terms.fallback_on == set()


def test_a_schema_takes_one_route(routes: Routes, store: Store, clock: ManualClock) -> None:
    """Who names no route gets the one that lists the schema; two routes cannot list it."""
    Schemas(store, clock).add(person("test"), "person", {"type": "object", "properties": {"name": {"type": "string"}}})
    assert routes.for_schema(LOCAL_OPERATOR, "person").terms.name == DEFAULT
    routes.set(LOCAL_OPERATOR, "people", ONE, schemas=["person"])

    assert routes.for_schema(LOCAL_OPERATOR, "person").terms.name == "people"
    assert routes.for_schema(LOCAL_OPERATOR, "other").terms.name == DEFAULT
    with pytest.raises(Invalid, match="The schema person takes the route people already"):
        routes.set(LOCAL_OPERATOR, "more", ONE, schemas=["person"])
    routes.set(LOCAL_OPERATOR, "people", ONE, schemas=["person"], description="It may keep it.")
    routes.reset(LOCAL_OPERATOR, "people")
    assert routes.for_schema(LOCAL_OPERATOR, "person").terms.name == DEFAULT


def test_one_model_of_a_route_has_its_settings_there(routes: Routes) -> None:
    """A caller who names a model that its route has gets it as the route has it, and nobody is asked beside it."""
    wanted = [{"model": "gpt-4o", "max_tokens": 77}, {"model": "gpt-4o-mini"}]
    routes.set(LOCAL_OPERATOR, "fast", wanted, hedge_after_ms=5)

    assert routes.of_model(LOCAL_OPERATOR, "gpt-4o", "fast").candidates[0].max_tokens == 77
    assert routes.of_model(LOCAL_OPERATOR, "gpt-4o", "fast").hedge_after_ms is None
    assert routes.of_model(LOCAL_OPERATOR, "gpt-4.1", "fast").candidates[0].max_tokens == 555
    assert list(routes.models(LOCAL_OPERATOR)) == ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "openai/gpt-4o"]


def test_a_stale_edit_saves_nothing(routes: Routes) -> None:
    """Whoever edits what has changed since is told so."""
    routes.set(LOCAL_OPERATOR, "fast", ONE, expected_version=0)
    for stale in (0, 2):
        with pytest.raises(Conflict, match="Nothing was saved"):
            routes.set(LOCAL_OPERATOR, "fast", [{"model": "gpt-4o-mini"}], expected_version=stale)

    assert routes.find(LOCAL_OPERATOR, "fast").terms.candidates[0].model == "gpt-4o"
    assert routes.set(LOCAL_OPERATOR, "fast", ONE, expected_version=1).version == 2


def test_of_many_who_edit_at_once_one_is_first(routes: Routes) -> None:
    """Operators who read the same version cannot overwrite each other unseen."""
    routes.set(LOCAL_OPERATOR, "fast", ONE)

    def edit(number: int) -> bool:
        try:
            routes.set(LOCAL_OPERATOR, "fast", [{"model": f"openai/m{number}"}], expected_version=1)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(edit, range(6))) == 1
    assert routes.find(LOCAL_OPERATOR, "fast").version == 2


def test_only_operators_change_routes(routes: Routes) -> None:
    """A tenant's key cannot say who answers."""
    program = Principal.of_key("key", "t", "prk_key")
    with pytest.raises(Forbidden):
        routes.set(program, "fast", ONE)
    with pytest.raises(Forbidden):
        routes.reset(program, DEFAULT)


def test_every_change_is_written_down(routes: Routes, store: Store, clock: ManualClock) -> None:
    """Audit and time axis know who answered before and after; the default's before is the environment's."""
    routes.set(LOCAL_OPERATOR, DEFAULT, ONE)
    clock.advance(1)
    routes.reset(LOCAL_OPERATOR, DEFAULT)

    with store.reading() as session:
        entries = sorted(session.exec(select(AuditEntry)), key=lambda entry: entry.at)
        events = sorted(session.exec(select(ChangeEvent)), key=lambda event: event.at)
    assert [entry.action for entry in entries] == ["route.set", "route.reset"]
    models = [
        [[one["model"] for one in side["candidates"]] if side else None for side in (entry.before, entry.after)]
        for entry in entries
    ]
    assert models == [
        [["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"], ["openai/gpt-4o"]],
        [["openai/gpt-4o"], None],
    ]
    assert [event.summary for event in events] == [
        "Route default now asks openai/gpt-4o.",
        "The default route follows the environment.",
    ]


def test_a_route_that_is_a_tenants_own_stays(routes: Routes, store: Store, clock: ManualClock) -> None:
    """Who would be without one is named; it can go once nobody has it, and ``default`` is to have none of one's own."""
    tenants = Tenants(store, clock)
    acme = tenants.create(LOCAL_OPERATOR, "Acme")
    routes.set(LOCAL_OPERATOR, "own", ONE)
    having = tenants.edit(LOCAL_OPERATOR, acme.id, acme.version, route="own")

    with pytest.raises(Conflict, match="own is the own route of Acme"):
        routes.reset(LOCAL_OPERATOR, "own")

    assert tenants.edit(LOCAL_OPERATOR, acme.id, having.version, route="default").route is None
    routes.reset(LOCAL_OPERATOR, "own")
