"""Dates, times and durations are what Pydantic takes for them, wherever a schema came from."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, NaiveDatetime, TypeAdapter

from core.field_problems import field_errors
from core.pydantic_source import json_schema_from_source
from core.response_models import response_model
from core.schema_forms import VENDORS, form_for
from tests.examples import many

KINDS: dict[str, Any] = {
    "date": date,
    "datetime": datetime,
    "NaiveDatetime": NaiveDatetime,
    "AwareDatetime": AwareDatetime,
    "time": time,
    "timedelta": timedelta,
    "UUID": UUID,
}
TEXTS = """
2026-05-14T10:00:00 2026-05-14T10:00:00Z 2026-05-14t10:00:00z 2026-05-14T10:00 2026-05-14T10 2026-05-14
2026-05-14T10:00:00+02:00 2026-05-14T10:00:00+0200 2026-05-14T10:00:00-00:00 2026-05-14T10:00:00+25:00
2026-05-14T10:00:00.5 2026-05-14T10:00:00.123456789Z 2026-05-14T23:59:60Z 2026-05-14T24:00:00 2026-05-14T00:00:00
2026-05-14T00:00:00Z 2026-02-30 2026-13-01 0000-01-01 0001-01-01 9999-12-31 14.05.2026 05/14/2026 2026-5-14 2026-W20-4
10:00 10:00:00 10:00:00.25 10:00:00Z 10:00:00+02:00 10:00+02:00 24:00:00 25:00 10:60 noon now today
P3D P3DT4H PT4H PT0.5S P1W P1Y P1M P1Y2M10DT2H30M -P3D -PT36H P PT P3DT 3d 1:30 100:00:00 inf nan true null
""".split()  # noqa: SIM905 ninety quotes tell less
TEXTS += ["2026-05-14 10:00", "2026-05-14 10:00:00 Z", " 2026-05-14", "2026-05-14 ", "", "3 days", "1 day, 2:00:00"]
TEXTS += ["14 May 2026", "\uff12026-05-14", "2026-05-14T10:00:00\0", "P" + "1" * 400 + "D"]
BARE = "12345678123456781234567812345678"
TEXTS += [BARE, f"{{{BARE}}}", f"urn:uuid:{BARE}", BARE[:-1], f"{BARE[:8]}-1234-5678-1234-567812345678"]
TEXTS += [
    f"{{{BARE[:8]}-1234-5678-1234-567812345678}}",
    f"{BARE[:8]}-12345678-1234-567812345678",
    BARE.replace("1", "g"),
]
NUMBERS = ["5", "10", "-1", "20260514", "1494012444", "1494012444.5", "0", "99999999999999999999"]


def takes(kind: str, text: str) -> bool:
    """Whether the schema of a field of the Pydantic type *kind* takes *text*."""
    source = f"from datetime import *\nfrom pydantic import *\nclass Told(BaseModel):\n    at: {kind}\n"
    try:
        response_model(json_schema_from_source(source), "told").model_validate_json(json.dumps({"at": text}))
    except pydantic.ValidationError:
        return False
    return True


def pydantic_takes(kind: str, text: str) -> bool:
    """Whether Pydantic's own type does."""
    try:
        TypeAdapter(KINDS[kind]).validate_json(json.dumps(text))
    except pydantic.ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_what_pydantic_takes(kind: str) -> None:
    """Of many texts, those are taken that Pydantic takes."""
    assert {text: takes(kind, text) for text in TEXTS} == {text: pydantic_takes(kind, text) for text in TEXTS}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_in_quotes_are_no_dates(kind: str) -> None:
    """A number in quotes, which Pydantic reads as seconds since 1970, is deliberately none."""
    assert not any(takes(kind, text) for text in NUMBERS)


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [
        ("https://example.com/a?b#c", True),
        ("https://m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen.de/stra\N{LATIN SMALL LETTER SHARP S}e", True),
        ("urn:isbn:0451450523", True),
        ("https://exa mple.com", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_addresses_outside_ascii(text: str, *, is_taken: bool) -> None:
    """A URL may have a host and a path in any script, as in Pydantic; without a scheme it is none."""
    assert takes("HttpUrl", text) == is_taken


@settings(max_examples=many(300), deadline=None)
@given(st.sampled_from(list(KINDS)), st.from_regex(r"\A[PT0-9:.+Z -]{0,6}[0-9]{0,4}-?[0-9]{2}[-:T ][0-9:Z+.]{0,12}\Z"))
def test_texts_that_look_like_one(kind: str, text: str) -> None:
    """So it is with any text that looks like a date, but for numbers."""
    is_number = text.strip("+-").replace(".", "", 1).isdigit()
    assert takes(kind, text) == (pydantic_takes(kind, text) and not is_number)


@pytest.mark.parametrize(
    ("format_", "text", "kind", "message"),
    [
        ("date-time", "soon", "datetime_parsing", "a date and time such as 2026-01-31T09:30:00"),
        (
            "date-time-local",
            "2026-01-31T09:30:00Z",
            "datetime_parsing",
            "a date and time without a time zone, such as 2026-01-31T09:30:00",
        ),
        (
            "date-time-zoned",
            "2026-01-31T09:30:00",
            "datetime_parsing",
            "a date and time with its time zone, such as 2026-01-31T09:30:00Z",
        ),
        ("time", "noon", "time_parsing", "a time such as 09:30:00"),
    ],
)
def test_what_is_asked_for(format_: str, text: str, kind: str, message: str) -> None:
    """A model that is asked again is told which form is wanted."""
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": format_}}}
    with pytest.raises(pydantic.ValidationError) as caught:
        response_model(schema, "at").model_validate_json(json.dumps({"at": text}))
    (problem,) = field_errors(caught.value)
    assert (problem.type, problem.message) == (kind, f"Input should be {message}")


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    "format_", ["date-time", "date-time-local", "date-time-zoned", "time", "date", "duration", "uuid", "uri"]
)
def test_no_vendor_is_sent_a_format_that_takes_less_than_ours(vendor: str, format_: str) -> None:
    """Where a vendor enforces what it is sent, it is not sent a format that demands a zone where we do not.

    But the local model writes plain dates and UUIDs: it would write nothing of the kind without its grammar.
    """
    schema = {
        "type": "object",
        "properties": {"at": {"type": "string", "format": format_}},
        "required": ["at"],
        "additionalProperties": False,
    }
    form = form_for(response_model(schema, "at").form.wire, vendor, "json_schema")
    if form.is_enforced and not (vendor == "local" and format_ in ("date", "uuid")):
        assert "format" not in form.body["properties"]["at"]
        assert form.left_out
