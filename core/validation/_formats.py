"""Dates, times, durations and UUIDs as Pydantic means them: what its types take is valid, what they refuse is not.

A URI may hold letters outside ASCII, as its URLs may; more of what those repair is none.

JSON Schema's own ``date-time`` and ``time`` demand a time zone, and a text that names none would be asked for again
until one is made up. ``date-time-local`` is the OpenAPI registry's name for one without a zone; ``date-time-zoned`` is
ours for one with. A number in quotes, which Pydantic reads as seconds since 1970, is no date here: no model means that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from jsonschema_rs import Draft202012Validator
from pydantic import AwareDatetime, NaiveDatetime, TypeAdapter
from pydantic_core import SchemaValidator

LONGEST = 200
"""The longest text that may be one of these, in characters."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


def _checks(kind: Any) -> Callable[[str], bool]:
    takes = SchemaValidator(TypeAdapter(kind).core_schema).isinstance_python

    def is_valid(text: str) -> bool:
        return len(text) <= LONGEST and takes(text) and not _NUMBER.fullmatch(text)

    return is_valid


_takes_uuid = SchemaValidator(TypeAdapter(UUID).core_schema).isinstance_python


def _is_uuid(text: str) -> bool:
    return len(text) <= LONGEST and _takes_uuid(text)


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date": _checks(date),
    "date-time": _checks(datetime),
    "date-time-local": _checks(NaiveDatetime),
    "date-time-zoned": _checks(AwareDatetime),
    "time": _checks(time),
    "duration": _checks(timedelta),
    "uuid": _is_uuid,
    "uri": Draft202012Validator({"format": "iri"}, validate_formats=True, offline=True).is_valid,
}
"""By name, whether a text is one."""
CHECKED_FORMATS = frozenset(FORMATS) | frozenset(
    """
    email idn-email hostname idn-hostname ipv4 ipv6 uri-reference iri iri-reference uri-template json-pointer
    relative-json-pointer regex
    """.split()  # noqa: SIM905 forty quotes tell less
)
"""The formats that are checked, of texts alone. Any other is an annotation: it says what a value means."""
