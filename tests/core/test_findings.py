"""What guardrails found is on record: each once, without its words, and whatever else becomes of its call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from core.clock import ManualClock
from core.errors import GuardrailBlocked
from core.guardrails import Action, Finding, Guardrail, Guardrails, Stage
from core.principals import LOCAL_OPERATOR
from core.record._findings import Findings
from core.store import Store
from core.tables import FindingRow, GenerationRow
from tests.conftest import START
from tests.corridor import OPENAI, Rig, program, question, rig
from tests.searches import Word, rule
from tests.tills import DEAD, Till
from tests.wayward_store import WaywardStore
from tests.wire.server import WireServer

SECRET = "sk-proj-Zx81kPq0Lm3nVb7cXz92AsDfGh45"
A_NAME = "some name"
Kept = tuple[str, str, str, str, int]
"""Guardrail, stage, place, action and count."""


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def till(store: Store, clock: ManualClock) -> Till:
    """A tenant that may spend 1000."""
    return Till(store, clock, 1000)


@pytest.fixture
def proctor(wire: WireServer, database_url: str) -> Iterator[Rig]:
    """A Proctor, on either database."""
    with rig(wire, database_url) as running:
        yield running


def words(word: str, action: Action, stage: Stage) -> Guardrail:
    """Return a guardrail that finds a word."""
    return rule(Word(word), action, stage, name="words")


def kept(rows: Sequence[FindingRow]) -> list[Kept]:
    """Return what rows say."""
    return [(one.guardrail, one.stage, one.place, one.action, one.count) for one in rows]


def counted(*looks: Sequence[Finding]) -> list[Kept]:
    """Return what is written of findings that came in several looks."""
    findings = Findings(ManualClock(START), lambda *_: None)
    for some in looks:
        with findings.looking(Stage.INPUT) as found:
            found.extend(some)
    rows = findings.rows("generation", "acme", START)
    assert [row["n"] for row in rows] == list(range(1, len(rows) + 1))
    return [(row["guardrail"], row["stage"], row["place"], row["action"], row["count"]) for row in rows]


def finding(place: str = "", count: int = 1, stage: Stage = Stage.OUTPUT, guardrail: str = "secrets") -> Finding:
    """Return something that was found."""
    return Finding(guardrail, stage, Action.REDACT, "a key", count, place)


def test_one_look_sums_and_several_looks_at_the_same_do_not() -> None:
    """Two keys in one place are two; the same key in the next partial, the next attempt and the whole stays one."""
    assert counted([finding("answer"), finding("answer")]) == [("secrets", "output", "answer", "redact", 2)]
    assert counted(*[[finding("answer")]] * 300) == [("secrets", "output", "answer", "redact", 1)]
    assert counted([finding("answer")], [finding("answer", 3)], [finding("answer", 2)]) == [
        ("secrets", "output", "answer", "redact", 3)
    ]
    assert counted([finding("user text", stage=Stage.INPUT)], [finding("answer")]) == [
        ("secrets", "input", "user text", "redact", 1),
        ("secrets", "output", "answer", "redact", 1),
    ]


def test_there_is_an_end_to_what_is_kept_of_one_call() -> None:
    """Whoever finds something in a thousand places is told of fifty, those with most in them."""
    rows = counted([finding(f"place {count:03}", count) for count in range(1, 1001)])
    assert len(rows) == 50
    assert {count for *_, count in rows} == set(range(951, 1001))


def test_what_goes_in_and_comes_back_is_counted(proctor: Rig) -> None:
    """A key in the question is one finding, in the window of its call; the trace tells it; its text is nowhere."""
    tenant = proctor.tenant()
    heard = proctor.ask(tenant, messages=[{"role": "user", "content": f"Use {SECRET} for me."}])
    written = proctor.written(heard.generation.id)

    [(guardrail, stage, _, action, count)] = kept(written.findings)
    assert (guardrail, stage, action, count) == ("secrets", "input", "redact", 1)
    assert written.findings[0].kind.startswith("an OpenAI")
    assert written.findings[0].shape == f"sk-…, {len(SECRET)} characters"
    assert (written.findings[0].at, written.findings[0].tenant_id) == (written.generation.started_at, tenant.id)
    assert ("screen in", "redact") in {(step["room"], step["verdict"]) for step in written.generation.trace}
    assert (written.generation.guardrail_ms or 0) > 0
    assert SECRET not in str(written)
    [said] = [step["reason"] for step in written.generation.trace if step["verdict"] == "redact"]
    assert f"(sk-…, {len(SECRET)} characters) in user text" in said
    told = proctor.runtime.metrics.text().decode()
    assert 'proctor_guardrail_findings_total{action="redact",guardrail="secrets",stage="input"} 1.0' in told
    assert "proctor_guardrail_duration_seconds_count 1.0" in told


def test_where_nothing_is_found_nothing_is_kept(proctor: Rig) -> None:
    """A call without findings has no row of them; how long it took to look is known all the same."""
    written = proctor.written(proctor.ask(proctor.tenant()).generation.id)
    assert kept(written.findings) == []
    assert written.generation.guardrail_ms is not None


@pytest.mark.parametrize("stream", [False, True])
def test_partials_attempts_and_fallbacks_do_not_multiply_it(*, stream: bool, proctor: Rig) -> None:
    """However often an answer is asked for and shown, what is taken out of it counts once on each side."""
    guardrails = Guardrails([words("number", Action.REDACT, Stage.INPUT), words(A_NAME, Action.REDACT, Stage.OUTPUT)])
    heard = proctor.ask(
        proctor.tenant(),
        "failed@openai",
        stream=stream,
        corridor=proctor.corridor(guardrails=guardrails),
        route=proctor.route(OPENAI, "anthropic/claude-haiku-4-5"),
    )
    assert len(heard.generation.attempts) > 2
    assert kept(proctor.written(heard.generation.id).findings) == [
        ("words", "input", "user text", "redact", 1),
        ("words", "output", "answer", "redact", 1),
    ]


@pytest.mark.parametrize(("stage", "word", "attempts"), [(Stage.INPUT, "number", 0), (Stage.OUTPUT, A_NAME, 1)])
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_is_blocked_is_counted(
    *, stage: Stage, word: str, attempts: int, stream: bool, proctor: Rig
) -> None:
    """A block is a finding, also where no provider was asked, and once, in whatever part of a stream it came up."""
    guardrails = Guardrails([words(word, Action.BLOCK, stage)])
    place = "user text" if stage is Stage.INPUT else "answer"
    heard = proctor.ask(proctor.tenant(), stream=stream, corridor=proctor.corridor(guardrails=guardrails))

    assert isinstance(heard.error, GuardrailBlocked)
    written = proctor.written(heard.generation.id)
    assert (written.generation.outcome, len(written.attempts)) == ("blocked_guardrail", attempts)
    assert kept(written.findings) == [("words", stage.value, place, "block", 1)]
    assert [step["verdict"] for step in written.generation.trace].count("blocked") == 1
    assert "block" not in {step["verdict"] for step in written.generation.trace}


def test_it_stays_where_no_text_does(proctor: Rig) -> None:
    """Of a tenant that keeps no prompts and answers, and behind the end of those that were kept, findings are there."""
    ids: list[str] = []
    for days in (0, 1):
        tenant = proctor.tenant()
        proctor.runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, tenant.version, payload_retention_days=days)
        heard = proctor.ask(tenant, messages=[{"role": "user", "content": f"Use {SECRET} for me."}])
        ids.append(heard.generation.id)
    end = proctor.written(ids[1]).payloads[0].expires_at
    assert proctor.runtime.generator._recorder.journal.forget_payloads(end.replace(year=end.year + 1)) > 0
    for one in ids:
        written = proctor.written(one)
        assert (len(written.payloads), len(written.findings)) == (0, 1)


def test_the_backlog_knows_it(wire: WireServer, database_url: str) -> None:
    """What the database did not take at first is there once it is back, findings included."""
    with rig(wire, database_url) as proctor:
        recorder = proctor.runtime.generator._recorder
        wayward = recorder.store = WaywardStore(proctor.runtime.store)
        tenant = proctor.tenant()
        wayward.fails, wayward.left = "undone", 1
        asked = question(messages=[{"role": "user", "content": f"Use {SECRET} for me."}])
        made = proctor.runtime.generator.generate(asked, program(tenant))
        assert proctor.runtime.backlog.write() == 1
        assert len(proctor.written(made.id).findings) == 1


def test_recovery_knows_what_was_found_before_the_end(till: Till) -> None:
    """Of a call whose process died, what had gone in is on record; one that lives after all has it once."""
    walk = till.begin()
    with walk.record.findings.looking(Stage.INPUT) as found:
        found.append(finding("user text", 2, Stage.INPUT))
    call = walk.cover(100)
    till.recovery.heartbeat()
    till.advance(DEAD)
    assert till.beside("two").recovery.run() == 1
    assert [one.error_code for one in till.rows(GenerationRow)] == ["lost"]
    assert kept(till.rows(FindingRow)) == [("secrets", "input", "user text", "redact", 2)]

    walk.end(call, 30)
    walk.close()
    assert [one.error_code for one in till.rows(GenerationRow)] == [None]
    assert kept(till.rows(FindingRow)) == [("secrets", "input", "user text", "redact", 2)]
    assert till.is_sound()


def test_who_only_refuses_is_counted_too() -> None:
    """Where a refusal comes without findings it is one itself; with them it adds nothing."""
    findings = Findings(ManualClock(START), lambda *_: None)
    findings.blocked(GuardrailBlocked("The answer was held back.", guardrail="words", stage="output"))
    findings.blocked(GuardrailBlocked("The answer was held back.", guardrail="words", stage="output"))
    [row] = findings.rows("generation", "acme", START)
    assert (row["guardrail"], row["stage"], row["action"], row["count"]) == ("words", "output", "block", 1)

    findings, told = (
        Findings(ManualClock(START), lambda *_: None),
        GuardrailBlocked("The answer was held back.", guardrail="words", stage="output"),
    )
    told.findings = (Finding("words", Stage.OUTPUT, Action.BLOCK, "a word", 2, "answer", "r1"),)
    findings.blocked(told)
    [row] = findings.rows("generation", "acme", START)
    assert (row["rule_id"], row["place"], row["kind"], row["count"]) == ("r1", "answer", "a word", 2)
