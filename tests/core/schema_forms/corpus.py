"""Any number of schemas, with values that may satisfy them, held to the law of forms and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jsonschema_rs
import orjson

from core.errors import Invalid
from core.json_schemas import Compiled, compiled
from core.schema_forms import MODES, VENDORS, SchemaForm, form_for
from tests.core.schema_forms.examples import as_sent, nulled, without_absent
from tests.core.schema_forms.rules import BY_NAME, MANY, ONE, RULES, shown


def tally(cases: Iterable[tuple[Mapping[str, Any], Sequence[Any]]]) -> Counter[str]:
    """Return how schemas fare: each is a schema and some values, valid or not.

    Counted are ``taken`` and ``refused`` schemas, ``values`` that are valid and came back from every form, and for each
    vendor its forms of the mode json_schema, such as ``openai enforced`` or ``anthropic as tools``.

    Raises:
        AssertionError: a form breaks its vendor's rules, excludes a valid value, or does not lead it back.

    """
    count: Counter[str] = Counter()
    for schema, values in cases:
        try:
            known = compiled(dict(schema), "thing")
        except Invalid:
            count["refused"] += 1
            continue
        count["taken"] += 1
        made = forms(known)
        for form, vendor in zip(made, (one for one in VENDORS for _ in MODES), strict=True):
            if form.asked == "json_schema":
                how = "enforced" if form.is_enforced else "shown" if form.mode == form.asked else f"as {form.mode}"
                count[f"{vendor} {how}"] += 1
        for value in valid_of(known, values):
            count["values"] += 1
            for form in made:
                round_trip(form, known, value)
    return count


def valid_of(known: Compiled, values: Sequence[Any]) -> list[Any]:
    """Return what of *values* satisfies the schema, as it is sent.

    Formats are those of JSON Schema: what is also taken when an answer is read, such as a time without a zone, no
    provider is asked for.
    """
    exact = jsonschema_rs.validator_for(known.wire, validate_formats=True)
    told = [{"value": value} if known.is_wrapped else value for value in values]
    return [value for value in told if known.validator.is_valid(value) and exact.is_valid(value)]


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
    """Send *value*, which satisfies the schema, and lead it back.

    Where a vendor closes objects, one that lists properties is not asked for others of which it says nothing.
    """
    told = as_sent(value, [known.wire], known.wire, form.names) if form.names else value
    told = nulled(told, form.body, form.body) if form.is_enforced and form.vendor == "OpenAI" else told
    if not jsonschema_rs.is_valid(dict(form.body), told, validate_formats=True):
        assert form.is_enforced, (form.body, value, told)
        assert not jsonschema_rs.is_valid(as_closed(known.wire), value), (form.body, value, told)
        return
    back = orjson.loads(form.restored(orjson.dumps(told).decode()))
    if form.vendor == "OpenAI" and form.is_enforced:
        assert without_absent(back) == without_absent(value), (form.body, value, told, back)
    else:
        assert back == value, (form.body, value, told, back)


def as_closed(node: Any) -> Any:
    """Return *node* with each object in it closed that lists properties and says nothing of others."""
    if not isinstance(node, dict):
        return node
    closed: dict[str, Any] = {**node}
    for name in BY_NAME:
        if name in node:
            closed[name] = {key: as_closed(part) for key, part in node[name].items()}
    for name in ONE:
        if name in node:
            closed[name] = as_closed(node[name])
    for name in MANY:
        if name in node:
            closed[name] = [as_closed(part) for part in node[name]]
    if "properties" in node and not {"additionalProperties", "unevaluatedProperties"} & node.keys():
        closed["unevaluatedProperties"] = False
    return closed
