"""What is sent: the vendor takes it, no valid value is excluded, and an answer comes back as it was meant."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import orjson
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from core.json_schemas import Compiled, compiled
from core.schema_forms import MODES, VENDORS, SchemaForm, form_for
from tests.core.schema_forms.examples import as_sent, bodies, nulled, value_of, without_absent
from tests.core.schema_forms.rules import RULES, shown

EXAMPLES = 250
"""Of each property: each is a schema, with every vendor in every mode."""
SLOW = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def forms(known: Compiled) -> list[SchemaForm]:
    """Return every form of a schema, each held to its vendor's rules."""
    before = orjson.dumps(known.wire)
    made: list[SchemaForm] = []
    for vendor in VENDORS:
        for mode in MODES:
            form = form_for(known.wire, vendor, mode)
            rule = RULES.get((vendor, form.mode, form.is_enforced), shown)
            assert not rule(form.body), (vendor, mode, form.body)
            assert form.mode == mode or form.relaxed or vendor == "local"
            assert form.summary
            made.append(form)
    assert orjson.dumps(known.wire) == before, "the author's schema is left alone"
    return made


def round_trip(form: SchemaForm, known: Compiled, value: Any) -> None:
    """Send *value*, which satisfies the schema, and lead it back."""
    told = as_sent(value, [known.wire], known.wire, form.names) if form.names else value
    told = nulled(told, form.body, form.body) if form.is_enforced and form.vendor == "OpenAI" else told
    assert jsonschema_rs.is_valid(dict(form.body), told, validate_formats=True), (form.body, value, told)
    back = orjson.loads(form.restored(orjson.dumps(told).decode()))
    if form.vendor == "OpenAI" and form.is_enforced:
        assert without_absent(back) == without_absent(value), (form.body, value, told, back)
    else:
        assert back == value, (form.body, value, told, back)


@SLOW
@given(schema=st.one_of(bodies(tame=True), bodies(tame=False)), data=st.data())
def test_what_is_valid_can_be_said(schema: dict[str, Any], data: st.DataObject) -> None:
    """Whatever satisfies a schema satisfies what each vendor is sent in each mode, and comes back from it unchanged."""
    known = compiled(schema, "thing")
    made = forms(known)
    values = [value_of(data.draw, known.wire, known.wire) for _ in range(4)]
    valid = [value for value in values if known.validator.is_valid(value)]
    event(f"valid values: {bool(valid)}")
    for form in made:
        if form.asked == "json_schema":
            event(f"{form.vendor}: {'enforced' if form.is_enforced else 'relaxed'}")
        for value in valid:
            round_trip(form, known, value)
