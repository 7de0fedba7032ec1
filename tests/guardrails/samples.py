"""What is to be found, by the check that has to find it, and what only looks like it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import phonenumbers
from stdnum import iban, luhn

from tests.core.detection.test_personal import VALID
from tests.core.detection.test_secrets import KEYS


@dataclass(frozen=True, slots=True)
class Sample:
    """One text."""

    text: str
    found: tuple[str, ...] = ()
    """What a check has to find in it, each as it stands there; nothing, if it only looks like something."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a check is measured by."""

    samples: Sequence[Sample]
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


AROUND = (
    "My {word} is {datum}. Please check the invoice.",
    '{{"{word}": "{datum}", "n": 1}}',
    "({word} {datum})",
    "{word}: {datum}, and so on\n",
)


def around(datum: str, word: str = "entry") -> Iterator[Sample]:
    """Return a sample of *datum* in each of the sentences."""
    for sentence in AROUND:
        yield Sample(sentence.format(word=word, datum=datum), (datum,))


_ISSUERS = {"4": 16, "40": 19, "52": 16, "2300": 16, "34": 15, "6011": 16, "3540": 16, "3600": 14, "62": 18}
"""What numbers of cards begin with, and how long they are."""


def _cards() -> Iterator[Sample]:
    for begin, size in _ISSUERS.items():
        body = (begin + "7305918264073")[: size - 1].ljust(size - 1, "5")
        number = body + luhn.calc_check_digit(body)
        yield from around(number)
        if size == 16:
            yield from around(" ".join(number[at : at + 4] for at in range(0, 16, 4)))
            yield from around("-".join(number[at : at + 4] for at in range(0, 16, 4)))


_ACCOUNTS = {
    "DE": "370400440532013000",
    "FR": "20041010050500013M02606",
    "ES": "21000418450200051332",
    "IT": "X0542811101000000123456",
    "NL": "ABNA0417164300",
    "BE": "539007547034",
    "PL": "109010140000071219812874",
    "SE": "50000000058398257466",
    "NO": "86011117947",
    "DK": "00400440116243",
    "CH": "00762011623852957",
    "AT": "1904300234573201",
    "PT": "000201231234567890154",
    "GB": "WEST12345698765432",
    "MT": "MALT011000012345MTLCAST001S",
}
"""What stands behind the check digits, in the samples of the registry."""


def _accounts() -> Iterator[Sample]:
    for country, account in _ACCOUNTS.items():
        number = country + iban.calc_check_digits(f"{country}00{account}") + account
        yield from around(number)
        yield from around(iban.format(number))


def _phones() -> Iterator[Sample]:
    for region in (
        "DE",
        "FR",
        "ES",
        "IT",
        "NL",
        "BE",
        "PL",
        "SE",
        "NO",
        "DK",
        "CH",
        "AT",
        "PT",
        "GB",
        "US",
        "JP",
        "BR",
        "IN",
    ):
        number = phonenumbers.example_number(region)
        yield from around(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
        national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        yield from around(national, "phone")


def _national() -> Iterator[Sample]:
    for word, numbers in VALID.items():
        for number in numbers:
            yield from around(number, word)


_MAIL = (
    "jane.doe@example.org",
    "jane.doe+tag@example.org",
    "JANE@EXAMPLE.CO.UK",
    "j\u00fcrgen@m\u00fcller.example",
    "user@xn--80ak6aa92e.com",
    "a_b-c@sub.domain.example",
    '"jane doe"@example.org',
    "o'neill@example.ie",
    "x@[192.0.2.7]",
)
_MACHINES = (
    "203.0.113.7",
    "198.51.100.23",
    "91.198.174.192",
    "2001:db8:85a3::8a2e:370:7334",
    "2a00:1450:4001:81b::200e",
)

_LIKE_PERSONAL = (
    "PO 536904399, batch 1748503543012, order 44051401458",
    "4111111111111112 and 4000 1000 2000 3000 5000 6000",
    "DE89370400440532013001, AB12 CDEF 3456",
    "git@github.com:org/repo.git, icon@2x.png, @jane, a@b",
    "version 10.2.255.1, section 4.3.2.1, 10.0.0.5, std::vector, 12:30:45",
    "4711-2026-0815 of 12.12.2026, 1 234 567 890 units",
    "The phone is out of order since 12.12.2026.",
    "+12, +1234567, UTC+0200, 2+2",
    "86-07-30-033, X-2482300, 987-65-4321",
    "Personal number of pieces: 12. Card 4711. IBAN: see the handbook.",
    "EAN 4006381333931, ISBN 978-3-16-148410-0",
    "The SSN has nine digits; a BSN too.",
    "3.14159265358979, 0.5309136012499991%",
    "CAS 7732-18-5, UN 1203, \u00a7 433",
)
_LIKE_SECRETS = (
    "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "550e8400-e29b-41d4-a716-446655440000 and 01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "The token budget is 16,000 tokens per request.",
    "Our key account manager will reset the password policy.",
    "sk-circle-fade-dot-container, pk_customers_orders_line_items",
    "Use the Authorization header with a bearer token.",
    "call_9xQ2vT7rLp0sWz4Yb6Nc8Md1, toolu_01A09q90qw90lq917835lq9",
    "sk-..., ghp_" + "x" * 36,
    "A PEM file starts with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----.",
)

MEASURED: Mapping[str, Measured] = {
    "personal": Measured(
        [
            *_cards(),
            *_accounts(),
            *_phones(),
            *_national(),
            *(sample for address in _MAIL[:6] + _MAIL[7:] for sample in around(address)),
            *(Sample(sentence.format(word="mail", datum=_MAIL[6]), (_MAIL[6],)) for sentence in (AROUND[0], AROUND[2])),
            *(sample for address in _MACHINES for sample in around(address)),
            *map(Sample, _LIKE_PERSONAL),
        ]
    ),
    "secrets": Measured(
        [
            *(sample for key in KEYS.values() for sample in around(key)),
            *map(Sample, _LIKE_SECRETS),
        ]
    ),
}
"""By the name of the check."""
