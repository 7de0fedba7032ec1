"""Thousands of generations with every fault mixed in: what is recorded is what the fake billed, to the token."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlmodel import select

from core.store import Store
from core.tables import Account, AttemptRow, GenerationRow, LedgerEntry, Outcome, Reservation
from tests import servers
from tests.faulty_generations import (
    APIS,
    FAULTS,
    GENERATIONS,
    IN_VAIN,
    LARGEST_HOLD,
    LEAVES,
    SMALL_BUDGET,
    TENANTS,
    Question,
    Told,
    asking,
    questions,
)
from tests.wire.apart import apart
from tests.wire.ledger import NOTHING, Call, Tokens
from tests.wire.scenarios import chosen

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "anthropic": "/v1/messages"}


class Kind(NamedTuple):
    """What one call was like."""

    path: str
    scenario: str
    stream: bool


def kind(call: Call) -> Kind:
    """Return what a call was like."""
    return Kind(call.path, call.scenario, call.stream)


@dataclass(frozen=True)
class Books:
    """What both databases and the fake hold once all have ended."""

    told: Sequence[Told]
    questions: Mapping[str, Question]
    """By request id."""
    generations: Sequence[GenerationRow]
    attempts: Sequence[AttemptRow]
    entries: Sequence[LedgerEntry]
    accounts: Sequence[Account]
    reservations: Sequence[Reservation]
    calls: Sequence[Call]
    """The fake's own."""

    @cached_property
    def _asked(self) -> Mapping[str, Question]:
        """What was asked, by the id of the generation that came of it."""
        return {one.id: self.questions[one.request_id] for one in self.generations}

    @cached_property
    def known(self) -> Sequence[tuple[AttemptRow, Call]]:
        """The attempts that have an id of the provider's, each with the call that it is of."""
        calls = {call.request_id: call for call in self.calls}
        return [(one, calls[one.provider_request_id]) for one in self.attempts if one.provider_request_id]

    def kind(self, attempt: AttemptRow) -> Kind:
        """Return the wire, the scenario and the way of an attempt."""
        return self._kinds[attempt.id]

    @cached_property
    def _kinds(self) -> Mapping[str, Kind]:
        kinds: dict[str, Kind] = {}
        for one in self.attempts:
            asked = self._asked[one.generation_id]
            path = PATHS["anthropic" if one.provider == "anthropic" else asked.api]
            kinds[one.id] = Kind(path, chosen(one.model, one.provider, [asked.text]), asked.stream)
        return kinds

    def is_left(self, attempt: AttemptRow) -> bool:
        """Whether its caller left in mid-stream."""
        return self._asked[attempt.generation_id].scenario == LEAVES


@pytest.fixture
def books(sqlite_template: Path, tmp_path: Path, pg_url: str, pg_template: str) -> Books:
    """Everything, after one run of two processes: chat completions on SQLite, Responses on PostgreSQL."""
    path = tmp_path / "proctor.db"
    path.write_bytes(sqlite_template.read_bytes())
    with servers.database(pg_url, "faulty_generations", pg_template) as pg, apart() as wire:
        urls = (f"sqlite:///{path}", pg)
        with asking(wire, urls[0], APIS[0], GENERATIONS) as one, asking(wire, urls[1], APIS[1], GENERATIONS) as other:
            told = [one(), other()]
        calls = wire.settled()
        found: dict[Any, list[Any]] = {}
        for url in urls:
            store = Store(url)
            with store.reading() as session:
                for table in (GenerationRow, AttemptRow, LedgerEntry, Account, Reservation):
                    found.setdefault(table, []).extend(session.exec(select(table)).all())
            store.close()
    return Books(
        told,
        {f"q-{one.number}": one for one in questions(GENERATIONS)},
        found[GenerationRow],
        found[AttemptRow],
        found[LedgerEntry],
        found[Account],
        found[Reservation],
        calls,
    )


def billed(call: Call) -> bool:
    """Whether the fake charged for a call."""
    return call.usage != NOTHING


def tokens(counted: Any) -> Tokens:
    """Return the tokens of a row; none where it has none."""
    kinds = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    return Tokens(**{kind: getattr(counted, kind) or 0 for kind in kinds})


def total(counted: Iterable[Tokens]) -> Tokens:
    """Return the sum."""
    return sum(counted, NOTHING)


# ── What was asked ────────────────────────────────────────────────────────────────────────────────────────────────────


def every_question_is_one_generation(books: Books) -> None:
    """None is lost and none is there twice, whatever became of it, and nothing went wrong outside them."""
    assert [one.unrecorded for one in books.told] == [[], []]
    assert Counter(one.request_id for one in books.generations) == dict.fromkeys(books.questions, 1)


def the_mix_holds_every_way_a_generation_can_go(books: Books) -> None:
    """Each scenario was met on each of the three wires, whole and streamed; each outcome came about, refusals too."""
    met = Counter((call.scenario, call.path, call.stream) for call in books.calls)
    for scenario in (*FAULTS, *IN_VAIN, "ok"):
        for path in PATHS.values():
            assert met[scenario, path, True], (scenario, path)
            assert met[scenario, path, False], (scenario, path)
    assert {one.outcome for one in books.generations} == {
        "valid_first_try",
        "valid_after_reask",
        "valid_after_fallback",
        "invalid",
        "truncated",
        "refused",
        "content_filtered",
        "provider_error",
        "timeout",
        "cancelled",
        "blocked_budget",
    }


# ── What was billed ───────────────────────────────────────────────────────────────────────────────────────────────────


def every_attempt_is_one_call(books: Books) -> None:
    """There are as many attempts as the fake saw calls: of each wire, each scenario, whole and streamed."""
    assert Counter(map(books.kind, books.attempts)) == Counter(map(kind, books.calls))
    ids = [one.provider_request_id for one in books.attempts if one.provider_request_id]
    assert len(set(ids)) == len(ids)
    for attempt, call in books.known:
        assert (books.kind(attempt), attempt.http_status) == (kind(call), call.status)


def tokens_are_those_that_were_billed(books: Books) -> None:
    """What the wire told is recorded to the token, call by call; what was not billed is recorded as nothing."""
    for attempt, call in books.known:
        if not billed(call):
            assert attempt.input_tokens is attempt.output_tokens is attempt.cost_nano_usd is None, call
        elif call.told and not books.is_left(attempt):
            assert (tokens(attempt), attempt.estimated) == (call.usage, False), call


def the_sums_of_each_provider_are_equal(books: Books) -> None:
    """Summed over a provider, what is recorded as told is what the fake billed and told, in each kind of token."""
    for provider in ("openai", "anthropic"):
        _compare_sums(provider, books)


def _compare_sums(provider: str, books: Books) -> None:
    told = [one for one in books.attempts if one.provider == provider and one.input_tokens and not one.estimated]
    billing = [call for call in books.calls if (call.path == PATHS["anthropic"]) == (provider == "anthropic")]
    left = {attempt.provider_request_id for attempt, _ in books.known if books.is_left(attempt)}

    known = [call.usage for call in billing if call.told and billed(call) and call.request_id not in left]

    assert len(told) == len(known)
    assert total(map(tokens, told)) == total(known)
    assert total(known).cached_tokens > 0
    assert total(known).reasoning_tokens > 0


def what_nobody_told_is_marked_and_counted(books: Books) -> None:
    """Those attempts are estimates that the fake billed and never told, by its own list, and no others are."""
    estimated = [one for one in books.attempts if one.estimated]
    untold = [call for call in books.calls if billed(call) and not call.told]

    def is_other(scenario: str) -> bool:  # who leaves may do so while the last bytes are on their way
        return scenario != LEAVES

    ours = Counter(one for one in map(books.kind, estimated) if is_other(one.scenario))
    assert ours == Counter(one for one in map(kind, untold) if is_other(one.scenario))
    named = {one.provider_request_id for one in estimated if one.provider_request_id and not books.is_left(one)}
    assert named == {
        call.request_id
        for attempt, call in books.known
        if billed(call) and not call.told and not books.is_left(attempt)
    }
    assert all(one.estimated for one in books.attempts if books.is_left(one))
    assert sum(one.estimated_calls for one in books.told) == len({one.generation_id for one in estimated})
    assert len(estimated) > len(books.calls) // 20


def an_estimate_is_never_too_low(books: Books) -> None:
    """What was billed without being told is covered, except for what a vendor says to somebody who has left."""
    for attempt, call in books.known:
        if attempt.estimated:
            assert attempt.input_tokens is not None
            assert attempt.input_tokens >= call.usage.input_tokens
            assert attempt.output_tokens is not None
            assert attempt.output_tokens >= call.usage.output_tokens or books.is_left(attempt)


# ── What was made of it ───────────────────────────────────────────────────────────────────────────────────────────────


def generations_are_the_sums_of_their_attempts(books: Books) -> None:
    """Tokens, cost, the mark of an estimate and the number of attempts of each generation follow from its attempts."""
    mine: dict[str, list[AttemptRow]] = defaultdict(list)
    for attempt in books.attempts:
        mine[attempt.generation_id].append(attempt)
    for generation in books.generations:
        attempts = mine[generation.id]
        assert generation.attempts == len(attempts)
        assert sorted(one.n for one in attempts) == list(range(1, len(attempts) + 1))
        assert tokens(generation) == total(map(tokens, attempts))
        assert generation.estimated is any(one.estimated for one in attempts)
        assert generation.cost_nano_usd == sum(one.cost_nano_usd or 0 for one in attempts)


def every_nano_dollar_is_explained(books: Books) -> None:
    """Verify finds no difference and nothing held; accounts are what the attempts cost, and no budget is overspent."""
    assert [(one.verified, one.held_nano_usd) for one in books.told] == [(True, 0), (True, 0)]
    assert list(books.reservations) == []
    charged: dict[str, int] = defaultdict(int)
    for entry in books.entries:
        charged[entry.account_id] += entry.nano_usd
    cost: dict[str, int] = defaultdict(int)
    for attempt in books.attempts:
        cost[attempt.tenant_id] += attempt.cost_nano_usd or 0
    spent = {account.tenant_id: account.spent_nano_usd for account in books.accounts}
    assert {account.id: account.spent_nano_usd for account in books.accounts if account.spent_nano_usd} == charged
    assert spent == {tenant_id: cost[tenant_id] for tenant_id in spent}
    assert sum(spent.values()) == sum(cost.values())
    assert len(books.accounts) == len(APIS) * TENANTS
    stopped = {one.tenant_id for one in books.generations if one.outcome == Outcome.BLOCKED_BUDGET}
    assert len(stopped) == len(APIS)
    assert all(SMALL_BUDGET - LARGEST_HOLD < spent[tenant_id] <= SMALL_BUDGET for tenant_id in stopped)


CLAIMS = (
    every_question_is_one_generation,
    the_mix_holds_every_way_a_generation_can_go,
    every_attempt_is_one_call,
    tokens_are_those_that_were_billed,
    the_sums_of_each_provider_are_equal,
    what_nobody_told_is_marked_and_counted,
    an_estimate_is_never_too_low,
    generations_are_the_sums_of_their_attempts,
    every_nano_dollar_is_explained,
)


def test_what_is_recorded_is_what_was_billed(books: Books, subtests: pytest.Subtests) -> None:
    """Each claim above holds of all. It is one test, so that several workers do not each make them."""
    for claim in CLAIMS:
        with subtests.test(claim.__name__):
            claim(books)
