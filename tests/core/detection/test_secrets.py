"""Secrets are found wherever they stand in a sentence, nothing else is, and no cut of a stream changes that."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator

import anthropic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.completion_usage import CompletionUsage
from openai.types.responses.response_usage import ResponseUsage

from core.detection import Span, merged
from core.detection._secret_rules import SecretRule, rules
from core.detection.secrets import SecretDetector, entropy
from tests.examples import many

DETECTOR = SecretDetector()
LETTERS = string.ascii_letters
ALNUM = LETTERS + string.digits
HEX = "0123456789abcdef"
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + "234567"
URL = f"{ALNUM}_-"
OF_CHANCE = random.Random(20261130)  # noqa: S311  # nothing is to be kept secret by it


def drawn(alphabet: str, size: int) -> str:
    """Return *size* characters of chance, the same in each run: no key that anybody was ever given."""
    return "".join(OF_CHANCE.choice(alphabet) for _ in range(size))


KEYS = {
    "OpenAI, of a project": f"sk-proj-{drawn(URL, 74)}T3BlbkFJ{drawn(URL, 74)}",
    "OpenAI, of a service": f"sk-svcacct-{drawn(URL, 58)}T3BlbkFJ{drawn(URL, 58)}",
    "OpenAI, of old": f"sk-{drawn(ALNUM, 20)}T3BlbkFJ{drawn(ALNUM, 20)}",
    "Anthropic": f"sk-ant-api03-{drawn(URL, 93)}AA",
    "Anthropic, of an admin": f"sk-ant-admin01-{drawn(URL, 93)}AA",
    "Google": f"AIza{drawn(ALNUM, 35)}",
    "AWS": f"AKIA{drawn(UPPER, 16)}",
    "AWS, for a while": f"ASIA{drawn(UPPER, 16)}",
    "GitHub": f"ghp_{drawn(ALNUM, 36)}",
    "GitHub, fine": f"github_pat_{drawn(ALNUM, 22)}_{drawn(ALNUM, 59)}",
    "GitHub, of an app": f"ghs_{drawn(ALNUM, 36)}",
    "GitLab": f"glpat-{drawn(ALNUM, 20)}",
    "GitLab, of a runner": f"glrt-{drawn(ALNUM, 20)}",
    "Slack, of a bot": f"xoxb-{drawn('123456789', 12)}-{drawn('123456789', 12)}-{drawn(ALNUM, 24)}",
    "Slack, of an app": f"xapp-1-A{drawn(UPPER, 10)}-{drawn('123456789', 13)}-{drawn(HEX, 64)}",
    "Stripe": f"sk_live_{drawn(ALNUM, 24)}",
    "Stripe, restricted": f"rk_live_{drawn(ALNUM, 24)}",
    "Hugging Face": f"hf_{drawn(LETTERS, 34)}",
    "npm": f"npm_{drawn(ALNUM, 36)}",
    "PyPI": f"pypi-AgEIcHlwaS5vcmc{drawn(URL, 100)}a",
    "SendGrid": f"SG.{drawn(ALNUM, 22)}.{drawn(ALNUM, 43)}",
    "Twilio": f"SK{drawn(HEX, 32)}",
    "Databricks": f"dapi{drawn(HEX, 32)}",
    "DigitalOcean": f"dop_v1_{drawn(HEX, 64)}",
    "Doppler": f"dp.pt.{drawn(LOWER, 43)}",
    "Grafana": f"glsa_{drawn(ALNUM, 32)}_{drawn(HEX, 8)}",
    "Heroku": f"HRKU-AA{drawn(URL, 57)}a",
    "Linear": f"lin_api_{drawn(LOWER, 40)}",
    "Notion": f"ntn_{drawn('123456789', 11)}{drawn(ALNUM, 35)}",
    "Perplexity": f"pplx-{drawn(ALNUM, 48)}",
    "Postman": f"PMAK-{drawn(HEX, 24)}-{drawn(HEX, 34)}",
    "Pulumi": f"pul-{drawn(HEX, 40)}",
    "Shopify": f"shpat_{drawn(HEX, 32)}",
    "Square": f"sq0atp-{drawn(ALNUM, 22)}",
    "Vault": f"hvs.{drawn(ALNUM, 95)}",
    "age": f"AGE-SECRET-KEY-1{drawn('QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L', 58)}",
    "a JSON web token": f"eyJ{drawn(ALNUM, 34)}.eyJ{drawn(ALNUM, 40)}.{drawn(URL, 42)}a",
    "Azure": f"{drawn(ALNUM, 3)}8Q~{drawn(ALNUM, 34)}",
    "Atlassian": f"ATATT3{drawn(ALNUM, 186)}",
    "ours": f"proctor_{drawn(ALNUM, 38)}",
}
"""One of each of forty kinds, of chance."""
AROUND = (
    "My key is {}. Please check the invoice.",
    "({})",
    "<{}>",
    "{}, thanks",
    "{}!",
    "{}\N{HORIZONTAL ELLIPSIS}",
    "**{}**",
    "[{}]",
    '{{"a":["{}"]}}',
    "\u5bc6\u94a5\u662f{}\u3002",
    "https://h.example/?k={}&x=1",
    "https://h.example/{}/x",
    "key:{};",
    "x={}",
)


def marked(text: str) -> str:
    """Return *text* with a mark for each finding."""
    for span in reversed(DETECTOR.find(text)):
        text = f"{text[: span.start]}[{span.kind}]{text[span.end :]}"
    return text


@pytest.mark.parametrize("name", KEYS)
def test_what_is_told_of_a_secret_is_no_part_of_it(name: str) -> None:
    """Its length, and at most a word of a rule, which all of its kind begin with."""
    words = {word for rule in rules()[0] for word in rule.words}
    spans = DETECTOR.find(f"the key {KEYS[name]} of us")
    assert spans
    for span in spans:
        text = f"the key {KEYS[name]} of us"[span.start : span.end]
        told = DETECTOR.shape(span.kind, text)
        begins, _, length = told.rpartition("…, ")
        assert length == f"{len(text):,} characters"
        assert not begins or begins.lower() in words


@pytest.mark.parametrize("kind", KEYS)
def test_the_key_and_nothing_but_the_key(kind: str) -> None:
    """Whatever stands around it, a key is one finding that begins and ends where it does."""
    for text in (around.format(KEYS[kind]) for around in AROUND):
        assert [text[span.start : span.end] for span in DETECTOR.find(text)] == [KEYS[kind]]


@pytest.mark.parametrize(
    "text",
    [
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "integrity sha512-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==",
        "550e8400-e29b-41d4-a716-446655440000 and 01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "arn:aws:iam::123456789012:role/Admin",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E",
        "call_9xQ2vT7rLp0sWz4Yb6Nc8Md1, toolu_01A09q90qw90lq917835lq9, chatcmpl-9xQ2vT7rLp0sWz4Yb6Nc8Md1A2",
        "The token budget is 16,000 tokens per request, and prompt_tokens: 1200 is told.",
        "Our key account manager will reset the password policy.",
        "The Jira key is PROJ; the primary key is pk_customers_orders_line_items.",
        "The primary key is Nordwind_84103121, the other key: order-INC-8174-2026.",
        "SKU SK-2026-AB-0001, sk-circle-fade-dot-container",
        "Use the Authorization header with a bearer token.",
        "Authorization: Bearer <token>",
        "curl -u $USER:$PASS https://h.example",
        "A PEM file starts with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----.",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----",
        "AKIAIOSFODNN7EXAMPLE, sk-..., sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        'api_key = "${OPENAI_API_KEY}", token: "{{ secrets.TOKEN }}", key = os.environ["OPENAI_API_KEY"]',
    ],
)
def test_what_is_no_secret(text: str) -> None:
    """Digests, identifiers, words that keys begin with, and what documentation writes in their place stay."""
    assert marked(text) == text


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Authorization: Bearer 9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c", "Authorization: Bearer [a credential]"),
        ("Authorization: Basic YWRtaW46aHVudGVyMg==", "Authorization: Basic [a credential]"),
        ("curl -u admin:hunter2pass https://h.example/", "curl -u admin:[a password] https://h.example/"),
        ('-H "X-Api-Key: 0f9e8d7c6b5a49382716"', '-H "X-Api-Key: [a credential]"'),
        ("Cookie: session=eyJhIjoxfQ.Zx1.abcDEF; theme=dark", "Cookie: session=[a session]; theme=dark"),
        ("postgres://app:Tr0ub4dor@db.example/app", "postgres://app:[a password]@db.example/app"),
        ("my password is h7Gk29sLq0Zx81mN4. Bye", "my password is [a secret]. Bye"),
        ("my api key is Nordwind_84103121, no?", "my api key is [a secret], no?"),
        ("the key is Nordwind_84103121xQ9", "the key is [a secret]"),
        ("key: prod_ab12_cd34_ef56_gh78", "key: [a secret]"),
        ('{"secret": "acme_live_TO3bgwaZFhhJgliuXONS"}', '{"secret": "[a secret]"}'),
        (f"at https://hooks.slack.com/services/T{'8A' * 5}/B{'9C' * 5}/{'x7Yz' * 6}", "at https://hooks.slack.com/services/[a Slack webhook]"),  # noqa: E501
    ],
)  # fmt: skip
def test_a_word_before_it_tells_a_credential(text: str, right: str) -> None:
    """The credential alone goes, its frame stays readable."""
    assert marked(text) == right


_LINE = drawn(ALNUM, 64)
BODY = f"{_LINE}\n{_LINE[:40]}"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\\n", " ", ""])
@pytest.mark.parametrize("name", ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"])
def test_a_private_key_is_one_finding(name: str, newline: str) -> None:
    """With any line ends or none, its footer or not; a sentence between two stays."""
    block = f"-----BEGIN {name}-----\n{BODY}\n-----END {name}-----".replace("\n", newline)
    assert marked(f"a {block} The sentence. {block}") == "a [a private key] The sentence. [a private key]"
    cut = block.partition(f"{newline}-----END")[0] if newline else block.partition("-----END")[0]
    assert marked(cut) == "[a private key]"


@pytest.mark.parametrize("kind", ["GitHub", "AWS", "Stripe"])
def test_nothing_hides_a_key(kind: str) -> None:
    """Characters that nobody sees, other scripts' letters that look alike, and one line break are read through."""
    key = KEYS[kind]
    for hidden in "\u200b\u200d\u2060\ufeff\u00ad\u034f\u202e\u2066\ufe0f\U000e0100\U000e0041\u115f\u3164\u2800\u17b4":
        assert DETECTOR.find(f"a {hidden.join(key)} b") == [Span(2, 2 + 2 * len(key) - 1, DETECTOR.find(key)[0].kind)]
    wide = key.translate({n: n + 0xFEE0 for n in range(0x21, 0x7F)})
    assert marked(f"a {wide} b") == marked(f"a {key} b")
    assert marked(f"a {key[:10]}\n  {key[10:]} b") == marked(f"a {key} b")
    assert marked(f"a {KEYS['AWS'].replace('A', chr(0x410), 1)} b") == marked(f"a {KEYS['AWS']} b")


def test_a_key_may_be_longer_than_its_rule() -> None:
    """Vendors' keys grow: one goes as a whole, also with twice the length that is known."""
    for kind in ("GitHub", "Stripe", "Anthropic", "npm"):
        longer = KEYS[kind] + drawn(ALNUM, len(KEYS[kind]))
        assert [span.end for span in DETECTOR.find(longer)] == [len(longer)]


_WORDS = """
    the invoice and key token: secret= is password api airtable: telegram curl -u a:bcd12 cookie: session= bearer
    PRIVATE
    KEY sk- eyJ xoxb -----BEGIN . , ( ) { } [ ] AKIA 17 1234567890 https:// /x? & 8Q~ :// 8 Q~ a:b atlasv1. \\n \" '
"""
PIECES = [
    *KEYS.values(),
    *_WORDS.split(),
    *("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"),
    f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----",
    *("\u5bc6\u94a5", "\u200b", "\u0410\u043f", "sk_liv\u0435_", "\uff47hp_", "\ud800", "\u0661\u0662"),
    *("\n", "\n  ", " ", ": "),
    "Authorization: Basic YWRtaW46aHVudGVyMg==",
    _LINE[:20],
]
TEXTS = st.lists(
    st.sampled_from(PIECES)
    | st.sampled_from(PIECES).flatmap(lambda piece: st.integers(0, len(piece)).map(lambda at: piece[:at]))
    | st.sampled_from([" ", " ", "\n", "."])
    | st.text("abcAB019_-./:=", max_size=24),
    max_size=20,
).map("".join)


@settings(max_examples=many(1_000), deadline=None)
@given(TEXTS, st.data())
def test_no_cut_changes_what_is_found(text: str, data: st.DataObject) -> None:
    """What is decided of a text that goes on is as the whole shows it; what may be forgotten proves nothing."""
    found, last = DETECTOR.find(text), 0
    for cut in sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=1, max_size=12))):
        so_far = text[:cut]
        decided, forgettable = DETECTOR.decided(so_far), DETECTOR.forgettable(so_far)
        assert forgettable <= decided <= cut
        assert last <= decided, "what was decided stays so"
        last = decided
        assert not [span for span in found if span.start < decided < span.end], "across"
        before = [span for span in found if span.end <= decided]
        assert [span for span in DETECTOR.find(so_far) if span.end <= decided] == before
        behind = [
            Span(one.start + forgettable, one.end + forgettable, one.kind) for one in DETECTOR.find(text[forgettable:])
        ]
        assert DETECTOR.find(text[:forgettable]) + behind == found


class Always:
    """A glance that spares nothing."""

    def search(self, text: bytes) -> object:
        """Say that it may be."""
        return text


UNSPARED = SecretDetector()
UNSPARED._glance = Always()


@settings(max_examples=many(1_000), deadline=None)
@given(TEXTS)
def test_a_glance_misses_nothing(text: str) -> None:
    """What one pass says of a text for all rules at once is never less than what they find."""
    assert DETECTOR.find(text) == UNSPARED.find(text)


def test_what_is_usual_is_done_with_at_a_glance() -> None:
    """What stands in every other request or answer is no reason to ask a rule; a key beside it is."""
    body = '{"max_tokens": 500, "response_format": {"json_schema": {"properties": {"access_key": {}, "password": {}}}}'
    for usage in (CompletionUsage, ResponseUsage, anthropic.types.Usage):
        body += f', "usage": {json.dumps(usage.model_json_schema())}'
    assert "completion_tokens_details" in body
    assert not DETECTOR._glance.search(body.encode())
    for key in KEYS.values():
        assert DETECTOR._glance.search(f"{body} {key}".encode(errors="replace")), key


def test_every_rule_can_be_run() -> None:
    """Each pattern is one of RE2's, has its group, and stands in the table of words."""
    everything, published = rules()
    assert len(everything) > 350
    assert published >= "2026-07-23"
    for rule in everything:
        list(DETECTOR._matches(rule, "a key"))
        assert rule.words
        assert all(word == word.lower() for word in rule.words)


def test_the_longest_of_a_region_names_it() -> None:
    """Overlapping findings become one, whatever their order; those that only touch stay two."""
    spans = [Span(0, 4, "a"), Span(2, 10, "b"), Span(9, 11, "c"), Span(11, 12, "d")]
    for order in (spans, spans[::-1]):
        assert merged(order) == [Span(0, 11, "b"), Span(11, 12, "d")]


def test_entropy() -> None:
    """Bits per character: of one letter none, of sixteen that are alike often, four."""
    assert (entropy(""), entropy("aaaa"), entropy(HEX * 3)) == (0.0, 0.0, 4.0)


class Measured(SecretDetector):
    """Counts the characters that patterns are run over."""

    read = 0

    def _matches(self, rule: SecretRule, text: str) -> Iterator[Span]:
        self.read += len(text)
        return super()._matches(rule, text)


@pytest.mark.parametrize(
    "text",
    [
        "sk-" * 30_000,
        "sk-" * 30_000 + "\nab",
        ("sk-" * 300 + "\n") * 100,
        "sk-sk-sk-sk-\n" * 7_000,
        "a\n" * 50_000,
        "key: " * 20_000,
        "-----BEGIN " * 9_000,
        "x" * 200_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    """Of a hundred thousand characters that begin everything and end nothing each is looked at a few times."""
    measured = Measured()
    measured.find(text)
    measured.decided(text)
    measured.forgettable(text)
    assert measured.read < 200 * len(text)


def test_what_is_too_much_to_judge_counts_as_found() -> None:
    """A line with more beginnings than are tried is not passed on, whatever they are."""
    assert DETECTOR.find("sk-ab/" * 2 + "\nab, and more") == []
    assert len(DETECTOR.find("sk-ab/" * 20 + "\nab, and more")) == 1
