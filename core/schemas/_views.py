"""Schemas and their versions as people and policies see them, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy
from sqlmodel import Session, col, func, select

from core.given_schemas import SchemaNote
from core.response_models import ResponseModel
from core.schemas._versions import version_name
from core.tables import Schema, SchemaLabel, SchemaVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedSchema:
    """One shape that an answer is to have."""

    name: str
    version: int | None
    """``None`` where the schema came with the request."""
    hash: str
    """Names the content: 16 hexadecimal digits."""
    body: dict[str, Any]
    """The JSON Schema."""
    example_input: str = ""
    example_output: Any = None
    """A value that satisfies the schema."""
    notes: tuple[SchemaNote, ...] = ()
    """How what came with the request was read, where that is not to the letter."""
    response_model: type[ResponseModel]

    @property
    def reference(self) -> str:
        """The name that finds just this version; the bare name where there is none."""
        return version_name(self.name, self.version)

    @property
    def wire_example(self) -> Mapping[str, Any] | None:
        """The example output as a provider would answer it."""
        if self.example_output is None:
            return None
        wrapped = self.response_model.form.is_wrapped
        return {"value": self.example_output} if wrapped else cast("dict[str, Any]", self.example_output)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSummary:
    """A schema in a list."""

    name: str
    description: str
    versions: int
    """How many there are."""
    latest: int
    """The number of the newest."""
    labels: Mapping[str, int]
    """Version by label."""
    is_demo: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary:
    """A version in a list."""

    version: int
    hash: str
    labels: Sequence[str]
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaEntry:
    """A schema with all its versions."""

    summary: SchemaSummary
    versions: Sequence[VersionSummary]
    """The newest first."""
    bodies: Mapping[int, dict[str, Any]]
    """The JSON Schema of each version."""


def summaries(session: Session, name: str | None = None) -> list[SchemaSummary]:
    """Return every schema, or the one called *name*, by name: three statements, however many there are."""
    schemas = select(Schema).order_by(Schema.name)
    counted = select(SchemaVersion.schema_id, func.count(), func.max(SchemaVersion.version))
    labelled = select(SchemaLabel.schema_id, SchemaLabel.label, SchemaVersion.version)
    if name is not None:
        wanted = select(Schema.id).where(Schema.name == name)
        schemas = schemas.where(Schema.name == name)
        counted = counted.where(col(SchemaVersion.schema_id).in_(wanted))
        labelled = labelled.where(col(SchemaLabel.schema_id).in_(wanted))
    counts = {
        schema_id: (count, latest)
        for schema_id, count, latest in session.exec(counted.group_by(col(SchemaVersion.schema_id)))
    }
    labels: dict[str, dict[str, int]] = {}
    for schema_id, label, version in session.exec(
        labelled.join(SchemaVersion, col(SchemaVersion.id) == SchemaLabel.version_id).order_by(SchemaLabel.label)
    ):
        labels.setdefault(schema_id, {})[label] = version
    return [
        SchemaSummary(
            name=schema.name,
            description=schema.description,
            versions=counts[schema.id][0],
            latest=counts[schema.id][1],
            labels=labels.get(schema.id, {}),
            is_demo=schema.is_demo,
            created_at=schema.created_at,
        )
        for schema in session.exec(schemas)
    ]


def versions(session: Session, name: str | None = None) -> dict[str, list[VersionSummary]]:
    """Return the versions of each schema, or of one, by the schema's name; the newest first."""
    wanted = sqlalchemy.select(
        col(Schema.name),
        col(SchemaVersion.id),
        col(SchemaVersion.version),
        col(SchemaVersion.hash),
        col(SchemaVersion.created_at),
        col(SchemaVersion.created_by),
    ).join(Schema, col(Schema.id) == col(SchemaVersion.schema_id))
    labelled = select(SchemaLabel.version_id, SchemaLabel.label).order_by(SchemaLabel.label)
    if name is not None:
        wanted = wanted.where(col(Schema.name) == name)
        labelled = labelled.join(Schema, col(Schema.id) == SchemaLabel.schema_id).where(Schema.name == name)
    labels: dict[str, list[str]] = {}
    for version_id, label in session.exec(labelled):
        labels.setdefault(version_id, []).append(label)
    found: dict[str, list[VersionSummary]] = {}
    for schema, version_id, version, hash_, created_at, created_by in session.connection().execute(
        wanted.order_by(col(SchemaVersion.version).desc())
    ):
        found.setdefault(schema, []).append(
            VersionSummary(
                version=version,
                hash=hash_,
                labels=labels.get(version_id, []),
                created_at=created_at,
                created_by=created_by,
            )
        )
    return found


def bodies(session: Session, hashes: AbstractSet[str], *, every: bool) -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas of the versions with these *hashes* by hash, or of *every* version."""
    if not hashes:
        return {}
    wanted = sqlalchemy.select(col(SchemaVersion.hash), col(SchemaVersion.body))
    if not every:
        wanted = wanted.where(col(SchemaVersion.hash).in_(hashes))
    return dict(session.connection().execute(wanted).all())


def source(session: Session, name: str, version: int) -> str | None:
    """Return the source that a version was read from, empty without one; ``None`` where there is no such version."""
    wanted = select(SchemaVersion.source).join(Schema, col(Schema.id) == SchemaVersion.schema_id)
    return session.exec(wanted.where(Schema.name == name, SchemaVersion.version == version)).first()
