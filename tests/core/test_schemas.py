"""The registry: versions by content, labels that move, every change audited."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlmodel import col, select

from core.clock import ManualClock
from core.errors import Conflict, Invalid, NotFound
from core.principals import LOCAL_OPERATOR
from core.schemas import SAMPLES, ResolvedSchema, Schemas, checked
from core.store import Store
from core.tables import AuditEntry, ChangeEvent, Schema, SchemaVersion
from tests.builders import decisions, person

PRICE: dict[str, Any] = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}
PRICE_2: dict[str, Any] = {**PRICE, "properties": {"price": {"type": "number", "description": "Without tax."}}}


@pytest.fixture
def schemas(store: Store, clock: ManualClock) -> Schemas:
    """An empty registry."""
    return Schemas(store, clock)


def entries(store: Store) -> list[AuditEntry]:
    """Return the audit, oldest first."""
    with store.reading() as session:
        return list(session.exec(select(AuditEntry).order_by(col(AuditEntry.at), col(AuditEntry.id))))


def test_added_schema_is_found(schemas: Schemas, clock: ManualClock) -> None:
    """A schema that was added is in production and found by name, label and version alike."""
    row = schemas.add(person("ann"), "price", PRICE, example_input="It costs 5.", example_output={"price": 5})
    found = schemas.find(LOCAL_OPERATOR, "price")
    assert found == schemas.find(LOCAL_OPERATOR, "price@production") == schemas.find(LOCAL_OPERATOR, "price@1")
    assert (found.name, found.version, found.hash, found.body) == ("price", 1, row.hash, PRICE)
    assert (found.example_input, found.example_output, found.reference) == ("It costs 5.", {"price": 5}, "price@1")
    assert found.response_model.model_validate_json('{"price": 2}').value == {"price": 2}
    assert found.response_model.__name__ == "price"
    assert (row.created_at, row.created_by) == (clock.now(), "ann")


def test_same_content_is_kept_once(schemas: Schemas, store: Store) -> None:
    """To add the same content again gives the version that is there, and changes and audits nothing."""
    first = schemas.add(person("ann"), "price", PRICE)
    again = schemas.add(person("bob"), "price", dict(reversed(PRICE.items())))
    assert (again.id, again.version, again.created_by) == (first.id, 1, "ann")
    assert len(entries(store)) == 1
    with store.snapshot() as connection:
        assert decisions(connection) == 1


def test_new_content_is_a_new_version(schemas: Schemas) -> None:
    """Other content under the same name is the next version; production moves to it and the old one stays."""
    schemas.add(person("ann"), "price", PRICE)
    assert schemas.add(person("ann"), "price", PRICE_2).version == 2
    assert schemas.find(LOCAL_OPERATOR, "price").version == 2
    assert schemas.find(LOCAL_OPERATOR, "price@1").body == PRICE


def test_adding_without_a_label_promotes_nothing(schemas: Schemas) -> None:
    """A version that is added without a label is found by its number only."""
    schemas.add(person("ann"), "price", PRICE, label=None)
    with pytest.raises(NotFound, match=r"no version labelled 'production'\. It has version 1; its labels: none"):
        schemas.find(LOCAL_OPERATOR, "price")
    schemas.add(person("ann"), "price", PRICE_2)
    schemas.add(person("ann"), "price", PRICE, label="staging")
    assert [schemas.find(LOCAL_OPERATOR, f"price{which}").version for which in ("", "@staging", "@1")] == [2, 1, 1]


def test_adding_old_content_brings_it_back(schemas: Schemas, store: Store, clock: ManualClock) -> None:
    """To add the content of an old version makes no new row, but moves the label back to it."""
    for body in (PRICE, PRICE_2):
        schemas.add(person("ann"), "price", body)
        clock.advance(1)
    assert schemas.add(person("bob"), "price", PRICE).version == 1
    assert schemas.find(LOCAL_OPERATOR, "price").version == 1
    assert [version.version for version in schemas.versions(LOCAL_OPERATOR, "price")] == [2, 1]
    assert entries(store)[-1].before == {"labels": {"production": 2}}


def test_promote(schemas: Schemas, store: Store, clock: ManualClock) -> None:
    """A label moves to another version, audited with where it was and where it is."""
    for body in (PRICE, PRICE_2):
        schemas.add(person("ann"), "price", body)
        clock.advance(1)
    schemas.promote(person("bob"), "price", 1, expected=2)
    assert schemas.find(LOCAL_OPERATOR, "price").version == 1
    entry = entries(store)[-1]
    assert (entry.actor, entry.action, entry.subject) == ("bob", "schema.promote", "price")
    assert entry.before == {"labels": {"production": 2}}
    assert entry.after == {"labels": {"production": 1}, "hash": schemas.find(LOCAL_OPERATOR, "price").hash}
    with store.reading() as session:
        events = session.exec(select(ChangeEvent).order_by(col(ChangeEvent.at), col(ChangeEvent.id))).all()
    assert [event.summary for event in events] == [
        "price version 1 added and now production",
        "price version 2 added and now production",
        "price version 1 is now production, was version 2",
    ]
    assert {event.kind for event in events} == {"schema"}


def test_promote_to_where_it_is_changes_nothing(schemas: Schemas, store: Store) -> None:
    """To promote the version that has the label already is no change."""
    schemas.add(person("ann"), "price", PRICE)
    schemas.promote(person("bob"), "price", 1)
    assert len(entries(store)) == 1


@pytest.mark.parametrize(("expected", "label"), [(1, "production"), (0, "production"), (1, "canary")])
def test_promote_after_someone_else(schemas: Schemas, expected: int, label: str) -> None:
    """A label that has moved since the caller looked stays where it is."""
    for body in (PRICE, PRICE_2):
        schemas.add(person("ann"), "price", body)
    with pytest.raises(Conflict, match=f"changed price@{label} meanwhile"):
        schemas.promote(person("bob"), "price", 1, label, expected=expected)
    assert schemas.find(LOCAL_OPERATOR, "price").version == 2


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_saved_after_someone_else(schemas: Schemas, expected: int) -> None:
    """Who saves under a label that has moved since they looked is refused, and nothing is kept."""
    for body in (PRICE, PRICE_2):
        schemas.add(person("ann"), "price", body)
    with pytest.raises(Conflict, match="changed price@production meanwhile"):
        schemas.add(person("bob"), "price", PRICE | {"title": "Third"}, expected=expected)
    assert [one.version for one in schemas.versions(LOCAL_OPERATOR, "price")] == [2, 1]
    assert schemas.add(person("bob"), "price", PRICE | {"title": "Third"}, expected=2).version == 3


def test_promote_a_new_label(schemas: Schemas) -> None:
    """A label that nobody used yet can be promoted when the caller expects just that."""
    schemas.add(person("ann"), "price", PRICE)
    schemas.promote(person("bob"), "price", 1, "canary", expected=0)
    assert schemas.find(LOCAL_OPERATOR, "price@canary").version == 1


@pytest.mark.parametrize(("name", "version"), [("price", 7), ("prize", 1)])
def test_promote_what_is_not_there(schemas: Schemas, name: str, version: int) -> None:
    """A schema or version that is not there cannot be promoted; the message names what is."""
    schemas.add(person("ann"), "price", PRICE)
    with pytest.raises(NotFound, match=r"It has version 1|There are: price"):
        schemas.promote(person("bob"), name, version)


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("prize", r"There is no schema 'prize'. There are: price, weight"),
        ("prize@2", "There are: price, weight"),
        ("price@3", r"no version 3. It has version 1 to 2; its labels: production \(version 2\)"),
        ("price@canary", r"no version labelled 'canary'"),
    ],
)
def test_not_found_names_what_exists(schemas: Schemas, reference: str, told: str) -> None:
    """A reference that finds nothing is answered with what there is."""
    schemas.add(person("ann"), "weight", PRICE)
    for body in (PRICE, PRICE_2):
        schemas.add(person("ann"), "price", body)
    with pytest.raises(NotFound, match=told):
        schemas.find(LOCAL_OPERATOR, reference)


def test_empty_registry_says_so(schemas: Schemas) -> None:
    """Before anything is added, a reference is answered with how to begin."""
    with pytest.raises(NotFound, match="none yet; add one first"):
        schemas.find(LOCAL_OPERATOR, "price")


@pytest.mark.parametrize(
    "reference", ["", "@", "price@", "@1", "Price", "price@Prod", "price@1.5", "a b", "price@1@2", "x" * 500]
)
def test_malformed_references(schemas: Schemas, reference: str) -> None:
    """What cannot be a reference is told apart from what is not there."""
    with pytest.raises(Invalid, match="write name, name@label or name@3") as caught:
        schemas.find(LOCAL_OPERATOR, reference)
    assert not isinstance(caught.value, NotFound)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", ["", "Price", "2price", "price-tag", "präis", "a" * 64, "price\n", "price@1"])
def test_names_that_cannot_be(schemas: Schemas, name: str) -> None:
    """A name that could not be told from a reference, or that a tool could not carry, is refused."""
    with pytest.raises(Invalid, match="cannot name a schema"):
        schemas.add(person("ann"), name, PRICE)


@pytest.mark.parametrize("label", ["", "3", "Production", "a" * 33])
def test_labels_that_cannot_be(schemas: Schemas, label: str) -> None:
    """A label that looks like a version, or like nothing, is refused."""
    schemas.add(person("ann"), "price", PRICE)
    with pytest.raises(Invalid, match="cannot be a label"):
        schemas.add(person("ann"), "price", PRICE_2, label=label)
    with pytest.raises(Invalid, match="cannot be a label"):
        schemas.promote(person("ann"), "price", 1, label)


@pytest.mark.parametrize(
    ("body", "extra", "told"),
    [
        ({"type": "objekt"}, {}, r"\$\.type is no type"),
        (
            PRICE,
            {"example_output": {"price": "five"}},
            r"breaks its own schema at \$\.price: Input should be a valid number",
        ),
        (PRICE, {"example_output": {}}, r"breaks its own schema at \$\.price: Field required"),
        (PRICE, {"example_input": "a\x00b"}, "NUL character"),
        (PRICE, {"description": "\x00"}, "NUL character"),
    ],
)
def test_nothing_wrong_is_kept(schemas: Schemas, body: dict[str, Any], extra: dict[str, Any], told: str) -> None:
    """A schema that cannot be used, or whose example breaks it, leaves nothing behind."""
    with pytest.raises(Invalid, match=told):
        schemas.add(person("ann"), "price", body, **extra)
    assert list(schemas.list(LOCAL_OPERATOR)) == []


def test_odd_text_survives_both_databases(schemas: Schemas) -> None:
    """NUL inside a schema, quotes, and every script come back as they were stored."""
    body = {"type": "object", "properties": {'a"b': {"const": "x\x00y"}, "日本": {"enum": ["🙂", "ü"]}}}
    schemas.add(person("ann"), "odd", body, example_input="Ünï 🙂 'quoted'", example_output={"日本": "🙂"})
    found = schemas.find(LOCAL_OPERATOR, "odd")
    assert found.body == body
    assert (found.example_input, found.example_output) == ("Ünï 🙂 'quoted'", {"日本": "🙂"})


def test_wrapped_example(schemas: Schemas) -> None:
    """The example of a schema whose root is no object is stored bare, and shown to a provider as it must answer."""
    schemas.add(person("ann"), "numbers", {"type": "array", "items": {"type": "integer"}}, example_output=[1, 2])
    found = schemas.find(LOCAL_OPERATOR, "numbers")
    assert found.example_output == [1, 2]
    assert found.wire_example == {"value": [1, 2]}
    schemas.add(person("ann"), "price", PRICE, example_output={"price": 1})
    assert schemas.find(LOCAL_OPERATOR, "price").wire_example == {"price": 1}
    schemas.add(person("ann"), "bare", PRICE)
    assert schemas.find(LOCAL_OPERATOR, "bare").wire_example is None


def test_description_changes_alone(schemas: Schemas, store: Store) -> None:
    """A new description of the same content is kept and audited; no description keeps the old one."""
    schemas.add(person("ann"), "price", PRICE, description="A price.")
    schemas.add(person("ann"), "price", PRICE, description="A net price.")
    schemas.add(person("ann"), "price", PRICE)
    assert [summary.description for summary in schemas.list(LOCAL_OPERATOR)] == ["A net price."]
    assert len(entries(store)) == 2


def test_list_and_versions(schemas: Schemas, clock: ManualClock) -> None:
    """Lists tell names, versions and labels, each in its order."""
    for body in (PRICE, PRICE_2):
        schemas.add(person("ann"), "price", body)
        clock.advance(60)
    schemas.promote(person("ann"), "price", 1, "canary")
    schemas.add(person("bob"), "amount", PRICE, label=None, is_demo=True)
    amount, price = schemas.list(LOCAL_OPERATOR)
    assert (amount.name, amount.versions, amount.latest, amount.labels, amount.is_demo) == ("amount", 1, 1, {}, True)
    assert (price.name, price.versions, price.latest, price.is_demo) == ("price", 2, 2, False)
    assert price.labels == {"canary": 1, "production": 2}
    newest, oldest = schemas.versions(LOCAL_OPERATOR, "price")
    assert (newest.version, newest.labels, newest.created_by) == (2, ["production"], "ann")
    assert (oldest.version, oldest.labels) == (1, ["canary"])
    assert newest.created_at > oldest.created_at
    with pytest.raises(NotFound):
        schemas.versions(LOCAL_OPERATOR, "prize")


def test_inline(schemas: Schemas) -> None:
    """A schema that comes with a request is named by its title, has no version, and is not kept."""
    found = schemas.inline({**PRICE, "title": "Net price (EUR)"})
    assert (found.name, found.version, found.reference) == ("Net_price_EUR", None, "Net_price_EUR")
    assert found.response_model.__name__ == "Net_price_EUR"
    assert schemas.inline(PRICE).name == "inline"
    assert schemas.inline({**PRICE, "title": ""}).name == "inline"
    schemas.add(person("ann"), "price", PRICE)
    assert schemas.inline(PRICE).hash == schemas.find(LOCAL_OPERATOR, "price").hash
    assert [summary.name for summary in schemas.list(LOCAL_OPERATOR)] == ["price"]
    with pytest.raises(Invalid):
        schemas.inline({"type": "objekt"})


def test_concurrent_adds_keep_each_content_once(store: Store, clock: ManualClock) -> None:
    """Threads that add the same few contents at once end with each content once, numbered without a gap."""
    schemas = Schemas(store, clock)
    bodies = [{**PRICE, "description": f"Variant {n}"} for n in range(4)]
    barrier = threading.Barrier(8)
    failures: list[Exception] = []

    def add(turn: int) -> None:
        barrier.wait()
        for n in range(4):
            try:
                schemas.add(person("ann"), "price", bodies[(n + turn) % 4])
            except Exception as error:  # noqa: BLE001 the test tells which
                failures.append(error)

    threads = [threading.Thread(target=add, args=(turn,)) for turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [version.version for version in schemas.versions(LOCAL_OPERATOR, "price")] == [4, 3, 2, 1]
    with store.reading() as session:
        assert len(session.exec(select(Schema)).all()) == 1
        assert len({row.hash for row in session.exec(select(SchemaVersion))}) == 4
    assert schemas.find(LOCAL_OPERATOR, "price").version in {1, 2, 3, 4}


def test_samples_load_once(schemas: Schemas, store: Store) -> None:
    """The samples are added on the first start only; one that an operator changed is left alone."""
    names = ["contract_terms", "invoice", "meeting_notes", "resume", "support_ticket"]
    assert schemas.load_samples(person("system")) == names
    schemas.add(person("ann"), "invoice", PRICE)
    count = len(entries(store))
    assert schemas.load_samples(person("system")) == []
    assert schemas.find(LOCAL_OPERATOR, "invoice").version == 2
    assert len(entries(store)) == count
    assert [summary.name for summary in schemas.list(LOCAL_OPERATOR) if summary.description] == names


def sample_ids() -> list[Path]:
    """Return the files of the samples."""
    return sorted(SAMPLES.glob("*.json"))


def walk(node: Any) -> list[dict[str, Any]]:
    """Return every object in a schema."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [each for part in inner for each in walk(part)] + ([node] if isinstance(node, dict) else [])


@pytest.mark.parametrize("path", sample_ids(), ids=lambda path: path.stem)
def test_each_sample_is_fit_for_every_provider(path: Path, sqlite_store: Store, clock: ManualClock) -> None:
    """A sample has a true example, closed objects with every field required, and no bounded float."""
    sample = orjson.loads(path.read_bytes())
    assert list(sample) == ["name", "description", "schema", "example_input", "example_output"]
    assert sample["name"] == path.stem
    found: ResolvedSchema = Schemas(sqlite_store, clock).inline(sample["schema"])
    assert found.response_model.model_validate(sample["example_output"]).value == sample["example_output"]
    assert not found.response_model.form.is_wrapped
    for part in walk(sample["schema"]):
        if part.get("type") == "object" and "properties" in part:
            assert part["required"] == list(part["properties"])
            assert part["additionalProperties"] is False
        if part.get("type") == "number":
            assert not part.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}


def test_support_ticket_suits_a_tiny_model() -> None:
    """The support ticket is flat, of short strings, choices and booleans: what a grammar enforces entirely."""
    schema = orjson.loads((SAMPLES / "support_ticket.json").read_bytes())["schema"]
    for part in schema["properties"].values():
        assert part["type"] == "boolean" or "enum" in part or part["maxLength"] <= 120
        assert not part.keys() & {"format", "pattern", "minimum", "maximum"}


def labelled(schemas: Schemas) -> dict[str, tuple[int, int | None, str]]:
    """Return what each label of the schema names, what it named before, and who moved it."""
    return {
        one.label: (one.version, one.version_before, one.moved_by) for one in schemas.labels(LOCAL_OPERATOR, "price")
    }


def test_roll_back_goes_to_where_the_label_was(schemas: Schemas, store: Store, clock: ManualClock) -> None:
    """The label names what it named before its last move, once more takes that back; each is audited as what it is."""
    for body in (PRICE, PRICE_2):
        schemas.add(person("ann"), "price", body)
    assert labelled(schemas) == {"production": (2, 1, "ann")}
    clock.advance(60)
    assert schemas.roll_back(person("bob"), "price", expected=2) == 1
    assert labelled(schemas) == {"production": (1, 2, "bob")}
    assert [one.moved_at for one in schemas.labels(LOCAL_OPERATOR, "price")] == [clock.now()]
    clock.advance(60)
    assert schemas.roll_back(person("cid"), "price") == 2
    assert schemas.find(LOCAL_OPERATOR, "price").version == 2
    with store.reading() as session:
        events = session.exec(select(ChangeEvent).order_by(col(ChangeEvent.at), col(ChangeEvent.id))).all()
    assert [one.summary for one in events][-2:] == [
        "price production rolled back to version 1, was version 2",
        "price production rolled back to version 2, was version 1",
    ]
    assert sorted((one.actor, one.action) for one in entries(store))[-2:] == [
        ("bob", "schema.roll_back"),
        ("cid", "schema.roll_back"),
    ]


def test_roll_back_to_a_version_by_its_number(schemas: Schemas) -> None:
    """Any version can be gone back to; none that is not there, nor where the label has moved or was nowhere."""
    schemas.add(person("ann"), "price", PRICE)
    with pytest.raises(Conflict, match="named no version before"):
        schemas.roll_back(person("bob"), "price")
    for body in (PRICE_2, {**PRICE, "title": "Third"}):
        schemas.add(person("ann"), "price", body)
    assert schemas.roll_back(person("bob"), "price", 1) == 1
    with pytest.raises(NotFound, match="has no version 9"):
        schemas.roll_back(person("bob"), "price", 9)
    with pytest.raises(Conflict, match="changed price@production meanwhile"):
        schemas.roll_back(person("bob"), "price", 2, expected=3)
    with pytest.raises(NotFound, match="There are: price"):
        schemas.roll_back(person("bob"), "prize", 1)


def test_unlabel(schemas: Schemas, store: Store) -> None:
    """A label that is taken away names nothing; once gone it is gone, and a stale look is refused."""
    schemas.add(person("ann"), "price", PRICE)
    with pytest.raises(Conflict, match="changed price@production meanwhile"):
        schemas.unlabel(person("bob"), "price", "production", expected=3)
    for _ in range(2):
        schemas.unlabel(person("bob"), "price", "production")
    with pytest.raises(NotFound, match="its labels: none"):
        schemas.find(LOCAL_OPERATOR, "price")
    assert sorted(one.action for one in entries(store)) == ["schema.add", "schema.unlabel"]
    assert schemas.versions(LOCAL_OPERATOR, "price")[0].labels == []


def test_no_version_is_version_zero(schemas: Schemas) -> None:
    """A label is taken away in so many words only: 0 is no version to promote."""
    schemas.add(person("ann"), "price", PRICE)
    for move in (schemas.promote, schemas.roll_back):
        with pytest.raises(NotFound, match="has no version 0"):
            move(person("bob"), "price", 0)


def test_a_version_keeps_its_source(schemas: Schemas) -> None:
    """The source stands beside the version it was read from; one that came as JSON Schema has none."""
    schemas.add(person("ann"), "price", PRICE, source="class Price: ...")
    schemas.add(person("ann"), "price", PRICE_2)
    assert [schemas.source(LOCAL_OPERATOR, "price", version) for version in (1, 2)] == ["class Price: ...", ""]
    with pytest.raises(NotFound, match="has no version 3"):
        schemas.source(LOCAL_OPERATOR, "price", 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"price": 1,}', "Line 1, column 13: "),
        ('{\n  "price": nope}', "Line 2, column 12: expecting value"),
        ("", "The answer is empty"),
        ("[" * 100_000, "nests too deep"),
        ("9" * 5_000, "too many digits"),
        ('{"price": NaN}', "holds NaN, which JSON does not have"),
        ("1" * 1_000_001, "larger than 1000 kB"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(schemas: Schemas, text: str, says: str) -> None:
    """Text that is no JSON is refused in one sentence, by line and column where there is one."""
    schemas.add(person("ann"), "price", PRICE)
    with pytest.raises(Invalid, match=says):
        checked(schemas.find(LOCAL_OPERATOR, "price").response_model, text)


def test_an_answer_is_checked(schemas: Schemas) -> None:
    """A valid answer has no problem; of another each field is told with its rule, and never with its value."""
    schemas.add(person("ann"), "price", PRICE)
    model = schemas.find(LOCAL_OPERATOR, "price").response_model
    assert checked(model, '{"price": 5}').problems == ()
    [problem] = checked(model, '{"price": "secret"}').problems
    assert (problem.path, problem.type) == ("$.price", "float_type")
    assert "secret" not in problem.message
