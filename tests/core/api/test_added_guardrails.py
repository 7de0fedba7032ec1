"""A caller may add guardrails to one call: none that holds is taken away by what he sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.errors import Invalid
from core.guardrails import Guardrails, Stage, added_by_caller
from core.guardrails._added import ADDABLE
from core.guardrails.checks import NAMES
from tests.core.api.conftest import House

MAIL = "jane@example.com"
SECRET = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
LONG = [f"{number} {'x' * 190}" for number in range(25)]
_OPERATORS = {
    "classifier": "it asks a model, which the tenant pays for",
    "documents": "it has a worker read for seconds, which all tenants share",
    "moderation": "it asks a provider with a key of whoever runs the deployment",
    "names": "one process finds them for all tenants",
    "tools": "it is about what a model may do, not about what is written",
    "webhook": "it sends texts to an address, which is not for callers to choose",
}
"""Checks that no caller may add, and why."""


def test_every_check_can_be_added_or_there_is_a_reason() -> None:
    """A new check is one of the two."""
    assert set(ADDABLE) | set(_OPERATORS) == set(NAMES)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["no-such"], "guardrails[0]: a caller can add encoded, hidden"),
        (["classifier"], "'classifier' is none of these."),
        ([{"check": "personal", "off": True}], "guardrails[0] is the name of a check, or an object with check, action"),
        ([{"secrets": False}], "guardrails[0] is the name of a check"),
        ([7], "guardrails[0] is the name of a check"),
        ([{"check": "length", "action": "redact"}], "guardrails[0]: what length finds cannot be treated as 'redact'."),
        ([{"check": "words", "stages": []}], "guardrails[0] is the name of a check"),
        (["personal", "words"], "guardrails[1]: There is nothing to look for: give words or domains."),
        ([{"check": "words", "settings": {"words": ["x" * 9_000]}}], "settings has at most 8,000 characters."),
        (["hidden"] * 11, "'guardrails' has at most 10 entries; this has 11."),
        ([{"check": "words", "settings": {"words": LONG}}] * 2, "has at most 8,000 characters together."),
    ],
)
def test_what_cannot_be_added_is_told(given: list[Any], says: str) -> None:
    """One sentence says which and why."""
    with pytest.raises(Invalid) as told:
        added_by_caller(given)
    assert says in str(told.value)


def test_what_is_added_stands_beside_what_holds() -> None:
    """By another name for each that is added, so that no answer of another is given again; the policy is the same."""
    usual = Guardrails()
    assert usual.and_those(added_by_caller([])) is usual
    one, two = (
        usual.and_those(added_by_caller([{"check": "words", "settings": {"words": [word]}}])) for word in ("a", "b")
    )
    assert len({usual.names, one.names, two.names}) == 3
    assert usual.described == one.described
    assert one.screen_value(f"a {SECRET}", Stage.INPUT, []) == "[redacted: a listed word] [redacted: a GitHub token]"


@pytest.mark.parametrize("sent", [[], None, ["hidden"], [{"check": "secrets", "action": "note"}]])
def test_nothing_that_is_sent_takes_a_rule_away(sent: Any, client: TestClient, house: House) -> None:
    """The built-in rule redacts whatever a caller says of it."""
    asked = house.ask() | {"input": f"My token is {SECRET}.", "guardrails": sent}
    answered = client.post("/v1/generate", json=asked)
    assert answered.status_code == 200
    assert SECRET not in f"{house.wire.ledger.calls()[-1].request}"


def test_a_caller_adds_a_rule_to_his_call(client: TestClient, house: House) -> None:
    """It holds for this one; the finding and the trace tell whose it is."""
    plain = client.post("/v1/generate", json=house.ask() | {"input": f"Write to {MAIL}."}).json()
    assert MAIL in f"{house.wire.ledger.calls()[-1].request}"
    asked = house.ask() | {"input": f"Write to {MAIL}.", "guardrails": ["personal"]}
    added = client.post("/v1/generate", json=asked).json()
    assert MAIL not in f"{house.wire.ledger.calls()[-1].request}"
    assert {"Beside the tenant's rules hold for this call caller: personal (redact)."} == {
        step["reason"] for step in added["trace"] if step["verdict"] == "guardrails added"
    }
    assert any("caller: personal found an e-mail address in user text." in step["reason"] for step in added["trace"])
    assert not any(step["verdict"] == "guardrails added" for step in plain["trace"])
    refused = client.post("/v1/generate", json=asked | {"guardrails": [{"check": "personal", "action": "block"}]})
    assert (refused.status_code, refused.json()["code"]) == (422, "guardrail_blocked")
    wrong = client.post("/v1/generate", json=asked | {"guardrails": ["no-such"]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


def test_at_the_vendors_doors_a_header_adds_it(client: TestClient, house: House) -> None:
    """It goes on to no vendor, belongs to the request's identity, and is refused where it cannot be read."""
    said = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": f"Write to {MAIL}."}]}
    headers = {"X-Proctor-Guardrails": json.dumps(["personal"]), "Idempotency-Key": "one"}
    assert client.post("/v1/chat/completions", json=said, headers=headers).status_code == 200
    assert MAIL not in f"{house.wire.ledger.calls()[-1].request}"
    other = client.post("/v1/chat/completions", json=said, headers={"Idempotency-Key": "one"})
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    for wrong in ("off", "{}", '["no-such"]'):
        refused = client.post("/v1/chat/completions", json=said, headers={"X-Proctor-Guardrails": wrong})
        assert refused.status_code == 400
        assert "X-Proctor-Guardrails" in refused.json()["error"]["message"]
    assert len(house.wire.ledger.calls()) == 1
