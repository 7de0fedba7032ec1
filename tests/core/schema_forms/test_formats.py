"""Who checks a format: the vendor, Proctor, or nobody."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from core.json_schemas import compiled
from core.schema_forms import MODES, VENDORS, SchemaForm, form_for
from core.validation import CHECKED_FORMATS
from core.validation._compile import compiled as compiled_schema

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "format": "int32"},
        "price": {"type": "string", "format": "decimal"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}, "format": "table"},
        "mail": {"type": "string", "format": "email"},
        "link": {"type": "string", "format": "uri-reference"},
        "when": {"type": ["number", "null"], "format": "date"},
    },
    "required": ["count", "price", "lines", "mail", "link", "when"],
    "additionalProperties": False,
    "$defs": {
        "line": {
            "type": "object",
            "properties": {"tax": {"type": "number", "format": "double"}},
            "required": ["tax"],
            "additionalProperties": False,
        }
    },
}
NOBODYS = (
    "format int32 of $.count",
    "format decimal of $.price",
    "format table of $.lines",
    "format double of $.lines[].tax",
    "format date of $.when",
)


def _form(vendor: str, mode: str) -> SchemaForm:
    return form_for(compiled(SCHEMA, "Order").wire, vendor, mode)


@pytest.mark.parametrize("vendor", [*VENDORS, "unheard of"])
@pytest.mark.parametrize("mode", MODES)
def test_what_nobody_checks_is_told(mode: str, vendor: str) -> None:
    """A format that is not known, or of values that are no texts, is nobody's in any form, and no vendor's or ours."""
    form = _form(vendor, mode)
    assert form.unchecked == NOBODYS
    assert form.is_worth_telling
    assert "Nobody checks what only tells the model what is meant: format int32 of $.count, " in form.summary
    assert {one.path for one in form.left_out if one.keyword == "format"} <= {"$.mail", "$.link"}


def test_the_model_is_told_all_the_same() -> None:
    """Where a vendor does not take the keyword, the model reads it beside the description."""
    properties = _form("openai", "json_schema").body["properties"]
    assert properties["count"] == {"type": "integer", "description": "(format: int32)"}
    assert properties["price"] == {"type": "string", "description": "(format: decimal)"}
    assert properties["lines"]["description"] == "(format: table)"


WRONG = {
    **dict.fromkeys(CHECKED_FORMATS, "\\ x"),
    "uri-template": "{",
    "regex": "(",
    "json-pointer": "x",
    "uri-reference": "\\x y",
    "iri-reference": "\\x y",
}


@pytest.mark.parametrize("name", sorted(CHECKED_FORMATS))
def test_what_is_called_checked_is(name: str) -> None:
    """Each format that is said to be checked refuses a text, and no value that is none."""
    validator: Draft202012Validator = compiled_schema({"format": name}, is_watched=False)
    assert not validator.is_valid(WRONG[name])
    assert all(map(validator.is_valid, (1, 1.5, True, None, [], {})))
