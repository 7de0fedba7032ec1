"""What is sent: the vendor takes it, no valid value is excluded, and an answer comes back as it was meant."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from core.json_schemas import compiled
from tests.core.schema_forms.corpus import forms, round_trip, valid_of
from tests.core.schema_forms.examples import bodies, value_of
from tests.examples import few

EXAMPLES = few(120)
"""Of each property: each is a schema, with every vendor in every mode."""
SLOW = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(schema=st.one_of(bodies(tame=True), bodies(tame=False)), data=st.data())
def test_what_is_valid_can_be_said(schema: dict[str, Any], data: st.DataObject) -> None:
    """Whatever satisfies a schema satisfies what each vendor is sent in each mode, and comes back from it unchanged."""
    known = compiled(schema, "thing")
    made = forms(known)
    values = [value_of(data.draw, schema, schema) for _ in range(4)]
    valid = valid_of(known, values)
    event(f"valid values: {bool(valid)}")
    for form in made:
        if form.asked == "json_schema":
            event(f"{form.vendor}: {'enforced' if form.is_enforced else 'relaxed'}")
        for value in valid:
            round_trip(form, known, value)
