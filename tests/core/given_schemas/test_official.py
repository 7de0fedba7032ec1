"""The official suite of JSON Schema 2020-12, from paste to what each vendor is sent; its licence lies beside it.

https://github.com/json-schema-org/JSON-Schema-Test-Suite, commit 44401e0c, MIT.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from core.errors import Invalid
from core.given_schemas import read
from core.json_schemas import compiled
from tests.core.schema_forms.corpus import tally

SUITE = Path(__file__).parents[2] / "corpora" / "json_schema_test_suite" / "draft2020-12.json.gz"
WHY_REFUSED = (
    "leaves the schema",
    "depends on where it is referred from",
    "does not fit 64 bits",
    "names a dialect that is not known",
    "looks like",
    "where there is no schema",
    "that is an object, in braces",
)


def cases() -> Iterator[tuple[str, Any, list[tuple[Any, bool]]]]:
    """Yield each schema of the suite, with the file that it is from, and its values with whether they are valid."""
    for file, found in orjson.loads(gzip.decompress(SUITE.read_bytes())).items():
        for case in found:
            yield file, case["schema"], [(test["data"], test["valid"]) for test in case["tests"]]


def is_kept(value: Any) -> bool:
    """Whether *value* is JSON that can be sent and stored: its numbers fit 64 bits."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def test_the_official_suite(capsys: pytest.CaptureFixture[str]) -> None:
    """Every schema is taken and every verdict is right, or the schema is refused in a sentence.

    Two things are ours, and documented: a root with properties and no type is an object, and formats are checked, as
    Pydantic means them.
    """
    count: Counter[str] = Counter()
    wrong: list[Any] = []
    refused: list[str] = []
    taken: list[tuple[dict[str, Any], list[Any]]] = []
    for file, schema, values in cases():
        try:
            given = read(schema)
            form = compiled(given.schema, "thing")
        except Invalid as refusal:
            count["refused"] += 1
            refused.append(refusal.message)
            continue
        count["taken"] += 1
        taken.append((given.schema, [value for value, _ in values if is_kept(value)]))
        as_object = "properties" in given.schema and "type" not in given.schema
        for value, is_valid in values:
            told = {"value": value} if form.is_wrapped else value
            if form.validator.is_valid(told) == is_valid:
                count["right"] += 1
            elif "format" in file:
                count["format"] += 1
            elif as_object and is_valid:
                count["object"] += 1
            else:
                wrong.append((file, schema, value, is_valid))
    sent = tally(taken)
    with capsys.disabled():
        print(f"\nofficial suite: {dict(count)}, wrong {len(wrong)}; sent: {dict(sent)}")
    assert wrong == []
    assert [said for said in refused if not any(why in said for why in WHY_REFUSED)] == []
    assert sent["refused"] == 0
    assert count["taken"] > 400
    assert count["right"] > 2_000
    assert count["object"] <= 20
    assert count["format"] <= 45
