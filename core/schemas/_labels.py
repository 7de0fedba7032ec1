"""Labels: which version each names, which it named before, and how it is moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from core import audit
from core.audit import Because
from core.clock import Clock
from core.principals import Principal
from core.tables import Schema, SchemaLabel, SchemaVersion

PROMOTE, ROLL_BACK, UNLABEL = "schema.promote", "schema.roll_back", "schema.unlabel"
"""What a move of a label is in the audit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelView:
    """A label of a schema, and its last move."""

    label: str
    version: int
    version_before: int | None
    """The version that it named before, as far as that is known."""
    moved_at: datetime | None
    """``None`` where it was moved by a release that did not write that down."""
    moved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMove:
    """A move that somebody asks for."""

    by: Principal
    action: str
    """``PROMOTE``, ``ROLL_BACK`` or ``UNLABEL``."""
    label: str
    expected: int | None
    """The version that had the label when the caller looked, 0 if none had, ``None`` if any may have it."""
    why: Because = field(default_factory=Because)


def labels(session: Session, schema_id: str) -> dict[str, int]:
    """Return version by label."""
    rows = session.exec(
        select(SchemaLabel.label, SchemaVersion.version)
        .join(SchemaVersion, col(SchemaVersion.id) == SchemaLabel.version_id)
        .where(SchemaLabel.schema_id == schema_id)
        .order_by(SchemaLabel.label)
    )
    return dict(rows.all())


def label_views(session: Session, name: str) -> list[LabelView]:
    """Return the labels of the schema *name*, by label."""
    rows = session.exec(
        select(SchemaLabel, SchemaVersion.version)
        .join(SchemaVersion, col(SchemaVersion.id) == SchemaLabel.version_id)
        .join(Schema, col(Schema.id) == SchemaLabel.schema_id)
        .where(Schema.name == name)
        .order_by(SchemaLabel.label)
    )
    return [
        LabelView(
            label=row.label,
            version=version,
            version_before=row.version_before,
            moved_at=row.moved_at,
            moved_by=row.moved_by,
        )
        for row, version in rows
    ]


def version_before(session: Session, schema_id: str, label: str) -> int | None:
    """Return the version that *label* named before the one that it names, if that is known."""
    found = session.get(SchemaLabel, (schema_id, label))
    return found.version_before if found else None


def put(  # noqa: PLR0917 what a row is made of
    session: Session, clock: Clock, version: SchemaVersion, label: str, current: int, actor: str
) -> None:
    """Let *label* name *version*, where it named *current* (0: none) until now."""
    session.merge(
        SchemaLabel(
            schema_id=version.schema_id,
            label=label,
            version_id=version.id,
            version_before=current or None,
            moved_at=clock.now(),
            moved_by=actor,
        )
    )
    session.flush()


def check_expected(session: Session, schema: Schema, label: str, expected: int | None) -> None:
    """Make sure that *label* names what its mover saw: the version *expected*, 0 for none, ``None`` for whatever.

    Raises:
        Crossed: it has moved since.

    """
    if expected is None:
        return
    current = labels(session, schema.id).get(label, 0)
    if expected != current:
        raise audit.crossed(
            session,
            f"{schema.name}@{label}",
            kind="schema",
            subject=schema.name,
            tenant_id=None,
            present={"labels": {label: current}} if current else None,
            expected=current,
            is_about=lambda entry: _named(entry.before, label) != _named(entry.after, label),
        )


def _named(said: Any, label: str) -> int:
    """Return the version that a label names in what an audit entry says; 0 for none."""
    found: dict[str, int] = said.get("labels", {}) if said else {}
    return found.get(label, 0)


def move(session: Session, clock: Clock, schema: Schema, version: SchemaVersion | None, asked: LabelMove) -> None:
    """Let the label name *version*, or nothing with ``None``; audited. Where that is so already nothing happens.

    Raises:
        Crossed: the label has moved since its mover looked.

    """
    check_expected(session, schema, asked.label, asked.expected)
    before = labels(session, schema.id)
    current, target = before.get(asked.label, 0), version.version if version else 0
    if current == target:
        return
    if version is None:
        session.delete(session.get_one(SchemaLabel, (schema.id, asked.label)))
        session.flush()
        said = f"{schema.name} has no {asked.label} any more, was version {current}"
        after = {label: number for label, number in before.items() if label != asked.label}
    else:
        put(session, clock, version, asked.label, current, asked.by.name)
        if asked.action == ROLL_BACK:
            said = f"{schema.name} {asked.label} rolled back to version {target}"
        else:
            said = f"{schema.name} version {target} is now {asked.label}"
        said += f", was version {current}" if current else ""
        after = {**before, asked.label: target}
    audit.record(
        session,
        clock,
        by=asked.by,
        action=asked.action,
        kind="schema",
        subject=schema.name,
        summary=said,
        before={"labels": before},
        after={"labels": after, **({"hash": version.hash} if version else {})},
        **asked.why,
    )
