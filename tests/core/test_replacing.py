"""Replaced data: one name for one datum, of its form and nobody's; put back for who sent it, and kept nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.detection.personal import TOLD, PersonalDetector
from core.detection.placeholders import PlaceholderSearch, placeholder, tags_in
from core.detection.secrets import SecretDetector
from core.errors import GuardrailBlocked, Invalid
from core.guardrails import Action, Guardrail, Guardrails, GuardrailTerms, Placeholders, Stage, guardrail_of
from core.guardrails import settings_text as settings
from core.own_keys import OwnKeys, read_keys
from core.principals import LOCAL_OPERATOR
from core.redactions import fitting
from core.response_models import response_model
from core.tables import Outcome
from tests.corridor import OPENAI, Rig, rig
from tests.patched import applied
from tests.searches import Objecting, Word, rule
from tests.wire.server import WireServer

JANE, BOB = "jane@example.org", "bob.miller@example.org"
_NUMBERS = ("+49 30 901820", "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "81.2.69.142")
DATA = (JANE, BOB, *_NUMBERS, "2a02:2e0:3fe:1001::9")
KEY = b"k" * 32


def personal(**more: Any) -> Guardrail:
    """Return the rule that replaces personal data in both directions, and puts back what was in the request."""
    given = {"restore": True, **more}
    return guardrail_of(GuardrailTerms("people", "personal", Action.REPLACE, frozenset(Stage), settings(given)))


IN = replace(personal(), stages=frozenset({Stage.INPUT}))
"""The same for requests alone."""


def a_call(*texts: str, rules: tuple[Guardrail, ...] = ()) -> Guardrails:
    """Return what is at work in a call in which *texts* are the caller's."""
    return Guardrails(rules or (personal(),)).of_call(Placeholders(KEY, lambda: texts))


def sent(guardrails: Guardrails, text: str) -> str:
    """Return what goes on of a text of the request."""
    return guardrails.screen_value(text, Stage.INPUT, [])


def back(guardrails: Guardrails, text: str) -> str:
    """Return what the caller gets of a text of the answer."""
    allowed = guardrails.screen_value(text, Stage.OUTPUT, [])
    giving = guardrails.giving_back
    return giving.text(allowed, []) if giving else allowed


texts = st.lists(
    st.sampled_from([*DATA, " ", " and ", "\n", "(", '"', "ip: ", "[", "]", "_", "redacted-", "0000", "é"])
    | st.text("ab1_[]@.+:-İ ", max_size=8),
    max_size=10,
).map("".join)

# ── Placeholders ──────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.sampled_from([*sorted(TOLD), "a person's name", "text of pattern 3", "!"]), st.data())
def test_no_guardrail_finds_a_placeholder(kind: str, data: st.DataObject) -> None:
    """Whatever stands before it: else what stands for a datum would be taken for one."""
    number = data.draw(st.integers(0, 2**256 - 1))
    before = data.draw(st.sampled_from(["", "phone ", "IBAN: ", "my card number is ", "IP ", "(", "email=", "SSN "]))
    was = data.draw(st.sampled_from(["81.2.69.142", "2a02:2e0:3fe::1"]))
    text = before + placeholder(kind, was, number).written + data.draw(st.sampled_from(["", ".", ", and", ")"]))
    assert PersonalDetector(regions=["US", "DE", "NL"]).find(text) == []
    assert SecretDetector().find(text) == []


@given(st.lists(st.tuples(st.sampled_from([*sorted(TOLD), "a name"]), st.integers(0, 2**256 - 1)), min_size=1), texts)
def test_a_placeholder_is_seen_where_it_stands(drawn: list[tuple[str, int]], around: str) -> None:
    """In whatever case, with or without its brackets; and its tag shows in every text that holds it."""
    for made in [placeholder(kind, "", number) for kind, number in drawn]:
        for spelled in (made.written, made.written.upper(), made.written.lower(), made.written.strip("[]")):
            text = f"{around} {spelled} {around}"
            assert [text[a:b] for a, b, _ in PlaceholderSearch([made]).find(text)] == [spelled]
            assert made.tag in tags_in([text])


def test_equal_data_have_one_placeholder_and_others_another() -> None:
    """Spellings of one datum share it; another tenant's key, and what a caller wrote himself, give another."""
    call = a_call()
    same = sent(call, f"{JANE} JANE@example.org +49 30 901820 +49-30/901820 {BOB}").split()
    assert same[0] == same[1]
    assert same[2] == same[3]
    assert len(set(same)) == 3
    assert sent(a_call(), JANE) == same[0], "in every process"
    other = Guardrails([personal()]).of_call(Placeholders(b"o" * 32))
    assert sent(other, JANE) != same[0]
    assert back(call, f"{same[1]} {same[3].upper()}") == f"{JANE} +49 30 901820", "as it was written first"


def test_tenants_and_deployments_name_data_apart() -> None:
    """The key of names follows from the deployment's and the tenant; without one from the tenant alone."""
    keyed = OwnKeys(hash_keys=read_keys("qL0cP1ur0YFvHhHVpWk1cTQbJ5yq5l6V4sXo0P2n3eA="))
    found = {one.placeholder_key(tenant) for one in (keyed, OwnKeys()) for tenant in ("a", "b")}
    assert len(found) == 4
    assert keyed.placeholder_key("a") == OwnKeys(hash_keys=keyed.hash_keys).placeholder_key("a")


def test_a_tag_that_others_have_is_not_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two data would have one name, the second gets another: none is put back in the place of another."""
    import core.guardrails._replacing as replacing

    real = replacing.placeholder
    monkeypatch.setattr(replacing, "placeholder", lambda kind, text, number: real(kind, text, number % 2))
    call = a_call()
    one, two = sent(call, JANE), sent(call, BOB)
    assert one != two
    assert back(call, f"{two} {one}") == f"{BOB} {JANE}"


# ── There and back ────────────────────────────────────────────────────────────────────────────────────────────────────


@given(texts)
@example(f"{JANE}{BOB}")
@example(f"redacted-aaaaaaaaaaaa@example.invalid {JANE}")
def test_what_is_replaced_and_put_back_is_what_it_was(text: str) -> None:
    """For any text: nothing that the rule finds is in what is sent, and the caller gets his own."""
    call = a_call(text, rules=(IN,))
    there = sent(call, text)
    found, rest = PersonalDetector().find(text), text
    for one in reversed(found):
        rest = f"{rest[: one.start]}\0{rest[one.end :]}"
    assert all(there.count(text[one.start : one.end]) == rest.count(text[one.start : one.end]) for one in found)
    assert back(call, there) == text


@given(st.lists(st.sampled_from(DATA), min_size=1), st.sampled_from([", ", " and ", "\n", "; "]))
def test_a_list_comes_back_through_its_own_rule(data: list[str], between: str) -> None:
    """Where the same rule looks at the answer, it finds no placeholder, and nothing of what is put back."""
    call, text = a_call(), f"Write to {between.join(data)} today."
    assert back(call, sent(call, text)) == text


@given(texts, st.sampled_from(DATA))
def test_what_a_caller_wrote_is_never_taken_for_a_placeholder_of_ours(text: str, datum: str) -> None:
    """A document that holds the very name of a datum gets nothing put in its place."""
    known = sent(a_call(), datum)
    call = a_call(f"{text} {known}", datum)
    there = sent(call, datum)
    assert there.lower() != known.lower()
    assert back(call, f"{known}|{known.upper()}") == f"{known}|{known.upper()}"
    assert back(call, there) == datum


def test_a_datum_of_which_one_rule_says_so_is_never_put_back() -> None:
    """What a rule takes that does not restore is in no table, whoever else finds it."""
    silent = rule(Word(JANE, "a listed word"), Action.REPLACE, name="silent")
    call = a_call(rules=(personal(), silent))
    there = sent(call, f"{JANE} {BOB}")
    assert back(call, there) == f"{there.split()[0]} {BOB}"
    redacted = a_call(rules=(personal(), rule(Word(JANE), Action.REDACT)))
    assert sent(redacted, JANE) == "[redacted: a word]"
    assert redacted.giving_back is None


def test_the_rest_is_screened_for_the_others() -> None:
    """What a model made up is taken out as ever, what was put back is not, and what arises by that is looked at."""
    redacts = guardrail_of(GuardrailTerms("mail", "personal", Action.REDACT, frozenset({Stage.OUTPUT})))
    call = a_call(rules=(IN, redacts, rule(Word("org evil", "a listed word"), Action.BLOCK, Stage.OUTPUT)))
    name = sent(call, JANE)
    assert back(call, f"{name} and also {BOB}") == f"{JANE} and also [redacted: an e-mail address]"
    assert back(call, f"x{name}") == "[redacted: an e-mail address]", "it is another's now"
    with pytest.raises(GuardrailBlocked):
        back(call, f"{name} evil")


class Asking(Objecting):
    """Asks somebody else."""


def test_who_asks_others_never_sees_what_is_put_back() -> None:
    """A judge that does not say that it may is heard before, on placeholders."""
    asking = rule(Asking(JANE), Action.BLOCK, Stage.OUTPUT, name="others")
    call = a_call(rules=(personal(), asking))
    assert back(call, sent(call, JANE)) == JANE


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draw a request, and an answer in pieces in which placeholders of it stand, whole, begun and spelled otherwise."""
    asked = " and ".join(draw(st.lists(st.sampled_from(DATA), min_size=1, max_size=3)))
    names = a_call().screen_value("\n".join(DATA), Stage.INPUT, []).split("\n")
    spelled = st.sampled_from(names).flatmap(
        lambda name: st.sampled_from([name, name.upper(), name.strip("[]"), name[:9], name[1:], f"[{name}"])
    )
    answer = "".join(draw(st.lists(spelled | texts, max_size=6)))
    cuts = sorted({0, len(answer), *draw(st.lists(st.integers(0, len(answer)), max_size=12))})
    return asked, [answer[start:end] for start, end in pairwise(cuts)]


@given(streams(), st.booleans())
def test_a_stream_shows_beginnings_of_the_restored_whole(drawn: tuple[str, list[str]], is_followed: bool) -> None:  # noqa: FBT001
    """However it is cut, nothing that is shown is taken back, and at its end it is what the whole is."""
    asked, pieces = drawn
    more = rule(Word("an", "a listed word"), Action.REDACT, Stage.OUTPUT)
    call = a_call(rules=(personal(), more) if is_followed else (personal(),))
    sent(call, asked)
    giving = call.giving_back
    assert giving is not None
    whole, so_far = back(call, "".join(pieces)), ""
    growing = giving.screened_text()
    for piece in pieces:
        growing.add(piece)
        growing.news()
        so_far += piece
        assert whole.startswith(growing.shown())
        assert whole.startswith(giving.screen_partial(so_far, so_far))
    growing.news(is_last=True)
    assert growing.shown() == whole


# ── Rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("check", "action", "given", "sentence"),
    [
        ("secrets", Action.REPLACE, {"restore": True}, "Secrets are never restored."),
        ("encoded", Action.REPLACE, {"restore": True}, "Secrets are never restored."),
        ("personal", Action.REDACT, {"restore": True}, "the action is redact: take replace"),
        ("personal", Action.REPLACE, {"restore": "yes"}, "restore is true or false"),
        ("length", Action.REPLACE, {}, "cannot be treated as 'replace'"),
    ],
)
def test_what_cannot_be_restored_is_refused(
    check: str, action: Action, given: Mapping[str, Any], sentence: str, proctor: Rig
) -> None:
    """One sentence says why, when the rule is saved."""
    with pytest.raises(Invalid, match=sentence):
        proctor.runtime.guardrails.set(LOCAL_OPERATOR, "x", proctor.tenant(), check, action.value, settings=given)


def test_an_answer_that_is_replaced_is_valid() -> None:
    """A placeholder has its datum's form; what the schema lists is let be, but for secrets."""
    schema = {
        "type": "object",
        "properties": {
            "mail": {"type": "string", "format": "email"},
            "ip": {"type": "string", "format": "ipv4"},
            "phone": {"type": "string", "pattern": r"^\+[1-9]\d{6,14}$"},
            "iban": {"type": "string", "pattern": r"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$"},
            "card": {"type": "string", "pattern": r"^\d{16}$"},
            "desk": {"enum": [BOB]},
            "n": {"type": "integer"},
        },
    }
    value = {
        "mail": JANE,
        "ip": "81.2.69.142",
        "phone": "+4930901820",
        "iban": "DE89370400440532013000",
        "card": "4111111111111111",
        "desk": BOB,
        "n": 9007199254740993,
    }
    call = a_call()
    new = call.screen_value(value, Stage.OUTPUT, [])
    fitted = fitting(value, new, response_model(schema, "x"), call.replaced_in)
    assert fitted == {**new, "desk": BOB}
    assert not set(value.values()) - {BOB, value["n"]} & set(fitted.values())
    assert call.giving_back is None, "what only a model said is nobody's to get back"


# ── In calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def proctor(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor on the fake providers."""
    path = tmp_path_factory.mktemp("replacing") / "proctor.db"
    path.write_bytes(sqlite_template.read_bytes())
    with WireServer() as wire, rig(wire, f"sqlite:///{path}") as running:
        yield running


def replacing(proctor: Rig, **more: Any) -> Any:
    """Return a tenant whose personal data are replaced, and put back unless *more* says another."""
    tenant = proctor.tenant()
    given = {"restore": True, **more}
    proctor.runtime.guardrails.set(LOCAL_OPERATOR, "people", tenant, "personal", "replace", settings=given)
    return tenant


def about(*people: str, tags: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Return messages that name *people*, to which a model answers with the first of them."""
    said = {"name": people[0], "age": 1, "tags": list(tags or people)}
    return [{"role": "user", "content": f"Write to {' and '.join(people)}. <<{json.dumps(said)}>>"}]


@pytest.mark.parametrize("stream", [None, "whole", "patch"])
def test_the_caller_gets_what_nobody_else_sees(stream: str | None, proctor: Rig) -> None:
    """Neither the provider, nor what is kept of the call, nor a finding has the datum; the caller gets it back."""
    tenant = replacing(proctor)
    more = {} if stream is None else {"stream": True, "partials": stream}
    heard = proctor.ask(tenant, messages=about(JANE, BOB, "+49 30 901820"), **more)
    assert heard.generation.value == {"name": JANE, "age": 1, "tags": [JANE, BOB, "+49 30 901820"]}
    assert heard.generation.outcome is Outcome.VALID_FIRST_TRY
    for datum in (JANE, BOB, "901820"):
        assert datum not in f"{proctor.wire.ledger.calls()[-1].request}"
        assert datum not in f"{proctor.written(heard.generation.id)}"
        assert datum not in f"{heard.generation.kept} {heard.generation.trace}"
    written = proctor.written(heard.generation.id)
    assert {one.action for one in written.findings} == {"replace"}
    assert [step["reason"] for step in heard.generation.trace if step["verdict"] == "restored"] == [
        "What was replaced in the request was put back into the answer, 4 times."
    ]
    shown: Any = None
    for partial in heard.partials:
        shown = applied(shown, partial.patch) if partial.patch is not None else partial.value
        assert JANE.startswith(shown.get("name", "")), shown
        assert "redacted-" not in f"{shown}"
    assert stream != "patch" or shown == heard.generation.value


def test_names_stay_over_calls(proctor: Rig) -> None:
    """The next call of a conversation has the same ones; another tenant has others; without the setting they stay."""
    tenant, other = replacing(proctor), replacing(proctor, restore=False)
    first = proctor.ask(tenant, messages=about(JANE, BOB)).generation
    again = proctor.ask(tenant, messages=about(BOB, JANE)).generation
    assert first.kept is not None
    assert again.kept is not None
    assert first.kept.value["tags"] == again.kept.value["tags"][::-1]
    kept = proctor.ask(other, messages=about(JANE)).generation
    assert kept.kept is None
    assert kept.value["name"].endswith("@example.invalid")
    assert kept.value["name"] != first.kept.value["name"]


def test_an_answer_from_the_cache_is_restored_for_who_asks(proctor: Rig) -> None:
    """It is kept with placeholders, and each who asks gets his own spelling."""
    tenant, route = replacing(proctor), proctor.route(OPENAI, cache_seconds=60)
    first = proctor.ask(tenant, messages=about(JANE), route=route).generation
    asked = about(JANE)
    asked[0]["content"] = asked[0]["content"].replace("jane", "Jane")
    again = proctor.ask(tenant, messages=asked, route=route).generation
    assert again.answered_from == first.id
    assert again.value["name"] == "Jane@example.org"
    assert (
        JANE
        not in proctor.runtime.store.read_one(
            proctor.runtime.store.prepare("SELECT group_concat(result) FROM claim"), {}
        )[0]
    )


def test_a_schema_that_comes_along_is_that_of_the_caller(proctor: Rig) -> None:
    """What is replaced in it is put back in the answer, which then satisfies what he asked; else he is told."""
    tenant = replacing(proctor)
    schema = {"type": "object", "properties": {"to": {"enum": [JANE, BOB]}}, "required": ["to"]}
    made = proctor.ask(tenant, schema=schema, messages=[{"role": "user", "content": f'<<{{"to": "{BOB}"}}>>'}])
    assert made.generation.value == {"to": BOB}
    assert BOB not in f"{proctor.wire.ledger.calls()[-1].request}"
    short = {"type": "object", "properties": {"to": {"type": "string", "pattern": "invalid$"}}, "required": ["to"]}
    told = proctor.ask(tenant, schema=short, messages=[{"role": "user", "content": f'<<{{"to": "{BOB}"}}>>'}])
    assert told.generation.outcome is Outcome.BLOCKED_GUARDRAIL
    assert told.error is not None
    assert told.error.message == (
        "The answer was held back: with what was replaced in the request put back into it, it is not valid any more "
        "($.to: string_pattern_mismatch)."
    )
