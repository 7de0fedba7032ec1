"""What stands in the place of a datum has its form, differs from the others, and is no datum itself."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from core.detection.personal import PersonalDetector
from core.detection.replacements import FORMATS, MOST, replacement, replacement_of
from core.detection.secrets import SecretDetector

DETECTORS = (PersonalDetector(regions=["US", "DE", "FR"]), SecretDetector())
KINDS = (
    "an e-mail address",
    "a phone number",
    "an IBAN",
    "a card number",
    "an IP address",
    "a US social security number",
)
PATTERNS = {
    "a phone number": r"^\+[1-9]\d{6,14}$",
    "an IBAN": r"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$",
    "a card number": r"^\d{13,19}$",
}
SOME = (1, 2, 17, 254, 1_000, MOST)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_it_is_valid_for_its_format(name: str) -> None:
    """As the library judges formats that judges our answers, from the first to the last."""
    validator = jsonschema_rs.validator_for(
        {"type": "string", "format": name}, validate_formats=True, ignore_unknown_formats=True
    )
    made = [replacement_of(name, n) for n in SOME]
    assert [one for one in made if one is None or not validator.is_valid(one)] == []
    assert replacement_of("color", 1) is None


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_the_form_of_its_kind(kind: str) -> None:
    """Also that of the patterns that people write for it; what has no form is a mark with a number."""
    validator = jsonschema_rs.validator_for({"type": "string", "pattern": PATTERNS.get(kind, ".")})
    assert all(validator.is_valid(replacement(kind, n)) for n in SOME)
    assert replacement(kind, 1) == replacement(kind, 1) != replacement(kind, 2)


def test_no_detector_finds_one() -> None:
    """Whatever says beforehand what it would be: what was replaced is not replaced again."""
    made = {replacement(kind, n) for kind in KINDS for n in SOME}
    made |= {str(replacement_of(name, n)) for name in FORMATS for n in SOME}
    for one in made:
        for text in (
            one,
            f"{one}.",
            json.dumps({"email": one, "phone": one, "card": one}),
            f"phone: {one}",
            f"ssn {one}",
        ):
            assert [detector.find(text) for detector in DETECTORS] == [[], []], text


def test_they_differ() -> None:
    """As many as are told to; of addresses of machines there are 254."""
    for kind in KINDS:
        assert len({replacement(kind, n) for n in range(1, MOST + 1)}) == (254 if kind == "an IP address" else MOST)
    assert replacement("an IBAN", MOST + 1) == replacement("an IBAN", 1)
