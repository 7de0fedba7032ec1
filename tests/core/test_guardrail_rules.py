"""Rules of the guardrails: what may be set, and that it holds with the next call, for whom it says and nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import Conflict, GuardrailBlocked, Invalid, NotFound
from core.flags import Flag
from core.principals import LOCAL_OPERATOR
from core.tables import Outcome
from tests.corridor import OPENAI, Rig, rig
from tests.wire.server import WireServer

WHO = LOCAL_OPERATOR
KEY = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.fixture(scope="module")
def proctor(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor on the fake providers."""
    path = tmp_path_factory.mktemp("rules") / "proctor.db"
    path.write_bytes(sqlite_template.read_bytes())
    with WireServer() as wire, rig(wire, f"sqlite:///{path}") as running:
        yield running


def ask(proctor: Rig, tenant: Any, text: str = f"My token is {KEY}.", **more: Any) -> Any:
    """Ask with a text in which there is a token."""
    return proctor.ask(tenant, messages=[{"role": "user", "content": text}], **more)


@pytest.mark.parametrize("stream", [False, True])
def test_a_rule_holds_with_the_next_call_of_its_tenant(*, stream: bool, proctor: Rig) -> None:
    """Made, changed, switched off by its flag and removed: each holds at once, and for nobody else."""
    rules, flags = proctor.runtime.guardrails, proctor.runtime.flags
    tenant, other = proctor.tenant(), proctor.tenant()
    assert ask(proctor, tenant, stream=stream).error is None

    rules.set(WHO, "no tokens", tenant, "secrets", "block", stages=["input"])
    heard = ask(proctor, tenant, stream=stream)
    assert isinstance(heard.error, GuardrailBlocked)
    assert heard.error.message == "The request was not sent: the guardrail no tokens found a GitHub token in it."
    assert heard.generation.outcome is Outcome.BLOCKED_GUARDRAIL
    assert KEY not in f"{proctor.written(heard.generation.id)}"
    assert ask(proctor, other, stream=stream).error is None

    flags.set(WHO, "guardrail:no tokens", tenant, False)
    assert ask(proctor, tenant, stream=stream).error is None
    flags.clear(WHO, "guardrail:no tokens", tenant)
    assert ask(proctor, tenant, stream=stream).error is not None
    rules.set(WHO, "no tokens", tenant, "secrets", "block", stages=["input"], exceptions=[KEY])
    assert ask(proctor, tenant, stream=stream).error is None
    assert ask(proctor, tenant, KEY.replace("a1", "b1"), stream=stream).error is not None
    rules.set(WHO, "no tokens", tenant, "secrets", "block", stages=["input"], is_on=False)
    assert ask(proctor, tenant, stream=stream).error is None
    rules.remove(WHO, "no tokens", tenant)
    assert ask(proctor, tenant, stream=stream).error is None


def test_rules_of_a_tenant_and_of_all_add_up_by_route(proctor: Rig) -> None:
    """What holds for all holds beside a tenant's own; one with a route holds there alone; the policy names them."""
    rules, tenant = proctor.runtime.guardrails, proctor.tenant()
    route = proctor.route(OPENAI, deadline_seconds=59)
    rules.set(WHO, "long", None, "length", "note", settings={"most_characters": 5}, stages=["input"])
    rules.set(WHO, "no tokens", tenant, "secrets", "block", route=route, stages=["input"])
    try:
        free = ask(proctor, tenant).generation
        held = ask(proctor, tenant, route=route)
        assert {step["verdict"] for step in free.trace if step["room"] == "screen in"} == {"redact", "note"}
        assert held.error is not None
        policy = proctor.written(held.generation.id).policy
        assert [one["name"] for one in policy["guardrails"]] == ["length", "secrets", "long", "no tokens"]
    finally:
        rules.remove(WHO, "long", None)


def test_what_is_built_in_can_be_switched_off(proctor: Rig) -> None:
    """By the flag of its name, which the trace tells."""
    tenant = proctor.tenant()
    proctor.runtime.flags.set(WHO, "guardrail:secrets", tenant, False)
    heard = ask(proctor, tenant)
    assert KEY in f"{proctor.wire.ledger.calls()[-1].request}"
    assert [step["reason"] for step in heard.generation.trace if step["verdict"] == "flags"] == [
        "guardrail:secrets is off by the tenant's own rule (TARGETING_MATCH)."
    ]
    assert proctor.runtime.flags.held(WHO, tenant)[Flag.GENERATION].value


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": ""}, "A rule's name is one line of 1 to 60 characters, without blanks around it."),
        ({"name": "a\u202eb"}, "A rule's name is one line of 1 to 60 characters"),
        ({"name": "secrets"}, "secrets is built in. Give the rule a name of its own"),
        ({"check": "nothing"}, "There is no check 'nothing'."),
        ({"action": "redact"}, "What length finds cannot be treated as 'redact'. It can: note, block."),
        ({"stages": []}, "length looks at input and output; a rule names one side at least, and no other."),
        ({"stages": ["input", "both"]}, "a rule names one side at least, and no other."),
        ({"settings": {"most": 1}}, "This check has no setting 'most'. It has most_characters."),
        ({"settings": {"most_characters": 0}}, "most_characters is a whole number from 1 to 100,000,000."),
        ({"exceptions": [""]}, "A rule has at most 1,000 exceptions, none of them empty."),
        ({"exceptions": ["a" * 1_000_001]}, "at most 1,000,000 characters together."),
        ({"position": -1}, "The position of a rule is a whole number from 0 to 10,000."),
        ({"route": "nowhere"}, "There is no route 'nowhere'. Without one a rule holds on every route."),
    ],
)
def test_what_a_rule_cannot_have_changes_nothing(given: dict[str, Any], sentence: str, proctor: Rig) -> None:
    """One sentence says what; the rule that was there stays."""
    rules, tenant = proctor.runtime.guardrails, proctor.tenant()
    rules.set(WHO, "long", tenant, "length", "note")
    fields = {"name": "long", "check": "length", "action": "block"} | given
    with pytest.raises((Invalid, NotFound), match=re.escape(sentence)):
        rules.set(WHO, fields.pop("name"), tenant, fields.pop("check"), fields.pop("action"), **fields)
    [rule] = [one for one in rules.list(WHO) if one.tenant_id == tenant.id]
    assert (rule.action, rule.version) == ("note", 1)


def test_rules_are_bounded(proctor: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is asked about every text, so there is an end to them; the same one again is no change."""
    monkeypatch.setattr("core.guardrail_rules._rules._MOST", 2)
    rules, tenant = proctor.runtime.guardrails, proctor.tenant()
    for name in ("one", "two", "two"):
        rules.set(WHO, name, tenant, "length", "note")
    assert {one.version for one in rules.list(WHO) if one.tenant_id == tenant.id} == {1}
    with pytest.raises(Conflict, match="There are 2 rules for"):
        rules.set(WHO, "three", tenant, "length", "note")
