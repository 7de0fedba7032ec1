"""What changes the registry: versions added, labels moved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import orjson
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, func, select

from core import audit
from core.audit import Because
from core.clock import Clock
from core.errors import Conflict, Invalid
from core.given_schemas import read
from core.principals import Permission, Principal
from core.response_models import response_model
from core.schemas._labels import (
    PROMOTE,
    ROLL_BACK,
    UNLABEL,
    LabelMove,
    check_expected,
    labels,
    move,
    put,
    version_before,
)
from core.schemas._names import PRODUCTION, check_example, check_label, check_name
from core.schemas._reads import RegisteredSchemas
from core.store import FOR_CHANGE, Store
from core.tables import Schema, SchemaVersion

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "schemas"


class Schemas(RegisteredSchemas):
    """The schemas of this deployment."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store)
        self._clock = clock

    def add(
        self,
        principal: Principal,
        name: str,
        body: dict[str, Any],
        *,
        example_input: str = "",
        example_output: Any = None,
        description: str = "",
        label: str | None = PRODUCTION,
        is_demo: bool = False,
        source: str = "",
        expected: int | None = None,
        reason: str = "",
    ) -> SchemaVersion:
        """Keep *body*, as it is meant, as a version of the schema *name*, and move *label* to it; return the version.

        *source* is the Pydantic source that *body* was read from, for people to read.
        The same content is kept once: adding it again returns the version that is there. Only its label may move.
        *expected* is the version that had the label when the caller looked, 0 if none had, ``None`` if any may have it.

        Raises:
            Conflict: the label has moved since; nothing is kept.
            Forbidden: without ``schemas.write`` over all tenants.
            Invalid: the name, the schema or its example is not right.

        """
        principal.require_over(Permission.SCHEMAS_WRITE, None)
        check_name(name)
        check_label(label)
        if "\x00" in example_input + description + source:
            raise Invalid("The description, source or example input holds a NUL character; remove it.")
        body = read(body).schema
        model = response_model(body, name)
        check_example(model, example_output)
        facts = {
            "hash": model.schema_hash,
            "body": body,
            "example_input": example_input,
            "example_output": example_output,
            "created_at": self._clock.now(),
            "created_by": principal.name,
            "source": source,
        }
        for _ in range(3):
            try:
                with self._store.writing() as session:
                    schema, is_described = self._schema(session, name, description, is_demo=is_demo)
                    if label is not None:
                        check_expected(session, schema, label, expected)
                    return self._add(principal, session, schema, facts, label, is_described=is_described, reason=reason)
            except IntegrityError:  # another process added the same name or number in this moment: look again
                continue
        raise Conflict(f"The schema {name!r} is being changed by others; try again.")

    def promote(
        self,
        principal: Principal,
        name: str,
        version: int,
        label: str = PRODUCTION,
        *,
        expected: int | None = None,
        **why: Unpack[Because],
    ) -> None:
        """Move *label* to *version*.

        *expected* is the version that had the label when the caller looked, 0 if none had, ``None`` if any may have it.

        Raises:
            Forbidden: without ``schemas.write`` over all tenants.
            NotFound: there is no such schema or version.
            Conflict: the label has moved since.

        """
        self._move(
            principal,
            name,
            version,
            LabelMove(by=principal, action=PROMOTE, label=label, expected=expected, why=why),
        )

    def roll_back(
        self,
        principal: Principal,
        name: str,
        version: int | None = None,
        label: str = PRODUCTION,
        *,
        expected: int | None = None,
        **why: Unpack[Because],
    ) -> int:
        """Move *label* back to *version*, or to the one that it named before; return which that is.

        To roll back once more takes it back.

        Raises:
            Forbidden: without ``schemas.write`` over all tenants.
            NotFound: there is no such schema or version.
            Conflict: the label has moved since, or named no version before.

        """
        return self._move(
            principal,
            name,
            version,
            LabelMove(by=principal, action=ROLL_BACK, label=label, expected=expected, why=why),
        )

    def unlabel(
        self, principal: Principal, name: str, label: str, *, expected: int | None = None, **why: Unpack[Because]
    ) -> None:
        """Take *label* away: it names no version any more.

        Raises:
            Forbidden: without ``schemas.write`` over all tenants.
            NotFound: there is no such schema.
            Conflict: the label has moved since.

        """
        self._move(principal, name, 0, LabelMove(by=principal, action=UNLABEL, label=label, expected=expected, why=why))

    def _move(self, principal: Principal, name: str, wanted: int | None, asked: LabelMove) -> int:
        """Move a label to the version *wanted*, to none with 0, to the one before with ``None``; return which."""
        principal.require_over(Permission.SCHEMAS_WRITE, None)
        check_label(asked.label)
        with self._store.writing() as session:
            schema = session.exec(select(Schema).where(Schema.name == name).with_for_update(**FOR_CHANGE)).first()
            if schema is None:
                raise self._not_found(name, asked.label)
            number = version_before(session, schema.id, asked.label) if wanted is None else wanted
            if number is None:
                raise Conflict(f"{name}@{asked.label} named no version before; say which version to roll back to.")
            target = session.exec(
                select(SchemaVersion).where(SchemaVersion.schema_id == schema.id, SchemaVersion.version == number)
            ).first()
            if target is None and asked.action != UNLABEL:
                raise self._not_found(name, str(number))
            move(session, self._clock, schema, target, asked)
        return number

    def load_samples(self, principal: Principal) -> Sequence[str]:
        """Add each sample schema whose name is not there yet; return the names that were added.

        Raises:
            Forbidden: without ``schemas.write`` over all tenants.

        """
        principal.require_over(Permission.SCHEMAS_WRITE, None)
        there = {schema.name for schema in self._list()}
        added: list[str] = []
        for path in sorted(SAMPLES.glob("*.json")):
            sample = orjson.loads(path.read_bytes())
            if sample["name"] in there:
                continue
            self.add(
                principal,
                sample["name"],
                sample["schema"],
                example_input=sample["example_input"],
                example_output=sample["example_output"],
                description=sample["description"],
            )
            added.append(sample["name"])
        return added

    def _schema(self, session: Session, name: str, description: str, *, is_demo: bool) -> tuple[Schema, bool]:
        """Return the row of the schema *name*, made if need be, and whether its description changed."""
        schema = session.exec(select(Schema).where(Schema.name == name).with_for_update(**FOR_CHANGE)).first()
        if schema is None:
            schema = Schema(
                id=self._clock.new_id(),
                name=name,
                description=description,
                is_demo=is_demo,
                created_at=self._clock.now(),
            )
            session.add(schema)
            session.flush()
        elif description and schema.description != description:
            schema.description = description
            session.add(schema)
            return schema, True
        return schema, False

    def _add(
        self,
        principal: Principal,
        session: Session,
        schema: Schema,
        facts: dict[str, Any],
        label: str | None,
        *,
        is_described: bool,
        reason: str,
    ) -> SchemaVersion:
        before = labels(session, schema.id)
        version = session.exec(
            select(SchemaVersion).where(SchemaVersion.schema_id == schema.id, SchemaVersion.hash == facts["hash"])
        ).first()
        done = ["described anew"] if is_described else []
        if version is None:
            newest = session.exec(
                select(func.max(SchemaVersion.version)).where(SchemaVersion.schema_id == schema.id)
            ).one()
            version = SchemaVersion(id=self._clock.new_id(), schema_id=schema.id, version=(newest or 0) + 1, **facts)
            session.add(version)
            session.flush()
            done.append("added")
        after = before if label is None else {**before, label: version.version}
        if label is not None and after != before:
            put(session, self._clock, version, label, before.get(label, 0), facts["created_by"])
            done.append(f"now {label}")
        if done:
            audit.record(
                session,
                self._clock,
                by=principal,
                action="schema.add",
                kind="schema",
                subject=schema.name,
                summary=f"{schema.name} version {version.version} {' and '.join(done)}",
                before={"labels": before},
                after={"version": version.version, "hash": version.hash, "labels": after},
                reason=reason,
            )
        return version
