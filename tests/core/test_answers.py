"""The answer cache: what a key holds, who answers it when many ask, and what becomes of the answer."""

from __future__ import annotations

import copy
import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from core.answers import AnswerKey, Answers, CachedAnswer, answer_key
from core.attempts import Candidate, RouteTerms
from core.budgets import Mode
from core.claims import Claims
from core.cli import main
from core.clock import ManualClock, SystemClock
from core.documents import as_json, fresh, stored
from core.errors import Cancelled, Exhausted, Forbidden, GuardrailBlocked, RateLimited
from core.flags import Flag
from core.generation import Corridor
from core.guardrails import Action, Stage
from core.principals import LOCAL_OPERATOR
from core.providers.loop import Cancellation
from core.store import Store
from core.tables import AuditEntry, Outcome, Tenant
from tests.corridor import A_PERSON, ANTHROPIC, OPENAI, PERSON, Heard, Rig, program, rig_on
from tests.corridor import question as request_for
from tests.forks import Forked
from tests.searches import Word, rule, usual
from tests.wire.server import WireServer

NEVER = threading.Event()


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def proctor(request: pytest.FixtureRequest, wire: WireServer) -> Iterator[Rig]:
    """A Proctor, on either database."""
    with rig_on(request, wire, "answers") as running:
        yield running


@pytest.fixture
def route(proctor: Rig) -> str:
    """A route that keeps answers for an hour."""
    return proctor.route(OPENAI, cache_seconds=3600)


@pytest.fixture
def patient(proctor: Rig) -> Iterator[Answers]:
    """Answers for which one really waits: the rig's clock does not."""
    with closing(Claims(proctor.runtime.store, SystemClock())) as claims:
        yield Answers(proctor.runtime.store, SystemClock(), claims)


_texts = iter(range(10**6))


def text(scenario: str = "") -> str:
    """Return an input that nobody asked before."""
    marks = " ".join(f"[[{mark}]]" for mark in scenario.split())
    return f"Make the person of answer {next(_texts)}. {marks}"


def calls(wire: WireServer, asked: str) -> int:
    """Return how many calls to a model held the text *asked*."""
    return sum(asked in json.dumps(call.request, ensure_ascii=False) for call in wire.ledger.calls())


# ── What a question is ────────────────────────────────────────────────────────────────────────────────────────────────

_words = st.text(max_size=8)
_messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": _words},
        optional={"stable": st.booleans()},
    ),
    min_size=1,
    max_size=4,
)
_candidates = st.lists(
    st.builds(
        Candidate,
        provider=st.sampled_from(["openai", "anthropic"]),
        model=_words,
        mode=st.sampled_from([None, "tools", "json"]),
        max_tokens=st.integers(1, 3),
        parameters=st.dictionaries(st.sampled_from(["temperature", "seed", "top_p"]), st.integers(0, 1)),
    ),
    min_size=1,
    max_size=3,
)
_asked = st.fixed_dictionaries(
    {
        "tenant_id": _words,
        "schema": _words,
        "messages": _messages,
        "candidates": _candidates,
        "example": st.none() | st.tuples(_words, st.dictionaries(_words, st.integers(0, 9))),
        "guardrails": _words,
    }
)


def terms(candidates: Sequence[Candidate], **more: Any) -> RouteTerms:
    """Return a route over *candidates*."""
    given = {"name": "r", "max_reasks": 2, "max_retries": 1, "deadline_seconds": 60.0, "cache_seconds": 60}
    return RouteTerms(candidates=tuple(candidates), **given | more)


def key(asked: dict[str, Any], **route: Any) -> str:
    """Return the key of what is *asked*."""
    rest = {name: part for name, part in asked.items() if name != "candidates"}
    made = answer_key(**rest, route=terms(asked["candidates"], **route), generation_id="g", retention=timedelta(days=1))
    assert made is not None
    return made.digest


@given(asked=_asked)
def test_equal_questions_are_one(asked: dict[str, Any]) -> None:
    """The same question has the same key, in whatever order its parameters came and whatever else its route says."""
    again = copy.deepcopy(asked)
    again["candidates"] = [
        replace(one, parameters=dict(reversed(one.parameters.items())), timeout_seconds=1.0)
        for one in again["candidates"]
    ]
    assert key(again, name="other", max_reasks=0, max_retries=0, deadline_seconds=1.0, marks_cache=False) == key(asked)


@given(
    one=_asked,
    other=_asked,
    differs=st.sets(
        st.sampled_from(sorted(["tenant_id", "schema", "messages", "candidates", "example", "guardrails"]))
    ),
)
def test_questions_that_differ_are_two(one: dict[str, Any], other: dict[str, Any], differs: set[str]) -> None:
    """Any difference that matters is another key: tenant, schema, messages, candidates, example, guardrails."""
    mixed = one | {name: other[name] for name in differs}
    assert (key(mixed) == key(one)) is (mixed == one)


def test_the_order_of_candidates_matters() -> None:
    """The same models in another order may answer otherwise."""
    two = [Candidate(provider="openai", model="a"), Candidate(provider="anthropic", model="b")]
    asked = {"tenant_id": "t", "schema": "s", "messages": [], "example": None, "guardrails": ""}
    assert key(asked | {"candidates": two}) != key(asked | {"candidates": two[::-1]})


@pytest.mark.parametrize(
    ("cache_seconds", "retention", "lasts"),
    [(None, 9, 0), (0, 9, 0), (60, 0, 0), (60, 9, 9), (5, 9, 5)],
)
def test_how_long_an_answer_lasts(cache_seconds: int | None, retention: int, lasts: int) -> None:
    """It lasts as long as its route says and its tenant's payloads are kept; without either it is no question."""
    made = answer_key(
        tenant_id="t",
        generation_id="g",
        schema="s",
        messages=[],
        route=terms([], cache_seconds=cache_seconds),
        example=None,
        guardrails="",
        retention=timedelta(seconds=retention),
    )
    assert (made.lasts if made else timedelta()) == timedelta(seconds=lasts)


# ── One after the other ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_again_is_given_again(proctor: Rig, route: str, wire: WireServer) -> None:
    """A hit asks nobody, costs nothing, is recorded as one, and says whose answer it is and what that cost."""
    tenant, asked = proctor.tenant(), text()
    first = proctor.ask(tenant, input=asked, route=route).generation
    again = proctor.ask(tenant, input=asked, route=route).generation

    assert calls(wire, asked) == 1
    assert (again.outcome, again.value, again.cost_nano_usd) == (Outcome.CACHE_HIT, A_PERSON, 0)
    assert (again.provider, again.model) == (first.provider, first.model)
    assert first.cost_nano_usd
    assert [step["verdict"] for step in first.trace if step["room"] == "cache"] == ["miss"]
    [step] = [step for step in again.trace if step["room"] == "cache"]
    assert step["verdict"] == "hit"
    assert first.id in step["reason"]

    written = proctor.written(again.id)
    row = written.generation
    assert (row.outcome, row.attempts, row.cost_nano_usd, row.input_tokens) == ("cache_hit", 0, 0, 0)
    assert (row.answered_from, row.saved_nano_usd) == (first.id, first.cost_nano_usd)
    assert not written.attempts
    assert not written.entries
    assert json.loads(written.payloads[0].answered or "") == A_PERSON
    account = proctor.accounts(tenant)[0]
    assert account.spent_nano_usd == first.cost_nano_usd


def test_it_reads_alike_fresh_and_stored(proctor: Rig, route: str) -> None:
    """Whoever reads a hit again, later or elsewhere, reads what its caller was told."""
    tenant, asked = proctor.tenant(), text()
    _, again = (proctor.ask(tenant, input=asked, route=route).generation for _ in range(2))
    told, kept = (
        json.loads(as_json(one))
        for one in (fresh(again), stored(proctor.runtime.reports.call(LOCAL_OPERATOR, again.id)))
    )

    assert told == kept
    assert told["answered_from"]
    assert told["saved_nano_usd"]


def test_a_stream_gets_it_at_once(proctor: Rig, route: str, wire: WireServer) -> None:
    """Whether it streams is no part of a question: a hit comes as one final object."""
    tenant, asked = proctor.tenant(), text()
    proctor.ask(tenant, input=asked, route=route)
    heard = proctor.ask(tenant, input=asked, route=route, stream=True)

    assert heard.partials == []
    assert (heard.generation.outcome, heard.generation.value) == (Outcome.CACHE_HIT, A_PERSON)
    assert calls(wire, asked) == 1


def test_a_stream_leaves_its_answer(proctor: Rig, route: str, wire: WireServer) -> None:
    """What was streamed is kept as well; what was left in the middle is not."""
    tenant, left, asked = proctor.tenant(), text("slow-stream"), text()
    walk = proctor.corridor().stream(request_for(input=left, route=route), program(tenant))
    next(walk)
    walk.close()
    proctor.ask(tenant, input=asked, route=route, stream=True)

    assert proctor.ask(tenant, input=asked, route=route).generation.outcome is Outcome.CACHE_HIT
    assert proctor.ask(tenant, input=left, route=route).generation.outcome is Outcome.VALID_FIRST_TRY


@pytest.mark.parametrize("what", ["tenant", "schema", "messages", "model", "parameters", "max_tokens"])
def test_whatever_differs_is_asked(what: str, proctor: Rig, route: str, wire: WireServer) -> None:
    """A question of another tenant, schema, text or candidate is asked of a provider."""
    tenant, asked = proctor.tenant(), text()
    proctor.ask(tenant, input=asked, route=route)
    more: dict[str, Any] = {"input": asked, "route": route}
    match what:
        case "tenant":
            tenant = proctor.tenant()
        case "schema":
            more["schema"] = PERSON | {"title": "Person"}
        case "messages":
            more = {"messages": [{"role": "user", "content": asked, "stable": True}], "route": route}
        case "model":
            more["route"] = proctor.route(OPENAI, ANTHROPIC, cache_seconds=3600)
        case "parameters":
            more["route"] = f"warm-{proctor.runtime.store.is_sqlite}".lower()
            candidates = [{"model": OPENAI, "timeout_seconds": 20, "parameters": {"temperature": 0.5}}]
            proctor.runtime.routes.set(LOCAL_OPERATOR, more["route"], candidates, cache_seconds=3600)
        case _:
            more["route"] = proctor.route(OPENAI, cache_seconds=3600, max_tokens=999)
    again = proctor.ask(tenant, **more).generation

    assert again.outcome is Outcome.VALID_FIRST_TRY
    assert calls(wire, asked) == 2


def test_only_valid_answers_are_kept(proctor: Rig, route: str, wire: WireServer) -> None:
    """What was no answer is asked for again."""
    tenant = proctor.tenant()
    for scenario, outcome in (("never-valid", Outcome.INVALID), ("refused", Outcome.REFUSED)):
        asked = text(scenario)
        ends = [proctor.ask(tenant, input=asked, route=route).generation.outcome for _ in range(2)]
        assert ends == [outcome] * 2
    assert proctor.runtime.answers.show(LOCAL_OPERATOR, tenant).answers == 0
    assert proctor.runtime.answers.show(LOCAL_OPERATOR, tenant).being_made == 0


def test_an_answer_after_a_reask_saves_all_that_it_cost(proctor: Rig, route: str) -> None:
    """What is saved is what the answer cost, re-asks included."""
    tenant, asked = proctor.tenant(), text("invalid-twice")
    first = proctor.ask(tenant, input=asked, route=route).generation
    again = proctor.ask(tenant, input=asked, route=route).generation

    assert len(first.attempts) == 3
    assert proctor.written(again.id).generation.saved_nano_usd == first.cost_nano_usd


def test_a_tenant_that_keeps_nothing_has_no_answers(proctor: Rig, route: str, wire: WireServer) -> None:
    """Where prompts and answers may not be kept, no answer is; whether by retention or by the flag."""
    forgetful, flagged = proctor.tenant(), proctor.tenant()
    proctor.runtime.tenants.edit(LOCAL_OPERATOR, forgetful.id, 1, payload_retention_days=0)
    proctor.runtime.flags.set(LOCAL_OPERATOR, Flag.PAYLOADS, is_on=False, tenant=flagged)
    for tenant in (forgetful, flagged):
        asked = text()
        for _ in range(2):
            generation = proctor.ask(tenant, input=asked, route=route).generation
            assert generation.outcome is Outcome.VALID_FIRST_TRY
            assert not [step for step in generation.trace if step["room"] == "cache"]
        assert calls(wire, asked) == 2


def test_an_empty_budget_still_answers_what_is_kept(proctor: Rig, route: str) -> None:
    """What costs nothing needs no money; it comes before money is held."""
    tenant, asked = proctor.tenant(), text()
    proctor.ask(tenant, input=asked, route=route)
    proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, 1, mode=Mode.HARD)

    assert proctor.ask(tenant, input=asked, route=route).generation.outcome is Outcome.CACHE_HIT
    assert proctor.ask(tenant, input=text(), route=route).generation.outcome is Outcome.BLOCKED_BUDGET


def test_limits_come_first(proctor: Rig, route: str) -> None:
    """A hit counts against the rate limit like any other generation."""
    tenant, asked = proctor.tenant(rate_limit_per_min=2), text()
    ends = [proctor.ask(tenant, input=asked, route=route) for _ in range(3)]

    assert [one.generation.outcome for one in ends[:2]] == [Outcome.VALID_FIRST_TRY, Outcome.CACHE_HIT]
    assert isinstance(ends[2].error, RateLimited)


def test_what_comes_back_is_screened_each_time(proctor: Rig, route: str) -> None:
    """What is kept is what was given, and a guardrail that finds more by now holds for it too."""
    tenant, asked = proctor.tenant(), text()

    def guarded(action: Action, *words: str) -> Corridor:
        redacts = rule(Word("some", "a word"), Action.REDACT, Stage.OUTPUT)
        return proctor.corridor(guardrails=usual(redacts, *(rule(Word(one), action, Stage.OUTPUT) for one in words)))

    first = proctor.ask(tenant, input=asked, route=route, corridor=guarded(Action.BLOCK, "nothing")).generation
    again = proctor.ask(tenant, input=asked, route=route, corridor=guarded(Action.BLOCK, "nothing")).generation
    blocked = proctor.ask(tenant, input=asked, route=route, corridor=guarded(Action.BLOCK, "name"))
    other = proctor.ask(tenant, input=asked, route=route).generation

    assert first.value["name"] == again.value["name"] == "[redacted: a word] name"
    assert again.outcome is Outcome.CACHE_HIT
    assert isinstance(blocked.error, GuardrailBlocked)
    row = proctor.written(blocked.generation.id).generation
    assert (row.outcome, row.attempts, row.saved_nano_usd) == ("blocked_guardrail", 0, 0)
    assert other.value == A_PERSON, "other guardrails are another question"


# ── The table ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Counting(Store):
    """A store that counts what it is asked."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked = 0

    def read_one(self, sql: str, parameters: Any) -> Any:
        self.asked += 1
        return super().read_one(sql, parameters)

    @contextmanager
    def transaction(self, **how: Any) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride] it is one
        self.asked += 1
        with super().transaction(**how) as cursor:
            yield cursor


@pytest.fixture
def store(database_url: str) -> Iterator[Counting]:
    """A store that counts, on either database."""
    counting = Counting(database_url)
    yield counting
    counting.close()


@pytest.fixture
def answers(store: Counting, clock: ManualClock) -> Iterator[Answers]:
    """Answers, while time stands still."""
    with closing(Claims(store, clock)) as claims:
        yield Answers(store, clock, claims)


def ask(key: str = "k", *, generation: str = "g1", tenant_id: str = "t", seconds: float = 60) -> AnswerKey:
    """Return a question."""
    return AnswerKey(digest=key, tenant_id=tenant_id, generation_id=generation, lasts=timedelta(seconds=seconds))


def test_what_a_miss_and_a_hit_cost(store: Counting, answers: Answers) -> None:
    """A miss is two statements and a hit one; what may not be kept costs nothing."""
    turn = answers.look_up(ask(), ends=9, cancelled=NEVER)
    assert turn.hit is None
    turn.end(CachedAnswer({"a": 1}, "openai", "m", 7))
    assert store.asked == 2

    given = answers.look_up(ask(generation="g2"), ends=9, cancelled=NEVER).hit
    assert given is not None
    assert (given.value, given.generation_id, given.provider, given.model, given.cost_nano_usd) == (
        {"a": 1},
        "g1",
        "openai",
        "m",
        7,
    )
    assert store.asked == 3

    answers.look_up(None, ends=9, cancelled=NEVER).end(CachedAnswer({}, "openai", "m", 1))
    assert store.asked == 3


def test_an_answer_grows_old(answers: Answers, clock: ManualClock) -> None:
    """It is given until its time is over, and not at that moment any more."""
    answers.look_up(ask(), ends=9, cancelled=NEVER).end(CachedAnswer("x", "openai", "m", None))
    clock.advance(59.9)
    assert answers.look_up(ask(generation="g2"), ends=99, cancelled=NEVER).hit is not None
    clock.advance(0.1)
    turn = answers.look_up(ask(generation="g3"), ends=99, cancelled=NEVER)
    assert turn.hit is None
    turn.end(CachedAnswer("y", "openai", "m", None))
    given = answers.look_up(ask(generation="g4"), ends=99, cancelled=NEVER).hit
    assert given is not None
    assert given.value == "y"


def test_who_was_given_up_keeps_nothing(store: Counting, answers: Answers, clock: ManualClock) -> None:
    """One whose lease lapsed and was taken over neither overwrites nor deletes what the next one does."""
    with closing(Claims(store, clock)) as claims:
        late = Answers(store, clock, claims)
        first = late.look_up(ask(generation="late"), ends=99, cancelled=NEVER)
        clock.advance(10)
        turn = answers.look_up(ask(generation="next"), ends=99, cancelled=NEVER)
        assert turn.hit is None
        first.end(CachedAnswer("late", "openai", "m", None))
        first.end(None)
        turn.end(CachedAnswer("next", "openai", "m", None))

    given = answers.look_up(ask(generation="third"), ends=99, cancelled=NEVER).hit
    assert given is not None
    assert given.value == "next"


def test_a_wait_has_an_end(store: Counting, answers: Answers, clock: ManualClock) -> None:
    """Who waits for another process waits until the deadline at most, and leaves with the caller."""
    with closing(Claims(store, clock, lease_seconds=1000)) as claims:
        other = Answers(store, clock, claims).look_up(ask(generation="other"), ends=9, cancelled=NEVER)
        with pytest.raises(Exhausted) as late:
            answers.look_up(ask(), ends=clock.monotonic() + 5, cancelled=NEVER)
        assert late.value.facts["outcome"] is Outcome.TIMEOUT
        assert 5 <= clock.monotonic() < 6
        gone = threading.Event()
        gone.set()
        with pytest.raises(Cancelled):
            answers.look_up(ask(), ends=clock.monotonic() + 5, cancelled=gone)
        other.end(CachedAnswer("x", "openai", "m", None))
    assert answers.look_up(ask(), ends=clock.monotonic() + 5, cancelled=NEVER).hit is not None


def test_operators_clear(proctor: Rig, route: str, wire: WireServer) -> None:
    """Clearing forgets one tenant's answers, and is written down; what is being made then is not kept."""
    tenant, other, asked = proctor.tenant(), proctor.tenant(), text()
    for one in (tenant, other):
        proctor.ask(one, input=asked, route=route)
    answers = proctor.runtime.answers
    turn = answers.look_up(ask("being made", tenant_id=tenant.id), ends=10**9, cancelled=NEVER)
    shown = answers.show(LOCAL_OPERATOR, tenant)
    assert (shown.answers, shown.being_made, shown.hits) == (1, 1, 0)
    with pytest.raises(Forbidden):
        answers.clear(program(tenant), tenant)

    assert answers.clear(LOCAL_OPERATOR, tenant) == 1
    turn.end(CachedAnswer("x", "openai", "m", 1))
    assert answers.show(LOCAL_OPERATOR, tenant).answers == 0
    assert proctor.ask(tenant, input=asked, route=route).generation.outcome is Outcome.VALID_FIRST_TRY
    assert proctor.ask(other, input=asked, route=route).generation.outcome is Outcome.CACHE_HIT
    kept = answers.show(LOCAL_OPERATOR, other)
    assert (kept.answers, kept.hits) == (1, 1)
    assert kept.saved_nano_usd > 0
    with proctor.runtime.store.reading() as session:
        [entry] = session.exec(
            select(AuditEntry).where(AuditEntry.tenant_id == tenant.id, AuditEntry.action == "cache.clear")
        ).all()
    assert (entry.before, entry.after, entry.actor) == ({"answers": 1}, {"answers": 0}, LOCAL_OPERATOR.name)


def test_the_command_line(
    proctor: Rig, route: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``proctor cache`` shows what is kept and what it saved, and clears it."""
    monkeypatch.setenv("DATABASE_URL", proctor.runtime.store.url.render_as_string(hide_password=False))
    monkeypatch.setenv("LOCAL_MODEL", "off")
    tenant, asked = proctor.tenant(), text()
    first, _ = (proctor.ask(tenant, input=asked, route=route).generation for _ in range(2))

    assert main(["cache", "show", tenant.name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["answers"], shown["hits"], shown["saved_nano_usd"]) == (1, 1, first.cost_nano_usd)
    assert main(["cache", "show", tenant.name]) == 0
    assert "1 answers are kept" in capsys.readouterr().out
    assert main(["cache", "clear", tenant.name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cleared"] == 1
    assert main(["cache", "show", "Nobody"]) == 1


# ── Many at once ──────────────────────────────────────────────────────────────────────────────────────────────────────


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what *count* threads make of it, begun at once."""
    gate = threading.Barrier(count)

    def one(number: int) -> Any:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def outcomes(heard: Sequence[Heard]) -> list[Outcome]:
    """Return how they ended, sorted."""
    return sorted(one.generation.outcome for one in heard)


def test_many_ask_and_one_is_answered(proctor: Rig, route: str, wire: WireServer, patient: Answers) -> None:
    """Of sixteen that ask the same at once, whole and streamed, one calls a provider; all get its answer."""
    tenant, asked = proctor.tenant(), text("slow-0.4s")
    corridor = proctor.corridor(answers=patient)
    heard = together(16, lambda n: proctor.ask(tenant, input=asked, route=route, corridor=corridor, stream=n % 2 == 1))

    assert calls(wire, asked) == 1
    assert outcomes(heard) == [Outcome.CACHE_HIT] * 15 + [Outcome.VALID_FIRST_TRY]
    [owner] = [one.generation for one in heard if one.generation.attempts]
    assert {one.generation.answered_from for one in heard} == {None, owner.id}
    assert all(one.generation.value == A_PERSON for one in heard)
    waited = [step for one in heard for step in one.generation.trace if step["verdict"] == "waited"]
    assert len(waited) == 15
    assert proctor.is_settled()


def test_when_one_fails_the_next_takes_over(proctor: Rig, route: str, wire: WireServer, patient: Answers) -> None:
    """A call that fails leaves the question to one of those who wait, not to all of them."""
    tenant, asked = proctor.tenant(), text("bad-request+slow-0.2s")
    corridor = proctor.corridor(answers=patient)
    heard = together(8, lambda _: proctor.ask(tenant, input=asked, route=route, corridor=corridor))

    assert calls(wire, asked) == 2
    assert outcomes(heard) == [Outcome.CACHE_HIT] * 6 + [Outcome.PROVIDER_ERROR, Outcome.VALID_FIRST_TRY]


def test_who_waits_may_leave_and_has_a_deadline(proctor: Rig, route: str, wire: WireServer, patient: Answers) -> None:
    """A caller who leaves while waiting is gone at once; one whose time is over is told so; the others get it."""
    tenant, asked = proctor.tenant(), text("slow-1.5s")
    corridor = proctor.corridor(answers=patient)
    cancellation = Cancellation()

    def one(number: int) -> tuple[Heard, float]:
        if number:
            time.sleep(0.3)
        began = time.monotonic()
        more: dict[str, Any] = {1: {"cancellation": cancellation}, 2: {"timeout_seconds": 0.5}}.get(number, {})
        heard = proctor.ask(tenant, input=asked, route=route, corridor=corridor, **more)
        return heard, time.monotonic() - began

    leaving = threading.Timer(0.6, cancellation.cancel)
    leaving.start()
    heard = together(4, one)
    leaving.join()

    assert [one.generation.outcome for one, _ in heard] == [
        Outcome.VALID_FIRST_TRY,
        Outcome.CANCELLED,
        Outcome.TIMEOUT,
        Outcome.CACHE_HIT,
    ]
    assert heard[1][1] < 1
    assert heard[2][1] < 1
    assert calls(wire, asked) == 1


def test_a_long_answer_keeps_its_lease(proctor: Rig, route: str, wire: WireServer) -> None:
    """Who takes longer than a lease renews it: other processes go on waiting, and ask nobody."""
    tenant, asked = proctor.tenant(), text("slow-2s")
    store, clock = proctor.runtime.store, SystemClock()
    leases = [Claims(store, clock, lease_seconds=0.8, renew_seconds=0.2) for _ in range(3)]
    several = [Answers(store, clock, claims) for claims in leases]
    heard = together(
        3,
        lambda n: proctor.ask(tenant, input=asked, route=route, corridor=proctor.corridor(answers=several[n])),
    )
    for claims in leases:
        claims.close()

    assert calls(wire, asked) == 1
    assert outcomes(heard) == [Outcome.CACHE_HIT] * 2 + [Outcome.VALID_FIRST_TRY]


def test_never_two_at_once(database_url: str) -> None:
    """Whatever fails, leaves or grows old, no question is answered by two at once, in two processes or threads."""
    stores = [Store(database_url) for _ in range(2)]
    leases = [Claims(store, SystemClock()) for store in stores]
    processes = [Answers(store, SystemClock(), claims) for store, claims in zip(stores, leases, strict=True)]
    guard, busy, most, made = threading.Lock(), Counter[str](), Counter[str](), Counter[str]()

    def work(number: int) -> None:
        chance, answers = random.Random(number), processes[number % 2]  # noqa: S311 so that it repeats
        for round_ in range(12):
            key, gone = f"key {chance.randrange(3)}", threading.Event()
            leaving = threading.Timer(chance.random() / 50, gone.set)
            if chance.random() < 0.2:
                leaving.start()
            asked = ask(key, generation=f"{number} {round_}", seconds=0.02)
            try:
                turn = answers.look_up(asked, ends=time.monotonic() + 30, cancelled=gone)
            except Cancelled:
                continue
            finally:
                leaving.cancel()
            if turn.hit is not None:
                assert turn.hit.value == key
                continue
            with guard:
                busy[key] += 1
                made[key] += 1
                most[key] = max(most[key], busy[key])
            time.sleep(chance.random() / 100)
            with guard:
                busy[key] -= 1
            turn.end(None if chance.random() < 0.3 else CachedAnswer(key, "openai", "m", 1))

    together(12, work)
    for answers, claims, store in zip(processes, leases, stores, strict=True):
        assert answers._in_flight == {}
        claims.close()
        store.close()
    assert set(most.values()) == {1}
    assert sum(made.values()) < 12 * 12


@pytest.fixture
def processes(proctor: Rig, wire: WireServer) -> Iterator[Callable[..., Forked]]:
    """Start a process that asks; each has a Proctor of its own, on the same database."""
    running: list[Forked] = []

    def start(tenant: Tenant, asked: str, route: str, threads: int) -> Forked:
        order = {
            "database_url": proctor.runtime.store.url.render_as_string(hide_password=False),
            "openai_url": wire.openai_url,
            "anthropic_url": wire.anthropic_url,
            "tenant_id": tenant.id,
            "input": asked,
            "route": route,
            "threads": threads,
        }
        process = Forked("-m", "tests.asking", json.dumps(order))
        running.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.close()


def go(process: Forked) -> None:
    """Let a process ask."""
    process.stdin.write("go\n")
    process.stdin.flush()


def told(process: Forked) -> list[list[str]]:
    """Return outcome and ``answered_from`` of each of a process's calls."""
    return json.loads(process.stdout.readline())


def test_processes_ask_once(proctor: Rig, route: str, wire: WireServer, processes: Callable[..., Forked]) -> None:
    """Of two processes with four threads each that ask the same at once, one thread of one calls a provider."""
    tenant, asked = proctor.tenant(), text("slow-1s")
    two = [processes(tenant, asked, route, 4) for _ in range(2)]
    for one in two:
        go(one)
    ends = [end for one in two for end in told(one)]

    assert calls(wire, asked) == 1
    assert sorted(outcome for outcome, _ in ends) == ["cache_hit"] * 7 + ["valid_first_try"]
    assert len({source for outcome, source in ends if outcome == "cache_hit"}) == 1


def test_a_killed_process_is_given_up(
    proctor: Rig, route: str, wire: WireServer, processes: Callable[..., Forked]
) -> None:
    """A process that is killed while it asks is given up when its lease is over; who waits then asks."""
    tenant, asked = proctor.tenant(), text("hang-once")
    doomed = processes(tenant, asked, route, 1)
    go(doomed)
    while not calls(wire, asked):
        time.sleep(0.01)
    heir = processes(tenant, asked, route, 2)
    go(heir)
    time.sleep(0.5)
    assert calls(wire, asked) == 1, "the heirs wait"
    doomed.send_signal(signal.SIGKILL)
    ends = told(heir)

    assert sorted(outcome for outcome, _ in ends) == ["cache_hit", "valid_first_try"]
    assert calls(wire, asked) == 2
