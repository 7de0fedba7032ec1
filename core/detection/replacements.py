"""What stands in the place of a datum where a mark cannot: a value of the same form that nobody can have.

It comes from what is set aside for that: ``.invalid`` (RFC 2606), 192.0.2.0/24 (RFC 5737), 2001:db8::/32 (RFC 3849) and
numbers of phones of 555-01. No detector finds one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

from core.detection import _cards as cards
from core.detection import _ibans as ibans
from core.detection import _machine_addresses as machines
from core.detection import _mail_addresses as mail
from core.detection import _phones as phones

MOST = 9_999
"""How many different ones there are of each; then they come again."""
_SECONDS_PER_DAY = 86_400


def _mail(n: int) -> str:
    return f"redacted-{n}@example.invalid"


def _phone(n: int) -> str:
    return f"+155501{n:05}"


def _iban(n: int) -> str:
    return f"ZZ00REDACTED{n:05}"


def _card(n: int) -> str:
    return f"{n:016}"


def _v4(n: int) -> str:
    return f"192.0.2.{(n - 1) % 254 + 1}"


def _v6(n: int) -> str:
    return f"2001:db8::{n:x}"


def _host(n: int) -> str:
    return f"redacted-{n}.invalid"


def _address(n: int) -> str:
    return f"https://redacted.invalid/{n}"


def _reference(n: int) -> str:
    return f"/redacted/{n}"


def _uuid(n: int) -> str:
    return f"00000000-0000-8000-8000-{n:012}"


def _day(n: int) -> str:
    return (date(1900, 1, 1) + timedelta(days=n - 1)).isoformat()


def _moment(n: int) -> str:
    return f"{_day(n)}T00:00:00Z"


def _time(n: int) -> str:
    seconds = n % _SECONDS_PER_DAY
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"


def _duration(n: int) -> str:
    return f"PT{n}S"


def _pointer(n: int) -> str:
    return f"/redacted-{n}"


_OF_KIND: Mapping[str, Callable[[int], str]] = {
    mail.KIND: _mail,
    phones.KIND: _phone,
    ibans.KIND: _iban,
    cards.KIND: _card,
    machines.KIND: _v4,
}
_OF_FORMAT: Mapping[str, Callable[[int], str]] = {
    "email": _mail,
    "idn-email": _mail,
    "ipv4": _v4,
    "ipv6": _v6,
    "hostname": _host,
    "idn-hostname": _host,
    "uri": _address,
    "iri": _address,
    "uri-reference": _reference,
    "iri-reference": _reference,
    "uuid": _uuid,
    "date": _day,
    "date-time": _moment,
    "time": _time,
    "duration": _duration,
    "json-pointer": _pointer,
    "phone": _phone,
    "iban": _iban,
    "credit-card": _card,
}
FORMATS = frozenset(_OF_FORMAT)
"""The formats of JSON Schema, and the names that people give to others, of which there are replacements."""


def replacement(kind: str, n: int) -> str:
    """Return the *n*-th value, from 1 on, of the form of *kind*, as a span tells it; a numbered mark without a form."""
    make = _OF_KIND.get(kind)
    return make(_numbered(n)) if make else f"[redacted {_numbered(n)}: {kind}]"


def replacement_of(json_format: str, n: int) -> str | None:
    """Return the *n*-th value, from 1 on, that is valid for a ``format`` of JSON Schema; none where none is known."""
    make = _OF_FORMAT.get(json_format)
    return make(_numbered(n)) if make else None


def _numbered(n: int) -> int:
    return (n - 1) % MOST + 1
