"""What is registered: found, listed, added and promoted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy
from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from core import audit
from core.clock import Clock
from core.errors import Conflict, Invalid, NotFound
from core.principals import Permission, Principal
from core.response_models import ResponseModel, field_errors, response_model, tool_name
from core.schemas._views import (
    ResolvedSchema,
    SchemaEntry,
    SchemaSummary,
    VersionSummary,
    summaries,
    versions,
)
from core.store import FOR_CHANGE, Store
from core.tables import Schema, SchemaLabel, SchemaVersion

PRODUCTION = "production"
"""The label that a bare name means."""
SAMPLES = Path(__file__).resolve().parents[2] / "data" / "schemas"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_FOUND = "SELECT s.name, v.version, v.hash, v.body, v.example_input, v.example_output FROM schema s "
_BY_LABEL = _FOUND + (
    "JOIN schema_label l ON l.schema_id = s.id JOIN schema_version v ON v.id = l.version_id "
    "WHERE s.name = :name AND l.label = :label"
)
_BY_VERSION = _FOUND + "JOIN schema_version v ON v.schema_id = s.id WHERE s.name = :name AND v.version = :version"


class Schemas:
    """The schemas of this deployment."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._by_label = store.prepare(_BY_LABEL)
        self._by_version = store.prepare(_BY_VERSION)
        self._bodies: dict[str, dict[str, Any]] = {}
        """The JSON Schemas of registered versions by hash, as far as somebody asked for them."""

    def find(self, principal: Principal, reference: str) -> ResolvedSchema:
        """Return the version that *reference* means: ``name`` (in production), ``name@label`` or ``name@3``.

        Raises:
            Forbidden: without ``schemas.read``.
            Invalid: it is written otherwise.
            NotFound: there is none; the message names what there is.

        """
        principal.require(Permission.SCHEMAS_READ)
        return self.resolved(reference)

    def resolved(self, reference: str) -> ResolvedSchema:
        """Return the same for a policy, whose own permission is asked elsewhere.

        Raises:
            Invalid: it is written otherwise.
            NotFound: there is none; the message names what there is.

        """
        name, at, which = reference.partition("@")
        label = which if at else PRODUCTION
        number = _NUMBER.fullmatch(label)
        if not (_NAME.fullmatch(name) and (number or _LABEL.fullmatch(label))):
            raise Invalid(f"{reference[:80]!r} is no schema; write name, name@label or name@3.")
        with self._store.snapshot() as connection:
            if number:
                found = connection.exec_driver_sql(self._by_version, {"name": name, "version": int(label)})
            else:
                found = connection.exec_driver_sql(self._by_label, {"name": name, "label": label})
            row = found.first()
        if row is None:
            raise self._not_found(name, label)
        body = orjson.loads(row.body)
        model = response_model(body, row.name)
        return ResolvedSchema(
            name=row.name,
            version=row.version,
            hash=row.hash,
            body=body,
            example_input=row.example_input,
            example_output=None if row.example_output is None else orjson.loads(row.example_output),
            response_model=model,
        )

    def inline(self, body: dict[str, Any]) -> ResolvedSchema:
        """Return the schema that came with a request, named by its title.

        Raises:
            Invalid: it is no JSON Schema, or exceeds a limit.

        """
        title = body.get("title")
        name = tool_name(title) if isinstance(title, str) and title else "inline"
        model = response_model(body, name)
        return ResolvedSchema(name=name, version=None, hash=model.schema_hash, body=body, response_model=model)

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
    ) -> SchemaVersion:
        """Keep *body* as a version of the schema *name*, and move *label* to it; return the version.

        The same content is kept once: adding it again returns the version that is there. Only its label may move.

        Raises:
            Forbidden: without ``schemas.write`` over all tenants.
            Invalid: the name, the schema or its example is not right.

        """
        principal.require_over(Permission.SCHEMAS_WRITE, None)
        _check_name(name)
        _check_label(label)
        if "\x00" in example_input + description:
            raise Invalid("The description or example input holds a NUL character; remove it.")
        model = response_model(body, name)
        _check_example(model, example_output)
        facts = {
            "hash": model.schema_hash,
            "body": body,
            "example_input": example_input,
            "example_output": example_output,
            "created_at": self._clock.now(),
            "created_by": principal.name,
        }
        for _ in range(3):
            try:
                with self._store.writing() as session:
                    schema, is_described = self._schema(session, name, description, is_demo=is_demo)
                    return self._add(session, schema, facts, label, is_described=is_described)
            except IntegrityError:  # another process added the same name or number in this moment: look again
                continue
        raise Conflict(f"The schema {name!r} is being changed by others; try again.")

    def promote(
        self, principal: Principal, name: str, version: int, label: str = PRODUCTION, *, expected: int | None = None
    ) -> None:
        """Move *label* to *version*.

        *expected* is the version that had the label when the caller looked, 0 if none had, ``None`` if any may have it.

        Raises:
            Forbidden: without ``schemas.write`` over all tenants.
            NotFound: there is no such schema or version.
            Conflict: the label has moved since.

        """
        principal.require_over(Permission.SCHEMAS_WRITE, None)
        _check_label(label)
        with self._store.writing() as session:
            schema = session.exec(select(Schema).where(Schema.name == name).with_for_update(**FOR_CHANGE)).first()
            if schema is None:
                raise self._not_found(name, str(version))
            target = session.exec(
                select(SchemaVersion).where(SchemaVersion.schema_id == schema.id, SchemaVersion.version == version)
            ).first()
            if target is None:
                raise self._not_found(name, str(version))
            before = _labels(session, schema.id)
            current = before.get(label, 0)
            if expected is not None and expected != current:
                now = f"to version {current}" if current else "nowhere"
                raise Conflict(f"{name}@{label} points {now} by now; look again before you move it.", current=current)
            if current == version:
                return
            _move(session, target, label)
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="schema.promote",
                kind="schema",
                subject=name,
                summary=f"{name} version {version} is now {label}" + (f", was version {current}" if current else ""),
                before={"labels": before},
                after={"labels": {**before, label: version}, "hash": target.hash},
            )

    def list(self, principal: Principal) -> Sequence[SchemaSummary]:
        """Return every schema, by name.

        Raises:
            Forbidden: without ``schemas.read``.

        """
        principal.require(Permission.SCHEMAS_READ)
        return self._list()

    def catalogue(self, principal: Principal) -> Sequence[SchemaEntry]:
        """Return every schema, by name, with its versions and their JSON Schemas.

        A version's JSON Schema never changes, so it is read once.

        Raises:
            Forbidden: without ``schemas.read``.

        """
        principal.require(Permission.SCHEMAS_READ)
        with self._store.reading() as session:
            names, all_versions = summaries(session), versions(session)
            self._read_bodies(session, {version.hash for several in all_versions.values() for version in several})
        return [
            SchemaEntry(
                summary=one,
                versions=all_versions[one.name],
                bodies={version.version: self._bodies[version.hash] for version in all_versions[one.name]},
            )
            for one in names
        ]

    def versions(self, principal: Principal, name: str) -> Sequence[VersionSummary]:
        """Return the versions of the schema *name*, newest first.

        Raises:
            Forbidden: without ``schemas.read``.
            NotFound: there is no such schema.

        """
        principal.require(Permission.SCHEMAS_READ)
        with self._store.reading() as session:
            found = versions(session, name).get(name)
        if found is None:
            raise self._not_found(name, PRODUCTION)
        return found

    def _list(self) -> Sequence[SchemaSummary]:
        with self._store.reading() as session:
            return summaries(session)

    def _read_bodies(self, session: Session, hashes: AbstractSet[str]) -> None:
        """Make sure that what these versions say is in memory."""
        missing = hashes - self._bodies.keys()
        if not missing:
            return
        bodies = sqlalchemy.select(col(SchemaVersion.hash), col(SchemaVersion.body))
        if self._bodies:
            bodies = bodies.where(col(SchemaVersion.hash).in_(missing))
        for hash_, body in session.connection().execute(bodies):
            self._bodies[hash_] = body

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
        self, session: Session, schema: Schema, facts: dict[str, Any], label: str | None, *, is_described: bool
    ) -> SchemaVersion:
        before = _labels(session, schema.id)
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
            _move(session, version, label)
            done.append(f"now {label}")
        if done:
            audit.record(
                session,
                self._clock,
                actor=facts["created_by"],
                action="schema.add",
                kind="schema",
                subject=schema.name,
                summary=f"{schema.name} version {version.version} {' and '.join(done)}",
                before={"labels": before},
                after={"version": version.version, "hash": version.hash, "labels": after},
            )
        return version

    def _not_found(self, name: str, which: str) -> NotFound:
        summaries = {summary.name: summary for summary in self._list()}
        if (summary := summaries.get(name)) is None:
            there = ", ".join(summaries) or "none yet; add one first"
            return NotFound(f"There is no schema {name[:80]!r}. There are: {there[:400]}.")
        labels = ", ".join(f"{label} (version {version})" for label, version in summary.labels.items()) or "none"
        wanted = f"version {which}" if which.isdecimal() else f"version labelled {which!r}"
        newest = f"1 to {summary.latest}" if summary.latest > 1 else "1"
        return NotFound(f"The schema {name!r} has no {wanted}. It has version {newest}; its labels: {labels}.")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name[:80]!r} cannot name a schema; use up to 63 lower-case letters, digits and _, a letter first."
        )


def _check_label(label: str | None) -> None:
    if label is not None and not _LABEL.fullmatch(label):
        raise Invalid(
            f"{label[:80]!r} cannot be a label; use up to 32 lower-case letters, digits, - and _, a letter first."
        )


def _check_example(model: type[ResponseModel], example: Any) -> None:
    if example is None:
        return
    try:
        model.model_validate(example)
    except ValidationError as error:
        first = field_errors(error)[0]
        raise Invalid(f"The example output breaks its own schema at {first.path}: {first.message}.") from None


def _labels(session: Session, schema_id: str) -> dict[str, int]:
    """Return version by label."""
    rows = session.exec(
        select(SchemaLabel.label, SchemaVersion.version)
        .join(SchemaVersion, col(SchemaVersion.id) == SchemaLabel.version_id)
        .where(SchemaLabel.schema_id == schema_id)
        .order_by(SchemaLabel.label)
    )
    return dict(rows.all())


def _move(session: Session, version: SchemaVersion, label: str) -> None:
    session.merge(SchemaLabel(schema_id=version.schema_id, label=label, version_id=version.id))
    session.flush()
