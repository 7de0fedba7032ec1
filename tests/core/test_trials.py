"""Guardrails tried on texts at hand: what is found where, and what a new rule would have caught."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from core.clock import ManualClock
from core.errors import Invalid, NotFound
from core.guardrails import Action, Guardrails, Stage
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime, build
from core.settings import Settings
from core.tables import FindingRow, Tenant
from core.trials import RuleTrial, examined
from tests import builders
from tests.conftest import START
from tests.searches import Objecting, Word, rule

SECRET = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
KEPT = START + timedelta(days=30)


@pytest.fixture
def proctor(database_url: str) -> Iterator[Runtime]:
    """A Proctor with five calls of two tenants, of which three are kept."""
    runtime = build(Settings(database_url=database_url, demo=False, local_model="off"), ManualClock(START))
    acme, globex = (runtime.tenants.create(LOCAL_OPERATOR, name) for name in ("Acme", "Globex"))
    for minutes, tenant, text in ((1, acme, "a key"), (2, acme, "no word"), (3, globex, "a key, a key"), (4, acme, "")):
        call = builders.generation(START - timedelta(minutes=minutes), tenant.id)
        builders.save(runtime.store, call)
        if text:
            asked = [{"role": "user", "content": text}]
            builders.save(runtime.store, builders.payload(call, 0, asked, '{"said": "key"}', KEPT))
    yield runtime
    runtime.close()


def acme_of(runtime: Runtime) -> Tenant:
    """Return the first tenant."""
    return runtime.tenants.find(LOCAL_OPERATOR, "Acme")


LETTERS = st.text("abk ", max_size=40)


@given(LETTERS)
def test_the_pieces_are_the_text(text: str) -> None:
    """All that is shown is the text, in order, and what stands out is exactly what rules find."""
    guardrails = Guardrails([rule(Word("ab"), Action.REDACT, name="one"), rule(Word("bk"), Action.NOTE, name="two")])
    found = examined(guardrails, text, Stage.INPUT, ManualClock(START))
    assert "".join(piece.text for piece in found.pieces) == text
    assert any(piece.action for piece in found.pieces) == ("ab" in text or "bk" in text)
    assert all("ab" not in piece.text and "bk" not in piece.text for piece in found.pieces if piece.action is None)
    assert found.goes_on is not None
    assert "ab" not in found.goes_on.replace("[redacted: a word]", "/")


def test_the_strongest_of_those_that_meet_is_told() -> None:
    """Where two rules find the same, both are named, and what becomes of it is the stronger action."""
    guardrails = Guardrails([rule(Word("key"), Action.BLOCK, name="one"), rule(Word("a key"), Action.NOTE, name="two")])
    found = examined(guardrails, "This is a key.", Stage.INPUT, ManualClock(START))
    [piece] = [piece for piece in found.pieces if piece.action]
    assert (piece.text, set(piece.guardrails), piece.action) == ("a key", {"one", "two"}, Action.BLOCK)
    assert found.goes_on is None
    assert found.why
    assert "key" not in found.why


def test_who_objects_objects_to_all_of_it() -> None:
    """A judge has no place in a text: all of it stands out."""
    found = examined(Guardrails([rule(Objecting("x"), Action.BLOCK)]), "one x two", Stage.INPUT, ManualClock(START))
    assert [(piece.text, piece.action) for piece in found.pieces] == [("one x two", Action.BLOCK)]


def test_a_text_meets_what_holds_for_its_tenant(proctor: Runtime) -> None:
    """Built-in rules and the tenant's own are asked, another's are not, and nothing is written."""
    acme = acme_of(proctor)
    proctor.guardrails.set(LOCAL_OPERATOR, "short", acme, "length", "block", settings={"most_characters": 60})
    found = proctor.trials.text(LOCAL_OPERATOR, f"Use {SECRET} now.", Stage.INPUT, acme.id)
    assert found.goes_on == "Use [redacted: a GitHub token] now."
    assert [(one.guardrail, one.kind) for one in found.findings] == [("secrets", "a GitHub token")]
    assert proctor.trials.text(LOCAL_OPERATOR, "x" * 61, Stage.INPUT, acme.id).goes_on is None
    globex = proctor.tenants.find(LOCAL_OPERATOR, "Globex")
    assert proctor.trials.text(LOCAL_OPERATOR, "x" * 61, Stage.INPUT, globex.id).goes_on == "x" * 61
    with proctor.store.reading() as session:
        assert session.exec(select(FindingRow)).all() == []


def test_a_rule_is_tried_on_what_is_kept(proctor: Runtime) -> None:
    """Of the newest calls those whose texts are kept are looked through, of one tenant or all; progress is told."""
    heard: list[int] = []
    draft = proctor.guardrails.draft("short", "length", "block", settings={"most_characters": 5}, stages=["input"])

    def told(trial: RuleTrial) -> None:
        heard.append(trial.read)

    trial = proctor.trials.rule(LOCAL_OPERATOR, draft, told=told)
    assert (trial.calls, trial.read, trial.met) == (4, 3, 2)
    assert dict(trial.tenants) == {"Acme": 1, "Globex": 1}
    assert dict(trial.stages) == {"input": 2}
    assert [call.tenant for call, _ in trial.shown] == ["Acme", "Globex"]
    assert heard == [3]
    assert proctor.trials.rule(LOCAL_OPERATOR, draft, acme_of(proctor).id).met == 1
    assert proctor.trials.rule(LOCAL_OPERATOR, draft, route="elsewhere").read == 0
    assert proctor.trials.rule(LOCAL_OPERATOR, draft, most=1).calls == 1


def test_what_is_past_its_time_is_not_read(proctor: Runtime) -> None:
    """Texts that are due to be deleted are not looked at."""
    draft = proctor.guardrails.draft("short", "length", "block", settings={"most_characters": 1})
    clock = proctor.clock
    assert isinstance(clock, ManualClock)
    clock.move_to(KEPT + timedelta(seconds=1))
    assert proctor.trials.rule(LOCAL_OPERATOR, draft).read == 0


@pytest.mark.parametrize(("check", "stage"), [("documents", "input"), ("tools", "output")])
def test_a_rule_that_judges_no_texts_is_not_tried_in_vain(check: str, stage: str, proctor: Runtime) -> None:
    """That nothing would have been caught would be wrong: of calls that are kept only texts are looked at."""
    with pytest.raises(Invalid, match="judges no texts"):
        proctor.trials.rule(LOCAL_OPERATOR, proctor.guardrails.draft("mine", check, "block", stages=[stage]))


def test_who_may_not_read_rules_or_texts_tries_nothing(proctor: Runtime) -> None:
    """What a rule finds tells what it looks for: another tenant's is nobody's to try."""
    acme, globex = acme_of(proctor), proctor.tenants.find(LOCAL_OPERATOR, "Globex")
    who = builders.person("limited", Role.OWNER, acme.id)
    draft = proctor.guardrails.draft("short", "length", "block", settings={"most_characters": 1})
    assert proctor.trials.text(who, "a text", Stage.INPUT, acme.id).goes_on == "a text"
    with pytest.raises(NotFound):
        proctor.trials.text(who, "a text", Stage.INPUT, globex.id)
    assert proctor.trials.rule(who, draft, globex.id) == RuleTrial()
    assert set(proctor.trials.rule(who, draft).tenants) == {"Acme"}
