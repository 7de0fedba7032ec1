"""What is registered: found, listed, and read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from core.errors import NotFound
from core.given_schemas import KnownSchemas
from core.principals import Permission, Principal
from core.response_models import response_model, tool_name
from core.schemas._labels import LabelView, label_views
from core.schemas._names import PRODUCTION, not_found, parts_of
from core.schemas._views import (
    ResolvedSchema,
    SchemaEntry,
    SchemaSummary,
    VersionSummary,
    bodies,
    source,
    summaries,
    versions,
)
from core.store import Store

_FOUND = "SELECT s.name, v.version, v.hash, v.body, v.example_input, v.example_output FROM schema s "
_BY_LABEL = _FOUND + (
    "JOIN schema_label l ON l.schema_id = s.id JOIN schema_version v ON v.id = l.version_id "
    "WHERE s.name = :name AND l.label = :label"
)
_BY_VERSION = _FOUND + "JOIN schema_version v ON v.schema_id = s.id WHERE s.name = :name AND v.version = :version"


class RegisteredSchemas:
    """The schemas of this deployment, to be read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_label = store.prepare(_BY_LABEL)
        self._by_version = store.prepare(_BY_VERSION)
        self._given = KnownSchemas()
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
        name, label = parts_of(reference)
        number = label.isdecimal()
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
        """Return the schema that came with a request, as it is meant, named by its title.

        Raises:
            Invalid: it is no JSON Schema, or exceeds a limit.

        """
        given = self._given.read(body)
        title = given.schema.get("title")
        name = tool_name(title) if isinstance(title, str) and title else "inline"
        model = response_model(given.schema, name)
        return ResolvedSchema(
            name=name,
            version=None,
            hash=model.schema_hash,
            body=given.schema,
            notes=given.notes,
            response_model=model,
        )

    def list(self, principal: Principal) -> Sequence[SchemaSummary]:
        """Return every schema, by name.

        Raises:
            Forbidden: without ``schemas.read``.

        """
        principal.require(Permission.SCHEMAS_READ)
        return self._list()

    def summary(self, principal: Principal, name: str) -> SchemaSummary | None:
        """Return one schema as a list has it, ``None`` where there is none.

        Raises:
            Forbidden: without ``schemas.read``.

        """
        principal.require(Permission.SCHEMAS_READ)
        with self._store.reading() as session:
            return next(iter(summaries(session, name)), None)

    def catalogue(self, principal: Principal) -> Sequence[SchemaEntry]:
        """Return every schema, by name, with its versions and their JSON Schemas.

        A version's JSON Schema never changes, so it is read once.

        Raises:
            Forbidden: without ``schemas.read``.

        """
        principal.require(Permission.SCHEMAS_READ)
        with self._store.reading() as session:
            names, all_versions = summaries(session), versions(session)
            hashes = {version.hash for several in all_versions.values() for version in several}
            self._bodies.update(bodies(session, hashes - self._bodies.keys(), every=not self._bodies))
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

    def labels(self, principal: Principal, name: str) -> Sequence[LabelView]:
        """Return the labels of the schema *name*, by label; none where there is no such schema.

        Raises:
            Forbidden: without ``schemas.read``.

        """
        principal.require(Permission.SCHEMAS_READ)
        with self._store.reading() as session:
            return label_views(session, name)

    def source(self, principal: Principal, name: str, version: int) -> str:
        """Return the Pydantic source that a version was read from; empty where it came as JSON Schema.

        Raises:
            Forbidden: without ``schemas.read``.
            NotFound: there is no such version.

        """
        principal.require(Permission.SCHEMAS_READ)
        with self._store.reading() as session:
            found = source(session, name, version)
        if found is None:
            raise self._not_found(name, str(version))
        return found

    def _list(self) -> Sequence[SchemaSummary]:
        with self._store.reading() as session:
            return summaries(session)

    def _not_found(self, name: str, which: str) -> NotFound:
        return not_found(self._list(), name, which)
