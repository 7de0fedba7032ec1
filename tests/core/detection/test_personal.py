"""Personal data are found in the forms that people write, what looks like them is not, and no cut changes that."""

from __future__ import annotations

import random
import string
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detection import Span
from core.detection._national_rules import RULES, check
from core.detection.personal import KINDS, PersonalDetector
from tests.examples import many

DETECTOR = PersonalDetector()
REGIONAL = PersonalDetector(regions=["DE", "US", "FR"])


def marked(text: str, detector: PersonalDetector = DETECTOR) -> str:
    """Return *text* with a mark for each finding."""
    for span in reversed(detector.find(text)):
        text = f"{text[: span.start]}[{span.kind}]{text[span.end :]}"
    return text


@pytest.mark.parametrize(
    "number",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "378282246310005",
        "3782 822463 10005",
        "5105105105105100",
        "2221000000000009",
        "6011000990139424",
        "3530111333300000",
        "30569309025904",
        "3056 930902 5904",
        "6200000000000000000",
        "4222222222222",
        "\u0664\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661",
    ],
)
def test_a_card(number: str) -> None:
    """Of each issuer, in one piece or in its groups, whatever stands around it, even letters where it is in one."""
    for text in (
        "{}",
        "card {}, thanks",
        "({})",
        "{} 12/27 123",
        "pay:{}.",
        "\u30ab\u30fc\u30c9{}\u3067\u3059",
        "1,{},x",
    ):
        assert marked(text.format(number)) == text.format("[a card number]")
    if number.isdecimal():
        assert marked(f"card{number}end") == "card[a card number]end"


@pytest.mark.parametrize(
    "text",
    [
        "0000000000000000",
        "4111111111111112",
        "133601685642087852361040537319026853470",
        "0.5309136012499991%",
        "0,5309136012499991 %",
        "6759649826438453",
        "at 1748503543012 and 1748503543012345, batch 1748503543012345678",
        "EAN 4006381333931",
        "4100 4111 1111 1111 1111 4200 4300",
        "42222222222220002, 4111 1111 1111 11111",
        "4111 1111 1111 1111a",
        "41111111-1111-4111-8aaa-aaaaaaaaaaaa",
        "a4111111111111111b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-4111111111111111-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-a378282246310005-01",
    ],
)
def test_what_is_no_card(text: str) -> None:
    """Other prefixes, lengths and check digits, moments, articles, fractions, tables and identifiers stay."""
    assert marked(text) == text


def test_who_says_card_means_one() -> None:
    """Behind a word for it groups may be of any size, and a row of a table counts as well."""
    assert marked("card: 41 11 11 11 11 11 11 11") == "card: [a card number]"
    assert marked("41 11 11 11 11 11 11 11") == "41 11 11 11 11 11 11 11"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("DE89370400440532013000", "[an IBAN]"),
        ("de89 3704 0044 0532 0130 00.", "[an IBAN]."),
        ("GB82-WEST-1234-5698-7654-32", "[an IBAN]"),
        ("IT60 X054 2811 1010 0000 0123 456", "[an IBAN]"),
        ("NO9386011117947", "[an IBAN]"),
        ("UA213223130000026007233566001", "[an IBAN]"),
        ("EG380019000500000000263180002", "[an IBAN]"),
        ("LY83002048000020100120361", "[an IBAN]"),
        ("MT84MALT011000012345MTLCAST001S", "[an IBAN]"),
        ("IBAN DE89370400440532013000 FAILED", "IBAN [an IBAN] FAILED"),
        ("IBAN:DE89370400440532013000BIC:COBADEFFXXX", "IBAN:[an IBAN]BIC:COBADEFFXXX"),
        ("MT84MALT011000012345MTLCAST001Sa", None),
        ("DE893704004405320130005", None),
        ("DE89370400440532013001", None),
        ("XX89370400440532013000", None),
        ("DE89 3704 0044", None),
        ("AB12 CDEF 3456 7890 1234", None),
        ("AT20 the best of all the offers that we have", None),
    ],
)
def test_an_iban(text: str, right: str | None) -> None:
    """Exactly as many characters as its country gives it, of the sort that it gives them."""
    assert marked(text) == (right or text)


VALID = {
    "SSN": ("536-90-4399", "536904399", "536 90 4399"),
    "ITIN": ("912-90-3456",),
    "NHS": ("943 476 5919", "9434765919"),
    "National Insurance": ("AB123456C", "ab 12 34 56 c"),
    "Steuer-ID": ("36 574 261 809", "36574261809"),
    "NIR": ("2 95 10 99 126 111 93", "253072B07300470"),
    "DNI": ("54362315-K", "54362315K"),
    "NIE": ("X-2482300W", "X2482300W"),
    "codice fiscale": ("RCCMNL83S18D969H", "rccmnl83s18d969h"),
    "BSN": ("1112.22.333", "111222333"),
    "Rijksregisternummer": ("85 07 30 033 28", "85.07.30-033.28"),
    "PESEL": ("44051401458",),
    "personnummer": ("880320-0016", "880320+0016", "19880320-0016"),
    "f\u00f8dselsnummer": ("151086 95088", "55108695071"),
    "CPR": ("211062-5629", "211062-5628"),
    "HETU": ("131052-308T", "131052Y308T", "131052B308T"),
    "AHV": ("756.9217.0769.85", "7569217076985"),
    "SVNR": ("1237 010180",),
    "Cart\u00e3o": ("00000000 0 ZZ4",),
    "rodn\u00e9 \u010d\u00edslo": ("710319/2745",),
    "CNP": ("1630615123457",),
    "PPS": ("6433435F",),
    "CPF": ("390.533.447-05", "39053344705"),
    "Aadhaar": ("2341 2341 2346",),
    "\u8eab\u4efd\u8bc1": ("11010519491231002X",),
    "ID number": ("750330 5044 0 89",),
    "SIN": ("123-456-782",),
    "TFN": ("123 456 782",),
    "CURP": ("BOXW310820HNERXN09",),
    "RRN": ("971013-9019902",),
    "TC kimlik": ("17291716060",),
    "teudat zehut": ("3933742-3",),
    "AMKA": ("01013099997",),
    "OIB": ("33392005961",),
    "EGN": ("7523169263",),
    "isikukood": ("36805280109",),
}
"""Samples that documentation prints, by a word for each."""


@pytest.mark.parametrize("word", VALID)
def test_a_national_number(word: str) -> None:
    """Behind its word it is found in each of its forms, as a whole; a key of an object is such a word too."""
    for number in VALID[word]:
        for text in (
            "{word} Number: {number}.",
            "{word} {number}",
            '{{"{word}": "{number}"}}',
            "the {word} of hers is {number}, ok",
        ):
            found = DETECTOR.find(text.format(word=word, number=number))
            assert [text.format(word=word, number=number)[one.start : one.end] for one in found] == [number]


@pytest.mark.parametrize(
    "number",
    [
        *("000-12-3456", "666-12-3456", "536-00-4399", "900-12-3456", "912-12-3456", "943 476 5918", "36 574 261 890"),
        *("54362315-Z", "RCCMNL83S18D969A", "1112.22.334", "85 07 30 033 29", "55558888888", "880320-0018"),
        *("151086 95077", "131052-308U", "756.9217.0769.84", "111.111.111-11", "1234 1234 1234", "8503305044080"),
        *("360426 19910101 007X", "999-999-999", "987-65-4321", "078-05-1120", "219-09-9999", "536904399"),
        *("12536-90-4399", "536-90-4399-1", "536-90-43991", "X-2482300", "85-07-30-033"),
    ],
)
def test_what_is_no_national_number(number: str) -> None:
    """Wrong check digits, ranges that were never given out, parts of longer numbers, a row of digits without a word."""
    assert marked(f"Reference: {number}.") == f"Reference: {number}."


def test_a_word_in_front_beats_the_range() -> None:
    """Who calls it a social security number means it; a day that does not exist is none in Denmark."""
    assert marked("SSN: 987-65-4321, SSN 123-45-6789").count("[a US social security number]") == 2
    assert marked("CPR 311162-5629") == "CPR 311162-5629"
    assert marked("business 536904399, sinus 123456782") == "business 536904399, sinus 123456782"
    assert marked("customerSsn=536904399") == "customerSsn=[a US social security number]"


def test_every_rule_has_its_check() -> None:
    """The library has each module that a rule names, and no two rules share a word by chance of spelling."""
    for rule in RULES:
        assert check(rule.module)("no number at all") is (not rule.module)
        assert all(word == word.strip().lower() and word for word in rule.words)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("jane.doe+tag@example.org", "[]"),
        ('"jane doe"@example.org', "[]"),
        ("user@xn--80ak6aa92e.com", "[]"),
        ("j\u00fcrgen@m\u00fcller.example", "[]"),
        ("bob\uff20test.org", "[]"),
        ("<JANE@EXAMPLE.ORG>,", "<[]>,"),
        ("mailto:jane%40example.org", "mailto:[]"),
        ("'jane@example.museum'.", "'[]'."),
        ("jane@[192.0.2.7]", "[]"),
        ("\u0430lice@example.com", "[]"),
        ("alice@\u200bexample.com", "[]"),
        ("https://x.example/u?m=jane@example.org&x=1", "https://x.example/u?m=[]&x=1"),
        ("\u9023\u7d61\u5148\u306fjane@example.org\u3067\u3059", "\u9023\u7d61\u5148\u306f[]\u3067\u3059"),
        ("git@github.com:org/repo.git", None),
        ("@scope/name@1.2.3", None),
        ("icon@2x.png", None),
        ("org.acme:lib:1.0@aar", None),
        ("a@b, user@localhost, price @ 3.50 EUR, @jane, foo@bar..com", None),
    ],
)
def test_a_mail_address(text: str, right: str | None) -> None:
    """The address alone goes; what only has an ``@`` stays."""
    assert marked(text) == (text if right is None else right.replace("[]", "[an e-mail address]"))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("client 203.0.113.7 said", "client [] said"),
        ("[2001:db8:85a3::8a2e:370:7334]:443", "[[]]:443"),
        ("::ffff:203.0.113.7 and fe80::1%eth0", "[] and []"),
        ("203.0.113.0/24", "[]/24"),
        ("from 4.3.2.1", "from []"),
        ("version 10.2.255.1, v1.2.3.4, version: 90.2.25.1, probe/5.1.14.4, control 13.19.8.3", None),
        ("section 4.3.2.1 of the contract, \u00a7 24.3.2.1, Room 4.3.2.1", None),
        ("std::vector<int>, dead::beef, x[1::2], 12:30:45, 00:1A:2B:3C:4D:5E", None),
        ("127.0.0.1, 10.0.0.5, ::1, fd00::1, ::ffff:10.0.0.5, 999.1.1.1, 1.2.3, 255.255.255.0", None),
        ("192.0.2.7 and 2001:db8::7", None),
    ],
)
def test_an_address_of_a_machine(text: str, right: str | None) -> None:
    """Public ones may be somebody's; private ones, versions, times, code and what replaces them are nobody's."""
    assert marked(text) == (text if right is None else right.replace("[]", "[an IP address]"))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Call +49 (0) 30 / 901820 today", "Call [] today"),
        ("+1 212 555 0123 2 items", "[] 2 items"),
        ("+1 555 234 5678, +4930901820.", "[], []."),
        ('{"phone": 15552345678, "order_id": 15552345678}', '{"phone": [], "order_id": 15552345678}'),
        ("Tel. 030 901820", "Tel. []"),
        ("fax number is 2125550123", "fax number is []"),
        ("\u96fb\u8a71\u756a\u53f7: 03-1234-5678", "\u96fb\u8a71\u756a\u53f7: []"),
        ("(212) 555-0123, 030 901820, 06 12 34 56 78", None),
        ("+15550100001, phone: +15550100001", None),
        ("+1234567, x+49309018200, phone: 2026-11-28, phone 4711", None),
    ],
)
def test_a_phone_number(text: str, right: str | None) -> None:
    """With its country's code, or behind a word that says so; nothing else without a region."""
    assert marked(text) == (text if right is None else right.replace("[]", "[a phone number]"))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("(212) 555-0123, 030 901820, 06.12.34.56.78", "[], [], []"),
        ("invoice 4711-2026-0815 of 01.12.2026 10:30", None),
        ("PO 536904399, 1 234 567 890 units, EAN 4006381333931", None),
        ("2026-11-28, 2026-12-05, room 030", None),
    ],
)
def test_a_phone_number_of_a_region(text: str, right: str | None) -> None:
    """As that region writes it; orders, dates and amounts are none."""
    assert marked(text, REGIONAL) == (text if right is None else right.replace("[]", "[a phone number]"))


def test_the_longest_names_what_overlaps() -> None:
    """A phone within an account number, and an address beside another, are one finding each; all else stays."""
    text = "IBAN DE89 3704 0044 0532 0130 00 now, https://x.example/u?m=jane@example.org&ip=203.0.113.7 please"
    right = "IBAN [an IBAN] now, https://x.example/u?m=[an e-mail address]&ip=[an IP address] please"
    assert marked(text) == marked(text, REGIONAL) == right


def test_only_what_was_chosen() -> None:
    """Kinds, countries and the domains that are nobody's are what they are asked to be."""
    text = "jane@example.org, bob@acme.example, SSN 536-90-4399, PESEL 44051401458"
    assert marked(text, PersonalDetector(["email"])).count("[") == 2
    assert marked(text, PersonalDetector(["national_number"], ["PL"])).endswith(
        "SSN 536-90-4399, PESEL [a Polish personal number]"
    )
    excepted = PersonalDetector(["email"], domains=["Example.org", "acme.example"])
    assert marked(text, excepted) == text
    assert marked("x@an-example.org, x@mail.acme.example", excepted) == "[an e-mail address], x@mail.acme.example"
    assert [marked(text, PersonalDetector([kind])) for kind in ("card", "phone", "iban", "ip_address")] == [text] * 4
    assert marked(text, PersonalDetector(KINDS[::-1])) == marked(text)


DATA = [
    *(numbers[0] for numbers in VALID.values()),
    *("36574261809", "253072B07300470", "ab 12 34 56 c", "19880320-0016", "151086 95088"),
    *("4111 1111 1111 1111", "4111111111111111", "4222222222222", "3782 822463 10005"),
    *(
        "DE89 3704 0044 0532 0130 00",
        "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
        "MT84MALT011000012345MTLCAST001S",
        "gb82-west-1234-5698-7654-32",
    ),
    *("jane@example.org", '"jane doe"@example.org', "jane%40example.org", "jane@[192.0.2.7]", "bob\uff20test.org"),
    *("203.0.113.7", "2001:db8:85a3::8a2e:370:7334", "::ffff:203.0.113.7", "fe80::1%eth0", "4.3.2.1"),
    *("+49 (0) 30 / 901820", "+15552345678", "(212) 555-0123", "030 901820", "06 12 34 56 78"),
]
_PIECES = [
    *DATA,
    *VALID,
    *("card", "Tel.", "phone", "from", "version", "v", "social security", "tax id", "number is", "AB", "X-", "C", "K"),
    *(
        " ",
        " ",
        " ",
        "  ",
        "\u00a0",
        "\n",
        ", ",
        ".",
        ",",
        "-",
        "/",
        "(",
        ")",
        ":",
        '"',
        "@",
        "%40",
        "+",
        "=",
        "[",
        "]",
        "%",
    ),
    *("the", "in 20", "no12", "12.12.2026", "4711", "1", "0,", "0.", "DE12", "example.org", "a@", "::", "1:", "ZZ4"),
    *("\u5bc6\u94a5", "\u3002", "\u200b", "\u0430\u0441", "\ud800", "\u0661\u0662", "\uff14\uff11", "\u00fc"),
]
_TEXTS = st.lists(
    st.sampled_from(_PIECES)
    | st.sampled_from(DATA).flatmap(lambda piece: st.integers(0, len(piece)).map(lambda at: piece[:at]))
    | st.sampled_from(DATA).flatmap(lambda piece: st.integers(0, len(piece)).map(lambda at: piece[at:]))
    | st.sampled_from([" ", " ", " "])
    | st.text("abXZ0149_-./:@ ", max_size=24),
    max_size=24,
).map("".join)


@settings(max_examples=many(1_000), deadline=None)
@given(_TEXTS, st.sampled_from([DETECTOR, REGIONAL]), st.data())
def test_no_cut_changes_what_is_found(text: str, detector: PersonalDetector, data: st.DataObject) -> None:
    """What is decided of a text that goes on is as the whole shows it; what may be forgotten proves nothing."""
    found, last = detector.find(text), 0
    for cut in sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=1, max_size=12))):
        so_far = text[:cut]
        decided, forgettable = detector.decided(so_far), detector.forgettable(so_far)
        assert forgettable <= decided <= cut
        assert last <= decided, "what was decided stays so"
        last = decided
        assert not [span for span in found if span.start < decided < span.end], "across"
        before = [span for span in found if span.end <= decided]
        assert [span for span in detector.find(so_far) if span.end <= decided] == before
        behind = [
            Span(one.start + forgettable, one.end + forgettable, one.kind) for one in detector.find(text[forgettable:])
        ]
        assert detector.find(text[:forgettable]) + behind == found
    assert detector.may_find(text) or not found


@pytest.mark.parametrize("datum", [*DATA, '"a b"@example.org', "phone: 1555 234 5678", "(4.3.2.1)"])
@pytest.mark.parametrize(
    "around", ["The social security number or tax id is {}, and {} too. ", '{{"card": "{}", "cpr":{}}} ']
)
def test_every_cut(datum: str, around: str) -> None:
    """Whatever the cut, what is shown is a beginning of what the whole shows, and what is forgotten is not missed."""
    text = around.format(datum, datum)
    whole = marked(text, REGIONAL)
    for cut in range(len(text) + 1):
        so_far = text[:cut]
        decided, forgettable = REGIONAL.decided(so_far), REGIONAL.forgettable(so_far)
        shown = so_far[:decided]
        for span in reversed([span for span in REGIONAL.find(so_far) if span.end <= decided]):
            shown = f"{shown[: span.start]}[{span.kind}]{shown[span.end :]}"
        assert whole.startswith(shown)
        assert marked(text[:forgettable], REGIONAL) + marked(text[forgettable:], REGIONAL) == whole


@pytest.mark.parametrize(
    ("fragments", "shown"),
    [
        (["The SSN 536-90-", "4399 is hers, mail bob@", "acme.example now"], ["The SSN ", "The SSN [] is hers, mail "]),
        (["The SSN of the cus", "tomer is 5369", "04399. "], ["The SSN of the ", "The SSN of the customer "]),
        (["ref 4222222222222", "0002, ref"], ["ref ", "ref 42222222222220002, "]),
    ],
)
def test_what_is_shown_of_a_stream(fragments: list[str], shown: list[str]) -> None:
    """Nothing of a datum before it is whole; a word on its way is held, and nothing else is."""
    text = ""
    for fragment, right in zip(fragments, shown, strict=False):
        text += fragment
        decided = DETECTOR.decided(text)
        spans = [span for span in DETECTOR.find(text) if span.end <= decided]
        told = text[:decided]
        for span in reversed(spans):
            told = f"{told[: span.start]}[]{told[span.end :]}"
        assert told == right


def test_little_is_held() -> None:
    """Of prose a word; of anything at all no more than the longest address."""
    prose = "Thank you for your order of three pallets, which we will deliver on Friday"
    assert len(prose) - DETECTOR.decided(prose) == len("Friday")
    assert len(prose) + 1 - DETECTOR.decided(f"{prose}.") == len("Friday.")
    assert DETECTOR.decided(f"{prose} ") == len(prose) + 1
    for text in (
        "x" * 5_000,
        "1" * 5_000,
        "1 " * 5_000,
        "a@" * 5_000,
        "a@" + "b." * 5_000,
        '"' * 5_000,
        "DE12 " * 2_000,
    ):
        assert len(text) - DETECTOR.decided(text) <= 330


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "1 ",
            "1",
            "1.1.",
            "4111 ",
            "4111 1111 1111 1111 ",
            "a@",
            "a@b.",
            "@",
            '"',
            "DE12",
            "DE12 ",
            "2001:",
            ":",
            "+1 ",
        ),
        *("+12345678901 ", "ssn ", "tel. 1234567 ", "x", "\u0430b"),
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    """Of characters that begin everything and end nothing the double takes the double of steps, and not its square."""
    once, twice = (steps(piece * (size // len(piece))) for size in (1_000, 2_000))
    assert twice < 2.5 * once + 200


def steps(text: str) -> int:
    """Return how many functions are called for *text*."""
    called = 0

    def count(*_: object) -> None:
        nonlocal called
        called += 1

    DETECTOR.find("at 1 +49309018200")
    sys.setprofile(count)
    try:
        REGIONAL.find(text)
        REGIONAL.decided(text)
        REGIONAL.forgettable(text)
    finally:
        sys.setprofile(None)
    return called


@settings(max_examples=many(300), deadline=None)
@given(st.integers(0))
def test_identifiers_pass(seed: int) -> None:
    """What programs make to know their things by has no personal data: hashes, ULIDs, UUIDs, ids of tool calls."""
    chance = random.Random(seed)  # noqa: S311  # nothing is to be kept secret by it
    alnum, hexadecimal = string.ascii_letters + string.digits, "0123456789abcdef"
    for _ in range(20):
        bits = chance.getrandbits(128)
        uuid = f"{bits:032x}"
        made = [
            "".join(chance.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=26)),
            f"{uuid[:8]}-{uuid[8:12]}-4{uuid[13:16]}-a{uuid[17:20]}-{uuid[20:]}",
            "".join(chance.choices(hexadecimal, k=64)),
            f"call_{''.join(chance.choices(alnum, k=24))}",
            f"00-{uuid}-{uuid[:16]}-01",
            "".join(chance.choices(f"{alnum}+/", k=300)),
        ]
        for one in made:
            assert DETECTOR.find(f'{{"id": "{one}"}}') == []
