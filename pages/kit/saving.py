"""Saving a schema as a version, asked for alike wherever one is at hand: under which name, with which label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.schemas import PRODUCTION, SchemaSummary
from core.tenants import Permission
from pages.kit import label_moves
from pages.kit.buttons import button
from pages.kit.markup import code, plain
from pages.kit.page import Visit, flash, refusals
from pages.kit.pasted import Pasted
from pages.kit.reasons import reason

NO_LABEL = "no label"
DRAFT = "draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A version that was saved a moment ago."""

    name: str
    version: int
    label: str | None
    """The label that moved to it."""
    before: int | None = None
    """The version that had the label, 0 for none; ``None`` where nothing can be taken back, as the schema is new."""

    @property
    def sentence(self) -> str:
        """What was done, to be told."""
        return f"{self.name} version {self.version} is saved" + (f", now {self.label}." if self.label else ".")


def tell(saved: Saved) -> None:
    """Say in the next run what was saved; a label that moved can be taken back there."""
    if saved.label and saved.before is not None and saved.before != saved.version:
        label_moves.done(saved.name, saved.label, saved.before, saved.version)
    flash(saved.sentence)


def is_allowed(visit: Visit) -> bool:
    """Whether to offer what changes schemas, which all tenants share."""
    return visit.may_over(Permission.SCHEMAS_WRITE)


def form(
    visit: Visit, schema: Pasted | None, *, name: str | None = None, usual: str = NO_LABEL, example: str = ""
) -> Saved | None:
    """Ask for what else a version has, say what will happen, and save it; return it once that is done.

    *name* is asked for where it is not given; *usual* is the label of a further version, and *example* an input that
    may be kept with it.
    """
    title = suggested_name(schema.body) if schema else ""
    wanted = (
        name
        or st.text_input(
            "Name",
            title,
            key="save_name",
            placeholder="support_ticket",
            help="Lower-case letters, digits and _, a letter first. A name that is there gets a further version.",
        ).strip()
    )
    there = visit.runtime.schemas.summary(visit.principal, wanted) if wanted else None
    label = st.selectbox(
        "Label",
        dict.fromkeys([PRODUCTION, DRAFT, NO_LABEL, *(there.labels if there else ())]),
        [PRODUCTION, DRAFT, NO_LABEL].index(usual if there else PRODUCTION),
        key="save_label",
        accept_new_options=True,
        help=f"A bare name means the version labelled {PRODUCTION}; programs that name it get that one.",
    )
    label = None if label in (None, NO_LABEL) else label
    about = there.description if there else str(schema.body.get("description") or "")[:200] if schema else ""
    description = st.text_input("Description", about, key="save_description")
    keeps = bool(example) and st.checkbox(
        "Keep the input as its example", key="save_example", help="Everybody who opens it sees it."
    )
    version = _version(visit, schema, there)
    if wanted:
        st.markdown(_consequence(wanted, label, there, version))
    current = there.labels.get(label, 0) if there and label else None
    is_moved = bool(schema and there and label and current and _compare(visit, schema.body, there, label, version))
    named = f"Save, and move {plain(label or '')}" if is_moved else "Save"
    missing = "" if schema and wanted else "Paste a schema first." if wanted else "Give it a name first."
    why = reason("save_reason")
    if not button(named, missing=missing, type="primary", key="confirm_save") or schema is None:
        return None
    with refusals("The schema was not saved."):
        added = visit.runtime.schemas.add(
            visit.principal,
            wanted,
            schema.body,
            example_input=example if keeps else "",
            description=description.strip(),
            label=label,
            source=schema.source,
            expected=current,
            reason=why,
        )
        return Saved(name=wanted, version=added.version, label=label, before=current)
    return None


def _version(visit: Visit, schema: Pasted | None, there: SchemaSummary | None) -> int:
    """Return the number that *schema* will have: that of the version which says the same, or the next."""
    if there is None:
        return 1
    if schema is not None:
        hashed = visit.runtime.schemas.inline(schema.body).hash
        for one in visit.runtime.schemas.versions(visit.principal, there.name):
            if one.hash == hashed:
                return one.version
    return there.latest + 1


def _compare(visit: Visit, body: dict[str, Any], there: SchemaSummary, label: str, version: int) -> bool:
    """Hold the version that has the *label* beside the one that gets it, a further one or one that says the same.

    Return whether the label moves at all.
    """
    current = there.labels[label]
    if current == version:
        st.caption(f"That is version {current}, which has the label {plain(label)}: nothing moves.")
        return False
    is_new = version > there.latest
    label_moves.consequence(visit, there.name, label, current, version, body=body if is_new else None)
    return True


def suggested_name(body: Mapping[str, Any]) -> str:
    """Return a name for a schema, made of its title: ``ShipmentNotice`` is ``shipment_notice``."""
    title = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(body.get("title") or ""))
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).lstrip("_0123456789")[:63].rstrip("_")


def _consequence(name: str, label: str | None, there: SchemaSummary | None, version: int) -> str:
    """Say what saving does."""
    what = f"{code(name)} is new"
    if there:
        said = f"this becomes its version {version}"
        if version <= there.latest:
            said = f"this is its version {version} already, and no further one is made"
        what = f"{code(name)} is there: {said}"
    before = there.labels.get(label) if there and label else None
    if label is None:
        return f":small[{what}; it is found by its number alone.]"
    if before == version:
        return f":small[{what}.]"
    was = f", which is version {before} now," if before else ""
    warns = " :orange[Programs get it from the next call on.]" if label == PRODUCTION and there else ""
    return f":small[{what}; the label {plain(label)}{was} moves to it.{warns}]"
