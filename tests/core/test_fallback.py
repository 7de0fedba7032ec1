"""Fallback by cause, each of which a route can switch off; and deadlines, from the door to the last wait."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.attempts import Cause
from core.breakers import Breakers
from core.errors import Exhausted, Forbidden, Invalid
from core.principals import LOCAL_OPERATOR
from core.tables import Outcome
from tests.corridor import A_PERSON, ANTHROPIC, OPENAI, Heard, Rig, program, question, rig
from tests.wire.server import WireServer

CAUSES: dict[Cause, tuple[str, str, Outcome, str]] = {
    # what the primary does, the attempts that come of it there, how it ends without fallback, and the words for it
    Cause.OUTAGE: ("failed", "first server_error, retry server_error", Outcome.PROVIDER_ERROR, "failed or could not"),
    Cause.TIMEOUT: ("hang", "first timeout", Outcome.TIMEOUT, "did not answer in time"),
    Cause.RATE_LIMIT: ("throttled-30s", "first throttled", Outcome.PROVIDER_ERROR, "takes no more calls"),
    Cause.REFUSAL: ("refused", "first refused", Outcome.REFUSED, "declined"),
    Cause.CONTENT_FILTER: ("content-filter", "first content_filtered", Outcome.CONTENT_FILTERED, "content filter"),
    Cause.TRUNCATION: ("truncated", "first truncated, retry truncated", Outcome.TRUNCATED, "limit of tokens"),
    Cause.CONTEXT_OVERFLOW: ("too-long", "first context_overflow", Outcome.PROVIDER_ERROR, "prompt of this length"),
    Cause.NEVER_VALID: ("never-valid", "first invalid, re-ask invalid, re-ask invalid", Outcome.INVALID, "no valid"),
    Cause.TURNED_AWAY: ("unauthorized", "first key_rejected", Outcome.PROVIDER_ERROR, "does not accept our key"),
}


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def proctor(wire: WireServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor whose clients are made, which takes longer than the short times below."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("fallback") / "proctor.db")
    with rig(wire, f"sqlite:///{path}") as running:
        tenant = running.tenant()
        for model in (OPENAI, ANTHROPIC):
            running.ask(tenant, route=running.route(model))
        yield running


def spelt(heard: Heard) -> str:
    """Return the attempts in the words of the table."""
    return ", ".join(f"{one.kind.value} {one.error_code or 'ok'}" for one in heard.generation.attempts)


def reasons(heard: Heard, verdict: str) -> list[str]:
    """Return what the decision trace gives as reasons for *verdict*."""
    return [step["reason"] for step in heard.generation.trace if step["verdict"] == verdict]


# ── Each cause ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_cause_is_tried() -> None:
    """The table below leaves no cause out."""
    assert CAUSES.keys() == set(Cause)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_sends_the_walk_on(cause: Cause, *, stream: bool, proctor: Rig) -> None:
    """With fallback on one cause alone, that cause asks the next model, and the trace says why."""
    scenario, attempts, _, words = CAUSES[cause]
    route = proctor.route(OPENAI, ANTHROPIC, timeout_seconds=0.5, fallback_on=(cause.value,))
    heard = proctor.ask(proctor.tenant(), f"{scenario}@openai", route=route, stream=stream)

    assert spelt(heard) == f"{attempts}, fallback ok"
    assert (heard.generation.outcome, heard.generation.value) == (Outcome.VALID_AFTER_FALLBACK, A_PERSON)
    [why] = reasons(heard, "went on")
    assert why.startswith(f"{OPENAI} ")
    assert words in why
    assert ANTHROPIC in why
    assert proctor.is_settled()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_that_is_off_ends_the_walk(cause: Cause, *, stream: bool, proctor: Rig) -> None:
    """Where the route falls back on all others, this one ends the generation with its outcome; the trace says so."""
    scenario, attempts, outcome, words = CAUSES[cause]
    others = tuple(one.value for one in Cause if one is not cause)
    # With nobody to go on to, a wait that fits into the deadline is worth it.
    route = proctor.route(OPENAI, ANTHROPIC, timeout_seconds=0.5, fallback_on=others, deadline_seconds=20)
    heard = proctor.ask(proctor.tenant(), f"{scenario}@openai", route=route, stream=stream)

    assert spelt(heard) == attempts
    assert isinstance(heard.error, Exhausted)
    assert heard.generation.outcome == outcome
    [why] = reasons(heard, "stopped")
    assert words in why
    assert why.endswith(f"this route has no fallback on {cause.value.replace('_', ' ')}.")
    assert proctor.is_settled()


def test_an_open_breaker_is_an_outage(proctor: Rig) -> None:
    """A model that is skipped for its breaker gives way only where the route falls back on outages."""
    breakers = Breakers(proctor.clock)
    for _ in range(50):
        breakers.note("openai", "gpt-4o-mini", healthy=False, began=proctor.clock.monotonic())
    corridor, tenant = proctor.corridor(breakers=breakers), proctor.tenant()

    on = proctor.ask(tenant, route=proctor.route(OPENAI, ANTHROPIC, fallback_on=("outage",)), corridor=corridor)
    assert spelt(on) == "fallback ok"
    off = proctor.ask(tenant, route=proctor.route(OPENAI, ANTHROPIC, fallback_on=("refusal",)), corridor=corridor)
    assert spelt(off) == ""
    assert any("no fallback on outage" in reason for reason in reasons(off, "stopped"))


# ── A cut answer ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cut_answer_gets_twice_the_tokens(proctor: Rig) -> None:
    """The same model is asked once more with twice its limit; that counts as a retry, is held for, and said."""
    known = len(proctor.wire.ledger.calls())
    route = proctor.route(OPENAI, ANTHROPIC, max_tokens=300)
    heard = proctor.ask(proctor.tenant(), "truncated-once", route=route)

    assert spelt(heard) == "first truncated, retry ok"
    asked = [call.request or {} for call in proctor.wire.ledger.calls()[known:]]
    assert [body.get("max_tokens") or body.get("max_completion_tokens") for body in asked] == [300, 600]
    assert reasons(heard, "retried") == [f"{OPENAI} ran into 300 tokens; it is asked again with 600."]


# ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_may_have_less_time_than_its_route(proctor: Rig) -> None:
    """A caller's own time bounds every attempt; it cannot be more than the route's."""
    route = proctor.route(OPENAI, ANTHROPIC)
    began = time.monotonic()
    heard = proctor.ask(proctor.tenant(), "hang", route=route, timeout_seconds=0.4)

    assert 0.4 <= time.monotonic() - began < 25
    assert (spelt(heard), heard.generation.outcome) == ("first timeout", Outcome.TIMEOUT)
    assert reasons(heard, "stopped") == ["The deadline of 0.4 s has passed."]
    assert proctor.written(heard.generation.id).policy is not None

    short = proctor.route(OPENAI, deadline_seconds=0.4)
    heard = proctor.ask(proctor.tenant(), "hang", route=short, timeout_seconds=50)
    assert reasons(heard, "stopped") == ["The deadline of 0.4 s has passed."]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_no_time_is_no_time(seconds: float, proctor: Rig) -> None:
    """A time that is none is turned away at the door."""
    with pytest.raises(Invalid, match="'timeout_seconds' is a number of seconds above 0"):
        proctor.ask(proctor.tenant(), timeout_seconds=seconds)


def test_a_wait_that_cannot_end_in_time_never_begins(proctor: Rig) -> None:
    """A provider's own wait is kept within the time that is left; one beyond it is not begun, and the trace says so."""
    alone = proctor.route(OPENAI)
    tenant = proctor.tenant()
    waits = len(proctor.clock.waits)
    kept = proctor.ask(tenant, "throttled-3s+ok", route=alone, timeout_seconds=10)
    assert (spelt(kept), proctor.clock.waits[waits:]) == ("first throttled, retry ok", [3.0])
    assert reasons(kept, "retried") == [f"{OPENAI} is asked again after 3.0 s, as it asks for."]

    refused = proctor.ask(tenant, "throttled-30s+ok", route=alone, timeout_seconds=10)
    assert (spelt(refused), proctor.clock.waits[waits:]) == ("first throttled", [3.0])
    [why] = reasons(refused, "not retried")
    assert "would have to wait 30.0 s, and only 10.0 s are left" in why.replace(" 9.9 s", " 10.0 s")


# ── Who takes which route ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_schema_takes_its_route(proctor: Rig) -> None:
    """Who names no route gets the one that lists the schema; who names one gets that."""
    tenant, routes = proctor.tenant(), proctor.runtime.routes
    assert proctor.ask(tenant).generation.route == "default"
    routes.set(LOCAL_OPERATOR, "people", [{"model": ANTHROPIC}], schemas=["person"])
    try:
        heard = proctor.ask(tenant)
        assert (heard.generation.route, heard.generation.provider) == ("people", "anthropic")
        assert proctor.ask(tenant, schema="person@1").generation.route == "people"
        assert proctor.ask(tenant, route="default").generation.provider == "openai"
        named = proctor.ask(tenant, model=OPENAI)
        assert (named.generation.route, named.generation.provider) == ("people", "openai")
    finally:
        routes.reset(LOCAL_OPERATOR, "people")


def test_a_deployment_may_allow_only_models_that_a_route_names(wire: WireServer, sqlite_url: str) -> None:
    """With ANY_MODEL=routes a program asks by name what some route names; whoever edits routes may ask any."""
    with rig(wire, sqlite_url, any_model="routes") as strict:
        tenant = strict.tenant()
        assert strict.ask(tenant, model=OPENAI).generation.outcome.is_valid
        with pytest.raises(Forbidden, match=r"No route names the model openai/gpt-4o, .* asked: openai/gpt-4o-mini"):
            strict.ask(tenant, model="openai/gpt-4o")
        asked = question(model="openai/gpt-4o", tenant_id=tenant.id)
        assert strict.runtime.generator.generate(asked, LOCAL_OPERATOR).model == "gpt-4o"

        strict.route("openai/gpt-4o")
        assert strict.corridor().generate(question(model="openai/gpt-4o"), program(tenant)).model == "gpt-4o"
