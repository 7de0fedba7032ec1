"""The walk over a route: who is asked, how often, after which wait, and what an unknown usage is taken for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.attempts import (
    FIRST_WAIT_SECONDS,
    LONGEST_WAIT_SECONDS,
    UNSEEN_TOKENS,
    Candidate,
    Cause,
    RouteTerms,
    degraded,
)
from core.attempts._estimates import UNKNOWN_LENGTH, AnswerLengths, estimate
from core.breakers import BreakerState
from core.clock import ManualClock
from core.errors import BudgetExceeded, Cancelled, Exhausted
from core.messages import Message
from core.messages.likely_tokens import likely_tokens
from core.pricing import PriceBook, Usage
from core.providers import (
    Answer,
    Broken,
    ContextOverflow,
    Failed,
    ProviderError,
    Refused,
    Throttled,
    TimedOut,
    Truncated,
)
from core.providers.loop import Cancellation, Loop
from core.tables import Outcome
from core.validation import Effort
from tests.conftest import START
from tests.walks import SIZE_BYTES, USAGE, Noted, Number, Scripted, Step, Walked, bad, ends, good, late


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """The provider loop."""
    running = Loop()
    yield running
    running.close()


@pytest.fixture
def walked(loop: Loop) -> Walked:
    """Walks."""
    return Walked(loop)


def test_a_good_answer_ends_the_walk(walked: Walked) -> None:
    """Whoever answers well is asked once, and the next is not asked at all."""
    one, other = (Scripted(walked.clock, good) for _ in range(2))

    reply = walked.walk({"openai": one, "anthropic": other})

    assert (reply.value, reply.outcome, reply.candidate.provider) == (7, Outcome.VALID_FIRST_TRY, "openai")
    assert (one.calls, other.calls, walked.kinds) == (1, 0, ["first"])


@pytest.mark.parametrize("max_reasks", [0, 1, 3])
def test_reasks_are_per_candidate(max_reasks: int, walked: Walked) -> None:
    """Each candidate is asked again as often as the route says, and no more: N re-asks are N + 1 calls."""
    one, other = (Scripted(walked.clock, bad) for _ in range(2))
    error = walked.ends({"openai": one, "anthropic": other}, max_reasks=max_reasks)

    assert (one.calls, other.calls) == (max_reasks + 1, max_reasks + 1)
    assert one.asked_again == max_reasks, "after the last there is no one to be asked again"
    assert walked.kinds == ["first", *["re-ask"] * max_reasks, "fallback", *["re-ask"] * max_reasks]
    assert error.facts["outcome"] is Outcome.INVALID
    assert [one.path for attempt in walked.record.attempts for one in attempt.field_errors] == ["$.value"] * len(
        walked.kinds
    )


@pytest.mark.parametrize(
    ("steps", "kinds"), [((bad, good), ["first"]), ((good,), ["first"]), ((ends(Failed("Down.")), good), ["first"])]
)
def test_who_is_stopped_meanwhile_is_asked_no_more(steps: tuple[Step, ...], kinds: list[str], walked: Walked) -> None:
    """Before each call but the first it is asked whether somebody may still be; if not, the next is asked for him."""
    one, other = Scripted(walked.clock, *steps), Scripted(walked.clock, good)
    looked: list[str] = []

    def stopped(candidate: Candidate) -> str:
        looked.append(candidate.provider)
        return "it was switched off" if candidate.provider == "openai" else ""

    reply = walked.walk({"openai": one, "anthropic": other}, stopped=stopped)

    goes_on = len(steps) > 1
    assert walked.kinds == kinds + (["fallback"] if goes_on else [])
    assert (reply.candidate.provider, looked) == (
        ("anthropic", ["openai", "anthropic"]) if goes_on else ("openai", []),
    )[0]
    assert (("stopped", "openai/gpt-4o-mini: it was switched off.") in walked.record.notes) is goes_on


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_retries_are_per_candidate_and_wait_longer_each_time(max_retries: int, walked: Walked) -> None:
    """A passing failure is retried as often as the route says, after a wait that doubles and is never the same."""
    provider = Scripted(walked.clock, ends(Failed("Down.")))
    walked.ends({"openai": provider}, max_retries=max_retries)

    assert walked.kinds == ["first", *["retry"] * max_retries]
    for number, seconds in enumerate(walked.clock.waits):
        least = FIRST_WAIT_SECONDS * 2**number
        assert least <= seconds < 2 * least
    assert len(walked.clock.waits) == max_retries


def test_a_retry_after_a_reask_goes_on_with_the_reask(walked: Walked) -> None:
    """What failed on its way is sent again as it was: the correction is not lost, and does not count twice."""
    provider = Scripted(walked.clock, bad, ends(Failed("Down.")), good)
    reply = walked.walk({"openai": provider})

    assert (walked.kinds, provider.asked_again) == (["first", "re-ask", "retry"], 1)
    assert reply.outcome is Outcome.VALID_AFTER_REASK
    assert [attempt.asked for attempt in walked.record.attempts] == [
        None,
        [{"role": "user", "content": "Again."}],
        None,
    ]


@pytest.mark.parametrize(
    ("seconds", "candidates", "waits"),
    [
        (0.5, 1, [0.5]),
        (0.5, 2, [0.5]),
        (LONGEST_WAIT_SECONDS, 2, [LONGEST_WAIT_SECONDS]),
        (LONGEST_WAIT_SECONDS + 0.1, 2, []),
        (30, 1, [30]),
        (59.9, 1, [59.9]),
        (60, 1, []),
        (3600, 1, []),
    ],
)
def test_a_provider_that_says_when_is_believed(
    seconds: float, candidates: int, waits: list[float], walked: Walked
) -> None:
    """Its own wait is kept if there is time; a long one gives way to the next candidate, where there is one."""
    busy = Scripted(walked.clock, ends(Throttled("Busy.", retry_after_seconds=seconds)), good)
    others = {"anthropic": Scripted(walked.clock, good)} if candidates == 2 else {}
    providers = {"openai": busy} | others
    if waits or others:
        walked.walk(providers)
    else:
        assert walked.ends(providers).facts["outcome"] is Outcome.PROVIDER_ERROR

    assert walked.clock.waits == waits
    verdict, reason = walked.record.notes[0]
    assert verdict == ("retried" if waits else "not retried")
    assert f"{seconds:.1f} s" in reason
    assert ("another can be asked sooner" if others else "only 60.0 s are left") in reason or waits


def test_the_deadline_ends_the_walk(walked: Walked) -> None:
    """When the time of the whole is over, nobody further is asked, not the fallback either."""
    slow, other = Scripted(walked.clock, late(bad, 40)), Scripted(walked.clock, good)
    error = walked.ends({"openai": slow, "anthropic": other})

    assert (slow.calls, other.calls) == (2, 0)
    assert walked.record.notes == [("stopped", "The deadline of 60 s has passed.")]
    assert "No valid object after 2 calls" in error.message


def test_what_can_only_fail_again_is_not_retried(walked: Walked) -> None:
    """A refusal and a deadline send the walk on at once."""
    for error in (Refused("No."), TimedOut("Late.")):
        asked = Scripted(walked.clock, ends(error))
        walked.walk({"openai": asked, "anthropic": Scripted(walked.clock, good)}, max_retries=5)
        assert asked.calls == 1
    assert walked.clock.waits == []


def test_what_is_not_set_up_is_passed_over(walked: Walked) -> None:
    """A candidate without a provider is skipped with a reason; whoever answers then is a fallback."""
    reply = walked.walk(
        {"anthropic": Scripted(walked.clock, good)},
        Candidate(provider="openai", model="gpt-4o-mini"),
        Candidate(provider="anthropic", model="claude-haiku-4-5"),
    )

    assert (reply.outcome, walked.kinds) == (Outcome.VALID_AFTER_FALLBACK, ["fallback"])
    assert walked.record.notes == [("skipped", "openai/gpt-4o-mini: the provider openai is not set up here.")]


def test_with_nobody_to_ask_it_says_what_to_do(walked: Walked) -> None:
    """A route none of whose providers is set up ends with a sentence that helps."""
    error = walked.ends({}, Candidate(provider="openai", model="gpt-4o-mini"))

    assert "Set a provider key, choose another model" in error.message
    assert error.facts["outcome"] is Outcome.PROVIDER_ERROR


def test_each_attempt_is_covered_at_its_worst_before_it_goes_out(walked: Walked) -> None:
    """What is held is the price, in the dearest tier, of a token for every byte in and of all that may come out."""
    provider = Scripted(walked.clock, bad, good)
    walked.walk({"openai": provider}, Candidate(provider="openai", model="gpt-4o-mini", max_tokens=500))

    worst = Usage(input_tokens=SIZE_BYTES + UNSEEN_TOKENS, output_tokens=500, tier="priority")
    cost = PriceBook().cost("openai", "gpt-4o-mini", worst, START)
    assert cost is not None
    assert walked.record.covered == [cost.nano_usd] * 2


def test_what_is_not_covered_does_not_go_out(walked: Walked) -> None:
    """When the budget ends in the middle of a walk, no further call is made."""
    provider = Scripted(walked.clock, bad)
    walked.record = Noted(most_nano_usd=2_000_000)
    with pytest.raises(BudgetExceeded):
        walked.walk({"openai": provider}, max_reasks=9)

    assert provider.calls == len(walked.record.attempts) == 1


class Misread(Scripted):
    """A provider whose good answers we fail to read, by a fault of our own."""

    def read(self, answer: Answer, effort: Effort | None = None) -> Number:
        raise ZeroDivisionError(answer.text)


def test_a_fault_of_ours_is_no_providers(walked: Walked) -> None:
    """However often we fail to read an answer, each is an attempt that was paid, ours to blame; no breaker opens."""
    provider = Misread(walked.clock, good)
    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            walked.walk({"openai": provider})

    ended = {(one.outcome, one.error_code, one.usage) for one in walked.record.attempts}
    assert ended == {(Outcome.INTERNAL_ERROR, "internal_error", USAGE)}
    assert len(walked.record.attempts) == provider.calls == 20
    assert walked.breakers.refusal("openai", "gpt-4o-mini") is None


def test_a_fault_of_ours_over_a_cut_answer_is_written_down(walked: Walked) -> None:
    """An answer that was cut, perhaps behind its object, is an attempt that was paid, also where we fail to read it."""
    cut = Truncated("Cut.", answer=good(walked.clock))
    cut.may_be_whole = True
    with pytest.raises(ZeroDivisionError):
        walked.walk({"openai": Misread(walked.clock, ends(cut))})

    [attempt] = walked.record.attempts
    assert (attempt.outcome, attempt.error_code, attempt.usage) == (Outcome.INTERNAL_ERROR, "internal_error", USAGE)


class FailedByUs(Scripted):
    """A provider over whose calls we break down, by a fault of our own."""

    async def send(self, on_text: Callable[[str], None] | None) -> Answer:
        await super().send(on_text)
        raise ZeroDivisionError


def test_a_fault_of_ours_while_a_call_is_out_is_no_provider_s(walked: Walked) -> None:
    """It ends the generation, is an attempt that may have cost money, and no breaker counts it, for or against."""
    ours, other = FailedByUs(walked.clock, good), Scripted(walked.clock, good)
    failing = Scripted(walked.clock, ends(Failed("Down.")))
    while walked.breakers.refusal("openai", "gpt-4o-mini") is None:
        walked.ends({"openai": failing})
    walked.clock.advance(walked.breakers.rule.pause_seconds + 1)
    for _ in range(20):  # the first is a probe, and decides nothing
        with pytest.raises(ZeroDivisionError):
            walked.walk({"openai": ours, "anthropic": other})

    attempts = walked.record.attempts[-20:]
    assert {(one.outcome, one.error_code) for one in attempts} == {(Outcome.INTERNAL_ERROR, "internal_error")}
    assert all(one.usage and one.usage.estimated for one in attempts)
    assert (ours.calls, other.calls) == (20, 0)
    assert walked.breakers.views()[0].state is not BreakerState.CLOSED


def test_whoever_left_between_two_attempts_is_not_asked_for(walked: Walked) -> None:
    """A caller who leaves while the walk waits ends it there."""
    cancellation = Cancellation()

    def leave(_: ManualClock) -> ProviderError:
        cancellation.requested.set()
        return Failed("Down.")

    provider = Scripted(walked.clock, leave)
    with pytest.raises(Cancelled):
        walked.walk({"openai": provider}, cancellation=cancellation)
    assert provider.calls == 1


def test_what_is_asked_is_passed_on(walked: Walked) -> None:
    """A provider is given the candidate's own limits, the schema, the messages and the example."""
    provider = Scripted(walked.clock, good)
    candidate = Candidate(provider="openai", model="gpt-4o", mode="json", max_tokens=9)
    walked.walk({"openai": provider}, candidate, example=("A five.", {"value": 5}))

    [ask] = provider.asks
    assert (ask.model, ask.mode, ask.max_tokens, ask.response_model) == ("gpt-4o", "json", 9, Number)
    assert (ask.messages, ask.example) == ([Message.of("user", "A number.")], ("A five.", {"value": 5}))


def test_a_candidate_may_have_numbers_of_its_own(walked: Walked) -> None:
    """What a candidate says of re-asks and retries goes before what its route says; 0 is said too."""
    one, other = Scripted(walked.clock, bad), Scripted(walked.clock, ends(Failed("Down.")))
    walked.ends(
        {"openai": one, "anthropic": other},
        Candidate(provider="openai", model="gpt-4o-mini", max_reasks=0),
        Candidate(provider="anthropic", model="claude-haiku-4-5", max_retries=2),
        max_reasks=3,
        max_retries=0,
    )
    assert (one.calls, other.calls) == (1, 3)


def test_parameters_and_marks_are_passed_on(walked: Walked) -> None:
    """A provider is asked with the candidate's parameters, and told whether the route marks what is stable."""
    provider = Scripted(walked.clock, good)
    candidate = Candidate(provider="openai", model="gpt-4o", parameters={"temperature": 0.5})
    walked.walk({"openai": provider}, candidate, marks_cache=False)

    [ask] = provider.asks
    assert (ask.parameters, ask.marks_cache) == ({"temperature": 0.5}, False)


# ── A cut answer, a prompt too long ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("candidate", "max_retries", "allowed"),
    [
        ({"max_tokens": 100}, 1, [200]),
        ({"max_tokens": 100}, 0, []),
        ({"max_tokens": 100}, 5, [200, 400, 800]),
        ({"max_tokens": 100, "most_tokens": 300}, 5, [200, 300]),
        ({"max_tokens": 100, "most_tokens": 100}, 5, []),
        ({"max_tokens": 100_000}, 5, [128_000]),
        ({"max_tokens": 100_000, "model": "some-model"}, 2, [200_000, 400_000]),
    ],
)
def test_a_cut_answer_is_given_more_tokens(
    candidate: dict[str, Any], max_retries: int, allowed: list[int], walked: Walked
) -> None:
    """Twice as many each time, up to its bound, eight times or the model's context; each is a retry, and held for."""
    provider = Scripted(walked.clock, ends(Truncated("Cut.")))
    asked = Candidate(**{"provider": "openai", "model": "gpt-4o-mini"} | candidate)
    assert walked.ends({"openai": provider}, asked, max_retries=max_retries).facts["outcome"] is Outcome.TRUNCATED

    assert provider.allowed == allowed
    assert walked.kinds == ["first", *["retry"] * len(allowed)]
    assert [verdict for verdict, _ in walked.record.notes] == [*["retried"] * len(allowed), "stopped"]
    assert walked.clock.waits == []
    assert walked.record.covered == sorted(walked.record.covered)
    if asked.model == "gpt-4o-mini":
        assert len(set(walked.record.covered)) == 1 + len(allowed)


def test_a_cut_reask_goes_on_with_the_exchange(walked: Walked) -> None:
    """More tokens change nothing else: the correction is still part of what is sent."""
    provider = Scripted(walked.clock, bad, ends(Truncated("Cut.")), good)
    reply = walked.walk({"openai": provider})
    assert (walked.kinds, len(provider.asks)) == (["first", "re-ask", "retry"], 1)
    assert reply.outcome is Outcome.VALID_AFTER_REASK


def test_a_prompt_too_long_goes_where_there_is_room(walked: Walked) -> None:
    """Those known to take more are asked first, those known to take no more last, the rest in their order."""
    full = ends(ContextOverflow("Too long."))
    openai, anthropic, compatible = (Scripted(walked.clock, step) for step in (full, full, full))
    names = ["openai/gpt-4o-mini", "openai/gpt-4", "compatible/x", "anthropic/claude-haiku-4-5", "openai/gpt-4.1"]
    candidates = [Candidate(provider=name.split("/")[0], model=name.split("/")[1]) for name in names]
    providers = {"openai": openai, "anthropic": anthropic, "compatible": compatible}
    walked.ends(providers, *candidates, max_retries=3)

    assert [attempt.model for attempt in walked.record.attempts] == [
        "gpt-4o-mini",
        "claude-haiku-4-5",
        "gpt-4.1",
        "x",
        "gpt-4",
    ]
    verdict, why = walked.record.notes[0]
    assert verdict == "went on"
    assert why.startswith("openai/gpt-4o-mini cannot take a prompt of this length; next is anthropic/claude-haiku-4-5")
    assert why.endswith(", which takes 200,000 tokens.")


# ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_deadline_counts_from_the_door(walked: Walked) -> None:
    """What passed before the walk is part of the time; if nothing is left, nobody is asked."""
    walked.clock.advance(50)
    slow = Scripted(walked.clock, late(bad, 15))
    walked.ends({"openai": slow}, began=walked.clock.monotonic() - 50)
    assert slow.calls == 1

    asked = Scripted(walked.clock, good)
    error = walked.ends({"openai": asked}, began=walked.clock.monotonic() - 60)
    assert (asked.calls, error.facts["outcome"]) == (0, Outcome.TIMEOUT)
    assert "before anybody could be asked" in error.message


# ── A tight budget ────────────────────────────────────────────────────────────────────────────────────────────────────

PRICED = {"mid": 50, "dear": 90, "cheap": 10, "same": 50}


@pytest.mark.parametrize(
    ("models", "kept", "left_out"),
    [
        (["mid", "dear", "cheap", "same"], ["cheap", "mid", "same"], " 1 dearer was left out;"),
        (["mid", "unknown", "cheap"], ["cheap", "mid", "unknown"], ""),
        (["unknown", "dear", "cheap"], ["cheap", "dear", "unknown"], ""),
        (["cheap", "dear", "mid"], ["cheap"], " 2 dearer were left out;"),
        (["dear"], ["dear"], ""),
    ],
)
def test_a_degraded_route_is_cheaper(models: list[str], kept: list[str], left_out: str) -> None:
    """Cheapest first, none dearer than the first was, nothing asked again, no hedging; it says what was done."""
    route = RouteTerms(
        name="r",
        candidates=tuple(Candidate(provider="openai", model=model, max_reasks=3) for model in models),
        max_reasks=2,
        max_retries=1,
        deadline_seconds=9,
        hedge_after_ms=100,
    )
    made = degraded(route, lambda one: PRICED.get(one.model))

    assert [one.model for one in made.candidates] == kept
    assert {one.max_reasks for one in made.candidates} == {0}
    assert all(one.most_tokens == one.max_tokens for one in made.candidates)
    assert (made.max_reasks, made.max_retries, made.hedge_after_ms, made.name) == (0, 1, None, "r")
    asked = ", then ".join(f"openai/{model}" for model in kept)
    assert made.remark == (
        f"The budget is tight, so the cheapest is asked first: {asked};{left_out} "
        "an invalid or cut answer is not asked again."
    )


# ── Money ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

SENT, MOST = 1000, 500


def usual(seen: int) -> int:
    """Return how long an answer becomes: 200 tokens, or a tenth more than was seen."""
    return max(200, seen * 11 // 10)


@pytest.mark.parametrize(
    ("answer", "cut", "whole"),
    [
        (Answer(), (1000, 0, 200), (1000, 0, 200)),
        (Answer(text="inhabitants " * 5), (1000, 0, 200), (1000, 0, 20)),
        (Answer(text="inhabitants " * 75), (1000, 0, 330), (1000, 0, 300)),
        (Answer(text="ä" * 3), (1000, 0, 200), (1000, 0, 4)),
        (Answer(usage=Usage(input_tokens=77, output_tokens=1)), (77, 0, 200), (77, 0, 200)),
        (Answer(text="abcdef", usage=Usage(input_tokens=77, cached_tokens=7)), (77, 7, 200), (77, 7, 2)),
        (Answer(text="abcdef", usage=Usage(input_tokens=77, output_tokens=400)), (77, 0, 440), (77, 0, 400)),
    ],
)
def test_an_unknown_usage_is_estimated(answer: Answer, cut: tuple[int, ...], whole: tuple[int, ...]) -> None:
    """What was told counts; untold input is all that was sent, untold output what was seen and, if cut, a rest."""
    for is_whole, tokens in ((False, cut), (True, whole)):
        usage = estimate(answer, SENT, usual, MOST, is_whole=is_whole)
        assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == tokens
        assert usage.estimated


@given(text=st.text(max_size=200), is_whole=st.booleans())
def test_what_was_seen_is_never_less_than_either_estimate(text: str, *, is_whole: bool) -> None:
    """A third of its bytes, and its words counted; and never more than the answer could be."""
    both = max(-(-len(text.encode()) // 3), likely_tokens([text]))
    for most in (10**6, 10):
        usage = estimate(Answer(text=text), SENT, lambda seen: seen, most, is_whole=is_whole)
        assert usage.output_tokens == min(both, most)


@given(
    learned=st.lists(st.integers(0, 5000), max_size=100),
    seen=st.integers(0, 6000),
    most=st.integers(1, 6000),
)
def test_a_likely_length(learned: list[int], seen: int, most: int) -> None:
    """It is at most what an answer may have, at least what was seen, and else a length that such answers had lately."""
    lengths, kind = AnswerLengths(), ("invoice@1", "openai", "gpt-4o-mini")
    for tokens in learned:
        lengths.learn(*kind, tokens)
    likely = lengths.likely(*kind, seen=seen, most=most)

    assert likely <= most
    assert likely >= min(seen, most)
    recent = learned[-32:] or [UNKNOWN_LENGTH]
    assert likely in {most, seen, *recent}
    longer = [one for one in recent if one > seen]
    if longer and likely < most:
        assert sum(one <= likely for one in longer) >= 0.75 * len(longer)
        assert sum(one < likely for one in longer) <= 0.75 * len(longer)
    assert lengths.likely("other", *kind[1:], seen=0, most=10_000) == UNKNOWN_LENGTH, "nothing is known of others"


def test_lengths_are_bounded() -> None:
    """However many schemas there are, the lengths of the newest thousand are kept."""
    lengths = AnswerLengths()
    for number in range(3000):
        lengths.learn(f"inline {number}", "openai", "gpt-4o-mini", 7)

    known = [
        number
        for number in range(3000)
        if lengths.likely(f"inline {number}", "openai", "gpt-4o-mini", seen=0, most=10_000) == 7
    ]
    assert known == list(range(3000 - 1024, 3000))


@pytest.mark.parametrize(
    ("error", "usage", "estimated"),
    [
        (Failed("Down."), None, None),
        (Throttled("Busy."), None, None),
        (Broken("Cut.", answer=Answer(usage=USAGE)), "estimate", True),
        (Broken("Cut."), "estimate", True),
        (TimedOut("Late."), "estimate", True),
        (Refused("No.", answer=Answer(usage=USAGE)), USAGE, False),
        (Refused("No."), "estimate", True),
    ],
)
def test_what_an_ended_call_is_charged(
    *, error: ProviderError, usage: Usage | str | None, estimated: bool | None, walked: Walked
) -> None:
    """A call that was not answered is charged what the wire told, else an estimate; one that never began, nothing."""
    walked.ends({"openai": Scripted(walked.clock, ends(error))}, max_retries=0)

    [attempt] = walked.record.attempts
    if usage is None:
        assert (attempt.usage, attempt.cost) == (None, None)
        return
    assert attempt.usage is not None
    assert attempt.usage.estimated is estimated
    assert attempt.cost is not None
    if usage != "estimate":
        assert attempt.usage == usage


@pytest.mark.parametrize("said", ["Ann is seven. " * 200, "0f 9a 3c " * 330, "a1" * 3000], ids=["words", "hex", "more"])
def test_a_call_that_nobody_tells_of_is_charged_the_larger_of_both_estimates(said: str, walked: Walked) -> None:
    """A third of what it sent, and its words counted: so nobody pays too little. Never more than is held for it."""
    provider = Scripted(walked.clock, ends(TimedOut("Late.")))
    provider.texts = (said,)
    walked.ends({"openai": provider}, max_retries=0)
    [attempt] = walked.record.attempts
    assert attempt.usage is not None
    assert attempt.usage.input_tokens == max(SIZE_BYTES // 3, min(likely_tokens([said]), SIZE_BYTES))


def test_times_are_the_clock_s(walked: Walked) -> None:
    """An attempt begins and ends when it did; its duration is measured, not computed from wall time."""
    walked.walk({"openai": Scripted(walked.clock, late(bad, 1.5), late(good, 0.25))})

    first, second = walked.record.attempts
    assert (first.started_at, first.duration_ms, second.duration_ms) == (START, 1500, 250)
    assert (second.started_at - START).total_seconds() == 1.5
    assert (second.ended_at - second.started_at).total_seconds() == 0.25


STEPS: Sequence[Step] = (
    good,
    bad,
    *map(ends, (Failed("Down."), Refused("No."), TimedOut("Late."), Truncated("Cut."), ContextOverflow("Long."))),
    ends(Throttled("Busy.", retry_after_seconds=100)),
)


@given(
    scripts=st.lists(st.lists(st.sampled_from(STEPS), min_size=1, max_size=6), min_size=1, max_size=3),
    max_reasks=st.integers(0, 3),
    max_retries=st.integers(0, 2),
    causes=st.frozensets(st.sampled_from(Cause)),
)
def test_no_walk_goes_on_for_ever(
    scripts: list[list[Step]], max_reasks: int, max_retries: int, causes: frozenset[Cause]
) -> None:
    """Whatever the providers do, the calls are bounded, each is recorded once, and a good answer is the last.

    A walk in vain that was not ended by its deadline says at its end why it stopped.
    """
    loop = Loop()
    walked = Walked(loop)
    names = ("openai", "anthropic", "compatible")
    providers = {name: Scripted(walked.clock, *script) for name, script in zip(names, scripts, strict=False)}
    try:
        walked.walk(providers, max_reasks=max_reasks, max_retries=max_retries, fallback_on=causes, deadline_seconds=600)
        is_valid = True
    except Exhausted:
        is_valid = False
    loop.close()

    attempts = walked.record.attempts
    if not is_valid:
        assert walked.record.notes[-1][0] == "stopped"
    for _, why in walked.record.notes:
        assert why.endswith(".")
    if not causes:
        assert not any(provider.calls for provider in list(providers.values())[1:])
    assert len(attempts) == sum(provider.calls for provider in providers.values()) == len(walked.record.covered)
    assert [attempt.n for attempt in attempts] == list(range(1, len(attempts) + 1))
    for provider in providers.values():
        assert provider.calls <= 1 + max_reasks + max_retries
    assert [attempt.outcome.is_valid for attempt in attempts] == [False] * (len(attempts) - is_valid) + [
        True
    ] * is_valid
