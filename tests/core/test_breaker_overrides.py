"""An operator's word on a breaker: kept with its reason, audited, and heard by the next call of every process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select

from core import cli
from core.attempts._causes import cause_of_breaker
from core.breakers import Breakers, BreakerState, Overrides, Rule, TripReason
from core.clock import ManualClock
from core.errors import Forbidden, Invalid
from core.principals import LOCAL_OPERATOR, Principal
from core.store import Store
from core.tables import AuditEntry, ChangeEvent, Outcome, Revision
from tests import breaker_rig
from tests.conftest import START
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.wire.server import WireServer

OPEN, CLOSED = BreakerState.OPEN, BreakerState.CLOSED
PROGRAM = Principal.of_key("key", "acme", "prk_1")


@pytest.fixture
def overrides(store: Store, clock: ManualClock) -> Overrides:
    """The words that operators said: none yet."""
    return Overrides(store, clock)


def test_a_word_is_kept_until_it_is_taken_back(overrides: Overrides) -> None:
    """A second word replaces the first; back to automatic there is none, and nothing to take back."""
    overrides.set(LOCAL_OPERATOR, "gpt-4o", OPEN, "  vendor   incident ")
    made = overrides.set(LOCAL_OPERATOR, "openai/gpt-4o", CLOSED, "it is over")

    assert overrides.all(LOCAL_OPERATOR) == {("openai", "gpt-4o"): made}
    assert (made.model, made.state, made.reason, made.at) == ("openai/gpt-4o", CLOSED, "it is over", START)
    assert overrides.clear(LOCAL_OPERATOR, "openai/gpt-4o") == ("openai/gpt-4o", True)
    assert overrides.clear(LOCAL_OPERATOR, "openai/gpt-4o") == ("openai/gpt-4o", False)
    assert overrides.all(LOCAL_OPERATOR) == {}


def test_each_word_is_audited_and_moves_the_revision(overrides: Overrides, store: Store) -> None:
    """Who, what, why, before and after stand in the audit and on the time axis, in the same transaction."""
    overrides.set(LOCAL_OPERATOR, "openai/gpt-4o", OPEN, "Incident 123")
    overrides.clear(LOCAL_OPERATOR, "openai/gpt-4o")

    with store.reading() as session:
        entries = session.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()
        events = session.exec(select(ChangeEvent).order_by(col(ChangeEvent.id))).all()
        revision = session.get(Revision, 1)
    word = {"state": "open", "reason": "Incident 123", "by": "local operator"}
    kept = {(entry.action, json.dumps(entry.before), json.dumps(entry.after)) for entry in entries}
    assert kept == {("breaker.set", "null", json.dumps(word)), ("breaker.clear", json.dumps(word), "null")}
    assert {(event.kind, event.subject) for event in events} == {("breaker", "openai/gpt-4o")}
    assert {event.summary for event in events} == {
        "The breaker of openai/gpt-4o was opened by hand: Incident 123.",
        "The breaker of openai/gpt-4o was given back to its rule.",
    }
    assert revision
    assert revision.count == 2


@pytest.mark.parametrize(
    ("state", "model", "reason", "says"),
    [
        (OPEN, "mystery-9", "why", "does not name a provider"),
        (OPEN, "openai/gpt-4o", "   ", "Give a reason"),
        (OPEN, "openai/gpt-4o", "x" * 501, "at most 500 characters"),
        (BreakerState.HALF_OPEN, "openai/gpt-4o", "why", "half-open is for itself to decide"),
    ],
)
def test_a_word_that_cannot_hold_is_refused(
    state: BreakerState, model: str, reason: str, says: str, overrides: Overrides
) -> None:
    """It needs a model with a provider, a state that can be held, and a reason."""
    with pytest.raises(Invalid, match=says):
        overrides.set(LOCAL_OPERATOR, model, state, reason)
    assert overrides.all(LOCAL_OPERATOR) == {}


@pytest.mark.parametrize(
    "act",
    [
        lambda overrides: overrides.set(PROGRAM, "openai/gpt-4o", OPEN, "mischief"),
        lambda overrides: overrides.clear(PROGRAM, "openai/gpt-4o"),
    ],
)
def test_it_needs_the_permission(act: Callable[[Overrides], object], overrides: Overrides) -> None:
    """A tenant's key may not touch breakers."""
    with pytest.raises(Forbidden, match=r"breakers\.write"):
        act(overrides)


# ── On the way of a generation ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def proctor(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor on the fake providers."""
    path = tmp_path_factory.mktemp("overrides") / "proctor.db"
    path.write_bytes(sqlite_template.read_bytes())
    with WireServer() as wire, rig(wire, f"sqlite:///{path}") as running:
        yield running


def test_what_is_opened_by_hand_is_asked_by_no_process_s_next_call(proctor: Rig) -> None:
    """The word is said in another process, without Redis; the next call here passes the model over and says why."""
    tenant, route = proctor.tenant(), proctor.route(OPENAI, ANTHROPIC)
    assert proctor.ask(tenant, route=route).generation.outcome is Outcome.VALID_FIRST_TRY
    elsewhere = Store(proctor.runtime.settings.database_url)
    words = Overrides(elsewhere, proctor.clock)

    words.set(LOCAL_OPERATOR, OPENAI, OPEN, "Incident 123")
    heard = proctor.ask(tenant, route=route)
    assert heard.generation.outcome is Outcome.VALID_AFTER_FALLBACK
    [step] = [step for step in heard.generation.trace if step["verdict"] == "skipped"]
    assert step["reason"].startswith(f"{OPENAI}: its breaker was opened by hand by local operator at ")
    assert step["reason"].endswith(": Incident 123.")

    words.clear(LOCAL_OPERATOR, OPENAI)
    assert proctor.ask(tenant, route=route).generation.outcome is Outcome.VALID_FIRST_TRY
    elsewhere.close()


def test_what_is_closed_by_hand_is_asked_whatever_it_saw(proctor: Rig) -> None:
    """An open breaker lets everybody through while an operator says so."""
    breakers = Breakers(proctor.clock)
    corridor, tenant, route = proctor.corridor(breakers=breakers), proctor.tenant(), proctor.route(OPENAI, ANTHROPIC)
    for _ in range(5):
        breakers.note("openai", "gpt-4o-mini", healthy=False)
    proctor.runtime.overrides.set(LOCAL_OPERATOR, OPENAI, CLOSED, "it is well")
    asked = [proctor.ask(tenant, corridor=corridor, route=route).generation for _ in range(2)]
    proctor.runtime.overrides.clear(LOCAL_OPERATOR, OPENAI)
    after = proctor.ask(tenant, corridor=corridor, route=route).generation

    assert {one.outcome for one in asked} == {Outcome.VALID_FIRST_TRY}
    assert after.outcome is Outcome.VALID_AFTER_FALLBACK


def test_a_model_that_never_answers_a_schema_is_not_asked_for_it(proctor: Rig) -> None:
    """After enough invalid answers the fallback is asked at once for that schema, and the model for others."""
    breakers = Breakers(proctor.clock, rule=Rule(least_calls=1))
    corridor, tenant, route = proctor.corridor(breakers=breakers), proctor.tenant(), proctor.route(OPENAI, ANTHROPIC)
    while breakers.refusal("openai", "gpt-4o-mini", "person@1") is None:
        proctor.ask(tenant, "never-valid", corridor=corridor, route=proctor.route(OPENAI))
    heard = proctor.ask(tenant, corridor=corridor, route=route).generation

    assert [attempt.provider for attempt in heard.attempts] == ["anthropic"]
    [step] = [step for step in heard.trace if step["verdict"] == "skipped"]
    assert "its breaker for person@1 is open since" in step["reason"]
    assert "answers in the last minute did not satisfy the schema" in step["reason"]
    assert breakers.refusal("openai", "gpt-4o-mini") is None


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (TripReason.FAILED, "outage"),
        (TripReason.SLOW, "timeout"),
        (TripReason.INVALID, "never_valid"),
        (None, "outage"),
    ],
)
def test_a_breaker_stands_for_the_cause_that_opened_it(fault: TripReason | None, cause: str) -> None:
    """A route that has no fallback on a cause has none on a breaker that stands for it; an operator's is an outage."""
    assert cause_of_breaker(fault) == cause


# ── At the command line ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command on this test's database; gives exit code, standard output and standard error."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("LOCAL_MODEL", "off")

    def run(*arguments: str, redis_url: str = "") -> tuple[int, str, str]:
        monkeypatch.setenv("REDIS_URL", redis_url)
        code = cli.main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run


Run = Callable[..., tuple[int, str, str]]


def test_the_command_line_says_a_word_and_takes_it_back(run: Run) -> None:
    """Open, list, close and auto, each also as JSON."""
    assert run("breaker", "open", "gpt-4o", "--reason", "Incident 123")[0] == 0
    listed = json.loads(run("breaker", "list", "--json")[1])
    [breaker] = listed["breakers"]
    assert (breaker["model"], breaker["asked"], breaker["override"]["reason"]) == ("gpt-4o", False, "Incident 123")
    closed = json.loads(run("breaker", "close", "openai/gpt-4o", "--reason", "over", "--json")[1])
    assert (closed["model"], closed["state"], closed["by"]) == ("openai/gpt-4o", "closed", "local operator")
    assert "closed by hand" in run("breaker", "list")[1]
    back = json.loads(run("breaker", "auto", "openai/gpt-4o", "--json")[1])
    assert back == {"model": "openai/gpt-4o", "state": "automatic", "changed": True}
    assert json.loads(run("breaker", "list", "--json")[1])["breakers"] == []
    code, _, said = run("breaker", "open", "mystery-9", "--reason", "x", "--json")
    assert (code, json.loads(said)["code"]) == (1, "invalid")


def test_a_fresh_process_says_whose_breakers_it_shows(run: Run, redis_url: str, tmp_path: Path) -> None:
    """Through Redis those of all; without one, or while it is down, it says that it cannot know them."""
    others = breaker_rig.watched("together", redis_url)
    real = Breakers(others.clock, shared=others.shared)
    for _ in range(5):
        real.note("openai", "gpt-4o", healthy=False)

    shared = json.loads(run("breaker", "list", "--json", redis_url=redis_url)[1])
    text = run("breaker", "list", redis_url=redis_url)[1]
    alone, down = (
        json.loads(run("breaker", "list", "--json", redis_url=url)[1]) for url in ("", f"unix://{tmp_path}/none")
    )

    assert shared["shared"]
    assert [(one["model"], one["state"], one["failures"]) for one in shared["breakers"]] == [("gpt-4o", "open", 5)]
    assert "5 of 5 calls in the last minute failed" in text
    assert not alone["shared"]
    assert "this command is a process that has made no call" in alone["note"]
    assert not down["shared"]
    assert "Redis does not answer" in down["note"]
    others.close()
