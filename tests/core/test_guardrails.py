"""Guardrails: what they find, what they leave alone, and that nothing passes them, in a stream least of all."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.detection import Span
from core.detection.folding import folded
from core.detection.secrets import SecretDetector
from core.errors import GuardrailBlocked, Invalid, NotFound
from core.guardrails import (
    Action,
    Finding,
    Guardrail,
    Guardrails,
    GuardrailTerms,
    Stage,
    guardrail_of,
    search_of,
    settings_text,
)
from core.guardrails.checks.length import MOST_CHARACTERS
from core.json_values import JsonValue
from core.tables import Outcome
from tests.builders import person
from tests.corridor import OPENAI, Rig, rig
from tests.messages import as_messages
from tests.searches import Objecting, Word, rule, usual
from tests.wire.server import WireServer

USUAL = Guardrails()
SECRETS = {
    "an OpenAI key": "sk-proj-Zx81kPq0Lm3nVb7cXz92AsDfGh45",
    "an AWS access key": "AKIAQ7XEKAMPLE7JKL52",
    "a GitHub token": "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "a Slack token": "xoxb-918273645546-918273645541-abcDEFghiJKL4mNo9Pq2Rs7T",
    "a JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "a private key": f"-----BEGIN RSA PRIVATE KEY-----\n{'MIIEowIBAAKCAQEA' * 3}\n-----END RSA PRIVATE KEY-----",
}
MORE = (
    f"sk-ant-api03-{'0aB3-xYz9_Qw' * 7}0123456aBAA",
    "prk_0123456789abcdefghijABCDEFGHIJ",
    "sk_live_0123456789abcdefghij",
)
HARMLESS = (
    "",
    "The task-force asked the desk-clerk for a risk-free disk.",
    "sk-short and AKIA123 and ghp_tooshort and xox and eyJ.a.b",
    "Invoice 2031, 3 lamps at 40 EUR; IBAN DE89 3704 0044 0532 0130 00.",
    "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "{{ 7*7 }} {% raw %} ${x} <script>alert(1)</script>",
)


def _escaped(document: str) -> bytes:
    """Return a JSON document with every letter and hyphen of its texts as an escape."""
    return re.sub(r"(?<!\\)[-_A-Za-z]", lambda found: f"\\u{ord(found[0]):04x}", document).encode()


def _wide(document: str) -> bytes:
    """Return it with two bytes to a character, which Python's reader takes as well."""
    return document.encode("utf-16")


class Counting(SecretDetector):
    """The search for secrets, which counts what it judges."""

    def __init__(self) -> None:
        super().__init__()
        self.judged = 0

    def find(self, text: str) -> list[Span]:
        """Search *text*."""
        self.judged += len(text)
        return super().find(text)


def screened(text: str, guardrails: Guardrails = USUAL) -> tuple[str, list[Finding]]:
    """Return a text of an answer as it goes on, and what was found."""
    findings: list[Finding] = []
    return guardrails.screen_value(text, Stage.OUTPUT, findings), findings


def by_now(text: str, guardrails: Guardrails = USUAL) -> str:
    """Return what is shown of a text that is still being written."""
    return guardrails.screen_partial(text, text)


@pytest.mark.parametrize("secret", [*SECRETS.values(), *MORE])
@pytest.mark.parametrize("around", ["{}", "My key is {}, keep it.", '"{}"', "a={}\nb", "({})"])
def test_credentials_are_redacted(around: str, secret: str) -> None:
    """Whatever stands around it, a credential leaves a mark in its place, and the reason holds nothing of it."""
    text, [finding] = screened(around.format(secret))

    assert finding.action is Action.REDACT
    before, after = around.split("{}")
    assert text.startswith(f"{before}[redacted: a")
    assert text.endswith(f"]{after}")
    assert secret not in finding.reason


@pytest.mark.parametrize("name", SECRETS)
def test_the_mark_names_what_was_there(name: str) -> None:
    """A reader of the redacted text knows what is missing."""
    assert screened(f"see {SECRETS[name]}")[0] == f"see [redacted: {name}]"


def test_several_are_redacted_at_once() -> None:
    """All credentials of a text go, and each kind is told once, with how often it was there."""
    text, findings = screened(" and ".join([*SECRETS.values(), *SECRETS.values()]))

    assert not any(secret in text for secret in SECRETS.values())
    assert sorted(one.reason.replace(f" ({one.shape})", "") for one in findings) == sorted(
        f"secrets found {kind} (2 times). It was redacted." for kind in SECRETS
    )


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_alike_passes_untouched(text: str) -> None:
    """Ordinary text goes on as it is, in one piece or in parts."""
    assert screened(text) == (text, [])


@given(before=st.text(max_size=20), after=st.text(max_size=20), secret=st.sampled_from([*SECRETS.values(), *MORE]))
@example(before="0\u00ad", after="", secret=SECRETS["an OpenAI key"])
def test_no_part_of_a_stream_shows_a_credential(before: str, after: str, secret: str) -> None:
    """However far a text has come, no eight characters of a credential in it can be seen."""
    seen = folded(before).text  # what nobody sees parts nothing
    if seen[-1:].isalnum() or seen.endswith(("-", "_")):
        before += " "
    text = f"{before}{secret} {after}"
    body = secret.removeprefix("-----BEGIN RSA PRIVATE KEY-----").removesuffix("-----END RSA PRIVATE KEY-----")
    pieces = [body[start : start + 8] for start in range(len(body) - 7)]
    for length in range(len(text) + 1):
        shown = by_now(text[:length])
        assert not [piece for piece in pieces if piece in shown and piece not in before + after]


@given(
    st.lists(
        st.sampled_from(
            ["The", "invoice", "of", "October:", "is", "paid,", "12", "seats.", "\u4f60\u597d", "\u00e9t\u00e9"]
        )
    )
)
def test_a_stream_of_harmless_words_is_shown_as_it_comes(words: list[str]) -> None:
    """A word that has ended and proves nothing is not held back."""
    text = "".join(f"{word} " for word in words)
    assert by_now(text) == text


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[list[str], bool]:
    """Draw a text with credentials, and things like them, in pieces; and whether another check follows."""
    parts = st.text(max_size=12) | st.sampled_from(
        [*SECRETS.values(), *MORE, *HARMLESS, " ", "\n", "-----", "sk-", "é"]
    )
    text = "".join(draw(st.lists(parts, max_size=8)))
    cuts = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=12))})
    return [text[start:end] for start, end in itertools.pairwise(cuts)], draw(st.booleans())


@given(cut_texts())
@example((["a text and eyJ.a.b\n"], False))  # a line's end is not the text's
def test_what_is_shown_of_a_growing_text_is_a_beginning_of_the_whole(drawn: tuple[list[str], bool]) -> None:
    """However a text is cut, nothing shown of it is taken back, and in the end it is what a look at all of it gives."""
    pieces, is_followed = drawn
    guardrails = usual(rule(Word("redac"), Action.REDACT), rule(Word("e"), Action.REDACT)) if is_followed else USUAL
    growing, shown, so_far = guardrails.screened_text(), "", ""
    whole, _ = screened("".join(pieces), guardrails)
    for piece in pieces:
        growing.add(piece)
        so_far += piece
        shown += growing.news()
        assert shown == growing.shown()
        assert whole.startswith(shown)
        assert whole.startswith(by_now(so_far, guardrails))
    assert shown + growing.news(is_last=True) == whole


def test_settled_text_is_not_judged_again() -> None:
    """Of a long text only what is new is judged; of one that never settles, an eighth must be new."""
    for piece, most in (("some words ", 3.0), ("oneword", 24.0)):
        counting = Counting()
        growing = Guardrails([rule(counting, Action.REDACT)]).screened_text()
        for _ in range(10_000):
            growing.add(piece)
            growing.news()
        growing.news(is_last=True)
        assert growing.shown() == piece * 10_000
        beginning = 2 * 4_000 * 4_000 / len(piece)
        assert counting.judged < most * len(piece) * 10_000 + (beginning if most > 3 else 0)


# ── Several rules ─────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.permutations([rule(Word("abc", "three"), Action.REDACT), rule(Word("bcd", "else"), Action.REDACT, name="b")]))
def test_all_rules_judge_the_text_as_it_came(members: list[Guardrail]) -> None:
    """What one rule takes out hides nothing from another, in whatever order they stand."""
    guardrails = Guardrails([*members, rule(Word("d", "a letter"), Action.REDACT, name="d")])
    text, findings = screened("xabcdx", guardrails)

    assert text.startswith("x[redacted: ")
    assert text.endswith("]x")
    assert "d" not in text.removeprefix("x[redacted: ").replace("redacted", "").replace("three", "").replace("else", "")
    assert sorted(one.guardrail for one in findings) == ["b", "d", "test"]


def test_to_block_goes_before_to_redact_and_that_before_to_note() -> None:
    """What decides is the action, not the order; each finding is told, and no text of it."""
    block = rule(Word("evil.example", "a domain"), Action.BLOCK, name="domains")
    redact = rule(Word("x@evil.example", "an address"), Action.REDACT, name="mail")
    note = rule(Word("evil", "a listed word"), Action.NOTE, name="words")
    for members in itertools.permutations([block, redact, note]):
        findings: list[Finding] = []
        with pytest.raises(GuardrailBlocked) as blocked:
            Guardrails(members).screen_value("write to x@evil.example", Stage.OUTPUT, findings)
        assert blocked.value.message == "The answer was held back: the guardrail domains found a domain in it."
        assert blocked.value.findings == tuple(findings)
        assert {(one.guardrail, one.action) for one in findings} == {
            ("domains", "block"),
            ("mail", "redact"),
            ("words", "note"),
        }
    text, findings = screened("write to x@evil.example", Guardrails([note, redact]))
    assert text == "write to [redacted: an address]"
    assert screened("evil", Guardrails([note, redact])) == ("evil", [findings[0]])


def test_an_exception_holds_for_exactly_that_value() -> None:
    """What is excepted goes on; what only holds it does not, and another rule does not know of it."""
    mail = replace(
        rule(Word("jane@example.org", "an address"), Action.REDACT), exceptions=frozenset({"jane@example.org"})
    )
    longer = replace(rule(Word("jane@example.org.evil", "an address"), Action.REDACT), exceptions=mail.exceptions)
    assert screened("to jane@example.org", Guardrails([mail])) == ("to jane@example.org", [])
    assert screened("to jane@example.org.evil", Guardrails([mail, longer]))[0] == "to [redacted: an address]"


def test_who_judges_whole_texts_lets_none_be_seen_before() -> None:
    """A text that is still being written is shown when it is whole and nobody objects."""
    guardrails = usual(rule(Objecting("bad", "It is bad."), Action.BLOCK))
    growing = guardrails.screened_text()
    for piece in ("good ", "words ", "only"):
        growing.add(piece)
        assert growing.news() == by_now(piece, guardrails) == ""
    assert growing.news(is_last=True) == "good words only"
    growing = guardrails.screened_text()
    growing.add("bad")
    with pytest.raises(GuardrailBlocked, match=r"The answer was held back\. It is bad\."):
        growing.news(is_last=True)


def test_a_setting_that_means_nothing_is_refused() -> None:
    """Each check takes its own settings, and says what it does not know."""
    for check, settings, sentence in (
        ("secrets", {"a": 1}, "This check has no setting 'a'. It has none."),
        ("personal", {"kinds": ["mail"]}, "kinds has 'mail', which is none of: email, phone, iban, card"),
        ("personal", {"regions": ["Germany"]}, "regions has 'GERMANY', which is no country's code of two letters"),
        ("personal", {"domains": ["jane@x.org"]}, "domains has 'jane@x.org', which is no domain, such as example.org."),
        ("length", {"most": 1}, "This check has no setting 'most'. It has most_characters."),
        ("length", {"most_characters": True}, "most_characters is a whole number from 1 to 100,000,000."),
    ):
        with pytest.raises(Invalid, match=re.escape(sentence)):
            search_of(check, settings_text(settings))
    with pytest.raises(NotFound, match="There is no check 'nothing'"):
        search_of("nothing", "{}")
    most_three = GuardrailTerms("x", "length", Action.NOTE, frozenset(Stage), settings_text({"most_characters": 3}))
    assert screened("long", Guardrails([guardrail_of(most_three)]))[1]


# ── All together ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_built_in_is_on_by_itself() -> None:
    """Without a word of anybody's, secrets are redacted both ways and what is too long does not go out."""
    with pytest.raises(GuardrailBlocked, match="at most 1,000,000 are accepted") as blocked:
        USUAL.screen_messages(as_messages({"role": "user", "content": "a" * (MOST_CHARACTERS + 1)}), Stage.INPUT, [])

    assert blocked.value.facts == {"guardrail": "length", "stage": "input", "place": "user text"}
    _, findings = screened(SECRETS["an OpenAI key"])
    assert [(one.guardrail, one.stage, one.action) for one in findings] == [("secrets", "output", "redact")]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["plain", SECRETS["an OpenAI key"]]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(value=JSON)
def test_every_text_in_a_value_is_screened(value: Any) -> None:
    """A credential is found however deep it lies; all else comes back as it was."""
    secret = SECRETS["an OpenAI key"]
    for allowed in (USUAL.screen_value(value, Stage.OUTPUT, []), USUAL.screen_partial(value, "")):
        expected = json.dumps(value).replace(secret, "[redacted: an OpenAI key]")
        assert json.dumps(allowed) == expected


def test_a_guardrail_screens_its_own_side_only() -> None:
    """What is forbidden to go out may still come back, and the other way round."""
    out = rule(Word("out"), Action.BLOCK, Stage.INPUT)
    back = rule(Word("back"), Action.BLOCK, Stage.OUTPUT)
    guardrails = Guardrails([out, back])

    assert guardrails.screen_value("out", Stage.OUTPUT, []) == "out"
    assert guardrails.screen_messages(as_messages({"role": "user", "content": "back"}), Stage.INPUT, [])
    with pytest.raises(GuardrailBlocked):
        guardrails.screen_partial({"a": ["back"]}, "back")


# ── On the way of a generation ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def proctor(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A Proctor on the fake providers."""
    path = tmp_path_factory.mktemp("guardrails") / "proctor.db"
    path.write_bytes(sqlite_template.read_bytes())
    with WireServer() as wire, rig(wire, f"sqlite:///{path}") as running:
        yield running


def test_what_is_redacted_never_goes_out_and_is_not_kept(proctor: Rig) -> None:
    """A pasted key reaches neither the provider nor the record, and the trace says that something was redacted."""
    secret = SECRETS["a GitHub token"]
    heard = proctor.ask(proctor.tenant(), messages=[{"role": "user", "content": f"My token is {secret}."}])

    sent = json.dumps(proctor.wire.ledger.calls()[-1].request)
    written = proctor.written(heard.generation.id)
    assert secret not in sent
    assert "My token is [redacted: a GitHub token]." in sent
    assert secret not in str(written)
    assert written.payloads[0].asked[0]["content"] == "My token is [redacted: a GitHub token]."
    [step] = [step for step in heard.generation.trace if step["room"] == "screen in"]
    assert step == {
        "room": "screen in",
        "verdict": "redact",
        "reason": "secrets found a GitHub token (ghp_…, 40 characters) in user text. It was redacted.",
    }


@pytest.mark.parametrize("stream", [False, True])
def test_what_comes_back_is_redacted_too(*, stream: bool, proctor: Rig) -> None:
    """A key in the answer is redacted in the object, in every partial object, and in the record."""
    secret = SECRETS["an OpenAI key"]
    said = {"role": "user", "content": 'Go on. [[slow-stream]] <<{"text": "the key %key%, keep it"}>>'}
    leaking = {"title": "leak", "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}

    heard = proctor.ask(proctor.tenant(), stream=stream, schema=leaking, messages=[said])

    assert heard.generation.value == {"text": "the key [redacted: an OpenAI key], keep it"}
    assert bool(heard.partials) == stream
    for partial in heard.partials:
        assert "sk-" not in str(partial.value)
    written = proctor.written(heard.generation.id)
    assert secret not in str(written)
    assert [payload.answered for payload in written.payloads] == [
        json.dumps(heard.generation.value, separators=(",", ":"))
    ]
    [step] = [step for step in heard.generation.trace if step["room"] == "screen out"]
    assert (step["verdict"], step["reason"]) == (
        "redact",
        "secrets found an OpenAI key (sk-…, 36 characters) in answer. It was redacted.",
    )


@pytest.mark.parametrize("word", ["description", "title"])
def test_a_registered_schema_is_screened_as_well(word: str, proctor: Rig) -> None:
    """What an editor left in a schema, or in the example beside it, goes to no provider; answers are judged as ever."""
    secret = SECRETS["a GitHub token"]
    text = {"type": "string", word: f"As in {secret}."}
    body = {"type": "object", "properties": {"text": text}, "required": ["text"], "additionalProperties": False}
    name = f"leaky_{word}"
    schemas = proctor.runtime.schemas
    schemas.add(person("test"), name, body, example_input=f"Use {secret}", example_output={"text": secret})

    heard = proctor.ask(proctor.tenant(), schema=name)

    assert secret not in json.dumps(proctor.wire.ledger.calls()[-1].request)
    assert "As in [redacted: a GitHub token]." in json.dumps(proctor.wire.ledger.calls()[-1].request)
    assert (heard.generation.outcome, heard.generation.schema) == (Outcome.VALID_FIRST_TRY, name)
    steps = [step for step in heard.generation.trace if step["room"] == "screen in"]
    assert {(step["verdict"], "schema text" in step["reason"]) for step in steps} == {("redact", True)}


def test_the_texts_of_a_schema_are_judged_once(proctor: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls go out under a policy."""
    tenant, looked = proctor.tenant(), list[bytes]()
    passes = Guardrails.passes

    def counted(self: Guardrails, document: bytes, stage: Stage) -> bool:
        if b'"properties"' in document:
            looked.append(document)
        return passes(self, document, stage)

    monkeypatch.setattr(Guardrails, "passes", counted)
    for _ in range(3):
        proctor.ask(tenant, schema="person")
    assert len(looked) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_blocked_on_its_way_out_costs_nothing(*, stream: bool, proctor: Rig) -> None:
    """A forbidden question is refused before a provider is asked; it is recorded without its text."""
    calls = len(proctor.wire.ledger.calls())
    corridor = proctor.corridor(guardrails=usual(rule(Word("dynamite", "a word"), Action.BLOCK, Stage.INPUT)))

    heard = proctor.ask(
        proctor.tenant(), corridor=corridor, stream=stream, messages=[{"role": "user", "content": "Make dynamite."}]
    )

    assert (heard.generation.outcome, heard.generation.cost_nano_usd) == (Outcome.BLOCKED_GUARDRAIL, 0)
    assert len(proctor.wire.ledger.calls()) == calls
    written = proctor.written(heard.generation.id)
    assert (written.payloads, written.attempts) == ([], [])
    assert written.generation.trace[-1] == {
        "room": "screen in",
        "verdict": "blocked",
        "reason": "The request was not sent: the guardrail test found a word in it.",
    }
    assert proctor.is_settled()


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_blocked_on_its_way_back_is_paid(*, stream: bool, proctor: Rig) -> None:
    """A forbidden answer reaches nobody, not in parts either, but its attempt is recorded and charged."""
    corridor = proctor.corridor(guardrails=usual(rule(Word("some name"), Action.BLOCK, Stage.OUTPUT)))
    tenant = proctor.tenant()

    heard = proctor.ask(tenant, corridor=corridor, stream=stream, route=proctor.route(OPENAI))

    assert (heard.generation.outcome, heard.generation.value) == (Outcome.BLOCKED_GUARDRAIL, None)
    assert not [partial for partial in heard.partials if "some name" in str(partial.value)]
    written = proctor.written(heard.generation.id)
    [attempt] = written.attempts
    assert [entry.nano_usd for entry in written.entries] == [attempt.cost_nano_usd]
    assert attempt.cost_nano_usd
    assert written.generation.trace[-1]["room"] == "screen out"
    assert written.generation.wasted_nano_usd == attempt.cost_nano_usd, "it bought nobody an object"
    assert "some name" not in str(written.payloads)
    assert proctor.is_settled()


@pytest.mark.parametrize("kind", SECRETS)
def test_a_document_is_spared_only_where_nothing_is_found(kind: str) -> None:
    """Whatever the credentials check redacts has a hint in the document, wherever it stands; else nothing is read."""
    for value in ({"a": [SECRETS[kind]]}, {"a": f'say "\n{SECRETS[kind]}" \N{BULLET}'}):
        findings: list[Finding] = []
        screened = Guardrails().screen_json(JsonValue(value), Stage.OUTPUT, findings)
        assert screened.value == Guardrails().screen_value(value, Stage.OUTPUT, [])
        assert findings
    unread = JsonValue(text=b'{"a": not read, a task at risk}')
    assert Guardrails().screen_json(unread, Stage.OUTPUT, []) is unread


@pytest.mark.parametrize(
    "write", [str.encode, _escaped, lambda text: text.encode("utf-16")], ids=["plain", "escaped", "wide"]
)
@pytest.mark.parametrize("secret", [*SECRETS.values(), *MORE])
def test_a_vendors_document_passes_only_where_nothing_is_found(secret: str, write: Callable[[str], bytes]) -> None:
    """However a document is written, it passes at a glance only if no text in it has anything for a check."""
    document = write(json.dumps({"choices": [{"message": {"content": f"it is {secret} ."}}]}))
    assert Guardrails().screen_value(json.loads(document), Stage.OUTPUT, []) != json.loads(document)
    assert not Guardrails().passes(document, Stage.OUTPUT)
    assert Guardrails().passes(b'{"choices": [{"message": {"content": "it is nothing"}}]}', Stage.OUTPUT)
    assert not Guardrails([rule(Word("a"), Action.NOTE)]).passes(b"{}", Stage.OUTPUT), (
        "who cannot say at a glance has to look"
    )
